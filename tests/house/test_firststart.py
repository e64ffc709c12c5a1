"""What the first start asks for, as the house answers it: settings are written, and projects watched."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from app.agents.settings_in_force import SettingsInForce
from app.domain import commands
from app.domain.errors import CannotError, ProjectError, SettingsError
from app.domain.firststart import Folder, LoginStart, ProjectLook
from app.engine.places import Places
from app.house.firststart import answer, is_first
from app.house.ground import ground
from app.system.autostart.autostart import Autostart
from app.system.autostart.xdg import XdgAutostart

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from app.house.ground import Ground

COMMENT = "# my own words\n"


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Watchkeeper's own folders."""
    found = Places.find({"WATCHKEEPER_HOME": str(tmp_path / "home")})
    found.create()
    return found


class Answering:
    """A house that answers what the wizard asks, with a test watcher's door that notes what is to be watched."""

    def __init__(self, on: Ground, in_force: SettingsInForce) -> None:
        self.on = on
        self.in_force = in_force
        self.watched: list[str] = []

    def watch(self, asked: commands.WatchProject) -> str:
        self.watched.append(asked.path)
        return asked.path

    async def ask(self, command: commands.Command) -> object:
        return await self.on.bus.send(command)

    @property
    def text(self) -> str:
        return self.on.places.settings_file.read_text("utf-8")


@pytest.fixture
async def house(places: Places, tmp_path: Path) -> AsyncIterator[Answering]:
    """One that stands on folders of its own, and writes its start at login into another."""
    in_force = SettingsInForce(places)
    with ground(places) as on:
        async with AsyncExitStack() as stack:
            made = Answering(on, in_force)
            stack.callback(on.bus.handle(commands.WatchProject, made.watch))
            program = tmp_path / "watchkeeper"
            program.touch(0o700)
            autostart = Autostart([XdgAutostart(tmp_path / "config")], (str(program),))
            answer(stack, on, in_force, lambda: autostart)
            yield made


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder that can be watched."""
    made = tmp_path / "shop"
    made.mkdir()
    return made.resolve()


@pytest.mark.parametrize(
    ("settings", "state", "first"),
    [
        (None, None, True),
        ("", None, True),
        ('[tests]\nargs = ["-x"]\n', None, True),
        ('projects = ["~/src/shop"]\n', None, False),
        ("projects = [\n", None, False),
        (None, '{"schema": 1, "done": true}', False),
        (None, '{"schema": 1}', True),
        (None, "not what was written", True),
    ],
)
def test_a_project_is_asked_for_where_none_is_set_and_nobody_said_no(
    places: Places, settings: str | None, state: str | None, *, first: bool
) -> None:
    """A settings file with a mistake may name projects, so that nobody is asked then either."""
    if settings is not None:
        places.settings_file.write_text(settings, "utf-8")
    if state is not None:
        (places.data / "first-start.json").write_text(state, "utf-8")

    assert is_first(places, SettingsInForce(places)) is first


async def test_a_project_is_kept_in_the_settings_and_watched(
    house: Answering, places: Places, project: Path, tmp_path: Path
) -> None:
    """It is behind those that were there, once, with the file's comments as they were; then nothing is asked again."""
    places.settings_file.write_text(COMMENT, "utf-8")
    other = tmp_path / "other"
    other.mkdir()

    answers = [await house.ask(commands.KeepProject(path=str(each))) for each in (project, other, project)]

    assert answers == [str(project), str(other), str(project)]
    assert house.in_force.current.projects == (str(project), str(other))
    assert house.watched == answers
    assert house.text.startswith(COMMENT)
    assert not is_first(places, SettingsInForce(places))


async def test_what_cannot_be_watched_is_not_kept(house: Answering, places: Places, tmp_path: Path) -> None:
    """The refusal says why, and neither the file nor the watch has changed."""
    with pytest.raises(ProjectError, match="does not exist"):
        await house.ask(commands.KeepProject(path=str(tmp_path / "nothing")))

    assert not places.settings_file.exists()
    assert house.watched == []


async def test_a_file_with_a_mistake_is_not_written_over(house: Answering, places: Places, project: Path) -> None:
    """The person's own words are worth more than the wizard's."""
    places.settings_file.write_text("projects = [\n", "utf-8")

    with pytest.raises(SettingsError):
        await house.ask(commands.KeepProject(path=str(project)))

    assert house.text == "projects = [\n"
    assert house.watched == []


async def test_a_setting_is_in_force_at_once(house: Answering) -> None:
    """The next question goes to the service that was just chosen; a value that is not allowed is refused."""
    await house.ask(commands.SetSetting(key="analysis.providers", values=("ollama",)))
    await house.ask(commands.SetSetting(key="analysis.ollama.model", values=("mine:1b",)))
    with pytest.raises(SettingsError, match="none of them"):
        await house.ask(commands.SetSetting(key="analysis.providers", values=("nobody",)))

    analysis = house.in_force.current.analysis
    assert (analysis.providers, analysis.ollama.model) == (("ollama",), "mine:1b")


async def test_nothing_is_asked_again_once_somebody_said_so(house: Answering, places: Places) -> None:
    """The word is kept over the end of the program."""
    before = is_first(places, house.in_force)
    await house.ask(commands.AskNoMore())

    assert before
    assert not is_first(places, SettingsInForce(places))


async def test_a_word_that_cannot_be_kept_ends_nothing(house: Answering, places: Places) -> None:
    """A data folder that is read-only, say, means that it is asked again, and no more than that."""
    (places.data / "first-start.json").mkdir()

    await house.ask(commands.AskNoMore())

    assert is_first(places, house.in_force)


async def test_the_start_at_login_is_told_and_made(house: Answering, tmp_path: Path) -> None:
    """Off at first, by the system's usual method; on when asked for, and written nowhere before."""
    entry = tmp_path / "config" / "autostart" / "watchkeeper.desktop"
    before, was_there = await house.ask(commands.ReadLoginStart()), entry.exists()
    after = await house.ask(commands.StartAtLogin())

    assert before == LoginStart("xdg", is_on=False)
    assert not was_there
    assert after == LoginStart("xdg", is_on=True)
    assert entry.exists()


async def test_a_foreign_entry_is_refused_and_left_alone(house: Answering, tmp_path: Path) -> None:
    """What somebody else wrote under this name is told, not replaced."""
    entry = tmp_path / "config" / "autostart" / "watchkeeper.desktop"
    entry.parent.mkdir(parents=True)
    entry.write_text("[Desktop Entry]\nExec=something-else\n", "utf-8")

    told = await house.ask(commands.ReadLoginStart())
    with pytest.raises(CannotError):
        await house.ask(commands.StartAtLogin())

    assert isinstance(told, LoginStart)
    assert (told.is_on, bool(told.trouble)) == (False, True)
    assert "something-else" in entry.read_text("utf-8")


async def test_a_folder_is_looked_at(house: Answering, project: Path) -> None:
    """The question reaches who knows, and its answer comes back as it is."""
    look = await house.ask(commands.LookAtProject(path=str(project / "nothing")))

    assert isinstance(look, ProjectLook)
    assert look.folder is Folder.MISSING
