"""The heartbeat file: what monitors read, and a folder that hangs."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from app import __version__
from app.domain.agents import AgentState
from app.domain.events import AgentBeat, AgentChanged, VitalsTaken
from app.domain.health import Vitals
from app.domain.reduce import reduce
from app.domain.snapshot import Snapshot
from app.engine import heartbeat
from app.engine.heartbeat import HeartbeatFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONG_S = 20.0
SNAPSHOT = Snapshot(started_at=0.0)


def _beating(clock: Any, *, progress: int = 0, waiting: int = 0) -> Snapshot:
    running = AgentChanged(at=clock.wall(), agent="worker", state=AgentState.RUNNING)
    beat = AgentBeat(at=clock.wall(), agent="worker", progress=progress, waiting=waiting)
    return reduce(reduce(SNAPSHOT, running), beat)


class HungFolder:
    """A folder whose writes do not come back until it is let go."""

    def __init__(self) -> None:
        self.calls = 0
        self.freed = threading.Event()
        self.failure: OSError | None = None

    def write(self, *_args: Any, **_options: Any) -> None:
        """Hang."""
        self.calls += 1
        assert self.freed.wait(LONG_S)
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def hung(monkeypatch: pytest.MonkeyPatch) -> Iterator[HungFolder]:
    """Have the writes hang; they are let go at the end."""
    folder = HungFolder()
    monkeypatch.setattr(heartbeat, "write_atomic", folder.write)
    yield folder
    folder.freed.set()


async def test_it_is_written_and_removed(tmp_path: Path) -> None:
    """The file is there after a write, and gone after the end."""
    path = tmp_path / "heartbeats.json"
    file = HeartbeatFile(path, deadline_s=LONG_S)

    await file.write(SNAPSHOT)
    written = json.loads(path.read_bytes())
    await file.remove()

    assert (written["v"], written["agents"]) == (1, {})
    assert not path.exists()


async def test_a_monitor_reads_how_the_program_fares(tmp_path: Path, fake_clock: Any) -> None:
    """Every field that the file promises is there, with what the snapshot says."""
    path = tmp_path / "heartbeats.json"
    file = HeartbeatFile(path, deadline_s=LONG_S, clock=fake_clock)
    vitals = Vitals(fake_clock.wall(), lag_p50_s=0.001, lag_p99_s=0.02, lag_worst_s=1.5)

    fake_clock.advance(10)
    beaten = _beating(fake_clock, progress=7, waiting=3)
    fake_clock.advance(4)
    await file.write(reduce(beaten, VitalsTaken(at=0, vitals=vitals)))
    written = json.loads(path.read_bytes())

    assert written.pop("pid") == os.getpid()
    assert written.pop("version") == __version__
    assert written == {
        "v": 1,
        "started": 0.0,
        "written": fake_clock.wall(),
        "stopping": "",
        "agents": {
            "worker": {
                "state": "running",
                "reason": "",
                "beat_at": fake_clock.wall() - 4,
                "beat_age_s": 4.0,
                "progress": 7,
                "waiting": 3,
                "stalled_s": 0.0,
                "restarts": 0,
            }
        },
        "loop": {"p50_s": 0.001, "p99_s": 0.02, "worst_s": 1.5},
    }


@pytest.mark.parametrize("hours", [-1, 0, 1])
async def test_a_beat_grows_older_while_the_process_runs_alone(tmp_path: Path, fake_clock: Any, hours: int) -> None:
    """Neither a night's sleep nor a clock that is set makes an agent look dead to a monitor."""
    path = tmp_path / "heartbeats.json"
    file = HeartbeatFile(path, deadline_s=LONG_S, clock=fake_clock)
    snapshot = _beating(fake_clock)
    await file.write(snapshot)

    fake_clock.advance(15)
    await file.write(snapshot)
    fake_clock.set_wall(fake_clock.wall() + hours * 3600)
    fake_clock.advance(8 * 3600)
    await file.write(snapshot)
    age_s = json.loads(path.read_bytes())["agents"]["worker"]["beat_age_s"]

    assert age_s == pytest.approx(15 + 22.5)


async def test_a_file_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """A missing folder is the caller's to tell of."""
    with pytest.raises(FileNotFoundError):
        await HeartbeatFile(tmp_path / "missing" / "heartbeats.json", deadline_s=LONG_S).write(SNAPSHOT)


async def test_a_folder_that_hangs_holds_nobody_up(tmp_path: Path, hung: HungFolder) -> None:
    """The first write is given up in time and said, the next ones begin nothing, and the end waits no longer."""
    file = HeartbeatFile(tmp_path / "heartbeats.json", deadline_s=0.02)

    async with asyncio.timeout(LONG_S):
        with pytest.raises(OSError, match="does not answer"):
            await file.write(SNAPSHOT)
        for _ in range(3):
            await file.write(SNAPSHOT)
        with pytest.raises(OSError, match="still being written"):
            await file.remove()
    hung.freed.set()  # the loop's own pool waits for its threads

    assert hung.calls == 1


async def test_a_folder_that_answers_again_is_written_again(tmp_path: Path, hung: HungFolder) -> None:
    """A write that fails late complains to nobody, and the next one is made."""
    file = HeartbeatFile(tmp_path / "heartbeats.json", deadline_s=0.02)
    with pytest.raises(OSError, match="does not answer"):
        await file.write(SNAPSHOT)

    hung.failure = OSError("gone")
    hung.freed.set()
    async with asyncio.timeout(LONG_S):
        while hung.calls == 1:
            try:
                await file.write(SNAPSHOT)
            except OSError:
                break
            await asyncio.sleep(0.01)

    assert hung.calls == 2


async def test_a_write_that_nobody_waits_for_is_over_before_the_file_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A supervisor that ends in the middle of a write leaves no file behind."""
    path, begun, go_on = tmp_path / "heartbeats.json", threading.Event(), threading.Event()

    def slow(target: Path, content: bytes, **_options: Any) -> None:
        begun.set()
        assert go_on.wait(LONG_S)
        target.write_bytes(content)

    monkeypatch.setattr(heartbeat, "write_atomic", slow)
    file = HeartbeatFile(path, deadline_s=LONG_S)
    writing = asyncio.create_task(file.write(SNAPSHOT))
    assert await asyncio.to_thread(begun.wait, LONG_S)
    writing.cancel()
    await asyncio.wait([writing])

    removing = asyncio.create_task(file.remove())
    await asyncio.sleep(0)
    go_on.set()
    await removing

    assert not path.exists()
