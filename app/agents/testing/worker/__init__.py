"""What runs in the user's own interpreter, started by path; nothing here is imported by Watchkeeper itself."""
