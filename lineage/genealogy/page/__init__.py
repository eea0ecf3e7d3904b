"""A tree as one page: rows in Python, drawn by a small script in the browser."""
