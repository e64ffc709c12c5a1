"""What a run by another runner has told so far, whatever its format. Pure; no I/O."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from app.agents.testing.running.journal import Finding, signal_name
from app.agents.testing.running.told import Told
from app.domain.verdicts import Outcome, TestResult, Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from app.engine.processes import Ended

TEXT_CAP = 64 * 1024
"""Characters of a failure's text."""
NAME_CAP = 1000
"""Characters of a test's name; a test made from a table may bring a whole document as its name."""
NAMES_SHOWN = 3

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")


class Story(Told):
    """What one run has told: tests that began and ended, and files that could not be compiled or loaded.

    Attributes:
        refused: The files (or packages) that could not be compiled or loaded, with what was said of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.refused: dict[str, TestResult] = {}

    def begin(self, nodeid: str) -> None:
        """Note that a test began."""
        self.running[nodeid] = None

    def end(self, nodeid: str, outcome: Outcome, seconds: float = 0.0, text: str = "") -> None:
        """Note how a test ended. Told again with nothing new, it is no news."""
        self.running.pop(nodeid, None)
        result = TestResult(nodeid, outcome, max(0.0, seconds), capped(clean(text)) if outcome.is_red else "")
        self.has_red = self.has_red or outcome.is_red
        before = self.results.get(nodeid)
        self.results[nodeid] = result
        if before is None or (before.outcome, before.output) != (result.outcome, result.output):
            self._fresh.append(result)

    def refuse(self, nodeid: str, text: str) -> None:
        """Note a file (or a package) that could not be compiled or loaded, so that its tests did not run."""
        result = TestResult(nodeid or ".", Outcome.ERROR, 0.0, capped(clean(text)))
        self.refused[result.nodeid] = result
        self._fresh.append(result)

    def collect(self, nodeids: tuple[str, ...]) -> None:
        """Note all tests that will run, or that ran."""
        self.collected, self.is_collected = nodeids, True


def judge(story: Story, ended: Ended, *, name: str, lacking: str = "") -> Finding:
    """Return what a run that ended by itself says; nothing is green unless everything says so.

    Args:
        story: What it told.
        ended: How its process ended.
        name: What people call the runner: `vitest`, `cargo test`.
        lacking: Why its report is not whole; empty when it is.
    """
    if ended.signal is not None or ended.code is None:
        where = f"while {story.now} ran, " if story.now else ""
        by = f"by {signal_name(ended.signal)}" if ended.signal is not None else "in a way that nobody could see"
        return Finding(Verdict.CRASHED, f"{name} was ended {where}{by}. {CRASH_HINT}")
    if story.refused:
        return Finding(Verdict.COLLECTION_ERROR, refused_message(tuple(story.refused)))
    if story.red:
        return Finding(Verdict.RED)
    doubt = _doubt(story, ended.code, name, lacking)
    if doubt:
        return Finding(Verdict.ERROR, doubt)
    return Finding(Verdict.GREEN) if story.results else Finding(Verdict.NO_TESTS, no_tests_message(name))


def _doubt(story: Story, code: int, name: str, lacking: str) -> str:
    """Say what is against taking a run without red tests for green; empty when nothing is."""
    if code:
        because = f" and {lacking}" if lacking else ""
        return f"No test failed, but {name} ended with exit code {code}{because}. The last lines of its output say why."
    if lacking:
        return f"{name} ended well, but {lacking}, so this is not green. Look at its output, and run it by hand."
    if story.missed:
        return (
            f"{name} ended well, but {len(story.missed)} of {len(story.collected)} tests gave no result"
            f"{named(story.missed)}. Look for what leaves tests out in its configuration."
        )
    return ""


def no_tests_message(name: str) -> str:
    """Say that there are no tests, and where to look."""
    return f"{name} found no tests. Look at the patterns for test files in its configuration, and where they lie."


CRASH_HINT = "The output shows what led to it: look for native code, a hard exit, or a signal sent by a test."


def refused_message(names: tuple[str, ...]) -> str:
    """Say which files could not be compiled or loaded, and what to do."""
    files = "1 file or package" if len(names) == 1 else f"{len(names)} files or packages"
    return f"{files} could not be compiled or loaded, so tests in there did not run{named(names)}. Mend that first."


def named(names: tuple[str, ...]) -> str:
    """Return the first names of a list: `: a, b, c and 4 more`."""
    if not names:
        return ""
    more = len(names) - NAMES_SHOWN
    return ": " + ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


class Names:
    """Makes the names of one run unique: the second `a` becomes `a (2)`, in the order in which they come."""

    def __init__(self) -> None:
        self._count: dict[str, int] = {}

    def unique(self, nodeid: str) -> str:
        """Return the name, with a number behind it when it was given before."""
        nodeid = clean(nodeid)[:NAME_CAP]
        self._count[nodeid] = count = self._count.get(nodeid, 0) + 1
        if count == 1:
            return nodeid
        return self.unique(f"{nodeid} ({count})")


def relative(path: str, root: Path) -> str:
    """Return a file's path relative to the root with forward slashes, or as it is when it lies elsewhere."""
    if not os.path.isabs(path):  # noqa: PTH117 - a text, which may be no path at all
        return path.replace(os.sep, "/").removeprefix("./")
    for folder in (root, root.resolve()):
        inside = os.path.join(folder, "")  # noqa: PTH118 - with the separator at its end
        if path.startswith(inside):
            return path[len(inside) :].replace(os.sep, "/")
    return path.replace(os.sep, "/")


def clean(text: str) -> str:
    """Return a text that any store and any face can take: no colours, no lone surrogate, no NUL."""
    text = _ANSI.sub("", text).replace("\r\n", "\n")
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\x00", "\ufffd")


def capped(text: str) -> str:
    """Return the text, its middle left out when it is too long."""
    if len(text) <= TEXT_CAP:
        return text
    half = TEXT_CAP // 2
    return f"{text[:half]}\n... {len(text) - TEXT_CAP} characters left out ...\n{text[-half:]}"
