"""The axes that share an order, traced through a network's graph."""
