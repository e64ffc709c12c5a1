"""The systemd unit: valid, of the table's numbers, enabled whole or not at all."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.errors import CannotError
from app.engine.limits import ORDERLY_CODES, Limits
from app.system.autostart.entries import MODULE, Start
from app.system.autostart.programs import Answer
from app.system.autostart.systemd import SESSION, SystemdUnit, exec_start, exec_start_words, unit
from tests.system.needed import needed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PLAIN = Start(("/bin/true",))
OURS = Start(("/opt/watchkeeper/bin/watchkeeper",), ("/src/a \u2028 b\u00a0",), "/home/ann/wk \u2028")

words = st.lists(
    st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=20), min_size=1, max_size=5
)


@dataclass
class Manager:
    """The user manager, as far as `systemctl` tells of it."""

    session: bytes = b"active\n"
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def __call__(self, argv: Sequence[str]) -> Answer:
        self.asked.append(tuple(argv))
        return Answer(0, self.session if "is-active" in argv else b"")


def made(folder: Path, manager: Manager, *, display: str = ":0", booted: bool = True) -> SystemdUnit:
    if booted:
        (folder / "booted").mkdir(exist_ok=True)
    return SystemdUnit(folder / "config", Limits(), manager, {"DISPLAY": display}, folder / "booted")


@pytest.mark.parametrize(
    "start",
    [
        PLAIN,
        Start(("/bin/true", *MODULE), ("/a b", "/q\"uo'te", "/100 %d", "/$HOME", "/Вüßж", "/back\\slash"), "/h %h $x"),
    ],
    ids=["plain", "odd"],
)
def test_systemd_finds_nothing_wrong(tmp_path: Path, start: Start) -> None:
    """`systemd-analyze verify` says nothing at all, on either stream."""
    file = tmp_path / "watchkeeper.service"
    file.write_text(unit(start, Limits()), "utf-8")
    environ = os.environ | {"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)}

    said = subprocess.run(
        [needed("systemd-analyze"), "--user", "verify", file], env=environ, capture_output=True, text=True, check=False
    )

    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


def test_systemd_would_find_a_mistake(tmp_path: Path) -> None:
    """A key that it does not know is told, so that the silence above means something."""
    file = tmp_path / "watchkeeper.service"
    file.write_text(unit(PLAIN, Limits()).replace("WatchdogSec", "WatchdogSecs"), "utf-8")
    environ = os.environ | {"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)}

    said = subprocess.run(
        [needed("systemd-analyze"), "--user", "verify", file], env=environ, capture_output=True, text=True, check=False
    )

    assert "WatchdogSecs" in said.stderr


def test_the_numbers_are_those_of_the_table() -> None:
    """Each time and count of the unit comes from the one table, and moves with it."""
    table = Limits()
    other = Limits(watchdog_s=77, crashes_allowed=9, crash_window_s=333, keeper_first_s=4, stop_s=20)

    usual, moved = _numbers(unit(PLAIN, table)), _numbers(unit(PLAIN, other))

    assert usual == {
        "StartLimitIntervalSec": table.crash_window_s,
        "StartLimitBurst": table.crashes_allowed + 1,
        "RestartSec": table.keeper_first_s,
        "WatchdogSec": table.watchdog_s,
        "TimeoutStartSec": table.watchdog_s,
        "TimeoutStopSec": table.stop_s * 1.5,
    }
    assert list(moved.values()) == [333, 10, 4, 77, 77, 30]
    assert f"\nRestartPreventExitStatus={' '.join(map(str, ORDERLY_CODES))}\n" in unit(PLAIN, table)


@given(words)
@example(["/a\u2028b", "\u00a0", " ", "\u3000x\u00a0"])
def test_a_command_line_is_read_back(meant: list[str]) -> None:
    """Quoting and reading undo each other."""
    assert exec_start_words(exec_start(meant)) == tuple(meant)


def test_enabled_it_is_wanted_by_the_session_and_the_manager_is_told(tmp_path: Path) -> None:
    """The link is the one that `systemctl --user enable` makes."""
    manager = Manager()
    method = made(tmp_path, manager)

    method.write(OURS)
    method.write(OURS)
    entry = method.read()

    assert method.link.readlink() == method.path
    assert method.link.parent.name == f"{SESSION}.wants"
    assert ("systemctl", "--user", "daemon-reload") in manager.asked
    assert entry is not None
    assert (entry.start, entry.is_on, entry.trouble) == (OURS, True, "")


def test_removed_nothing_of_it_is_left(tmp_path: Path) -> None:
    """Unit and link go, also a link of another target, and a second time does nothing."""
    method = made(tmp_path, Manager())
    method.write(OURS)
    other = method.path.parent / "default.target.wants" / method.path.name
    other.parent.mkdir()
    other.symlink_to(method.path)

    method.remove()
    method.remove()

    assert not [each for each in method.path.parent.rglob("*") if not each.is_dir()]
    assert method.read() is None


def test_disabled_by_systemctl_it_is_off_and_stays_off(tmp_path: Path) -> None:
    """`systemctl --user disable` removes the link alone, and moving the program makes none."""
    method = made(tmp_path, Manager())
    method.write(OURS)
    method.link.unlink()

    method.move(Start(("/new/watchkeeper",)))
    entry = method.read()

    assert entry is not None
    assert (entry.start, entry.is_on) == (Start(("/new/watchkeeper",)), False)


def test_masked_it_is_nothing_to_write_over(tmp_path: Path) -> None:
    """What a person masked is told, with the command that undoes it."""
    method = made(tmp_path, Manager())
    method.path.parent.mkdir(parents=True)
    method.path.symlink_to("/dev/null")

    entry = method.read()

    assert entry is not None
    assert (entry.start, entry.is_on) == (None, False)
    assert "unmask" in entry.hint


def test_without_systemd_nothing_is_written(tmp_path: Path) -> None:
    """Where systemd does not run the machine, the unit would never be started."""
    method = made(tmp_path, Manager(), booted=False)

    with pytest.raises(CannotError, match="does not run this machine"):
        method.write(OURS)

    assert not (tmp_path / "config").exists()


@pytest.mark.parametrize("before", [None, OURS])
def test_a_link_that_cannot_be_made_leaves_all_as_it_was(tmp_path: Path, before: Start | None) -> None:
    """Nothing is half done: the unit is the old one again, or gone."""
    method = made(tmp_path, Manager())
    if before is not None:
        method.write(before)
        method.link.unlink()
        method.link.parent.rmdir()
    method.link.parent.parent.mkdir(parents=True, exist_ok=True)
    method.link.parent.write_text("in the way")

    with pytest.raises(CannotError):
        method.write(Start(("/new/watchkeeper",)))

    entry = method.read()
    assert (entry and entry.start) == before


@pytest.mark.parametrize(("display", "told"), [(":0", True), ("", False)])
def test_a_desktop_that_starts_no_session_target_is_told(tmp_path: Path, display: str, told: bool) -> None:  # noqa: FBT001 - a parameter
    """The unit would never be started there; seen over ssh, nothing is known about that."""
    method = made(tmp_path, Manager(session=b"inactive\n"), display=display)
    method.write(OURS)

    entry = method.read()

    assert entry is not None
    assert (SESSION in entry.trouble) is told


@pytest.mark.parametrize(
    ("line", "by"),
    [
        (r"^ExecStart=.*$", 'ExecStart=/bin/sh -c "watchkeeper & wait"'),
        (r"^ExecStart=", "ExecStart=/bin/true\nExecStart="),
        (r"^Environment=.*$", "Environment=OTHER=1"),
    ],
)
def test_a_unit_that_a_person_wrote_is_not_taken_for_ours(tmp_path: Path, line: str, by: str) -> None:
    """Another command, several, or other variables are nothing that Watchkeeper would rewrite."""
    method = made(tmp_path, Manager())
    method.write(OURS)
    method.path.write_text(re.sub(line, by, method.path.read_text("utf-8"), flags=re.MULTILINE), "utf-8")

    entry = method.read()

    assert entry is not None
    assert entry.start is None


def _numbers(text: str) -> dict[str, float]:
    return {name: float(value) for name, value in re.findall(r"^(\w+)=([\d.]+)s?$", text, re.MULTILINE)}
