"""Secrets in the working tree and in the last commits."""
