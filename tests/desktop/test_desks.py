"""Two desks side by side: what one worker of the tests does on its own, another does not see."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from session import ENV_FOLDER, desk_of

HERE = Path(__file__).parent
TELL = "import json, os; print(json.dumps(dict(os.environ)))"


def test_each_desk_has_a_display_a_bus_and_a_folder_of_its_own() -> None:
    """Nothing by which a program finds its desktop is the same on both; the command itself is on the first."""
    argv = [sys.executable, str(HERE / "session.py"), "--desks", "2", sys.executable, "-c", TELL]

    environ = json.loads(subprocess.run(argv, stdout=subprocess.PIPE, check=True, timeout=50).stdout)

    alone, first, second = (desk_of(worker, environ) for worker in ("", "gw0", "gw1"))
    ways = ("DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "HOME", ENV_FOLDER)
    assert alone == {}
    assert {way: first[way] for way in ways} == {way: environ[way] for way in ways}
    assert [way for way in ways if first[way] == second[way]] == []
