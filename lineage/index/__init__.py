"""Digests of checkpoints, kept on disk."""
