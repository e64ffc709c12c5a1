"""From the word that there is a newer release to the newer release: by its feed, a download and a click on Install."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from machine import LONG_S, until
from person import Installed, install, skip_wizard, usual_folder, words_of

from tests.agents.updates.site import Site, public, signature
from tests.alerts.channels.farends import Authority, answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from machine import Machine, Ran
    from screen import Screen

HEALTH = "ctrl+6"
ACCENT = "#2460d8"
"""Of the button that is the next step, in the light theme."""
SETUP_WINDOW = "Watchkeeper Setup"
TRUST = r"C:\authority.pem"


@pytest.fixture(scope="module")
def site(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Where releases are announced, over TLS whose certificate this Windows trusts."""
    authority = Authority(tmp_path_factory.mktemp("authority"))
    machine.path(TRUST).write_bytes(authority.file.read_bytes())
    machine.set(SSL_CERT_FILE=TRUST)
    with Site(authority=authority, now=time.time()) as site:
        yield site


@pytest.fixture(scope="module")
def installed(machine: Machine, setup: Path, site: Site) -> Installed:
    """Installed, with what `--feed-url` and `--feed-key` of its build say, and the person wants to hear of releases."""
    assert install(machine, setup, "/AUTOSTART=0", "/PATH=0") == 0
    installed = Installed(machine, usual_folder(machine))
    told = installed.program / "lib" / "app" / "installed.json"
    keys = [base64.b64encode(public(site.key)).decode()]
    told.write_text(
        json.dumps(json.loads(told.read_text("utf-8")) | {"feed": {"url": site.url, "keys": keys}}), "utf-8"
    )
    assert installed.command("config", "set", "updates.enabled", "true").code == 0
    return installed


@dataclass(frozen=True, slots=True)
class Refused:
    """What two bent feeds came to, each before the true one."""

    forged: Ran
    bent: Ran
    files: list[Path]


@pytest.fixture(scope="module")
def refused(installed: Installed, site: Site, next_setup: Path, next_version: str) -> Refused:
    release = site.release(next_version, name=next_setup.name, content=next_setup.read_bytes())
    # It asks twice: who publishes a feed may just have laid down one of its two files.
    site.special["/feed.json.sig"] = [answer(200, signature(Ed25519PrivateKey.generate(), site.content))] * 5
    forged = installed.command("update", "check")
    site.special.clear()
    true = release["files"][0]["sha256"]
    release["files"][0]["sha256"] = "0" * 64
    bent = installed.command("update", "download")
    release["files"][0]["sha256"] = true
    return Refused(forged, bent, sorted(installed.machine.local.rglob(next_setup.name)))


def test_a_feed_that_another_signed_is_refused(refused: Refused) -> None:
    """With a message, and nothing of it is believed."""
    assert refused.forged.code == 1, refused.forged
    assert "not signed by a key that this Watchkeeper trusts" in refused.forged.out + refused.forged.err


def test_a_setup_that_is_not_what_was_announced_is_refused(refused: Refused) -> None:
    """With a message, and none of it stays."""
    assert refused.bent.code != 0, refused.bent
    assert "sha-256" in (refused.bent.out + refused.bent.err).lower()
    assert refused.files == []


@dataclass(frozen=True, slots=True)
class Updated:
    """What came of the way through the Health page."""

    checked: Ran
    shown: str
    snapshot: dict[str, Any]
    windows: list[str]


@pytest.fixture(scope="module")
def updated(installed: Installed, refused: Refused, screen: Screen) -> Updated:
    assert refused.files == []
    installed.machine.open(installed.shortcut)
    installed.until_running()
    skip_wizard(screen)
    checked = installed.command("update", "check")
    window = screen.until_window("Watchkeeper")
    screen.press(window, HEALTH)
    screen.until_drawn(window)
    screen.picture("the page Health")
    download = screen.until_button(window, ACCENT)
    screen.picture("a newer release")
    screen.click(download)

    until(lambda: installed.document("update", "status")["downloaded"], "the download", LONG_S)
    screen.until_drawn(window)
    screen.picture("fetched")
    screen.click(screen.until_button(window, ACCENT))
    setup = screen.until_window(SETUP_WINDOW)
    screen.until_drawn(setup)
    screen.picture("setup of the newer release")
    screen.click_to_the_end(setup, "setup")
    snapshot = installed.until_running()
    screen.until_window("Watchkeeper")
    launcher = installed.machine.name(installed.launcher)
    until(lambda: len(words_of(installed.machine.programs(), launcher)) == 2, "setup's own start is over")
    screen.picture("the newer release")
    shown = installed.command("--version").out
    return Updated(checked, shown, snapshot, list(screen.windows().values()))


def test_the_newer_release_is_told(updated: Updated, next_version: str) -> None:
    """With what is new in it."""
    assert updated.checked.code == 0
    assert next_version in updated.checked.out
    assert f"What is new in {next_version}." in updated.checked.out


def test_a_click_on_install_brings_it(updated: Updated, next_version: str) -> None:
    """Setup asks what it always asks, ends the program, swaps it and starts it."""
    assert updated.shown == f"watchkeeper {next_version}\n"
    assert updated.snapshot["mood"]


def test_setup_and_its_last_page_both_start_it_and_one_runs(updated: Updated) -> None:
    """The second of the two finds the first coming up, waits for it, and has nothing to complain of."""
    assert updated.windows.count("Watchkeeper") == 1
