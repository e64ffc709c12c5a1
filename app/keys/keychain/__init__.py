"""The operating system's keychain: one class for each system, by name, and never waited for without end."""
