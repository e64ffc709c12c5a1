"""The check that holds what a marker claims against what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from app.agents.auditing.checks.change import last_change
from app.agents.auditing.checks.claims.marker import Deed, lines_of
from app.agents.auditing.checks.claims.named import files_in, names_in
from app.agents.auditing.checks.claims.outcomes import coverage_claimed, outcomes_claimed
from app.agents.auditing.checks.claims.tree import Tree
from app.agents.auditing.checks.tested import NOBODY_WATCHES, coverage_of, is_red, number, stale, tests_of
from app.agents.auditing.plugin import NotKnown, Severity, SyncCheck
from app.domain.verdicts import Outcome, Verdict
from app.domain.words import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from app.agents.auditing.checks.claims.marker import Line
    from app.agents.auditing.checks.claims.named import FileClaim
    from app.agents.auditing.checks.claims.outcomes import CoverageClaim, TestsClaim
    from app.agents.auditing.context import Context
    from app.agents.auditing.plugin import Told

_LARGEST = 256 * 1024
_MOST_NAMES = 200
_TO_SHOW = 10
_ROUNDING = 1.0
"""Percentage points that coverage may be less than claimed."""


class Claims(SyncCheck):
    """Tells which claims of a marker are not so: files, functions, tests, outcomes and coverage. It runs nothing."""

    id: ClassVar[str] = "claims"
    title: ClassVar[str] = "The marker says what is so"
    severity: ClassVar[Severity] = Severity.HIGH
    deadline_s: ClassVar[float] = 120.0

    def look(self, context: Context) -> Iterable[Told]:
        """Yield the claims of the marker that are not so; nothing when no marker made the audit begin."""
        if not context.marker:
            return
        text = _read(context)
        if isinstance(text, NotKnown):
            yield _of(context.marker, text)
            return
        tree = Tree(context)
        lines = lines_of(text)
        fresh = tree.change.added_in(context.marker) if tree.change else None
        if fresh is not None:
            lines = [line for line in lines if line.number in fresh]
        looking = _Looking(self, context, tree, text)
        told = [*looking.files(lines, may_be_old=fresh is None), *looking.names(lines)]
        told += [*looking.tests(list(outcomes_claimed(lines))), *looking.coverage(list(coverage_claimed(lines)))]
        yield from dict.fromkeys(_of(context.marker, each) for each in told)


class _Looking:
    """One look at one marker."""

    def __init__(self, check: Claims, context: Context, tree: Tree, text: str) -> None:
        self._check = check
        self._context = context
        self._tree = tree
        self._text = text
        self._raw = text.splitlines()

    def files(self, lines: Sequence[Line], *, may_be_old: bool) -> Iterator[Told]:
        told: set[tuple[str, str]] = set()
        for claim in files_in(lines):
            found = self._tree.find(claim.path)
            for rule, title, severity in self._file(claim, found, may_be_old=may_be_old):
                if (rule, claim.path) not in told:
                    told.add((rule, claim.path))
                    yield self._finding(rule, title, claim.line, severity)

    def _file(
        self, claim: FileClaim, found: tuple[str, ...], *, may_be_old: bool
    ) -> Iterator[tuple[str, str, Severity]]:
        if claim.deed is Deed.DELETED:
            if self._tree.is_still_there(claim.path, found):
                yield "file-still-there", f"{claim.path} is said to be deleted, and is there", Severity.MEDIUM
        elif not found:
            if self._tree.is_missing(claim.path):
                is_sure = "/" in claim.path and claim.deed is not Deed.THERE
                title = f"{claim.path} is said to be {claim.deed}, and is not there"
                yield "file-missing", title, Severity.HIGH if is_sure else Severity.MEDIUM
        elif claim.deed is not Deed.THERE and not may_be_old and self._tree.is_untouched(found):
            title = f"{claim.path} is said to be {claim.deed}, and recent work did not touch it"
            yield "file-untouched", title, Severity.MEDIUM

    def names(self, lines: Sequence[Line]) -> Iterator[Told]:
        claims = {claim.name: claim for claim in names_in(lines)}
        for claim in list(claims.values())[:_MOST_NAMES]:
            if not self._tree.has_name(claim.name):
                title = f"{claim.shown} is said to be added, and is nowhere in the source"
                yield self._finding("name-missing", title, claim.line, Severity.HIGH)
        if len(claims) > _MOST_NAMES:
            yield NotKnown(f"the marker names {len(claims)} functions and classes; {_MOST_NAMES} were looked for")

    def tests(self, claims: Sequence[TestsClaim]) -> Iterator[Told]:
        if not claims:
            return
        tests = tests_of(self._context.facts)
        said = f"`{claims[0].said}` (line {claims[0].line}) cannot be confirmed: "
        if not tests:
            yield NotKnown(said + NOBODY_WATCHES)
            return
        if late := stale(self._context):
            yield NotKnown(said + late)
            return
        verdict = self._context.facts.get("verdict")
        if verdict in set(Verdict) and Verdict(verdict).is_trouble:
            yield NotKnown(said + f"the last run of the tests ended with `{verdict}`")
        for claim in claims:
            yield from self._outcome(claim, _within(tests, claim.within))

    def _outcome(self, claim: TestsClaim, tests: Sequence[Mapping[str, Any]]) -> Iterator[Told]:
        if not tests:
            yield NotKnown(
                f"`{claim.said}` (line {claim.line}) cannot be confirmed: no test of {claim.within} is known"
            )
            return
        red = [str(each["nodeid"]) for each in tests if is_red(each)]
        hidden = [nodeid for nodeid in red if nodeid.rpartition("::")[2].partition("[")[0] not in self._text]
        if claim.all_pass and hidden:
            some = "1 test is" if len(red) == 1 else f"{len(red)} tests are"
            title = f"The marker says `{claim.said}`, and {some} red"
            yield self._finding("tests-red", title, claim.line, detail="\n".join(red[:_TO_SHOW]))
        elif not (red or claim.is_count) and all(each["outcome"] == Outcome.SKIPPED for each in tests):
            title = f"The marker says `{claim.said}`, and none did: {plural(len(tests), 'test')} skipped"
            yield self._finding("tests-skipped", title, claim.line)
        if claim.passed is None or (self._tree.has_other_tests and not claim.within):
            return
        if claim.passed > len(tests):
            known = "1 test is" if len(tests) == 1 else f"{len(tests)} tests are"
            title = f"The marker says `{claim.said}`, and {known} known"
            yield self._finding("fewer-tests", title, claim.line)
        elif not (claim.all_pass or claim.is_count) and hidden and claim.passed > len(tests) - len(red):
            title = f"The marker says `{claim.said}`, and {len(red)} of {len(tests)} are red"
            yield self._finding("tests-red", title, claim.line, detail="\n".join(red[:_TO_SHOW]))

    def coverage(self, claims: Sequence[CoverageClaim]) -> Iterator[Told]:
        percent = coverage_of(self._context.facts)
        for claim in claims:
            if percent is None:
                yield NotKnown(f"`{claim.said}` (line {claim.line}) cannot be confirmed: it was not measured")
                return
            if claim.percent <= percent + _ROUNDING:
                continue
            measured = self._context.facts["coverage"]
            if (number(measured.get("at")) or 0.0) < last_change(self._context):
                yield NotKnown(f"`{claim.said}` cannot be confirmed: coverage was measured before the last change")
                return
            title = f"The marker says `{claim.said}`, and {percent:.1f} % was measured"
            yield self._finding("less-coverage", title, claim.line, Severity.MEDIUM)

    def _finding(
        self, rule: str, title: str, line: int, severity: Severity = Severity.HIGH, *, detail: str = ""
    ) -> Told:
        return self._check.finding(
            rule,
            title,
            self._context.marker,
            line,
            evidence=self._raw[line - 1][:_WIDEST],
            severity=severity,
            detail=detail,
            remedy="Do what the marker says, or let it say what was done.",
        )


_WIDEST = 300


def _of(marker: str, told: Told) -> Told:
    """Return it with the marker's name in front where it is a reason: of several markers each has its own answer."""
    return NotKnown(f"{marker}: {told.reason}") if isinstance(told, NotKnown) else told


def _read(context: Context) -> str | NotKnown:
    path = context.root / context.marker
    try:
        if not path.resolve().is_relative_to(context.root.resolve()):
            return NotKnown("it lies outside of the project")
        if path.stat().st_size > _LARGEST:
            return NotKnown("it is larger than a marker is")
        text = context.text(context.marker)
    except (OSError, ValueError, RuntimeError) as error:
        return NotKnown(f"it cannot be read ({type(error).__name__})")
    if "\0" in text:
        return NotKnown("it holds no text")
    return text


def _within(tests: Sequence[Mapping[str, Any]], place: str) -> list[Mapping[str, Any]]:
    """Return the tests of a file or a folder, however much of its path is named."""
    if not place:
        return list(tests)
    return [each for each in tests if f"/{place}" in "/" + str(each["nodeid"]).partition("::")[0] + "/"]
