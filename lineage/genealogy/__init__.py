"""A folder of models: which families there are, and who was trained from whom."""
