"""Models that are merges of others in their family: of which, by which recipe, and with which weights."""
