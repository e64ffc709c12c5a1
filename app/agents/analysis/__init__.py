"""The analysis agent: has failures explained, and talks about them."""
