"""The command `update`: whether there is a newer release, and fetching it. It installs nothing."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from app.cli.exits import EXIT_GOOD, EXIT_RED
from app.cli.terminal import plain
from app.domain import healthwords, updatewords
from app.domain.errors import CommandRefused, InstanceUnreachable, NoInstance, UpdateError, UsageError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine
    from typing import Any

    from app.agents.updates.updates import Updates
    from app.cli.context import Context
    from app.domain.events import Event
    from app.domain.releases import UpdateView
    from app.system.installed import Installation

_INSTANCE_S = 45.0
"""How long the running instance may take to ask; its own deadlines are shorter."""


def update(context: Context) -> int:
    """Carry out `update status`, `check` or `download`. Exit 1 when what is told of releases is not believed.

    Raises:
        UpdateError: This build looks for none, or there is no answer.
        UpdateRefused: What was fetched is not what was announced.
    """
    from app.system.installed import installation
    from app.system.trust import system_trust

    return carried_out(context, installation(), system_trust)


def carried_out(context: Context, installed: Installation, trust: Callable[[], ssl.SSLContext]) -> int:
    """Carry it out, for a program that got here in this way.

    Args:
        context: The command line.
        installed: How the program got here.
        trust: Makes the context that certificates are checked with.

    Raises:
        UpdateError: See `update`.
        UpdateRefused: See `update`.
    """
    if installed.feed is None:
        raise UpdateError(updatewords.NOT_OFFERED, updatewords.NOT_OFFERED_HINT)
    what = {"check": _check, "download": _download}.get(context.words.what, _status)
    with context.logging():
        view = _run(context, installed, trust, what)
    if context.as_json:
        context.terminal.document(_document(view))
    else:
        _write(context, view)
    return EXIT_RED if view.refused else EXIT_GOOD


async def _status(_context: Context, _updates: Updates) -> None:
    """Ask nobody: what is known was loaded."""


async def _check(context: Context, updates: Updates) -> None:
    """Have the running instance ask, so that its menu knows it too; ask from here where none runs."""
    from app.domain.commands import CheckUpdates

    def by_instance() -> None:
        with context.client(_INSTANCE_S) as client:
            client.send(CheckUpdates())

    try:
        await asyncio.to_thread(by_instance)
    except (NoInstance, InstanceUnreachable, CommandRefused, UsageError):
        await updates.check()
    else:
        await updates.load()


async def _download(context: Context, updates: Updates) -> None:
    """Ask, and fetch what is newer here: a person at a terminal sees how much of it has come."""
    await _check(context, updates)
    if updates.view.refused or updates.view.file is None:
        return
    try:
        await updates.download()
    finally:
        context.terminal.progress("")


def _run(
    context: Context,
    installed: Installation,
    trust: Callable[[], ssl.SSLContext],
    what: Callable[[Context, Updates], Coroutine[Any, Any, None]],
) -> UpdateView:
    from app.engine.workers import run

    async def main() -> UpdateView:
        updates = _made(context, installed, trust)
        await updates.load()
        await what(context, updates)
        return updates.view

    return run(main)


def _made(context: Context, installed: Installation, trust: Callable[[], ssl.SSLContext]) -> Updates:
    from app import __version__
    from app.agents.analysis.language import language_of
    from app.agents.settings_in_force import SettingsInForce
    from app.agents.updates.asking import FeedClient
    from app.agents.updates.memory import Memory
    from app.agents.updates.updates import Mine, Updates
    from app.domain.events import UpdatesChanged
    from app.engine.clock import SystemClock
    from app.system.setup import start_setup

    def tell(event: Event) -> None:
        if isinstance(event, UpdatesChanged) and event.updates.fetched is not None and event.updates.newer is not None:
            told = f"Fetching Watchkeeper {event.updates.newer.version}: {updatewords.progress(event.updates)}"
            context.terminal.progress(told)

    is_on = SettingsInForce(context.places).current.updates.enabled
    language = "ru" if language_of("", context.environ) == "Russian" else "en"
    assert installed.feed is not None, "looked at before"  # noqa: S101 - a mistake of ours
    return Updates(
        Mine(__version__, installed.channel, installed.feed, language, installed.program),
        FeedClient(trust),
        Memory(context.places),
        SystemClock(),
        publish=tell,
        is_on=lambda: is_on,
        start=start_setup,
    )


def _write(context: Context, view: UpdateView) -> None:
    terminal, now = context.terminal, time.time()
    terminal.say(plain(f"{view.current} runs here; {updatewords.state(view, now)}"))
    if view.refused and view.hint:
        terminal.say(plain(f"  {view.hint}"))
    release = view.newer
    if release is not None:
        file = view.file
        size = f" ({healthwords.size(file.size)})" if file is not None else ""
        terminal.say(f"\n{terminal.paint(plain(updatewords.found_title(release.version)), 'bold')}{size}")
        for line in view.notes.splitlines():
            terminal.say(plain(f"  {line}".rstrip()))
        terminal.say(plain(f"More: {release.page}"))
        terminal.say(plain(updatewords.how_to_install(view)))
    elif not view.is_on and not view.refused:
        terminal.note(f"To have it asked by itself: {updatewords.SWITCH_ON}")


def _document(view: UpdateView) -> dict[str, object]:
    release = view.newer
    return {
        "on": view.is_on,
        "channel": view.channel,
        "current": view.current,
        "newer": release.version if release is not None else None,
        "notes": view.notes,
        "page": release.page if release is not None else None,
        "skipped": view.is_skipped,
        "asked_at": view.asked_at,
        "answered_at": view.answered_at,
        "trouble": view.trouble,
        "refused": view.refused,
        "hint": view.hint,
        "downloaded": view.ready or None,
        "next": updatewords.how_to_install(view),
    }
