"""The command `update`: what is said, and what a script learns by the exit code."""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.settings import Settings
from app.agents.updates.memory import Memory, Remembered
from app.agents.updates.settings import UpdateSettings
from app.cli.context import Context
from app.cli.doctor.check import Level
from app.cli.doctor.updates import updates as doctor_updates
from app.cli.terminal import Terminal
from app.cli.updates import carried_out
from app.domain import commands
from app.domain.errors import UpdateError, UpdateRefused
from app.system.installed import Channel, Feed, Installation
from tests.agents.updates.site import SETUP, Site, public
from tests.alerts.channels.farends import Authority, answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.engine.places import Places
    from tests.cli.conftest import CommandLine, Instance

DAY_S = 86_400.0
NOTHING_IS_STARTED: Any = None


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A place where releases are announced."""
    with Site(authority=Authority(tmp_path), now=time.time()) as made:
        yield made


class Person:
    """Somebody at a terminal, whose Watchkeeper came in a package."""

    def __init__(self, site: Site, places: Places, capsys: pytest.CaptureFixture[str], channel: Channel) -> None:
        self.site, self.places, self.capsys = site, places, capsys
        self.installed = Installation(channel, feed=Feed(site.url, (public(site.key),)))

    def types(self, what: str | None, *, as_json: bool = False) -> tuple[int, str]:
        """Return the exit code and what was printed."""
        environ = {"WATCHKEEPER_HOME": str(self.places.data.parent), "LANG": "ru_RU.UTF-8"}
        words = Namespace(what=what, json=as_json)
        terminal = Terminal(sys.stdout, sys.stderr, environ)
        context = Context(words, terminal, NOTHING_IS_STARTED, environ, Path.cwd(), ())
        code = carried_out(context, self.installed, self.site.authority.trusting)
        return code, self.capsys.readouterr().out

    def document(self, what: str) -> tuple[int, dict[str, Any]]:
        """Return the exit code and the one JSON document."""
        code, out = self.types(what, as_json=True)
        return code, json.loads(out)


@pytest.fixture
def person(site: Site, places: Places, capsys: pytest.CaptureFixture[str]) -> Person:
    """Somebody with the Debian package."""
    return Person(site, places, capsys, Channel.DEB)


@pytest.mark.parametrize("words", [[], ["status"], ["check"], ["download"], ["check", "--json"]])
def test_a_build_that_looks_for_none_says_why(cli: CommandLine, words: list[str]) -> None:
    """A checkout, say: exit code 3, and how it is brought up to date."""
    ran = cli("update", *words)

    told = json.loads(ran.out)["error"]["message"] if "--json" in words else ran.err
    assert ran.code == 3
    assert "offers no search for newer releases" in told


def test_status_asks_nobody(person: Person, site: Site) -> None:
    """It says that it is off, and how it is switched on."""
    code, out = person.types(None)

    assert (code, site.asked) == (0, [])
    assert "not asked yet; asking by itself is switched off" in out


def test_check_asks_now_though_it_is_off(person: Person, site: Site) -> None:
    """A person has asked for it; notes come in their language, and nothing is fetched."""
    site.release("99.0.0", channel="deb")

    code, out = person.types("check")
    _, told = person.document("status")

    assert code == 0
    assert "Watchkeeper 99.0.0 is there" in out
    assert "  Новое в 99.0.0." in out
    assert out.endswith("Fetch it: watchkeeper update download\n")
    assert (told["newer"], told["on"], told["downloaded"], told["refused"]) == ("99.0.0", False, None, "")
    assert site.paths == ["/feed.json", "/feed.json.sig"]


def test_the_newest_is_said_to_be_it(person: Person) -> None:
    """Exit code 0, and null for programs."""
    code, told = person.document("check")

    assert (code, told["newer"], told["next"]) == (0, None, "")


def test_what_is_not_believed_is_exit_code_1(person: Person, site: Site) -> None:
    """With why and what to do, also when it is asked for again without asking."""
    site.document["schema"] = 9

    code, out = person.types("check")
    again, told = person.document("status")

    assert (code, again) == (1, 1)
    assert "refused: The feed of releases has the schema 9" in out
    assert told["refused"]
    assert told["hint"] in out


def test_no_answer_is_exit_code_3(person: Person, site: Site) -> None:
    """It cannot be done now."""
    site.special["/feed.json"] = [answer(500)]

    with pytest.raises(UpdateError, match="status 500") as failed:
        person.types("check")

    assert failed.value.exit_code == 3


def test_download_fetches_and_tells_the_command(person: Person, site: Site) -> None:
    """Installing is the person's own step."""
    site.release("99.0.0", channel="deb", name="watchkeeper_99.0.0_amd64.deb")

    code, out = person.types("download")
    _, told = person.document("status")

    path = Path(told["downloaded"])
    assert code == 0
    assert path.read_bytes() == SETUP
    assert out.splitlines()[-1] == told["next"] == f"Install it: sudo apt install {path}"


def test_a_download_that_is_not_what_was_announced_is_exit_code_1(person: Person, site: Site) -> None:
    """And nothing of it stays."""
    site.release("99.0.0", channel="deb", name="w.deb")
    site.files["/w.deb"] = SETUP[:-1] + b"!"

    with pytest.raises(UpdateRefused, match="SHA-256") as refused:
        person.types("download")

    assert refused.value.exit_code == 1
    assert list((person.places.cache / "updates" / "files").iterdir()) == []


def test_nothing_to_download_is_no_failure(person: Person) -> None:
    """The newest runs here."""
    code, told = person.document("download")

    assert (code, told["newer"], told["downloaded"]) == (0, None, None)


def test_the_running_instance_asks_where_there_is_one(person: Person, instance: Instance, site: Site) -> None:
    """So that its menu knows what the terminal knows; one that does not look for releases leaves it to the terminal."""
    person.types("check")

    assert commands.CheckUpdates() in instance.seen
    assert site.asked == []


@pytest.mark.parametrize(
    ("told", "is_on", "level", "says"),
    [
        (Remembered(), False, Level.OK, "off; have it asked with"),
        (Remembered(), True, Level.OK, "on, and not asked yet"),
        (Remembered(asked_at=-7200), True, Level.OK, "asked 2 h ago"),
        (
            Remembered(asked_at=-7200, answered_at=-DAY_S, trouble="Silence."),
            True,
            Level.OK,
            "without an answer: Silence.",
        ),
        (Remembered(asked_at=-7200, answered_at=-40 * DAY_S, trouble="Silence."), True, Level.WARN, "no answer since"),
        (Remembered(asked_at=-7200, refused="Not signed.", hint="Look."), False, Level.WARN, "Not signed."),
    ],
)
def test_doctor_tells_how_it_stands(
    places: Places,
    told: Remembered,
    is_on: bool,  # noqa: FBT001 - a case
    level: Level,
    says: str,
) -> None:
    """Off, when it was asked, or why what came is not believed; a silence of a month wants a look."""
    now = time.time()
    times = {name: now + getattr(told, name) for name in ("asked_at", "answered_at") if getattr(told, name)}
    kept = {name: getattr(told, name) for name in Remembered.__dataclass_fields__} | times
    Memory(places).write(Remembered(**kept))
    installed = Installation(Channel.DEB, feed=Feed("https://example.org/feed.json", (bytes(32),)))

    check = doctor_updates(places, Settings(updates=UpdateSettings(enabled=is_on)), installed, now)

    assert check.level is level
    assert says in check.text


def test_doctor_says_that_a_build_offers_none(cli: CommandLine) -> None:
    """That is no fault."""
    found = {each["name"]: each for each in json.loads(cli("doctor", "--json").out)["checks"]}

    assert found["updates"]["level"] == "ok"
    assert "not offered by this build" in found["updates"]["text"]
