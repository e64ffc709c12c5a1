"""What keeps the window of a console away from a program that has none of its own, on Windows."""

from __future__ import annotations

import subprocess
from typing import Final

NO_WINDOW: Final[int] = getattr(subprocess, "CREATE_NO_WINDOW", 0)
"""For `creationflags`: git, ruff, or a project's Python would show a black window for a moment, each time."""
