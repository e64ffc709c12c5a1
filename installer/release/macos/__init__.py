"""The application bundle for macOS."""
