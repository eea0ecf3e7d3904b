"""Random seeds that follow from names."""

import hashlib


def seed_of(text: str) -> int:
    """A 63-bit seed from a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1
