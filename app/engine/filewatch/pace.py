"""Long work in a thread that lets the loop's thread run."""

from __future__ import annotations

import threading
import time

STRIDE_S = 0.004
"""Work this long, then stand aside: two threads that compute side by side cost the loop 94 ms of lag (measured)."""

BREATH_S = 0.001

_STEPS = 16
"""Steps between two looks at the time."""


class StoppedError(Exception):
    """The work is to end now."""


class Pace:
    """Called between the steps of long work."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._steps = 0
        self._since = time.perf_counter()

    def __call__(self) -> None:
        """Stand aside for a moment if it is time to.

        Raises:
            StoppedError: `stop` was called.
        """
        self._steps += 1
        if self._steps % _STEPS:
            return
        now = time.perf_counter()
        if now - self._since < STRIDE_S:
            return
        if self._stopped.wait(BREATH_S):
            raise StoppedError
        self._since = time.perf_counter()

    def stop(self) -> None:
        """End the work at its next step. Any thread."""
        self._stopped.set()
