"""What a marker claims of the work that it marks as done, held against what is there."""

from app.agents.auditing.checks.claims.check import Claims

__all__ = ["Claims"]
