"""No core dump of a process that holds keys; a program that it starts may have one."""

from __future__ import annotations

import subprocess
import sys

import pytest

if sys.platform != "linux":
    pytest.skip("prctl is Linux'", allow_module_level=True)

ASK = "import ctypes; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
"""PR_GET_DUMPABLE."""


def test_a_process_with_keys_is_not_dumped_and_its_children_may_be() -> None:
    """The kernel says so of the process itself, and says otherwise of a program that it starts."""
    program = f"""
import subprocess, sys
from app.keys.nodump import forbid_dumps
assert forbid_dumps()
{ASK}
sys.stdout.flush()
subprocess.run([sys.executable, "-c", {ASK!r}], check=True)
"""

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ran.stdout.split() == ["0", "1"]


def test_whoever_takes_the_vault_in_hand_is_not_dumped() -> None:
    """The vault as programs get it comes with it."""
    program = f"""
from pathlib import Path
from app.engine.clock import SystemClock
from app.keys.usual import usual_vault
usual_vault(Path("/no/such/folder"), SystemClock(), program="a test", with_person=False)
{ASK}
"""

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ran.stdout.split() == ["0"]
