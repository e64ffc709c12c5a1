"""Snapshots of how the program may fare, all made by the reducer."""

from __future__ import annotations

from app.domain import events
from app.domain.agents import AgentState
from app.domain.health import ChannelView, Ending, KeptBy, UncleanEnd, Vitals
from app.domain.snapshot import Snapshot
from tests.ui.conftest import NOW, fold

ENDS = (
    UncleanEnd(NOW - 7_200, Ending.STUCK, "/usr/lib/python3.12/re/_parser.py:240 in _parse", "0.5.0"),
    UncleanEnd(NOW - 90_000, Ending.KILLED),
    UncleanEnd(NOW - 200_000, Ending.FAILED, "OSError: [Errno 28] No space left on device"),
)
VITALS = Vitals(NOW - 9, 88_295_014, 61, 14, 23, 0.0012, 0.0184, 0.312)


def well() -> Snapshot:
    """Three agents that work, and all that is known of the program."""
    return fold(
        Snapshot(started_at=NOW - 3 * 86_400 - 500),
        events.LifeBegan(at=NOW - 3 * 86_400, kept_by=KeptBy.SYSTEMD, ends=ENDS, is_restart=True),
        *(
            event
            for name, progress, restarts in (("tests:flask", 1_204, 0), ("audits", 17, 2), ("keys", 0, 0))
            for event in (
                events.AgentChanged(at=NOW - 9_000, agent=name, state=AgentState.RUNNING, restarts=restarts),
                events.AgentBeat(at=NOW - 4, agent=name, progress=progress),
            )
        ),
        events.VitalsTaken(at=NOW - 9, vitals=VITALS),
        events.NetworkChanged(at=NOW - 9_000, is_online=True),
        events.SystemResumed(at=NOW - 11_000, slept_s=29_000, source="logind"),
        events.ChannelChanged(at=NOW, channel=ChannelView("mail", sent_at=NOW - 4_000)),
        events.MetricsServed(at=NOW, address="http://127.0.0.1:9464/metrics"),
    )


def ill() -> Snapshot:
    """Agents that failed, wait, are paused and get nowhere; a channel that fails; a loop that is late."""
    return fold(
        well(),
        events.AgentChanged(
            at=NOW - 60,
            agent="audits",
            state=AgentState.FAILED,
            reason="PermissionError: [Errno 13] Permission denied: '/home/ada/src/flask/tests'",
            restarts=6,
        ),
        events.ProgressMissed(at=NOW, agent="tests:flask", seconds=725),
        events.AgentPaused(at=NOW, agent="keys", until=NOW + 1_500),
        events.VitalsTaken(at=NOW, vitals=Vitals(NOW, 188_295_014, 961, 34, 73, 0.0062, 0.184, 2.4)),
        events.LoopLagged(at=NOW, lag_s=2.4, where="/opt/watchkeeper/app/engine/slow.py:12 in slow"),
        events.NetworkChanged(at=NOW, is_online=False),
        events.ChannelChanged(
            at=NOW,
            channel=ChannelView("telegram", 3, "api.telegram.org does not answer.", NOW - 9_000, 2),
        ),
        events.NoticeRaised(
            at=NOW,
            key="polling",
            text="flask is watched by polling: the limit of file watches is reached.",
            hint="Raise it with: sudo sysctl fs.inotify.max_user_watches=524288",
        ),
    )


def safe() -> Snapshot:
    """The program in safe mode, shortly after its start."""
    return fold(
        Snapshot(started_at=NOW - 20),
        events.LifeBegan(
            at=NOW - 20,
            kept_by=KeptBy.NOBODY,
            ends=ENDS,
            is_restart=True,
            safe_mode="it ended badly three times within ten minutes.",
        ),
    )


STATES = {"well": well, "ill": ill, "safe": safe, "empty": lambda: Snapshot(started_at=NOW - 2)}
