"""The bundle for macOS: `Watchkeeper.app`, in a zip archive."""
