"""What Windows tells of sleep, clocks, network and use, as far as Wine has it: it never sleeps, counts no handles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

LOOKS = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
from app.engine.sleepwatch import SleepJudge, read_clocks
from app.system.network import has_route
from app.system.session.windows import RESUMED, PowerCallback, console_closes
from app.system.vitals import descriptors, rss_bytes

first = read_clocks()
time.sleep(0.5)
then = read_clocks()
told = []
with PowerCallback(told.append) as power, console_closes(told.append):
    power.told(None, 4, None)
    power.told(None, RESUMED, None)
before = rss_bytes()
taken = bytearray(b"x") * (64 << 20)
print(json.dumps({
    "kind": "looked",
    "awake": then.awake - first.awake,
    "slept": SleepJudge(first, look_s=5.0, stopped_s=10.0).look(then),
    "route": has_route(),
    "taken": rss_bytes() - before,
    "handles": descriptors(),
    "told": told,
}), flush=True)
"""


def test_the_system_is_asked_in_its_own_words(windows: Any) -> None:
    """Clocks that agree, memory that shows what is taken, and a wake-up told once; no call is refused."""
    looked = windows.run("-c", LOOKS, windows.path(ROOT)).until(kind="looked")

    assert 0.4 < looked["awake"] < 10.0
    assert looked["slept"] == 0.0
    assert looked["route"] in (True, False)
    assert looked["taken"] > 48 << 20
    assert looked["handles"] is not None
    assert looked["told"] == ["windows"]
