"""What is found in a folder before anybody watches it, by real interpreters in real folders."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from app.agents.settings import Settings
from app.agents.settings_in_force import SettingsInForce, overrides_of
from app.agents.testing.looking import Looks
from app.domain.errors import CannotError, CommandRefused
from app.domain.firststart import Counting, Folder
from app.engine.clock import SystemClock
from app.engine.overrides import read_override
from app.engine.places import Places
from app.engine.processes import ProcessRunner

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TESTS = "import pytest\n\n@pytest.mark.parametrize('n', range(3))\ndef test_a(n): pass\n\ndef test_b(): assert False\n"
UNITTESTS = """import unittest

class TestA(unittest.TestCase):
    def test_a(self): pass
    def test_b(self): self.fail()
"""
RAN = "\nfrom pathlib import Path\n\ndef test_that_ran(): Path('ran').touch()\n"


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Watchkeeper's own folders, with the Python of this environment in the settings."""
    found = Places.find({"WATCHKEEPER_HOME": str(tmp_path / "home")})
    found.create()
    found.settings_file.write_text(f"[tests]\npython = {json.dumps(sys.executable)}\n", "utf-8")
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty project."""
    made = tmp_path / "shop"
    (made / "tests").mkdir(parents=True)
    return made


@pytest.fixture
def looks(places: Places) -> Callable[..., Looks]:
    """Makes what looks."""

    def made(**words: float) -> Looks:
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
        environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # this environment's own plugins take seconds to import
        return Looks(SettingsInForce(places), runner=ProcessRunner(clock=SystemClock()), environ=environ, **words)

    return made


def bare_python(folder: Path) -> None:
    """Make an environment in a project without pytest, or anything else, in it."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / ".venv")], check=True)


def process_in(folder: Path) -> int:
    """Wait until a process has left its number as the name of a file, and return it."""
    due = time.monotonic() + 30
    while not (found := list(folder.glob("*.pid"))):
        assert time.monotonic() < due, "it did not start"
        time.sleep(0.01)
    return int(found[0].stem)


async def test_a_project_is_told_and_its_tests_are_counted_without_running_any(
    looks: Callable[..., Looks], root: Path
) -> None:
    """Interpreter, command and number are found; each case of a parametrized test is one, and none is run."""
    (root / "tests" / "test_a.py").write_text(TESTS + RAN, "utf-8")
    seen = looks()

    look = await seen.look(str(root))
    count = await seen.count(look.root)

    assert (look.folder, look.root, look.interpreter) == (Folder.GOOD, str(root), sys.executable)
    assert (look.source, look.command, look.own_settings) == ("settings", "python -m pytest", "")
    assert (count.counting, count.tests) == (Counting.DONE, 5)
    assert not (root / "ran").exists()


async def test_arguments_that_choose_tests_count_only_those(
    looks: Callable[..., Looks], root: Path, places: Places
) -> None:
    """What the settings leave out would not run, so it is not counted; the command shows why."""
    with places.settings_file.open("a", encoding="utf-8") as file:
        file.write('args = ["-k", "test_b"]\n')
    (root / "tests" / "test_a.py").write_text(TESTS, "utf-8")
    seen = looks()

    look, count = await seen.look(str(root)), await seen.count(str(root))

    assert look.command == "python -m pytest -k test_b"
    assert count.tests == 1


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("import nothing_of_this_name\n", (Counting.BROKEN, 4, ("tests/test_z.py",))),
        ("raise SystemExit(3)\n", (Counting.FAILED, 0, ())),
    ],
)
async def test_files_that_cannot_be_imported_are_named(
    looks: Callable[..., Looks], root: Path, content: str, told: tuple[Counting, int, tuple[str, ...]]
) -> None:
    """The others are counted all the same; what ends pytest itself is told in its own words."""
    (root / "tests" / "test_a.py").write_text(TESTS, "utf-8")
    (root / "tests" / "test_z.py").write_text(content, "utf-8")

    count = await looks().count(str(root))

    assert (count.counting, count.tests, count.files) == told
    assert bool(count.detail) is (count.counting is Counting.FAILED)


async def test_a_folder_without_tests_is_told(looks: Callable[..., Looks], root: Path) -> None:
    """An empty project is no mistake."""
    assert (await looks().count(str(root))).counting is Counting.NO_TESTS


async def test_a_python_without_pytest_is_told_with_what_to_type(
    looks: Callable[..., Looks], root: Path, places: Places
) -> None:
    """The project's own environment is taken, and the command installs pytest right there."""
    places.settings_file.unlink()
    bare_python(root)
    (root / "tests" / "test_a.py").write_text(TESTS, "utf-8")
    seen = looks()

    look, count = await seen.look(str(root)), await seen.count(str(root))

    python = root / ".venv" / "bin" / "python"
    assert (look.interpreter, look.source) == (str(python), ".venv")
    assert count.counting is Counting.NO_PYTEST
    assert count.command == f'"{python}" -m pip install pytest'


async def test_unittest_s_tests_are_counted_too(looks: Callable[..., Looks], root: Path, places: Places) -> None:
    """A project whose Python has no pytest and that needs none is counted by its own means."""
    places.settings_file.unlink()
    bare_python(root)
    (root / "tests" / "test_a.py").write_text(UNITTESTS, "utf-8")
    seen = looks()

    look, count = await seen.look(str(root)), await seen.count(str(root))
    (root / "tests" / "test_z.py").write_text("import unittest, nothing_of_this_name\n# TestCase\n", "utf-8")
    broken = await seen.count(str(root))

    assert look.command == "python -m unittest"
    assert (count.counting, count.tests) == (Counting.DONE, 2)
    assert (broken.counting, broken.tests, len(broken.files)) == (Counting.BROKEN, 2, 1)


async def test_a_command_that_only_an_untrusted_project_names_is_not_taken(
    looks: Callable[..., Looks], root: Path, places: Places
) -> None:
    """A cloned repository's own settings are told of and not used; trusted, they are."""
    (root / "tests" / "test_a.py").write_text(TESTS, "utf-8")
    own = root / ".watchkeeper.toml"
    own.write_text('[tests]\nrunner = "command"\ncommand = "touch ran"\n', "utf-8")
    seen = looks()

    look, count = await seen.look(str(root)), await seen.count(str(root))
    override = read_override(root)
    assert override is not None
    overrides_of(places, Settings).trust(root, override)
    trusted, later = await seen.look(str(root)), await seen.count(str(root))

    assert (look.command, look.own_settings) == ("python -m pytest", str(own))
    assert count.tests == 4
    assert (trusted.command, trusted.own_settings, later.counting) == ("touch ran", "", Counting.LATER)
    assert not (root / "ran").exists()


async def test_a_runner_that_is_not_installed_is_told_with_what_to_do(looks: Callable[..., Looks], root: Path) -> None:
    """A program that is named and not there is found out without starting anything."""
    (root / "package.json").write_text('{"devDependencies": {"vitest": "4"}}', "utf-8")

    look = await looks().look(str(root))

    assert look.folder is Folder.NO_RUNNER
    assert look.detail
    assert look.hint


@pytest.mark.parametrize(
    ("name", "folder"),
    [("nothing", Folder.MISSING), ("file", Folder.FILE), ("~", Folder.TOO_MUCH), ("/", Folder.TOO_MUCH)],
)
async def test_what_cannot_be_watched_is_told(
    looks: Callable[..., Looks], tmp_path: Path, name: str, folder: Folder
) -> None:
    """Each has its own word, so that it can be said in any language."""
    (tmp_path / "file").touch()

    look = await looks().look(name if name in "~/" else str(tmp_path / name))

    assert look.folder is folder
    assert not look.folder.can_be_watched


async def test_without_any_python_the_project_can_be_watched_later(
    looks: Callable[..., Looks], root: Path, places: Places
) -> None:
    """What is configured and not there is told; an environment may still be made."""
    places.settings_file.write_text('[tests]\npython = "/nowhere/python"\n', "utf-8")

    look = await looks().look(str(root))

    assert look.folder is Folder.NO_PYTHON
    assert look.folder.can_be_watched
    assert "/nowhere/python" in look.detail


async def test_counting_that_takes_too_long_is_given_up(looks: Callable[..., Looks], root: Path) -> None:
    """A test file that hangs at import holds nobody up."""
    (root / "tests" / "test_a.py").write_text("import time\ntime.sleep(600)\n", "utf-8")

    count = await looks(count_s=0.2).count(str(root))

    assert count.counting is Counting.SLOW


async def test_a_counting_is_ended_by_the_next_and_by_stop(looks: Callable[..., Looks], root: Path) -> None:
    """One project's tests are counted at a time, and none while they are run; what was started for it is gone."""
    (root / "tests" / "test_a.py").write_text(
        "import os, pathlib, time\npathlib.Path(str(os.getpid())).with_suffix('.pid').touch()\ntime.sleep(600)\n",
        "utf-8",
    )
    seen = looks()

    first = asyncio.ensure_future(seen.count(str(root)))
    counted_by = await asyncio.to_thread(process_in, root)
    second = asyncio.ensure_future(seen.count(str(root)))
    await asyncio.sleep(0)
    seen.stop()
    ended = await asyncio.gather(first, second, return_exceptions=True)

    assert [type(each) for each in ended] == [CommandRefused, CommandRefused]
    with pytest.raises(ProcessLookupError):
        os.kill(counted_by, 0)


async def test_a_folder_that_does_not_answer_is_told(looks: Callable[..., Looks], root: Path) -> None:
    """Nobody waits for a dead disk for ever."""
    with pytest.raises(CannotError, match="does not answer"):
        await looks(look_s=0.0).look(str(root))
