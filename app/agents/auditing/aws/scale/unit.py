"""run_unit: a unit of work, JSON in and JSON out, in whatever process it lands.

A process that is given units has nobody who constructs things for it, so what they share is kept here, one for each
loop. A coroutine that has begun on a worker of Dask is not cancelled from outside; so a unit ends by its own deadline,
or when `stop` raises the flag of its audit.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from app.agents.auditing.aws.scale.documents import (
    Document,
    Loss,
    Lost,
    NotADocument,
    Result,
    document_of_result,
    work_of,
)
from app.agents.auditing.aws.scale.workplace import Workplace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.agents.auditing.aws.scale.documents import Work

FLAGS = 1_000
"""Audits that were ended, of which a process remembers the latest."""


class _Here:
    """What the units of one loop share."""

    def __init__(self) -> None:
        self.workplace = Workplace()
        self.under_way: dict[asyncio.Task[Result], str] = {}
        self.stopped: OrderedDict[str, None] = OrderedDict()


_here: WeakKeyDictionary[asyncio.AbstractEventLoop, _Here] = WeakKeyDictionary()


def _this() -> _Here:
    loop = asyncio.get_running_loop()
    if loop not in _here:
        _here[loop] = _Here()
    return _here[loop]


async def run_unit(unit: Mapping[str, Any]) -> Document:
    """Do a unit, and return what it came to; for both documents see `documents`. Errors are values.

    Done twice, it comes to the same, but for what has changed in the account meanwhile.

    Args:
        unit: The unit.
    """
    try:
        work = work_of(unit)
    except NotADocument as error:
        told = unit.get("id") if isinstance(unit, dict) else ""
        loss = Loss(Lost.REFUSED, f"The unit cannot be read: {error}.")
        return document_of_result(Result(told if isinstance(told, str) else "", error=loss))
    return document_of_result(await _done(work))


async def _done(work: Work) -> Result:
    here = _this()
    if work.audit in here.stopped:
        return _stopped(work)
    task = asyncio.create_task(here.workplace.run(work), name="aws-unit")
    here.under_way[task] = work.audit
    try:
        await asyncio.wait([task])
    finally:
        # when the caller is cancelled, the unit is not left alone
        here.under_way.pop(task)
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
    return _stopped(work) if task.cancelled() else task.result()


def _stopped(work: Work) -> Result:
    return Result(work.unit.id, error=Loss(Lost.STOPPED, "The audit was ended before it was done."))


async def stop(audit: str) -> int:
    """End the units of an audit in this process, also those that are yet to begin, and return how many were under way.

    Args:
        audit: Which one.
    """
    here = _this()
    here.stopped[audit] = None
    while len(here.stopped) > FLAGS:
        here.stopped.popitem(last=False)
    tasks = [task for task, of in here.under_way.items() if of == audit]
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
    return len(tasks)


async def close() -> None:
    """End all units of this loop, and close the connections that they share."""
    here = _here.pop(asyncio.get_running_loop(), None)
    if here is None:
        return
    for task in here.under_way:
        task.cancel()
    if here.under_way:
        await asyncio.wait(list(here.under_way))
    await here.workplace.close()
