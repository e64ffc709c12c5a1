"""The command `config`."""

from __future__ import annotations

import errno
import json
import os
import shlex
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest

from app.agents.settings import ProjectSettings, Settings
from app.cli.config import template
from app.engine.overrides import ProjectOverrides
from app.engine.settings import fields
from app.engine.statefile import StateFile

if TYPE_CHECKING:
    from pathlib import Path

    from app.engine.places import Places
    from tests.cli.conftest import CommandLine


def test_show_lists_every_setting_with_its_meaning(cli: CommandLine) -> None:
    """Each setting has its value and a description that came from its one declaration."""
    ran = cli("config", "show")

    for key, info in fields(Settings):
        assert f"{key} = " in ran.out
        assert info.description
        assert info.description in ran.out


def test_set_changes_the_file_and_show_tells_it(cli: CommandLine, places: Places) -> None:
    """What was set is in the file, in the list and in the JSON document."""
    changed = cli("config", "set", "tests.hang_seconds", "60")
    args = cli("config", "set", "tests.args", "-x", "-q")
    shown = cli("config", "show", "--json")

    assert changed.out == "tests.hang_seconds = 60.0\n"
    assert args.out == 'tests.args = ["-x", "-q"]\n'
    assert json.loads(shown.out)["settings"]["tests"]["args"] == ["-x", "-q"]
    assert tomllib.loads(places.settings_file.read_text())["tests"] == {"hang_seconds": 60, "args": ["-x", "-q"]}
    assert "Default: 300.0" in cli("config", "show").out


def test_a_bad_value_is_told_and_nothing_is_written(cli: CommandLine, places: Places) -> None:
    """The message says what is allowed."""
    ran = cli("config", "set", "log.level", "loud")

    assert ran.code == 2
    assert '"debug"' in ran.err
    assert not places.settings_file.exists()


@pytest.mark.parametrize(
    ("before", "words", "said"),
    [
        ("", ("analysis.custom.base_url", "bogus"), "The address of the provider custom is not one like https://"),
        ("", ("analysis.custom.base_url", '"http://example.org/v1"'), "by plain http"),
        (
            '[analysis.custom]\nbase_url = "http://192.168.1.20/v1"\n',
            ("analysis.custom.key", "A_KEY"),
            "would be sent its key by plain http",
        ),
    ],
)
def test_an_address_that_cannot_be_asked_is_refused(
    cli: CommandLine, places: Places, before: str, words: tuple[str, str], said: str
) -> None:
    """In the words in which it would be told later, and nothing is written."""
    places.settings_file.write_text(before)

    ran = cli("config", "set", *words)

    assert ran.code == 2
    assert said in ran.err
    assert "Nothing was changed." in ran.err
    assert places.settings_file.read_text() == before


def test_an_address_is_taken_before_its_model_is_named(cli: CommandLine) -> None:
    """A provider is set up one setting after the other, in any order; and a setting is taken back."""
    words = (("key", "A_KEY"), ("base_url", "https://example.org/v1"), ("model", "m"), ("base_url", '""'))

    codes = [cli("config", "set", f"analysis.custom.{key}", value).code for key, value in words]

    assert codes == [0] * 4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("analysis.providers", "nobody"), "it must be names out of deepseek, "),
        (("analysis.deepseek.prices", "0.28"), "it must be two prices from 0 on, such as [0.28, 0.42], or none: []."),
        (("analysis.deepseek.prices", "1", "2", "3"), "it must be two prices from 0 on"),
        (("analysis.deepseek.prices", "1", "-2"), "it must be two prices from 0 on"),
    ],
)
def test_what_a_setting_of_models_must_be_is_said_plainly(cli: CommandLine, words: tuple[str, ...], said: str) -> None:
    """Not as what the library calls it."""
    ran = cli("config", "set", *words)

    assert ran.code == 2
    assert said in ran.err
    assert "alue error" not in ran.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("audits.daily", "25:99"), "it must be a time of day such as 18:30, or nothing."),
        (("audits.markers", "**/["), "it must be the name of a file, without folders, such as *_COMPLETE.md."),
        (("audits.markers", "A[B"), "it must be the name of a file, without folders"),
        (("audits.milestones", '["'), "it must be a word of a commit's message, such as [MILESTONE]."),
        (("audits.milestones", ""), "it must be a word of a commit's message"),
    ],
)
def test_what_a_setting_of_audits_must_be_is_said_plainly(cli: CommandLine, words: tuple[str, ...], said: str) -> None:
    """What can never be met is refused, in words for people."""
    ran = cli("config", "set", *words)

    assert ran.code == 2
    assert said in ran.err
    assert "value error" not in ran.err.lower()


@pytest.mark.parametrize("pattern", ["*_COMPLETE.md", "[AB]_DONE.md", "[!x]_[]a].md", "DONE"])
def test_patterns_of_names_are_taken(cli: CommandLine, pattern: str) -> None:
    """Brackets that close are good."""
    assert cli("config", "set", "audits.markers", pattern).code == 0


def test_a_check_that_is_none_is_told(cli: CommandLine) -> None:
    """It is kept, for it may be installed yet; those that there are are named."""
    wrong, right = cli("config", "set", "audits.off", "nosuch"), cli("config", "set", "audits.off", "secrets")

    assert (wrong.code, right.code) == (0, 0)
    assert "audits.off names nosuch, and there is no such check. There are: " in wrong.err
    assert right.err == ""


def test_prices_are_two_numbers(cli: CommandLine) -> None:
    """Written as words or as TOML; none is none."""
    told = [
        cli("config", "set", "analysis.openai.prices", *words).out for words in (("1", "2.5"), ("[3, 4]",), ("[]",))
    ]

    assert told == [f"analysis.openai.prices = {each}\n" for each in ("[1.0, 2.5]", "[3.0, 4.0]", "[]")]


def test_a_broken_file_is_told_with_its_line(cli: CommandLine, places: Places) -> None:
    """`config show` names the mistake rather than what holds in its stead."""
    places.settings_file.write_text("[tests]\nhang_seconds = 'soon'\n")

    ran = cli("config", "show")

    assert ran.code == 2
    assert "line 2: tests.hang_seconds" in ran.err
    assert ran.out == ""


def test_path_tells_where_everything_lies(cli: CommandLine, home: Path) -> None:
    """In words and as JSON."""
    in_words = cli("config", "path")
    as_json = json.loads(cli("config", "path", "--json").out)

    assert str(home / "settings" / "settings.toml") in in_words.out
    assert as_json["data"] == str(home / "data")


def editor(home: Path, code: str) -> str:
    script = home / "editor.py"
    script.write_text(f"import pathlib, sys\npath = pathlib.Path(sys.argv[-1])\n{code}\n")
    return shlex.join([sys.executable, str(script)])


def test_edit_opens_an_explained_file_and_checks_it(
    cli: CommandLine, home: Path, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first time the file is made with everything explained and nothing set."""
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", editor(home, "path.write_text(path.read_text().replace('# level', 'level'))"))

    ran = cli("config", "edit")

    assert ran.code == 0
    assert tomllib.loads(places.settings_file.read_text())["log"] == {"level": "info"}


@pytest.mark.parametrize(
    ("code", "exit_code", "words"),
    [("path.write_text('x')", 2, "line 1"), ("sys.exit(3)", 3, "ended with 3"), (None, 3, "cannot be started")],
)
def test_an_edit_that_went_wrong_is_told(  # noqa: PLR0917 - fixtures and parameters of one case
    cli: CommandLine, home: Path, monkeypatch: pytest.MonkeyPatch, code: str | None, exit_code: int, words: str
) -> None:
    """A mistake in the file, an editor that fails, and one that is not there each have their message."""
    monkeypatch.setenv("VISUAL", "/no/such/editor" if code is None else editor(home, code))

    ran = cli("config", "edit")

    assert ran.code == exit_code
    assert words in ran.err


def sets_nothing(section: dict[str, object]) -> bool:
    return all(isinstance(value, dict) and sets_nothing(value) for value in section.values())


def test_the_explained_file_is_valid_and_so_is_each_line_of_it() -> None:
    """Without its first #, each setting in it is what holds anyway."""
    text = template(Settings)
    lines = [line.removeprefix("# ") if " = " in line and line.startswith("# ") else line for line in text.splitlines()]

    assert sets_nothing(tomllib.loads(text))
    in_force = tomllib.loads("\n".join(lines))
    assert Settings.model_validate_json(json.dumps(in_force)) == Settings()


def test_trust_shows_what_it_trusts_and_can_be_revoked(cli: CommandLine, places: Places, tmp_path: Path) -> None:
    """After it the project's settings hold, and after a revocation no more."""
    (tmp_path / ".watchkeeper.toml").write_text('[tests]\nargs = ["-x"]\n')
    overrides = ProjectOverrides(Settings, ProjectSettings, StateFile(places.trusted_projects, schema=1))

    trusted = cli("config", "trust", str(tmp_path))
    args = overrides.project_settings(tmp_path)[0].tests.args
    revoked = cli("config", "trust", str(tmp_path), "--revoke", "--json")

    assert (trusted.code, args) == (0, ("-x",))
    assert 'tests.args = ["-x"]' in trusted.out
    assert json.loads(revoked.out)["trusted"] is False
    assert overrides.project_settings(tmp_path)[1] is not None


def test_there_must_be_something_valid_to_trust(cli: CommandLine, tmp_path: Path) -> None:
    """A project without settings, or with a mistake in them, is told and not trusted."""
    nothing = cli("config", "trust", str(tmp_path))
    (tmp_path / ".watchkeeper.toml").write_text("[log]\nlevel = 'debug'\n")
    wrong = cli("config", "trust", str(tmp_path))

    assert nothing.code == wrong.code == 2
    assert "log is not a setting" in wrong.err


def test_a_settings_folder_that_cannot_be_written_is_told(cli: CommandLine, home: Path) -> None:
    """What stands in the way is named, in words."""
    (home / "settings").write_text("a file")

    ran = cli("config", "set", "tests.hang_seconds", "60")

    assert ran.code == 3
    assert "cannot be written" in ran.err
    assert (home / "settings").read_text() == "a file"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_settings_on_a_full_or_read_only_disk_are_no_wrong_words(
    cli: CommandLine, places: Places, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The words were right: exit code 3, what is wrong with the disk, and the file is as it was."""
    before = cli("config", "set", "tests.hang_seconds", "60")
    kept = places.settings_file.read_bytes()

    def refuses(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuses)
    ran = cli("config", "set", "tests.hang_seconds", "90")

    assert (before.code, ran.code) == (0, 3)
    assert os.strerror(number) in ran.err
    assert "as it was" in ran.err
    assert places.settings_file.read_bytes() == kept


@pytest.mark.parametrize("words", [("config", "edit", "--json"), ("config", "--json", "edit")])
def test_an_editor_has_no_json(cli: CommandLine, words: tuple[str, ...]) -> None:
    """What prints no document does not take --json, and no editor is started."""
    assert cli(*words).code == 2
