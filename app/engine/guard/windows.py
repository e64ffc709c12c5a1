"""The guard on Windows: a job that ends with it."""

# ruff: noqa: PTH112 - it starts with each program: pathlib and contextlib cost 8 ms
from __future__ import annotations

import ctypes
import os
import queue
import subprocess
import sys
import threading
import time

from .channels import READ_AT_ONCE, environment, tell, tell_end, tell_failure

assert sys.platform == "win32"  # noqa: S101 - tells the type checker to pass over this module elsewhere

import msvcrt  # noqa: E402 - there is none elsewhere
from ctypes import wintypes  # noqa: E402

EXTENDED_LIMITS = 9
PROCESS_IDS = 3
KILL_ON_JOB_CLOSE = 0x2000
TERMINATE_AND_ASK = 0x0001 | 0x0400
"""PROCESS_TERMINATE and PROCESS_QUERY_INFORMATION."""
KILL_FOR_S = 1.0
LOOK_EVERY_S = 0.01


class BasicLimits(ctypes.Structure):
    """JOBOBJECT_BASIC_LIMIT_INFORMATION."""

    _fields_ = (
        ("PerProcessUserTimeLimit", ctypes.c_int64),
        ("PerJobUserTimeLimit", ctypes.c_int64),
        ("LimitFlags", wintypes.DWORD),
        ("MinimumWorkingSetSize", ctypes.c_size_t),
        ("MaximumWorkingSetSize", ctypes.c_size_t),
        ("ActiveProcessLimit", wintypes.DWORD),
        ("Affinity", ctypes.c_size_t),
        ("PriorityClass", wintypes.DWORD),
        ("SchedulingClass", wintypes.DWORD),
    )


class ExtendedLimits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION; the six counters of IO_COUNTERS stand in `IoInfo`."""

    _fields_ = (
        ("BasicLimitInformation", BasicLimits),
        ("IoInfo", ctypes.c_uint64 * 6),
        ("ProcessMemoryLimit", ctypes.c_size_t),
        ("JobMemoryLimit", ctypes.c_size_t),
        ("PeakProcessMemoryUsed", ctypes.c_size_t),
        ("PeakJobMemoryUsed", ctypes.c_size_t),
    )


class ProcessIds(ctypes.Structure):
    """JOBOBJECT_BASIC_PROCESS_ID_LIST; those that do not fit come when these are gone."""

    _fields_ = (
        ("NumberOfAssignedProcesses", wintypes.DWORD),
        ("NumberOfProcessIdsInList", wintypes.DWORD),
        ("ProcessIdList", ctypes.c_size_t * 128),
    )


def end_others(job: int) -> None:
    """Kill what is left in our own job, and wait until it is gone, but not for ever."""
    kernel = ctypes.WinDLL("kernel32")
    kernel.QueryInformationJobObject.argtypes = (
        wintypes.HANDLE,
        ctypes.c_int,
        wintypes.LPVOID,
        wintypes.DWORD,
        wintypes.LPVOID,
    )
    kernel.OpenProcess.restype = wintypes.HANDLE
    kernel.OpenProcess.argtypes = (wintypes.DWORD, wintypes.BOOL, wintypes.DWORD)
    kernel.IsProcessInJob.argtypes = (wintypes.HANDLE, wintypes.HANDLE, wintypes.PBOOL)
    kernel.TerminateProcess.argtypes = (wintypes.HANDLE, wintypes.UINT)
    kernel.CloseHandle.argtypes = (wintypes.HANDLE,)
    deadline = time.monotonic() + KILL_FOR_S
    while time.monotonic() < deadline:
        ids = ProcessIds()
        # Not asked for success: with more processes than fit it says no, and has filled the list.
        kernel.QueryInformationJobObject(job, PROCESS_IDS, ctypes.byref(ids), ctypes.sizeof(ids), None)
        others = [pid for pid in ids.ProcessIdList[: ids.NumberOfProcessIdsInList] if pid != os.getpid()]
        if not others:
            return
        for pid in others:
            if process := kernel.OpenProcess(TERMINATE_AND_ASK, False, pid):  # noqa: FBT003 - Windows' order
                is_ours = wintypes.BOOL()
                # Its number may be another's by now.
                if kernel.IsProcessInJob(process, job, ctypes.byref(is_ours)) and is_ours.value:
                    kernel.TerminateProcess(process, 1)
                kernel.CloseHandle(process)
        time.sleep(LOOK_EVERY_S)


def enter_job() -> int:
    """Put this process into a job that kills its members when the last handle closes, that is, when we end.

    Children are born into their parent's job, so no moment is left in which one could slip away. The handle is not
    inheritable and never closed by us; it is returned.
    """
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.CreateJobObjectW.restype = wintypes.HANDLE
    kernel.CreateJobObjectW.argtypes = (wintypes.LPVOID, wintypes.LPCWSTR)
    kernel.SetInformationJobObject.restype = wintypes.BOOL
    kernel.SetInformationJobObject.argtypes = (wintypes.HANDLE, ctypes.c_int, wintypes.LPVOID, wintypes.DWORD)
    kernel.AssignProcessToJobObject.restype = wintypes.BOOL
    kernel.AssignProcessToJobObject.argtypes = (wintypes.HANDLE, wintypes.HANDLE)
    kernel.GetCurrentProcess.restype = wintypes.HANDLE
    job = kernel.CreateJobObjectW(None, None)
    limits = ExtendedLimits()
    limits.BasicLimitInformation.LimitFlags = KILL_ON_JOB_CLOSE
    size = ctypes.sizeof(limits)
    if (
        not job
        or not kernel.SetInformationJobObject(job, EXTENDED_LIMITS, ctypes.byref(limits), size)
        or not kernel.AssignProcessToJobObject(job, kernel.GetCurrentProcess())
    ):
        raise ctypes.WinError(ctypes.get_last_error())
    return int(job)


def forward(orders: queue.SimpleQueue[bytes], descriptor: int) -> None:
    """Write orders into the program's pipe, waiting as long as it does not read them, until it reads no more."""
    try:
        while content := orders.get():
            while content:
                content = content[os.write(descriptor, content) :]
    except OSError:
        pass
    os.close(descriptor)


def stand_guard(folder: str, argv: list[str], *, with_orders: bool) -> None:
    """Start the program, wait for its end or for ours, and say how it ended; what is left dies with the job."""
    job = enter_job()
    inherited = [os.dup(1)]
    orders_write = -1
    if with_orders:
        orders_read, orders_write = os.pipe()
        inherited.append(orders_read)
    for descriptor in inherited:
        os.set_inheritable(descriptor, True)  # noqa: FBT003 - its only argument
    handles = [msvcrt.get_osfhandle(descriptor) for descriptor in inherited]
    startup = subprocess.STARTUPINFO(lpAttributeList={"handle_list": handles})
    try:
        program = subprocess.Popen(  # noqa: S603 - what Watchkeeper was told to run
            argv,
            cwd=folder,
            env=environment(handles[0], handles[1] if with_orders else None),
            stdin=subprocess.DEVNULL,
            stdout=2,
            stderr=2,
            startupinfo=startup,
            creationflags=subprocess.CREATE_NO_WINDOW,
        )
    except OSError as error:
        tell_failure("program" if os.path.isdir(folder) else "folder", error.errno or 0)
        return
    for descriptor in inherited:
        os.close(descriptor)
    tell(f'{{"guard":"started","pid":{program.pid}}}')
    orders: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def end_with_stdin() -> None:
        while content := os.read(0, READ_AT_ONCE):
            if with_orders:
                orders.put(content)
        program.kill()

    # A thread of its own: a program that does not read its orders must not keep us from seeing that stdin ends.
    if with_orders:
        threading.Thread(target=forward, args=(orders, orders_write), daemon=True).start()
    threading.Thread(target=end_with_stdin, daemon=True).start()
    code = program.wait()
    end_others(job)
    tell_end(code, None)
    # The thread may be waiting for stdin, and an orderly end of the interpreter would wait for it.
    os._exit(0)
