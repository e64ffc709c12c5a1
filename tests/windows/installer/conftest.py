"""Lets these tests run in the box (tests/windows/box.py) and on its screen, with the setups of two versions.

`python installer/bootstrap.py test --installer` builds the first and has the box. Plain `pytest` leaves them out.

Each module has a Windows of its own. What happens to it happens in fixtures, one step after the other, which note what
they saw; each test then looks at one thing in the notes. So the report reads as a table of what holds.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
BOX = os.environ.get("WATCHKEEPER_TEST_BOX")
SETUP, NEXT = "WATCHKEEPER_TEST_SETUP", "WATCHKEEPER_TEST_SETUP_NEXT"
"""Name setups that are there already, of this version and of the next; else that in dist/ is taken, and one is built.

Beside the folder of the former lies `build`, with what is packed in it.
"""
LIMIT_S = 1200.0

collect_ignore_glob = [] if BOX else ["*"]

if BOX:
    # The parts are no part of the product: they are found beside the tests, which pytest imports by path.
    sys.path[:0] = [str(HERE), str(HERE.parent)]

if TYPE_CHECKING:
    from collections.abc import Iterator

    from machine import Machine
    from screen import Screen


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder, so that `-m installer` finds it."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.installer)
            item.add_marker(pytest.mark.timeout(LIMIT_S))


@pytest.fixture(scope="session")
def setup() -> Path:
    """The setup that was built from this checkout."""
    named = os.environ.get(SETUP)
    if named:
        return Path(named)
    found = sorted((ROOT / "dist").glob("watchkeeper-*-testing-setup.exe"), key=lambda path: path.stat().st_mtime)
    if not found:
        pytest.fail("There is no setup. Run: python3 installer/build.py windows --python testing", pytrace=False)
    return found[-1]


@pytest.fixture(scope="session")
def payload(setup: Path) -> Path:
    """The folder that was packed into it."""
    return setup.parents[1] / "build" / "windows" / "program"


@pytest.fixture(scope="session")
def version(setup: Path) -> str:
    """The version of that setup, by its name."""
    return setup.name.split("-")[1]


@pytest.fixture(scope="session")
def next_version(version: str) -> str:
    """The version after it."""
    *head, last = version.split(".")
    return ".".join((*head, str(int(last) + 1)))


@pytest.fixture(scope="session")
def next_setup(next_version: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The setup of the next version: of a copy of this checkout that says so of itself."""
    named = os.environ.get(NEXT)
    return Path(named) if named else _built(next_version, tmp_path_factory.mktemp("next"))


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """A Windows on which nothing was ever installed."""
    from box import Box  # noqa: PLC0415 - found by sys.path in the box only
    from machine import Machine  # noqa: PLC0415 - likewise

    assert BOX is not None
    box = Box(Path(BOX), os.environ)
    with box.fresh() as drive:
        machine = Machine(box, drive)
        machine.run("cmd", "/c", "ver")  # Wine makes the person's own folders with the first program
        yield machine


@pytest.fixture(scope="module")
def screen(request: pytest.FixtureRequest) -> Screen:
    """The screen; its pictures are called as the module is."""
    from screen import Screen  # noqa: PLC0415 - likewise

    return Screen(request.path.stem.removeprefix("test_"))


def _built(version: str, folder: Path) -> Path:
    listed = subprocess.check_output(("git", "ls-files", "-co", "--exclude-standard", "-z"), cwd=ROOT, text=True)
    copy = folder / "checkout"
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    init = copy / "app" / "__init__.py"
    lines = init.read_text("utf-8").splitlines()
    told = [f'__version__ = "{version}"' if line.startswith("__version__") else line for line in lines]
    init.write_text("\n".join(told) + "\n", "utf-8")
    # In the environment of this checkout, for the time of this checkout's commit.
    stamp = subprocess.check_output(("git", "log", "-1", "--format=%ct"), cwd=ROOT, text=True).strip()
    env = {**os.environ, "WATCHKEEPER_BUILD_INSIDE": "1", "SOURCE_DATE_EPOCH": stamp}
    out = folder / "dist"
    words = ("installer/build.py", "windows", "--python", "testing", "--out", str(out))
    subprocess.run((sys.executable, *words), cwd=copy, env=env, check=True)
    (made,) = out.glob("*-testing-setup.exe")
    return made
