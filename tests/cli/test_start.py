"""How the tray is asked for: kept by a parent, and in safe mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.cli.launchers import TrayOptions

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (["--keep"], TrayOptions(keep=True)),
        (["--safe"], TrayOptions(safe=True)),
        (["--keep", "--safe", "--window"], TrayOptions(window=True, safe=True, keep=True)),
    ],
)
def test_keeping_and_safe_mode_are_asked_for(cli: Any, words: list[str], options: TrayOptions) -> None:
    """Each option reaches what starts the tray."""
    assert cli(*words).code == 0

    assert cli.started == [("tray", (), options)]


def test_a_kept_tray_has_its_folders(cli: Any, tmp_path: Path) -> None:
    """Folders stand before or behind the option."""
    cli("--keep", str(tmp_path))
    cli(str(tmp_path), "--keep")

    assert cli.started == [("tray", (tmp_path.resolve(),), TrayOptions(keep=True))] * 2


@pytest.mark.parametrize("words", [["--help"], ["x", "--help"]])
def test_the_help_tells_of_both(cli: Any, words: list[str]) -> None:
    """Whoever asks for help learns how the program comes back after a crash, and how it starts without agents."""
    said = cli(*words).out

    assert "--keep" in said
    assert "--safe" in said
