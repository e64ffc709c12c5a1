"""What each system says of its power, and what that comes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.system import power

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BATTERY = {"type": "Battery", "status": "Discharging"}
FULL = {"type": "Battery", "status": "Full"}
MOUSE = {"type": "Battery", "status": "Discharging", "scope": "Device"}
PLUGGED = {"type": "Mains", "online": "1"}
UNPLUGGED = {"type": "Mains", "online": "0"}
USB = {"type": "USB", "online": "1"}
USB_UNPLUGGED = {"type": "USB", "online": "0"}
SHORT = {"type": "Mains"}

MACBOOK = """\
Now drawing from 'Battery Power'
 -InternalBattery-0 (id=4653155)	83%; discharging; 5:12 remaining present: true
"""
PLUGGED_MACBOOK = """\
Now drawing from 'AC Power'
 -InternalBattery-0 (id=4653155)	83%; charging; 'Battery Power' before
"""


@pytest.mark.parametrize(
    ("supplies", "expected"),
    [
        ((), False),
        ((BATTERY,), True),
        ((BATTERY, UNPLUGGED), True),
        ((BATTERY, PLUGGED), False),
        ((BATTERY, UNPLUGGED, USB), False),
        ((BATTERY, UNPLUGGED, USB_UNPLUGGED), True),
        ((FULL, UNPLUGGED), False),
        ((FULL, BATTERY), True),
        ((MOUSE,), False),
        ((MOUSE, UNPLUGGED), False),
        ((BATTERY, SHORT), True),
    ],
)
def test_linux(tmp_path: Path, supplies: tuple[Mapping[str, str], ...], expected: bool) -> None:  # noqa: FBT001 - a parameter
    """A battery of the machine that discharges is what powers it, unless something that is plugged in does."""
    for number, supply in enumerate(supplies):
        folder = tmp_path / f"supply{number}"
        folder.mkdir()
        for name, content in supply.items():
            (folder / name).write_text(f"{content}\n")

    assert power.linux_on_battery(tmp_path) == expected


def test_linux_without_the_folder(tmp_path: Path) -> None:
    """A container or a machine without power supplies runs on the mains."""
    assert not power.linux_on_battery(tmp_path / "absent")


@pytest.mark.parametrize(("said", "expected"), [(MACBOOK, True), (PLUGGED_MACBOOK, False), ("", False)])
def test_macos(said: str, expected: bool) -> None:  # noqa: FBT001 - a parameter
    """The first line of pmset names the source."""
    assert power.macos_on_battery(said) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (bytes([0, 1, 80, 0]) + bytes(8), True),
        (bytes([1, 8, 80, 0]) + bytes(8), False),
        (bytes([255, 255, 255, 0]) + bytes(8), False),
        (b"", False),
    ],
)
def test_windows(status: bytes, expected: bool) -> None:  # noqa: FBT001 - a parameter
    """The first byte of the structure says whether the machine is plugged in; 255 is not known."""
    assert power.windows_on_battery(status) == expected


def test_this_machine_answers() -> None:
    """Whatever powers it, asking is no error."""
    assert power.on_battery() in (True, False)
