"""Coverage of changed lines: which lines changed, which of them hold code, and whether a test executes them."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.agents.testing.impact.covered import ChangedFile, changed_lines, code_lines, lines_changed
from app.agents.testing.impact.source import line_checksums
from app.domain.coverage import ChangedLines

if TYPE_CHECKING:
    from collections.abc import Sequence


def sums(text: str | None) -> Sequence[int] | None:
    """Return a text's lines as they are kept."""
    return None if text is None else line_checksums(text.encode())


SOURCE = textwrap.dedent('''\
    """Module."""
    LIMIT = 3

    def outer(
        value,
    ):
        """Say.

        More.
        """
        # a comment
        text = """
        a string
        """
        if value:
            pass
        elif text:
            try:
                value += 1
            except ValueError:
                raise
            finally:
                value += 2
        else:
            value = 4

        @decorated
        def inner():
            return value
        class Local:
            """Say."""
            attribute = 1
        match value:
            case 1:
                pass
            case _:
                pass
        return (
            value,
            # why
            inner,
        )

    class Thing:
        attribute = 1
        async def method(self):
            async for each in self: await each
    ''')


def numbered(*lines: str) -> list[int]:
    """Return where these lines, stripped, stand in SOURCE."""
    stripped = [line.strip() for line in SOURCE.split("\n")]
    return [stripped.index(line) + 1 for line in lines]


def test_lines_that_hold_code() -> None:
    """Statements inside functions do; blank lines, comments, docstrings, a bare else and what is outside do not."""
    code = code_lines(SOURCE)

    texts = [SOURCE.split("\n")[line - 1].strip() for line in sorted(code)]
    assert texts == [
        'text = """',
        "a string",
        '"""',
        "if value:",
        "pass",
        "elif text:",
        "try:",
        "value += 1",
        "except ValueError:",
        "raise",
        "value += 2",
        "value = 4",
        "@decorated",
        "def inner():",
        "return value",
        "class Local:",
        "attribute = 1",
        "match value:",
        "case 1:",
        "pass",
        "case _:",
        "pass",
        "return (",
        "value,",
        "inner,",
        ")",
        "async for each in self: await each",
    ]


def test_a_line_belongs_to_the_function_that_executes_it() -> None:
    """The head of an inner function is executed by the outer one."""
    code = code_lines(SOURCE)

    head, body, outer, inner = numbered("def inner():", "return value", "def outer(", "def inner():")
    assert (code[head], code[body]) == (outer, inner)


@pytest.mark.parametrize("text", ["def f(:", "\0", "def f():\n\treturn 1\n        return 2\n"])
def test_what_is_no_python_holds_no_code(text: str) -> None:
    """A file that cannot be parsed counts for nothing."""
    assert code_lines(text) == {}


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("a\nb\nc\n", "a\nB\nc\n", {2}),
        ("a\nb\nc\n", "a\nb\nc\n", set()),
        ("a\nb\nc\n", "a\nc\n", set()),
        ("a\nc\n", "a\nb\nc\n", {2}),
        ("a\r\nb  \n", "a\nb\n", set()),
        ("a\nb\nc\nd\ne\n", "A\nb\nc\nd\nE\n", {1, 5}),
        ("", "a\n", {1}),
        ("a\fa\nb", "a\fa\nB", {2}),
        (None, "a\nb", {1, 2}),
    ],
)
def test_changed_lines(old: str | None, new: str, changed: set[int]) -> None:
    """A line has changed that was not there before; blanks at its end do not count."""
    assert lines_changed(sums(old), sums(new) or []) == changed


def test_a_change_that_is_too_large_to_compare() -> None:
    """Then all between the first and the last difference counts as changed, and no time is spent."""
    old = "head\n" + "".join(f"a{line}\nsame\n" for line in range(3_000)) + "tail"
    new = "head\n" + "".join(f"b{line}\nsame\n" for line in range(3_000)) + "tail"

    assert lines_changed(sums(old), sums(new)) == set(range(2, 6_001))


@given(st.lists(st.sampled_from("abc")), st.lists(st.sampled_from("abc")))
def test_what_did_not_change_was_there(old: list[str], new: list[str]) -> None:
    """The lines that did not change stand in the old text, in that order."""
    changed = lines_changed(sums("\n".join(old)), sums("\n".join(new)))

    kept = [line for number, line in enumerate("\n".join(new).splitlines(), 1) if number not in changed]
    rest = iter("\n".join(old).splitlines())
    assert all(line in rest for line in kept)


def test_covered_and_uncovered() -> None:
    """Changed lines count by the function they belong to, and those outside functions not at all."""
    old = "X = 1\ndef f():\n    return 1\ndef g():\n    # why\n    return 2\ndef h(): return 1\n"
    new = "X = 2\ndef f():\n    return 3\ndef g():\n    # how\n    return 4\ndef h(): return 2\n"
    file = ChangedFile("a.py", sums(old), new, {"f": (2, 3), "g": (4, 6), "h": (7, 7)}, {"f", "h"})
    new_file = ChangedFile("0.py", None, "def f():\n    x = 1\n    return x\n", {"f": (1, 3)}, ())
    broken = ChangedFile("b.py", None, "def f(:", {}, ())

    assert changed_lines([file, new_file, broken]) == ChangedLines(5, 2, (("0.py", (2, 3)), ("a.py", (6,))))


def test_the_innermost_function_counts() -> None:
    """A method is known by itself, although its outer function spans it too."""
    new = "def f():\n    class A:\n        def g(self):\n            return 1\n    return A\n"
    functions = {"f": (1, 5), "f.A.g": (3, 4)}

    executed = changed_lines([ChangedFile("a.py", None, new, functions, {"f"})])

    assert executed == ChangedLines(4, 3, (("a.py", (4,)),))


def test_few_uncovered_lines_are_named() -> None:
    """A large new file does not fill the snapshot, but all its lines are counted."""
    new = "def f():\n" + "    call()\n" * 3_000
    file = ChangedFile("a.py", None, new, {"f": (1, 3_001)}, ())

    lines = changed_lines([file])

    assert (lines.total, lines.covered, len(lines.uncovered[0][1])) == (3_000, 0, 1_000)
