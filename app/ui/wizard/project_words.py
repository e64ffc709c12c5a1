"""What the first step says of a folder and of its tests. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.domain.firststart import Counting, Folder

if TYPE_CHECKING:
    from app.domain.firststart import ProjectLook, TestCount
    from app.ui.words.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class Said:
    """Something that a person should know.

    Attributes:
        text: What.
        hint: What to do.
        detail: In the words of whoever ran into it.
    """

    text: str
    hint: str = ""
    detail: str = ""


def python_text(tr: Catalogue, look: ProjectLook) -> str:
    """Return which Python runs the tests; empty where none is needed."""
    if not look.interpreter and look.folder is Folder.NO_PYTHON:
        return tr("no Python found")
    if look.source == "PATH":
        return tr("{path}, as the project has no environment of its own", path=look.interpreter)
    return look.interpreter


def tests_text(tr: Catalogue, count: TestCount | None) -> str:
    """Return how many tests there are; None while they are being counted."""
    if count is None:
        return tr("being counted\u2026")
    match count.counting:
        case Counting.LATER:
            return tr("the first run tells how many")
        case Counting.SLOW:
            return tr("many: the first run tells how many")
        case Counting.DONE | Counting.BROKEN:
            return tr.count("{count} test found", "{count} tests found", count.tests)
        case Counting.NO_TESTS:
            return tr("no tests found")
        case _:
            return tr("not known yet")


def folder_trouble(tr: Catalogue, look: ProjectLook) -> Said | None:
    """Return what is wrong with a folder; None for nothing."""
    own = f"{look.detail} {look.hint}".strip()
    said = {
        Folder.MISSING: Said(tr("There is no such folder."), tr("Check the spelling, or browse for it.")),
        Folder.FILE: Said(tr("That is a file, not a folder."), tr("Choose the folder that the project lies in.")),
        Folder.TOO_MUCH: Said(tr("That is far more than one project."), tr("Choose the folder of one project in it.")),
        Folder.UNREADABLE: Said(
            tr("That folder cannot be read."),
            tr("Look at its permissions, and whether its disk is there."),
            look.detail,
        ),
        Folder.NO_PYTHON: Said(
            tr("No Python was found that could run its tests."),
            tr("Make an environment in it: Watchkeeper finds it by itself then."),
            own,
        ),
        Folder.NO_RUNNER: Said(
            tr("What runs its tests is not installed."), tr("Install it: Watchkeeper finds it by itself then."), own
        ),
    }
    return said.get(look.folder)


def settings_word(tr: Catalogue, look: ProjectLook) -> Said | None:
    """Return what is to be said of settings that a project brings along; None for nothing."""
    if not look.own_settings:
        return None
    return Said(
        tr("The project brings settings of its own, which are not used before you trust them."),
        tr("They stand in {file}. To trust them: watchkeeper config trust", file=look.own_settings),
    )


def count_trouble(tr: Catalogue, count: TestCount) -> Said | None:
    """Return what went wrong while tests were counted; None for nothing."""
    match count.counting:
        case Counting.NO_PYTEST:
            hint = tr("Install it: Watchkeeper finds it by itself then.")
            return Said(tr("This Python has no pytest."), hint, count.command)
        case Counting.NO_TESTS:
            hint = tr(
                "Tests are looked for in files named test_*.py or *_test.py. The first one runs once you save it."
            )
            return Said(tr("There are no tests in it yet."), hint)
        case Counting.BROKEN:
            hint = tr("Their tests run once that is mended. The others are watched meanwhile.")
            return Said(tr("Some of its files cannot be imported."), hint, ", ".join(count.files))
        case Counting.FAILED:
            hint = tr("You can watch it all the same: the first run says more.")
            return Said(tr("Its tests could not be counted."), hint, count.detail)
    return None
