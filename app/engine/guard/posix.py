"""The guard on POSIX: the program leads a session, and what it leaves behind is found and ended."""

# ruff: noqa: PLC0415, PTH123, PTH208, SIM105 - it starts with each program: pathlib and contextlib cost 8 ms
from __future__ import annotations

import os
import select
import signal
import sys
import time

from .channels import READ_AT_ONCE, environment, tell, tell_end, tell_failure

TYPE_CHECKING = False  # typing costs as much
if TYPE_CHECKING:
    from collections.abc import Callable

assert sys.platform != "win32"  # noqa: S101 - tells the type checker to pass over this module there

NATURAL_END_S = 0.15
"""What a program leaves behind may end by itself first: multiprocessing's resource tracker frees shared memory then."""
GRACE_S = 0.4
"""Between SIGTERM and SIGKILL."""
KILL_FOR_S = 1.0
"""SIGKILL is repeated for this long, for what forks while it dies; what is stuck in the kernel then is left."""
LOOK_EVERY_S = 0.02

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


class Guard:
    """One program, and all that descends from it."""

    def __init__(self) -> None:
        self.asked_to_end = False
        self.leader = 0
        self.status: int | None = None
        self.poll = select.poll()
        self.orders: int | None = None
        self.orders_waiting = bytearray()
        self.looks_for_room = False
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

    def start(self, folder: str, argv: list[str], *, with_orders: bool) -> bool:
        """Start the program. Returns False when it could not be started, which has been told then."""
        results = os.dup(1)
        orders = None
        if with_orders:
            orders, self.orders = os.pipe()
            os.set_blocking(self.orders, False)
        failed, failed_write = os.pipe()
        if self.prctl is not None:
            self.prctl(PR_SET_CHILD_SUBREAPER, 1)
        own = os.getpid()
        self.leader = os.fork()
        if not self.leader:
            self._become(folder, argv, (results, orders), failed_write, own)
        os.close(results)
        if orders is not None:
            os.close(orders)
        os.close(failed_write)
        failure = os.read(failed, 64)
        os.close(failed)
        if failure:
            what, _, number = failure.decode("ascii").partition(" ")
            tell_failure(what, int(number))
            return False
        tell(f'{{"guard":"started","pid":{self.leader}}}')
        return True

    def _become(self, folder: str, argv: list[str], channels: tuple[int, int | None], failed: int, guard: int) -> None:
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
            for channel in channels:
                if channel is not None:
                    os.set_inheritable(channel, True)  # noqa: FBT003 - its only argument
            os.execvpe(argv[0], argv, environment(*channels))  # noqa: S606 - no shell is the point
        except OSError as error:
            os.write(failed, f"{step} {error.errno or 0}".encode("ascii"))
        finally:
            os._exit(127)

    def wait(self) -> None:
        """Return when the program has ended, or when it is to be ended."""
        self.poll.register(self.wake, select.POLLIN)
        self.poll.register(0, select.POLLIN | select.POLLHUP)
        self.reap()
        while self.status is None and not self.asked_to_end:
            for descriptor, _ in self.poll.poll():
                if descriptor == self.wake:
                    self.drain_wake()
                elif descriptor == self.orders:
                    self.forward_orders()
                elif content := os.read(0, READ_AT_ONCE):
                    self.orders_waiting += content
                    self.forward_orders()
                else:
                    self.asked_to_end = True
            self.reap()
        self.end_orders()

    def forward_orders(self) -> None:
        """Write what the orders pipe takes, and wait for room for the rest.

        All that comes is taken in meanwhile, whether the program reads or not: else stdin's end would not be seen.
        What may wait here is therefore as much as Watchkeeper sends.
        """
        orders = self.orders
        if orders is None:
            self.orders_waiting.clear()
            return
        try:
            while self.orders_waiting:
                del self.orders_waiting[: os.write(orders, self.orders_waiting)]
        except BlockingIOError:
            self.poll.register(orders, select.POLLOUT)
            self.looks_for_room = True
        except OSError:
            self.end_orders()  # the program has closed its end
        else:
            self.stop_looking_for_room(orders)

    def stop_looking_for_room(self, orders: int) -> None:
        """Have `poll` pass over the orders pipe: with nothing to write, its broken end would wake us for ever."""
        if self.looks_for_room:
            self.looks_for_room = False
            self.poll.unregister(orders)

    def end_orders(self) -> None:
        """Close the orders pipe, if there is one, and drop what waits."""
        if self.orders is not None:
            self.stop_looking_for_room(self.orders)
            os.close(self.orders)
            self.orders = None
        self.orders_waiting.clear()

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


def stand_guard(folder: str, argv: list[str], *, with_orders: bool) -> None:
    """Start the program, wait for its end or for ours, end what is left, and say how the program ended."""
    guard = Guard()
    if not guard.start(folder, argv, with_orders=with_orders):
        return
    guard.wait()
    guard.end_all()
    code = os.waitstatus_to_exitcode(guard.status) if guard.status is not None else -signal.SIGKILL
    tell_end(*((code, None) if code >= 0 else (None, -code)))
