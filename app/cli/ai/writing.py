"""An explanation, written out for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.cli.ai.screen import indented, line, shown
from app.cli.ai.words import who
from app.domain import modelwords, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.cli.terminal import Terminal
    from app.domain.analysis import Answer, Evidence, Explanation, LocalExplanation

_FRAMES_SHOWN = 8
_SUSPECTS_SHOWN = 5
_FILES_SHOWN = 8
_LINES_SHOWN = 40
"""Lines of the diff: `--json` has it whole."""
_DEEPER = "    "


def write_local(explanation: Explanation, terminal: Terminal, now: float) -> None:
    """Write what can be said without a model."""
    terminal.say(
        f"{terminal.paint(line(explanation.nodeid), 'bold')}  {terminal.paint(line(explanation.project), 'dim')}"
    )
    local = explanation.local
    terminal.say(terminal.paint(indented(local.failure), "red"))
    if local.place is not None:
        terminal.say(f"  at {_place(local.place)}")
    frames = [each for each in local.frames if each != local.place]
    _list(terminal, "by way of", [_place(each) for each in frames], _FRAMES_SHOWN)
    _list(terminal, "changed lines on this way", [_place(each) for each in local.suspects], _SUSPECTS_SHOWN)
    for text in _change(local, now):
        terminal.say(f"  {text}")
    if local.diff:
        lines = indented(local.diff, _DEEPER).split("\n")
        for each in lines[:_LINES_SHOWN]:
            terminal.say(terminal.paint(each, "dim"))
        if len(lines) > _LINES_SHOWN:
            terminal.say(f"{_DEEPER}... and {words.plural(len(lines) - _LINES_SHOWN, 'more line')} (--json has all)")
    if local.doubt:
        terminal.say(f"  {terminal.paint(line(local.doubt), 'yellow')}")
    terminal.flush()


def write_answer(answer: Answer, terminal: Terminal, *, is_repeat: bool, now: float) -> None:
    """Write what a model said, and what that took; above an answer of before stands that it is one."""
    terminal.say()
    if is_repeat:
        terminal.say(terminal.paint(f"an answer from before, of {words.moment(answer.at, now)}", "yellow"))
    if answer.cause:
        _block(terminal, f"cause, {modelwords.confidence(answer.confidence)}", answer.cause)
    if answer.text:
        _block(terminal, "answer, not in the form that was asked for", answer.text)
    if answer.evidence:
        terminal.say(terminal.paint("evidence", "bold"))
        for each in answer.evidence:
            terminal.say(f"  {_place(each)}")
    if answer.next_step:
        _block(terminal, "next step", answer.next_step)
    if answer.patch:
        terminal.say(terminal.paint("patch, to read: nothing is changed by it", "bold"))
        for text in indented(answer.patch, _DEEPER).split("\n"):
            colour = {"+": "green", "-": "red"}.get(text.removeprefix(_DEEPER)[:1], "dim")
            terminal.say(terminal.paint(text, colour))
    if answer.patch_note:
        terminal.say(f"  {terminal.paint(line(answer.patch_note), 'yellow')}")
    whence = "from before, at no cost" if is_repeat else modelwords.usage(answer.usage)
    terminal.say(terminal.paint(f"{line(who(answer.provider, answer.model))}: {whence}", "dim"))


def _block(terminal: Terminal, title: str, text: str) -> None:
    terminal.say(terminal.paint(title, "bold"))
    terminal.say(indented(text))


def _list(terminal: Terminal, title: str, texts: list[str], limit: int) -> None:
    if texts:
        terminal.say(f"  {title}")
    for text in texts[:limit]:
        terminal.say(f"{_DEEPER}{text}")
    if len(texts) > limit:
        terminal.say(f"{_DEEPER}... and {len(texts) - limit} more")


def _place(evidence: Evidence) -> str:
    """Return `src/shop.py:12  return a - b`, and behind it what it shows."""
    source = f"  {line(evidence.source)}" if evidence.source.strip() else ""
    why = f"  ({line(evidence.why)})" if evidence.why.strip() else ""
    return f"{line(evidence.path)}:{evidence.line}{source}{why}"


def _change(local: LocalExplanation, now: float) -> Iterator[str]:
    green = f"last green {words.ago(now - local.last_green)}" if local.last_green is not None else ""
    if not local.changed:
        if green:
            yield green
        return
    files = ", ".join(shown(line(each)) for each in local.changed[:_FILES_SHOWN])
    more = len(local.changed) - _FILES_SHOWN
    behind = f" and {words.plural(more, 'more file')}" if more > 0 else ""
    yield f"{green or 'the last green run is not known'}; changed since: {files}{behind}"
