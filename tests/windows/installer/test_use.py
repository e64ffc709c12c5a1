"""What a person does with it: starts it from the Start menu, watches a project, upgrades it as it runs, removes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from machine import until
from person import (
    BROKEN,
    GOOD,
    RECOVERY,
    RUN,
    UNINSTALL,
    WIZARD,
    Installed,
    install,
    make_project,
    skip_wizard,
    usual_folder,
    words_of,
)
from screen import Visitors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from machine import Machine, Ran
    from screen import Area, Screen

WINDOW = "Watchkeeper"
SETTING = ("tests.hang_seconds", "471")


@pytest.fixture(scope="module")
def visitors() -> Iterator[Visitors]:
    """Whatever shows a window during all this."""
    with Visitors() as visitors:
        yield visitors


@pytest.fixture(scope="module")
def installed(machine: Machine, setup: Path, visitors: Visitors) -> Installed:
    assert visitors.classes is not None
    assert install(machine, setup, "/AUTOSTART=0", "/PATH=0") == 0
    return Installed(machine, usual_folder(machine))


@dataclass(frozen=True, slots=True)
class Started:
    """How it came up after a double click on the Start menu's entry."""

    snapshot: dict[str, Any]
    icons: list[Area]
    steps: int
    window: str
    programs: list[str]


@pytest.fixture(scope="module")
def started(installed: Installed, screen: Screen) -> Started:
    installed.machine.open(installed.shortcut)
    screen.until_window(WIZARD)
    snapshot = installed.until_running()
    icons = until(screen.tray_icons, "the icon in the tray")
    screen.picture("the first start")
    steps = skip_wizard(screen)
    last = screen.until_window(WINDOW)
    screen.picture("the window")
    return Started(snapshot, icons, steps, screen.windows()[last], installed.machine.programs())


def test_the_first_start_shows_the_wizard(started: Started) -> None:
    """Nobody has to know that there is a tray. It has three steps, and each can be skipped."""
    assert started.steps == 3


def test_behind_the_wizard_is_the_window(started: Started) -> None:
    """It has the program's name."""
    assert started.window == WINDOW


def test_the_tray_has_the_icon(started: Started) -> None:
    """One."""
    assert len(started.icons) == 1


def test_the_program_answers_its_command_line(started: Started) -> None:
    """By the control socket on the loopback device."""
    assert started.snapshot["mood"] in {"unknown", "green", "degraded"}


def test_two_processes_run(started: Started, installed: Installed) -> None:
    """The program, and its small parent that starts it again; both are the launcher, no bare interpreter."""
    ours = words_of(started.programs, installed.machine.name(installed.launcher))

    assert len(ours) == 2, started.programs
    assert len([line for line in ours if "--keep" in line]) == 1


@dataclass(frozen=True, slots=True)
class Again:
    """What a second start came to."""

    was_open: bool
    is_open: bool
    programs: list[str]


@pytest.fixture(scope="module")
def again(installed: Installed, started: Started, screen: Screen) -> Again:
    number = screen.until_window(started.window)
    screen.press(number, "ctrl+w")
    screen.until_gone(number)
    was_open = screen.window(WINDOW) is not None
    installed.machine.open(installed.shortcut)
    screen.until_window(WINDOW)
    launcher = installed.machine.name(installed.launcher)
    until(lambda: len(words_of(installed.machine.programs(), launcher)) == 2, "the second start is over")
    return Again(was_open, screen.window(WINDOW) is not None, installed.machine.programs())


def test_a_second_start_raises_the_first(again: Again) -> None:
    """The window that was closed is there again."""
    assert (again.was_open, again.is_open) == (False, True)


def test_a_second_start_leaves_no_second_program(again: Again, installed: Installed) -> None:
    """It ends when it has asked the first."""
    assert len(words_of(again.programs, installed.machine.name(installed.launcher))) == 2


@pytest.fixture(scope="module")
def project(installed: Installed, again: Again) -> Path:
    """A project that the running program was told to watch, from a terminal."""
    assert again.is_open
    folder = installed.machine.home / "Eigene Projekte" / "Läden"
    make_project(installed.machine, folder)
    ran = installed.command(installed.machine.name(folder))
    assert ran.code == 0, ran
    return folder


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What was seen of the project: at first, after a bad save, after a good one."""

    first: dict[str, Any]
    red: dict[str, Any]
    green: dict[str, Any]


@pytest.fixture(scope="module")
def verdicts(installed: Installed, project: Path, screen: Screen) -> Verdicts:
    first = installed.until_mood("green")
    (project / "prices.py").write_text(BROKEN, "utf-8")
    red = installed.until_mood("red")
    screen.picture("a red test")
    (project / "prices.py").write_text(GOOD, "utf-8")
    green = installed.until_mood("green")
    screen.picture("green again")
    return Verdicts(first, red, green)


def test_the_projects_own_python_runs_its_tests(verdicts: Verdicts, installed: Installed) -> None:
    """That of its environment, never the one that was installed."""
    (project,) = verdicts.first["projects"].values()

    assert project["interpreter_source"] == ".venv"
    assert installed.machine.name(installed.folder) not in project["interpreter"]


def test_a_bad_save_turns_it_red(verdicts: Verdicts) -> None:
    """Seen by itself, and the test is named."""
    (project,) = verdicts.red["projects"].values()

    assert "test_prices.py::test_total" in project["tests"]
    assert project["last"]["cause"]["paths"] == ["prices.py"], project["last"]


def test_a_good_save_turns_it_green(verdicts: Verdicts) -> None:
    """Likewise."""
    assert verdicts.green["mood"] == "green"


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What an upgrade came to while the program ran."""

    code: int
    shown: str
    before: list[str]
    after: list[str]
    snapshot: dict[str, Any]
    setting: Any
    secret: Ran


@pytest.fixture(scope="module")
def upgraded(installed: Installed, verdicts: Verdicts, next_setup: Path, screen: Screen) -> Upgraded:
    assert verdicts.green
    assert installed.command("config", "set", *SETTING).code == 0
    made = installed.command("keys", "init", "--recovery-file", RECOVERY)
    kept = installed.command("keys", "set", "A_KEY", given="a value\n")
    assert (made.code, kept.code) == (0, 0), (made, kept)
    for stale in ("stale.py", "app/stale.py"):
        (installed.program / "lib" / stale).write_text("raise SystemExit('of an older version')\n", "utf-8")
    before = installed.machine.programs()
    code = install(installed.machine, next_setup)
    snapshot = installed.until_mood("green") if code == 0 else {}
    screen.picture("after the upgrade")
    shown = installed.command("--version").out
    settings = installed.document("config", "show")
    secret = installed.command("keys", "get", "A_KEY")
    return Upgraded(code, shown, before, installed.machine.programs(), snapshot, settings, secret)


def test_an_upgrade_while_it_runs_ends_with_0(upgraded: Upgraded) -> None:
    """It asks the program to end, and waits for it."""
    assert upgraded.code == 0


def test_an_upgrade_brings_the_next_version(upgraded: Upgraded, next_version: str) -> None:
    """The command line says so."""
    assert upgraded.shown == f"watchkeeper {next_version}\n"


def test_an_upgrade_shows_its_version_in_the_list_of_programs(
    upgraded: Upgraded, installed: Installed, next_version: str
) -> None:
    """There is one entry."""
    assert upgraded.code == 0

    shown = installed.machine.value(UNINSTALL, "DisplayVersion") or ""

    assert shown.startswith(next_version)


def test_an_upgrade_starts_what_ran(upgraded: Upgraded, installed: Installed) -> None:
    """The program is in the tray again, with its parent."""
    launcher = installed.machine.name(installed.launcher)

    assert len(words_of(upgraded.before, launcher)) == 2
    assert len(words_of(upgraded.after, launcher)) == 2, upgraded.after


def test_after_an_upgrade_the_project_is_watched(upgraded: Upgraded, project: Path, installed: Installed) -> None:
    """Though it was named on the command line only."""
    assert list(upgraded.snapshot["projects"]) == [installed.machine.name(project)]


def test_an_upgrade_keeps_settings(upgraded: Upgraded) -> None:
    """As the person has set them."""
    section, name = SETTING[0].split(".")

    assert upgraded.setting["settings"][section][name] == float(SETTING[1])


def test_an_upgrade_keeps_the_vault(upgraded: Upgraded) -> None:
    """And it opens."""
    assert (upgraded.secret.code, upgraded.secret.out.strip()) == (0, "a value"), upgraded.secret


def test_a_program_is_given_a_secret_and_what_it_prints_is_masked(upgraded: Upgraded, installed: Installed) -> None:
    """Its exit code is passed on."""
    assert upgraded.secret.code == 0
    ran = installed.command("keys", "run", "--only", "A_KEY", "--", "cmd", "/c", "echo it is %A_KEY%& exit 7")

    assert (ran.code, ran.out.strip()) == (7, "it is ***"), ran


def test_an_upgrade_keeps_the_choice_not_to_start_at_login(upgraded: Upgraded, installed: Installed) -> None:
    """Nobody is asked again, and nothing is switched on."""
    assert upgraded.code == 0

    assert installed.machine.value(RUN, "Watchkeeper") is None


def test_an_upgrade_leaves_no_stale_file(upgraded: Upgraded, installed: Installed) -> None:
    """What the older version had and the new one has not is gone, with both trees' other names."""
    assert upgraded.code == 0

    stale = [path.name for path in installed.folder.rglob("stale*")]

    assert stale == []
    assert sorted(path.name for path in installed.folder.iterdir()) == ["program", "uninstall.exe"]


@dataclass(frozen=True, slots=True)
class Removed:
    """What was there after the uninstaller, run while the program ran."""

    code: int
    programs: list[str]
    icons: list[Area]


@pytest.fixture(scope="module")
def removed(installed: Installed, upgraded: Upgraded, screen: Screen) -> Removed:
    assert upgraded.code == 0
    code = installed.uninstall()
    until(lambda: not installed.machine.programs(), "all of it has ended")
    return Removed(code, installed.machine.programs(), screen.tray_icons())


def test_the_uninstaller_ends_the_program(removed: Removed) -> None:
    """No process is left, and no icon of it."""
    assert (removed.code, removed.programs, removed.icons) == (0, [], [])


def test_the_uninstaller_takes_everything_though_it_ran(removed: Removed, installed: Installed) -> None:
    """No file was held open."""
    assert removed.code == 0

    assert not installed.folder.exists()
    assert not installed.shortcut.exists()


def test_no_console_window_came_up(removed: Removed, visitors: Visitors) -> None:
    """Neither from setup nor from the program, its guards, workers and git: a black window that flashes frightens."""
    assert removed.code == 0

    assert {name for name in visitors.classes if "conhost" in name or "gone at once" in name} == set()
    assert "watchkeeper.exe" in visitors.classes
