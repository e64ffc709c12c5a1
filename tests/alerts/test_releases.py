"""What a person is told of newer releases, once, with the buttons for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from app.alerts.occasions import occasion_of, renewed
from app.domain import commands, events
from app.domain.alerts import Urgency
from app.domain.errors import UpdateRefused
from app.domain.reduce import reduce
from app.domain.releases import Release, ReleaseFile, UpdateView
from app.domain.snapshot import Snapshot
from app.engine.bus import Bus
from tests.alerts.kit import Screen, on_desktop

if TYPE_CHECKING:
    from tests.conftest import FakeClock

FILE = ReleaseFile("setup", "w.exe", "https://example.org/w.exe", 30, "0" * 64)
NEWER = Release("1.2.3", 1.0, {"en": "Faster."}, "https://example.org/1.2.3", (FILE,))
VIEW = UpdateView(offered=True, is_on=True, channel="setup", current="1.0.0", newer=NEWER, notes="<b>Faster</b>")


def found(**values: Any) -> events.ReleaseFound:
    told = {"at": 1.0, "release": NEWER, "current": "1.0.0", "notes": "<b>Faster</b>", "channel": "setup"}
    return events.ReleaseFound(**(told | values))


def fetched(channel: str = "setup") -> events.ReleaseFetched:
    return events.ReleaseFetched(at=2.0, version="1.2.3", channel=channel, path="/c/w.exe", how="sudo apt install it")


REFUSED = events.FeedRefused(at=3.0, reason="It is not signed.", hint="Look on its page.")


def seen(view: UpdateView) -> Snapshot:
    return reduce(Snapshot(0), events.UpdatesChanged(at=1.0, updates=view))


def test_a_release_is_news_with_its_notes_and_the_next_step() -> None:
    """A button fetches it, another has no more told of it."""
    setup = occasion_of(found(), seen(VIEW), 0.0)

    assert setup is not None
    assert (setup.alert.urgency, setup.alert.title) == (Urgency.NEWS, "Watchkeeper 1.2.3 is there")
    assert setup.alert.body == "What runs here is 1.0.0.\n<b>Faster</b>"
    skip = ("Skip this version", commands.SkipUpdate(version="1.2.3"))
    assert setup.offers == (("Download", commands.DownloadUpdate()), skip)


def test_what_was_fetched_is_installed_by_a_second_click_or_a_command() -> None:
    """On Windows by a button, elsewhere by the command that is told; and it is for this desktop alone."""
    setup, deb = (occasion_of(fetched(channel), seen(VIEW), 0.0) for channel in ("setup", "deb"))

    assert setup is not None
    assert deb is not None
    assert setup.offers == (("Install", commands.InstallUpdate()),)
    assert (deb.offers, deb.alert.body) == ((), "sudo apt install it")
    assert setup.is_local


def test_a_refused_feed_is_a_warning() -> None:
    """With why, and what to do."""
    occasion = occasion_of(REFUSED, Snapshot(0), 0.0)

    assert occasion is not None
    assert occasion.alert.urgency is Urgency.WARNING
    assert occasion.alert.body == "It is not signed.\nLook on its page."


@pytest.mark.parametrize(
    ("event", "view", "holds"),
    [
        (found(), VIEW, True),
        (found(), replace(VIEW, is_skipped=True), False),
        (found(), replace(VIEW, newer=None), False),
        (found(), replace(VIEW, ready="/c/w.exe"), False),
        (fetched(), replace(VIEW, ready="/c/w.exe"), True),
        (fetched(), VIEW, False),
        (REFUSED, replace(VIEW, refused="It is not signed."), True),
        (REFUSED, VIEW, False),
    ],
)
def test_what_was_held_is_told_if_it_still_holds(event: events.Event, view: UpdateView, holds: bool) -> None:  # noqa: FBT001 - a case
    """After a snooze, say."""
    occasion = occasion_of(event, seen(view), 0.0)

    assert occasion is not None
    assert (renewed(occasion, seen(view), 0.0) is not None) is holds


async def test_buttons_ask_for_it_and_a_refusal_takes_the_place_of_the_notification(fake_clock: FakeClock) -> None:
    """Who clicks hears of it there."""
    bus, screen = Bus(fake_clock), Screen()
    asked: list[commands.Command] = []

    def download(command: commands.DownloadUpdate) -> None:
        asked.append(command)
        raise UpdateRefused("w.exe is not what was announced.", "It was deleted.")

    bus.handle(commands.DownloadUpdate, download)
    async with on_desktop(bus, fake_clock, screen):
        bus.publish(events.UpdatesChanged(at=1.0, updates=VIEW))
        bus.publish(found())
        await screen.titles(1)
        labels = [label for label, _ in screen.shown[0].buttons]
        dict(screen.shown[0].buttons)["Download"]()
        titles = await screen.titles(2)

    assert labels == ["Open", "Download", "Skip this version", "Snooze"]
    assert asked == [commands.DownloadUpdate()]
    assert titles == ["Watchkeeper 1.2.3 is there", "The update is not to be trusted"]
    assert screen.shown[0].key == screen.shown[1].key
    assert screen.shown[1].body == "w.exe is not what was announced. It was deleted."
