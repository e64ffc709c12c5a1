"""The command `logs`."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from app.cli.patience import PATIENCE_S, patiently
from app.cli.terminal import plain
from app.domain import commands
from app.domain.errors import CannotError, InstanceUnreachable, NoInstance, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from app.cli.context import Context
    from app.control.client import ControlClient

POLL_S = 0.5
_MOST_LINES = 100_000
_COLOURS = {"critical": "red", "error": "red", "warning": "yellow", "debug": "dim"}
_TAIL_BYTES = 1024 * 1024


def logs(context: Context) -> int:
    """Print the log of the running instance, or the end of its file when nothing runs."""
    words = context.words
    if not 0 < words.lines <= _MOST_LINES:
        raise UsageError(f"{words.lines} is no number of lines.", f"Write 1 to {_MOST_LINES} behind -n.")
    with context.client(PATIENCE_S) as client:
        if words.follow:
            _follow(context, client)
        try:
            with patiently(context.terminal):
                lines = client.send(commands.ReadLogs(limit=words.lines))
        except NoInstance:
            lines = _from_file(context, "Nothing runs")
        except InstanceUnreachable as error:
            context.terminal.note(f"watchkeeper: {plain(error.message)}\n{plain(error.hint)}")
            lines = _from_file(context, "From the file")
    if context.as_json:
        context.terminal.document({"lines": lines})
    else:
        _print(context, lines)
    return 0


def _from_file(context: Context, why: str) -> list[dict[str, Any]]:
    path = context.places.log_file("watchkeeper")
    lines = _tail(path, context.words.lines)
    context.terminal.note(f"{why}; {'the last lines of' if lines else 'nothing is in'} {path}:")
    return lines


def _follow(context: Context, client: ControlClient) -> None:
    """Print lines as they come, for ever; with --json each as a document of its own."""
    last, limit = 0, context.words.lines
    while True:
        with patiently(context.terminal):
            lines = client.send(commands.ReadLogs(after=last, limit=limit))
        if context.as_json:
            for line in lines:
                context.terminal.record(line)
        else:
            _print(context, lines)
        context.terminal.flush()
        if lines:
            last = lines[-1]["seq"]
        if len(lines) < limit:
            time.sleep(POLL_S)


def _print(context: Context, lines: Iterable[dict[str, Any]]) -> None:
    terminal = context.terminal
    for line in lines:
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(line["at"]))
        level = terminal.paint(f"{line['level']:<8}", *_colour(line["level"]))
        terminal.say(f"{terminal.paint(stamp, 'dim')} {level} {plain(line['text'])}")


def _colour(level: str) -> tuple[str, ...]:
    return (_COLOURS[level],) if level in _COLOURS else ()


def _tail(path: Path, limit: int) -> list[dict[str, Any]]:
    """Return the last lines of a log file in the shape of LogLine; lines that are no JSON are left out."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            raw = file.read().splitlines()[-limit:]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CannotError(f"{path} cannot be read: {error.strerror or error}.", "Check its rights.") from error
    lines: list[dict[str, Any]] = []
    for each in raw:
        try:
            found = json.loads(each)
            lines.append(_line(found, len(lines) + 1))
        except (ValueError, TypeError, AttributeError):
            continue
    return lines


def _line(found: dict[str, Any], seq: int) -> dict[str, Any]:
    level, logger = str(found.pop("level", "")), str(found.pop("logger", ""))
    at, text, trace = float(found.pop("at", 0.0)), str(found.pop("event", "")), found.pop("traceback", "")
    values = " ".join(f"{key}={value}" for key, value in found.items())
    text = f"{text}  {values}".rstrip() + (f"\n{trace}" if trace else "")
    return {"seq": seq, "at": at, "level": level, "logger": logger, "text": text}
