"""Setup by its pages, in Russian as on a Russian Windows: what somebody sees who has never used a terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from machine import LONG_S, until
from person import BROKEN, RUN, Installed, make_project, usual_folder

if TYPE_CHECKING:
    from pathlib import Path

    from machine import Machine
    from screen import Screen

TITLE = "Установка Watchkeeper"
UNINSTALLER = "Удаление Watchkeeper"
PROGRAM = "Watchkeeper"
WIZARD = "Настройка Watchkeeper"


@dataclass(frozen=True, slots=True)
class Pages:
    """What setup showed: the titles of its windows, and how many pages there were."""

    titles: list[str]
    pictures: list[Path]


@pytest.fixture(scope="module")
def russian(machine: Machine) -> Machine:
    """The same Windows, which speaks Russian."""
    machine.speak("ru_RU")
    return machine


@pytest.fixture(scope="module")
def pages(russian: Machine, setup: Path, screen: Screen) -> Pages:
    russian.open(russian.bring(setup))
    number = until(lambda: screen.window(PROGRAM), "setup's window", LONG_S)
    titles, pictures = [], []
    for what in ("welcome", "folder", "choices"):
        shown = screen.until_drawn(number)
        titles.append(screen.windows()[number])
        pictures.append(screen.picture(what))
        screen.click_button(number)
        until(lambda before=shown: screen.pixels_of(number) != before, f"the page behind {what}")
    screen.picture("unpacking")
    until((usual_folder(russian) / "uninstall.exe").exists, "setup is done", LONG_S)
    titles.append(screen.windows()[number])
    pictures.append(screen.click_to_the_end(number, "finished"))
    return Pages(titles, pictures)


@pytest.fixture(scope="module")
def installed(russian: Machine, pages: Pages) -> Installed:
    assert pages.titles
    return Installed(russian, usual_folder(russian))


def test_setup_speaks_russian(pages: Pages) -> None:
    """On each page."""
    assert pages.titles == [TITLE] * 4


def test_setup_by_clicks_installs_it(installed: Installed) -> None:
    """Where it does without a word."""
    assert installed.launcher.is_file()
    assert installed.shortcut.is_file()


def test_setup_by_clicks_starts_it_at_login(installed: Installed) -> None:
    """As it is ticked at first."""
    assert installed.machine.value(RUN, "Watchkeeper")


def test_the_last_page_starts_it(installed: Installed, screen: Screen) -> None:
    """With its window, which comes by itself."""
    screen.until_window(PROGRAM)
    screen.picture("started")

    assert installed.until_running()["mood"]


@pytest.fixture(scope="module")
def chosen(installed: Installed, screen: Screen) -> dict[str, Any]:
    """What the program sees once a project was named in the wizard, by the keyboard alone."""
    folder = installed.machine.drive / "My shop"  # outside of the home, whose letters no keyboard here has
    make_project(installed.machine, folder)
    wizard = screen.until_window(WIZARD)
    screen.write(wizard, installed.machine.name(folder))
    shown = screen.until_drawn(wizard)
    screen.press(wizard, "Return")
    until(lambda: screen.pixels_of(wizard) != shown, "the wizard looks")
    screen.picture("the project was looked at")

    def is_watched() -> dict[str, Any]:
        screen.press(wizard, "Return")
        return installed.status().get("projects", {})

    until(is_watched, "the project is watched")
    screen.picture("the next step")
    return installed.until_mood("green")


def test_a_project_is_chosen_in_the_wizard(chosen: dict[str, Any]) -> None:
    """Its tests run at once, with its own Python."""
    (project,) = chosen["projects"].values()

    assert project["interpreter_source"] == ".venv"
    assert project["last"]["verdict"] == "green"


def test_what_is_chosen_there_turns_red(chosen: dict[str, Any], installed: Installed, screen: Screen) -> None:
    """From the next save on."""
    (root,) = chosen["projects"]
    (installed.machine.path(root) / "prices.py").write_text(BROKEN, "utf-8")

    red = installed.until_mood("red")

    screen.picture("a red test")
    assert "test_prices.py::test_total" in red["projects"][root]["tests"]


@pytest.fixture(scope="module")
def removed(installed: Installed, screen: Screen) -> list[str]:
    """The titles of the uninstaller, by clicks while the program runs."""
    installed.machine.open(installed.folder / "uninstall.exe")
    number = until(lambda: screen.window(UNINSTALLER), "the uninstaller's window", LONG_S)
    titles = []
    for what in ("remove", "remove what"):
        shown = screen.until_drawn(number)
        titles.append(screen.windows()[number])
        screen.picture(what)
        screen.click_button(number)
        until(lambda before=shown: screen.pixels_of(number) != before, f"the page behind {what}")
    until(lambda: not (installed.folder / "uninstall.exe").exists(), "the uninstaller is done", LONG_S)
    screen.click_to_the_end(number, "removed")
    return titles


def test_the_uninstaller_speaks_russian(removed: list[str]) -> None:
    """As setup does."""
    assert removed == [UNINSTALLER] * 2


def test_the_uninstaller_by_clicks_leaves_nothing(removed: list[str], installed: Installed) -> None:
    """And ends the program that runs."""
    assert removed

    assert not installed.folder.exists()
    assert not installed.shortcut.exists()
    until(lambda: not installed.machine.programs(), "all of it has ended")
