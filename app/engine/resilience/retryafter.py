"""For how long a service asks to be left alone (Retry-After, RFC 9110, 10.2.3)."""

from __future__ import annotations

import math
from datetime import UTC
from email.utils import parsedate_to_datetime

LONGEST_WAIT_S = 24 * 3600.0
"""Who asks for more gets this."""


def asked_wait(said: str, now: float) -> float | None:
    """Return for how many seconds a Retry-After asks to wait, or None when it does not say.

    Args:
        said: The header's value: seconds, or a date; whatever a service may have written there.
        now: Wall-clock time, for a date.
    """
    said = said.strip()
    try:
        seconds = float(said)
    except ValueError:
        try:
            when = parsedate_to_datetime(said)
        except (ValueError, OverflowError):  # the latter for a zone of twenty digits
            return None
        seconds = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - now
    return min(max(0.0, seconds), LONGEST_WAIT_S) if math.isfinite(seconds) else None
