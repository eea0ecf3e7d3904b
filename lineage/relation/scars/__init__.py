"""What only time can do to weights: pruning, rounding, widening; and so which of two relatives is the later one."""
