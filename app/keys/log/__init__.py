"""The access log of the vault: who asked for which secret."""
