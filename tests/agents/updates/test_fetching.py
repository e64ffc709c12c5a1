"""Fetching a release's file: whole and checked, or not there at all; and starting it at a person's wish."""

from __future__ import annotations

import asyncio
import hashlib
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.updates.asking import AskLimits
from app.domain.errors import UpdateError, UpdateRefused
from app.domain.events import UpdatesChanged
from app.system.installed import Channel
from tests.agents.updates.site import SETUP, drip, looking
from tests.alerts.channels.farends import answer, cut, drop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.agents.updates.site import Looking, Site
    from tests.alerts.channels.farends import Line

NAME = "watchkeeper-1.1.0-setup.exe"


async def offered(site: Site, home: Path, clock: Any, **options: Any) -> Looking:
    """Return what knows of a release, and has fetched nothing of it."""
    channel = options.get("channel", Channel.SETUP)
    site.release("1.1.0", channel=channel, name=NAME)
    here = looking(site, home, clock, **options)
    await here.updates.check()
    return here


async def test_a_file_is_fetched_checked_and_told_once(site: Site, home: Path, fake_clock: Any) -> None:
    """It lies in the cache under its name, for the person alone, and how much has come was told."""
    here = await offered(site, home, fake_clock)

    view = await here.updates.download()
    again = await here.updates.download()

    path = Path(view.ready)
    assert (path.name, here.content, here.mode) == (NAME, SETUP, 0o600)
    assert here.files == [path]
    assert here.fetched == [view.ready]
    assert again.ready == view.ready
    assert site.paths.count(f"/{NAME}") == 1
    coming = [event.updates.fetched for event in here.told if isinstance(event, UpdatesChanged)]
    assert 0 in coming
    assert coming[-1] is None


async def test_how_much_has_come_is_told_now_and_then(site: Site, home: Path, fake_clock: Any) -> None:
    """Four times a second at most: a window is painted for it."""
    here = await offered(site, home, fake_clock)

    def slowly(line: Line) -> None:
        line.say("HTTP/1.1 200 Said", f"Content-Length: {len(SETUP)}", "")
        for at in range(0, len(SETUP), 50_000):
            fake_clock.advance(0.2)
            line.send(SETUP[at : at + 50_000])

    site.special[f"/{NAME}"] = [slowly]
    await here.updates.download()

    told = [event.updates.fetched for event in here.told if isinstance(event, UpdatesChanged)]
    counts = [each for each in told if each]
    assert counts == sorted(counts)
    assert 1 <= len(counts) <= 6


def _other_bytes() -> dict[str, tuple[Callable[[Line], None], str]]:
    flipped = bytearray(SETUP)
    flipped[1000] ^= 1
    return {
        "a flipped bit": (answer(200, bytes(flipped)), "SHA-256 is another"),
        "shorter": (answer(200, SETUP[:-1]), "has 307,201 bytes, not the 307,202"),
        "longer": (answer(200, SETUP + b"!"), "larger than the 307,202 bytes"),
        "redirect to http": (answer(302, Location="http://127.0.0.1/x"), "not https"),
    }


@pytest.mark.parametrize("case", _other_bytes())
async def test_what_is_not_what_was_announced_is_deleted(site: Site, home: Path, fake_clock: Any, case: str) -> None:
    """It is refused with what is wrong and what to do, and nothing of it stays."""
    here = await offered(site, home, fake_clock)
    reply, says = _other_bytes()[case]
    site.special[f"/{NAME}"] = [reply]

    with pytest.raises(UpdateRefused, match=says) as refused:
        await here.updates.download()

    assert refused.value.hint
    assert (here.files, here.fetched, here.updates.view.ready) == ([], [], "")
    assert here.updates.view.fetched is None


def _not_had() -> dict[str, tuple[Callable[[Line], None], str]]:
    return {
        "cut off": (cut(200, SETUP[:1000]), "broke its answer off"),
        "breaks off": (drop, "broke its answer off"),
        "gone": (answer(404), "status 404"),
        "drips": (drip, "in time"),
        "packed": (answer(200, SETUP, Content_Encoding="gzip"), "packs"),
    }


@pytest.mark.parametrize("case", _not_had())
async def test_what_cannot_be_had_leaves_nothing_behind(site: Site, home: Path, fake_clock: Any, case: str) -> None:
    """It is told why, and the next try gets it."""
    here = await offered(site, home, fake_clock, limits=AskLimits(file_s=0.2 if case == "drips" else 20.0))
    reply, says = _not_had()[case]
    site.special[f"/{NAME}"] = [reply]

    with pytest.raises(UpdateError, match=says):
        await here.updates.download()
    left = here.files
    site.special.clear()
    again = looking(site, home, fake_clock)
    await again.updates.load()
    await again.updates.download()

    assert left == []
    assert again.content == SETUP


@contextmanager
def no_file_longer_than(count: int) -> Iterator[None]:
    """Have the kernel refuse to write more than so many bytes into a file, as a full disk or a quota does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_is_told_as_that(site: Site, home: Path, fake_clock: Any) -> None:
    """What was written is removed, and the words say where there is no room."""
    content = bytes(4 * 1024 * 1024)
    site.release("1.1.0", name=NAME, content=content)
    here = looking(site, home, fake_clock)
    await here.updates.check()

    with no_file_longer_than(2 * 1024 * 1024), pytest.raises(UpdateError, match=r"no room for .* \(4.0 MiB\)"):
        await here.updates.download()

    assert here.files == []


async def test_a_folder_that_cannot_be_made_is_told(site: Site, home: Path, fake_clock: Any) -> None:
    """Something of another name lies in its place."""
    here = await offered(site, home, fake_clock)
    folder = home / "cache" / "updates" / "files"
    folder.write_text("no folder")

    with pytest.raises(UpdateError, match="cannot be written"):
        await here.updates.download()


_DOWNLOAD = """\
import asyncio, ssl, sys
from pathlib import Path
from app.agents.updates import fetching
from app.agents.updates.asking import FeedClient
from app.domain.releases import ReleaseFile

url, certificate, folder, size, sha256 = sys.argv[1:]
client = FeedClient(lambda: ssl.create_default_context(cafile=certificate))
file = ReleaseFile("setup", url.rpartition("/")[2], url, int(size), sha256)
asyncio.run(fetching.fetch(client, file, Path(folder), lambda count: print(count, flush=True)))
"""


def test_a_kill_in_the_middle_leaves_nothing_that_looks_whole(site: Site, home: Path, fake_clock: Any) -> None:
    """The half of it bears another name, and goes with the next fetch."""
    here = asyncio.run(offered(site, home, fake_clock))
    folder = here.places.cache / "updates" / "files"

    def half(line: Line) -> None:
        line.say("HTTP/1.1 200 Said", f"Content-Length: {len(SETUP)}", "")
        line.send(SETUP[: len(SETUP) // 2])
        line.hang()

    site.special[f"/{NAME}"] = [half]
    digest = hashlib.sha256(SETUP).hexdigest()
    argv = [sys.executable, "-c", _DOWNLOAD, f"{site.address}/{NAME}", str(site.authority.file), str(folder)]
    with subprocess.Popen([*argv, str(len(SETUP)), digest], stdout=subprocess.PIPE) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline()
        killed.send_signal(signal.SIGKILL)
    left = here.files

    view = asyncio.run(here.updates.download())

    assert [each.name.startswith(".wk-") for each in left] == [True]
    assert here.files == [Path(view.ready)]


@pytest.mark.parametrize("there", [SETUP[:1000], bytes(len(SETUP))], ids=["half", "other"])
async def test_what_lies_there_is_not_taken_for_the_file(site: Site, home: Path, fake_clock: Any, there: bytes) -> None:
    """By name alone nothing is believed; a program that was started again looks at the bytes too."""
    here = await offered(site, home, fake_clock)
    folder = here.places.cache / "updates" / "files"
    folder.mkdir(parents=True)
    (folder / NAME).write_bytes(there)
    (folder / "watchkeeper-0.9.0-setup.exe").write_bytes(b"old")
    again = looking(site, home, fake_clock)
    await again.updates.load()
    believed = again.updates.view.ready

    view = await again.updates.download()

    assert believed == ""
    assert again.files == [Path(view.ready)]
    assert again.content == SETUP


async def test_a_program_that_was_started_again_knows_what_was_fetched(site: Site, home: Path, fake_clock: Any) -> None:
    """Nothing is fetched twice; once the release runs, its file goes."""
    here = await offered(site, home, fake_clock)
    await here.updates.download()
    again, upgraded = looking(site, home, fake_clock), looking(site, home, fake_clock, version="1.1.0")

    await again.updates.load()
    known = again.updates.view.ready
    await upgraded.updates.load()

    assert known == here.updates.view.ready
    assert upgraded.files == []


async def test_a_setup_is_started_at_a_persons_wish_alone(site: Site, home: Path, fake_clock: Any) -> None:
    """Neither finding nor fetching starts it; it is checked once more before."""
    here = await offered(site, home, fake_clock)
    with pytest.raises(UpdateError, match="was fetched yet"):
        await here.updates.install()
    view = await here.updates.download()
    before = list(here.started)

    await here.updates.install()

    assert before == []
    assert here.started == [Path(view.ready)]


async def test_a_setup_that_was_changed_since_is_not_started(site: Site, home: Path, fake_clock: Any) -> None:
    """It is deleted, and can be fetched again."""
    here = await offered(site, home, fake_clock)
    await here.updates.download()
    here.bend(SETUP[:-1] + b"!")

    with pytest.raises(UpdateRefused, match="not what was fetched any more"):
        await here.updates.install()

    assert (here.started, here.files, here.updates.view.ready) == ([], [], "")


@pytest.mark.parametrize(
    ("channel", "command"),
    [
        (Channel.WHEEL, "pipx install --force "),
        (Channel.DEB, "sudo apt install "),
        (Channel.PORTABLE, "tar -xf "),
        (Channel.APP, "open "),
    ],
)
async def test_other_packages_are_installed_by_a_command(
    site: Site, home: Path, fake_clock: Any, channel: Channel, command: str
) -> None:
    """It is told exactly, and nothing is started."""
    here = await offered(site, home, fake_clock, channel=channel)
    view = await here.updates.download()

    with pytest.raises(UpdateError, match="installed by you") as refused:
        await here.updates.install()

    assert f"{command}{view.ready}" in refused.value.hint
    assert here.started == []
