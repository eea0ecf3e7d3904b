"""What a checked configuration says, as types; imported by every room, so nothing is imported here."""
