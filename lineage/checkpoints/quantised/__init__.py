"""Quantised weights: how they are told, and how they become numbers."""
