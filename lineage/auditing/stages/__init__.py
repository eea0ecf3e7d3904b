"""What an audit does, one stage a file: read, test, compare, decide."""
