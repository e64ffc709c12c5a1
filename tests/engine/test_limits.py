"""The table of times agrees with itself."""

from __future__ import annotations

from app.engine.limits import Limits


def test_the_stages_of_a_stop_fit_into_its_time() -> None:
    """All stages of a stop at their worst, one after the other, leave half a second before it is forced."""
    limits = Limits()
    stages = {
        "notifications": limits.alerts_close_s,
        "control socket": limits.control_close_s,
        "agents": limits.drain_s + limits.cancel_s,
        "analysis": limits.analysis_close_s,
        "metrics": limits.metrics_close_s,
        "heartbeat file": limits.heartbeat_s,
        "history": limits.history_close_s,
        "bridge": limits.bridge_drain_s + limits.bridge_cancel_s,
    }

    assert sum(stages.values()) <= limits.stop_s - 0.5


def test_a_program_may_take_ten_seconds_to_end() -> None:
    """What waits for the program's end (a service, a session that logs out) may count on it."""
    assert Limits().stop_s == 10.0
