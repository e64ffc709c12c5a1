"""The way into the network: asked of the system, told when it changes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import Any

import pytest

from app.system.network import LOOK_EVERY_S, NetworkWatch, has_route

ASK = "from app.system.network import has_route; print(has_route())"


def test_this_machine_answers() -> None:
    """Whether there is a way or not, asking is no error and sends nothing."""
    assert has_route() in (True, False)


@pytest.mark.skipif(sys.platform != "linux", reason="makes a network namespace")
def test_without_a_network_there_is_no_way() -> None:
    """In a network namespace of its own a process has no route, and says so at once."""
    unshare = shutil.which("unshare")
    assert unshare, "unshare is missing: apt-get install util-linux"

    alone = subprocess.run([unshare, "-rn", sys.executable, "-c", ASK], capture_output=True, text=True, check=False)

    assert alone.stdout == "False\n", alone.stderr


async def test_the_first_look_is_told_and_then_each_change(fake_clock: Any) -> None:
    """Nothing is said again while it stays as it is."""
    found = [False, False, True, True, False]
    told: list[bool] = []

    async with NetworkWatch(told.append, fake_clock, look=lambda: found.pop(0)):
        await fake_clock.pass_time(LOOK_EVERY_S * 4)

    assert told == [False, True, False]
    assert found == []
