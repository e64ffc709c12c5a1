"""Setup without a word, as a school or a company runs it: what it lays down, what it leaves alone, what works then."""

from __future__ import annotations

import filecmp
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from machine import app_ids, new_in
from person import APP_ID, BROKEN, RECOVERY, RUN, UNINSTALL, Installed, install, make_project, usual_folder

if TYPE_CHECKING:
    from pathlib import Path

    from machine import Machine

STAND_INS = {"icuuc.dll", "mscms.dll", "bcryptprimitives.dll"}
SECRET = "sk-der-Schlüssel-4711"  # noqa: S105 - opens nothing
CREDENTIALS = "Credential Manager"
"""Where Wine keeps, in the registry, what the vault has put there."""
NOISE = ("/Temp/", "/INetCache/", "/Recent/", "/Downloads", "windows/temp/", "windows/inf/", "windows/logs/")
"""Where Windows' own programs write as they like, and where the setup lies."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What there was on the machine at one moment."""

    files: dict[str, tuple[int, int]]
    person: dict[str, dict[str, str]]
    everybody: dict[str, dict[str, str]]
    programs: list[str]


def look(machine: Machine) -> Seen:
    keys = {root: machine.registry(rf"{root}\Software") for root in ("HKCU", "HKLM")}
    return Seen(machine.files(), keys["HKCU"], keys["HKLM"], machine.programs())


@pytest.fixture(scope="module")
def before(machine: Machine) -> Seen:
    return look(machine)


@pytest.fixture(scope="module")
def code(machine: Machine, before: Seen, setup: Path) -> int:
    assert before.files
    return install(machine, setup)


@pytest.fixture(scope="module")
def after(machine: Machine, code: int) -> Seen:
    assert code == 0
    return look(machine)


@pytest.fixture(scope="module")
def installed(machine: Machine, after: Seen) -> Installed:
    assert after.files
    return Installed(machine, usual_folder(machine))


def test_setup_ends_with_0(code: int) -> None:
    """Whoever runs it unattended goes by that."""
    assert code == 0


def test_every_file_of_the_payload_is_there(installed: Installed, payload: Path) -> None:
    """And each is the same to the last byte."""
    names = sorted(path.relative_to(payload).as_posix() for path in payload.rglob("*") if path.is_file())

    same, other, missing = filecmp.cmpfiles(payload, installed.program, names, shallow=False)

    assert len(same) > 1000
    assert (other, missing) == ([], [])


def test_nothing_is_there_but_the_payload(installed: Installed, payload: Path) -> None:
    """Beside it lie the bytecode that setup makes of it, and the uninstaller."""
    packed = {path.relative_to(payload).as_posix() for path in payload.rglob("*") if path.is_file()}
    there = {path.relative_to(installed.folder).as_posix() for path in installed.folder.rglob("*") if path.is_file()}

    more = {name for name in there if not name.endswith(".pyc")} - {f"program/{name}" for name in packed}

    assert more == {"uninstall.exe"}


def test_no_stand_in_of_the_tests_is_installed(installed: Installed) -> None:
    """What lets an older Wine run Qt is no part of the product."""
    names = {path.name.lower() for path in installed.folder.rglob("*")}

    assert names & STAND_INS == set()


def test_files_come_nowhere_else(before: Seen, after: Seen, installed: Installed) -> None:
    """But for the Start menu's entry: nothing in Program Files, in Windows' own folders, or on the desktop."""
    above, ours = (
        folder.relative_to(installed.machine.drive).as_posix() for folder in (installed.folder.parent, installed.folder)
    )
    menu = installed.shortcut.relative_to(installed.machine.drive).as_posix()

    new = [name for name in new_in(after.files, before.files) if not any(each in name for each in NOISE)]
    elsewhere = {name for name in new if not name.startswith(f"{ours}/")}

    assert elsewhere - {above, ours} == {menu}


def test_nothing_comes_under_hklm(before: Seen, after: Seen) -> None:
    """That is for what all people of a machine share."""
    assert [key for key in new_in(after.everybody, before.everybody) if "watchkeeper" in key.lower()] == []
    assert "watchkeeper" not in str(after.everybody).lower()


def test_the_list_of_programs_has_it(after: Seen, installed: Installed, version: str) -> None:
    """With its version, and how to remove it."""
    values = _values(after, UNINSTALL)

    assert values["DisplayName"] == "Watchkeeper"
    assert values["DisplayVersion"].startswith(version)
    assert values["InstallLocation"] == installed.machine.name(installed.folder)
    assert values["UninstallString"] == f'"{installed.machine.name(installed.folder / "uninstall.exe")}"'


def test_the_start_menu_has_it(installed: Installed) -> None:
    """The entry names the launcher."""
    content = installed.shortcut.read_bytes()

    assert "watchkeeper.exe".encode("utf-16-le") in content
    assert "--keep".encode("utf-16-le") in content


def test_the_start_menus_entry_has_our_app_user_model_id(installed: Installed) -> None:
    """By it Windows knows whose a notification is."""
    from app.system.notifications import APP_NAME  # noqa: PLC0415 - beside the one place that it is compared in

    assert app_ids(installed.shortcut) == [APP_NAME]


def test_notifications_have_a_name_and_a_picture(after: Seen, installed: Installed) -> None:
    """The picture is there."""
    values = _values(after, APP_ID)

    assert values["DisplayName"] == "Watchkeeper"
    assert installed.machine.path(values["IconUri"]).is_file()


def test_it_starts_at_login(after: Seen, installed: Installed) -> None:
    """The Run key names the launcher, which keeps the program."""
    value = _values(after, RUN)["Watchkeeper"]

    assert value == f'"{installed.machine.name(installed.launcher)}" --keep'


def test_the_program_says_that_it_starts_at_login(installed: Installed) -> None:
    """And finds nothing wrong with that."""
    told = installed.document("autostart", "status")

    assert [entry["method"] for entry in told["entries"]] == ["run"]
    assert told["troubles"] == []


def test_path_has_the_command(installed: Installed) -> None:
    """And no folder that holds a python.exe, which would hide the person's own."""
    path = installed.machine.value(r"HKCU\Environment", "Path") or ""

    assert path.split(";")[-1] == installed.machine.name(installed.program / "bin")
    assert not (installed.program / "bin" / "python.exe").exists()


def test_nothing_runs_when_setup_has_ended_without_a_word(after: Seen) -> None:
    """Nobody has asked for it, and no step of setup was left behind."""
    assert after.programs == []


def test_a_terminal_finds_the_command(installed: Installed, version: str) -> None:
    """By its bare name, as a person types it."""
    ran = installed.machine.run("cmd", "/c", "watchkeeper --version")

    assert (ran.code, ran.out) == (0, f"watchkeeper {version}\n")


def test_the_command_line_has_its_exit_codes(installed: Installed) -> None:
    """Scripts go by them on Windows too."""
    assert installed.command("status").code == 3
    assert installed.command("no-such-folder").code == 2
    assert installed.command("--no-such-option").code == 2


def test_doctor_finds_nothing_broken(installed: Installed) -> None:
    """On a machine where nothing ran yet."""
    ran = installed.command("doctor", "--json")

    failed = [each for each in ran.document()["checks"] if each["level"] == "fail"]
    assert failed == []


@pytest.fixture(scope="module")
def project(installed: Installed) -> Path:
    folder = installed.machine.home / "Eigene Projekte" / "Läden"
    make_project(installed.machine, folder)
    return folder


def test_once_runs_a_green_project(installed: Installed, project: Path) -> None:
    """With the project's own Python, in a folder with a space and an umlaut."""
    ran = installed.command("once", ".", "--json", folder=project)

    assert (ran.code, ran.document()["verdict"]) == (0, "green"), ran


def test_once_finds_a_red_test(installed: Installed, project: Path) -> None:
    """And names it."""
    (project / "prices.py").write_text(BROKEN, "utf-8")

    ran = installed.command("once", ".", "--json", folder=project)

    told = ran.document()
    assert (ran.code, told["verdict"]) == (1, "red"), ran
    assert "test_total" in str(told)


@pytest.fixture(scope="module")
def vault(installed: Installed) -> dict[str, Any]:
    """A vault with one secret, made as a person makes it."""
    made = installed.command("keys", "init", "--recovery-file", RECOVERY)
    kept = installed.command("keys", "set", "DEEPSEEK_API_KEY", given=f"{SECRET}\n")
    return {"made": made, "kept": kept}


def test_a_vault_is_made(vault: dict[str, Any]) -> None:
    """By DPAPI and the Credential Manager, without a question."""
    assert vault["made"].code == 0, vault["made"]


def test_a_secret_is_kept(vault: dict[str, Any]) -> None:
    """It comes by stdin."""
    assert vault["kept"].code == 0, vault["kept"]


def test_a_secret_comes_back(installed: Installed, vault: dict[str, Any]) -> None:
    """In another process, letter by letter."""
    assert vault["kept"].code == 0

    ran = installed.command("keys", "get", "DEEPSEEK_API_KEY")

    assert (ran.code, ran.out.rstrip("\n")) == (0, SECRET), ran.err


def test_the_vaults_file_does_not_hold_the_secret(installed: Installed, vault: dict[str, Any]) -> None:
    """Nor does anything else that was written."""
    assert vault["kept"].code == 0

    holding = [
        path for path in installed.machine.local.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()
    ]

    assert holding == []


@pytest.fixture(scope="module")
def removed(installed: Installed, vault: dict[str, Any]) -> Seen:
    """What there is when it was removed again."""
    assert vault
    assert installed.uninstall() == 0
    return look(installed.machine)


def test_the_uninstaller_leaves_no_file(installed: Installed, removed: Seen) -> None:
    """Of the program: its folder and the Start menu's entry are gone."""
    ours = installed.folder.relative_to(installed.machine.drive).as_posix()

    assert [name for name in removed.files if name == ours or name.startswith(f"{ours}/")] == []
    assert not installed.shortcut.exists()


def test_the_uninstaller_leaves_no_key(before: Seen, removed: Seen, installed: Installed) -> None:
    """Of the registry: neither a key nor a value names it, and PATH is as it was. What opens the vault is data."""
    left = {
        key
        for key, values in removed.person.items()
        if "watchkeeper" in f"{key}{values}".lower() and values != before.person.get(key)
    }

    assert {key for key in left if CREDENTIALS not in key} == set()
    assert left, "the vault could be opened no more"
    assert "watchkeeper" not in str(installed.machine.registry(r"HKCU\Environment")).lower()


def test_the_uninstaller_leaves_no_program(removed: Seen) -> None:
    """Nothing of it runs."""
    assert removed.programs == []


def test_the_uninstaller_leaves_the_persons_data(installed: Installed, removed: Seen) -> None:
    """The vault is theirs."""
    assert removed.files
    assert list(installed.machine.local.rglob("vault.wkv"))


def _values(seen: Seen, key: str) -> dict[str, str]:
    full = key.replace("HKCU", "HKEY_CURRENT_USER").lower()
    return next(values for name, values in seen.person.items() if name.lower() == full)
