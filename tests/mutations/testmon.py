"""What pytest-testmon says of a mutation: another tool that chooses tests, for the table."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.mutations.plain import PlainRun, Remembered, run_plain

if TYPE_CHECKING:
    from pathlib import Path

    from tests.mutations.mutation import Mutation, Tree
    from tests.mutations.subjects import Subject
    from tests.mutations.trial import Trial

CLEAN_RUNS = 3
"""What is red in any of them is not counted against testmon."""


class Testmon:
    """It, in a copy of a project, asked each time with the data that it had collected of the clean tree.

    Args:
        subject: The project.
        folder: Where the copy is made.
        remembered: What was said before, by testmon and by plain pytest.
    """

    __test__ = False

    def __init__(self, subject: Subject, folder: Path, remembered: Remembered) -> None:
        self._subject = subject
        self._folder = folder
        self._remembered = remembered
        self._tree: Tree | None = None
        self._within_s = 120.0

    async def set_up(self) -> bool:
        """Have it run the clean tree, and return whether it can be installed and does."""
        tree = await asyncio.to_thread(self._subject.copy, self._folder / "testmon")
        if not await asyncio.to_thread(self._subject.install, tree.root, "pytest-testmon"):
            return False
        first = await self._run(tree, "--testmon")
        if first.is_trouble:
            return False
        self._within_s = max(120.0, 10 * first.seconds)
        shutil.copy(tree.root / ".testmondata", self._folder / "testmondata")
        self._tree = tree
        return True

    async def say(self, mutation: Mutation) -> PlainRun | None:
        """Return what it says; None when it is not set up."""
        tree, known = self._tree, self._remembered.of("testmon", mutation)
        if tree is None or known is not None:
            return known
        for old in tree.root.glob(".testmondata*"):
            old.unlink()
        shutil.copy(self._folder / "testmondata", tree.root / ".testmondata")
        return self._remembered.keep("testmon", mutation, await self._mutated(tree, mutation, "--testmon"))

    async def clean_red(self) -> frozenset[str]:
        """Return what plain pytest finds red in the clean tree, in any of some runs."""
        assert self._tree is not None
        runs = [await self._run(self._tree) for _ in range(CLEAN_RUNS)]
        return frozenset[str]().union(*(run.red for run in runs))

    async def fill_in(self, trial: Trial, mutation: Mutation, clean_red: frozenset[str]) -> Trial:
        """Return the outcome of a mutation that was tried without testmon, with what it says."""
        assert self._tree is not None
        truth = self._remembered.of("pytest", mutation)
        if truth is None:
            truth = self._remembered.keep("pytest", mutation, await self._mutated(self._tree, mutation))
        said = await self.say(mutation)
        assert said is not None
        return replace(trial, testmon_missed=sorted(truth.red - clean_red - said.red), testmon_ran=said.ran)

    async def _mutated(self, tree: Tree, mutation: Mutation, *args: str) -> PlainRun:
        tree.apply(mutation)
        tree.drop_bytecode(mutation.changes)
        ran = await self._run(tree, *args)
        tree.revert(mutation)
        tree.drop_bytecode([*mutation.changes, *tree.tidy()])
        return ran

    async def _run(self, tree: Tree, *args: str) -> PlainRun:
        python, told = self._subject.python(tree.root), self._folder / "testmon-told"
        return await run_plain(python, tree.root, told, args=(*args, *self._subject.args), within_s=self._within_s)
