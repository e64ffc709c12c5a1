"""Whether there is a display, asked before Qt ends the process over it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from app.system.display import display_trouble

if TYPE_CHECKING:
    from pathlib import Path


def test_no_display_is_said_in_words() -> None:
    """Neither variable set: nothing can be shown."""
    assert "no display" in display_trouble({}, platform="linux")


@pytest.mark.parametrize("display", [":4711", "localhost:4711", "nonsense", ":x", "unix:4711.0"])
def test_a_display_that_does_not_answer_is_named(display: str) -> None:
    """A stale DISPLAY would make Qt abort."""
    assert display in display_trouble({"DISPLAY": display}, platform="linux")


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_other_systems_have_a_display_when_somebody_is_logged_in(platform: str) -> None:
    """Windows and macOS need no variable."""
    assert not display_trouble({}, platform=platform)


def test_a_platform_that_was_chosen_is_taken_at_its_word() -> None:
    """QT_QPA_PLATFORM=offscreen needs no display."""
    assert not display_trouble({"QT_QPA_PLATFORM": "offscreen"}, platform="linux")


def test_a_wayland_display_that_answers_is_enough(tmp_path: Path) -> None:
    """The compositor's socket lies in the session's runtime folder; then only libraries can be missing."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as compositor:
        compositor.bind(str(tmp_path / "wayland-0"))
        compositor.listen()
        environ = {"WAYLAND_DISPLAY": "wayland-0", "XDG_RUNTIME_DIR": str(tmp_path)}

        assert not display_trouble(environ, platform="linux", libraries=lambda _: "")
        assert "libEGL" in display_trouble(environ, platform="linux", libraries=lambda _: "Qt needs libEGL.so.1.")

    assert "wayland-0" in display_trouble(environ, platform="linux", libraries=lambda _: "")
