"""What an audit says: a typed report, and that as JSON, as a page and on the terminal."""
