"""Several alerts as one message, so that nobody is flooded after an outage. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.domain import words
from app.domain.alerts import Alert, Urgency, is_red

if TYPE_CHECKING:
    from collections.abc import Sequence

LINES: Final = 20
"""Alerts that one message names."""

_LINE_LENGTH: Final = 160
_TITLE_LENGTH: Final = 100


@dataclass(frozen=True, slots=True)
class _Line:
    at: float
    urgency: Urgency
    text: str
    is_red: bool = False


def joined(alerts: Sequence[Alert]) -> Alert:
    """Put alerts into one, red tests first and else in their order; one alone stays as it is.

    What is over again before anybody was told is one line, and only news. Of more lines than fit, the least urgent are
    counted and not shown. The id is that of the last alert: as long as the same alerts are tried, it stays the same.

    Args:
        alerts: What waits, the oldest first; at least one.

    Returns:
        The message. Its title tells the most important: red tests, and else the gravest.
    """
    last = alerts[-1]
    if len(alerts) == 1:
        return last
    lines = sorted(_lines(alerts), key=lambda line: not line.is_red)
    gravest = max(lines, key=lambda line: line.urgency.rank)  # of several the first
    if len(lines) == 1:
        return _message(last, gravest, title=gravest.text, body="")
    first = lines[0] if lines[0].is_red else gravest
    title = words.clip(first.text, _TITLE_LENGTH)
    shown = sorted(sorted(lines, key=lambda line: (-line.urgency.rank, not line.is_red))[:LINES], key=lines.index)
    body = [f"{words.moment(line.at, last.at)} {line.text}" for line in shown]
    if more := len(lines) - len(shown):
        body.append(f"and {more:,} more")
    return _message(last, gravest, title=f"{title}, and {len(lines) - 1:,} more", body="\n".join(body))


def _message(last: Alert, gravest: _Line, *, title: str, body: str) -> Alert:
    return Alert(cause="", urgency=gravest.urgency, title=title, body=body, at=last.at, id=last.id)


def _lines(alerts: Sequence[Alert]) -> list[_Line]:
    """Return a line for each alert, and one for all of a cause that is over again."""
    lines: dict[int, _Line] = {}
    troubles: dict[str, list[int]] = {}
    for place, alert in enumerate(alerts):
        text, urgency, is_bad = _title(alert), alert.urgency, is_red(alert) and not alert.is_over
        waiting = troubles.setdefault(alert.cause, [])
        if not alert.is_over:
            waiting.append(place)
        elif waiting:
            began = alerts[waiting[0]]
            text = f"{_title(began)}, from {words.moment(began.at, alert.at)}, is over: {text}"
            urgency = Urgency.NEWS
            for each in waiting:
                del lines[each]
            waiting.clear()
        lines[place] = _Line(alert.at, urgency, text, is_bad)
    return list(lines.values())


def _title(alert: Alert) -> str:
    return words.clip(words.one_line(alert.title), _LINE_LENGTH)
