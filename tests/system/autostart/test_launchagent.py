"""The property list for launchd: valid, of the table's numbers, and switched off where macOS says so."""

from __future__ import annotations

import plistlib
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from app.engine.limits import Limits
from app.system.autostart.entries import Start
from app.system.autostart.launchagent import LABEL, LaunchAgent
from app.system.autostart.programs import Answer
from tests.system.needed import needed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ODD = Start(('/Users/ann/my <tools> & "more"/watchkeeper',), ("/Users/ann/Вüßж %s", "/a'b"), "/Users/ann/wk home")


@dataclass
class Launchd:
    """launchd, as far as `launchctl` tells of it."""

    disabled: str = ""
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def __call__(self, argv: Sequence[str]) -> Answer:
        self.asked.append(tuple(argv))
        return Answer(0, f"\tdisabled services = {{\n{self.disabled}\n\t}}\n".encode())


def test_it_is_valid_and_says_what_launchd_is_to_do(tmp_path: Path) -> None:
    """An independent reader of property lists takes it, and finds the words, the restart and the home."""
    agent = LaunchAgent(tmp_path / "LaunchAgents", Limits(), Launchd(), 501)

    agent.write(ODD)
    said = subprocess.run([needed("plistutil"), "-i", agent.path, "-o", tmp_path / "binary", "-f", "bin"], check=False)
    found = plistlib.loads((tmp_path / "binary").read_bytes())

    assert said.returncode == 0
    assert found == {
        "Label": LABEL,
        "ProgramArguments": [*ODD.program, *ODD.projects],
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ProcessType": "Interactive",
        "LimitLoadToSessionType": "Aqua",
        "ExitTimeOut": Limits().stop_s * 1.5,
        "EnvironmentVariables": {"WATCHKEEPER_HOME": ODD.home},
    }


@pytest.mark.parametrize(
    ("said", "is_on"),
    [
        ("", True),
        (f'\t\t"{LABEL}" => disabled', False),
        (f'\t\t"{LABEL}" => true', False),
        (f'\t\t"{LABEL}" => enabled', True),
        (f'\t\t"{LABEL}.other" => disabled', True),
    ],
)
def test_it_is_off_where_launchd_says_so(tmp_path: Path, said: str, is_on: bool) -> None:  # noqa: FBT001 - a parameter
    """Older and newer systems say it differently; only a person's `enable` asks launchd to change it."""
    launchd = Launchd(said)
    agent = LaunchAgent(tmp_path, Limits(), launchd, 501)
    agent.move(ODD)

    entry = agent.read()
    moved = [argv[1] for argv in launchd.asked]
    agent.write(ODD)

    assert entry is not None
    assert (entry.start, entry.is_on) == (ODD, is_on)
    assert moved == ["print-disabled"]
    assert launchd.asked[-1] == ("launchctl", "enable", f"gui/501/{LABEL}")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<plist>",
        b"not a list",
        plistlib.dumps(["a"]),
        plistlib.dumps({"ProgramArguments": ["/bin/sh", "-c", "watchkeeper"]}),
        plistlib.dumps({"ProgramArguments": "watchkeeper"}),
        plistlib.dumps({"ProgramArguments": ["watchkeeper"], "EnvironmentVariables": {"PATH": "/bin"}}),
    ],
)
def test_what_is_no_list_of_ours_is_not_taken_for_one(tmp_path: Path, content: bytes) -> None:
    """Broken files, and those of a person, are told of and left alone."""
    agent = LaunchAgent(tmp_path, Limits(), Launchd(), 501)
    agent.path.write_bytes(content)

    entry = agent.read()

    assert entry is not None
    assert entry.start is None


def test_one_of_an_older_release_is_noticed(tmp_path: Path) -> None:
    """A key that is missing or says something else is; one that a person put in is not."""
    agent = LaunchAgent(tmp_path, Limits(), Launchd(), 501)
    agent.write(ODD)
    now = plistlib.loads(agent.path.read_bytes())
    found = []

    for change in ({}, {"Nice": 5}, {"KeepAlive": True}, {"ProcessType": None}):
        content = {key: value for key, value in (now | change).items() if value is not None}
        agent.path.write_bytes(plistlib.dumps(content))
        entry = agent.read()
        assert entry is not None
        assert entry.start == ODD
        found.append(entry.is_older)
    agent.move(ODD)
    moved = agent.read()

    assert found == [False, False, True, True]
    assert moved is not None
    assert not moved.is_older


def test_removed_it_is_gone(tmp_path: Path) -> None:
    """A second time does nothing."""
    agent = LaunchAgent(tmp_path, Limits(), Launchd(), 501)
    agent.write(ODD)

    agent.remove()
    agent.remove()

    assert agent.read() is None
