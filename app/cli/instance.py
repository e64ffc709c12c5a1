"""The commands that speak to the running instance."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from app.cli.exits import EXIT_RED
from app.cli.patience import LOOK_EVERY_S, PATIENCE_S, holds_fresh, patiently, send_when_up
from app.cli.safemode import SAFE_NOTE, safe_mode_of
from app.cli.terminal import plain
from app.domain import commands, words

if TYPE_CHECKING:
    from app.cli.context import Context

_BAD_MOODS = ("red", "attention")

_STOP_PATIENCE_S = 12.0
"""A staged stop takes up to 10 s."""


def status(context: Context) -> int:
    """Tell what the running instance sees."""
    with patiently(context.terminal), context.client(PATIENCE_S) as client:
        snapshot = client.send(commands.ReadStatus())
    if context.as_json:
        context.terminal.document(snapshot)
    else:
        from app.cli.status import write_status

        write_status(snapshot, context.terminal, time.time())
    return EXIT_RED if snapshot["mood"] in _BAD_MOODS or snapshot["red_count"] else 0


def pause(context: Context) -> int:
    """Let agents rest."""
    seconds = None
    if context.words.time is not None:
        from app.cli.words import seconds_of

        seconds = seconds_of(context.words.time)
    with patiently(context.terminal), context.client(PATIENCE_S) as client:
        names = client.send(commands.Pause(agent=context.words.agent, seconds=seconds))
    if context.as_json:
        context.terminal.document({"paused": names, "seconds": seconds})
        return 0
    until = "until resumed" if seconds is None else f"for {context.words.time}"
    context.terminal.say(f"Paused {until}: {_listed(names)}")
    return 0


def resume(context: Context) -> int:
    """Let paused agents work again."""
    with patiently(context.terminal), context.client(PATIENCE_S) as client:
        names = client.send(commands.Resume(agent=context.words.agent))
        snapshot = client.send(commands.ReadStatus())
    if context.as_json:
        context.terminal.document({"resumed": names})
    else:
        context.terminal.say(f"Resumed: {_listed(names)}")
    if safe_mode_of(snapshot):
        context.terminal.note(SAFE_NOTE)
    return 0


def stop(context: Context) -> int:
    """End the running instance, and wait until it is gone: first its socket, then, after its agents, its lock.

    One that is coming up is waited for, since it is the one that is meant.
    """
    from app.domain.errors import CannotError, InstanceUnreachable, NoInstance
    from app.system.instance import SingleInstance

    lock = SingleInstance(context.places)
    with patiently(context.terminal), context.client(PATIENCE_S) as client:
        send_when_up(client, commands.Stop(reason="`watchkeeper stop`"), lambda: holds_fresh(lock))
    deadline = time.monotonic() + _STOP_PATIENCE_S
    while time.monotonic() < deadline:
        try:
            with context.client() as client:
                client.send(commands.ReadStatus())
        except NoInstance:
            if lock.owner() is None:
                if context.as_json:
                    context.terminal.document({"stopped": True})
                else:
                    context.terminal.say("Stopped.")
                return 0
        except InstanceUnreachable:
            pass  # it hangs up first and goes then
        time.sleep(LOOK_EVERY_S)
    raise CannotError(
        f"Watchkeeper was told to stop, and still runs after {_STOP_PATIENCE_S:g} s.",
        "`watchkeeper logs` tells what it waits for.",
    )


def _listed(names: list[str]) -> str:
    return ", ".join(plain(words.agent_name(name)) for name in names) or "none"
