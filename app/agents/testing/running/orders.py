"""What a worker is told to do; the fields are those that `worker/__init__.py` explains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.agents.testing.impact.select import Chunk

if TYPE_CHECKING:
    from collections.abc import Iterable

LOW = 10
"""The priority (a nice value) of what nobody waits for."""


@dataclass(frozen=True, slots=True)
class Order:
    """One run of a worker.

    Attributes:
        chunks: Test files that run first, in this order.
        rest: Whether everything else runs after them.
        trace: Whether the worker is to tell what each test executes: always, where that costs next to nothing (CPython
            3.12 and later), or not at all.
        nice: The priority it runs at.
    """

    chunks: tuple[Chunk, ...] = ()
    rest: bool = True
    trace: Literal["all", "cheap", "none"] = "none"
    nice: int = 0

    @classmethod
    def just(cls, nodeids: Iterable[str], *, traced: bool = False, nice: int = 0) -> Order:
        """Return the order to run these tests and nothing else."""
        files: dict[str, list[str]] = {}
        for nodeid in nodeids:
            files.setdefault(nodeid.partition("::")[0], []).append(nodeid)
        chunks = tuple(Chunk(path, only=tuple(ids)) for path, ids in files.items())
        return cls(chunks, rest=False, trace="all" if traced else "none", nice=nice)

    def as_line(self) -> dict[str, object]:
        """Return it as the worker reads it."""
        return {
            "do": "run",
            "chunks": [chunk.as_order() for chunk in self.chunks],
            "rest": self.rest,
            "stream": True,
            "trace": self.trace,
            "nice": self.nice,
        }
