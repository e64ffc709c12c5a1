"""The status of the running instance in a few lines. Takes the Snapshot as the JSON document that the socket gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.cli.terminal import plain
from app.cli.words import ago, clock_time, count, duration
from app.domain.verdicts import Counts, Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from app.cli.terminal import Terminal

_RED_TESTS_SHOWN = 10

_HEADLINES = {
    "red": ("red", "RED"),
    "attention": ("red", "NEEDS A LOOK"),
    "paused": ("yellow", "PAUSED"),
    "running": ("blue", "RUNNING"),
    "degraded": ("yellow", "LIMPING"),
    "green": ("green", "GREEN"),
    "unknown": ("dim", "NOTHING RUN YET"),
}

_VERDICTS = {
    Verdict.COLLECTION_ERROR: "test files cannot be imported",
    Verdict.NO_TESTS: "no tests were found",
    Verdict.NO_PYTEST: "pytest is not installed",
    Verdict.NO_INTERPRETER: "no Python was found",
    Verdict.USAGE_ERROR: "pytest refuses its arguments or settings",
    Verdict.CRASHED: "the interpreter crashed",
    Verdict.HUNG: "the tests hung",
    Verdict.ERROR: "the run failed",
}


def write_status(snapshot: Mapping[str, Any], terminal: Terminal, now: float) -> None:
    """Write the headline, the red tests, the projects, the agents and the notices."""
    colour, words = _HEADLINES.get(snapshot["mood"], ("bold", str(snapshot["mood"]).upper()))
    red = snapshot["red_count"]
    projects = snapshot["projects"]
    behind = f"{count(red, 'test is', 'tests are')} red" if red else ""
    if not projects:
        behind = "no project is watched"
    if snapshot["stopping"]:
        behind = f"stopping: {plain(snapshot['stopping'])}"
    headline = terminal.paint(words, colour, "bold")
    terminal.say(f"{headline}  {behind}".rstrip())
    for project in projects.values():
        terminal.say()
        terminal.say(
            f"{terminal.paint(plain(project['name']), 'bold')}  {terminal.paint(plain(project['root']), 'dim')}"
        )
        for line in _project(project, terminal, now):
            terminal.say(f"  {line}")
    if snapshot["agents"]:
        terminal.say()
        terminal.say("agents")
        terminal.table([_agent(each, now) for each in snapshot["agents"].values()], indent="  ")
    if snapshot["snoozed_until"] > now:
        terminal.say(f"\nnotifications are silent until {clock_time(snapshot['snoozed_until'], now)}")
    for notice in snapshot["notices"].values():
        terminal.say()
        terminal.say(f"{terminal.paint('note', 'yellow')}  {plain(notice['text'])}")
        if notice["hint"]:
            terminal.say(f"      {plain(notice['hint'])}")


def _project(project: Mapping[str, Any], terminal: Terminal, now: float) -> Iterator[str]:
    current, last = project["current"], project["last"]
    if current:
        done = Counts(**current["counts"]).total
        of = f" of {current['expected']}" if current["expected"] is not None else ""
        running = f", now {plain(current['running'])}" if current["running"] else ""
        yield f"running for {duration(now - current['started_at'])}: {done}{of} tests{running}"
    if last:
        yield _last_run(last, terminal, now)
        if last["message"]:
            yield from plain(last["message"]).splitlines()
    elif not current:
        yield "nothing was run yet"
    reds = sorted(
        (test for test in project["tests"].values() if Outcome(test["outcome"]).is_red),
        key=lambda test: (test["since"], test["nodeid"]),
    )
    for test in reds[:_RED_TESTS_SHOWN]:
        cause = ", ".join(test["cause"]["paths"][:2])
        why = f" (after {plain(cause)})" if cause else ""
        outcome = terminal.paint(test["outcome"], "red")
        since = terminal.paint(f"went red {ago(test['since'], now)}{why}", "dim")
        yield f"{outcome}  {plain(test['nodeid'])}  {since}"
    if len(reds) > _RED_TESTS_SHOWN:
        yield f"... and {len(reds) - _RED_TESTS_SHOWN} more"


def _last_run(last: Mapping[str, Any], terminal: Terminal, now: float) -> str:
    verdict = Verdict(last["verdict"])
    counts = str(Counts(**last["counts"]))
    said = _VERDICTS.get(verdict, counts)
    colour = "red" if verdict.is_bad else "green"
    when = f"{ago(last['finished_at'], now)}, took {duration(last['duration_s'])}"
    return f"{terminal.paint(said, colour)}  {terminal.paint(when, 'dim')}"


def _agent(agent: Mapping[str, Any], now: float) -> tuple[str, ...]:
    state = str(agent["state"])
    if agent["paused"]:
        until = agent["paused_until"]
        state = f"paused until {clock_time(until, now)}" if until else "paused until resumed"
    beat = f"heartbeat {ago(agent['beat_at'], now)}" if agent["beat_at"] else ""
    restarts = count(agent["restarts"], "restart") if agent["restarts"] else ""
    behind = ", ".join(plain(each) for each in (beat, restarts, agent["reason"]) if each)
    return (plain(agent["name"]), state, behind)
