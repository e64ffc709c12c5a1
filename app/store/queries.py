"""What history can be asked."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from sqlalchemy import Integer, case, cast, func, select

from app.domain.analysis import (
    Answer,
    Confidence,
    ConversationRecord,
    Evidence,
    Subject,
    SubjectKind,
    Usage,
)
from app.domain.history import RunRecord, TestDetail, TestMoment, TestTrait
from app.domain.verdicts import Cause, CauseKind, Counts, Outcome, TestState, Verdict
from app.domain.words import ELLIPSIS, one_line
from app.store.audits import finding_history, past_audits
from app.store.schema import analyses, conversations, exchanges, outputs, projects, results, runs, tests
from app.store.values import storable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection, Row

    from app.domain.findings import FindingHistory, Past

_RED = [outcome.value for outcome in Outcome if outcome.is_red]
_COUNTS = [runs.c[outcome.value] for outcome in Outcome]
_FEW = 1_000
"""Up to so many tests are looked up one by one; beyond, reading all in between is faster."""
PASSAGE = 120
"""Characters of the passage that shows where a conversation was found."""
_MOST_WORDS, _LONGEST_WORD = 20, 200
_RUN = (
    runs.c.id,
    runs.c.run_id,
    projects.c.root,
    runs.c.cause_kind,
    runs.c.cause_paths,
    runs.c.started_at,
    runs.c.finished_at,
    runs.c.duration_s,
    runs.c.verdict,
    runs.c.message,
    *_COUNTS,
)


class Queries:
    """The questions, over one connection; each answers with the domain's own values."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def known_tests(self, project: str) -> tuple[TestState, ...]:
        """Return the last known state of each test that a project has, by node id."""
        key = self._project(project)
        if key is None:
            return ()
        known = select(tests).where(tests.c.project_id == key, tests.c.gone.is_(False)).order_by(tests.c.nodeid)
        rows = self._connection.execute(known).all()
        # Few runs explain many tests: their causes are read once each.
        causes = {
            row.id: (row.run_id, _cause(row))
            for row in self._connection.execute(
                select(runs.c.id, runs.c.run_id, runs.c.cause_kind, runs.c.cause_paths).where(runs.c.project_id == key)
            )
        }
        return tuple(
            TestState(
                row.nodeid,
                Outcome(row.outcome),
                row.duration_s,
                row.since,
                causes[row.since_run][1],
                causes[row.seen_run][0],
            )
            for row in rows
        )

    def runs(self, project: str | None, limit: int) -> tuple[RunRecord, ...]:
        """Return the last runs, newest first. One with no end goes on; one with an end but no verdict was cut off."""
        query = select(*_RUN).join_from(runs, projects).order_by(runs.c.id.desc()).limit(limit)
        if project is not None:
            query = query.where(projects.c.root == storable(project))
        rows = self._connection.execute(query).all()
        counted = self._counted([row.id for row in rows if row.finished_at is None])
        return tuple(_record(row, counted.get(row.id)) for row in rows)

    def test(self, project: str, nodeid: str, *, limit: int = 100) -> TestDetail:
        """Return a test's moments, newest first, and the output of the last one that was red."""
        key = self._project(project)
        found = select(tests.c.id).where(tests.c.project_id == key, tests.c.nodeid == storable(nodeid))
        test = self._connection.scalar(found)
        if key is None or test is None:
            return TestDetail(project, nodeid, "", ())
        printed = select(outputs.c.output).where(outputs.c.test_id == test).order_by(outputs.c.run_id.desc()).limit(1)
        moments = (
            select(
                runs.c.run_id,
                runs.c.started_at,
                runs.c.cause_kind,
                runs.c.cause_paths,
                results.c.outcome,
                results.c.duration_s,
            )
            .join_from(runs, results, (results.c.run_id == runs.c.id) & (results.c.test_id == test))
            .where(runs.c.project_id == key)
            .order_by(runs.c.id.desc())
            .limit(limit)
        )
        return TestDetail(
            project,
            nodeid,
            self._connection.scalar(printed) or "",
            tuple(
                TestMoment(row.run_id, row.started_at, Outcome(row.outcome), row.duration_s, _cause(row))
                for row in self._connection.execute(moments)
            ),
        )

    def traits(self, project: str | None, *, last: int = 20) -> tuple[TestTrait, ...]:
        """Return what the last runs of each project say of its tests: the most flips first, then the slowest.

        A flip counts where a test changed between red and green and no run from the one to the other says that a file
        changed; a start says nothing of what changed while nobody watched, so it counts as a change.
        """
        found: list[TestTrait] = []
        roots = select(projects.c.id, projects.c.root)
        if project is not None:
            roots = roots.where(projects.c.root == storable(project))
        for row in self._connection.execute(roots).all():
            found += self._traits_of(row.id, row.root, last)
        return tuple(sorted(found, key=lambda each: (-each.flips, -each.mean_s, each.nodeid)))

    def answered(self, project: str, fingerprint: str) -> Answer | None:
        """Return the newest answer to a failure of a project; None when there is none that can be read."""
        newest = (
            select(analyses.c.answer)
            .join_from(analyses, projects)
            .where(projects.c.root == storable(project), analyses.c.fingerprint == storable(fingerprint))
            .order_by(analyses.c.id.desc())
            .limit(1)
        )
        told = self._connection.scalar(newest)
        try:
            return None if told is None else _answer(told)
        except (LookupError, TypeError, ValueError):
            return None  # another version wrote it: the model is asked anew

    def conversations(self, query: str = "", project: str = "", limit: int = 50) -> tuple[ConversationRecord, ...]:
        """Return conversations, the newest first.

        Args:
            query: Words that must all stand in a question or an answer, whatever their case, as they are: no sign
                stands for another. Empty for all conversations. The first 20 words count, and of each 200 characters.
            project: The root of those that are about one project; empty for all.
            limit: At most so many.
        """
        words = [storable(word[:_LONGEST_WORD]).casefold() for word in query.split()[:_MOST_WORDS]]
        wanted = _CONVERSATIONS.order_by(func.max(exchanges.c.at).desc(), conversations.c.id.desc()).limit(limit)
        if project:
            wanted = wanted.where(conversations.c.project == storable(project))
        for word in words:
            hits = select(exchanges.c.conversation_id).where(exchanges.c.folded.contains(word, autoescape=True))
            wanted = wanted.where(conversations.c.id.in_(hits))
        rows = self._connection.execute(wanted).all()
        return tuple(_conversation(row, self._passage(row.id, words)) for row in rows)

    def audits(self, project: str, limit: int) -> tuple[Past, ...]:
        """Return the last audits of a project in figures, the oldest first."""
        return past_audits(self._connection, project, limit)

    def finding(self, project: str, fingerprint: str) -> FindingHistory | None:
        """Return what the audits of a project say of a finding; None when none that is kept has found it."""
        return finding_history(self._connection, project, fingerprint)

    def _passage(self, key: int, words: Sequence[str]) -> str:
        if not words:
            return ""
        first = (
            select(exchanges.c.question, exchanges.c.answer)
            .where(exchanges.c.conversation_id == key, exchanges.c.folded.contains(words[0], autoescape=True))
            .order_by(exchanges.c.seq)
            .limit(1)
        )
        row = self._connection.execute(first).one()
        return passage(f"{row.question}\n{row.answer}", words[0])

    def _traits_of(self, key: int, root: str, last: int) -> list[TestTrait]:
        newest = (
            select(runs.c.id, runs.c.cause_kind, func.json_array_length(runs.c.cause_paths).label("paths"))
            .where(runs.c.project_id == key)
            .order_by(runs.c.id.desc())
            .limit(last)
        )
        looked_at = self._connection.execute(newest).all()[::-1]
        sources = _sources(looked_at)
        ids = [row.id for row in looked_at]
        totals = (
            select(
                results.c.test_id,
                func.count().label("runs"),
                func.sum(_is_red()).label("reds"),
                func.avg(results.c.duration_s).label("mean_s"),
            )
            .where(results.c.run_id.in_(ids))
            .group_by(results.c.test_id)
            .subquery()
        )
        named = select(tests.c.id, tests.c.nodeid, totals.c.runs, totals.c.reds, totals.c.mean_s).join_from(
            tests, totals, tests.c.id == totals.c.test_id
        )
        rows = self._connection.execute(named.where(tests.c.gone.is_(False))).all()
        flips = self._flips([row.id for row in rows if 0 < row.reds < row.runs], ids, sources)
        return [
            TestTrait(root, row.nodeid, row.runs, int(row.reds), flips.get(row.id, 0), float(row.mean_s))
            for row in rows
        ]

    def _flips(self, mixed: Sequence[int], ids: Sequence[int], sources: dict[int, int]) -> dict[int, int]:
        if not mixed:
            return {}
        wanted = frozenset(mixed)
        few, many = results.c.test_id.in_(mixed), results.c.test_id.between(min(mixed), max(mixed))
        moments = (
            select(results.c.test_id, results.c.run_id, _is_red().label("red"))
            .where(results.c.run_id.in_(ids), few if len(mixed) <= _FEW else many)
            .order_by(results.c.test_id, results.c.run_id)
        )
        flips: dict[int, int] = {}
        for test, group in groupby(self._connection.execute(moments), key=lambda row: row.test_id):
            if test not in wanted:
                continue
            before: Row[*tuple[Any, ...]] | None = None
            for row in group:
                if before and before.red != row.red and sources[before.run_id] == sources[row.run_id]:
                    flips[test] = flips.get(test, 0) + 1
                before = row
        return flips

    def _project(self, root: str) -> int | None:
        return self._connection.scalar(select(projects.c.id).where(projects.c.root == storable(root)))

    def _counted(self, open_runs: Sequence[int]) -> dict[int, Counts]:
        if not open_runs:
            return {}
        query = (
            select(results.c.run_id, results.c.outcome, func.count().label("times"))
            .where(results.c.run_id.in_(open_runs))
            .group_by(results.c.run_id, results.c.outcome)
            .order_by(results.c.run_id)
        )
        return {
            run: Counts(**{row.outcome: row.times for row in group})
            for run, group in groupby(self._connection.execute(query), key=lambda row: row.run_id)
        }


def _is_red() -> ColumnElement[int]:
    return cast(case((results.c.outcome.in_(_RED), 1), else_=0), Integer)


def _sources(looked_at: Sequence[Row[*tuple[Any, ...]]]) -> dict[int, int]:
    # Runs with the same number ran the same source, as far as anybody saw.
    number, numbers = 0, {}
    for row in looked_at:
        number += bool(row.paths) or row.cause_kind == CauseKind.START
        numbers[row.id] = number
    return numbers


def _cause(row: Row[*tuple[Any, ...]]) -> Cause:
    return Cause(CauseKind(row.cause_kind), tuple(row.cause_paths))


def _record(row: Row[*tuple[Any, ...]], counted: Counts | None) -> RunRecord:
    stored = Counts(**{outcome.value: getattr(row, outcome.value) for outcome in Outcome})
    return RunRecord(
        row.run_id,
        row.root,
        _cause(row),
        row.started_at,
        row.finished_at,
        row.duration_s,
        Verdict(row.verdict) if row.verdict else None,
        row.message,
        counted or stored,
    )


_CONVERSATIONS = (
    select(
        conversations,
        func.count().label("exchanges"),
        func.min(exchanges.c.at).label("started_at"),
        func.max(exchanges.c.at).label("last_at"),
        func.sum(exchanges.c.cost).label("cost"),
    )
    .join_from(conversations, exchanges)
    .group_by(conversations.c.id)
)


def passage(text: str, word: str) -> str:
    """Return about PASSAGE characters of a text around the first place of a word, on one line.

    Args:
        text: As it was written.
        word: After str.casefold; one that is not there gives the text's beginning.
    """
    at = text.casefold().find(word)
    if len(text.casefold()) != len(text):
        # Folding made some signs longer: count back to where the hit is in what was written.
        folded = 0
        for index, sign in enumerate(text):
            if folded >= at:
                at = index
                break
            folded += len(sign.casefold())
    start = max(0, at - (PASSAGE - len(word)) // 2)
    end = start + PASSAGE
    shown = one_line(text[start:end])
    return f"{ELLIPSIS * (start > 0)}{shown}{ELLIPSIS * (end < len(text))}"


def _conversation(row: Row[*tuple[Any, ...]], found: str = "") -> ConversationRecord:
    return ConversationRecord(
        row.conversation,
        Subject(SubjectKind(row.kind), row.project, row.name),
        row.title,
        row.started_at,
        row.last_at,
        row.exchanges,
        float(row.cost or 0.0),
        found,
    )


def _answer(told: dict[str, Any]) -> Answer:
    usage, confidence = told["usage"], told["confidence"]
    return Answer(
        at=float(told["at"]),
        provider=str(told["provider"]),
        model=str(told["model"]),
        usage=Usage(**usage),
        cause=str(told["cause"]),
        confidence=None if confidence is None else Confidence(confidence),
        evidence=tuple(Evidence(**place) for place in told["evidence"]),
        next_step=str(told["next_step"]),
        patch=str(told["patch"]),
        patch_note=str(told["patch_note"]),
        text=str(told["text"]),
    )
