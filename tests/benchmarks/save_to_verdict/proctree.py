"""A process and all that it started: what they use, when they are quiet, and their end."""

from __future__ import annotations

import time
from contextlib import suppress

import psutil

TERM_S = 5.0
LOOK_S = 0.02


class Tree:
    """A process with its descendants.

    Args:
        pid: Of the process, which we started and which is not reaped before `end`.
    """

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)

    def members(self) -> list[psutil.Process]:
        """Return the processes that run, the root first."""
        try:
            members = [self._root, *self._root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []
        return [process for process in members if _runs(process)]

    def cpu_s(self) -> float:
        """Return the processor time of all of them, those that have ended among them, in seconds."""
        used = 0.0
        for process in self.members():
            with suppress(psutil.Error):
                times = process.cpu_times()
                used += times.user + times.system + times.children_user + times.children_system
        return used

    def memory(self) -> tuple[int, int, int]:
        """Return how many they are, and their resident and unique (freed when they end) bytes."""
        count = resident = unique = 0
        for process in self.members():
            with suppress(psutil.Error):
                used = process.memory_full_info()
                count, resident, unique = count + 1, resident + used.rss, unique + used.uss
        return count, resident, unique

    def is_quiet(self, window_s: float, share: float = 0.04) -> bool:
        """Return whether they use less than `share` of one core for `window_s` seconds; stays for as long."""
        before = self.cpu_s()
        time.sleep(window_s)
        return self.cpu_s() - before <= share * window_s

    def until_quiet(self, window_s: float, deadline_s: float) -> bool:
        """Wait until they are quiet, and return whether they became so in time."""
        deadline = time.monotonic() + deadline_s
        while not self.is_quiet(window_s):
            if time.monotonic() > deadline:
                return False
        return True

    def end(self) -> None:
        """Ask the root to end, and kill whatever is left of them after `TERM_S` seconds."""
        members = self.members()
        with suppress(psutil.NoSuchProcess):
            self._root.terminate()
        _, alive = psutil.wait_procs(members, timeout=TERM_S)
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(alive, timeout=TERM_S)


def _runs(process: psutil.Process) -> bool:
    """Return whether a process runs; one that has ended and that nobody asked about (a zombie) does not."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
