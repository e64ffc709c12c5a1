"""What work leaves behind: marks and debugging in added lines, and tests that tell less than they did."""

from app.agents.auditing.checks.leftovers.check import Leftovers

__all__ = ["Leftovers"]
