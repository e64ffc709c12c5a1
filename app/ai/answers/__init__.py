"""What of an answer can be used: read, and checked against the project."""
