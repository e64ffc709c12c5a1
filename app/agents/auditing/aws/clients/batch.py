"""Many units of work, so many at a time: what fails is a value, what is given in order comes back in order."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

T = TypeVar("T")

AT_ONCE = 50
"""Beyond it nothing is gained: the processor is the limit."""


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """A unit that came to something.

    Attributes:
        value: What.
    """

    value: T


@dataclass(frozen=True, slots=True)
class Failed:
    """A unit that failed; what it was to find out is not known.

    Attributes:
        error: Why; mostly an AWSError.
    """

    error: Exception


Outcome: TypeAlias = Done[T] | Failed


async def batch(units: Iterable[Callable[[], Awaitable[T]]], at_once: int = AT_ONCE) -> list[Outcome[T]]:
    """Do all units, and return what each came to, in their order.

    A unit that fails does not touch the others. When the caller is cancelled, or its time is up, all are cancelled, and
    none is alive when this returns.

    Args:
        units: Each is called once; `units` itself is read as there is room, so it may be a generator.
        at_once: How many are under way at most, one or more.
    """
    outcomes: dict[int, Outcome[T]] = {}
    numbered = enumerate(units)

    async def work() -> None:
        for number, unit in numbered:
            try:
                outcomes[number] = Done(await unit())
            except Exception as error:  # noqa: BLE001 - whatever it is, the other units go on
                outcomes[number] = Failed(error)

    async with asyncio.TaskGroup() as group:
        for _ in range(max(1, at_once)):
            group.create_task(work(), name="aws-unit")
    return [outcomes[number] for number in range(len(outcomes))]
