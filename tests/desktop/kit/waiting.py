"""Waiting for a condition, with a deadline and an answer that says what did not come."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

DEADLINE_S = 20.0
LOOK_EVERY_S = 0.05


async def until(look: Callable[[], T | None], what: str, deadline_s: float = DEADLINE_S) -> T:
    """Look again and again until there is something, and return it.

    Raises:
        AssertionError: It did not come in time; the text names `what`.
    """
    deadline = time.monotonic() + deadline_s
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {deadline_s:g} s, last seen: {seen!r}")
        await asyncio.sleep(LOOK_EVERY_S)


async def until_same(look: Callable[[], T | None], what: str, deadline_s: float = DEADLINE_S) -> T:
    """Look again and again until there is something that two looks in a row agree on, and return it."""
    before: list[T | None] = [None]

    def again() -> T | None:
        seen = look()
        agreed = seen is not None and seen == before[0]
        before[0] = seen
        return seen if agreed else None

    return await until(again, what, deadline_s)


async def until_read(
    read: Callable[[], Awaitable[T]], good: Callable[[T], bool], what: str, deadline_s: float = DEADLINE_S
) -> T:
    """Read again and again until what is read is good, and return it.

    Raises:
        AssertionError: It was not good in time; the text names `what` and shows what was read last.
    """
    deadline = time.monotonic() + deadline_s
    while not good(seen := await read()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {deadline_s:g} s, last read: {seen!r}")
        await asyncio.sleep(LOOK_EVERY_S)
    return seen
