"""What is done to a program that runs, from outside; each is undone before it returns."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from app.control.client import ControlClient
from app.domain.commands import ReadStatus
from app.domain.errors import WatchkeeperError

if TYPE_CHECKING:
    import random
    import threading
    from pathlib import Path

    from tests.faults.soak.farends import FarEnds
    from tests.faults.soak.program import KeptProgram
    from tests.faults.soak.project import Project

PAUSE_S = 4.0
_DAEMON = """import subprocess, sys


def test_it():
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
"""
BACK_S = 5.0
"""How soon the program is to be back after it was killed, beside the wait that grows with each time in a row."""


@dataclass
class World:
    """What faults are done to.

    Attributes:
        saving: Held while a fault needs the project's files for itself.
        breach: Told of what should not have been.
        restart_desktop: Ends and starts the notification service and the tray's host, where there is a session.
    """

    program: KeptProgram
    project: Project
    ends: FarEnds
    saving: threading.Lock
    chance: random.Random
    breach: Callable[[str], None]
    restart_desktop: Callable[[], None] | None = None
    stopped_s: float = 0.0
    kills: int = 0

    def tray(self) -> psutil.Process:
        """Return the process that watches.

        Raises:
            psutil.NoSuchProcess: There is none at the moment.
        """
        tray = self.program.tray()
        if tray is None:
            raise psutil.NoSuchProcess(0)
        return tray


def stopped(world: World) -> None:
    """The program is stopped for some seconds, and goes on."""
    tray, seconds = world.tray(), world.chance.uniform(1, 6)
    before = world.program.snapshot()
    tray.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    tray.send_signal(signal.SIGCONT)
    world.stopped_s += seconds
    time.sleep(1)
    after = world.program.snapshot()
    if before and after and _restarts(after) != _restarts(before):
        world.breach("an agent was started again because the program had been stopped")


def killed(world: World) -> None:
    """The program is killed, and its parent starts it again."""
    tray = world.tray()
    tray.kill()
    world.kills += 1
    began = time.monotonic()
    with contextlib.suppress(psutil.TimeoutExpired):
        tray.wait(BACK_S)
    if not world.program.until_up(BACK_S + 15):
        world.breach("the program did not come back after kill -9")
    elif (took := time.monotonic() - began - world.program.announced_wait_s()) > BACK_S:
        world.breach(f"the program came back {took:.1f} s after kill -9 and the wait that its parent had announced")


def worker_killed(world: World) -> None:
    """A process of the program's is killed: a warm worker, a run, or a guard."""
    children = world.tray().children(recursive=True)
    if children:
        with contextlib.suppress(psutil.Error):
            world.chance.choice(children).kill()


def child_stopped(world: World) -> None:
    """A process of the program's is stopped for some seconds."""
    children = world.tray().children(recursive=True)
    if children:
        child = world.chance.choice(children)
        with contextlib.suppress(psutil.Error):
            child.send_signal(signal.SIGSTOP)
            time.sleep(PAUSE_S)
            child.send_signal(signal.SIGCONT)


def storm(world: World) -> None:
    """Thousands of files come and go."""
    folder = world.project.root / "storm"
    for _ in range(2):
        folder.mkdir(exist_ok=True)
        for number in range(2_500):
            (folder / f"{number}.tmp").touch()
        shutil.rmtree(folder, ignore_errors=True)


def root_moved(world: World) -> None:
    """The project's folder is renamed, and back."""
    root = world.project.root
    away = root.with_name(f"{root.name}-away")
    with world.saving:
        root.rename(away)
        time.sleep(PAUSE_S)
        away.rename(root)


def odd_files(world: World) -> None:
    """A FIFO, a socket, a dangling link and names of all kinds lie in the project for a while."""
    folder = world.project.root / "odd"
    folder.mkdir()
    os.mkfifo(folder / "pipe.py")
    (folder / "dangling.py").symlink_to("nowhere.py")
    (folder / "loop").symlink_to(folder)
    (folder / "two\nlines.py").write_text("")
    (folder / "\N{SNOWMAN}.py").write_text("")
    (folder / os.fsdecode(b"not-\xff-text.py")).write_text("")
    time.sleep(PAUSE_S)
    shutil.rmtree(folder)


def database_locked(world: World) -> None:
    """Another process writes to the history and takes its time."""
    for path in world.program.places.data.glob("*.sqlite*"):
        if path.suffix in {".sqlite", ".sqlite3"}:
            with contextlib.closing(sqlite3.connect(path, timeout=5, isolation_level=None)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                time.sleep(2 * PAUSE_S)
                connection.execute("ROLLBACK")


def mail_bad(world: World) -> None:
    """The mail server misbehaves."""
    _behave(world.ends.mail.behaviour, world.chance.choice(("refuses", "drops", "silent")))


def model_bad(world: World) -> None:
    """The model's service misbehaves."""
    _behave(world.ends.model.behaviour, world.chance.choice(("silent", "busy", "garbage")))


def bad_test(world: World) -> None:
    """A test crashes, prints without end, or starts what outlives it; then it is gone."""
    text = world.chance.choice(
        (
            "import os\n\ndef test_it():\n    os.abort()\n",
            "def test_it():\n    for _ in range(200_000):\n        print('x' * 100)\n",
            _DAEMON,
        )
    )
    path = world.project.root / "tests" / "test_bad.py"
    path.write_text(text)
    time.sleep(2 * PAUSE_S)
    path.unlink()


def settings_broken(world: World) -> None:
    """The settings file has a mistake for a while."""
    path = world.program.places.settings_file
    path.write_text("[tests\npython = 3\n")
    time.sleep(PAUSE_S)
    path.write_text(world.program.settings_text)


def heartbeats_hang(world: World) -> None:
    """Where the heartbeat file should be is a folder, which no file can take the place of."""
    path = world.program.places.runtime / "heartbeats.json"
    path.unlink(missing_ok=True)
    with contextlib.suppress(FileExistsError):
        path.mkdir()
        time.sleep(2 * PAUSE_S)
        path.rmdir()


def socket_flooded(world: World) -> None:
    """Two hundred connections, most of them with nonsense."""
    path = str(world.program.places.socket)
    open_ones = list[socket.socket]()
    for number in range(200):
        with contextlib.suppress(OSError):
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(2)
            connection.connect(path)
            connection.sendall((b"\x00\xff nonsense\n", b'{"v":1,"id":1,"command":"Nothing"}\n', b"{")[number % 3])
            open_ones.append(connection)
    try:
        with ControlClient(world.program.places, timeout_s=5) as client:
            client.send(ReadStatus())
    except WatchkeeperError as error:
        world.breach(f"the socket did not answer in a flood: {error.message}")
    for connection in open_ones:
        connection.close()


def second_start(world: World) -> None:
    """It is started a second time, which raises the first."""
    ended = world.program.run(str(world.project.root))
    if ended.returncode != 0 and world.program.tray() is not None:
        world.breach(f"a second start ended with {ended.returncode}: {ended.stderr.strip()[-200:]}")


def desktop_restarted(world: World) -> None:
    """The notification service and the tray's host end and are started again."""
    if world.restart_desktop is not None:
        world.restart_desktop()


FAULTS: tuple[Callable[[World], None], ...] = (
    stopped,
    killed,
    worker_killed,
    child_stopped,
    storm,
    root_moved,
    odd_files,
    database_locked,
    mail_bad,
    model_bad,
    bad_test,
    settings_broken,
    heartbeats_hang,
    socket_flooded,
    second_start,
    desktop_restarted,
)


def plan(seconds: float, every_s: float, chance: random.Random) -> list[Callable[[World], None]]:
    """Return the faults in order: each kind once in random order, then again, so that all come about equally often.

    With 0 seconds between them there are none.
    """
    wanted, order = int(seconds // every_s) if every_s else 0, list[Callable[[World], None]]()
    while len(order) < wanted:
        order += chance.sample(FAULTS, len(FAULTS))
    return order[:wanted]


def temporary_files(home: Path) -> list[Path]:
    """Return what atomic writes have left behind."""
    return [path for path in home.rglob("*") if path.is_file() and ".tmp" in path.name]


def _behave(behaviour: object, badly: str) -> None:
    behaviour.now = badly  # type: ignore[attr-defined] # a Behaviour of either server
    time.sleep(3 * PAUSE_S)
    behaviour.now = "well"  # type: ignore[attr-defined] # likewise


def _restarts(snapshot: dict[str, object]) -> int:
    agents: dict[str, dict[str, int]] = snapshot["agents"]  # type: ignore[assignment] # as the protocol gives it
    return sum(agent["restarts"] for agent in agents.values())
