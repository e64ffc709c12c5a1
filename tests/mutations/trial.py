"""One mutation tried on all sides: plain pytest, Watchkeeper, and testmon where it is wanted; and what that says."""

from __future__ import annotations

import asyncio
import random
import shutil
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from app.domain.verdicts import Verdict
from tests.mutations.mutation import SaveStyle
from tests.mutations.ours import Listener, Said
from tests.mutations.plain import INTERRUPTED, PlainRun, Remembered, run_plain
from tests.mutations.testmon import Testmon
from tests.mutations.watched import watching

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable
    from pathlib import Path

    from tests.mutations.mutation import Mutation, Tree
    from tests.mutations.subjects import Subject

BASELINES = 3
"""Clean runs whose differences tell the flaky tests."""

HURRIED = 5
"""Every so many mutations, the next save comes while the run for the last one's mending goes on."""

HANG_S = 20


@dataclass(frozen=True, slots=True)
class Trial:
    """What one mutation came to.

    Attributes:
        number: Which one, from 0.
        kind, what: Of the mutation.
        plain_exit: How the plain run ended.
        red: How many tests it found red.
        missed: Tests, or files, that it found red and that were not red in the snapshot with the verdict.
        extra: Tests that were red there and that it found green, in each of several runs.
        wrong: What is wrong with the verdict itself; empty when nothing is.
        found_early: How many of its red tests were red when the chosen tests had ended; None when nothing was chosen.
        ran_early: How many tests had been run by then.
        ran: How many were run in all.
        seconds: From the save to the verdict.
        after: What is wrong after the mutation was taken back; empty when nothing is.
        testmon_missed, testmon_ran: The same of testmon; None when it was not asked.
        hurried: Whether the save came while a run went on.
    """

    number: int
    kind: str
    what: str
    plain_exit: int | None
    red: int
    missed: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    wrong: str = ""
    found_early: int | None = None
    ran_early: int | None = None
    ran: int = 0
    seconds: float = 0.0
    after: str = ""
    testmon_missed: list[str] | None = None
    testmon_ran: int | None = None
    hurried: bool = False

    @property
    def is_wrong(self) -> bool:
        """True when it shows a fault of Watchkeeper's."""
        return bool(self.missed or self.extra or self.wrong or self.after)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


class Bench:
    """A subject set up on all sides. Made by `bench`."""

    def __init__(self, subject: Subject, plain: Tree, listener: Listener, folder: Path, remembered: Remembered) -> None:
        self.subject = subject
        self._remembered = remembered
        self.flaky: frozenset[str] = frozenset()
        self.base_red: frozenset[str] = frozenset()
        self.seconds = 0.0
        self._plain, self._ours, self._listener, self._folder = plain, listener.tree, listener, folder
        self._testmon = Testmon(subject, folder, remembered)
        self._hurry_next = False

    @property
    def content(self) -> dict[str, bytes]:
        """The tree's files."""
        return self._ours.content

    async def learn(self, runs: int = BASELINES) -> None:
        """Run the clean tree a few times, so that what is flaky or red by itself is known."""
        clean = [await self._truth() for _ in range(runs)]
        always = frozenset.intersection(*(run.red for run in clean))
        self.flaky = frozenset.union(*(run.red for run in clean)) - always
        self.base_red = always
        self.seconds = max(run.seconds for run in clean)
        await self._listener.watched.ran(1, within_s=self._patience)
        await self._listener.watched.quiet(within_s=self._patience)

    async def use_testmon(self) -> bool:
        """Have testmon try too, and return whether it can be installed."""
        return await self._testmon.set_up()

    async def try_out(self, number: int, mutation: Mutation, *, seed: str) -> Trial:
        """Try a mutation everywhere, and put everything back."""
        chance = random.Random(f"{seed}:{number}")  # noqa: S311 - styles, not secrets
        style, hurried = chance.choice(list(SaveStyle)), self._hurry_next
        if not hurried:
            await self._listener.watched.quiet(within_s=self._patience)
        truth, said, testmon = await self._together(
            self._plain_of(mutation), self._said_of(mutation, style), self._testmon.say(mutation)
        )
        missed, extra, wrong = self._judge(truth, said)
        if missed or extra or wrong:  # a test may be flaky only now: what is no fault twice more is none
            again = [truth, await self._truth(), await self._truth()]
            judged = [self._judge(each, said) for each in again]
            missed, extra = (sorted(set.intersection(*(set(each[part]) for each in judged))) for part in (0, 1))
            wrong = wrong if all(each[2] for each in judged) else ""
        self._take_back(self._plain, mutation)
        self._hurry_next = number % HURRIED == HURRIED - 1 and not said.verdict.is_trouble if said.verdict else False
        after = await self._mend(mutation, style, hurry=self._hurry_next)
        known = self.base_red | self.flaky
        red = truth.red - known
        return Trial(
            number,
            mutation.kind,
            mutation.what,
            truth.exit,
            len(red),
            missed,
            extra,
            wrong,
            found_early=None if said.staged_red is None else len(red & said.staged_red),
            ran_early=said.staged_ran,
            ran=said.ran,
            seconds=round(said.seconds, 3),
            after=after,
            testmon_missed=None if testmon is None else sorted(red - testmon.red),
            testmon_ran=None if testmon is None else testmon.ran,
            hurried=hurried,
        )

    def _judge(self, truth: PlainRun, said: Said) -> tuple[list[str], list[str], str]:
        """Return what was missed, what is red without reason, and what is wrong with the verdict."""
        if said.verdict is None:
            return [], [], "no verdict came"
        known = self.base_red | self.flaky
        missed = (truth.red - said.red - known) if truth.exit is not None else frozenset[str]()
        if truth.exit == INTERRUPTED:
            missed |= {each for each in truth.files if each} - said.red
        extra = frozenset[str]() if truth.is_trouble else said.red - truth.red - known
        if missed <= truth.struck and len(missed) == len(extra):  # as many were struck here, only others
            missed = extra = frozenset()
        return sorted(missed), sorted(extra), self._wrong(truth, said.verdict)

    def _wrong(self, truth: PlainRun, verdict: Verdict) -> str:
        is_green = truth.is_green or (not truth.is_trouble and truth.red <= self.base_red | self.flaky)
        if is_green and self.base_red:
            return "trouble without reason" if verdict.is_trouble else ""
        if is_green and verdict is not Verdict.GREEN:
            return f"{verdict.value}, where plain pytest is green"
        if not is_green and verdict is Verdict.GREEN:
            return f"green, where plain pytest ends with {truth.exit}"
        if truth.is_trouble and truth.exit is not None and not verdict.is_trouble:
            return f"{verdict.value}, where plain pytest ends with {truth.exit}"
        if not truth.is_trouble and verdict.is_trouble:
            return f"{verdict.value}, where plain pytest ends with {truth.exit}"
        return ""

    async def _together(
        self, plain: Awaitable[PlainRun], said: Awaitable[Said], testmon: Awaitable[PlainRun | None]
    ) -> tuple[PlainRun, Said, PlainRun | None]:
        if self.subject.alone:
            return await plain, await said, await testmon
        truth, ours, other = await asyncio.gather(plain, said, testmon)
        return truth, ours, other

    async def _plain_of(self, mutation: Mutation) -> PlainRun:
        self._plain.apply(mutation)
        self._plain.drop_bytecode(mutation.changes)
        known = self._remembered.of("pytest", mutation)
        return known or self._remembered.keep("pytest", mutation, await self._truth())

    async def _truth(self) -> PlainRun:
        python, told = self.subject.python(self._plain.root), self._folder / "plain-told"
        return await run_plain(
            python, self._plain.root, told, args=self.subject.args, within_s=max(60.0, 6 * self.seconds)
        )

    async def _said_of(self, mutation: Mutation, style: SaveStyle) -> Said:
        return await self._listener.saved(
            lambda: self._ours.apply(mutation, style), set(mutation.changes), within_s=self._patience
        )

    async def _mend(self, mutation: Mutation, style: SaveStyle, *, hurry: bool) -> str:
        """Take the mutation back in the watched tree, and return what is wrong then."""
        watched = self._listener.watched

        def save() -> None:
            self._ours.revert(mutation, style)

        paths = set(mutation.changes)
        if hurry:
            await watched.pause()
            await self._listener.begun(save, paths, within_s=self._patience)
            return ""
        await watched.quiet(within_s=self._patience)
        said = await self._listener.saved(save, paths, within_s=self._patience)
        odd = await asyncio.to_thread(self._ours.tidy)
        if odd:
            await watched.quiet(within_s=self._patience)
        left = sorted(said.red - self.base_red - self.flaky)
        if said.verdict is None or said.verdict.is_trouble or left:
            return f"{said.verdict}, red: {left[:5]}"
        return ""

    @staticmethod
    def _take_back(tree: Tree, mutation: Mutation) -> None:
        tree.revert(mutation)
        tree.drop_bytecode([*mutation.changes, *tree.tidy()])

    @property
    def _patience(self) -> float:
        return max(90.0, 12 * self.seconds)


@asynccontextmanager
async def bench(
    subject: Subject, folder: Path, *, remembered: Remembered | None = None, recheck: bool = True
) -> AsyncIterator[Bench]:
    """Set a subject up for trials: a copy for plain pytest, and one that Watchkeeper watches all the time.

    Args:
        subject: What is tried.
        folder: Where the copies are made.
        remembered: What was said of mutations before, so that only Watchkeeper is asked again.
        recheck: Whether Watchkeeper looks again at red tests, as it does by default.
    """
    plain = await asyncio.to_thread(subject.copy, folder / "plain")
    ours = await asyncio.to_thread(subject.copy, folder / "watched")
    await asyncio.to_thread(shutil.rmtree, folder / "home", ignore_errors=True)  # each proof begins without memory
    has_own = subject.python(ours.root).startswith(str(ours.root))
    tests = {"args": list(subject.args), "hang_seconds": HANG_S, "recheck": recheck}
    python = {} if has_own else {"python": subject.python(ours.root)}
    async with watching(ours.root, folder / "home", python=None, tests={**tests, **python}) as watched:
        yield Bench(subject, plain, Listener(watched, ours), folder, remembered or Remembered(None))
