"""The command `alerts`: whether alerts reach anybody, and a test of that."""

from __future__ import annotations

import time
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from app.cli.exits import EXIT_GOOD, EXIT_RED
from app.cli.terminal import plain
from app.domain import commands, healthwords, words
from app.domain.health import ChannelView, HeldFor, HeldView

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.cli.context import Context

_PATIENCE_S = 40.0
"""A channel may take 25 s, and the running instance answers after all of them."""
_SET_UP = (
    "Set one up in the settings, under [alerts.mail], [alerts.telegram] or [alerts.webhook]: watchkeeper config show"
)


def alerts(context: Context) -> int:
    """Carry out `alerts test` or `alerts status`. Exit 1 when a channel does not let alerts through."""
    return {"test": _test, "status": _status}[context.words.what](context)


def _test(context: Context) -> int:
    with context.client(_PATIENCE_S) as client:
        found: Sequence[Mapping[str, Any]] = client.send(commands.TestAlerts(channel=context.words.channel))
    if context.as_json:
        context.terminal.document({"tests": found})
    else:
        for each in found:
            name = words.sentence(healthwords.channel_name(each["channel"]))
            said = f"did not go through: {each['reason']} {each['hint']}".rstrip() if each["reason"] else "went through"
            context.terminal.say(plain(f"{name}: {said}"))
        if not found:
            context.terminal.say(f"There is nothing that alerts could go through. {_SET_UP}")
    return EXIT_GOOD if found and not any(each["reason"] for each in found) else EXIT_RED


def _status(context: Context) -> int:
    with context.client() as client:
        snapshot = client.send(commands.ReadStatus())
    now = time.time()
    names = [each.name for each in fields(ChannelView)]
    told = snapshot["health"]["channels"].values()
    channels = [ChannelView(**{name: each[name] for name in names if name in each}) for each in told]
    kept = snapshot["health"].get("held")  # an older instance tells less
    held = (
        HeldView()
        if kept is None
        else HeldView(kept["count"], HeldFor(kept["why"]) if kept["why"] else None, kept["until"])
    )
    silent_until = snapshot["snoozed_until"] if snapshot["snoozed_until"] > now else None
    if context.as_json:
        document = {"channels": [asdict(each) for each in channels], "held": asdict(held)}
        context.terminal.document({**document, "silent_until": silent_until})
    else:
        for each in channels:
            name = words.sentence(healthwords.channel_name(each.name))
            context.terminal.say(plain(f"{name}: {healthwords.channel(each, now)}"))
            reason, hint = healthwords.channel_fault(each)
            if reason:
                context.terminal.say(plain(f"  {reason} {hint}".rstrip()))
        if not channels:
            context.terminal.say(f"Alerts go no further than this desktop. {_SET_UP}")
        if held.count:
            context.terminal.say(f"{healthwords.held(held, now)}.")
        if silent_until is not None:
            context.terminal.say(f"Alerts are silent until {words.moment(silent_until, now)}.")
    return EXIT_RED if any(healthwords.channel_fault(each)[0] for each in channels) else EXIT_GOOD
