"""The Audit Agent: when work is called done, it looks at it."""
