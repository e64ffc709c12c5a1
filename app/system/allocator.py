"""What the C library's allocator keeps of memory that was freed. On Linux with glibc; others are left as they are.

As it comes it gives each thread an arena of its own, and once a large block was freed it no longer gives back what is
smaller than that. Of a program of twenty threads that reads files into large blocks, the memory then creeps up for
hours although nothing is lost: each arena for itself reaches, sooner or later, the most that it is ever needed for.
Measured in the tray: 53 MiB of free space in a dozen arenas, and 10 MiB more in use than with one.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# mallopt(3), and malloc.h for the numbers.
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8

GIVEN_BACK_BYTES: Final = 128 * 1024
"""A block of this size is given back when it is freed. It is the figure that glibc begins with, as it does with the
same for the end of an arena: once one of them was set, it moves neither."""
ARENAS: Final = 1
"""Python's own lock lets one thread at a time run, so that they seldom meet in the allocator."""


def keep_no_spare_memory(environ: Mapping[str, str]) -> bool:
    """Have freed memory given back to the system. To be called before there are threads.

    Args:
        environ: The environment: where it tunes the allocator (`MALLOC_...`, `GLIBC_TUNABLES`), that holds.

    Returns:
        Whether it was done. False where the C library is another one, or a person has tuned it.
    """
    if sys.platform != "linux":
        return False
    if any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in environ):
        return False
    import ctypes  # noqa: PLC0415 - other systems do not pay for it

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # musl
        return False
    wanted = ((_M_ARENA_MAX, ARENAS), (_M_MMAP_THRESHOLD, GIVEN_BACK_BYTES))
    return {mallopt(option, value) for option, value in wanted} == {1}
