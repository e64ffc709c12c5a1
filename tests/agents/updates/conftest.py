"""What the tests of updates share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.agents.updates.site import Site
from tests.alerts.channels.farends import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path, fake_clock: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A place where releases are announced, asked without a proxy."""
    for name in ("HTTPS_PROXY", "ALL_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "authority"
    folder.mkdir()
    with Site(authority=Authority(folder), now=fake_clock.wall()) as made:
        yield made


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The program's home."""
    return tmp_path / "home"
