"""Which checks there are, and which of them an audit runs."""

from __future__ import annotations

from importlib.metadata import distributions, entry_points
from typing import TYPE_CHECKING

from app.agents.auditing.host.builtin import BUILT_IN, REVIEW
from app.agents.auditing.host.heard import CheckPlace
from app.agents.auditing.plugin import GROUP

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from importlib.metadata import EntryPoint
    from pathlib import Path

REVIEW_PLACE = CheckPlace(REVIEW, "Review by a model")
ACCOUNT_CHECKS = tuple(name for name, each in BUILT_IN.items() if each.of_accounts)
"""Their ids: an audit of a project does not see them."""


def known_checks(plugins: Path) -> tuple[tuple[CheckPlace, ...], tuple[str, ...]]:
    """Return the checks of code that there are, and what is wrong with others, in words for people.

    An entry point's name is its check's id. One that comes with Watchkeeper wins over another of the same id. Reads the
    installed packages' names, so it is to be called in a thread.

    Args:
        plugins: A folder into which checks were installed besides.
    """
    places = {name: _place(name) for name in BUILT_IN}
    places[REVIEW] = REVIEW_PLACE
    troubles = []
    for point in _entry_points(plugins):
        if point.name in places:
            whose = "comes with Watchkeeper" if not places[point.name].entry else "is installed already"
            troubles.append(f"The check {point.name} of {point.value} is left out: one of this id {whose}.")
            continue
        places[point.name] = CheckPlace(point.name, point.name, point.name)
    for name in ACCOUNT_CHECKS:
        del places[name]
    return tuple(places.values()), tuple(troubles)


def account_checks(services: Sequence[str] = ()) -> tuple[CheckPlace, ...]:
    """Return the checks that look at an account.

    Args:
        services: Their ids; none for all.
    """
    return tuple(_place(name) for name in ACCOUNT_CHECKS if not services or name in services)


def _place(name: str) -> CheckPlace:
    return CheckPlace(name, BUILT_IN[name].title, deadline_s=BUILT_IN[name].deadline_s)


def _entry_points(plugins: Path) -> Iterable[EntryPoint]:
    found = list(entry_points(group=GROUP))
    for each in distributions(path=[str(plugins)]):
        found += each.entry_points.select(group=GROUP)
    return sorted(found, key=lambda point: (point.name, point.value))


def unknown_among(places: Sequence[CheckPlace], off: Sequence[str]) -> tuple[str, ...]:
    """Return what is wrong with the checks that the settings leave out, in words for people.

    Args:
        places: The checks that there are.
        off: What is left out.
    """
    known = sorted({place.id for place in places} | set(ACCOUNT_CHECKS))
    return tuple(
        f"The setting audits.off names {name}, and there is no such check. There are: {', '.join(known)}."
        for name in off
        if name not in known
    )


def chosen(places: Sequence[CheckPlace], only: Sequence[str], off: Sequence[str]) -> tuple[CheckPlace, ...]:
    """Return the checks to run.

    Args:
        places: Those that there are.
        only: Their ids; none for all.
        off: Those that the settings leave out, unless `only` names them.

    Raises:
        LookupError: One of `only` is no check; its text lists those that there are.
    """
    known = {place.id for place in places}
    for name in only:
        if name not in known:
            raise LookupError(f"There is no check named {name}. There are: {', '.join(sorted(known))}.")
    return tuple(place for place in places if (place.id in only if only else place.id not in off))
