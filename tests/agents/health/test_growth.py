"""Memory that grows without end, told from memory that comes and goes."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from app.agents.health.growth import Growth

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1024 * 1024
HOUR_S = 3600.0
WINDOW_S = 6 * HOUR_S


def grown(used_mib: Callable[[float], float], *, hours: float) -> list[float]:
    """Return the hours at which growth was seen, looking four times a minute."""
    growth = Growth(window_s=WINDOW_S, least_per_h=8 * MIB)
    looks = int(hours * 240)
    return [look / 240 for look in range(looks) if growth.look(look * 15.0, int(used_mib(look / 240) * MIB))]


def test_a_leak_is_seen_when_the_window_is_full() -> None:
    """Not before, since a program warms up; then all the time."""
    seen = grown(lambda hour: 80 + 12 * hour, hours=8)

    assert seen[0] == pytest.approx(6.0)
    assert seen[-1] == pytest.approx(8.0, abs=0.01)


def test_how_fast_it_grows_is_told() -> None:
    """In bytes an hour, through the noise of work that comes and goes."""
    chance = random.Random(7)  # noqa: S311 - noise, no secrets
    growth = Growth(window_s=WINDOW_S, least_per_h=8 * MIB)

    for look in range(8 * 240):
        per_h = growth.look(look * 15.0, int((80 + 12 * look / 240 + chance.expovariate(0.1)) * MIB))

    assert per_h == pytest.approx(12 * MIB, rel=0.1)


@pytest.mark.parametrize(
    "used_mib",
    [
        lambda _hour: 80.0,
        lambda hour: 80 + 4 * hour,
        lambda hour: 80 + 100 * min(hour, 2.0),
        lambda hour: 80.0 if hour < 5 else 280.0,
        lambda hour: 80 + 60 * (hour % 1.0),
        lambda hour: 300 - 12 * hour,
    ],
    ids=["flat", "slow", "warm-up", "step", "saw", "shrinks"],
)
def test_what_does_not_grow_without_end_is_not_seen(used_mib: Callable[[float], float]) -> None:
    """Over a whole day."""
    assert grown(used_mib, hours=12) == []


def test_growth_that_ends_is_over() -> None:
    """What was seen is no more, once it has levelled off."""
    seen = grown(lambda hour: 80 + 12 * min(hour, 8.0), hours=14)

    assert seen
    assert max(seen) < 12
