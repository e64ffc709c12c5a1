"""The one table of times and counts that supervision goes by, in seconds unless said."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take, and how often they may fail.

    Attributes:
        backoff_first_s: Ceiling of the first wait after a failure; it doubles with each further one.
        backoff_ceiling_s: No wait is longer.
        healthy_after_s: A life of this length makes the failures before it forgotten.
        restarts_allowed: More failures than this within `restart_window_s`, and the agent is FAILED.
        slow_retry_s: How often a FAILED agent is tried again.
        beat_every_s: How often a work loop shows that it lives.
        check_every_s: How often the supervisor looks.
        stale_after_s: Awake time without a heartbeat after which an agent is stale...
        stale_checks: ...when so many checks in a row say so.
        drain_s: How long an agent that was told to stop may finish what it does.
        cancel_s: How long it may take to end when cancelled, before it is abandoned.
        alerts_close_s: How long the notifications on the screen may take to be taken back.
        control_close_s: How long the answers to the last commands may take.
        analysis_close_s: How long the answers of models that are on their way may take to be kept.
        heartbeat_s: How long the heartbeat file may take, to be written and to be removed.
        history_close_s: How long the history may take to write what waits and to close.
        bridge_drain_s: How long the calls that the bridge has accepted may go on at the end...
        bridge_cancel_s: ...and how long they may take to end when cancelled.
        stop_s: How long the whole program may take to end: more than all stages of a stop, one after the other (from
            `alerts_close_s` on, with the agents' `drain_s` and `cancel_s`), since it is then ended by force.
    """

    backoff_first_s: float = 1.0
    backoff_ceiling_s: float = 300.0
    healthy_after_s: float = 600.0
    restarts_allowed: int = 5
    restart_window_s: float = 600.0
    slow_retry_s: float = 900.0
    beat_every_s: float = 30.0
    check_every_s: float = 15.0
    stale_after_s: float = 90.0
    stale_checks: int = 2
    drain_s: float = 3.75
    cancel_s: float = 1.5
    alerts_close_s: float = 0.5
    control_close_s: float = 1.0
    analysis_close_s: float = 0.5
    heartbeat_s: float = 0.25
    history_close_s: float = 1.5
    bridge_drain_s: float = 0.25
    bridge_cancel_s: float = 0.25
    stop_s: float = 10.0
