"""The command `tests`: what the history knows, with or without a running instance."""

from __future__ import annotations

import asyncio
import time
from dataclasses import fields, replace
from typing import TYPE_CHECKING

from app.cli.exits import EXIT_RED
from app.cli.projects import project_root
from app.cli.terminal import plain
from app.domain import words
from app.domain.errors import CannotError, UsageError
from app.domain.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.cli.context import Context
    from app.domain.history import RunRecord, TestTrait
    from app.domain.verdicts import TestState
    from app.store.history import History

    Outputs = dict[tuple[str, str], str]

_MOST_LINES = 10_000
_INSTANCE_S = 2.0
"""How long an instance may take to tell what only it knows; the history is told without it then."""
_RUNS_LOOKED_AT = 20
_RUNS_LOOKED_THROUGH = 500
"""For `last` of all projects: runs among which the last one of each is looked for."""


def tests(context: Context) -> int:
    """Tell what the history knows."""
    said = context.words
    if not 0 < said.limit <= _MOST_LINES:
        raise UsageError(f"{said.limit} is no number of lines.", f"Write 1 to {_MOST_LINES} behind --limit.")
    if said.path is not None and said.project is not None:
        raise UsageError("The project is named twice.", "Name it as PATH, or behind --project.")
    named = said.path if said.path is not None else said.project
    project = str(project_root(named, context.cwd)) if named is not None else None
    from app.store.history import History
    from app.store.location import history_url

    with context.logging():

        async def asked() -> int:
            async with History.reader(history_url(context.environ, context.places.data)) as history:
                return await _TELL[said.what](context, history, project)

        return asyncio.run(asked())


async def _last(context: Context, history: History, project: str | None) -> int:
    newest: dict[str, RunRecord] = {}
    for run in await history.runs(project, 1 if project else _RUNS_LOOKED_THROUGH):
        newest.setdefault(run.project, run)
    red = {root: [t for t in await history.known_tests(root) if t.outcome.is_red] for root in newest}
    if any(red.values()):
        red = _with_second_looks(context, red)
    shown = [(root, test.nodeid) for root in newest for test in red[root][: context.words.limit]]
    outputs = {key: (await history.test(*key)).output for key in shown} if context.words.output else {}
    if context.as_json:
        runs = [
            {"run": run, "red": [_with_output(t, root, outputs) for t in red[root]]} for root, run in newest.items()
        ]
        context.terminal.document({"projects": runs})
    else:
        _write_last(context, newest, red, outputs)
    return EXIT_RED if any(red.values()) or any(r.verdict and r.verdict.is_bad for r in newest.values()) else 0


def _with_second_looks(context: Context, red: dict[str, list[TestState]]) -> dict[str, list[TestState]]:
    """Add what a second look said of red tests. Only an instance that runs knows it: the history does not keep it."""
    from app.cli.status import check_of
    from app.domain.commands import ReadStatus

    try:
        with context.client(timeout_s=_INSTANCE_S) as client:
            projects = client.send(ReadStatus())["projects"]
    except CannotError:
        return red
    return {
        root: [
            replace(test, check=check_of(projects.get(root, {}).get("tests", {}).get(test.nodeid, {}).get("check")))
            for test in tests
        ]
        for root, tests in red.items()
    }


def _with_output(test: TestState, root: str, outputs: Outputs) -> dict[str, object]:
    told: dict[str, object] = {field.name: getattr(test, field.name) for field in fields(test)}
    return told | ({"output": outputs[root, test.nodeid]} if (root, test.nodeid) in outputs else {})


def _write_last(
    context: Context, newest: dict[str, RunRecord], red: dict[str, list[TestState]], outputs: Outputs
) -> None:
    terminal, now = context.terminal, time.time()
    if not newest:
        terminal.say("No run is known yet.")
    for root, run in newest.items():
        terminal.say(terminal.paint(plain(root), "bold"))
        terminal.say(f"  {_verdict(context, run)}  {run.counts}  {_when(run, now)}")
        for line in plain(run.message).splitlines():
            terminal.say(f"  {line}")
        for test in red[root][: context.words.limit]:
            second = words.check(test.check)
            looked = f"  {terminal.paint(second, 'yellow')}" if second else ""
            terminal.say(f"  {terminal.paint(test.outcome.value, 'red')}  {plain(test.nodeid)}{looked}")
            for line in plain(outputs.get((root, test.nodeid), "")).splitlines():
                terminal.say(f"      {line}")
        more = len(red[root]) - context.words.limit
        if more > 0:
            terminal.say(f"  ... and {more} more (--limit {len(red[root])} shows all)")


async def _history(context: Context, history: History, project: str | None) -> int:
    runs = await history.runs(project, context.words.limit)
    if context.as_json:
        context.terminal.document({"runs": runs})
        return 0
    now = time.time()
    if not runs:
        context.terminal.say("No run is known yet.")
    rows = [
        (
            _end(run),
            _lasted(run, now),
            words.ago(now - run.started_at),
            str(run.counts),
            plain(f"{run.cause}" + ("" if project else f"  in {run.project}")),
        )
        for run in runs
    ]
    context.terminal.table(rows)
    return 0


async def _flaky(context: Context, history: History, project: str | None) -> int:
    found = [trait for trait in await history.traits(project, runs=_RUNS_LOOKED_AT) if trait.flips]
    found.sort(key=lambda trait: (-trait.flips, trait.nodeid))
    rows = [(words.plural(t.flips, "flip"), f"{t.reds} of {t.runs} runs red", _named(t, project)) for t in found]
    return _traits(context, found, rows, "No test changed its mind without a change of a file.")


async def _slow(context: Context, history: History, project: str | None) -> int:
    found = sorted(await history.traits(project, runs=_RUNS_LOOKED_AT), key=lambda trait: (-trait.mean_s, trait.nodeid))
    rows = [(words.duration(t.mean_s), f"over {words.plural(t.runs, 'run')}", _named(t, project)) for t in found]
    return _traits(context, found, rows, "No test is known yet.")


def _traits(context: Context, found: list[TestTrait], rows: Sequence[tuple[str, ...]], none: str) -> int:
    limit = context.words.limit
    if context.as_json:
        context.terminal.document({"tests": found[:limit]})
    elif not found:
        context.terminal.say(none)
    else:
        context.terminal.table(rows[:limit])
    return 0


def _named(trait: TestTrait, project: str | None) -> str:
    return plain(trait.nodeid if project else f"{trait.nodeid}  in {trait.project}")


def _end(run: RunRecord) -> str:
    """Return how a run ended. One without a verdict goes on, or its watcher ended before it did."""
    if run.verdict is not None:
        return run.verdict.value
    return "running" if run.finished_at is None else "cut off"


def _lasted(run: RunRecord, now: float) -> str:
    return words.elapsed(now - run.started_at) if run.finished_at is None else words.duration(run.duration_s)


def _verdict(context: Context, run: RunRecord) -> str:
    if run.verdict is None:
        colour = "blue" if run.finished_at is None else "yellow"
    else:
        colour = "red" if run.verdict.is_bad else "yellow" if run.verdict is Verdict.CANCELLED else "green"
    return context.terminal.paint(_end(run), colour)


def _when(run: RunRecord, now: float) -> str:
    took = "" if run.finished_at is None else f", took {_lasted(run, now)}"
    return f"{words.ago(now - run.started_at)}{took}, {plain(words.cause(run.cause))}"


_TELL = {"last": _last, "history": _history, "flaky": _flaky, "slow": _slow}
