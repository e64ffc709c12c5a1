"""The first start: three steps, each of which may be skipped."""
