"""Lengths of time, as people type them."""

from __future__ import annotations

import re

from app.domain.errors import UsageError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LONGEST_S = 366 * 86_400


def seconds_of(text: str) -> float:
    """Return the seconds in words such as `30m`, `1h30m`, `90s`, `2d`.

    Raises:
        UsageError: It is no such word, zero, or more than a year.
    """
    parts = re.fullmatch(r"(?:(\d{1,6}(?:\.\d{1,3})?)([smhd]))+", text.strip().lower())
    found = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text.lower()) if parts else []
    seconds = sum(float(number) * _UNITS[unit] for number, unit in found)
    if not 0 < seconds <= _LONGEST_S:
        raise UsageError(f"{text!r} is no length of time.", "Write it as 30m, 1h30m, 90s or 2d (a year at most).")
    return seconds
