"""The exit codes that scripts may count on."""

from __future__ import annotations

from app.domain.errors import CannotError

EXIT_GOOD = 0
EXIT_RED = 1
"""The command did its work, and something is red or fails."""
EXIT_CANNOT = CannotError.exit_code
EXIT_INTERRUPTED = 130
EXIT_PIPE = 141
"""As a shell tells of a program that SIGPIPE ended."""
