"""Libraries that Qt needs and the system lacks are told before Qt ends the process over them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from app.system.qtlibraries import libraries, library_trouble

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "installer"))

from provision.system import PACKAGE_TOOLS, QT_LIBRARIES, WAYLAND_LIBRARIES

BOTH = {"DISPLAY": ":0", "WAYLAND_DISPLAY": "wayland-0"}


def test_a_missing_library_is_named_with_the_command_that_brings_it() -> None:
    """The message has soname and package: on Debian by apt-get, each package once."""
    missing = {"libglib-2.0.so.0", "libgthread-2.0.so.0", "libxcb-cursor.so.0"}

    said = library_trouble(
        {"DISPLAY": ":0"},
        platform="linux",
        loads=lambda soname: soname not in missing,
        which=lambda program: "/usr/bin/apt-get" if program == "apt-get" else None,
    )

    assert "libxcb-cursor.so.0" in said
    assert said.endswith("sudo apt-get install libglib2.0-0 libxcb-cursor0")


def test_without_a_known_package_tool_the_libraries_alone_are_named() -> None:
    """A distribution that nobody thought of."""
    said = library_trouble(
        {"DISPLAY": ":0"}, platform="linux", loads=lambda soname: soname != "libEGL.so.1", which=lambda _: None
    )

    assert "libEGL.so.1" in said
    assert "apt-get" not in said


@pytest.mark.parametrize("environ", [{}, BOTH, {"WAYLAND_DISPLAY": "wayland-0"}, {"DISPLAY": ":0"}])
def test_where_all_are_there_nothing_is_said(environ: dict[str, str]) -> None:
    """Whatever the display."""
    assert not library_trouble(environ, platform="linux", loads=lambda _: True)


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_other_systems_bring_all_in_the_wheel(platform: str) -> None:
    """Nothing is looked for there."""
    assert not library_trouble(BOTH, platform=platform, loads=lambda _: False)


def test_on_wayland_alone_nothing_of_x_is_asked_for() -> None:
    """A system without X needs none of its libraries, and one without Wayland none of that."""
    assert not any("xcb" in soname for soname in libraries({"WAYLAND_DISPLAY": "wayland-0"}))
    assert not any("wayland" in soname for soname in libraries({"DISPLAY": ":0"}))


def test_the_loader_itself_is_asked() -> None:
    """A library that is there by whatever way counts, and is loaded then; one that is nowhere does not."""
    said = library_trouble({"DISPLAY": ":0"}, platform="linux", which=lambda _: None)

    assert ("libGL.so.1" in said) == ("libGL.so.1" not in Path("/proc/self/maps").read_text("utf-8"))


def test_the_table_is_that_of_the_bootstrap() -> None:
    """What a checkout installs is what an installed program asks for."""
    told = {need.name: dict(need.packages) for need in (*QT_LIBRARIES, *WAYLAND_LIBRARIES)}
    told.pop("libwayland-egl.so.1")  # for windows drawn by OpenGL: there are none

    assert libraries(BOTH) == told
    assert {tool.name for tool in PACKAGE_TOOLS} == set(libraries(BOTH)["libGL.so.1"])
