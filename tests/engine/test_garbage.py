"""What refers to itself in a circle is freed while the program goes on."""

from __future__ import annotations

import gc
import linecache
import weakref
from typing import TYPE_CHECKING

import pytest

from app.engine.garbage import SETTLED_S, SWEEP_EVERY_S, keep_swept
from app.engine.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import FakeClock


class Circle:
    """Refers to itself."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def by_hand() -> Iterator[None]:
    """Let the collector run only when it is told to."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def nothing_aside() -> Iterator[None]:
    """Begin as a program does, with nothing set aside; the tests' own is set aside again behind it."""
    gc.unfreeze()
    yield
    gc.freeze()


@pytest.mark.usefixtures("by_hand")
async def test_circles_are_swept_again_and_again(fake_clock: FakeClock) -> None:
    """What refers to itself is gone with the next sweep, at the start and later, however little of it there is."""
    sweeping = spawn(keep_swept(fake_clock), name="sweeps")
    gone = list[bool]()

    for seconds in (SETTLED_S, SWEEP_EVERY_S, SWEEP_EVERY_S):
        left = weakref.ref(Circle())
        await fake_clock.pass_time(seconds - 1)
        early = left() is not None
        await fake_clock.pass_time(1)
        gone.append(early and left() is None)
    sweeping.cancel()

    assert gone == [True, True, True]


async def test_sources_that_were_read_are_let_go(fake_clock: FakeClock) -> None:
    """The text of a file of which a line was shown does not stay in memory."""
    sweeping = spawn(keep_swept(fake_clock), name="sweeps")
    gone = list[bool]()

    for seconds in (SETTLED_S, SWEEP_EVERY_S, SWEEP_EVERY_S):
        read = linecache.getlines(__file__)
        await fake_clock.pass_time(seconds)
        gone.append(bool(read) and __file__ not in linecache.cache)
    sweeping.cancel()

    assert gone == [True, True, True]


@pytest.mark.usefixtures("nothing_aside")
async def test_what_the_start_has_made_is_set_aside_until_the_end(fake_clock: FakeClock) -> None:
    """The collector does not look at the program itself any more, until the sweeping ends."""
    sweeping = spawn(keep_swept(fake_clock), name="sweeps")
    await fake_clock.pass_time(SETTLED_S - 1)
    before = gc.get_freeze_count()
    await fake_clock.pass_time(1)
    during = gc.get_freeze_count()
    sweeping.cancel()
    await fake_clock.pass_time(0)

    assert before == 0
    assert during > 10_000
    assert gc.get_freeze_count() == 0


async def test_what_another_has_set_aside_stays_so(fake_clock: FakeClock) -> None:
    """A process that set its own objects aside before finds them so again when the sweeping has ended."""
    before = gc.get_freeze_count()
    sweeping = spawn(keep_swept(fake_clock), name="sweeps")
    await fake_clock.pass_time(SETTLED_S)
    sweeping.cancel()
    await fake_clock.pass_time(0)

    assert before > 0
    assert gc.get_freeze_count() == pytest.approx(before, rel=0.01)
