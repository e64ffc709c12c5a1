"""Row 35: each small file that the program keeps is cut short, of a wrong type, huge, or no file at all (row 31)."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.headless import LIGHT, a_shop
from tests.faults.housed import housed, places_in
from tests.faults.test_disk import NOWHERE, OnDisk

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.headless import Headless

HUGE = 100 * 1024 * 1024
MORE = 48 * 1024 * 1024
"""Bytes by which the program may have been larger at most than over sound files: less than half of a huge one."""

BY_HAND = (
    "data/trusted-projects.json",
    "data/spending.json",
    "data/consent.json",
    "data/lives/marker.json",
    "data/lives/ends.json",
    "data/history.sqlite3.migrating",
    "runtime/metrics.token",
    "runtime/control.json",
)
"""What a short life does not make; those of each project, by its key, are made beside those that it does."""

MADE = {
    "cache/settings-last-good.toml",
    "data/alerts/mail/000000000001.json",
    "data/history.sqlite3.clean",
    "runtime/heartbeats.json",
    "runtime/instance.json",
    "data/lives/current.json",
    "settings/settings.toml",
}
"""Some of what it does make, so that a life that made nothing would be noticed."""

OTHER_ROWS = ("history.sqlite3", "history.sqlite3-wal", "history.sqlite3-shm", "watchkeeper.log")


def truncated(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2] or b'{"schema": 1, "pro')


def of_a_wrong_type(file: Path) -> None:
    file.write_text("[17, null]" if file.suffix != ".toml" else 'tests = "all"\n', encoding="utf-8")


def huge(file: Path) -> None:
    os.truncate(file, HUGE)


def no_file(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def state_files(home: Path) -> list[Path]:
    """Return every small file that lies in a home, whatever it is for."""
    found = [path for path in home.rglob("*") if path.is_file() and path.name not in OTHER_ROWS]
    return sorted(path for path in found if path.suffix not in {".lock", ".sock"} and "backups" not in path.parts)


def with_state(tmp_path: Path, root: Path) -> tuple[Path, int]:
    """Have a life leave all the state there is, and return its home and the most memory that it took."""
    home = tmp_path / "home"
    with OnDisk(root, home, more=NOWHERE, tests=LIGHT | {"impact": True}) as program:
        program.until_verdict("green")
        program.command("audit", str(root))
        program.save("def total(prices):\n    return 0\n")
        program.until_verdict("red")
        shutil.copytree(home, tmp_path / "kept", ignore=shutil.ignore_patterns("*.sock", "*.lock"))
        peak = most_memory(program)
    program.save("def total(prices):\n    return sum(prices)\n")
    kept = tmp_path / "kept"
    shutil.copy(home / "data" / "history.sqlite3", kept / "data" / "history.sqlite3")
    shutil.copy(home / "data" / "history.sqlite3.clean", kept / "data" / "history.sqlite3.clean")
    for name in BY_HAND:
        (kept / name).write_text('{"schema": 1}', encoding="utf-8")
    for path in list((kept / "data" / "audits").glob("*.json")):
        (kept / "data" / "reviews").mkdir(exist_ok=True)
        (kept / "data" / "reviews" / path.name).write_text('{"schema": 1}', encoding="utf-8")
    assert {str(path.relative_to(kept)) for path in state_files(kept)} >= MADE
    return kept, peak


def most_memory(program: Headless) -> int:
    """Return the most memory that the program has taken so far, in bytes."""
    status = Path(f"/proc/{program.process.pid}/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


DAMAGES: tuple[Callable[[Path], None], ...] = (truncated, of_a_wrong_type, huge, no_file)


@pytest.mark.parametrize("turns", [(2,), pytest.param((0, 1, 3), marks=pytest.mark.slow)])
def test_row_35_no_state_file_keeps_the_program_from_its_work(
    tmp_path: Path,
    turns: tuple[int, ...],
    tidy: None,  # noqa: ARG001 - for what it holds
) -> None:
    """All are damaged at once, one so and the next so: set aside or made anew, said, and no huge one takes memory.

    In four turns each of them has had each damage.
    """
    root = a_shop(tmp_path / "shop")
    kept, peak = with_state(tmp_path, root)

    for turn in turns:
        home = tmp_path / f"turn-{turn}"
        shutil.copytree(kept, home)
        program = OnDisk(root, home, environ={"VIRTUAL_ENV": sys.prefix})  # its settings will be of no use
        for number, file in enumerate(state_files(home)):
            DAMAGES[(number + turn) % len(DAMAGES)](file)
        with program:
            program.until_each("green", "+settings", "+history")
            grown = most_memory(program) - peak
            status = program.command("status", "--json")
            told = program.log()
        set_aside = {Path(event["file"]) for event in told if event["event"] == "a state file cannot be used"}

        assert grown < MORE
        assert status.returncode == 0
        assert {home / "data" / "lives" / name for name in ("current.json", "marker.json", "ends.json")} <= set_aside
        assert all(file.with_name(f"{file.name}.broken").exists() for file in set_aside)
        assert not program.agents() & {"backoff", "failed", "stale"}


async def test_row_35_a_log_that_is_no_file_is_told(tmp_path: Path) -> None:
    """Nobody waits for the reader of a FIFO: the program runs without a log file, and says so."""
    places = places_in(tmp_path)
    os.mkfifo(places.log_file("watchkeeper"))

    async with housed(places) as home:
        told = home.told("log")

    assert len(told) == 1
    assert str(places.logs) in told[0]
