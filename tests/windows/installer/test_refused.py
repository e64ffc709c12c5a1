"""What setup refuses, and what it does when it is told otherwise than usual: folders, choices, data."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from machine import LONG_S, until
from person import RECOVERY, RUN, UNINSTALL, Installed, install, usual_folder

if TYPE_CHECKING:
    from pathlib import Path

    from machine import Machine
    from screen import Screen

DAMAGED, NOT_THERE, IN_USE = 2, 4, 5
ERROR = "NSIS Error"
PLACE = "Eigene Programme/Wächter für Läden"


@pytest.fixture(scope="module")
def tampered(setup: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A setup of which one bit is another one, deep in what it packs."""
    copy = tmp_path_factory.mktemp("tampered") / f"tampered-{setup.name}"
    shutil.copyfile(setup, copy)
    with copy.open("r+b") as file:
        place = setup.stat().st_size * 3 // 5
        file.seek(place)
        (byte,) = file.read(1)
        file.seek(place)
        file.write(bytes((byte ^ 1,)))
    return copy


@pytest.fixture(scope="module")
def refused(machine: Machine, tampered: Path) -> int:
    return install(machine, tampered)


def test_a_tampered_setup_is_refused_without_a_word(refused: int) -> None:
    """Whoever runs it unattended is told by its exit code."""
    assert refused == DAMAGED


def test_a_tampered_setup_lays_nothing_down(refused: int, machine: Machine) -> None:
    """Not even a folder."""
    assert refused != 0

    assert not usual_folder(machine).exists()


def test_a_tampered_setup_says_so(machine: Machine, tampered: Path, refused: int, screen: Screen) -> None:
    """In a message, when somebody has double-clicked it."""
    assert refused != 0

    machine.open(machine.bring(tampered))
    number = until(lambda: screen.window(ERROR), "the message", LONG_S)
    screen.until_drawn(number)
    screen.picture("a tampered setup")
    screen.press(number, "Return")

    screen.until_gone(number)
    until(lambda: not machine.programs(), "setup has ended")
    assert not usual_folder(machine).exists()


@pytest.fixture(scope="module")
def occupied(machine: Machine) -> Path:
    """A folder in which somebody has other things."""
    folder = machine.home / "Documents" / "Wichtiges"
    folder.mkdir(parents=True)
    (folder / "Steuer.txt").write_text("nicht verlieren", "utf-8")
    machine.own(folder)
    return folder


def test_a_folder_with_other_things_is_refused(machine: Machine, setup: Path, occupied: Path) -> None:
    """The uninstaller would delete what lies there: so nothing is put beside it, and it stays as it was."""
    code = install(machine, setup, f"/D={machine.name(occupied)}")

    assert code == NOT_THERE
    assert [path.name for path in occupied.iterdir()] == ["Steuer.txt"]


@pytest.fixture(scope="module")
def elsewhere(machine: Machine, setup: Path, refused: int) -> Installed:
    """Installed into a folder with spaces and umlauts, without a start at login, and off PATH."""
    assert refused != 0
    folder = machine.drive / PLACE
    folder.parent.mkdir()
    machine.own(folder.parent)
    assert install(machine, setup, "/AUTOSTART=0", "/PATH=0", f"/D={machine.name(folder)}") == 0
    return Installed(machine, folder)


def test_it_goes_into_a_folder_with_spaces_and_umlauts(elsewhere: Installed) -> None:
    """And nowhere else."""
    assert elsewhere.launcher.is_file()
    assert not usual_folder(elsewhere.machine).exists()


def test_it_runs_from_such_a_folder(elsewhere: Installed, version: str) -> None:
    """With all that it imports."""
    assert elsewhere.command("--version").out == f"watchkeeper {version}\n"
    assert elsewhere.command("doctor", "--json").document()["checks"]


def test_it_does_not_start_at_login_when_that_is_not_wanted(elsewhere: Installed) -> None:
    """`/AUTOSTART=0`."""
    assert elsewhere.machine.value(RUN, "Watchkeeper") is None


def test_it_stays_off_path_when_that_is_not_wanted(elsewhere: Installed) -> None:
    """`/PATH=0`."""
    path = elsewhere.machine.value(r"HKCU\Environment", "Path") or ""

    assert PLACE.rpartition("/")[2] not in path


@dataclass(frozen=True, slots=True)
class Held:
    """An upgrade while something of the program was in use that does not end when it is asked."""

    code: int
    shown: str
    there: list[str]


@pytest.fixture(scope="module")
def held(elsewhere: Installed, next_setup: Path) -> Held:
    python = elsewhere.machine.name(elsewhere.program / "python.exe")
    program = elsewhere.machine.begin(python, "-c", "import sys; print(flush=True); sys.stdin.read()")
    try:
        assert program.stdout is not None
        assert program.stdout.readline()
        code = install(elsewhere.machine, next_setup)
    finally:
        program.communicate(timeout=60)
    there = sorted(path.name for path in elsewhere.folder.iterdir())
    return Held(code, elsewhere.command("--version").out, there)


def test_an_upgrade_of_what_is_in_use_is_refused(held: Held) -> None:
    """Its exit code tells."""
    assert held.code == IN_USE


def test_what_could_not_be_upgraded_is_as_it_was(held: Held, version: str) -> None:
    """The older version works, and nothing of the new one is left."""
    assert held.shown == f"watchkeeper {version}\n"
    assert held.there == ["program", "uninstall.exe"]


@pytest.fixture(scope="module")
def with_data(elsewhere: Installed, held: Held) -> list[Path]:
    """A vault and settings of the person's; returns the folders that hold them."""
    assert held.code != 0
    made = elsewhere.command("keys", "init", "--recovery-file", RECOVERY)
    kept = elsewhere.command("keys", "set", "A_KEY", given="a value\n")
    assert (made.code, kept.code) == (0, 0), (made, kept)
    return [path for path in elsewhere.machine.local.glob("*") if path.name.lower() == "watchkeeper"]


@pytest.fixture(scope="module")
def removed(elsewhere: Installed, with_data: list[Path]) -> int:
    assert with_data
    return elsewhere.uninstall("/DELETEDATA=1")


def test_the_data_goes_when_that_is_asked(removed: int, with_data: list[Path]) -> None:
    """`/DELETEDATA=1`: settings, history, vault and logs."""
    assert removed == 0

    assert [path for path in with_data if path.exists()] == []


def test_the_vaults_keys_go_with_it(removed: int, machine: Machine) -> None:
    """Nothing of it is left in the Credential Manager."""
    assert removed == 0

    kept = machine.registry(r"HKCU\Software\Wine\Credential Manager")

    assert "watchkeeper" not in str(kept).lower()


def test_the_folder_it_was_put_into_is_gone(removed: int, elsewhere: Installed) -> None:
    """And so is its entry in the list of programs; the folder above it is the person's."""
    assert removed == 0

    assert not elsewhere.folder.exists()
    assert elsewhere.folder.parent.exists()
    assert elsewhere.machine.value(UNINSTALL, "DisplayName") is None
