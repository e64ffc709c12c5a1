"""What there is to tell of a failure, in sections by relevance, each cleaned as a whole before anything is cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.ai.failures.relevance import SUSPECT, own_frames, weigh
from app.ai.failures.trimming import THIRDS, Block, Section, shortened, size_of
from app.ai.messages import tokens_of
from app.domain import words
from app.domain.failures import read_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from app.ai.failures.facts import FailureFacts
    from app.ai.failures.relevance import Weighed
    from app.ai.failures.sources import Passage, Sources
    from app.domain.analysis import LocalExplanation
    from app.domain.failures import FailureText, FrameAt

    Clean = Callable[[str], str]

_SHORTEST_LINE, _LONGEST_LINE = 24, 150
"""Tokens that a line may have, with the smallest budgets and with large ones."""
_LINES_OF_BUDGET = 24
_FRAMES_LISTED = 20
_PASSAGES = 8
_LONGEST_FUNCTION = 60
"""Lines: of a longer function, those around the place are told."""
_OTHERS_LISTED = 200
_ENOUGH = 2
"""Times the budget: of a longer change, the less relevant hunks are counted only."""


def sections_of(
    facts: FailureFacts, local: LocalExplanation, *, sources: Sources, clean: Clean, budget: int
) -> list[Section]:
    """Return all there is to tell of a failure, the most relevant first.

    Args:
        facts: What is known of the failure.
        local: What was said of it without a model.
        sources: The project's files.
        clean: Takes out of a text what must not leave.
        budget: Tokens that there are for it: how long lines may be depends on it.
    """
    failure = read_failure(facts.output, nodeid=facts.nodeid)
    frames = own_frames(failure, facts, sources)
    weighed = weigh(facts, failure, frames, sources)
    guilty = [each for each in weighed if each.weight >= SUSPECT] or weighed[:1]
    writing = _Writing(sources, clean, budget)
    test = sources.test(facts.nodeid, frames[0].line if frames else 0)
    return [
        Section("The failure", (writing.failure(facts, failure),), 0.30),
        writing.change(f"The change that it points at{_since(facts)}", guilty, 0.36),
        Section("The test", writing.test(test, frames), 0.10),
        Section("Source on the way", writing.source(frames, local, test), 0.10),
        Section("What is known of it", writing.history(facts, local), 0.04),
        Section("What it printed", writing.captured(failure), 0.05),
        Section("Other tests that went red with it", writing.others(facts), 0.02),
        Section("The runner's own words", writing.told(facts, failure), 0.03),
        writing.change("The rest of the change", [each for each in weighed if each not in guilty], 0.0),
    ]


class _Writing:
    """Writes the sections: each text is cleaned whole, and only then are its lines shortened."""

    def __init__(self, sources: Sources, clean: Clean, budget: int) -> None:
        self._sources = sources
        self._clean = clean
        self._limit = min(max(budget // _LINES_OF_BUDGET, _SHORTEST_LINE), _LONGEST_LINE)
        self._enough = budget * THIRDS * _ENOUGH

    def failure(self, facts: FailureFacts, failure: FailureText) -> Block:
        first, *rest = failure.message.split("\n")
        said = ": ".join(part for part in (failure.exception, first) if part) or "The runner says no more."
        statement = failure.assertion.split("\n") if failure.assertion else []
        return Block(
            self._lines(
                [
                    said,
                    *(f"failing statement: {line.strip()}" if not at else line for at, line in enumerate(statement)),
                    f"test: {facts.nodeid} ({words.outcome(facts.outcome)})",
                    *rest,
                ]
            )
        )

    def change(self, title: str, weighed: Sequence[Weighed], share: float) -> Section:
        """Write hunks, each with its file's name; what cannot fit, and all but the first of prose, is counted."""
        blocks: list[Block] = []
        size = left_out = left_tokens = 0
        path = ""
        for each in weighed:
            hunk = each.hunk
            if size > self._enough or (blocks and not each.has_code):
                left_out += len(hunk.lines)
                left_tokens += tokens_of("\n".join(hunk.lines))
                continue
            gone = " (deleted)" if hunk.is_deleted else ""
            named = [f"--- {hunk.path}{gone}"] if hunk.path != path else []
            path = hunk.path
            lines = (*self._lines(named), *self._lines(hunk.lines))
            focus = len(named) + _index_of(hunk.lines, hunk.first, each.lines[0] if each.lines else 0)
            head = min(len(named) + 1, len(lines) - 1)
            blocks.append(Block(lines, min(max(focus, head), len(lines) - 1), head))
            size += sum(size_of(line) for line in lines)
        return Section(title, tuple(blocks), share, left_out, left_tokens)

    def test(self, passage: Passage | None, frames: Sequence[FrameAt]) -> tuple[Block, ...]:
        if passage is None:
            return ()
        inside = [frame.line for frame in frames if frame.path == passage.path and _holds(passage, frame.line)]
        return (self._passage(passage, inside[-1] if inside else passage.first),)

    def source(self, frames: Sequence[FrameAt], local: LocalExplanation, test: Passage | None) -> tuple[Block, ...]:
        """Write the way through the project's files, and the functions on it, the innermost first."""
        if not frames and not local.suspects:
            return ()
        way = [f"{frame.path}:{frame.line} {frame.function}".rstrip() for frame in frames[-_FRAMES_LISTED:]]
        blocks = [Block(self._lines(["from the test to the failure:", *way]), len(way))] if way else []
        shown = [test] if test is not None else []
        places = [(frame.path, frame.line) for frame in reversed(frames)]
        places += [(suspect.path, suspect.line) for suspect in local.suspects]
        for path, line in places:
            if len(shown) > _PASSAGES or any(each.path == path and _holds(each, line) for each in shown):
                continue
            passage = self._sources.passage(path, line)
            if passage is not None and len(passage.lines) > _LONGEST_FUNCTION:
                passage = self._sources.around(path, line)
            if passage is not None:
                shown.append(passage)
                blocks.append(self._passage(passage, line))
        return tuple(blocks)

    def history(self, facts: FailureFacts, local: LocalExplanation) -> tuple[Block, ...]:
        green = "" if local.last_green is None else f"It was last green {words.ago(facts.now - local.last_green)}. "
        since = f"It went red {words.ago(facts.now - facts.since)}, " if facts.since else "It went red "
        cause = f"in a run caused by {facts.cause}."
        changed = f"{words.plural(len(local.changed), 'file')} changed{_since(facts)}." if local.changed else ""
        lines = [green + since + cause, " ".join(part for part in (local.doubt, changed) if part)]
        return (Block(self._lines(line for line in lines if line)),)

    def captured(self, failure: FailureText) -> tuple[Block, ...]:
        blocks: list[Block] = []
        for title, text in reversed(failure.captured):
            lines = self._lines([f"{title}:", *text.split("\n")])
            blocks.append(Block(lines, len(lines) - 1, min(1, len(lines) - 1)))
        return tuple(blocks)

    def others(self, facts: FailureFacts) -> tuple[Block, ...]:
        others = [other for other in facts.others if other != facts.nodeid]
        more = len(others) - _OTHERS_LISTED
        named = [*others[:_OTHERS_LISTED], *([f"and {more:,} more"] if more > 0 else [])]
        return (Block(self._lines(named)),) if named else ()

    def told(self, facts: FailureFacts, failure: FailureText) -> tuple[Block, ...]:
        """Write the failure as the runner told it: what was not understood of it stands there."""
        text = facts.output
        for _, captured in failure.captured[:1]:
            text = text[: text.find(captured)] if captured else text
        lines = self._lines(text.strip("\n").split("\n"))
        return (Block(lines, len(lines) - 1),) if text.strip() else ()

    def _passage(self, passage: Passage, line: int) -> Block:
        """Write source with its line numbers, which evidence must name."""
        cleaned = self._clean("\n".join(passage.lines)).split("\n")
        if len(cleaned) != len(passage.lines):  # the numbers would be wrong
            cleaned = ["(source that holds a secret)"] * len(passage.lines)
        width = len(str(passage.last))
        lines = [
            shortened(f"{'>' if number == line else ' '}{number:>{width}} {text}".rstrip(), self._limit)
            for number, text in enumerate(cleaned, start=passage.first)
        ]
        named = self._lines([f"--- {passage.path}"])
        focus = min(max(line - passage.first, 0), len(lines) - 1) + 1
        return Block((*named, *lines), focus, 1)

    def _lines(self, lines: Iterable[str]) -> tuple[str, ...]:
        text = "\n".join(lines)
        return tuple(shortened(line.rstrip(), self._limit) for line in self._clean(text).split("\n")) if text else ()


def _since(facts: FailureFacts) -> str:
    return f", against {words.clip(words.one_line(facts.diff.base), 60)}" if facts.diff.base else ""


def _holds(passage: Passage, line: int) -> bool:
    return passage.first <= line <= passage.last


def _index_of(lines: Sequence[str], first: int, wanted: int) -> int:
    """Return the place of a changed line in its hunk: of the added one with this number, or of what was taken out."""
    number = first
    removed = -1
    for at, line in enumerate(lines[1:], start=1):
        if number == wanted and line.startswith("+"):
            return at
        if number == wanted and line.startswith("-") and removed < 0:
            removed = at
        number += line[:1] not in ("-", "\\")
    return max(removed, min(1, len(lines) - 1))
