"""What a plain, cold `python -m pytest` says of a tree: the truth that the watch is held against."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.mutations.watched import plain_environ

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.mutations.mutation import Mutation

OK, FAILED, INTERRUPTED, NO_TESTS = 0, 1, 2, 5
"""pytest's exit codes (its documentation)."""

TELL_ALL = '''
"""Tells each phase of each test at once, so that nothing is lost with the process."""
import os

told = open(os.environ["TOLD"], "a", encoding="utf-8", buffering=1)


def tell(word, name):
    told.write("%s %s\\n" % (word, name.encode("utf-8", "backslashreplace").decode("utf-8").replace("\\n", "\\\\n")))


def pytest_runtest_logstart(nodeid):
    tell("start", nodeid)


def pytest_runtest_logreport(report):
    if report.failed:
        is_struck = "PytestUnraisableExceptionWarning" in str(report.longrepr)
        tell("struck" if is_struck else "red", report.nodeid)


def pytest_runtest_logfinish(nodeid):
    tell("end", nodeid)


def pytest_collectreport(report):
    if report.failed:
        tell("file", report.nodeid)
'''


@dataclass(frozen=True, slots=True)
class PlainRun:
    """What one run came to.

    Attributes:
        exit: pytest's exit code, negative for a signal; None when it hung and was ended.
        red: The tests that failed, in setup, call or teardown, and those that took the interpreter along.
        files: What could not be collected.
        ran: How many tests were run.
        seconds: How long it took.
        struck: Those of the red ones that a warning made red which came as garbage was collected: it strikes whichever
            test runs then.
    """

    exit: int | None
    red: frozenset[str]
    files: frozenset[str]
    ran: int
    seconds: float
    struck: frozenset[str] = frozenset()

    @property
    def is_green(self) -> bool:
        """True when it found nothing wrong."""
        return self.exit == OK and not self.red and not self.files

    @property
    def is_trouble(self) -> bool:
        """True when the tests alone do not tell the state of the project."""
        is_broken = self.exit == FAILED and not self.red  # Python itself ends with 1 when pytest cannot begin
        return self.exit not in (OK, FAILED) or is_broken


async def run_plain(
    python: str, root: Path, told: Path, *, args: Sequence[str] = (), within_s: float = 120.0
) -> PlainRun:
    """Run a tree's tests in a process of their own.

    Args:
        python: The interpreter.
        root: The tree.
        told: A folder outside the tree, for what the run tells.
        args: More arguments for pytest.
        within_s: A run that takes longer has hung.
    """
    await asyncio.to_thread(_prepare, told)
    environ = plain_environ() | {"PYTHONPATH": str(told), "TOLD": str(told / "told.txt")}
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        python,
        *("-m", "pytest", "-q", "-p", "tellall", *args),
        cwd=root,
        env=environ,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    code: int | None = None
    try:
        async with asyncio.timeout(within_s):
            code = await process.wait()
    except TimeoutError:
        pass
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what the tests left behind goes too
        await process.wait()
    lines = await asyncio.to_thread((told / "told.txt").read_text, encoding="utf-8")
    by_word: dict[str, dict[str, None]] = {"start": {}, "end": {}, "red": {}, "struck": {}, "file": {}}
    for line in lines.splitlines():
        word, _, name = line.partition(" ")
        by_word[word][name] = None
    unfinished = by_word["start"].keys() - by_word["end"].keys()
    certain = frozenset(by_word["red"]) | unfinished
    struck = frozenset(by_word["struck"]) - certain
    files, ran = frozenset(by_word["file"]), len(by_word["start"])
    return PlainRun(code, certain | struck, files, ran, time.monotonic() - began, struck)


class Remembered:
    """Runs that were made before, in a file: what others than Watchkeeper say of a mutation stays the same.

    Args:
        file: Where they are kept; None to keep nothing.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._runs: dict[str, PlainRun] = {}
        if file is not None and file.exists():
            for line in file.read_text(encoding="utf-8").splitlines():
                said = json.loads(line)
                key = said.pop("key")
                self._runs[key] = _as_run(said)

    def of(self, tool: str, mutation: Mutation) -> PlainRun | None:
        """Return what a tool said of a mutation, or None."""
        return self._runs.get(_key(tool, mutation))

    def keep(self, tool: str, mutation: Mutation, run: PlainRun) -> PlainRun:
        """Remember it, and return it."""
        key = _key(tool, mutation)
        self._runs[key] = run
        if self._file is not None:
            told = {"key": key, "exit": run.exit, "red": sorted(run.red), "files": sorted(run.files)}
            told["struck"] = sorted(run.struck)
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps({**told, "ran": run.ran, "seconds": run.seconds}) + "\n")
        return run


def _as_run(said: Mapping[str, Any]) -> PlainRun:
    sets = {name: frozenset(said.get(name, ())) for name in ("red", "files", "struck")}
    return PlainRun(**{**said, **sets})


def _key(tool: str, mutation: Mutation) -> str:
    digest = hashlib.blake2b(digest_size=12)
    for path, content in sorted(mutation.changes.items()):
        digest.update(path.encode() + b"\0" + (b"\0" if content is None else content) + b"\0")
    return f"{tool}:{digest.hexdigest()}"


def _prepare(told: Path) -> None:
    told.mkdir(parents=True, exist_ok=True)
    (told / "tellall.py").write_text(TELL_ALL, encoding="utf-8")
    (told / "told.txt").write_text("", encoding="utf-8")
