"""A project's own settings: nothing of them holds before a person has said so."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from app.agents.settings import ProjectSettings, Settings
from app.domain.errors import CannotError, SettingsError
from app.engine.overrides import ProjectOverrides, read_override
from app.engine.statefile import StateFile

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def overrides(tmp_path: Path) -> ProjectOverrides[Settings]:
    mine = Settings.model_validate({"tests": {"hang_seconds": 60.0, "args": ("-q",)}})
    return ProjectOverrides(lambda: mine, ProjectSettings, StateFile(tmp_path / "data" / "trusted.json", schema=1))


def trust(overrides: ProjectOverrides[Settings], root: Path) -> None:
    override = read_override(root)
    assert override is not None
    overrides.trust(root, override)


def test_a_project_without_settings_has_the_persons_and_no_notice(
    overrides: ProjectOverrides[Settings], root: Path
) -> None:
    """Most projects say nothing, and nothing is said about them."""
    (root / "pyproject.toml").write_text('[project]\nname = "x"\n')

    settings, notice = overrides.project_settings(root)

    assert settings.tests.hang_seconds == 60
    assert notice is None


def test_untrusted_settings_are_not_used_and_told(overrides: ProjectOverrides[Settings], root: Path) -> None:
    """The notice names the file and the command that trusts it."""
    (root / ".watchkeeper.toml").write_text('[tests]\npython = "/tmp/evil"\n')

    settings, notice = overrides.project_settings(root)

    assert settings.tests.python == ""
    assert notice is not None
    assert ".watchkeeper.toml" in notice.text
    assert f"watchkeeper config trust {root}" in notice.hint


def test_trusted_settings_lie_over_the_persons(overrides: ProjectOverrides[Settings], root: Path) -> None:
    """What the project sets holds, and what it does not set stays the person's."""
    (root / ".watchkeeper.toml").write_text('[tests]\nargs = ["-x"]\n[watch]\nignore = ["build/"]\n')

    trust(overrides, root)
    settings, notice = overrides.project_settings(root)

    assert notice is None
    assert settings.tests.args == ("-x",)
    assert settings.tests.hang_seconds == 60
    assert settings.watch.ignore == ("build/",)


def test_a_change_makes_them_untrusted_again(overrides: ProjectOverrides[Settings], root: Path) -> None:
    """The word holds for the content that was seen, not for the file."""
    file = root / ".watchkeeper.toml"
    file.write_text('[tests]\nargs = ["-x"]\n')
    trust(overrides, root)

    file.write_text('[tests]\nargs = ["-x"]\npython = "evil"\n')
    settings, notice = overrides.project_settings(root)

    assert settings.tests.args == ("-q",)
    assert notice is not None


def test_a_comment_or_another_part_of_pyproject_does_not_matter(
    overrides: ProjectOverrides[Settings], root: Path
) -> None:
    """Only what the settings say is trusted, so a new version of the project is no new question."""
    file = root / "pyproject.toml"
    file.write_text('[project]\nversion = "1"\n[tool.watchkeeper.tests]\nargs = ["-x"]\n')
    trust(overrides, root)

    file.write_text('[project]\nversion = "2"\n# new\n[tool.watchkeeper.tests]\nargs = ["-x"]\n')
    settings, notice = overrides.project_settings(root)

    assert (settings.tests.args, notice) == (("-x",), None)


def test_trust_can_be_taken_back_and_is_per_project(overrides: ProjectOverrides[Settings], root: Path) -> None:
    """A copy of a trusted project elsewhere is not trusted, nor is one whose trust was revoked."""
    (root / ".watchkeeper.toml").write_text('[tests]\nargs = ["-x"]\n')
    other = root.parent / "other"
    other.mkdir()
    (other / ".watchkeeper.toml").write_text('[tests]\nargs = ["-x"]\n')
    trust(overrides, root)

    of_other = overrides.project_settings(other)[1]
    overrides.revoke(root)

    assert of_other is not None
    assert overrides.project_settings(root)[1] is not None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[tests]\nhang_seconds = 0\n", "line 2: tests.hang_seconds = 0"),
        ("[notifications]\nenabled = false\n", "notifications is not a setting"),
    ],
)
def test_a_mistake_in_trusted_settings_is_told_and_the_persons_hold(
    overrides: ProjectOverrides[Settings], root: Path, text: str, words: str
) -> None:
    """A project may not switch off what is not its own, nor bring bad values."""
    (root / ".watchkeeper.toml").write_text(text)

    trust(overrides, root)
    settings, notice = overrides.project_settings(root)

    assert settings.tests.hang_seconds == 60
    assert notice is not None
    assert words in notice.text


def test_a_mistake_in_pyproject_is_told_with_its_line(overrides: ProjectOverrides[Settings], root: Path) -> None:
    """The line is the one in pyproject.toml."""
    (root / "pyproject.toml").write_text('[project]\nname = "x"\n\n[tool.watchkeeper.tests]\nhang_seconds = 0\n')
    trust(overrides, root)

    _, notice = overrides.project_settings(root)

    assert notice is not None
    assert "pyproject.toml, line 5: tests.hang_seconds" in notice.text


@pytest.mark.parametrize("make", ["[tests\n", None, b"\xff\xfe", b"#" * 2_000_000])
def test_a_file_that_cannot_be_read_is_told_and_never_waited_for(
    overrides: ProjectOverrides[Settings], root: Path, make: str | bytes | None
) -> None:
    """Broken TOML, a FIFO, bytes and a huge file each give a notice."""
    file = root / ".watchkeeper.toml"
    if make is None:
        os.mkfifo(file)
    else:
        file.write_bytes(make.encode() if isinstance(make, str) else make)

    settings, notice = overrides.project_settings(root)

    assert settings.tests.hang_seconds == 60
    assert notice is not None
    with pytest.raises(SettingsError):
        read_override(root)


@pytest.mark.parametrize(
    "state",
    [b"", b"{", b"[]", b"4", b'{"schema": 99}', b'{"schema": 1, "projects": 4}', b"[" * 100_000, b" " * 100_000_000],
)
def test_a_broken_state_file_trusts_nobody(overrides: ProjectOverrides[Settings], root: Path, state: bytes) -> None:
    """A truncated, foreign, nested or 100 MB state file is no trust, and trust can be given anew."""
    (root / ".watchkeeper.toml").write_text('[tests]\nargs = ["-x"]\n')
    file = root.parent / "data" / "trusted.json"
    file.parent.mkdir()
    file.write_bytes(state)

    before = overrides.project_settings(root)[1]
    trust(overrides, root)

    assert before is not None
    assert overrides.project_settings(root)[1] is None


def test_a_broken_state_file_is_set_aside_with_a_message(tmp_path: Path) -> None:
    """What could not be used is kept for a person to look at, and the message says where."""
    path = tmp_path / "state.json"
    path.write_text("not ours")

    state, message = StateFile(path, schema=1).read()

    assert state == {}
    assert str(tmp_path / "state.json.broken") in message
    assert (tmp_path / "state.json.broken").read_text() == "not ours"
    assert StateFile(path, schema=1).read() == ({}, "")


def test_trust_that_cannot_be_kept_is_refused(overrides: ProjectOverrides[Settings], root: Path) -> None:
    """A data folder that cannot be made is told, not swallowed."""
    (root / ".watchkeeper.toml").write_text('[tests]\nargs = ["-x"]\n')
    (root.parent / "data").touch()

    with pytest.raises(CannotError, match="cannot be written"):
        trust(overrides, root)
