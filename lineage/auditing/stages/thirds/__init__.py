"""What relatives of a child say of each other: where they lie, and which of them lie on its way from an ancestor."""
