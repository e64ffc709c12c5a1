"""Comparing versions and evaluating ranges."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from app.agents.auditing.checks.dependencies.versions import NoVersion, is_affected, key_of, least_fixed

ORDERED = ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11"]
ORDERED += ["1.0.0-rc.1", "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0"]
"""The first eight are the example of Semantic Versioning 2.0.0."""


def affected(*events: dict[str, str], versions: tuple[str, ...] = (), kind: str = "ECOSYSTEM") -> dict[str, Any]:
    return {"versions": list(versions), "ranges": [{"type": kind, "events": list(events)}]}


def test_npm_versions_are_ordered_as_their_specification_says() -> None:
    """Each version of the specification's example is below the next."""
    keys = [key_of("npm", each) for each in ORDERED]

    assert all(lower < higher for lower, higher in pairwise(keys))


@pytest.mark.parametrize(
    ("ecosystem", "one", "other"),
    [
        ("PyPI", "1.0", "1.0.0"),
        ("PyPI", "1.0rc1", "1.0.RC.1"),
        ("PyPI", "2.1+cu118", "2.1"),
        ("npm", "v1.0.0", "1.0.0+a"),
    ],
)
def test_spellings_of_one_version_are_equal(ecosystem: str, one: str, other: str) -> None:
    """How a version is spelt, and what it was built for, makes it no other version."""
    assert key_of(ecosystem, one) == key_of(ecosystem, other)


@pytest.mark.parametrize(("ecosystem", "text"), [("PyPI", "2004d"), ("npm", "latest"), ("npm", ""), ("PyPI", "")])
def test_what_is_no_version_is_refused(ecosystem: str, text: str) -> None:
    """A text that no registry takes for a version is not compared."""
    with pytest.raises(NoVersion):
        key_of(ecosystem, text)


@pytest.mark.parametrize(
    ("version", "expected"),
    [("0.9", False), ("1.0", True), ("1.4.9", True), ("1.5", False), ("1.9", False), ("2.0rc1", False), ("2.1", True),
     ("2.3", True), ("2.3.1", False)],
)  # fmt: skip
def test_ranges(version: str, expected: bool) -> None:  # noqa: FBT001 - what is expected
    """A range may have several parts; `fixed` is outside of its part and `last_affected` within, in whichever order."""
    about = affected({"last_affected": "2.3"}, {"introduced": "2.0"}, {"fixed": "1.5"}, {"introduced": "1.0"})

    assert is_affected("PyPI", version, about) is expected


def test_from_the_beginning_on() -> None:
    """`introduced: 0` is below all versions, also below first pre-releases."""
    assert is_affected("npm", "0.0.0-0", affected({"introduced": "0"}, kind="SEMVER"))


def test_commits_are_no_versions() -> None:
    """A range of git is not taken for one of versions."""
    assert not is_affected("PyPI", "1.0", affected({"introduced": "0"}, kind="GIT"))


def test_listed_versions_stand_in_for_bounds_that_are_none() -> None:
    """Where a bound is no version, the listed versions decide; without them nothing is known."""
    with_list = affected({"introduced": "0"}, {"fixed": "2004d"}, versions=("1.0",))
    without = affected({"introduced": "0"}, {"fixed": "2004d"})

    assert is_affected("PyPI", "1.0.0", with_list)
    assert not is_affected("PyPI", "1.1", with_list)
    with pytest.raises(NoVersion):
        is_affected("PyPI", "1.0", without)


def test_the_least_fix_above() -> None:
    """The fix of the own branch is proposed, not that of an older or a newer one, and none that is affected itself."""
    about = affected({"introduced": "0"}, {"fixed": "1.5"}, {"introduced": "2.0"}, {"fixed": "2.3"})
    newer = affected({"introduced": "1.5"}, {"fixed": "1.6"})

    assert least_fixed("PyPI", "1.2", [about]) == "1.5"
    assert least_fixed("PyPI", "2.1", [about]) == "2.3"
    assert least_fixed("PyPI", "1.2", [about, newer]) == "1.6"
    assert least_fixed("PyPI", "3.0", [about]) == ""


releases = st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)).map(
    lambda parts: ".".join(map(str, parts))
)


@given(releases, releases, releases)
def test_a_part_is_what_a_specifier_says(at: str, low: str, high: str) -> None:
    """A part of a range holds what `>=low,<high` of pip holds, for npm as for PyPI."""
    low, high = sorted((low, high), key=lambda each: key_of("PyPI", each))
    about = affected({"introduced": low}, {"fixed": high})
    expected = at in SpecifierSet(f">={low},<{high}")

    if low != high:
        assert is_affected("PyPI", at, about) is expected
        assert is_affected("npm", at, about) is expected


@given(st.text(max_size=30))
def test_any_text_is_a_version_or_none(text: str) -> None:
    """Whatever a file gives as version, it is compared or refused."""
    for ecosystem in ("PyPI", "npm"):
        try:
            key = key_of(ecosystem, text)
        except NoVersion:
            continue
        assert not key < key  # noqa: PLR0124 - an order
