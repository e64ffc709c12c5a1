"""The unit under a real user manager: systemd itself, in a namespace where it may believe that it runs the machine.

The manager gets a /run and a tree of control groups of its own; nothing of the real ones is touched.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import app
from tests.system.needed import needed

ROOT = Path(app.__file__).parents[1]
SYSTEMD = "/usr/lib/systemd/systemd"
LIMIT_S = 55

NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--cgroup", "--mount-proc")

IN_NAMESPACE = """
set -e
mount -t tmpfs none /run
mkdir -p /run/systemd/system /run/user
chmod 700 /run/user
mount -t cgroup2 none /sys/fs/cgroup
unset DBUS_SESSION_BUS_ADDRESS
"$1" --user --log-target=console >"$HOME/manager.log" 2>&1 &
for each in $(seq 100); do
    [ "$(systemctl --user is-system-running 2>/dev/null)" = running ] && break
    sleep 0.1
done
"$2" "$3"
"""

# What the manager supervises: it notes its words, and does what the file `order` says.
PROGRAM = """#!{python}
import json, os, socket, sys, time
home = os.environ["WATCHKEEPER_HOME"]
with open(os.path.join(home, "lives"), "a") as file:
    file.write(json.dumps({{"argv": sys.argv, "pid": os.getpid()}}) + "\\n")
with open(os.path.join(home, "order")) as file:
    order = file.read()
if order.isdigit():
    sys.exit(int(order))
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
    link.connect(os.environ["NOTIFY_SOCKET"].replace("@", "\\0"))
    link.send(b"READY=1")
    while True:
        if order != "silent":
            link.send(b"WATCHDOG=1")
        time.sleep(0.1)
"""

DRIVER = """
import json, os, subprocess, sys, time
from pathlib import Path

sys.path.insert(0, {root!r})
from app.engine.limits import Limits
from app.system.autostart.here import autostart_here

folder = Path(os.environ["HOME"])
odd = folder / "O'Brien's \\"best\\" $x %h"
home = folder / "wk 100 % $HOME"
project = folder / "a \\"b\\" 'c' $d %e ж;"
for each in (odd, home, project):
    each.mkdir()
program = odd / "watchkeeper"
program.write_text({program!r})
program.chmod(0o755)
order = home / "order"
os.environ["WATCHKEEPER_HOME"] = str(home)
sessions = folder / ".config/systemd/user"
sessions.mkdir(parents=True)
(sessions / "desk.target").write_text("[Unit]\\nBindsTo=graphical-session.target\\nBefore=graphical-session.target\\n")

limits = Limits(watchdog_s=2, crashes_allowed=3, crash_window_s=20, keeper_first_s=0.1)
autostart = autostart_here(os.environ, executable=str(odd / "python"), platform="linux", limits=limits)
seen = {{}}

def control(*words):
    return subprocess.run(["systemctl", "--user", *words], capture_output=True, text=True).stdout.strip()

def shown(*names):
    text = control("show", "watchkeeper.service", *(f"--property={{name}}" for name in names))
    return dict(line.split("=", 1) for line in text.splitlines())

def lives():
    try:
        return [json.loads(line) for line in (home / "lives").read_text().splitlines()]
    except FileNotFoundError:
        return []

def until(what, holds):
    end = time.monotonic() + 12
    while not holds():
        if time.monotonic() > end:
            unit = shown("ActiveState", "SubState", "Result", "NRestarts")
            print(json.dumps({{"missed": what, **seen, "unit": unit}}))
            sys.exit(1)
        time.sleep(0.05)

def state(name):
    return lambda: shown("ActiveState")["ActiveState"] == name

order.write_text("run")
autostart.enable([project], "systemd")
seen["enabled"] = control("is-enabled", "watchkeeper.service")

control("start", "desk.target")
until("started", state("active"))
seen["words"] = lives()[0]["argv"] == [str(program), str(project)]

os.kill(lives()[-1]["pid"], 9)
until("back after a kill", lambda: len(lives()) == 2 and state("active")())

order.write_text("silent")
os.kill(lives()[-1]["pid"], 9)
until("stopped by the watchdog", lambda: len(lives()) == 4)
seen["watchdog"] = True

order.write_text("run")
control("reset-failed", "watchkeeper.service")
control("restart", "watchkeeper.service")
until("active again", state("active"))
control("stop", "desk.target")
until("stopped with the session", state("inactive"))

for code in (0, 2, 3):
    order.write_text(str(code))
    control("reset-failed", "watchkeeper.service")
    before = len(lives())
    control("start", "watchkeeper.service")
    time.sleep(1)
    seen[f"starts that ended with {{code}}"] = len(lives()) - before

order.write_text("70")
control("reset-failed", "watchkeeper.service")
before = len(lives())
control("start", "--no-block", "watchkeeper.service")
until("given up", lambda: shown("Result")["Result"] == "start-limit-hit" or state("failed")())
time.sleep(0.5)
seen["starts of a crashing one"] = len(lives()) - before

autostart.disable()
seen["left"] = control("list-unit-files", "watchkeeper.service", "--no-legend")
print(json.dumps(seen))
"""


@pytest.mark.slow
def test_systemd_starts_keeps_and_stops_it(tmp_path: Path) -> None:
    """It starts with the session, is back after a kill and a silence, not after 0, 2 or 3; a crash loop has an end."""
    driver = tmp_path / "driver.py"
    driver.write_text(DRIVER.format(root=str(ROOT), program=PROGRAM.format(python=sys.executable)), "utf-8")
    environ = {
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": "/run/user",
        "DISPLAY": ":99",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
    }

    ran = subprocess.run(
        [*NAMESPACE, "sh", "-c", IN_NAMESPACE, "sh", needed(SYSTEMD), sys.executable, driver],
        env=environ,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )

    log = tmp_path / "manager.log"
    told = f"{ran.stdout}\n{ran.stderr}\n{log.read_text('utf-8') if log.exists() else 'The manager was not started.'}"
    assert ran.returncode == 0, told
    seen: dict[str, Any] = json.loads(ran.stdout)
    assert seen == {
        "enabled": "enabled",
        "words": True,
        "watchdog": True,
        "starts that ended with 0": 1,
        "starts that ended with 2": 1,
        "starts that ended with 3": 1,
        "starts of a crashing one": 4,
        "left": "",
    }, told
