"""Foreign files read as named tensors; nothing in them is executed."""
