"""The Markdown that models write: what of it is set, and what stays text to the letter."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtGui import QTextCursor, QTextFormat

from app.ui.explain_view import visible
from app.ui.markdown import LONGEST_LINE, Mark, Run, read_line, read_text
from app.ui.pages.explain_parts import FlowText
from tests.ui.models import HOSTILE

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

BOLD, ITALIC, CODE, NOTE = Mark.BOLD, Mark.ITALIC, Mark.CODE, Mark.NOTE


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("plain", (Run("plain"),)),
        (
            "**Not** *quite* ***so***",
            (Run("Not", BOLD), Run(" "), Run("quite", ITALIC), Run(" "), Run("so", BOLD | ITALIC)),
        ),
        ("**a *b* c**", (Run("a ", BOLD), Run("b", BOLD | ITALIC), Run(" c", BOLD))),
        ("see `a_b` and ``c`d``", (Run("see "), Run("a_b", CODE), Run(" and "), Run("c`d", CODE))),
        ("**`x`**", (Run("x", BOLD | CODE),)),
        ("## Why `x`", (Run("Why ", BOLD), Run("x", BOLD | CODE))),
        ("- one\n  * two\n1. three", (Run("\u2022 one\n  \u2022 two\n1. three"),)),
        ("a\n```py\nx = **1**\n```\nb", (Run("a\n"), Run("py", NOTE), Run("\n"), Run("x = **1**", CODE), Run("\nb"))),
        ("````\n```\n````\nb", (Run("```", CODE), Run("\nb"))),
        ("```\nnever ended", (Run("never ended", CODE),)),
    ],
)
def test_what_is_meant_is_set(text: str, runs: tuple[Run, ...]) -> None:
    """Bold, italics, code, lists and headings lose their signs and get their look."""
    assert read_text(text) == runs


@pytest.mark.parametrize(
    "text",
    [
        "2 * 3 * 4 and a*b*c and x**2",
        "def f(*args, **kwargs)",
        "src/**/*.py and lib/**/*.js",
        "__init__ and _private_",
        "+    return a + b",
        "-    return a - b",
        "a ` alone, a ** alone",
        "[x](file:///etc/passwd) ![y](https://example.org/p.png) <javascript:alert(1)>",
        "<img src='file:///etc/hostname'> &amp; <b>bold</b>",
        "> quoted | table |",
        "(**a *b***)",
        "#comment",
    ],
)
def test_what_may_be_code_stays_to_the_letter(text: str) -> None:
    """Stars of a product, of arguments and of a pattern, underscores, links, pictures and HTML are text."""
    assert read_text(text) == (Run(text),)


@given(st.text(alphabet=st.sampled_from("*`#- _ab\n<[]()") | st.characters()))
def test_nothing_but_marks_is_lost(text: str) -> None:
    """Whatever stands in a text, its letters are all there and in their order, and no line is read beyond its end."""
    signs = "*`#-\u2022 \t\n"

    shown = "".join(run.text for run in read_text(text))

    assert [sign for sign in shown if sign not in signs and not sign.isspace()] == [
        sign for sign in text if sign not in signs and not sign.isspace()
    ]
    assert all("\n" not in run.text for run in read_line(text.replace("\n", "")).runs)


@pytest.mark.parametrize(
    "text",
    [
        "*" * 65_536,
        "*a **b ***c " * 5_000,
        "*a " * 20_000 + "a* " * 20_000,
        " ".join("`" * length for length in range(1, 350)),
        "`" * 65_536,
        "[" * 65_536,
        "*a*\n" * 16_000,
        "```\n" * 16_000,
        " " * 65_536 + "-",
        "#" * 65_536,
    ],
)
def test_a_hostile_text_costs_little(text: str) -> None:
    """However deep its marks are nested, or how many there are, it is read in a moment."""
    began = time.perf_counter()

    read_text(text)

    assert time.perf_counter() - began < 3


def test_a_line_is_read_up_to_a_length() -> None:
    """Signs behind that stay, so that a line that comes in pieces need not be read over and over."""
    text = "x" * (LONGEST_LINE - 6) + " **a** **b**"

    assert read_line(text).runs == (Run("x" * (LONGEST_LINE - 6) + " "), Run("a", BOLD), Run(" **b**"))


def test_a_document_holds_nothing_but_text(qtbot: QtBot) -> None:
    """No link, picture, list or table of Qt's comes of a hostile answer, and a turned line shows its turn."""
    shown = FlowText("Answer", is_marked=True)
    qtbot.addWidget(shown)

    shown.show_text(visible(f"**bold** `code`\n{HOSTILE}"))

    cursor = QTextCursor(shown.document())
    kinds = set()
    while cursor.movePosition(QTextCursor.MoveOperation.NextCharacter):
        made = cursor.charFormat()
        kinds.add((made.isAnchor(), made.isImageFormat(), made.objectType()))
    assert kinds == {(False, False, QTextFormat.ObjectTypes.NoObject.value)}
    assert shown.toPlainText() == f"bold code\n{visible(HOSTILE)}"
    assert "\u202e" not in shown.toPlainText()
