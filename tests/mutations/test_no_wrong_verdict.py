"""Whatever is changed, what a plain pytest finds red is red here before the whole is called green."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.mutations.choosing import Chooser
from tests.mutations.mutation import Tree
from tests.mutations.plain import INTERRUPTED
from tests.mutations.sample import mutations, sample
from tests.mutations.subjects import public
from tests.mutations.table import faults
from tests.mutations.trial import bench

if TYPE_CHECKING:
    from pathlib import Path

OF_EACH_PROJECT = {"flask": 30, "marshmallow": 30, "httpx": 12}


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("every", "first"), [(4, 0), *(pytest.param(4, first, marks=pytest.mark.slow) for first in (1, 2, 3))]
)
async def test_each_way_in_which_a_change_reaches_a_test_is_seen(tmp_path: Path, every: int, first: int) -> None:
    """One watcher, one change after the other, each taken back: its red tests are those of a plain pytest."""
    subject = sample(tmp_path / "pristine")

    # The quarter that is always tried does without the second look at what is red: most of its time would be that.
    async with bench(subject, tmp_path / "work", recheck=first > 0) as side:
        await side.learn(runs=1)
        chosen = mutations(side.content)[first::every]
        tried = [await side.try_out(number, mutation, seed="sample") for number, mutation in enumerate(chosen)]

    assert not side.flaky
    assert not side.base_red
    assert not faults(tried)
    # The changes are real ones: plain pytest finds something in all of them but where a test only goes.
    harmless = {trial.kind for trial in tried if not trial.red and trial.plain_exit != INTERRUPTED}
    assert harmless <= {"test file gone"}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", OF_EACH_PROJECT)
async def test_no_mutation_of_a_public_project_goes_unseen(name: str, tmp_path: Path) -> None:
    """Some of each sort; `python tests/mutations` makes hundreds."""
    subject = public(name, tmp_path / "checkouts")

    async with bench(subject, tmp_path / "work") as side:
        await side.learn()
        chooser = Chooser(side.content, code=subject.code, tests=subject.tests, seed=f"test:{name}")
        tried = [
            await side.try_out(number, mutation, seed="test")
            for number, mutation in enumerate(chooser.mutations(OF_EACH_PROJECT[name]))
        ]

    assert not faults(tried)
    assert any(trial.red for trial in tried)


def test_the_same_seed_makes_the_same_mutations(tmp_path: Path) -> None:
    """So that a miss can be looked at again; and every mutation is a change."""
    subject = sample(tmp_path / "pristine")
    content = Tree(subject.root).content

    first, second = (
        list(Chooser(content, code=subject.code, tests=subject.tests, seed="1").mutations(60)) for _ in range(2)
    )

    assert first == second
    assert len({tuple(each.changes.items()) for each in first}) == 60
    assert all(any(text != content.get(path) for path, text in each.changes.items()) for each in first)
