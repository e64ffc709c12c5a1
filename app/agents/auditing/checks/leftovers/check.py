"""The check that looks at what a change leaves behind."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from app.agents.auditing.checks.change import change_of
from app.agents.auditing.checks.leftovers.marks import marks_in, may_hold
from app.agents.auditing.checks.leftovers.testfiles import NO_TESTS, is_test_file, read_tests
from app.agents.auditing.checks.leftovers.weakened import Placed, match, newly_skipped, weaknesses
from app.agents.auditing.context import GitFailed
from app.agents.auditing.plugin import NotKnown, Severity, SyncCheck

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from app.agents.auditing.checks.change import Change
    from app.agents.auditing.checks.leftovers.testfiles import TestFile
    from app.agents.auditing.context import Context
    from app.agents.auditing.plugin import Told


class Leftovers(SyncCheck):
    """Tells what a change left behind: marks, debugging, conflicts, and tests that tell less than they did."""

    id: ClassVar[str] = "leftovers"
    title: ClassVar[str] = "Nothing left behind"
    severity: ClassVar[Severity] = Severity.LOW
    deadline_s: ClassVar[float] = 120.0

    def look(self, context: Context) -> Iterable[Told]:
        """Yield what was left behind between the last audit and the working tree."""
        try:
            change = change_of(context)
        except GitFailed as error:
            yield NotKnown(f"what changed is not known: {error}")
            return
        yield from self._tests(change)
        yield from self._marks(change)
        for reason in dict.fromkeys(change.reasons):
            yield NotKnown(reason)

    def _marks(self, change: Change) -> Iterator[Told]:
        removed: Counter[str] = Counter()
        found = []
        for patch in change.patches():
            if patch.path in {change.context.marker, _answer(change.context.marker)}:
                continue
            marks = marks_in(patch.path, patch.added, partial(change.now, patch.path))
            found += [(patch.path, mark, patch.added[mark.line].strip()) for mark in marks]
            removed.update(line.strip() for line in patch.removed if may_hold(line))
        for path in change.deleted[:_MOST_DELETED] if found else ():
            removed.update(line.strip() for line in (change.before(path) or "").splitlines() if may_hold(line))
        for path, mark, line in found:
            if removed[line] > 0 and mark.rule != "conflict":
                removed[line] -= 1  # it was only moved
                continue
            yield self.finding(
                mark.rule, mark.title, path, mark.line, evidence=line, severity=mark.severity, remedy=mark.remedy
            )

    def _tests(self, change: Change) -> Iterator[Told]:
        before: list[Placed] = []
        now: list[Placed] = []
        files: dict[str, TestFile] = {}
        was: dict[str, str] = {}
        for path, former in sorted(change.was.items()):
            if not is_test_file(path) and not is_test_file(former):
                continue
            text = (change.before(former) if is_test_file(former) else None) or ""
            after = (change.now(path) if is_test_file(path) else None) or ""
            was[path] = former
            files[path] = _parsed(text) or NO_TESTS
            current = _parsed(after)
            if current is None:
                yield NotKnown(f"{path} is no Python that can be read, so that its tests cannot be compared")
                continue
            before += [Placed(path, each) for each in files[path].tests.values()]
            now += [Placed(path, each) for each in current.tests.values()]
        for path in change.deleted:
            if is_test_file(path):
                was[path] = path
                files[path] = _parsed(change.before(path) or "") or NO_TESTS
                before += [Placed(path, each) for each in files[path].tests.values()]
        matched = match(before, now)
        for gone in matched.gone:
            yield self._deleted(change, gone, was[gone.path], files[gone.path])
        for old, new in matched.pairs:
            yield from self._skipped(old, new)
            is_renamed = old.nodeid != new.nodeid
            for weak in weaknesses(old.test, new.test):
                is_sure = weak.rule != "assertion-removed" or not is_renamed
                severity = weak.severity if is_sure else Severity.MEDIUM
                yield self.finding(
                    weak.rule, weak.title, new.path, weak.line, evidence=weak.evidence, severity=severity,
                    detail=f"{new.nodeid}, as it was at {change.base[:12]}.",
                    remedy="Put the assertion back, or say in the commit why less is right.",
                )  # fmt: skip
        for new in matched.new:
            yield from self._new(new)

    def _deleted(self, change: Change, gone: Placed, path: str, file: TestFile) -> Told:
        is_orphan = _is_orphan(change, gone, file)
        return self.finding(
            "test-deleted",
            f"A test was deleted: {path}::{gone.test.node}",
            path,
            gone.test.line,
            evidence=gone.test.head,
            severity=Severity.LOW if is_orphan else Severity.HIGH,
            detail="What it tested is gone as well." if is_orphan else f"It was in {path} at {change.base[:12]}.",
            remedy="Put it back, or say in the commit why it is not needed.",
            commit=change.base,
        )

    def _skipped(self, old: Placed | None, new: Placed) -> Iterator[Told]:
        found = newly_skipped(old.test if old else None, new.test)
        if found is None or (old is None and found[1]):
            return
        kind, is_conditional = found
        line = new.test.skipped_at or new.test.line
        yield self.finding(
            "test-skipped",
            f"A test no longer counts ({kind}): {new.nodeid}"
            if old
            else f"A new test does not count ({kind}): {new.nodeid}",
            new.path,
            line,
            evidence=new.test.head,
            severity=Severity.LOW if is_conditional else Severity.MEDIUM,
            remedy="Let it run, and mend what it finds.",
        )

    def _new(self, new: Placed) -> Iterator[Told]:
        yield from self._skipped(None, new)
        if new.test.asserts_nothing and not new.test.skips:
            is_hollow = bool(new.test.assertions) or new.test.body in {"", "pass", "..."}
            yield self.finding(
                "test-without-assertion",
                f"A new test asserts nothing: {new.nodeid}",
                new.path,
                new.test.line,
                evidence=new.test.head,
                severity=Severity.MEDIUM if is_hollow else Severity.LOW,
                remedy="Say in it what is to hold.",
            )


_MOST_DELETED = 200
"""Of more deleted files it is not asked what was moved from them."""


def _answer(marker: str) -> str:
    """Return the name of the answer that is written beside a marker."""
    return marker.rpartition(".")[0] + ".audit.md" if marker else ""


def _parsed(source: str) -> TestFile | None:
    if not source.strip():
        return NO_TESTS
    try:
        return read_tests(source)
    except SyntaxError:
        return None


def _is_orphan(change: Change, gone: Placed, file: TestFile) -> bool:
    """Return whether what a test tested was deleted as well."""
    for name in gone.test.names & file.imports.keys():
        module, member = file.imports[name]
        tail = module.replace(".", "/") + ".py"
        if any(path == tail or path.endswith("/" + tail) for path in change.deleted):
            return True
        for path, old in change.was.items():
            if member and old and (old == tail or old.endswith("/" + tail)):
                text = change.now(path)
                before = change.before(old) or ""
                if text is not None and _defines(before, member) and not _defines(text, member):
                    return True
    return False


def _defines(source: str, name: str) -> bool:
    return any(f"{word} {name}" in source for word in ("def", "class")) or f"\n{name} =" in source
