"""The environment that every side is started with."""

from __future__ import annotations

import os

LEFT_OUT = ("PYTHONDONTWRITEBYTECODE", "PYTEST_ADDOPTS", "PYTHONPATH", "VIRTUAL_ENV", "CI", "DATABASE_URL")
"""Without bytecode each run compiles the project anew; the others change what pytest, or we, do."""


def clean_environ(**more: str) -> dict[str, str]:
    """Return our own environment without what would disturb a measurement, and with `more`."""
    return {name: value for name, value in os.environ.items() if name not in LEFT_OUT} | more
