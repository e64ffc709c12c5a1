"""Audits of accounts on Amazon Web Services."""
