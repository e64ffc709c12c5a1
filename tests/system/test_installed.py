"""What the package says of how it got here is read, and a damaged note stops nothing."""

import base64
import json
from pathlib import Path

import pytest

from app import __version__
from app.system.installed import PACKAGE, Channel, Feed, Installation, installation, release_on_disk

KEY = bytes(range(32))


def told(package: Path, **what: object) -> Installation:
    (package / "installed.json").write_text(json.dumps(what), "utf-8")
    return installation(package)


def test_a_checkout_is_source_and_nobody_announces_releases() -> None:
    """The repository itself has no note."""
    assert installation() == Installation()
    assert PACKAGE.name == "app"


def test_a_package_tells_its_channel_its_program_and_its_feed(tmp_path: Path) -> None:
    """The program is found from the package, wherever that was put."""
    package = tmp_path / "runtime" / "lib" / "app"
    package.mkdir(parents=True)

    found = told(
        package,
        channel="setup",
        program="../../../watchkeeper.exe",
        feed={"url": "https://example.org/releases.json", "keys": [base64.b64encode(KEY).decode()]},
    )

    assert found.channel is Channel.SETUP
    assert found.program == tmp_path.resolve() / "watchkeeper.exe"
    assert found.feed == Feed("https://example.org/releases.json", (KEY,))


@pytest.mark.parametrize(
    "what",
    [
        {},
        {"channel": "carrier-pigeon"},
        {"channel": "setup", "program": 3},
        {"channel": "setup", "feed": {"url": "https://example.org", "keys": []}},
        {"channel": "setup", "feed": {"url": "https://example.org", "keys": ["AAAA"]}},
        {"channel": "setup", "feed": {"url": "https://example.org", "keys": ["not base64"]}},
        {"channel": "setup", "feed": {"url": "http://example.org", "keys": [base64.b64encode(KEY).decode()]}},
    ],
    ids=["empty", "no such channel", "no path", "no key", "short key", "no base64", "plain http"],
)
def test_a_damaged_note_counts_as_none(what: dict[str, object], tmp_path: Path) -> None:
    """Above all no release is believed by a key that is half there, or over plain http."""
    assert told(tmp_path, **what) == Installation()


def test_a_note_that_is_no_json_counts_as_none(tmp_path: Path) -> None:
    """A half-written file stops no start."""
    (tmp_path / "installed.json").write_bytes(b'{"channel": "se')

    assert installation(tmp_path) == Installation()


@pytest.mark.parametrize(
    ("content", "release"),
    [
        (b'"""Words."""\n\n__version__ = "1.2.3"\n', "1.2.3"),
        (b'"""Words."""\n\n__vers', ""),
        (b'__version__ = "1.2.3\n', ""),
        (b"", ""),
    ],
    ids=["whole", "half", "no end", "empty"],
)
def test_the_release_that_lies_there_is_read(content: bytes, release: str, tmp_path: Path) -> None:
    """By its text, since Python has its own imported long ago; what is half written tells none."""
    (tmp_path / "__init__.py").write_bytes(content)

    assert release_on_disk(tmp_path) == release


def test_the_release_of_a_program_that_is_gone_is_none(tmp_path: Path) -> None:
    """As after its removal; the one of this checkout is there."""
    assert release_on_disk(tmp_path) == ""
    assert release_on_disk() == __version__
