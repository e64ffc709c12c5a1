"""Rows 29 to 31: the disk under the program is full, read-only, or does not answer at all."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from tests.faults.disks import fill, hanging, inside, own_mounts, read_only, seen, small_disk, watchkeeper
from tests.faults.headless import BAD, END_S, GOOD, Headless, a_shop

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = "16m"
GROWTH = 48 * 1024 * 1024
"""Bytes by which the program may be larger at most after a while without a disk; a run alone takes about 10 MiB."""

GIVEN_UP_S = 5.0
"""How long a folder that does not answer is waited for."""

REFUSED = 3
"""How a command ends that could not do its work."""

NOWHERE = (
    '[alerts.mail]\nhost = "127.0.0.1"\nport = 9\nsecurity = "none"\nsender = "w@example.org"\nto = ["w@example.org"]\n'
)
"""A mail server that is not there, so that alerts have to wait."""

CONSENT = '{"schema": 1, "projects": {"/somewhere": {"deepseek": 1}}}'


def home_with(folder: Path, more: str = "") -> Path:
    """Make a home with a state file in it, and more settings; those of the tests come from who starts it."""
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "consent.json").write_text(CONSENT, encoding="utf-8")
    (folder / "more.toml").write_text(more, encoding="utf-8")
    return folder


class OnDisk(Headless):
    """The program with more settings, and what it tells.

    Args:
        root: The project.
        home: Where the program's own folders lie.
        more: More sections of the settings, as TOML.
        how: As for `Headless`.
    """

    def __init__(self, root: Path, home: Path, *, more: str = "", **how: Any) -> None:
        super().__init__(root, home, **how)
        with (home / "settings" / "settings.toml").open("a", encoding="utf-8") as file:
            file.write(more)

    def notices(self, key: str) -> list[str]:
        """Return what happened to a notice so far, in order: `NoticeRaised`, `NoticeCleared`."""
        return [event["event"] for event in self.events if event.get("key") == key]

    def until_each(self, *wanted: str, within_s: float = 40.0) -> None:
        """Read on until each of these has come: a verdict, or a notice's key with `+` or `-` in front."""
        due = time.monotonic() + within_s
        left = set(wanted)
        while left:
            event = self.until(lambda _event: True, within_s=max(0.1, due - time.monotonic()))
            sign = {"NoticeRaised": "+", "NoticeCleared": "-"}.get(event["event"])
            left.discard(f"{sign}{event['key']}" if sign else event.get("verdict", ""))

    def agents(self) -> set[str]:
        """Return the states that any agent was in so far."""
        return {event["state"] for event in self.events if event["event"] == "AgentChanged"}


def until(holds: Callable[[], object], *, within_s: float = 40.0) -> None:
    """Look until something holds."""
    due = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < due
        time.sleep(0.05)


def verdicts(program: Headless) -> list[str]:
    """Return what the history tells of the runs, the oldest first."""
    told = watchkeeper(program, "tests", "history", "--json")
    assert told.returncode == 0, told.stderr
    found: list[dict[str, Any]] = json.loads(told.stdout)["runs"]
    return [run["verdict"] for run in reversed(found)]


def refused_setting(program: OnDisk, disk: Path) -> tuple[subprocess.CompletedProcess[str], str]:
    """Change a setting to and fro until the full disk refuses it; return that refusal, and the settings before it.

    What the program removes meanwhile makes room, so a change or two may well come through.
    """
    for value in itertools.islice(itertools.cycle(("false", "true")), 20):
        before = (disk / "settings" / "settings.toml").read_text("utf-8")
        fill(disk)
        told = watchkeeper(program, "config", "set", "audits.tags", value)
        if told.returncode == REFUSED:
            return told, before
        assert told.returncode == 0, told.stderr
    raise AssertionError("a full disk took twenty changes of a setting")


def ends_well_on_a_full_disk(program: OnDisk, disk: Path) -> None:
    """See that its health tells of the disk, and that a stop is one: nothing is left that a next start would mind."""
    log, texts = disk / "logs" / "watchkeeper.log", itertools.cycle((GOOD, BAD))

    def tells_of_history() -> bool:
        # What the program removes makes room again, so it is taken again and again.
        fill(disk, log)
        program.save(next(texts))
        health = watchkeeper(program, "health")
        return health.returncode == 1 and "The history" in health.stdout.partition("\nagents")[0]

    until(tells_of_history)
    lives = os.open(disk / "data" / "lives", os.O_RDONLY)  # the disk goes with its last user
    why = "No space left on device. Its end is lost."
    program.last_words = f"watchkeeper: The log cannot be written in {program.home}/logs: {why}\n"
    fill(disk, log)
    stopped = watchkeeper(program, "stop")
    program.process.wait(END_S)
    left = [path.name for path in Path(f"/proc/self/fd/{lives}").iterdir()]
    os.close(lives)

    assert (stopped.returncode, stopped.stdout) == (0, "Stopped.\n")
    assert "current.json" not in left


def test_row_29_a_full_disk_loses_nothing_and_is_told_once(tmp_path: Path, tidy: None) -> None:  # noqa: ARG001 - for what it holds
    """Files and waiting alerts stay as they were, tests are judged, all is caught up; a stop is one, full or not."""
    root, home = a_shop(tmp_path / "shop"), home_with(tmp_path / "home")
    with OnDisk(root, home, before=small_disk(home, SIZE), more=NOWHERE) as program:
        disk = seen(program, home)
        program.until_verdict("green")
        process = psutil.Process(program.process.pid)
        before = process.memory_info().rss
        ballast = fill(disk)

        program.save(BAD)
        program.until_each("red", "+history")
        program.save(GOOD)
        program.until_verdict("green")
        refused, before_it = refused_setting(program, disk)
        settings = (disk / "settings" / "settings.toml").read_text("utf-8")
        state = (disk / "data" / "consent.json").read_text("utf-8")
        beats = json.loads((disk / "runtime" / "heartbeats.json").read_bytes())
        life = json.loads((disk / "data" / "lives" / "current.json").read_bytes())
        grown = process.memory_info().rss - before

        ballast.unlink()
        program.until_each("-history")
        program.save(BAD)
        program.until_verdict("red")
        posted = [event for event in program.events if event["event"] == "ChannelChanged"][-1]["channel"]["waiting"]
        until(lambda: len(list((disk / "data/alerts/mail").glob("0*.json"))) >= posted)
        told = verdicts(program)
        waiting = [json.loads(path.read_bytes()) for path in sorted((disk / "data/alerts/mail").glob("0*.json"))]
        logged = (disk / "logs" / "watchkeeper.log").read_text("utf-8")

        ends_well_on_a_full_disk(program, disk)

    assert "No space left on device" in refused.stderr
    assert settings == before_it
    assert state == CONSENT
    assert (beats["pid"], life["pid"]) == (process.pid, process.pid)
    assert grown < GROWTH
    assert told == ["green", "red", "green", "red"]
    about = [each["alert"] for each in waiting if each["alert"]["cause"] == "notice:history"]
    assert [alert["is_over"] for alert in about] in ([False], [False, True])
    assert posted > len(about)
    assert "the history can be written again" in logged
    assert not program.agents() & {"backoff", "failed", "stale"}


def test_row_30_on_read_only_folders_tests_are_judged_and_each_folder_is_told_once(
    tmp_path: Path,
    tidy: None,  # noqa: ARG001 - for what it holds
) -> None:
    """History, log, cache, settings and the project itself cannot be written; once the history can, it is caught up."""
    root, home = a_shop(tmp_path / "shop"), home_with(tmp_path / "home")
    folders = [root, *(home / name for name in ("data", "logs", "cache", "settings"))]
    with OnDisk(root, home, before=read_only(*folders)) as program:
        program.until_each("green", "+history", "+log", "+lives")
        program.save(BAD)
        program.until_verdict("red")
        refused = watchkeeper(program, "config", "set", "tests.impact", "true")
        for folder in (home / "data", home / "logs"):
            assert inside(program, "mount", "-o", "remount,bind,rw", folder).returncode == 0
        program.until_each("-history")
        program.save(GOOD)
        program.until_verdict("green")
        told = verdicts(program)

    assert program.notices("history") == ["NoticeRaised", "NoticeCleared"]
    assert program.notices("log") == program.notices("lives") == ["NoticeRaised"]
    assert told == ["green", "red", "green"]
    assert refused.returncode == 3
    assert "Read-only file system" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not program.agents() & {"backoff", "failed", "stale"}


def test_row_30_without_a_folder_for_its_lock_it_says_so_and_does_not_start(tmp_path: Path) -> None:
    """That no second one runs could not be known: a sentence with what to do, and the exit code for what cannot be."""
    root, home = a_shop(tmp_path / "shop"), tmp_path / "home"
    words = [sys.executable, "-m", "app.main", "run", str(root), "--headless"]
    argv = [*read_only(home / "runtime"), *words]

    done = subprocess.run(
        argv, env=os.environ | {"WATCHKEEPER_HOME": str(home)}, capture_output=True, text=True, timeout=30, check=False
    )

    assert done.returncode == 3
    assert "Read-only file system" in done.stderr
    assert "WATCHKEEPER_HOME" in done.stderr
    assert "Traceback" not in done.stderr


HANGS = ("settings", "cache", "data/conversations", "data/audits", "data/reviews", "data/alerts", "data/aws")


def test_row_31_folders_that_never_answer_are_given_up_and_the_rest_goes_on(
    tmp_path: Path,
    tidy: None,  # noqa: ARG001 - for what it holds
) -> None:
    """Settings, cache, all but the history: a run waits 5 s at most, the history is written, the end is in time."""
    root, home = a_shop(tmp_path / "shop"), home_with(tmp_path / "home")
    with OnDisk(root, home, before=own_mounts(), more=NOWHERE) as program:
        program.until_verdict("green")
        with hanging(program, [home / name for name in HANGS]):
            began = time.monotonic()
            program.save(BAD)
            program.until_each("red", "+settings")
            first_s = time.monotonic() - began
            began = time.monotonic()
            program.save(GOOD)
            program.until_verdict("green")
            second_s = time.monotonic() - began
            status = program.command("status")
            told = program.command("tests", "history", "--json")
        program.until_each("-settings")

    assert first_s < GIVEN_UP_S + END_S
    assert second_s < GIVEN_UP_S
    assert status.returncode == 0
    assert [run["verdict"] for run in json.loads(told.stdout)["runs"]] == ["green", "red", "green"]
    assert program.notices("settings") == ["NoticeRaised", "NoticeCleared"]
    assert not program.agents() & {"backoff", "failed", "stale"}
