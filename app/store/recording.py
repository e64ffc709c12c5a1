"""Events become rows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, case, func, or_, select

from app.domain.events import (
    AuditKept,
    ConversationDeleted,
    Event,
    ExchangeEnded,
    FailureAnswered,
    ProjectWatched,
    RunCollected,
    RunFinished,
    RunStarted,
    TestsRan,
    VerdictChanged,
)
from app.domain.verdicts import Outcome, Verdict
from app.store.audits import write_audit
from app.store.faults import SEE_LOG, Fault, Remedy
from app.store.schema import outputs, projects, results, runs, tests, transitions
from app.store.talks import Talks, write_answer
from app.store.values import ending, finite, insert_into, storable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from app.domain.verdicts import TestResult

OUTPUT_CAP = 256 * 1024
"""Characters of output kept of one result, its last whole lines: failures say the most there."""
_NAMES_AT_ONCE = 500
RUNS_KNOWN = 32
"""Runs whose keys are remembered, the newest: of one that ended more may still be told, and that takes no question."""


@dataclass(frozen=True, slots=True)
class _Run:
    key: int
    project: int


class Recorder:
    """Writes events in the caller's transaction, and remembers the keys of what it wrote.

    After a transaction that was rolled back, `forget` what was remembered.
    """

    def __init__(self) -> None:
        self._projects: dict[str, int] = {}
        self._runs: dict[str, _Run] = {}
        self._tests: dict[int, dict[str, int]] = {}
        self._talks = Talks()

    def forget(self) -> None:
        """Look all keys up again. Which conversations were deleted stays known: no rollback brings one back."""
        self._projects.clear()
        self._runs.clear()
        self._tests.clear()

    def write(self, connection: Connection, events: Sequence[Event]) -> None:
        """Write the events, in order.

        Raises:
            Fault: What was remembered is no longer so (another process tidied up), or an event is of an unknown run.
            SQLAlchemyError: The database refuses.
        """
        for (kind, _run_id), group in groupby(events, key=lambda each: (type(each), getattr(each, "run_id", None))):
            same = list(group)
            if kind is TestsRan:
                self._results(connection, [each for each in same if isinstance(each, TestsRan)])
                continue
            for event in same:
                self._write_one(connection, event)

    def _write_one(self, connection: Connection, event: Event) -> None:
        match event:
            case ProjectWatched():
                self._project(connection, event.project, event.name)
            case RunStarted():
                self._start(connection, event)
            case RunCollected():
                run = self._run(connection, event.run_id)
                connection.execute(runs.update().where(runs.c.id == run.key).values(expected=event.total))
            case RunFinished():
                self._finish(connection, event)
            case VerdictChanged():
                self._transition(connection, event)
            case FailureAnswered():
                write_answer(connection, self._project(connection, event.project), event)
            case AuditKept():
                write_audit(connection, self._project(connection, event.project), event)
            case ExchangeEnded():
                self._talks.write(connection, event)
            case ConversationDeleted():
                self._talks.delete(connection, event)

    def _project(self, connection: Connection, root: str, name: str | None = None) -> int:
        key = self._projects.get(root)
        if key is None or name is not None:
            row = {"root": storable(root), "name": storable(name or PurePath(root).name or root)}
            adding = insert_into(connection, projects)
            connection.execute(
                adding.on_conflict_do_update(index_elements=["root"], set_={"name": adding.excluded.name})
                if name is not None
                else adding.on_conflict_do_nothing(),
                row,
            )
            key = connection.execute(select(projects.c.id).where(projects.c.root == row["root"])).scalar_one()
            self._projects[root] = key
        return key

    def _start(self, connection: Connection, event: RunStarted) -> None:
        connection.execute(
            insert_into(connection, runs).on_conflict_do_nothing(),
            {
                "project_id": self._project(connection, event.project),
                "run_id": storable(event.run_id),
                "cause_kind": event.cause.kind.value,
                "cause_paths": [storable(path) for path in event.cause.paths],
                "started_at": event.at,
            },
        )

    def _run(self, connection: Connection, run_id: str) -> _Run:
        run = self._runs.get(run_id)
        if run is None:
            found = select(runs.c.id, runs.c.project_id).where(runs.c.run_id == storable(run_id))
            row = connection.execute(found).one_or_none()
            if row is None:
                raise Fault(f"The run {run_id} is not in the history.", SEE_LOG, remedy=Remedy.SKIP)
            run = self._runs[run_id] = _Run(row.id, row.project_id)
            if len(self._runs) > RUNS_KNOWN:
                del self._runs[next(iter(self._runs))]
        return run

    def _results(self, connection: Connection, ran: list[TestsRan]) -> None:
        run = self._run(connection, ran[0].run_id)
        ended = {storable(result.nodeid): (event.at, result) for event in ran for result in event.results}
        if not ended:
            return
        known = self._keys(connection, run, ended)
        rows = [_state(known[nodeid], run, at, result) for nodeid, (at, result) in ended.items()]
        moved = connection.execute(_STATE, rows)
        if 0 <= moved.rowcount < len(rows):
            raise Fault("Another process removed tests of the history.", SEE_LOG, remedy=Remedy.SKIP)
        adding = insert_into(connection, results)
        again = adding.on_conflict_do_update(
            index_elements=["run_id", "test_id"],
            set_={"outcome": adding.excluded.outcome, "duration_s": adding.excluded.duration_s},
        )
        connection.execute(
            again,
            [
                {"run_id": run.key, "test_id": row["key"], "outcome": row["outcome"], "duration_s": row["duration_s"]}
                for row in rows
            ],
        )
        printed = [
            {"run_id": run.key, "test_id": known[nodeid], "output": storable(ending(result.output, OUTPUT_CAP))}
            for nodeid, (_at, result) in ended.items()
            if result.output and result.outcome.is_red
        ]
        if printed:
            adding = insert_into(connection, outputs)
            again = adding.on_conflict_do_update(
                index_elements=["run_id", "test_id"], set_={"output": adding.excluded.output}
            )
            connection.execute(again, printed)

    def _keys(
        self, connection: Connection, run: _Run, ended: Mapping[str, tuple[float, TestResult]]
    ) -> Mapping[str, int]:
        known = self._tests.get(run.project)
        if known is None:
            rows = connection.execute(select(tests.c.nodeid, tests.c.id).where(tests.c.project_id == run.project))
            known = self._tests[run.project] = {row.nodeid: row.id for row in rows}
        new = [nodeid for nodeid in ended if nodeid not in known]
        if new:
            fresh = [_fresh(run, nodeid, *ended[nodeid]) for nodeid in new]
            connection.execute(insert_into(connection, tests).on_conflict_do_nothing(), fresh)
            for names in _portions(new):
                found = select(tests.c.nodeid, tests.c.id).where(
                    tests.c.project_id == run.project, tests.c.nodeid.in_(names)
                )
                known.update({row.nodeid: row.id for row in connection.execute(found)})
        return known

    def _finish(self, connection: Connection, event: RunFinished) -> None:
        run = self._run(connection, event.run_id)
        connection.execute(
            runs.update()
            .where(runs.c.id == run.key)
            .values(
                finished_at=event.at,
                duration_s=finite(event.duration_s),
                verdict=event.verdict.value,
                message=storable(event.message),
                output=storable(ending(event.output, OUTPUT_CAP)),
                **_counts(connection, run.key),
            )
        )
        if event.gone and event.verdict is not Verdict.CANCELLED:
            for names in _portions(event.gone):
                connection.execute(
                    tests.update()
                    .where(tests.c.project_id == run.project, tests.c.nodeid.in_(_names(names)))
                    .values(gone=True)
                )
        self._runs.pop(event.run_id, None)

    def _transition(self, connection: Connection, event: VerdictChanged) -> None:
        run = self._run(connection, event.run_id)
        connection.execute(
            transitions.insert(),
            {
                "run_id": run.key,
                "at": event.at,
                "broke": _names(event.broke),
                "fixed": _names(event.fixed),
                "gone": _names(event.gone),
                "trouble": event.trouble.value if event.trouble else None,
                "recovered": event.recovered.value if event.recovered else None,
                "message": storable(event.message),
                "still_red": event.still_red,
                "complete": event.complete,
            },
        )


_turned = or_(tests.c.gone, tests.c.red != bindparam("now_red"))
# Decided by the database, not from memory: two programs may record the same project.
_STATE = (
    tests.update()
    .where(tests.c.id == bindparam("key"))
    .values(
        outcome=bindparam("outcome"),
        duration_s=bindparam("duration_s"),
        since=case((_turned, bindparam("at")), else_=tests.c.since),
        since_run=case((_turned, bindparam("run")), else_=tests.c.since_run),
        seen_run=bindparam("run"),
        red=bindparam("now_red"),
        gone=False,
    )
)


def open_runs(connection: Connection) -> list[int]:
    """Return the keys of the runs that have no end."""
    return list(connection.scalars(select(runs.c.id).where(runs.c.finished_at.is_(None))))


def cut_off(connection: Connection, keys: Iterable[int]) -> None:
    """End runs that their process left without one: they get an end and no verdict.

    When they really ended nobody knows: their tests' durations say how long they went on. One of a process that lives
    after all (two machines may share a PostgreSQL history) gets its true end when it comes to it.
    """
    for key in keys:
        spent = connection.scalar(select(func.sum(results.c.duration_s)).where(results.c.run_id == key)) or 0.0
        connection.execute(
            runs.update()
            .where(runs.c.id == key, runs.c.finished_at.is_(None))
            .values(finished_at=runs.c.started_at + spent, duration_s=spent, **_counts(connection, key))
        )


def _state(key: int, run: _Run, at: float, result: TestResult) -> dict[str, Any]:
    return {
        "key": key,
        "outcome": result.outcome.value,
        "duration_s": finite(result.duration_s),
        "at": at,
        "run": run.key,
        "now_red": result.outcome.is_red,
    }


def _fresh(run: _Run, nodeid: str, at: float, result: TestResult) -> dict[str, Any]:
    return {
        "project_id": run.project,
        "nodeid": nodeid,
        "outcome": result.outcome.value,
        "red": result.outcome.is_red,
        "gone": False,
        "duration_s": finite(result.duration_s),
        "since": at,
        "since_run": run.key,
        "seen_run": run.key,
    }


def _counts(connection: Connection, key: int) -> dict[str, int]:
    counted = select(results.c.outcome, func.count()).where(results.c.run_id == key).group_by(results.c.outcome)
    counts = dict.fromkeys((outcome.value for outcome in Outcome), 0)
    counts.update({str(outcome): int(count) for outcome, count in connection.execute(counted)})
    return counts


def _portions(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[start : start + _NAMES_AT_ONCE] for start in range(0, len(names), _NAMES_AT_ONCE))


def _names(names: Iterable[str]) -> list[str]:
    return [storable(name) for name in names]
