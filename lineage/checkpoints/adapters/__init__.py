"""Adapters: what they change, which bases fit, and how they are merged."""
