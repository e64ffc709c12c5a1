"""The icons: one for each mood, told by shape and by colour."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import pytest
from PySide6.QtGui import QImage, qAlpha

from app.domain.analysis import Confidence
from app.domain.errors import InternalError
from app.domain.snapshot import Mood
from app.domain.verdicts import Outcome
from app.ui.icons import APP_SIZES, PANEL_SIZES, Icons, Panel, paint_of
from app.ui.resources import resource
from app.ui.window import PAGES

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZES = (16, 22, 32, 64, 256)


def _shape(image: QImage) -> tuple[bool, ...]:
    return tuple(qAlpha(p) > 127 for p in _pixels(image))


def _pixels(image: QImage) -> Iterator[int]:
    return (image.pixel(x, y) for y in range(image.height()) for x in range(image.width()))


def _share_that_differs(one: QImage, other: QImage) -> float:
    pairs = list(zip(_shape(one), _shape(other), strict=True))
    return sum(a != b for a, b in pairs) / len(pairs)


@pytest.mark.parametrize("size", [16, 22, 32])
def test_every_mood_has_a_shape_of_its_own(icons: Icons, size: int) -> None:
    """In one colour, at least one pixel in thirty differs between any two moods, so that shape alone tells them."""
    images = {mood: icons.mood_image(mood, size, panel=Panel.MONO_DARK) for mood in Mood}

    alike = [(a, b) for a, b in combinations(Mood, 2) if _share_that_differs(images[a], images[b]) < 1 / 30]

    assert alike == []


@pytest.mark.parametrize("panel", [Panel.LIGHT, Panel.DARK])
def test_every_mood_has_a_colour_of_its_own(panel: Panel) -> None:
    """No two moods share a colour on a coloured panel."""
    colors = {paint_of(mood, panel).body for mood in Mood}

    assert len(colors) == len(Mood)


@pytest.mark.parametrize("panel", Panel)
@pytest.mark.parametrize("size", SIZES)
def test_an_icon_fills_its_square(icons: Icons, size: int, panel: Panel) -> None:
    """At every size an icon reaches near all four edges, is square, and has nothing outside."""
    for mood in Mood:
        image = icons.mood_image(mood, size, panel=panel)

        seen = [(i % size, i // size) for i, p in enumerate(_pixels(image)) if qAlpha(p) > 40]
        edge = max(size // 12, 2)
        assert image.size().toTuple() == (size, size)
        assert min(x for x, _ in seen) <= edge
        assert max(x for x, _ in seen) >= size - 1 - edge
        assert max(y for _, y in seen) >= size - 1 - edge


def test_the_count_shows_in_the_red_icon(icons: Icons) -> None:
    """Each count up to 99 gives a picture of its own, as do none and more than 99."""
    pictures = {bytes(icons.mood_image(Mood.RED, 32, count).constBits()) for count in (*range(100), 100)}

    assert len(pictures) == 101


def test_a_count_says_nothing_of_other_moods(icons: Icons) -> None:
    """Only red shows a count."""
    assert icons.mood_image(Mood.GREEN, 32, 5) == icons.mood_image(Mood.GREEN, 32, 0)


def test_three_characters_are_left_out_where_they_cannot_be_read(icons: Icons) -> None:
    """In the smallest panels more than 99 red tests show as the plain red icon."""
    assert icons.mood_image(Mood.RED, 16, 250) == icons.mood_image(Mood.RED, 16, 0)


def test_a_tray_icon_has_every_size_and_is_drawn_once(icons: Icons) -> None:
    """The icon holds the sizes that trays ask for, and asking again gives the same one."""
    icon = icons.tray(Mood.RED, 3, Panel.DARK)

    assert sorted(size.width() for size in icon.availableSizes()) == list(PANEL_SIZES)
    assert icons.tray(Mood.RED, 3, Panel.DARK) is icon
    assert sorted(size.width() for size in icons.app().availableSizes()) == list(APP_SIZES)


def test_the_program_has_a_picture_file(icons: Icons) -> None:
    """What takes no Qt icon, as a notification service, is given a PNG of the program's icon alone."""
    png = icons.app_png(96)

    assert png.startswith(b"\x89PNG")
    assert QImage.fromData(png).size().toTuple() == (96, 96)


def test_every_outcome_has_a_symbol_of_its_own(icons: Icons) -> None:
    """Outcomes are told apart by shape, not by colour alone."""
    shapes = {_shape(icons.symbol(f"outcome-{o.value}", "#000000", 16).toImage()) for o in Outcome}

    assert len(shapes) == len(Outcome)


@pytest.mark.parametrize("size", [14, 16, 32])
def test_every_confidence_has_a_shape_of_its_own(icons: Icons, size: int) -> None:
    """How sure a model is can be told without colour."""
    shapes = {_shape(icons.symbol(f"confidence-{each.value}", "#000000", size).toImage()) for each in Confidence}

    assert len(shapes) == len(Confidence)


def test_every_page_has_a_symbol(icons: Icons) -> None:
    """No page of the window stands without its symbol in the side bar."""
    empty = [name for name, _ in PAGES if not any(_shape(icons.symbol(f"page-{name}", "#000000", 18).toImage()))]

    assert empty == []


def test_a_missing_file_is_named() -> None:
    """What is missing and what to do about it is said."""
    with pytest.raises(InternalError, match=r"icons/none\.svg.*Install Watchkeeper again"):
        resource("icons/none.svg")
