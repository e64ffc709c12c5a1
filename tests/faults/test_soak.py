"""Row 49: the program runs on while its world misbehaves, with a fault each two seconds."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.faults.soak.run import Soak
from tests.faults.soak.samples import Sample, slopes

if TYPE_CHECKING:
    from pathlib import Path

SEED = 49


def test_row_49_the_program_runs_on_whatever_its_world_does(tmp_path: Path) -> None:
    """Nothing that must hold is broken: reds are told, it comes back, its end is clean."""
    soak = Soak(tmp_path, os.environ | {"QT_QPA_PLATFORM": "offscreen"}, seed=SEED)

    report = soak.run(seconds=24, every_s=3)

    assert report.breaches == []
    assert report.told >= 1
    assert len(report.marks) == 8


def test_a_leak_shows_as_a_slope() -> None:
    """A life that grows by a MiB a minute, and a second one that begins anew, are sixty MiB an hour."""
    lives = [
        Sample(
            at=offset + second,
            pid=pid,
            rss=(100 + second // 60) * 1024**2,
            descriptors=30,
            threads=9,
            children=3,
            timers=5,
        )
        for pid, offset in ((1, 0), (2, 1000))
        for second in range(600)
    ]

    found = slopes(lives, warm_s=60)

    assert found.rss_mib == pytest.approx(60, rel=0.1)
    assert (found.descriptors, found.threads, found.timers) == (0, 0, 0)
