"""Compares versions as their registries do, and evaluates the ranges of an advisory.

Ranges are of the OSV schema: events `introduced`, `fixed`, `last_affected` and `limit`, of the types `ECOSYSTEM` and
`SEMVER`. https://ossf.github.io/osv-schema/#evaluation
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

from packaging.version import InvalidVersion, Version

from app.agents.auditing.checks.dependencies.pins import PYPI

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Key: TypeAlias = Any
"""What versions of one ecosystem are compared by."""

_SEMVER = re.compile(r"^[v=]?\s*(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:\.\d+)*(?:-([0-9A-Za-z.-]+))?(?:\+.*)?$")
_RANGES = frozenset({"ECOSYSTEM", "SEMVER"})
_ORDER = {"introduced": 1, "fixed": 0, "last_affected": 2, "limit": 0}


class NoVersion(ValueError):
    """A text is no version of its ecosystem."""


def key_of(ecosystem: str, version: str) -> Key:
    """Return what a version is compared by: PEP 440 for PyPI, Semantic Versioning 2.0.0 for npm.

    Builds (`1.0+cu118`) count as what they were built of: advisories do not know them.

    Raises:
        NoVersion: It is no version.
    """
    if ecosystem == PYPI:
        try:
            return Version(version.partition("+")[0])
        except InvalidVersion:
            raise NoVersion(f"{version!r} is no version of PyPI") from None
    found = _SEMVER.match(version.strip())
    if found is None or len(version) > 256:  # noqa: PLR2004 - as node's semver has it
        raise NoVersion(f"{version!r} is no version of npm")
    release = tuple(int(each or 0) for each in found.group(1, 2, 3))
    if found[4] is None:
        return (*release, 1, ())
    return (
        *release,
        0,
        tuple((0, int(each), "") if each.isdecimal() else (1, 0, each) for each in found[4].split(".")),
    )


def is_affected(ecosystem: str, version: str, affected: Mapping[str, Any]) -> bool:
    """Return whether an `affected` object of an advisory tells of a version. It must be of the same package.

    Raises:
        NoVersion: The version, or a bound of a range where no versions are listed, cannot be compared.
    """
    listed = [each for each in _list(affected, "versions") if isinstance(each, str)]
    if version in listed:
        return True
    at = key_of(ecosystem, version)
    if any(_same(ecosystem, at, each) for each in listed):
        return True
    try:
        return any(_within(ecosystem, at, events) for events in _ranges(affected))
    except NoVersion:
        if listed:
            return False
        raise


def least_fixed(ecosystem: str, version: str, affected: Iterable[Mapping[str, Any]]) -> str:
    """Return the least version above one in which what an advisory tells of is fixed; empty when none is known.

    Args:
        ecosystem: See `key_of`.
        version: What is pinned.
        affected: The `affected` objects of the advisory that are of this package.
    """
    given = list(affected)
    try:
        at = key_of(ecosystem, version)
    except NoVersion:
        return ""
    above: dict[str, Key] = {}
    for events in (events for each in given for events in _ranges(each)):
        for event in events:
            fixed = event.get("fixed")
            if isinstance(fixed, str) and (key := _key_or_none(ecosystem, fixed)) is not None and key > at:
                above[fixed] = key
    for fixed in sorted(above, key=above.__getitem__):
        try:
            if not any(is_affected(ecosystem, fixed, each) for each in given):
                return fixed
        except NoVersion:
            continue
    return ""


def _within(ecosystem: str, at: Key, events: list[Mapping[str, Any]]) -> bool:
    steps = []
    for event in events:
        for name, bound in event.items():
            if name in _ORDER and not (name == "limit" and bound == "*"):
                lowest = name == "introduced" and str(bound) == "0"
                steps.append((lowest, name, None if lowest else key_of(ecosystem, str(bound))))
    inside = any(lowest for lowest, _, _ in steps)
    for _, name, bound in sorted((step for step in steps if not step[0]), key=lambda step: (step[2], _ORDER[step[1]])):
        if name == "introduced":
            inside = inside or at >= bound
        elif (at > bound) if name == "last_affected" else (at >= bound):
            inside = False
    return inside


def _ranges(affected: Mapping[str, Any]) -> Iterator[list[Mapping[str, Any]]]:
    for each in _list(affected, "ranges"):
        if isinstance(each, dict) and each.get("type") in _RANGES:
            yield [event for event in _list(each, "events") if isinstance(event, dict)]


def _list(of: Mapping[str, Any], name: str) -> list[Any]:
    found = of.get(name)
    return found if isinstance(found, list) else []


def _same(ecosystem: str, at: Key, version: str) -> bool:
    return bool(_key_or_none(ecosystem, version) == at)


def _key_or_none(ecosystem: str, version: str) -> Key | None:
    try:
        return key_of(ecosystem, version)
    except NoVersion:
        return None
