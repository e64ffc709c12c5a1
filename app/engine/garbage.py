"""Python's collector of cycles, for a program that runs for weeks.

What refers to itself in a circle (a task that was cancelled and its traceback, the transports of a process) is freed by
the collector alone. That looks at its oldest generation only when what came to it since is a quarter of what stayed
there the last time. Of the 150,000 objects that the program consists of this is half an hour of saves: meanwhile the
memory grows by 20 MiB an hour, and then the loop is held up by all of them. So what the start has made is set aside,
and the little that comes behind it is swept now and then, which takes some milliseconds.

Python also keeps, for good, the source of each file that it looked up a line of. PySide 6.11 looks into that of each
module that is imported behind it (its `feature_imported`): 26 MiB of text by the end of the start. It is let go once a
second then, and with each sweep.
"""

from __future__ import annotations

import gc
import linecache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.engine.clock import Clock

SETTLED_S = 20
"""By then a start is over: what is there stays. To look through all of it holds the loop up for 0.1 s, once."""
SWEEP_EVERY_S = 15.0


async def keep_swept(clock: Clock) -> None:
    """Sweep until cancelled. What was set aside is the collector's again then.

    Where most is set aside already, by whoever runs this as a part of his own process, it stays at that.

    Args:
        clock: Time.
    """
    for _ in range(SETTLED_S):
        await clock.sleep(1)
        linecache.clearcache()  # so that what is imported next takes the same memory, and not more
    gc.collect()
    is_mine = gc.get_freeze_count() < len(gc.get_objects())  # Python 3.12 itself has set some aside
    if is_mine:
        gc.freeze()
    try:
        while True:
            await clock.sleep(SWEEP_EVERY_S)
            linecache.clearcache()
            gc.collect()
    finally:
        if is_mine:
            gc.unfreeze()
