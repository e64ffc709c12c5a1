"""The words of an alert: pure functions from what happened to a title and a body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.domain import auditwords, healthwords, words
from app.domain.health import Ending
from app.domain.verdicts import CauseKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.domain.alerts import Alert
    from app.domain.events import AuditEnded, LifeBegan, ReleaseFound, VerdictChanged
    from app.domain.findings import Finding
    from app.domain.verdicts import Cause

TITLE_LENGTH: Final = 80
"""Characters of a title: GNOME, KDE and dunst all cut longer ones."""

TOLD_EARLY: Final = "Told before the other tests had run."
"""True for as long as a notification stands: one that is shown anew when the run ends would be told twice."""

_NAME_LENGTH: Final = 44
"""Characters of a name in a title, which leaves room for what happened to it and the tests still red."""

_LINE_LENGTH: Final = 120
_MESSAGE_LENGTH: Final = 300
_TESTS_NAMED: Final = 5
_PATHS_NAMED: Final = 3
_ALERTS_NAMED: Final = 10


def title_of(event: VerdictChanged) -> str:
    """Say in one line of at most 80 characters what matters first: trouble, then red, then green."""
    return words.clip(_title(event), TITLE_LENGTH)


def agent_title(agent: str, *, failed: bool) -> str:
    """Say in one line of at most 80 characters that an agent has failed, or that it works again."""
    name = words.clip(words.one_line(words.agent_name(agent)), _NAME_LENGTH)
    return words.clip(f'Agent "{name}" {"has failed" if failed else "works again"}', TITLE_LENGTH)


def limited_title(agent: str) -> str:
    """Say in one line of at most 80 characters that an agent works with limits."""
    name = words.clip(words.one_line(words.agent_name(agent)), _NAME_LENGTH)
    return words.clip(f'Agent "{name}" works with limits', TITLE_LENGTH)


def stuck_title(agent: str) -> str:
    """Say in one line of at most 80 characters that an agent did not end when it was told to."""
    name = words.clip(words.one_line(words.agent_name(agent)), _NAME_LENGTH)
    return words.clip(f'Agent "{name}" hangs', TITLE_LENGTH)


def stalled_title(agent: str, *, is_over: bool) -> str:
    """Say in one line of at most 80 characters that an agent gets nowhere, or that it goes on."""
    name = words.clip(words.one_line(words.agent_name(agent)), _NAME_LENGTH)
    return words.clip(f'Agent "{name}" {"goes on again" if is_over else "gets no further"}', TITLE_LENGTH)


def life_title(event: LifeBegan) -> str:
    """Say in one line of at most 80 characters that the program was started again, or that its agents were not."""
    if event.safe_mode:
        return "Watchkeeper is in safe mode"
    end = event.ends[0] if event.ends else None
    if end is None:
        return "Watchkeeper was started again"
    where = f" in {words.one_line(end.where)}" if end.where and end.ending is Ending.STUCK else ""
    return words.clip(f"Watchkeeper was started again: the last life {_ENDED[end.ending]}{where}", TITLE_LENGTH)


_ENDED: Final = {
    Ending.KILLED: "was killed, or crashed",
    Ending.FAILED: "failed",
    Ending.STUCK: "was stuck",
    Ending.FORCED: "did not stop in time",
}


def life_body(event: LifeBegan) -> str:
    """Say how the life before ended and where, and what to do about safe mode."""
    lines = []
    if event.is_restart and event.ends:
        end = event.ends[0]
        where = f", at {message(words.one_line(end.where))}" if end.where else ""
        lines.append(f"The last life {healthwords.ending(end.ending, end.code)}{where}.")
    if event.safe_mode:
        lines += [f"{message(words.sentence(event.safe_mode)).rstrip('.')}.", healthwords.SAFE_MODE_HINT]
    return "\n".join(lines)


def joined(alerts: Sequence[Alert], more: int) -> tuple[str, str]:
    """Say in one title and one body what several alerts say. The title names the first of them.

    Args:
        alerts: One at least, what matters most first.
        more: How many others there were, of which no more is known.
    """
    count = len(alerts) + more
    lines = [_line(alert.title) for alert in alerts[:_ALERTS_NAMED]]
    if count > len(lines):
        lines.append(f"and {count - len(lines):,} more")
    rest = f", and {count - 1:,} more" if count > 1 else ""
    return words.clip(words.one_line(alerts[0].title), TITLE_LENGTH - len(rest)) + rest, "\n".join(lines)


def left(body: str, at: float, now: float) -> str:
    """Add to an alert's body that it comes late, since the program ended while it was held."""
    return f"{body}\nFrom {words.moment(at, now)}: it was held when Watchkeeper ended.".lstrip()


def again(body: str, count: int) -> str:
    """Add to an alert's body how often its cause came up while it was held."""
    return f"{body}\nThis came up {count:,} times meanwhile.".lstrip()


def release_body(event: ReleaseFound) -> str:
    """Say which version runs here, and what is new in that release."""
    return "\n".join(filter(None, (f"What runs here is {event.current}.", message(event.notes))))


def due_title(name: str) -> str:
    """Say in one line of at most 80 characters that a secret is to be renewed."""
    return words.clip(f"{words.clip(words.one_line(name), _NAME_LENGTH)} is to be renewed", TITLE_LENGTH)


def due_body(seconds: float) -> str:
    """Say when that is due, by what is left until then, and where it is done."""
    return f"{words.sentence(words.due(seconds))}. Make a new one at its provider, and put that into the vault."


def finding_title(event: AuditEnded, project: str) -> str:
    """Say in one line of at most 80 characters how many findings are new, how grave, and in which project."""
    name = words.clip(words.one_line(project), _NAME_LENGTH // 2)
    said = f"{words.plural(event.told, 'new finding')} in {name}"
    if event.worst:
        said += f": {event.worst[0].severity}" if event.told == 1 else f", the worst {event.worst[0].severity}"
    return words.clip(said, TITLE_LENGTH)


def finding_body(event: AuditEnded) -> str:
    """Say the rest: the worst findings with their place, of several with their severity, and what made it begin."""
    lines = [f"{each.severity}: {_finding(each)}" if event.told > 1 else _finding(each) for each in event.worst]
    more = event.told - len(event.worst)
    if more > 0 and event.worst:
        lines.append(f"and {more:,} more")
    lines.append(f"Audit: {auditwords.occasion(event.trigger)}")
    return "\n".join(_line(line) for line in lines)


def _finding(finding: Finding) -> str:
    place = auditwords.place(finding)
    return f"{auditwords.title(finding)}, {place}" if place else auditwords.title(finding)


def _title(event: VerdictChanged) -> str:
    if event.trouble is not None:
        return words.sentence(words.verdict(event.trouble))
    if event.broke:
        return _counted(event.broke, "went red", "went red")
    if event.complete and not event.still_red:
        return "All green again"
    return _relief(event) + (f", {event.still_red:,} still red" if event.still_red else "")


def body_of(event: VerdictChanged, project: str) -> str:
    """Say the rest: the project and the change that did it, the tests by name, and what else happened.

    Args:
        event: What changed.
        project: The project's name for people.

    Returns:
        A few lines of plain text.
    """
    named = event.broke or event.fixed or event.gone
    lines = [f"{_line(project)}: {_because(event.cause)}"]
    if event.trouble is not None and event.message:
        lines.append(message(event.message))
    lines += [_line(words.name_and_file(nodeid)) for nodeid in named[:_TESTS_NAMED]]
    if len(named) > _TESTS_NAMED:
        lines.append(f"and {len(named) - _TESTS_NAMED} more")
    if not event.complete:
        lines.append(TOLD_EARLY)
    if event.recovered is not None:
        lines.append(f"{words.recovery(event.recovered)}.")
    if event.fixed and named is not event.fixed:
        lines.append(f"{_counted(event.fixed, 'is green again', 'are green again')}.")
    if event.gone and named is not event.gone:
        lines.append(f"{_counted(event.gone, 'is gone', 'are gone')}.")
    if event.trouble is not None and event.still_red > len(event.broke):
        lines.append(f"Red tests in all: {event.still_red:,}.")
    return "\n".join(lines)


def message(text: str) -> str:
    """Return a run's or an agent's own words, cut to what a notification shows."""
    return words.clip(text.strip(), _MESSAGE_LENGTH)


def _relief(event: VerdictChanged) -> str:
    if event.fixed:
        return _counted(event.fixed, "is green again", "are green again")
    if event.recovered is not None:
        return words.recovery(event.recovered)
    if event.gone:
        return _counted(event.gone, "is gone", "are gone")
    return "Nothing new"


def _counted(nodeids: Sequence[str], one: str, many: str) -> str:
    if len(nodeids) != 1:
        return f"{words.tests(len(nodeids))} {many}"
    name = words.one_line(words.function_name(nodeids[0])) or "A test"
    return f"{words.clip(name, _NAME_LENGTH)} {one}"


def _because(cause: Cause) -> str:
    paths = [words.clip(words.one_line(path), _LINE_LENGTH // 2) for path in cause.paths]
    more = len(paths) - _PATHS_NAMED
    if paths:
        return f"changed {', '.join(paths[:_PATHS_NAMED])}" + (f" and {more} more" if more > 0 else "")
    return {
        CauseKind.START: "found at the start",
        CauseKind.SAVE: "after a save",
        CauseKind.REQUEST: "run by request",
    }[cause.kind]


def _line(text: str) -> str:
    return words.clip(words.one_line(text), _LINE_LENGTH)
