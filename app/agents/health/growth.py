"""Memory that grows without end."""

from __future__ import annotations

from collections import deque
from itertools import combinations
from statistics import median

SPAN_S = 600.0
"""The least of so long is one point: what a run or an audit needs for a while is given back by then."""
_HOUR_S = 3600.0


class Growth:
    """Tells steady growth from what comes and goes. Pure: all times come as arguments, in seconds.

    The slope is Theil and Sen's (the median of the slopes between all pairs of points), which single points do not
    move. Both halves of the window must grow as well, so that one step up, or a slow warming up, is no growth.

    Args:
        window_s: How long it must have grown.
        least_per_h: By how much in an hour, in bytes.
    """

    def __init__(self, *, window_s: float, least_per_h: float) -> None:
        self._least_per_h = least_per_h
        self._points: deque[tuple[int, int]] = deque(maxlen=max(4, int(window_s / SPAN_S)))
        self._now: tuple[int, int] | None = None
        self._per_h = 0.0

    def look(self, now: float, used: int) -> float:
        """Take in the memory used at a time, and return by how many bytes an hour it grows; 0 when it does not."""
        span = int(now // SPAN_S)
        if self._now is None or span == self._now[0]:
            self._now = (span, used if self._now is None else min(used, self._now[1]))
            return self._per_h
        self._points.append(self._now)
        self._now = (span, used)
        self._per_h = self._judged()
        return self._per_h

    def _judged(self) -> float:
        points = list(self._points)
        if len(points) < (self._points.maxlen or 0):
            return 0.0
        middle = len(points) // 2
        slopes = [_slope(part) for part in (points, points[:middle], points[middle:])]
        return slopes[0] if min(slopes) >= self._least_per_h else 0.0


def _slope(points: list[tuple[int, int]]) -> float:
    """Return the slope of (span, bytes) in bytes an hour."""
    slopes = [(after[1] - before[1]) / (after[0] - before[0]) for before, after in combinations(points, 2)]
    return median(slopes) * _HOUR_S / SPAN_S
