"""Which of two relatives is the ancestor of the other."""
