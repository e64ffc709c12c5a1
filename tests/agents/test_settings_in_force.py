"""The settings that hold now: the file, read again when it changed, and what a trusted project brings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from app.agents.settings_in_force import SettingsInForce
from app.engine.places import Places

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def places(tmp_path: Path) -> Places:
    places = Places.find({"WATCHKEEPER_HOME": str(tmp_path / "home")})
    places.create()
    return places


def write(path: Path, text: str, *, seconds: int) -> None:
    path.write_text(text, encoding="utf-8")
    os.utime(path, (seconds, seconds))


def test_a_changed_file_holds_from_the_next_question_on(places: Places) -> None:
    """Nobody has to restart anything."""
    write(places.settings_file, "[tests]\nhang_seconds = 10.0\n", seconds=1)
    in_force = SettingsInForce(places)
    before, _ = in_force.general()

    write(places.settings_file, "[tests]\nhang_seconds = 20.0\n", seconds=2)
    after, _ = in_force.general()

    assert (before.tests.hang_seconds, after.tests.hang_seconds) == (10, 20)


def test_a_mistake_leaves_the_last_good_settings_and_says_where_it_is(places: Places, tmp_path: Path) -> None:
    """The notice names the key and goes when the file is mended."""
    write(places.settings_file, "[tests]\nhang_seconds = 10.0\n", seconds=1)
    in_force = SettingsInForce(places)

    write(places.settings_file, '[tests]\nhang_seconds = "soon"\n', seconds=2)
    broken, (text, _) = in_force.general()
    of_project, of_its_own = in_force.of_project(tmp_path)
    write(places.settings_file, "[tests]\nhang_seconds = 30.0\n", seconds=3)
    mended, gone = in_force.general()

    assert broken.tests.hang_seconds == of_project.tests.hang_seconds == 10
    assert "hang_seconds" in text
    assert of_its_own == ("", "")
    assert (mended.tests.hang_seconds, gone) == (30, ("", ""))


def test_what_a_project_brings_does_not_hold_before_it_is_trusted(places: Places, tmp_path: Path) -> None:
    """A clone's own settings are told of, and not used."""
    (tmp_path / ".watchkeeper.toml").write_text('[tests]\npython = "/bin/evil"\n', encoding="utf-8")

    settings, (_, hint) = SettingsInForce(places).of_project(tmp_path)

    assert settings.tests.python == ""
    assert "config trust" in hint
