"""Vulnerable dependencies: what a project pins, and which published advisories tell of it."""
