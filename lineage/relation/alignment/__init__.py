"""Axes that share an order, and the order, scale and rotation that make two networks comparable."""
