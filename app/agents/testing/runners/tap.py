"""TAP, the Test Anything Protocol, versions 12 to 14 (https://testanything.org/tap-version-14-specification.html).

Subtests in their two forms, a block before its test point (version 14, node) and one between braces (tape, vitest),
YAML diagnostics, the directives SKIP and TODO, and "Bail out!". What `prove` prints of several files is several
documents, one after the other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from app.agents.testing.runners.story import Names, Story
from app.domain.verdicts import Outcome

MARK = r"^\s*(?:TAP version |(?:not )?ok\b|1\.\.\d|Bail out!|\S+ \.\.)"
"""The lines that must not be left out."""
INDENT = 4
NO_FILE = "tap"
"""What stands for the file where the stream names none."""

_POINT = re.compile(r"(not )?ok\b(?:[ \t]+(\d+)\b)?(?:[ \t]+-)?[ \t]*(.*)$")
_PLAN = re.compile(r"1\.\.(\d+)\s*(?:#\s*(.*))?$")
_VERSION = re.compile(r"TAP version \d+\s*$", re.IGNORECASE)
_DIRECTIVE = re.compile(r"(?:^|\s)(?<!\\)#\s*(skip|todo)\S*(?:\s+(.*))?$", re.IGNORECASE)
_TIME = re.compile(r"(?:^|\s)#\s*time=([0-9.]+)\s*(ms|s)\b", re.IGNORECASE)
_DURATION = re.compile(r"\s*duration_ms:\s*([0-9.]+)\s*$")
_SUBTEST = re.compile(r"#\s*Subtest:?\s*(.*)$")
_FILE = re.compile(r"(\S*[./]\S*) \.\.+\s*$")
_BAIL = re.compile(r"Bail out!\s*(.*)$", re.IGNORECASE)


@dataclass(slots=True)
class _Level:
    """One document, or one block of subtests; `next_name` is that of the block that is announced."""

    name: str = ""
    next_name: str = ""
    plan: int | None = None
    seen: int = 0
    points: list[str] = field(default_factory=list)


class Tap:
    """Reads one command's stdout.

    Nothing is told before it is clear that this is TAP at all: by its version line or its plan, which may come last.

    Args:
        story: Takes what is read.
    """

    def __init__(self, story: Story) -> None:
        self.is_tap = False
        self.bailed: str | None = None
        self.lacking = ""
        self._story = story
        self._names = Names()
        self._file = NO_FILE
        self._levels = [_Level()]
        self._pending: tuple[str, Outcome, float] | None = None
        self._texts: list[str] = []
        self._yaml: int | None = None
        self._waiting: list[tuple[str, Outcome, float, str]] = []

    def take(self, line: str) -> None:
        """Take one line of stdout."""
        stripped = line.lstrip(" ")
        indent = len(line) - len(stripped)
        if self._yaml is not None:
            self._take_yaml(stripped, indent)
            return
        if stripped.rstrip() == "---" and self._pending is not None:
            self._yaml = indent
            return
        depth = indent // INDENT
        if (
            (indent % INDENT == 0 and self._is_structure(stripped, depth))
            or depth > len(self._levels) + 1
            or not stripped.strip()
        ):
            return
        if self._pending is not None and self._pending[1].is_red:
            self._texts.append(stripped.removeprefix("# "))

    def _take_yaml(self, stripped: str, indent: int) -> None:
        if stripped.rstrip() == "..." and indent == self._yaml:
            self._yaml = None
            return
        duration = _DURATION.match(stripped)
        if duration and self._pending is not None:
            self._pending = (*self._pending[:2], _number(duration[1]) / 1000)
        self._texts.append(" " * max(0, indent - (self._yaml or 0)) + stripped.rstrip())

    def _is_structure(self, text: str, depth: int) -> bool:
        """Take a line that has a meaning of its own; returns whether this is one."""
        if point := _POINT.match(text):
            self._point(point, depth)
        elif plan := _PLAN.match(text):
            self._at(depth).plan = int(plan[1])
            self._found_tap()
        elif _VERSION.match(text):
            self._found_tap()
            if depth == 0 and self._levels[0].points:
                self._next_document(self._file)
        elif bail := _BAIL.match(text):
            self._flush()
            self.bailed = bail[1].strip()
        elif subtest := _SUBTEST.match(text):
            self._announce(subtest[1].strip(), depth)
        elif text.strip() == "}" and depth < len(self._levels):
            self._close_to(depth)
        elif depth == 0 and (file := _FILE.match(text)):
            self._next_document(file[1])
        else:
            return False
        return True

    def _found_tap(self) -> None:
        self.is_tap = True
        waiting, self._waiting = self._waiting, []
        for result in waiting:
            self._story.end(*result)

    def _at(self, depth: int) -> _Level:
        """Return the block at this depth, made when it has just begun; those below are over."""
        self._flush()
        if depth + 1 < len(self._levels):
            self._close_to(depth)
        while len(self._levels) <= depth:
            self._levels.append(_Level(self._levels[-1].next_name))
        return self._levels[depth]

    def _announce(self, name: str, depth: int) -> None:
        """Note a block's name: it comes before the block, or (older Test::More) as its first line."""
        is_first = depth >= len(self._levels)
        level = self._at(depth)
        if is_first and not level.name:
            level.name = name
        else:
            level.next_name = name

    def _point(self, point: re.Match[str], depth: int) -> None:
        is_red, number, rest = bool(point[1]), point[2], point[3]
        opens = rest.rstrip().endswith("{")
        if opens:
            rest = rest.rstrip()[:-1]
        seconds = 0.0
        if time := _TIME.search(rest):
            seconds = _number(time[1]) / (1000 if time[2].lower() == "ms" else 1)
            rest = rest[: time.start()] + rest[time.end() :]
        directive = _DIRECTIVE.search(rest)
        name = (rest[: directive.start()] if directive else rest).strip().replace("\\#", "#")
        level = self._at(depth)
        if self._file != NO_FILE and level.seen == level.plan and not (depth or number or rest):
            return  # prove's own word on the file
        level.seen += 1
        name = name or level.next_name or f"#{number or level.seen}"
        level.next_name = ""
        outcome = Outcome.FAILED if is_red else Outcome.PASSED
        if directive:
            is_todo = directive[1].lower() == "todo"
            outcome = (Outcome.XFAILED if is_red else Outcome.XPASSED) if is_todo else Outcome.SKIPPED
        path = [each.name for each in self._levels[1:] if each.name] if depth else []
        nodeid = self._names.unique(f"{self._file}::{' > '.join([*path, name])}")
        level.points.append(nodeid)
        self._pending = (nodeid, outcome, seconds)
        if opens:
            self._flush()
            self._levels.append(_Level(name))

    def _flush(self) -> None:
        """Tell the last point: what describes it has been read."""
        pending, self._pending = self._pending, None
        texts, self._texts = self._texts, []
        self._yaml = None
        if pending is not None:
            result = (*pending, "\n".join(texts))
            if self.is_tap:
                self._story.end(*result)
            else:
                self._waiting.append(result)

    def _close_to(self, depth: int) -> None:
        """End the blocks below this depth."""
        self._flush()
        while len(self._levels) > depth + 1:
            self._check(self._levels.pop())

    def _check(self, level: _Level) -> None:
        where = f" in {level.name}" if level.name else f" in {self._file}" if self._file != NO_FILE else ""
        if level.plan is None and level.points and len(self._levels) == 0:
            self.lacking = self.lacking or f"its TAP has no plan{where}"
        elif level.plan is not None and level.plan != level.seen:
            self.lacking = self.lacking or f"its TAP plans {level.plan} tests{where}, but tells of {level.seen}"

    def _next_document(self, file: str) -> None:
        self._close_to(0)
        self._check(self._levels.pop())
        self._levels = [_Level()]
        self._file = file

    def finish(self) -> None:
        """Note that nothing follows, and see whether it was whole."""
        self._close_to(0)
        self._check(self._levels.pop())
        self._levels = [_Level()]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
