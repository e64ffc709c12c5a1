"""The command `alerts`."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from app.domain import commands, words
from app.domain.errors import UsageError
from app.domain.health import ChannelTest, ChannelView, HealthView, HeldFor, HeldView

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine, Instance

WELL = ChannelTest("desktop")
ILL = ChannelTest("mail", "The server refuses the login.", "Set the password anew.")


@pytest.mark.parametrize(("found", "code"), [((WELL,), 0), ((WELL, ILL), 1), ((), 1)])
def test_a_test_says_for_each_channel_what_came_of_it(
    cli: CommandLine, instance: Instance, found: tuple[ChannelTest, ...], code: int
) -> None:
    """The exit code is 0 when all went through, and only then."""
    instance.tests = found

    ran = cli("alerts", "test")
    as_json = cli("alerts", "test", "--json")

    lines = {
        WELL: "This desktop: went through",
        ILL: "Mail: did not go through: The server refuses the login. Set the password anew.",
    }
    assert ran.code == as_json.code == code
    assert [line for line in ran.out.splitlines() if ": " in line][: len(found)] == [lines[each] for each in found]
    assert [each["channel"] for each in json.loads(as_json.out)["tests"]] == [each.channel for each in found]


def test_one_channel_alone_can_be_tested(cli: CommandLine, instance: Instance) -> None:
    """Its name goes to the instance, which says when it is not set up."""
    instance.tests = (WELL,)

    asked = cli("alerts", "test", "desktop")
    instance.tests = UsageError("Alerts are not set up to go through 'mail'.", "Set up are: desktop.")
    refused = cli("alerts", "test", "mail")

    assert (asked.code, refused.code) == (0, 2)
    assert "not set up" in refused.err
    assert instance.seen == [commands.TestAlerts(channel="desktop"), commands.TestAlerts(channel="mail")]


@pytest.mark.parametrize("what", ["test", "status"])
def test_without_an_instance_nothing_can_be_told(cli: CommandLine, what: str) -> None:
    """Exit code 3, and what to do."""
    ran = cli("alerts", what)

    assert ran.code == 3
    assert ran.out == ""


def test_status_tells_what_waits_and_why(cli: CommandLine, instance: Instance) -> None:
    """A channel that fails makes the exit code 1; no control character of a reason gets through."""
    channels = {
        "mail": ChannelView("mail", 3, "No \x1b[31mroute.", dropped=2),
        "webhook": ChannelView("webhook", sent_at=time.time() - 300),
    }
    fares = HealthView(channels=MappingProxyType(channels))
    instance.snapshot = replace(instance.snapshot, health=fares, snoozed_until=time.time() + 600)

    ran = cli("alerts", "status")
    as_json = cli("alerts", "status", "--json")

    assert ran.code == as_json.code == 1
    assert ran.out.splitlines()[:3] == [
        "Mail: nothing sent yet, 3 alerts wait, 2 given up after a day",
        "  No \\x1b[31mroute.",
        "The webhook: last sent 5 min ago",
    ]
    assert "silent until" in ran.out
    told = json.loads(as_json.out)
    assert [each["name"] for each in told["channels"]] == ["mail", "webhook"]
    assert told["silent_until"] == instance.snapshot.snoozed_until


def test_status_tells_what_is_held_and_why(cli: CommandLine, instance: Instance) -> None:
    """That is no fault; a person reads until when."""
    until = time.time() + 60
    held = HeldView(2, HeldFor.QUIET, until)
    fares = HealthView(channels=MappingProxyType({"mail": ChannelView("mail")}), held=held)
    instance.snapshot = replace(instance.snapshot, health=fares)

    ran = cli("alerts", "status")
    as_json = json.loads(cli("alerts", "status", "--json").out)

    assert ran.code == 0
    assert ran.out.splitlines()[1] == f"2 held: quiet hours until {words.moment(until, time.time())}."
    assert as_json["held"] == {"count": 2, "why": "quiet", "until": until}
    assert as_json["silent_until"] is None


def test_a_test_that_failed_makes_a_channel_unusable(cli: CommandLine, instance: Instance) -> None:
    """Status remembers it, says what to do, and exits with 1."""
    locked = ("The vault is locked, so the secret X cannot be had.", "Open it: watchkeeper keys unlock")
    view = ChannelView("mail", tested_at=time.time() - 120, test_reason=locked[0], test_hint=locked[1])
    instance.snapshot = replace(instance.snapshot, health=HealthView(channels=MappingProxyType({"mail": view})))

    ran = cli("alerts", "status")

    assert ran.code == 1
    assert ran.out.splitlines() == ["Mail: nothing sent yet, a test failed 2 min ago", f"  {locked[0]} {locked[1]}"]


def test_status_without_channels_says_how_to_set_one_up(cli: CommandLine, instance: Instance) -> None:
    """That alerts go no further than the desktop is no fault."""
    ran = cli("alerts", "status")

    assert ran.code == 0
    assert "[alerts.mail]" in ran.out
    assert instance.seen == [commands.ReadStatus()]
