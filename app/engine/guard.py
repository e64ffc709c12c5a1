"""Stands between Watchkeeper and a program that it starts, so that nothing of that program outlives Watchkeeper.

`stand_guard` runs in a Python of its own, one for each program, started with -I, -S and -E; it must start fast, so this
module imports little, and nothing of Watchkeeper. Its three standard streams are the whole protocol:

- stdin: when it ends, Watchkeeper is gone or wants the program gone, and everything the program started is killed;
- stdout: the results channel. The program inherits it as the descriptor (on Windows: the handle) that the variable
  WATCHKEEPER_RESULTS_FD names. The guard's own lines in it begin with `{"guard":`, the last of them says how the
  program ended, and it comes after everything that the program left behind is dead;
- stderr: the program's stdout and stderr.

On POSIX the program leads a session of its own. On Linux the guard is also the reaper of its orphans (prctl(2),
PR_SET_CHILD_SUBREAPER), so that a daemon which left the session is found too, and the program dies with the guard
(PR_SET_PDEATHSIG). On Windows guard and program share a job that ends with the guard's last handle.
"""

# ruff: noqa: PLC0415, PTH112, PTH123, PTH208, SIM105 - it starts with each program: pathlib and contextlib cost 8 ms
from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False  # typing costs as much
if TYPE_CHECKING:
    from collections.abc import Callable

RESULTS = "WATCHKEEPER_RESULTS_FD"
NATURAL_END_S = 0.15
"""What a program leaves behind may end by itself first: multiprocessing's resource tracker frees shared memory then."""
GRACE_S = 0.4
"""Between SIGTERM and SIGKILL."""
KILL_FOR_S = 1.0
"""SIGKILL is repeated for this long, for what forks while it dies; what is stuck in the kernel then is left."""
LOOK_EVERY_S = 0.02

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def tell(line: str) -> None:
    """Write one line into the results channel, apart from a half line that a killed program may have left there."""
    content = b"\n" + line.encode("ascii") + b"\n"
    try:
        while content:
            content = content[os.write(1, content) :]
    except OSError:
        pass


def tell_end(code: int | None, signal_number: int | None) -> None:
    """Say how the program ended: its exit code, or the signal that killed it."""
    as_code, as_signal = (str(value) if value is not None else "null" for value in (code, signal_number))
    tell(f'{{"guard":"ended","code":{as_code},"signal":{as_signal}}}')


def tell_failure(what: str, number: int) -> None:
    """Say that the program could not be started: at which step (`folder`, `program`), and the errno."""
    tell(f'{{"guard":"failed","what":"{what}","errno":{number}}}')


if sys.platform == "win32":
    import ctypes
    import msvcrt
    import subprocess
    import threading
    from ctypes import wintypes

    EXTENDED_LIMITS = 9
    KILL_ON_JOB_CLOSE = 0x2000

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

    def enter_job() -> None:
        """Put this process into a job that kills its members when the last handle closes, that is, when we end.

        Children are born into their parent's job, so no moment is left in which one could slip away. The handle is not
        inheritable and never closed by us.
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

    def stand_guard(folder: str, argv: list[str]) -> None:
        """Start the program, wait for its end or for ours, and say how it ended; what is left dies with the job."""
        enter_job()
        results = os.dup(1)
        os.set_inheritable(results, True)  # noqa: FBT003 - its only argument
        handle = msvcrt.get_osfhandle(results)
        startup = subprocess.STARTUPINFO(lpAttributeList={"handle_list": [handle]})
        try:
            program = subprocess.Popen(  # noqa: S603 - what Watchkeeper was told to run
                argv,
                cwd=folder,
                env={**os.environ, RESULTS: str(handle)},
                stdin=subprocess.DEVNULL,
                stdout=2,
                stderr=2,
                startupinfo=startup,
                creationflags=subprocess.CREATE_NO_WINDOW,
            )
        except OSError as error:
            tell_failure("program" if os.path.isdir(folder) else "folder", error.errno or 0)
            return
        os.close(results)
        tell(f'{{"guard":"started","pid":{program.pid}}}')

        def end_with_stdin() -> None:
            while os.read(0, 4096):
                pass
            program.kill()

        threading.Thread(target=end_with_stdin, daemon=True).start()
        tell_end(program.wait(), None)
        # The thread may be waiting for stdin, and an orderly end of the interpreter would wait for it.
        os._exit(0)

else:
    import select
    import signal

    class Guard:
        """One program, and all that descends from it."""

        def __init__(self) -> None:
            self.asked_to_end = False
            self.leader = 0
            self.status: int | None = None
            self.prctl = _prctl()
            self.wake, wake_write = os.pipe()
            os.set_blocking(self.wake, False)
            os.set_blocking(wake_write, False)
            signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
            signal.signal(signal.SIGCHLD, lambda *_: None)
            signal.signal(signal.SIGTERM, self._on_end_signal)
            signal.signal(signal.SIGHUP, self._on_end_signal)
            # Ctrl+C in a terminal means Watchkeeper, which then closes our stdin.
            signal.signal(signal.SIGINT, signal.SIG_IGN)

        def _on_end_signal(self, *_: object) -> None:
            self.asked_to_end = True

        def start(self, folder: str, argv: list[str]) -> bool:
            """Start the program. Returns False when it could not be started, which has been told then."""
            results = os.dup(1)
            failed, failed_write = os.pipe()
            if self.prctl is not None:
                self.prctl(PR_SET_CHILD_SUBREAPER, 1)
            own = os.getpid()
            self.leader = os.fork()
            if not self.leader:
                self._become(folder, argv, results, failed_write, own)
            os.close(results)
            os.close(failed_write)
            failure = os.read(failed, 64)
            os.close(failed)
            if failure:
                what, _, number = failure.decode("ascii").partition(" ")
                tell_failure(what, int(number))
                return False
            tell(f'{{"guard":"started","pid":{self.leader}}}')
            return True

        def _become(self, folder: str, argv: list[str], results: int, failed: int, guard: int) -> None:
            """Turn this fork into the program; never returns."""
            step = "folder"
            try:
                os.setsid()
                if self.prctl is not None:
                    self.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
                    if os.getppid() != guard:
                        os._exit(1)
                # Handlers end with exec, but what is ignored stays ignored: give back what Python and we took.
                for name in ("SIGINT", "SIGQUIT", "SIGPIPE", "SIGXFSZ"):
                    if hasattr(signal, name):
                        signal.signal(getattr(signal, name), signal.SIG_DFL)
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                os.dup2(2, 1)
                os.chdir(folder)
                step = "program"
                os.set_inheritable(results, True)  # noqa: FBT003 - its only argument
                os.execvpe(argv[0], argv, {**os.environ, RESULTS: str(results)})  # noqa: S606 - no shell is the point
            except OSError as error:
                os.write(failed, f"{step} {error.errno or 0}".encode("ascii"))
            finally:
                os._exit(127)

        def wait(self) -> None:
            """Return when the program has ended, or when it is to be ended."""
            poll = select.poll()
            poll.register(self.wake, select.POLLIN)
            poll.register(0, select.POLLIN | select.POLLHUP)
            self.reap()
            while self.status is None and not self.asked_to_end:
                for descriptor, _ in poll.poll():
                    if descriptor == self.wake:
                        self.drain_wake()
                    elif not os.read(0, 4096):
                        self.asked_to_end = True
                self.reap()

        def drain_wake(self) -> None:
            """Take the bytes that signals left in the wake-up pipe."""
            try:
                os.read(self.wake, 4096)
            except BlockingIOError:
                pass

        def reap(self) -> bool:
            """Take in the ended children, the adopted ones too. Returns whether there are children that live."""
            while True:
                try:
                    pid, status = os.waitpid(-1, os.WNOHANG)
                except ChildProcessError:
                    return False
                if not pid:
                    return True
                if pid == self.leader:
                    self.status = status

        def end_all(self) -> None:
            """Leave nothing alive: wait a moment if the program ended by itself, then SIGTERM, then SIGKILL."""
            if not self.asked_to_end and self.all_gone_within(NATURAL_END_S):
                return
            self.signal_all(signal.SIGTERM)
            self.signal_all(signal.SIGCONT)
            if self.all_gone_within(GRACE_S):
                return
            deadline = time.monotonic() + KILL_FOR_S
            while time.monotonic() < deadline:
                self.signal_all(signal.SIGKILL)
                if self.all_gone_within(LOOK_EVERY_S):
                    return

        def all_gone_within(self, seconds: float) -> bool:
            """Wait until nothing of the program lives, but at most this long."""
            deadline = time.monotonic() + seconds
            while self.anything_lives():
                if time.monotonic() >= deadline:
                    return False
                select.select([self.wake], [], [], LOOK_EVERY_S)
                self.drain_wake()
            return True

        def anything_lives(self) -> bool:
            """Return whether anything of the program lives."""
            if self.reap():
                return True
            if self.prctl is not None:
                return False
            return _signal_group(self.leader, 0)

        def signal_all(self, number: int) -> None:
            """Send a signal to the program's group and, where they can be found, to all its descendants."""
            if self.status is None or self.prctl is None:
                _signal_group(self.leader, number)
            if self.prctl is not None:
                for pid in _descendants(os.getpid()):
                    try:
                        os.kill(pid, number)
                    except OSError:
                        pass

    def _signal_group(group: int, number: int) -> bool:
        try:
            os.killpg(group, number)
        except OSError:
            return False
        return True

    def _prctl() -> Callable[[int, int], int] | None:
        """Return prctl(2), or None where there is none."""
        if not sys.platform.startswith("linux"):
            return None
        try:
            import ctypes

            return ctypes.CDLL(None).prctl
        except (ImportError, OSError, AttributeError):
            return None

    def _descendants(ancestor: int) -> list[int]:
        """Return the processes below `ancestor` that are no zombies, as /proc has them (proc_pid_stat(5))."""
        children: dict[int, list[int]] = {}
        dead: set[int] = set()
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            try:
                with open(f"/proc/{name}/stat", "rb", buffering=0) as file:
                    # The name in brackets may itself hold blanks and brackets.
                    state, parent = file.read(4096).rpartition(b")")[2].split()[:2]
            except (OSError, ValueError):
                continue
            children.setdefault(int(parent), []).append(int(name))
            if state in (b"Z", b"X"):
                dead.add(int(name))
        found: list[int] = []
        below = [ancestor]
        while below:
            below = [child for pid in below for child in children.get(pid, ())]
            found += below
        return [pid for pid in found if pid not in dead]

    def stand_guard(folder: str, argv: list[str]) -> None:
        """Start the program, wait for its end or for ours, end what is left, and say how the program ended."""
        guard = Guard()
        if not guard.start(folder, argv):
            return
        guard.wait()
        guard.end_all()
        code = os.waitstatus_to_exitcode(guard.status) if guard.status is not None else -signal.SIGKILL
        tell_end(*((code, None) if code >= 0 else (None, -code)))
