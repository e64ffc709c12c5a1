"""The impact map: which tests a change touches, so that they run first. It decides order and speed, never truth."""
