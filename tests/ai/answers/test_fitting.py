"""Fitting a patch to the source: what is written says the same change, whatever came."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.ai.answers.fitting import fit
from app.ai.answers.patches import NoPatch, read_patch

SIGNS = ("+", "-", " ", "\t", "--- ", "+++ \n", "-- x\n", "\n", "```\n", "\\ No newline\n", "old mode 1\n")
MARKS = ("--- a/f\n", "+++ b/f\n", "--- /dev/null\n", "+++ /dev/null\n", "@@ -1 +1 @@\n", "@@", "@@ -2,3 +9 @@\n")
PIECES = st.lists(st.sampled_from([*SIGNS, *MARKS, " a\n", "-a\n", "+b\n"])).map("".join)
SOURCE = st.lists(st.sampled_from(["a", "b", "", "  ", "a\r"])).map("\n".join)


@settings(deadline=None)
@given(st.one_of(st.text(), PIECES, PIECES.map(lambda text: "--- a/f\n+++ b/f\n@@ -1 +1 @@\n" + text)), SOURCE)
def test_any_text_is_fitted_or_refused(text: str, source: str) -> None:
    """Nothing but a refusal is raised."""
    try:
        written = [fit(each, None if each.is_new else source) for each in read_patch(text)]
    except NoPatch:
        return

    assert all(part.startswith("--- ") and part.endswith("\n") for part in written)


def edited(source: list[str], part: str) -> list[str]:
    """What a fitted patch makes of lines: by its marks alone, each context and old line compared."""
    result: list[str] = []
    at = 0
    for line in part.splitlines()[2:]:
        if line.startswith("@@"):
            begin = int(line.split()[1].split(",")[0].lstrip("-")) - 1
            result += source[at:begin]
            at = begin
        elif line[0] in " -":
            assert source[at] == line[1:]
            result += source[at : at + 1] if line[0] == " " else []
            at += 1
        elif line[0] == "+":
            result.append(line[1:])
    return result + source[at:]


@settings(deadline=None)
@given(st.integers(1, 60), st.data())
def test_a_fitted_patch_makes_the_same_change(length: int, data: st.DataObject) -> None:
    """Changed lines without any context, with wrong numbers, come out where they belong."""
    source = [f"line {number}" for number in range(length)]
    changed = sorted(data.draw(st.sets(st.integers(0, length - 1), min_size=1)))
    hunks = "".join(f"@@ -{data.draw(st.integers(1, 99))} +1 @@\n-line {at}\n+new {at}\n+more\n" for at in changed)
    [patch] = read_patch(f"--- a/f\n+++ b/f\n{hunks}")

    found = edited(source, fit(patch, "\n".join([*source, ""])))

    expected = [[f"new {at}", "more"] if at in changed else [f"line {at}"] for at in range(length)]
    assert found == [line for lines in expected for line in lines]


def test_a_source_that_repeats_itself_takes_no_time() -> None:
    """A long hunk is looked for in a long file of equal lines within a moment."""
    old = "".join("-a\n" for _ in range(1_000))
    [patch] = read_patch(f"--- a/f\n+++ b/f\n@@ -9 +9 @@\n{old}-b\n+c\n")
    [short] = read_patch(f"--- a/f\n+++ b/f\n@@ -9 +9 @@\n{old[:-3]}-b\n+c\n")
    began = time.process_time()

    for each in (patch, short):
        with pytest.raises(NoPatch):
            fit(each, "a\n" * 50_000)

    assert time.process_time() - began < 5
