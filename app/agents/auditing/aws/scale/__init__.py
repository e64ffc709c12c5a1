"""Units of an audit, done here or on many machines: what travels holds no keys, and what comes back is the same."""
