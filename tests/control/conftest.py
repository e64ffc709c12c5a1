"""A running instance's ear, on both transports."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.engine.places import Places

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def places() -> Iterator[Places]:
    """Folders of their own, so short that a socket fits in them."""
    home = Path(tempfile.mkdtemp(prefix="wk-"))
    found = Places.find({"WATCHKEEPER_HOME": str(home)})
    found.create()
    yield found
    shutil.rmtree(home)


@pytest.fixture(params=[False, True], ids=["unix", "tcp"])
def tcp(request: pytest.FixtureRequest) -> bool:
    """Each transport in turn."""
    return bool(request.param)
