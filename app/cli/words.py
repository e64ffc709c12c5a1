"""Times and numbers in words, and back."""

from __future__ import annotations

import re
import time

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


def duration(seconds: float) -> str:
    """Return a length of time, short: `0.31 s`, `12 s`, `3 min`, `2 h 5 min`, `4 d`."""
    if seconds < 10:  # noqa: PLR2004 - where decimals stop to say anything
        return f"{max(0.0, seconds):.2f} s"
    minutes, hours = round(seconds / 60), int(seconds // 3600)
    if seconds < 100:  # noqa: PLR2004 - up to here people count in seconds
        return f"{seconds:.0f} s"
    if minutes < 60:  # noqa: PLR2004 - minutes of an hour
        return f"{minutes} min"
    if hours < 48:  # noqa: PLR2004 - up to here people count in hours
        rest = int(seconds % 3600 // 60)
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{int(seconds // 86_400)} d"


def ago(at: float, now: float) -> str:
    """Return how long ago a wall-clock time was: `just now`, `3 min ago`."""
    passed = now - at
    return "just now" if passed < 10 else f"{duration(passed)} ago"  # noqa: PLR2004 - seconds


def clock_time(at: float, now: float) -> str:
    """Return a wall-clock time in local words: `14:05`, or with its date when that is another day."""
    then = time.localtime(at)
    same_day = then[:3] == time.localtime(now)[:3]
    return time.strftime("%H:%M" if same_day else "%Y-%m-%d %H:%M", then)


def count(number: int, one: str, many: str | None = None) -> str:
    """Return `1 test`, `2 tests`."""
    return f"{number} {one if number == 1 else many or one + 's'}"
