"""What the system says this process uses. All of it is read in well under a millisecond; None means not known."""

from __future__ import annotations

import os
import sys
from pathlib import Path

STATM = Path("/proc/self/statm")
"""Linux (proc_pid_statm(5)): the second number is the resident memory, in pages."""
_TASK_INFO = 4  # PROC_PIDTASKINFO (libproc.h): proc_taskinfo, whose second field is the resident memory in bytes
_TASK_INFO_BYTES = 96


def rss_bytes() -> int | None:
    """Return the memory that is in use, in bytes."""
    if sys.platform == "win32":
        return _windows_memory()
    elif sys.platform == "darwin":  # noqa: RET505 - the type checker passes over the other systems' branches only so
        return _macos_memory()
    else:
        try:
            return int(STATM.read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, ValueError, IndexError):
            return None


def descriptors() -> int | None:
    """Return how many file descriptors are open, on Windows how many handles."""
    if sys.platform == "win32":
        return _windows_handles()
    else:  # noqa: RET505 - as above
        folder = "/proc/self/fd" if sys.platform == "linux" else "/dev/fd"
        try:
            return len(os.listdir(folder)) - 1  # noqa: PTH208 - names are enough; one is of this very look
        except OSError:
            return None


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    class _Counters(ctypes.Structure):
        """PROCESS_MEMORY_COUNTERS (psapi.h)."""

        _fields_ = (
            ("cb", wintypes.DWORD),
            ("PageFaultCount", wintypes.DWORD),
            ("PeakWorkingSetSize", ctypes.c_size_t),
            ("WorkingSetSize", ctypes.c_size_t),
            ("QuotaPeakPagedPoolUsage", ctypes.c_size_t),
            ("QuotaPagedPoolUsage", ctypes.c_size_t),
            ("QuotaPeakNonPagedPoolUsage", ctypes.c_size_t),
            ("QuotaNonPagedPoolUsage", ctypes.c_size_t),
            ("PagefileUsage", ctypes.c_size_t),
            ("PeakPagefileUsage", ctypes.c_size_t),
        )

    def _kernel() -> tuple[ctypes.WinDLL, ctypes.c_void_p]:
        kernel = ctypes.WinDLL("kernel32")
        kernel.GetCurrentProcess.restype = ctypes.c_void_p
        return kernel, ctypes.c_void_p(kernel.GetCurrentProcess())

    def _windows_memory() -> int | None:
        kernel, process = _kernel()
        counters = _Counters(cb=ctypes.sizeof(_Counters))
        if not kernel.K32GetProcessMemoryInfo(process, ctypes.byref(counters), counters.cb):
            return None
        return int(counters.WorkingSetSize)

    def _windows_handles() -> int | None:
        kernel, process = _kernel()
        count = wintypes.DWORD()
        return int(count.value) if kernel.GetProcessHandleCount(process, ctypes.byref(count)) else None


def _macos_memory() -> int | None:
    import ctypes  # noqa: PLC0415 - macOS alone

    info = (ctypes.c_uint64 * (_TASK_INFO_BYTES // 8))()
    try:
        filled = ctypes.CDLL("/usr/lib/libproc.dylib").proc_pidinfo(
            os.getpid(), _TASK_INFO, ctypes.c_uint64(0), ctypes.byref(info), _TASK_INFO_BYTES
        )
    except (OSError, AttributeError):
        return None
    return int(info[1]) if filled == _TASK_INFO_BYTES else None
