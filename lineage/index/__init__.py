"""Digests and vectors of checkpoints, and where they are stored."""
