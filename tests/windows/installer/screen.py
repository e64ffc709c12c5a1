"""The screen on which the programs of the box show their windows, and a person's hands on it."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from machine import LONG_S, until

if TYPE_CHECKING:
    from types import TracebackType

ROOT = Path(__file__).resolve().parents[3]
NEXT_FROM_RIGHT, NEXT_FROM_BOTTOM = 138, 24
"""In pixels, at 96 to the inch."""
HEAD = (20, 50)
"""Where a title stands in a window, and how high it is."""
BUTTON_LONG, BUTTON_DEEP = 48, 8
"""How long a stretch of one colour is that no word and no icon has, and how far below its upper edge it is clicked."""
FEW_VALUES = 64
"""A window without its content has a handful of byte values in its picture; text and edges bring many."""


@dataclass(frozen=True, slots=True)
class Area:
    """A part of the screen in pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def middle(self) -> tuple[int, int]:
        """Its middle."""
        return self.x + self.width // 2, self.y + self.height // 2


class Screen:
    """The X display that DISPLAY names.

    Args:
        name: What the pictures are called; a number is added, so that they lie in order.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._count = 0
        self._folder = Path(os.environ.get("WATCHKEEPER_SCREENSHOTS", ROOT / "build" / "screenshots"))

    def picture(self, what: str, *, anew: bool = False) -> Path:
        """Write a picture of the whole screen, for people; `anew` in the place of the last one."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._count += not anew
        path = self._folder / f"{self._name}-{self._count:02} {what}.png"
        _run("import", "-window", "root", str(path))
        return path

    def windows(self) -> dict[str, str]:
        """Return the titles of the windows that the window manager shows, by their ids."""
        listed = _run("xprop", "-root", "_NET_CLIENT_LIST").partition("#")[2]
        numbers = [each.strip() for each in listed.split(",") if each.strip()]
        return {number: _title(number) for number in numbers}

    def window(self, title: str) -> str | None:
        """Return the id of a window whose title contains a text; None when there is none."""
        return next((number for number, name in self.windows().items() if title in name), None)

    def until_window(self, title: str) -> str:
        """Wait until there is such a window and it shows something, and return its id."""
        number = until(lambda: self.window(title), f"a window called {title!r}", LONG_S)
        until(lambda: len(set(self.pixels_of(number))) > FEW_VALUES, f"window {number} shows something")
        return number

    def until_gone(self, number: str) -> None:
        """Wait until a window is gone."""
        until(lambda: number not in self.windows(), f"window {number} closes")

    def until_drawn(self, number: str) -> bytes:
        """Wait until a window shows more than one colour and stands still, and return its pixels."""
        seen: list[bytes] = [b""]

        def still() -> bytes | None:
            pixels = self.pixels_of(number)
            same = pixels == seen[0] and len(set(pixels)) > FEW_VALUES
            seen[0] = pixels
            return pixels if same else None

        return until(still, f"window {number} is drawn")

    def area(self, number: str) -> Area:
        """Return where a window is."""
        geometry = _run("xwininfo", "-id", number)
        names = ("Absolute upper-left X", "Absolute upper-left Y", "Width", "Height")
        return Area(*(int(geometry.partition(f"{name}:")[2].split()[0]) for name in names))

    def pixels(self, area: Area) -> bytes:
        """Return what an area shows, as the bytes of a PPM picture."""
        crop = f"{area.width}x{area.height}+{area.x}+{area.y}"
        argv = ("import", "-window", "root", "-crop", crop, "+repage", "-depth", "8", "ppm:-")
        return subprocess.run(argv, capture_output=True, check=True, timeout=60).stdout

    def pixels_of(self, number: str) -> bytes:
        """Return what a window shows; nothing where it is gone, as it may be between two looks."""
        try:
            return self.pixels(self.area(number))
        except subprocess.CalledProcessError:
            return b""

    def head_of(self, number: str) -> bytes:
        """Return what stands at the top of a window, where nothing moves by itself as a caret does further down."""
        try:
            area = self.area(number)
            return self.pixels(Area(area.x, area.y + HEAD[0], area.width, HEAD[1]))
        except subprocess.CalledProcessError:
            return b""

    def tray_icons(self) -> list[Area]:
        """Return where the tray's panel shows icons of Windows' programs."""
        lines = _run("xwininfo", "-root", "-tree").splitlines()
        panels = [area for line in lines if '("panel" "trayer")' in line and (area := _area(line))]
        icons = [area for line in lines if ".exe" in line and (area := _area(line))]
        return [icon for icon in icons if any(_lies_in(icon, panel) for panel in panels)]

    def press(self, number: str, *keys: str) -> None:
        """Press keys, by their X names, in a window."""
        _run("xdotool", "windowactivate", "--sync", number)
        for key in keys:
            _run("xdotool", "key", "--clearmodifiers", key)

    def click_button(self, number: str) -> None:
        """Click the button that goes on in one of setup's windows: the middle one of three at its lower right."""
        area = self.area(number)
        _run("xdotool", "windowactivate", "--sync", number)
        self.click((area.x + area.width - NEXT_FROM_RIGHT, area.y + area.height - NEXT_FROM_BOTTOM))

    def until_button(self, number: str, colour: str) -> tuple[int, int]:
        """Wait until a window shows a button that is filled with a colour, such as `#2460d8`, and return its middle."""
        wanted = bytes.fromhex(colour.removeprefix("#"))

        def look() -> tuple[int, int] | None:
            area, picture = self.area(number), self.pixels_of(number)
            found = picture and _filled(picture, wanted)
            return (area.x + found[0], area.y + found[1]) if found else None

        return until(look, f"a button of the colour {colour}")

    def click_to_the_end(self, number: str, what: str) -> Path:
        """Click the button of the last page, which has no effect before it is up, until the window is gone.

        Returns:
            The last picture of the window.
        """
        pictures = [self.picture(what)]

        def is_over() -> bool:
            pictures.append(self.picture(what, anew=True))
            with suppress(subprocess.CalledProcessError):  # the window may go between two looks
                self.click_button(number)
            return number not in self.windows()

        until(is_over, f"{what} is over", LONG_S)
        return pictures[-1]

    def write(self, number: str, text: str) -> None:
        """Type a text into a window."""
        _run("xdotool", "windowactivate", "--sync", number)
        _run("xdotool", "type", "--delay", "30", text)

    def click(self, place: tuple[int, int], button: int = 1) -> None:
        """Click at a place: 1 is the left button, 3 the right one."""
        _run("xdotool", "mousemove", *map(str, place), "click", str(button))


class Visitors:
    """Notes which programs show a window, however short, from `with` on; those that were there count as well.

    Attributes:
        classes: What X calls the windows' programs, such as `conhost.exe`.
    """

    def __init__(self) -> None:
        self.classes: set[str] = set()
        self._watch: subprocess.Popen[str] | None = None
        self._reader = threading.Thread(target=self._read)

    def __enter__(self) -> Self:
        """Begin to watch."""
        argv = ("xprop", "-spy", "-root", "_NET_CLIENT_LIST")
        self._watch = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop watching."""
        assert self._watch is not None
        self._watch.terminate()
        self._reader.join()
        self._watch.communicate()

    def _read(self) -> None:
        assert self._watch is not None
        assert self._watch.stdout is not None
        known: set[str] = set()
        for line in self._watch.stdout:
            numbers = {each.strip() for each in line.partition("#")[2].split(",") if each.strip()}
            for number in numbers - known:
                told = subprocess.run(("xprop", "-id", number, "WM_CLASS"), capture_output=True, text=True, check=False)
                self.classes.update(re.findall(r'"([^"]*)"', told.stdout) or ["a window that was gone at once"])
            known |= numbers


def _run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, check=True, timeout=60)
    return done.stdout.decode("utf-8", "replace")


def _filled(picture: bytes, colour: bytes) -> tuple[int, int] | None:
    """Return the middle of the first line of a picture (PPM, 8 bits) with so long a stretch of a colour."""
    _kind, size, _depth, pixels = picture.split(b"\n", 3)
    width, height = map(int, size.split())
    stretch = colour * BUTTON_LONG
    for y in range(height):
        line = pixels[3 * width * y : 3 * width * (y + 1)]
        x = line.find(stretch)
        if x >= 0 and x % 3 == 0:
            return x // 3 + BUTTON_LONG // 2, y + BUTTON_DEEP
    return None


def _title(number: str) -> str:
    argv = ("xdotool", "getwindowname", number)  # a window may go between two looks
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()


def _area(line: str) -> Area | None:
    """Read size and place on the screen from the end of a line of `xwininfo -tree`: `22x30+0+0  +1257+769`."""
    found = re.search(r"(\d+)x(\d+)[+-]+\d+[+-]+\d+ +\+(\d+)\+(\d+)$", line)
    width, height, x, y = map(int, found.groups()) if found else (0, 0, 0, 0)
    return Area(x, y, width, height) if found else None


def _lies_in(one: Area, other: Area) -> bool:
    return (
        other.x <= one.x
        and other.y <= one.y
        and one.x + one.width <= other.x + other.width
        and one.y + one.height <= other.y + other.height
    )
