"""Where images come from: a reader for each kind of source."""
