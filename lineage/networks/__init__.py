"""A module and its state."""
