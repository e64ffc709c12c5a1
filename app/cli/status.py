"""The status of the running instance in a few lines. Takes the Snapshot as the JSON document that the socket gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.cli.ai.documents import of_document
from app.cli.safemode import safe_mode_of
from app.cli.terminal import plain
from app.domain import auditwords, healthwords, modelwords, words
from app.domain.agents import AgentState
from app.domain.analysis import AnalysisView, When
from app.domain.coverage import ChangedLines
from app.domain.findings import AuditView
from app.domain.keys import VaultState, VaultView
from app.domain.snapshot import AgentView
from app.domain.verdicts import Check, Counts, Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from app.cli.terminal import Terminal

_RED_TESTS_SHOWN = 10
_FILES_SHOWN = 5
"""Files with changed lines that no test executes."""

_HEADLINES = {
    "red": ("red", "RED"),
    "attention": ("red", "NEEDS A LOOK"),
    "paused": ("yellow", "PAUSED"),
    "running": ("blue", "RUNNING"),
    "confirming": ("green", "GREEN SO FAR"),
    "degraded": ("yellow", "LIMPING"),
    "green": ("green", "GREEN"),
    "unknown": ("dim", "NOTHING RUN YET"),
}


def write_status(snapshot: Mapping[str, Any], terminal: Terminal, now: float) -> None:
    """Write the headline, the red tests, the projects, the agents and the notices."""
    projects = snapshot["projects"]
    _say_headline(snapshot, terminal)
    for project in projects.values():
        terminal.say()
        terminal.say(
            f"{terminal.paint(plain(project['name']), 'bold')}  {terminal.paint(plain(project['root']), 'dim')}"
        )
        for line in _project(project, terminal, now):
            terminal.say(f"  {line}")
        for line in _audits(_audit_of(snapshot, project["root"]), terminal, now):
            terminal.say(f"  {line}")
    for account in _accounts(snapshot):
        terminal.say()
        terminal.say(terminal.paint(plain(account.target), "bold"))
        for line in _audits(account, terminal, now):
            terminal.say(f"  {line}")
    if snapshot["agents"]:
        terminal.say()
        terminal.say("agents")
        terminal.table([_agent(each, now) for each in snapshot["agents"].values()], indent="  ")
    for line in _asides(snapshot, terminal, now):
        terminal.say(f"\n{line}")
    for notice in (each for key, each in snapshot["notices"].items() if key != "safe-mode"):  # that is said first
        terminal.say()
        terminal.say(f"{terminal.paint('note', 'yellow')}  {plain(notice['text'])}")
        if notice["hint"]:
            terminal.say(f"      {plain(notice['hint'])}")


def _say_headline(snapshot: Mapping[str, Any], terminal: Terminal) -> None:
    if safe_mode := safe_mode_of(snapshot):
        why = plain(healthwords.why_safe(safe_mode))
        terminal.say(f"{terminal.paint('SAFE MODE:', 'red', 'bold')} no agent was started. {why}")
        terminal.say(f"  {healthwords.SAFE_MODE_HINT}")
        return
    colour, mood = _HEADLINES.get(snapshot["mood"], ("bold", str(snapshot["mood"]).upper()))
    terminal.say(f"{terminal.paint(mood, colour, 'bold')}  {_behind(snapshot)}".rstrip())


def _behind(snapshot: Mapping[str, Any]) -> str:
    """Return what stands behind the headline."""
    red, projects = snapshot["red_count"], snapshot["projects"]
    if snapshot["stopping"]:
        return f"stopping: {plain(snapshot['stopping'])}"
    accounts = _accounts(snapshot)
    if not projects and not accounts:
        return "no project is watched"
    if red:
        return f"{words.plural(red, 'test is', 'tests are')} red"
    if snapshot["mood"] == "attention":
        views = [view for root in projects if (view := _audit_of(snapshot, root)) is not None]
        return auditwords.grave([*views, *accounts])
    return ""


def _project(project: Mapping[str, Any], terminal: Terminal, now: float) -> Iterator[str]:
    current, last = project["current"], project["last"]
    if current:
        done = Counts(**current["counts"]).total
        of = f" of {current['expected']}" if current["expected"] is not None else ""
        running = f", now {plain(current['running'])}" if current["running"] else ""
        if current["is_confirming"]:
            yield terminal.paint(", ".join(words.so_far(current["impacted"], current["expected"])), "green")
        yield f"running for {words.elapsed(now - current['started_at'])}: {done}{of} tests{running}"
    if last:
        yield _last_run(last, terminal, now)
        if last["message"]:
            yield from plain(last["message"]).splitlines()
    elif not current:
        yield "nothing was run yet"
    yield from _covered(project)
    reds = sorted(
        (test for test in project["tests"].values() if Outcome(test["outcome"]).is_red),
        key=lambda test: (test["since"], test["nodeid"]),
    )
    for test in reds[:_RED_TESTS_SHOWN]:
        cause = ", ".join(test["cause"]["paths"][:2])
        why = f" (after {plain(cause)})" if cause else ""
        outcome = terminal.paint(test["outcome"], "red")
        since = terminal.paint(f"went red {words.ago(now - test['since'])}{why}", "dim")
        second = words.check(check_of(test["check"]))
        looked = f"  {terminal.paint(second, 'yellow')}" if second else ""
        yield f"{outcome}  {plain(test['nodeid'])}  {since}{looked}"
    if len(reds) > _RED_TESTS_SHOWN:
        yield f"... and {len(reds) - _RED_TESTS_SHOWN} more"


def check_of(told: Mapping[str, Any] | None) -> Check | None:
    """Return a test's second look from its JSON document."""
    if told is None:
        return None
    alone, before = (Outcome(told[each]) if told[each] is not None else None for each in ("alone", "before"))
    return Check(alone, before)


def _covered(project: Mapping[str, Any]) -> Iterator[str]:
    runs = (project["current"], project["last"])
    told = next((run["changed_lines"] for run in runs if run and run["changed_lines"]), None)
    if told is not None and told["total"]:
        lines = ChangedLines(told["total"], told["covered"], tuple((path, tuple(n)) for path, n in told["uncovered"]))
        where = f", not {plain(words.places(lines.uncovered, _FILES_SHOWN))}" if lines.uncovered else ""
        yield f"{words.changed_lines(lines)}{where}"
    if project["coverage"] is not None:
        yield f"coverage {words.percent(project['coverage']['percent'])}"


def _audit_of(snapshot: Mapping[str, Any], root: str) -> AuditView | None:
    """Return where the audits of a project stand; None where the instance tells of none."""
    told = snapshot.get("audits", {}).get(root)
    return of_document(AuditView, told) if told is not None else None


def _accounts(snapshot: Mapping[str, Any]) -> list[AuditView]:
    """Return where the audits of accounts stand, of those that were audited or are just now."""
    views = [of_document(AuditView, each) for root, each in snapshot.get("audits", {}).items()
             if root not in snapshot["projects"]]  # fmt: skip
    return [view for view in views if view.target and (view.verdict is not None or view.running)]


def _audits(view: AuditView | None, terminal: Terminal, now: float) -> Iterator[str]:
    """Yield where the audits of a project stand, in a line."""
    if view is None:
        return
    said = [plain(auditwords.standing(view))] if view.verdict is not None else []
    if said and view.grave:
        said = [terminal.paint(said[0], "red")]
    if view.verdict is not None:
        why = plain(auditwords.occasion(view.trigger)) if not view.running else ""
        ended = ", ".join(filter(None, (words.ago(now - view.last_at), why)))
        said.append(terminal.paint(ended, "dim"))
    if view.running:
        said.append(f"now {plain(auditwords.auditing(view))}")
    if said:
        yield f"audit: {'  '.join(said)}"


def _asides(snapshot: Mapping[str, Any], terminal: Terminal, now: float) -> Iterator[str]:
    vault = VaultView(VaultState(snapshot["vault"]["state"]), plain(snapshot["vault"]["reason"]))
    if line := words.vault(vault):
        yield terminal.paint(line, "yellow")
    if line := _models(snapshot):
        yield line
    if snapshot["snoozed_until"] > now:
        yield f"notifications are silent until {words.moment(snapshot['snoozed_until'], now)}"


def _models(snapshot: Mapping[str, Any]) -> str:
    """Return what is to be known of models, in a line: a trouble, and what was used today; empty when there is none."""
    view = of_document(AnalysisView, snapshot.get("analysis", {}))
    if view.when is When.NEVER:
        return ""
    out = [words.one_line(each.name) for each in view.providers if modelwords.is_left_alone(each)]
    trouble = modelwords.analysis(view) or (f"Models: left alone for a while: {', '.join(out)}" if out else "")
    if not view.tokens_today and not view.cost_today:
        return trouble
    return f"{trouble}, {modelwords.spent_today(view)}" if trouble else f"Models: {modelwords.spent_today(view)}"


def _last_run(last: Mapping[str, Any], terminal: Terminal, now: float) -> str:
    verdict = Verdict(last["verdict"])
    counts = str(Counts(**last["counts"]))
    said = words.verdict(verdict) if verdict.is_trouble else counts
    colour = "red" if verdict.is_bad else "green"
    when = f"{words.ago(now - last['finished_at'])}, took {words.duration(last['duration_s'])}"
    return f"{terminal.paint(said, colour)}  {terminal.paint(when, 'dim')}"


def _agent(told: Mapping[str, Any], now: float) -> tuple[str, ...]:
    known = ("name", "reason", "restarts", "beat_at", "paused", "paused_until")
    agent = AgentView(state=AgentState(told["state"]), **{name: told[name] for name in known})
    beat = words.heartbeat(agent, now) if agent.state.is_alive else ""
    restarts = words.plural(agent.restarts, "restart") if agent.restarts else ""
    behind = ", ".join(plain(each) for each in (beat, restarts, agent.reason) if each)
    return (plain(words.agent_name(agent.name)), words.agent_state(agent, now), behind)
