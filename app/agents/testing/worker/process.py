"""What the operating system knows of this process: its memory and its priority."""

# What not every run or system needs is imported when it is.
# ruff: noqa: PLC0415
from __future__ import annotations

import os
import sys

BELOW_NORMAL = 0x00004000
"""Windows' BELOW_NORMAL_PRIORITY_CLASS."""


def resident() -> int:
    """Return the bytes that are resident now; 0 where that is unknown."""
    try:
        if sys.platform == "win32":
            return _resident_on_windows()
        if sys.platform == "darwin":
            import resource

            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - pathlib costs time
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError, ImportError):
        return 0


def end_at_once(code: int) -> None:
    """End this process as Python would, but for taking its modules apart one by one, which can take 0.2 s.

    Threads are waited for, what was registered with atexit runs, and what was printed is written.
    """
    import atexit
    import threading

    try:
        threading._shutdown()  # type: ignore[attr-defined] # noqa: SLF001 - what Python itself calls first
        atexit._run_exitfuncs()  # noqa: SLF001 - and then this
        sys.stdout.flush()
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError):
        return
    os._exit(code)


class Priority:
    """The priority that the operating system gives this process; it can only go down."""

    def __init__(self) -> None:
        self._nice = getattr(os, "nice", None)

    def lower(self, level: int) -> None:
        """Lower it to this nice value, unless it is as low; on Windows, to below normal for any but 0."""
        try:
            if level <= 0:
                return
            if sys.platform == "win32":
                _lower_on_windows()
            elif self._nice is not None:
                self._nice(max(0, level - self._nice(0)))
        except OSError:
            pass


def _lower_on_windows() -> None:
    if sys.platform == "win32":
        import ctypes
        from ctypes import wintypes

        kernel = ctypes.WinDLL("kernel32")
        kernel.GetCurrentProcess.restype = wintypes.HANDLE
        kernel.SetPriorityClass.argtypes = (wintypes.HANDLE, wintypes.DWORD)
        kernel.SetPriorityClass(kernel.GetCurrentProcess(), BELOW_NORMAL)


def _resident_on_windows() -> int:
    """Return the working set, by K32GetProcessMemoryInfo."""
    if sys.platform == "win32":
        import ctypes
        from ctypes import wintypes

        class Counters(ctypes.Structure):
            """PROCESS_MEMORY_COUNTERS; its six quotas stand in `Quotas`."""

            _fields_ = (
                ("cb", wintypes.DWORD),
                ("PageFaultCount", wintypes.DWORD),
                ("PeakWorkingSetSize", ctypes.c_size_t),
                ("WorkingSetSize", ctypes.c_size_t),
                ("Quotas", ctypes.c_size_t * 6),
            )

        kernel = ctypes.WinDLL("kernel32")
        kernel.GetCurrentProcess.restype = wintypes.HANDLE
        kernel.K32GetProcessMemoryInfo.argtypes = (wintypes.HANDLE, ctypes.c_void_p, wintypes.DWORD)
        counters = Counters()
        counters.cb = ctypes.sizeof(counters)
        if kernel.K32GetProcessMemoryInfo(kernel.GetCurrentProcess(), ctypes.byref(counters), counters.cb):
            return int(counters.WorkingSetSize)
    return 0
