"""The commands `keys ...`: the vault in the terminal."""
