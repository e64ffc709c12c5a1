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
            }
        ],
        "troubles": [],
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


def test_vs_code_and_pm2_get_their_files(cli: CommandLine, tmp_path: Path) -> None:
    """Written once; the second time says that it is there."""
    written = [json.loads(cli("autostart", "vscode", str(tmp_path), "--json").out)["changed"] for _ in range(2)]
    first = cli("autostart", "pm2", str(tmp_path))
    second = cli("autostart", "pm2", str(tmp_path))

    assert written == [True, False]
    (task,) = json.loads((tmp_path / ".vscode" / "tasks.json").read_text())["tasks"]
    assert [task["command"], *task["args"]] == [*program_here(), "${workspaceFolder}"]
    assert "pm2 start" in first.out
    assert '"--headless"' in second.out
    assert (first.code, second.code) == (0, 0)


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
