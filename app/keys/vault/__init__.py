"""The vault itself: its file, what it holds, how it is opened and changed, and how it is mended."""
