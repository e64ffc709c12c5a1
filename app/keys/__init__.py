"""The vault: API keys on disk as AES-256-GCM, opened by the operating system's keychain, and who read them."""
