"""Bytes on disk, without meaning."""
