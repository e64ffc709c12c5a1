"""Whether the machine runs on its battery: then nothing is kept ready that somebody might not need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SUPPLIES = Path("/sys/class/power_supply")
"""Where Linux lists what can power the machine (Documentation/ABI/testing/sysfs-class-power)."""
PMSET = ("/usr/bin/pmset", "-g", "batt")
ANSWER_S = 5.0
_OFFLINE = 0
_STATUS_BYTES = 12


def on_battery() -> bool:
    """Return whether the machine runs on its battery; False where that is not known. Blocks: call it in a thread."""
    if sys.platform == "win32":
        return windows_on_battery(_power_status())
    elif sys.platform == "darwin":  # noqa: RET505 - the type checker passes over the other systems' branches only so
        return macos_on_battery(_said_by_pmset())
    else:
        return linux_on_battery(SUPPLIES)


def linux_on_battery(supplies: Path) -> bool:
    """Return whether a battery of the machine discharges and nothing else powers it.

    A laptop's charger is of type Mains or USB. The battery of a mouse or headset (its scope is Device) does not count.

    Args:
        supplies: The folder with a folder for each power supply.
    """
    discharges = False
    try:
        found = sorted(supplies.iterdir())
    except OSError:
        return False
    for supply in found:
        kind = _word(supply / "type")
        if kind != "Battery":
            if _word(supply / "online") not in ("", "0"):
                return False
        elif _word(supply / "scope") != "Device" and _word(supply / "status") == "Discharging":
            discharges = True
    return discharges


def macos_on_battery(said: str) -> bool:
    """Return what `pmset -g batt` says: its first line names the source, as in `Now drawing from 'Battery Power'`."""
    return "'Battery Power'" in said.partition("\n")[0]


def windows_on_battery(status: bytes) -> bool:
    """Return what a SYSTEM_POWER_STATUS says: its first byte, ACLineStatus, is 0 offline, 1 online, 255 unknown.

    Args:
        status: The structure as GetSystemPowerStatus fills it (winbase.h), or nothing.
    """
    return bool(status) and status[0] == _OFFLINE


def _word(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace").strip()
    except OSError:
        return ""


if sys.platform == "win32":
    import ctypes

    def _power_status() -> bytes:
        status = ctypes.create_string_buffer(_STATUS_BYTES)
        return status.raw if ctypes.WinDLL("kernel32").GetSystemPowerStatus(status) else b""


def _said_by_pmset() -> str:
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program of the system
            PMSET, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=ANSWER_S, check=False
        )
    except (OSError, subprocess.SubprocessError, ValueError):
        return ""
    return done.stdout
