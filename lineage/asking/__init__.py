"""A suspect that can only be asked: queries, its answers, and what they say."""
