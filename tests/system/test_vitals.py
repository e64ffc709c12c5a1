"""What the system says this process uses, beside what psutil says."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from app.system.vitals import descriptors, rss_bytes

MIB = 1024 * 1024


def test_memory_is_what_another_measure_says() -> None:
    """Within what the measuring itself moves."""
    expected = psutil.Process().memory_info().rss

    assert rss_bytes() == pytest.approx(expected, rel=0.05)


def test_memory_that_is_taken_shows() -> None:
    """It is what is used now, and not the most that ever was."""
    before = rss_bytes()
    taken = bytearray(b"x") * (64 * MIB)
    during = rss_bytes()
    del taken
    after = rss_bytes()

    assert before is not None
    assert during is not None
    assert after is not None
    assert during - before > 48 * MIB
    assert during - after > 48 * MIB


def test_descriptors_are_counted() -> None:
    """Each one that is opened is one more."""
    before = descriptors()
    with ExitStack() as opened:
        for _ in range(10):
            opened.enter_context(Path(__file__).open("rb"))
        during = descriptors()

    assert before is not None
    assert during == before + 10
    assert descriptors() == before
