"""Which parts of a change a failure points at: what its frames touch, then what it names, then what is near."""

from __future__ import annotations

import builtins
import keyword
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.ai.failures.hunks import hunks_of
from app.domain.words import node_parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from app.ai.failures.facts import FailureFacts
    from app.ai.failures.hunks import Hunk
    from app.ai.failures.sources import Function, Sources
    from app.domain.failures import FailureText, FrameAt

SUSPECT = 50
"""A hunk of this weight or more is one that the failure touches."""
ON_THE_WAY, NAMED, USED, REACHED, NEAR_FILE, IMPORTED, ELSEWHERE = 100, 80, 70, 60, 30, 20, 5
STEPS = 4
"""How many calls from the test a function may be to count as reached."""
NEAR = 8
"""Lines around a frame that count as its function, where functions are not known."""
LOOKED_AT = 40
"""Files whose functions are read: those of the failure, of the change, and beside them."""

_PROSE = re.compile(
    r"(?i)(?:^|/)(?:docs?|\.github)/|\.(?:md|rst|txt|adoc|lock|svg|po|pot|csv)$|(?:^|/)(?:change|license)[^/]{0,40}$"
)
_WORD = re.compile(r"[A-Za-z_]\w{0,100}")
_DEFINED = re.compile(
    r"\b(?:def|function|fn|func|class|struct|impl)\s{1,3}(?:\([^)]{0,80}\)\s{0,3})?(?P<name>\w{1,100})"
)
_SET = re.compile(
    r"^[+-]\s{0,60}(?:export |const |let |var |static |pub )*(?P<name>\w{1,100})(?:: [^=]{1,200})? ?:?=(?!=)"
)
_IMPORT = re.compile(r"^\s{0,20}(?:from|import|use|require|const|let|var)\b(?P<what>.{1,300})")
_COMMON = frozenset(
    [
        *(*keyword.kwlist, *dir(builtins), "self", "cls", "append", "get", "items", "keys", "values", "join", "format"),
        *("E", "where", "const", "let", "var"),
    ]
)


@dataclass(frozen=True, slots=True)
class Weighed:
    """A hunk, how much the failure points at it, and in which words."""

    hunk: Hunk
    weight: float
    why: str = ""
    lines: tuple[int, ...] = ()
    """The changed lines that it points at, the likeliest first."""
    has_code: bool = True
    """False when it changes only prose, comments or white space."""


def own_frames(failure: FailureText, facts: FailureFacts, sources: Sources) -> list[FrameAt]:
    """Return the frames in the project's own files, with their paths as the project names them."""
    file = node_parts(facts.nodeid)[0]
    found: list[FrameAt] = []
    for frame in failure.frames:
        path = sources.own(frame.path, beside=file)
        if path is not None:
            function = sources.function_at(path, frame.line)
            # A runner that shows source without naming its function leaves that to be guessed: the file knows better.
            name = function.name.rpartition(".")[2] if function else frame.function
            found.append(type(frame)(path, frame.line, name))
    return found


def weigh(facts: FailureFacts, failure: FailureText, frames: Sequence[FrameAt], sources: Sources) -> list[Weighed]:
    """Return the hunks of the change, those that the failure points at most first.

    Args:
        facts: What is known of the failure.
        failure: Its text, as read.
        frames: Its frames in the project, as `own_frames` gives them.
        sources: The project's files.
    """
    hunks = hunks_of(facts.diff.text)
    if not hunks:
        return []
    scale = _Scale(facts, failure, frames, sources, hunks)
    weighed = [scale.weigh(hunk) for hunk in hunks]
    return sorted(weighed, key=lambda each: -each.weight)


class _Scale:
    """Weighs the hunks of one change."""

    def __init__(
        self,
        facts: FailureFacts,
        failure: FailureText,
        frames: Sequence[FrameAt],
        sources: Sources,
        hunks: Sequence[Hunk],
    ) -> None:
        self._sources = sources
        self._code_of: dict[Hunk, tuple[int, ...]] = {}
        self._saved = frozenset(facts.cause.paths)
        self._frames = [(frame, _reach(frame, sources)) for frame in frames]
        self._frame_files = {frame.path for frame in frames}
        self._test_file = node_parts(facts.nodeid)[0]
        said = "\n".join((failure.assertion, failure.message[:4000]))
        self._named = _names(said) | {frame.function.rpartition(".")[2] for frame in frames}
        test = sources.test(facts.nodeid, frames[0].line if frames and frames[0].path == self._test_file else 0)
        self._used = _names("\n".join(test.lines)[:20_000]) if test is not None else frozenset()
        self._imported = _imported(sources.lines(self._test_file))
        tests = {self._test_file}
        files = dict.fromkeys([self._test_file, *self._frame_files, *(hunk.path for hunk in hunks)])
        files.update(dict.fromkeys(path for file in list(files) if file not in tests for path in sources.beside(file)))
        known = [file for file in files if file.endswith((".py", ".pyi"))][:LOOKED_AT]
        self._distance = _distances(self._named | self._used, known, sources)
        self._read = frozenset(
            name
            for file in known
            for function in sources.functions(file)
            if self._distance.get(function.name.rpartition(".")[2], STEPS) < 2  # noqa: PLR2004 - near the test
            for name in function.uses
        )

    def weigh(self, hunk: Hunk) -> Weighed:
        weight, why, lines = max(
            (self._on_the_way(hunk), self._by_name(hunk), self._by_value(hunk), self._by_file(hunk)),
            key=lambda each: each[0],
        )
        if hunk.path in self._saved:
            weight += 3
        has_code = bool(self._code(hunk))
        if not has_code:
            weight /= 4
        return Weighed(hunk, weight, why, lines or hunk.changed[:1], has_code=has_code)

    def _code(self, hunk: Hunk) -> tuple[int, ...]:
        """Return the numbers of a hunk's changed lines that are more than prose, comments or white space."""
        if hunk not in self._code_of:
            self._code_of[hunk] = () if _PROSE.search(hunk.path) else tuple(_code_lines(hunk))
        return self._code_of[hunk]

    def _on_the_way(self, hunk: Hunk) -> tuple[float, str, tuple[int, ...]]:
        """Weigh by the frames: the nearer to where it was raised, and to the frame's line, the more."""
        best: tuple[float, str, tuple[int, ...]] = (0.0, "", ())
        for depth, (frame, (first, last)) in enumerate(reversed(self._frames)):
            touched = (
                [number for number in self._code(hunk) if first <= number <= last] if frame.path == hunk.path else []
            )
            if not touched:
                continue
            touched.sort(key=lambda number, line=frame.line: abs(number - line))  # type: ignore[misc]
            nearness = max(0, 10 - abs(touched[0] - frame.line))
            weight = max(ON_THE_WAY - 2 * depth, USED) + nearness
            if hunk.path == self._test_file and len(self._frames) > 1:
                weight -= 5
            if weight > best[0]:
                where = f"{frame.function}(), where the failure passed" if frame.function else "near the failure"
                best = weight, f"changed in {where}" if frame.function else f"changed {where}", tuple(touched)
        return best

    def _by_name(self, hunk: Hunk) -> tuple[float, str, tuple[int, ...]]:
        """Weigh by the names of the functions that it changes."""
        best: tuple[float, str, tuple[int, ...]] = (0.0, "", ())
        for name, lines in self._changed_functions(hunk).items():
            last = name.rpartition(".")[2]
            if last in self._named:
                found = NAMED, f"changed in {name}(), which the failure names"
            elif last in self._used:
                found = USED, f"changed in {name}(), which the test uses"
            elif last in self._distance:
                found = REACHED - 4 * self._distance[last], f"changed in {name}(), which the test may reach"
            else:
                continue
            if found[0] > best[0]:
                best = *found, lines
        return best

    def _by_file(self, hunk: Hunk) -> tuple[float, str, tuple[int, ...]]:
        if hunk.path in self._frame_files:
            return NEAR_FILE, "", ()
        stem = hunk.path.rpartition("/")[2].partition(".")[0]
        if stem and (stem in self._imported or stem in self._test_file.rpartition("/")[2]):
            return IMPORTED, "", ()
        folder = hunk.path.rpartition("/")[0]
        is_beside = any(path.startswith(f"{folder}/") for path in self._frame_files) if folder else False
        return ELSEWHERE + 5 * is_beside, "", ()

    def _changed_functions(self, hunk: Hunk) -> Mapping[str, tuple[int, ...]]:
        """Return the functions that a hunk changes, each with its changed lines."""
        found: dict[str, list[int]] = {}
        functions = self._sources.functions(hunk.path)
        code = self._code(hunk)
        for number in code:
            holding = [each for each in functions if each.first <= number <= each.last]
            for each in sorted(holding, key=lambda each: -each.first):
                found.setdefault(each.name, []).append(number)
        if not functions:  # another language, or a file that cannot be parsed now: its own words must do
            told = "\n".join((hunk.within, *hunk.lines[1:200]))
        else:  # a function that is gone
            told = "\n".join(line for line in hunk.lines[1:] if line.startswith("-"))
        for name in _DEFINED.finditer(told) if code else ():
            found.setdefault(name["name"], list(code))
        return {name: tuple(lines) for name, lines in found.items()}

    def _by_value(self, hunk: Hunk) -> tuple[float, str, tuple[int, ...]]:
        """Weigh by the names that it sets: constants, attributes of classes."""
        best: tuple[float, str, tuple[int, ...]] = (0.0, "", ())
        number = hunk.first
        for line in hunk.lines[1:]:
            if line[:1] in ("+", "-") and (found := _SET.match(line)):
                weight = self._weight_of_value(found["name"])
                if weight > best[0]:
                    best = weight, f"{found['name']} is set here", (min(number, hunk.last),)
            number += line[:1] not in ("-", "\\")
        return best

    def _weight_of_value(self, name: str) -> float:
        if name in _COMMON:
            return 0
        if name in self._named or name in self._used:
            return USED - 5
        return REACHED - 8 if name in self._read else 0


def _reach(frame: FrameAt, sources: Sources) -> tuple[int, int]:
    """Return the first and the last line of a frame's function."""
    function = sources.function_at(frame.path, frame.line)
    return (function.first, function.last) if function else (frame.line - NEAR, frame.line + NEAR)


def _names(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text)) - _COMMON


def _imported(lines: Sequence[str]) -> frozenset[str]:
    found = [each["what"] for line in lines[:400] if (each := _IMPORT.match(line))]
    return frozenset(_WORD.findall(" ".join(found))) - _COMMON


def _distances(start: Iterable[str], files: Sequence[str], sources: Sources) -> dict[str, int]:
    """Return how many calls away from the test the functions of some files are, by their bare names.

    Names are matched as they are, so that of two functions of one name both count: it is for ranking only.
    """
    by_name: dict[str, list[Function]] = {}
    for file in files:
        for function in sources.functions(file):
            by_name.setdefault(function.name.rpartition(".")[2], []).append(function)
            if function.name.endswith(".__init__"):
                by_name.setdefault(function.name.split(".")[-2], []).append(function)
    distance: dict[str, int] = {}
    edge = {name for name in start if name in by_name}
    for step in range(STEPS + 1):
        for name in edge:
            distance[name] = step
        edge = {
            called
            for name in edge
            for function in by_name[name]
            for called in function.uses
            if called in by_name and called not in distance
        }
    return distance


def _code_lines(hunk: Hunk) -> Iterator[int]:
    number = hunk.first
    told = 0
    for line in hunk.lines[1:]:
        text = line[1:].strip()
        if line[:1] in ("+", "-") and text and not text.startswith(("#", "//", "*", "/*")):
            at = min(max(number, 1), hunk.last)
            if at != told:
                yield at
                told = at
        number += line[:1] not in ("-", "\\")
