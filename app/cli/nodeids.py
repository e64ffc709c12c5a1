"""Which test is meant, among those that the running instance knows."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from app.cli.projects import project_root
from app.domain import words
from app.domain.errors import UsageError
from app.domain.verdicts import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.cli.context import Context

_MATCHES_SHOWN = 20
_NEAR_SHOWN = 5
_LOOKED_THROUGH = 5_000
"""Tests among which near names are looked for: a tenth of a second."""


def project_said(context: Context) -> str | None:
    """Return the folder behind --project as the instance names it; None when it was not said.

    Raises:
        ProjectError: There is no such folder.
    """
    said = context.words.project
    return str(project_root(said, context.cwd)) if said is not None else None


def find_test(
    test: str, watched: Mapping[str, Any], project: str | None, *, prefer_red: bool = False
) -> tuple[str, str]:
    """Return the project and the id of the one test that is meant: its id, its own name, or a part of the id.

    Args:
        test: What was typed.
        watched: The snapshot's projects, as the socket tells them.
        project: The only project whose tests are looked through; None for all.
        prefer_red: Where several may be meant, a test that is red is rather meant than one that is not.

    Raises:
        UsageError: It is none, or more than one; or the project is not watched.
    """
    ids = _ids(watched, project)
    part = test.casefold()
    found = (
        [pair for pair in ids if pair[1] == test]
        or [pair for pair in ids if test in (words.function_name(pair[1]), _without_parameters(pair[1]))]
        or [pair for pair in ids if part in pair[1].casefold()]
    )
    if prefer_red:
        found = [pair for pair in found if _is_red(watched, pair)] or found
    if not found:
        raise UsageError(f"No known test has {test!r} in its id.", _near(part, [nodeid for _, nodeid in ids]))
    if len(found) > 1:
        several = len({root for root, _ in found}) > 1
        lines = [f"  {nodeid}" + (f"  in {root}" if several else "") for root, nodeid in found[:_MATCHES_SHOWN]]
        if len(found) > _MATCHES_SHOWN:
            lines.append(f"  ... and {len(found) - _MATCHES_SHOWN} more")
        hint = "Name one of them, or its project with --project." if several else "Name one of them."
        raise UsageError("\n".join([f"{test!r} may mean {words.tests(len(found))}:", *lines]), hint)
    return found[0]


def newest_red(watched: Mapping[str, Any], project: str | None) -> tuple[str, str] | None:
    """Return the project and the id of the test that went red last; None when none is red.

    Of several that went red at the same moment it is the first by its id.

    Raises:
        UsageError: The project is not watched.
    """
    reds = sorted(pair for pair in _ids(watched, project) if _is_red(watched, pair))
    return max(reds, key=lambda pair: _told(watched, pair)["since"], default=None)


def check_watched(watched: Mapping[str, Any], project: str | None) -> None:
    """Refuse a project that is not watched.

    Raises:
        UsageError: It names those that are.
    """
    if project is not None and project not in watched:
        known = ", ".join(watched) or "none"
        raise UsageError(f"{project} is not watched.", f"The watched projects are: {known}.")


def _ids(watched: Mapping[str, Any], project: str | None) -> list[tuple[str, str]]:
    check_watched(watched, project)
    return [(root, each) for root in watched if project in (None, root) for each in watched[root]["tests"]]


def _near(part: str, nodeids: list[str]) -> str:
    """Return which tests may have been meant instead."""
    if not nodeids:
        return "No test is known yet: it must have run at least once."
    by_name: dict[str, list[str]] = {}
    for nodeid in nodeids[:_LOOKED_THROUGH]:
        for name in (nodeid, words.function_name(nodeid), _without_parameters(nodeid)):
            by_name.setdefault(name.casefold(), []).append(nodeid)
    near = difflib.get_close_matches(part, by_name, n=_NEAR_SHOWN, cutoff=0.6)
    found = list(dict.fromkeys(by_name[name][0] for name in near))[:_NEAR_SHOWN]
    if not found:
        return "It must have run at least once. `watchkeeper tests slow` names known tests."
    return "\n".join(["Did you mean one of these?", *(f"  {words.one_line(nodeid)}" for nodeid in found)])


def _told(watched: Mapping[str, Any], pair: tuple[str, str]) -> Any:  # noqa: ANN401 - a JSON document
    root, nodeid = pair
    return watched[root]["tests"][nodeid]


def _is_red(watched: Mapping[str, Any], pair: tuple[str, str]) -> bool:
    return Outcome(_told(watched, pair)["outcome"]).is_red


def _without_parameters(nodeid: str) -> str:
    return words.function_name(nodeid).partition("[")[0]
