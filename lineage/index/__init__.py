"""Digests of checkpoints, and where they are stored."""
