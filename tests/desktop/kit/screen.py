"""The screen of the session: windows, clicks, the tray's pixels and pictures for people."""

from __future__ import annotations

import os
import re
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kit.waiting import until, until_same

if TYPE_CHECKING:
    from collections.abc import Mapping

OUR_CLASS = '("watchkeeper" "watchkeeper")'
LOST_S = 3.0
FEW_VALUES = 64
"""A window without its content has a handful of byte values in its picture; text and edges bring many."""
COLOURED = 60
"""By how much the strongest part of a pixel exceeds the weakest where people see a colour."""
PANEL_CLASS = '("panel" "trayer")'


@dataclass(frozen=True, slots=True)
class Area:
    """A part of the screen in pixels."""

    x: int
    y: int
    width: int
    height: int

    def lies_in(self, other: Area) -> bool:
        """Return True when all of it is inside the other area."""
        return (
            other.x <= self.x
            and other.y <= self.y
            and self.x + self.width <= other.x + other.width
            and self.y + self.height <= other.y + other.height
        )

    @property
    def middle(self) -> tuple[int, int]:
        """Its middle."""
        return self.x + self.width // 2, self.y + self.height // 2


class Screen:
    """The X display of a session.

    Args:
        environ: The session's environment.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = dict(environ)

    def screenshot(self, name: str) -> Path:
        """Write a picture of the whole screen to `WATCHKEEPER_SCREENSHOTS`, or ./screenshots."""
        folder = Path(os.environ.get("WATCHKEEPER_SCREENSHOTS", "screenshots"))
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.png"
        self._run("import", "-window", "root", str(path))
        return path

    def pixels(self, area: Area) -> bytes:
        """Return what an area shows, as the bytes of a PPM picture."""
        crop = f"{area.width}x{area.height}+{area.x}+{area.y}"
        return self._run("import", "-window", "root", "-crop", crop, "+repage", "ppm:-")

    def colour(self, area: Area) -> str:
        """Return what most coloured pixels of an area are: red, green or blue; grey when none has a colour."""
        crop = f"{area.width}x{area.height}+{area.x}+{area.y}"
        pixels = self._run("import", "-window", "root", "-crop", crop, "+repage", "-depth", "8", "rgb:-")
        counts = {"grey": 1, "red": 0, "green": 0, "blue": 0}
        for red, green, blue in zip(pixels[0::3], pixels[1::3], pixels[2::3], strict=True):
            if max(red, green, blue) - min(red, green, blue) > COLOURED:
                parts = {"red": red, "green": green, "blue": blue}
                counts[max(parts, key=parts.__getitem__)] += 1
        return max(counts, key=counts.__getitem__)

    async def until_colour(self, area: Area, colour: str) -> None:
        """Wait until an area has this colour."""
        await until(lambda: self.colour(area) == colour, f"{colour} at {area}")

    def whole(self) -> bytes:
        """Return what the whole screen shows, as the bytes of a PPM picture."""
        return self._run("import", "-window", "root", "ppm:-")

    def tray_icons(self) -> list[Area]:
        """Return where the tray shows our icon: a small window of ours that the tray has put in its place."""
        lines = self._run("xwininfo", "-root", "-tree").decode(errors="replace").splitlines()
        panels = [area for line in lines if PANEL_CLASS in line and (area := _area(line))]
        icons = [area for line in lines if OUR_CLASS in line and (area := _area(line))]
        return [icon for icon in icons if any(icon.lies_in(panel) for panel in panels)]

    async def until_tray_icon(self) -> Area:
        """Wait until the tray shows our icon and moves it no more, and return where."""
        seen = await until_same(self.tray_icons, "an icon in the tray")
        return seen[-1]

    async def until_drawn(self, number: str) -> None:
        """Wait until a window has drawn itself: it shows more than one colour, and stands still."""
        geometry = self._run("xwininfo", "-id", number).decode()
        names = ("Absolute upper-left X", "Absolute upper-left Y", "Width", "Height")
        area = Area(*(int(geometry.partition(f"{name}:")[2].split()[0]) for name in names))

        def drawn() -> bytes | None:
            pixels = self.pixels(area)
            return pixels if len(set(pixels)) > FEW_VALUES else None

        await until_same(drawn, "a window that is drawn")

    def windows(self, title: str) -> list[str]:
        """Return the ids of the windows that the window manager shows and whose title contains `title`."""
        return [number for number, name in self._managed() if title in name]

    def _managed(self) -> list[tuple[str, str]]:
        listed = self._run("xprop", "-root", "_NET_CLIENT_LIST").decode().partition("#")[2]
        numbers = [each.strip() for each in listed.split(",") if each.strip()]
        return [(number, self._title(number)) for number in numbers]

    def _title(self, number: str) -> str:
        argv = ["xdotool", "getwindowname", number]  # a window may go between two looks
        return subprocess.run(argv, env=self._environ, capture_output=True, text=True, check=False).stdout.strip()

    async def until_window(self, title: str) -> str:
        """Wait until there is a visible window whose title contains `title`, and return its id."""
        return (await until(lambda: self.windows(title), f"a window called {title!r}"))[-1]

    async def close_window(self, number: str) -> None:
        """Have a window closed as its close button does (openbox's key for it), and wait until it is.

        A key that comes while openbox moves the focus is lost on a busy machine, and is pressed again.
        """
        pressed = float("-inf")

        def gone() -> bool:
            nonlocal pressed
            is_there = any(number == each for each, _ in self._managed())
            if is_there and time.monotonic() - pressed > LOST_S:
                pressed = time.monotonic()
                argv = ["xdotool", "windowactivate", "--sync", number, "key", "alt+F4"]
                with suppress(subprocess.TimeoutExpired):  # it may be gone by now, and is never active then
                    subprocess.run(argv, env=self._environ, capture_output=True, check=False, timeout=LOST_S)
            return not is_there

        await until(gone, "the window closes")

    def click(self, place: tuple[int, int], button: int = 1) -> None:
        """Click at a place: 1 is the left button, 3 the right one."""
        self._run("xdotool", "mousemove", *map(str, place), "click", str(button))

    def key(self, *names: str) -> None:
        """Press keys, by their X names, into the window that has the focus."""
        self._run("xdotool", "key", *names)

    def write(self, text: str) -> None:
        """Type a text into the window that has the focus."""
        self._run("xdotool", "type", "--delay", "1", text)

    def _run(self, *argv: str) -> bytes:
        return subprocess.run(argv, env=self._environ, capture_output=True, check=True, timeout=20).stdout


def _area(line: str) -> Area | None:
    """Read size and place on the screen from the end of a line of `xwininfo -tree`: `22x30+0+0  +1257+769`."""
    found = re.search(r"(\d+)x(\d+)[+-]+\d+[+-]+\d+ +\+(\d+)\+(\d+)$", line)
    width, height, x, y = map(int, found.groups()) if found else (0, 0, 0, 0)
    return Area(x, y, width, height) if found else None
