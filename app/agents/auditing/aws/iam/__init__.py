"""Audits the users, keys and policies of AWS Identity and Access Management."""
