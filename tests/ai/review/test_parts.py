"""The parts of a change as a model is shown them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.ai.failures.hunks import hunks_of
from app.ai.messages import tokens_of
from app.ai.review.parts import Line, Part, in_order, is_reviewed, packed, parts_of

DIFF = """\
diff --git a/shop.py b/shop.py
--- a/shop.py
+++ b/shop.py
@@ -10,4 +10,4 @@ def total(prices):
 def total(prices):
-    return sum(prices)
+    return sum(prices) - 1
 #
 # end
diff --git a/old.py b/old.py
deleted file mode 100644
--- a/old.py
+++ /dev/null
@@ -1 +0,0 @@
-gone = 1
diff --git a/uv.lock b/uv.lock
--- a/uv.lock
+++ b/uv.lock
@@ -1 +1 @@
-a
+b
"""
LINES = st.lists(
    st.tuples(st.sampled_from(" +-"), st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=60)),
    min_size=1,
    max_size=60,
)


def part(lines: list[tuple[str, str]], path: str = "a.py", first: int = 1) -> Part:
    made, number = [], first
    for sign, text in lines:
        made.append(Line(sign, 0 if sign == "-" else number, text))
        number += sign != "-"
    return Part(path, tuple(made))


def test_lines_have_their_numbers_and_signs() -> None:
    """A reader can name each line that is there; what is gone has no number, and what no person wrote is not shown."""
    (only,) = parts_of(hunks_of(DIFF), 1000)

    shown = only.shown(str)

    assert shown.text.split("\n") == [
        "=== shop.py (within: def total(prices):)",
        "   10   def total(prices):",
        "      -     return sum(prices)",
        "   11 +     return sum(prices) - 1",
        "   12   #",
        "   13   # end",
    ]


def test_a_part_is_the_same_when_it_moves() -> None:
    """Its digest counts what was done, and no line numbers."""
    there, moved, other = (part([("+", "a = 1")], first=first) for first in (1, 50, 1))

    assert there.digest == moved.digest == other.digest
    assert there.digest != part([("-", "a = 1")]).digest
    assert there.digest != part([("+", "a = 1")], path="b.py").digest


def test_what_nobody_wrote_or_may_see_is_no_part() -> None:
    """Locks, minified and vendored files, and such that hold secrets by their names."""
    seen = [
        path
        for path in (
            "a.py",
            "src/app.ts",
            "uv.lock",
            "x.min.js",
            "vendor/a.go",
            ".env",
            "PHASE_1.audit.md",
            "deploy/id_rsa",
            "b/dist/x.js",
        )
        if is_reviewed(path)
    ]

    assert seen == ["a.py", "src/app.ts"]


def test_source_comes_before_tests_and_words() -> None:
    """What is left out for the budget is what matters least."""
    paths = ["README.md", "tests/test_a.py", "app/a.py", "setup.cfg"]

    ordered = in_order([part([("+", "x")], path=path) for path in paths])

    assert [each.path for each in ordered] == ["app/a.py", "tests/test_a.py", "README.md", "setup.cfg"]


@given(LINES, st.integers(30, 400))
def test_pieces_hold_all_parts_within_their_tokens(lines: list[tuple[str, str]], most: int) -> None:
    """Nothing is lost between hunks and pieces, and no piece of several parts has more than it may."""
    body = "".join(f"{sign}{text}\n" for sign, text in lines)
    olds = sum(sign != "+" for sign, _ in lines)
    news = sum(sign != "-" for sign, _ in lines)
    diff = f"--- a/a.py\n+++ b/a.py\n@@ -1,{olds} +1,{news} @@\n{body}"

    parts = list(parts_of(hunks_of(diff), most))
    pieces = packed([each.shown(str) for each in parts], most)

    told = [line for piece in pieces for shown in piece for line in shown.lines if line.sign != " "]
    assert len(told) == sum(sign != " " for sign, _ in lines)
    assert all(len(piece) == 1 or sum(tokens_of(each.text) for each in piece) <= most for piece in pieces)
