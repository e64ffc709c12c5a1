"""What the tests of the built Linux packages share: the packages, and a Debian to install them in."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "tests" / "windows"), str(ROOT / "tests" / "desktop")]

if sys.platform == "linux":
    from debian import Debian
    from packages import Built, build
    from session import Session
else:
    collect_ignore_glob = ["test_*.py"]

CACHE = "WATCHKEEPER_TEST_BOX_CACHE"
FOLDER = "WATCHKEEPER_TEST_PACKAGES"
"""A folder with packages that are built already, to save the time."""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The packages of this checkout."""
    named = os.environ.get(FOLDER)
    if named:
        return Built(*(max(Path(named).glob(name)) for name in ("*_amd64.deb", "*-linux-x86_64.tar.gz")))
    out = tmp_path_factory.mktemp("dist")
    return Built(build("deb", out), build("portable", out))


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def debian(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Debian]:
    """A Debian in which nothing was ever installed, with its package lists read."""
    layer = tmp_path_factory.mktemp("debian")
    cache = Path(os.environ.get(CACHE, ROOT / "build" / "boxes"))
    with Debian(request.param, cache, layer) as system:
        system.apt("update")
        yield system
    shutil.rmtree(layer)


@pytest.fixture(scope="module")
def screen() -> Iterator[Session]:
    """A desktop without a screen, with a tray; no session bus, which belongs to another user."""
    with Session(bus=False, notifications=False) as session:
        yield session
