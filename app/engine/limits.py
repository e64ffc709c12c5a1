"""The one table of times and counts that supervision goes by, in seconds unless said."""

from __future__ import annotations

from dataclasses import dataclass

ORDERLY_CODES = (0, 2, 3)
"""Exit codes after which nobody starts the program again: it ended as asked, or cannot run as it was called."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take, and how often they may fail.

    Attributes:
        backoff_first_s: Ceiling of the first wait after a failure; it doubles with each further one.
        backoff_ceiling_s: No wait is longer.
        healthy_after_s: A life of this length makes the failures before it forgotten.
        restarts_allowed: More failures than this within `restart_window_s`, and the agent is FAILED.
        slow_retry_s: How often a FAILED agent is tried again.
        probation_s: For how long such a try must live and beat before it counts as RUNNING.
        beat_every_s: How often a work loop shows that it lives.
        check_every_s: How often the supervisor looks.
        stale_after_s: Awake time without a heartbeat after which an agent is stale...
        stale_checks: ...when so many checks in a row say so.
        asleep_every_s: How often it is looked whether the machine slept.
        stopped_s: A look that is late by so much, though the process had nothing to do, tells that it was stopped.
        vitals_every_s: How often it is measured what the process uses.
        progress_after_s: Awake time without progress after which an agent that has work waiting is told of.
        growth_window_s: Memory that grows for so long...
        growth_mib_per_h: ...by so many MiB an hour is told of.
        drain_s: How long an agent that was told to stop may finish what it does.
        cancel_s: How long it may take to end when cancelled, before it is abandoned.
        alerts_close_s: How long the notifications on the screen may take to be taken back.
        control_close_s: How long the answers to the last commands may take.
        analysis_close_s: How long the answers of models that are on their way may take to be kept.
        metrics_close_s: How long what serves metrics may take to close.
        heartbeat_s: How long the heartbeat file may take, to be written and to be removed.
        history_close_s: How long the history may take to write what waits and to close.
        bridge_drain_s: How long the calls that the bridge has accepted may go on at the end...
        bridge_cancel_s: ...and how long they may take to end when cancelled.
        stop_s: How long the whole program may take to end: more than all stages of a stop, one after the other (from
            `alerts_close_s` on, with the agents' `drain_s` and `cancel_s`), since it is then ended by force.
        stall_s: From when on a late event loop is a stall, told with file and line.
        stuck_s: From when on a stall is final: the program leaves a marker and ends itself, to be started again.
        watchdog_s: How long the service manager waits for a sign of life from the loop; it is given one twice in that
            time (sd_watchdog_enabled(3)). Longer than `stuck_s`, since the program's own end leaves the better word.
        crashes_allowed: So many unclean ends within `crash_window_s`, and the next life is one in safe mode.
        crash_window_s: See there.
        keeper_first_s: What keeps the program starts it again after so long; it doubles with each further time...
        keeper_ceiling_s: ...up to this; a life of `healthy_after_s` makes those before it forgotten.
    """

    backoff_first_s: float = 1.0
    backoff_ceiling_s: float = 300.0
    healthy_after_s: float = 600.0
    restarts_allowed: int = 5
    restart_window_s: float = 600.0
    slow_retry_s: float = 900.0
    probation_s: float = 60.0
    beat_every_s: float = 30.0
    check_every_s: float = 15.0
    stale_after_s: float = 90.0
    stale_checks: int = 2
    asleep_every_s: float = 5.0
    stopped_s: float = 10.0
    vitals_every_s: float = 15.0
    progress_after_s: float = 600.0
    growth_window_s: float = 21_600.0
    growth_mib_per_h: float = 8.0
    drain_s: float = 3.5
    cancel_s: float = 1.5
    alerts_close_s: float = 0.5
    control_close_s: float = 1.0
    analysis_close_s: float = 0.5
    metrics_close_s: float = 0.25
    heartbeat_s: float = 0.25
    history_close_s: float = 1.5
    bridge_drain_s: float = 0.25
    bridge_cancel_s: float = 0.25
    stop_s: float = 10.0
    stall_s: float = 2.0
    stuck_s: float = 120.0
    watchdog_s: float = 180.0
    crashes_allowed: int = 3
    crash_window_s: float = 600.0
    keeper_first_s: float = 0.5
    keeper_ceiling_s: float = 300.0
