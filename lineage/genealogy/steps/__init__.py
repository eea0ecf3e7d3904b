"""A tree in steps, each with its file: models in batches, families, the tree of each family, all of them together."""
