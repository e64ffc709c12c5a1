"""Tests that tell less than they did: deleted, skipped, without an assertion, or loosened."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from app.agents.auditing.checks.leftovers.assertions import Assertion, Strength
from app.domain.findings import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from app.agents.auditing.checks.leftovers.testfiles import Test

_ALIKE = 0.6
_LONGEST = 20_000
_TO_COMPARE = 60
_ANY = frozenset({"Exception", "BaseException"})


@dataclass(frozen=True, slots=True)
class Placed:
    """A test and the file it is in."""

    path: str
    test: Test

    @property
    def nodeid(self) -> str:
        """Its id as pytest has it."""
        return f"{self.path}::{self.test.node}"


@dataclass(frozen=True, slots=True)
class Weakness:
    """One way in which a test tells less than before.

    Attributes:
        rule: `assertion-removed`, `assertion-loosened`, `tolerance-widened`, `exception-widened`.
        title: In words for people.
        line: Where, in the file as it is now.
        evidence: What was asserted, and what is instead.
        severity: How much it matters.
    """

    rule: str
    title: str
    line: int
    evidence: str
    severity: Severity = Severity.HIGH


@dataclass(slots=True)
class Matched:
    """How the tests of before and those of now go together.

    Attributes:
        pairs: Tests that are both, under the same name or another one.
        gone: Tests that are no more.
        new: Tests that were not.
    """

    pairs: list[tuple[Placed, Placed]] = field(default_factory=list)
    gone: list[Placed] = field(default_factory=list)
    new: list[Placed] = field(default_factory=list)


def match(before: Sequence[Placed], now: Sequence[Placed]) -> Matched:
    """Say which test of before is which now.

    Args:
        before: The tests of the files that changed, under the names that these files have now.
        now: Those of the files as they are now.
    """
    by_id = {each.nodeid: each for each in now}
    pairs = [(each, by_id[each.nodeid]) for each in before if each.nodeid in by_id]
    known = {each.nodeid for each, _ in pairs}
    gone = [each for each in before if each.nodeid not in known]
    new = [each for each in now if each.nodeid not in known]
    for is_same in (_is_same_name, _is_same_body, _is_alike):
        if is_same is _is_alike and len(gone) * len(new) > _TO_COMPARE**2:
            break
        for old in tuple(gone):
            found = next((each for each in new if is_same(old, each)), None)
            if found is not None:
                gone.remove(old)
                new.remove(found)
                pairs.append((old, found))
    others = [*new, *(each for _, each in pairs)]
    gone = [each for each in gone if not _is_merged(each, others)]
    return Matched(pairs, gone, new)


def weaknesses(old: Test, new: Test) -> Iterator[Weakness]:
    """Yield in what a test asserts less than it did."""
    left, added = _without_common(old.assertions, new.assertions)
    rest: list[Assertion] = []
    for one in left:
        other = max((each for each in added if _is_about(one, each)), key=lambda each: each.strength, default=None)
        if other is None:
            rest.append(one)
            continue
        added.remove(other)
        yield from _loosened(one, other)
    replaced = sum(each.strength > Strength.NOTHING for each in added)
    told_otherwise = (new.is_repeated and not old.is_repeated) or (new.asks_others and not old.asks_others)
    rest = [each for each in rest if each.strength > Strength.NOTHING]
    if len(rest) > replaced and not told_otherwise:
        lost = rest[replaced:]
        count = "An assertion was" if len(lost) == 1 else f"{len(lost)} assertions were"
        yield Weakness(
            "assertion-removed",
            f"{count} taken out of {new.name}",
            new.line,
            "; ".join(f"was: {each.text}" for each in lost[:3]),
        )


def newly_skipped(old: Test | None, new: Test) -> tuple[str, bool] | None:
    """Return what keeps a test from counting that did not before, and whether it does so on a condition."""
    before = old.skips if old else {}
    for kind, is_conditional in sorted(new.skips.items(), key=lambda each: each[1]):
        if kind not in before or (before[kind] and not is_conditional):
            return kind, is_conditional
    return None


def _loosened(old: Assertion, new: Assertion) -> Iterator[Weakness]:
    evidence = f"was: {old.text}; is: {new.text}"
    if old.raises and new.raises:
        if (new.raises & _ANY) - old.raises or old.raises < new.raises:
            yield Weakness("exception-widened", "A test expects a wider exception than it did", new.line, evidence)
        elif old.raises == new.raises and old.has_pattern and not new.has_pattern:
            title = "A test no longer looks at the exception's text"
            yield Weakness("exception-widened", title, new.line, evidence, Severity.MEDIUM)
        return
    if new.strength < old.strength:
        yield Weakness("assertion-loosened", "A test asserts less than it did", new.line, evidence)
        return
    if any(new.tolerance[kind] > value for kind, value in old.tolerance.items() if kind in new.tolerance):
        yield Weakness("tolerance-widened", "A test allows a greater difference than it did", new.line, evidence)
    elif old.bound and new.bound and old.bound[0] == new.bound[0]:
        sign, limit = old.bound
        if (new.bound[1] > limit) if sign == "<" else (new.bound[1] < limit):
            is_difference = any(each.startswith("abs(") for each in old.about)
            severity = Severity.HIGH if is_difference else Severity.MEDIUM
            yield Weakness("tolerance-widened", "A test allows more than it did", new.line, evidence, severity)


def _without_common(old: Sequence[Assertion], new: Sequence[Assertion]) -> tuple[list[Assertion], list[Assertion]]:
    olds, news = Counter(each.text for each in old), Counter(each.text for each in new)
    return _those(old, olds - news), _those(new, news - olds)


def _those(assertions: Iterable[Assertion], wanted: Counter[str]) -> list[Assertion]:
    found = []
    for each in assertions:
        if wanted[each.text] > 0:
            wanted[each.text] -= 1
            found.append(each)
    return found


def _is_about(old: Assertion, new: Assertion) -> bool:
    return bool(old.about & new.within or new.about & old.within)


def _is_same_name(old: Placed, new: Placed) -> bool:
    return old.test.name == new.test.name


def _is_same_body(old: Placed, new: Placed) -> bool:
    return bool(old.test.body) and old.test.body == new.test.body


def _is_alike(old: Placed, new: Placed) -> bool:
    one, other = old.test.body, new.test.body
    if old.path != new.path or max(len(one), len(other)) > _LONGEST:
        return False
    matcher = SequenceMatcher(None, one.split(), other.split(), autojunk=False)
    return matcher.real_quick_ratio() >= _ALIKE and matcher.quick_ratio() >= _ALIKE and matcher.ratio() >= _ALIKE


def _is_merged(old: Placed, others: Iterable[Placed]) -> bool:
    """Return whether all that a test asserted is asserted by others, or by one that runs on many values."""
    wanted = {each.text for each in old.test.assertions if each.strength > Strength.NOTHING}
    if not wanted:
        return False
    here = [each.test for each in others if each.path == old.path]
    if wanted <= {assertion.text for test in here for assertion in test.assertions}:
        return True
    calls = {name for name in old.test.names if any(f"{name}(" in text for text in (*wanted, old.test.body))}
    return any(test.is_repeated and test.assertions and calls and calls <= test.names for test in here)
