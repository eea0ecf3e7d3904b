"""Learning-free scores of features."""
