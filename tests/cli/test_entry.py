"""Words, exit codes and streams: what scripts depend on."""

from __future__ import annotations

import importlib
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import app
from app.cli.entry import build_parser
from app.cli.launchers import OnceOptions, TrayOptions
from app.cli.table import COMMANDS, START
from app.domain.errors import InterpreterMissing

if TYPE_CHECKING:
    from app.cli.table import CommandLine as CommandOfTable
    from tests.cli.conftest import CommandLine

ROOT = Path(app.__file__).parents[1]


def python(code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_version_is_told_without_importing_anything_slow() -> None:
    """`--version` needs neither argparse nor asyncio, structlog, pydantic, SQLAlchemy or Qt."""
    ran = python(
        "import sys; from app.cli import run; code = run(['--version'], None);"
        "slow = {'argparse', 'asyncio', 'dataclasses', 'json', 'structlog', 'pydantic', 'sqlalchemy', 'PySide6',"
        " 'socket', 'pathlib'} & set(sys.modules) - before; print(code, sorted(slow))".replace(
            "import sys;", "import sys; before = set(sys.modules);", 1
        )
    )

    assert ran.stdout.splitlines() == [f"watchkeeper {app.__version__}", "0 []"]


@pytest.mark.parametrize("words", [("--version",), ("-V",), ("--version", "--json")])
def test_the_version_is_told_whatever_stands_behind(cli: CommandLine, words: tuple[str, ...]) -> None:
    """There is one answer to it."""
    ran = cli(*words)

    assert (ran.code, ran.out) == (0, f"watchkeeper {app.__version__}\n")


@pytest.mark.parametrize("command", ["status", "pause", "resume", "stop", "logs", "tests why test_a"])
def test_a_command_to_the_instance_imports_no_more_than_it_needs(command: str, home: Path) -> None:
    """Whatever speaks over the socket imports no asyncio, structlog, pydantic, SQLAlchemy or Qt."""
    ran = python(
        f"import sys; from app.cli import run; code = run({command.split()!r}, None);"
        "slow = {'asyncio', 'structlog', 'pydantic', 'sqlalchemy', 'PySide6', 'alembic', 'tomlkit'} & set(sys.modules);"
        "print(code, sorted(slow))",
        WATCHKEEPER_HOME=str(home),
    )

    assert ran.stdout.splitlines()[-1] == ("0 []" if command == "logs" else "3 []")


def test_a_program_without_a_console_has_no_streams_and_works(home: Path) -> None:
    """Windows' pythonw has None for stdout and stderr: a command ends as elsewhere, and nothing is told."""
    ran = python(
        "import os, sys; sys.stdout = sys.stderr = None; from app.cli import run; os._exit(run(['status'], None))",
        WATCHKEEPER_HOME=str(home),
    )

    assert (ran.returncode, ran.stdout, ran.stderr) == (3, "", "")


@pytest.mark.parametrize("line", [*COMMANDS, START], ids=lambda line: line.name or "start")
def test_every_command_has_help_with_an_example_that_parses(line: object) -> None:
    """The examples in the help are lines that the parser takes."""
    assert line in (*COMMANDS, START)
    parser = build_parser(line)  # type: ignore[arg-type] # said in the line above

    for example in line.examples:  # type: ignore[attr-defined] # likewise
        words = shlex.split(example.split(" | ")[0].split("     ")[0])
        parser.parse_args(words[1 + len(line.name.split()) :])  # type: ignore[attr-defined] # likewise
        assert example in parser.format_help()


@pytest.mark.parametrize("line", [*COMMANDS, START], ids=lambda line: line.name or "start")
def test_the_code_of_every_command_is_where_the_table_says(line: CommandOfTable) -> None:
    """A command is named in the table as module and function, which are imported only when it is wanted."""
    module, _, function = line.function.partition(":")

    assert callable(getattr(importlib.import_module(module), function))


@pytest.mark.parametrize("words", [("--help",), ("-h",), ("help",), ("status", "--help"), ("config", "set", "--help")])
def test_help_goes_to_stdout_and_is_good(cli: CommandLine, words: tuple[str, ...]) -> None:
    """Asking for help is no mistake."""
    ran = cli(*words)

    assert ran.code == 0
    assert "watchkeeper" in ran.out
    assert ran.err == ""


@pytest.mark.parametrize(
    "words",
    [
        ("--nonsense",),
        ("status", "--nonsense"),
        ("tests",),
        ("tests", "best"),
        ("config",),
        ("config", "sing"),
        ("doctor", "dc"),
        ("logs", "-n", "many"),
        ("logs", "-n", "0"),
        ("pause", "--for", "soon"),
        ("tests", "last", "--limit", "-1"),
        ("doctor", "db", "downgrade"),
        ("/no/such/folder",),
        ("run", "/no/such/folder", "--headless"),
        ("once", "/no/such/folder"),
        ("nul\0byte",),
    ],
)
def test_wrong_words_exit_with_2_and_no_traceback(cli: CommandLine, words: tuple[str, ...]) -> None:
    """A mistake in the words is told on stderr."""
    ran = cli(*words)

    assert ran.code == 2
    assert ran.out == ""
    assert ran.err
    assert "Traceback" not in ran.err


def test_json_without_anything_to_print_is_refused(cli: CommandLine) -> None:
    """A tray prints no data, so `run --json` asks for `--headless`."""
    ran = cli("run", ".", "--json")

    assert ran.code == 2
    assert "--headless" in json.loads(ran.out)["error"]["hint"]


def test_no_words_start_the_tray(cli: CommandLine) -> None:
    """Without words it is for the settings to say what is watched."""
    cli.code = 5

    assert cli().code == 5
    assert cli.started == [("tray", (), TrayOptions())]


def test_folders_start_the_tray_on_them(cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths become absolute, and links are followed."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to("a")
    monkeypatch.chdir(tmp_path)

    cli("a", "./b", "--window")

    assert cli.started == [("tray", (tmp_path / "a", tmp_path / "a"), TrayOptions(window=True))]


def test_a_command_wins_over_a_folder_of_its_name(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`status` is the command and `./status` is the folder."""
    (tmp_path / "status").mkdir()
    monkeypatch.chdir(tmp_path)

    as_command = cli("status")
    as_folder = cli("./status")

    assert (as_command.code, as_folder.code) == (3, 0)
    assert cli.started == [("tray", (tmp_path / "status",), TrayOptions())]


def test_a_misspelt_command_is_guessed(cli: CommandLine) -> None:
    """What is neither a folder nor a command may be meant as one."""
    assert "`watchkeeper status`" in cli("statsu").err


def test_run_and_once_hand_over_what_was_said(cli: CommandLine, tmp_path: Path) -> None:
    """Headless or not, with JSON or not, and with the changed files relative to the project."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").touch()
    root = str(tmp_path)

    for words in (
        ("run", root, "--headless"),
        ("run", root, "--headless", "--json"),
        ("run", root),
        ("once", root),
        ("once", root, "--json", "--changed", "src/a.py", str(tmp_path / "src" / "a.py"), "src/deleted.py"),
        ("once", root, "--coverage"),
    ):
        assert cli(*words).code == 0

    assert cli.started == [
        ("headless", tmp_path, False),
        ("headless", tmp_path, True),
        ("tray", (tmp_path,), TrayOptions()),
        ("once", tmp_path, (), OnceOptions()),
        ("once", tmp_path, ("src/a.py", "src/a.py", "src/deleted.py"), OnceOptions(as_json=True)),
        ("once", tmp_path, (), OnceOptions(coverage=True)),
    ]


def test_changed_files_may_be_named_from_where_one_stands(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path relative to the current folder counts, one outside of the project does not."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").touch()
    monkeypatch.chdir(tmp_path / "src")

    cli("once", "..", "--changed", "a.py")
    outside = cli("once", "..", "--changed", "../../b.py")

    assert cli.started == [("once", tmp_path, ("src/a.py",), OnceOptions())]
    assert outside.code == 2


def test_an_error_is_told_in_words_or_as_the_json_document(cli: CommandLine, tmp_path: Path) -> None:
    """With --json the error is the one document on stdout; without, message and hint are on stderr."""
    cli.fault = InterpreterMissing("No Python for it.", "Create one.")

    in_words = cli("once", str(tmp_path))
    as_json = cli("once", str(tmp_path), "--json")

    assert (in_words.code, in_words.out) == (3, "")
    assert in_words.err == "watchkeeper: No Python for it.\nCreate one.\n"
    assert (as_json.code, as_json.err) == (3, "")
    assert json.loads(as_json.out)["error"] == {
        "title": InterpreterMissing.title,
        "message": "No Python for it.",
        "hint": "Create one.",
        "exit_code": 3,
    }


def test_a_fault_of_ours_is_told_in_a_line_and_kept_in_the_log(cli: CommandLine, home: Path) -> None:
    """The person sees where it is kept, the file has the traceback, and secrets are in neither."""
    cli.fault = ZeroDivisionError("token=hunter22")

    ran = cli()

    log = home / "logs" / "command.log"
    assert ran.code == 4
    assert "Traceback" not in ran.err
    assert str(log) in ran.err
    assert "ZeroDivisionError" in log.read_text()
    assert "hunter22" not in ran.err + log.read_text()


def test_an_interrupt_is_quiet(cli: CommandLine) -> None:
    """Ctrl-C ends a command as shells expect, without a word."""
    cli.fault = KeyboardInterrupt()

    ran = cli()

    assert (ran.code, ran.out, ran.err) == (130, "", "")


def test_a_reader_that_leaves_is_no_fault(home: Path) -> None:
    """`watchkeeper config show | head -1` says nothing on stderr."""
    code = "import sys; from app.cli import run; sys.exit(run(['config', 'show'], None))"
    environ = {**os.environ, "WATCHKEEPER_HOME": str(home)}
    read, write = os.pipe()
    os.close(read)

    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environ,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)

    assert ran.stderr == ""
    assert ran.returncode == 141


def test_a_home_that_cannot_be_used_is_told(cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A WATCHKEEPER_HOME that is a file gives its message, and also when a fault of ours comes on top."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("WATCHKEEPER_HOME", str(tmp_path / "file"))

    asked = cli("status")
    cli.fault = ZeroDivisionError()
    failed = cli()

    assert asked.code == 3
    assert "WATCHKEEPER_HOME" in asked.err
    assert failed.code == 4
    assert "could not be logged" in failed.err
