"""Metrics of the program itself: agents, process, loop, bridge, alerts, vault, and history."""

from __future__ import annotations

import platform
from collections import Counter
from typing import TYPE_CHECKING

from prometheus_client.core import InfoMetricFamily

from app import __version__
from app.domain.agents import AgentState
from app.domain.health import Ending, KeptBy
from app.domain.keys import VaultState
from app.domain.snapshot import Mood
from app.metrics.reading import NAMESPACE, counted, counter, gauge, measured, spread, states
from app.metrics.tally import Histogram

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from app.metrics.reading import Reading


def families(reading: Reading) -> Iterator[Metric]:
    """Yield them all."""
    yield from _agents(reading)
    yield from _program(reading)
    yield from _loop(reading)
    yield from _process(reading)
    yield from _bridge(reading)
    yield from _alerts(reading)
    yield from _vault(reading)
    yield from _history(reading)
    yield from _scrapes(reading)


def _agents(reading: Reading) -> Iterator[Metric]:
    state = gauge("agent_state", "1 for the state that the agent is in.", "agent", "state")
    age = gauge("agent_heartbeat_age_seconds", "Time since the agent's work loop last showed that it lives.", "agent")
    restarts = counter("agent_restarts", "How often the agent was started again.", "agent")
    progress = counter("agent_progress", "Work that the agent did, in its present life.", "agent")
    paused = gauge("agent_paused", "1 while a person has paused the agent.", "agent")
    waiting = gauge("agent_waiting", "Work that waits for the agent to begin it.", "agent")
    stalled = gauge("agent_stalled_seconds", "For how long the agent has had work and come no further.", "agent")
    for name, view in reading.snapshot.agents.items():
        label = reading.labels.agent(name)
        states(state, AgentState, view.state, label)
        restarts.add_metric([label], view.restarts)
        progress.add_metric([label], view.progress)
        paused.add_metric([label], float(view.paused))
        waiting.add_metric([label], view.waiting)
        stalled.add_metric([label], view.stalled_s)
        if view.state.is_alive or view.state is AgentState.STALE:
            beat = reading.counted.beats.get(name)
            if beat is not None:
                age.add_metric([label], max(0.0, reading.monotonic - beat))
            elif view.beat_at is not None:
                age.add_metric([label], max(0.0, reading.wall - view.beat_at))
    yield from (state, age, restarts, progress, paused, waiting, stalled)


def _program(reading: Reading) -> Iterator[Metric]:
    snapshot = reading.snapshot
    health = snapshot.health
    about = {"version": __version__, "python": platform.python_version()}
    yield InfoMetricFamily(NAMESPACE + "build", "What runs here.", value=about)
    yield measured("start_time_seconds", "When the program started.", snapshot.started_at)
    yield counted("events", "Events that were folded into the state.", snapshot.seq)
    mood = gauge("mood", "1 for the state that the tray's icon shows.", "mood")
    states(mood, Mood, snapshot.mood)
    yield mood
    kept = gauge("kept_by", "1 for who starts the program again when it ends by a fault.", "keeper")
    states(kept, KeptBy, health.kept_by)
    yield kept
    yield measured("notices", "Notices that stand.", len(snapshot.notices))
    yield measured(
        "safe_mode", "1 while no agent is started, because the program ended badly too often.", _is(health.safe_mode)
    )
    yield measured("stopping", "1 while the program is on its way out.", _is(snapshot.stopping))
    ends = gauge("unclean_ends", "Lives that did not end in an orderly way, of the last ten such, by how.", "ending")
    seen = Counter(each.ending for each in health.ends)
    for ending in Ending:
        ends.add_metric([ending.value], seen[ending])
    yield ends
    newest = max((each.at for each in health.ends), default=None)
    yield measured("last_unclean_end_timestamp_seconds", "When a life last ended in no orderly way.", newest)
    yield counted("system_resumes", "How often the machine woke up.", reading.count("resumes"))
    yield counted("system_sleep_seconds", "For how long it slept.", reading.count("slept"))
    online = None if health.is_online is None else float(health.is_online)
    yield measured("network_online", "1 while there is a way into the network; absent where that is not known.", online)


def _loop(reading: Reading) -> Iterator[Metric]:
    vitals = reading.snapshot.health.vitals
    yield measured(
        "loop_silence_seconds",
        "Time since the event loop last ran as it should: about a second, and more while it is stuck.",
        max(0.0, reading.monotonic - reading.counted.ticked),
    )
    yield spread(
        "loop_lag_seconds",
        "How late the event loop was, when last measured; it is looked at every 0.4 seconds.",
        [((), Histogram(vitals.lag_bounds_s, list(vitals.lag_counts), vitals.lag_sum_s))] if vitals else [],
    )
    five = "lag of the event loop over five minutes, when last measured."
    yield measured("loop_lag_p50_seconds", f"Median {five}", vitals.lag_p50_s if vitals is not None else None)
    yield measured("loop_lag_p99_seconds", f"99th percentile of the {five}", vitals.lag_p99_s if vitals else None)
    worst = vitals.lag_worst_s if vitals is not None else None
    yield measured("loop_lag_worst_seconds", "The longest lag of the event loop since the start.", worst)
    yield counted("loop_stalls", "How often the event loop did not run for two seconds.", reading.count("loop_stalls"))


def _process(reading: Reading) -> Iterator[Metric]:
    vitals = reading.snapshot.health.vitals
    yield measured("resident_memory_bytes", "Memory that is in use.", vitals.rss_bytes if vitals else None)
    yield measured("open_descriptors", "Open files, sockets and handles.", vitals.descriptors if vitals else None)
    yield measured("threads", "Threads of Python.", vitals.threads if vitals is not None else None)
    yield measured("tasks", "Tasks on the event loop.", vitals.tasks if vitals is not None else None)
    yield measured("timers", "Timers that are armed, Qt's among them.", vitals.timers if vitals is not None else None)


def _bridge(reading: Reading) -> Iterator[Metric]:
    bridge = reading.bridge
    calls = "Calls from other threads into the event loop"
    yield counted("bridge_calls_accepted", f"{calls} that were taken.", bridge.accepted)
    yield counted(
        "bridge_calls_refused", f"{calls} that were not taken: too many at once, or too late.", bridge.refused
    )
    yield counted("bridge_calls_merged", f"{calls} that took the place of one that waited.", bridge.merged)
    yield measured("bridge_calls_pending", f"{calls} that have not ended.", bridge.pending)
    yield measured("bridge_calls_queued", f"{calls} that wait to be started.", bridge.depth)
    yield measured("bridge_wait_seconds", "How long the call that started last had waited.", bridge.wait_s)
    yield measured(
        "bridge_worst_wait_seconds", "The longest that a call has waited since the start.", bridge.worst_wait_s
    )


def _alerts(reading: Reading) -> Iterator[Metric]:
    waiting = gauge("alerts_waiting", "Alerts that wait on disk to be sent.", "channel")
    dropped = counter(
        "alerts_dropped", "Alerts given up because they had waited for a day, or too many waited.", "channel"
    )
    failing = gauge("alert_channel_failing", "1 while alerts do not go through the channel.", "channel")
    last = gauge("last_alert_timestamp_seconds", "When an alert last went through the channel.", "channel")
    for name, view in reading.snapshot.health.channels.items():
        label = reading.labels.plain(name)
        waiting.add_metric([label], view.waiting)
        dropped.add_metric([label], view.dropped)
        failing.add_metric([label], _is(view.reason))
        if view.sent_at is not None:
            last.add_metric([label], view.sent_at)
    yield from (waiting, dropped, failing, last)
    snoozed = float(reading.snapshot.snoozed_until > reading.wall)
    yield measured("notifications_snoozed", "1 while a person wants notifications to be silent.", snoozed)


def _vault(reading: Reading) -> Iterator[Metric]:
    vault = reading.snapshot.vault
    state = gauge("vault_state", "1 for the state that the vault is in.", "state")
    states(state, VaultState, vault.state)
    yield state
    is_open = vault.state is VaultState.OPEN
    due = sum(1 for each in vault.secrets if each.due and each.due <= reading.wall)
    yield measured(
        "secrets", "Secrets in the vault; absent while it is not open.", len(vault.secrets) if is_open else None
    )
    yield measured("secrets_due", "Secrets that are to be renewed; absent likewise.", due if is_open else None)
    yield counted("vault_key_rotations", "How often the vault's data key was replaced.", reading.count("key_rotations"))
    broken = reading.count("access_log_problems")
    yield counted("vault_access_log_problems", "Changes to the access log that no one was to make.", broken)


def _history(reading: Reading) -> Iterator[Metric]:
    history = reading.history
    yield counted("history_events_recorded", "Events that the history was given.", history.recorded)
    yield counted("history_events_written", "Events that are in the database.", history.written)
    yield measured("history_events_pending", "Events that wait to be written.", history.pending)
    yield measured("history_pending_bytes", "Memory that they take, by estimate.", history.pending_bytes)
    yield counted("history_failures", "Attempts to open or write the database that failed.", history.failures)
    yield counted("history_recoveries", "How often a damaged database was replaced.", history.recoveries)
    dropped = counter("history_dropped", "What was lost because it could not be written.", "what")
    dropped.add_metric(["output"], history.dropped_outputs)
    dropped.add_metric(["result"], history.dropped_results)
    dropped.add_metric(["event"], history.dropped_events)
    yield dropped


def _scrapes(reading: Reading) -> Iterator[Metric]:
    scrapes = counter("scrapes", "Requests for these metrics, by the status of the answer.", "status")
    for labels, value in reading.counted.counts.get("scrapes", {}).items():
        scrapes.add_metric(labels, value)
    yield scrapes
    yield counted("scrape_texts", "How often this text was made.", reading.count("texts"))
    yield counted("scrape_text_seconds", "Time that was spent on that.", reading.count("text_seconds"))


def _is(reason: str) -> float:
    return float(bool(reason))
