"""The command `autostart`: exit codes, words and documents that scripts depend on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import app
from app.system.autostart.here import program_here

if TYPE_CHECKING:
    from app.engine.places import Places
    from tests.cli.conftest import CommandLine

ROOT = Path(app.__file__).parents[1]


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A person's configuration folder."""
    folder = tmp_path / "config"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    return folder


def test_it_is_enabled_told_and_disabled(cli: CommandLine, config: Path, home: Path, tmp_path: Path) -> None:
    """Exit 0 says that this program is started at the next login, 1 that it is not."""
    before = cli("autostart", "status")
    enabled = cli("autostart", "enable", str(tmp_path))
    told = cli("autostart", "status", "--json")
    disabled = cli("autostart", "disable")
    after = cli("autostart", "status")

    assert (before.code, enabled.code, told.code, disabled.code, after.code) == (1, 0, 0, 0, 1)
    assert "autostart enable" in before.err
    assert "from the next login on" in enabled.out
    assert json.loads(told.out) == {
        "schema": 1,
        "good": True,
        "enabled": True,
        "method": "xdg",
        "entries": [
            {
                "method": "xdg",
                "where": str(config / "autostart" / "watchkeeper.desktop"),
                "on": True,
                "program": list(program_here()),
                "projects": [str(tmp_path)],
                "home": str(home),
                "program_exists": True,
                "this_program": True,
                "older": False,
            }
        ],
        "troubles": [],
        "remarks": [],
    }
    assert not (config / "autostart" / "watchkeeper.desktop").exists()


def test_what_is_wrong_is_told_and_repaired(cli: CommandLine, config: Path) -> None:
    """A program that is gone is exit 1 with what to do; `repair` does it."""
    cli("autostart", "enable")
    entry = config / "autostart" / "watchkeeper.desktop"
    entry.write_text(entry.read_text().replace(program_here()[0], "/gone/bin/watchkeeper"))

    told = cli("autostart", "status")
    repaired = cli("autostart", "repair")
    again = cli("autostart", "repair", "--json")

    assert told.code == 1
    assert "/gone/bin/watchkeeper, which it starts, is not there any more." in told.err
    assert "watchkeeper autostart repair" in told.err
    assert (repaired.code, again.code) == (0, 0)
    assert f"Repaired: {entry}" in repaired.out
    assert json.loads(again.out)["repaired"] == []


@pytest.mark.parametrize("what", ["enable", "status"])
def test_a_start_that_watches_nothing_is_remarked(cli: CommandLine, config: Path, what: str) -> None:
    """It is no fault: exit 0. Yet nobody should find out after the next login."""
    cli("autostart", "enable")

    told = cli("autostart", what)
    document = json.loads(cli("autostart", what, "--json").out)

    assert told.code == 0
    assert "watches no project until you name one" in told.err
    assert "watchkeeper autostart enable PATH" in told.err
    assert document["good"] is True
    assert ["Nothing is named" in each["text"] for each in document["remarks"]] == [True]
    assert (config / "autostart").is_dir()


@pytest.mark.parametrize("settings", ["projects = ['~/shop']", "projects = 7"], ids=["named", "with a mistake"])
def test_what_the_settings_name_is_something(cli: CommandLine, config: Path, places: Places, settings: str) -> None:
    """With projects there, nothing is remarked, nor where the settings cannot tell."""
    places.settings_file.write_text(settings)

    enabled = cli("autostart", "enable")

    assert (enabled.code, enabled.err) == (0, "")
    assert config.is_dir()


def test_a_repair_says_what_it_cannot_mend(cli: CommandLine, config: Path, tmp_path: Path) -> None:
    """Nothing was repaired, though there was something: that is not `nothing to repair`."""
    project = tmp_path / "shop"
    project.mkdir()
    cli("autostart", "enable", str(project))
    project.rmdir()
    entry = config / "autostart" / "watchkeeper.desktop"

    nothing = cli("autostart", "repair")
    entry.write_text(entry.read_text().replace(program_here()[0], "/gone/bin/watchkeeper"))
    half = cli("autostart", "repair")
    cli("autostart", "enable")
    all_well = cli("autostart", "repair")

    assert (nothing.code, half.code, all_well.code) == (1, 1, 0)
    assert nothing.out.startswith("Nothing was repaired.\n")
    assert half.out.startswith(f"Repaired: {entry}\n")
    for each in (nothing, half):
        assert "`repair` cannot mend, since" in each.err
        assert f"The project {project}, which it names, is not there." in each.err
    assert all_well.out.startswith("There was nothing to repair.\n")
    assert "cannot mend" not in all_well.err


@pytest.mark.parametrize("content", ["[Desktop Entry]\nExec=sh -c 'sleep 9; other'\n", "\0garbage"])
def test_an_entry_of_somebody_else_is_called_that(cli: CommandLine, config: Path, content: str) -> None:
    """It is not `on`, and what is advised works: it is removed by its name, and then `enable` goes."""
    entry = config / "autostart" / "watchkeeper.desktop"
    entry.parent.mkdir(parents=True)
    entry.write_text(content)

    told = cli("autostart", "status")
    refused = cli("autostart", "enable")
    entry.unlink()
    enabled = cli("autostart", "enable")

    assert (told.code, refused.code, enabled.code) == (1, 3, 0)
    assert "left alone" in told.out
    assert not {"on", "off"} & set(told.out.split())
    for each in (told, refused):
        assert f"{entry} is not Watchkeeper's" in each.err
        assert f"remove {entry} yourself, then: watchkeeper autostart enable" in each.err


def test_one_of_an_older_release_is_written_anew(cli: CommandLine, config: Path, tmp_path: Path) -> None:
    """`status` notices it, and `repair` does what it says."""
    cli("autostart", "enable", str(tmp_path))
    entry = config / "autostart" / "watchkeeper.desktop"
    now = entry.read_text()
    entry.write_text(now.replace(" --keep", ""))

    told = cli("autostart", "status")
    older = [each["older"] for each in json.loads(cli("autostart", "status", "--json").out)["entries"]]
    repaired = cli("autostart", "repair")

    assert (told.code, older, repaired.code) == (1, [True], 0)
    assert "was written by an older Watchkeeper" in told.err
    assert entry.read_text() == now


def test_disabling_nothing_is_good(cli: CommandLine, config: Path) -> None:
    """It is as it should be."""
    ran = cli("autostart", "disable")

    assert ran.code == 0
    assert "did not before" in ran.out
    assert not config.exists()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("enable", "/no/such/folder"), 2),
        (("enable", "--method", "task"), 2),
        (("enable", "--method", "cron"), 2),
        ((), 2),
        (("status", "."), 2),
    ],
)
def test_wrong_words_change_nothing(cli: CommandLine, config: Path, words: tuple[str, ...], code: int) -> None:
    """They are refused before anything is written."""
    ran = cli("autostart", *words)

    assert ran.code == code
    assert "Traceback" not in ran.err
    assert not config.exists()


def test_an_error_is_a_document_too(cli: CommandLine, config: Path) -> None:
    """What cannot be done is exit 3, with a sentence and what to do."""
    (config / "autostart" / "watchkeeper.desktop").mkdir(parents=True)

    ran = cli("autostart", "status", "--json")

    assert ran.code == 3
    assert json.loads(ran.out)["error"]["hint"]


def test_vs_code_and_pm2_get_their_files(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, home: Path, tmp_path: Path
) -> None:
    """Written once; the second time says that it is there."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    written = [json.loads(cli("autostart", "vscode", str(tmp_path), "--json").out)["changed"] for _ in range(2)]
    first = cli("autostart", "pm2", str(tmp_path))
    second = cli("autostart", "pm2", str(tmp_path))

    assert written == [True, False]
    (task,) = json.loads((tmp_path / ".vscode" / "tasks.json").read_text())["tasks"]
    assert [task["command"], *task["args"]] == [*program_here(), "${workspaceFolder}"]
    assert task["options"] == {"env": {"WATCHKEEPER_HOME": str(home)}}
    assert "pm2 start" in first.out
    assert "it is the same" in second.out
    assert (first.code, second.code) == (0, 0)


def test_the_task_names_no_path_that_others_lack(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, home: Path, tmp_path: Path
) -> None:
    """With this program on PATH it stands there by its name; that its home is this machine's own is said."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "watchkeeper").symlink_to(program_here()[0])
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    by_name = cli("autostart", "vscode", str(tmp_path))
    (task,) = json.loads((tmp_path / ".vscode" / "tasks.json").read_text())["tasks"]
    monkeypatch.delenv("WATCHKEEPER_HOME")
    (tmp_path / ".vscode" / "tasks.json").unlink()
    bare = cli("autostart", "vscode", str(tmp_path))

    assert task["command"] == "watchkeeper"
    assert f"on this machine only, so it is not for a file that others share: {home}." in by_name.out
    assert "on this machine only" not in bare.out


def test_it_imports_no_more_than_it_needs(home: Path, tmp_path: Path) -> None:
    """Neither pydantic nor SQLAlchemy or Qt is needed to look at a file."""
    code = (
        "import sys; from app.cli import run; code = run(['autostart', 'status'], None);"
        "print(code, sorted({'pydantic', 'sqlalchemy', 'PySide6', 'tomlkit'} & set(sys.modules)))"
    )
    environ = os.environ | {"WATCHKEEPER_HOME": str(home), "XDG_CONFIG_HOME": str(tmp_path)}

    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )

    assert ran.stdout.splitlines()[-1] == "1 []"
