"""Audits the security groups of Amazon EC2."""
