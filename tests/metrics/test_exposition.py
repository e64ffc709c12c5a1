"""The text that Prometheus reads says what happened, in few series, and nothing that is nobody's business."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from app.domain import events
from app.domain.agents import AgentState
from app.domain.analysis import AnalysisView
from app.domain.findings import AuditReport, AuditView, Trigger
from app.domain.health import ChannelView
from app.domain.snapshot import Snapshot
from app.domain.verdicts import Cause, CauseKind, Check, Outcome, Stage, TestResult, Verdict
from app.metrics.tally import REMEMBERED_AUDITS


def test_a_whole_story_is_read_back_as_it_was_told(whole_story: Any) -> None:
    """One sample of each kind of happening: what the program told is what Prometheus stores."""
    expected = {
        ("watchkeeper_runs_total", "shop", "red"): 1,
        ("watchkeeper_runs_total", "shop", "green"): 0,
        ("watchkeeper_run_duration_seconds_sum", "shop"): 3.0,
        ("watchkeeper_test_results_total", "failed", "shop"): 1,
        ("watchkeeper_tests", "failed", "shop"): 1,
        ("watchkeeper_red_tests", "shop"): 1,
        ("watchkeeper_second_looks_total", "flaky", "shop"): 1,
        ("watchkeeper_coverage_ratio", "shop"): 0.75,
        ("watchkeeper_changed_lines_coverage_ratio", "shop"): 0.75,
        ("watchkeeper_audits_total", "shop", "marker", "fail"): 1,
        ("watchkeeper_audit_triggers_total", "shop", "marker"): 3,
        ("watchkeeper_audit_duration_seconds_count", "shop"): 1,
        ("watchkeeper_open_findings", "shop", "high"): 2,
        ("watchkeeper_model_answers_total", "answered", "deepseek"): 1,
        ("watchkeeper_model_answers_total", "failed", "none"): 1,
        ("watchkeeper_model_tokens_total",): 1200,
        ("watchkeeper_model_cost_dollars_total",): 0.01,
        ("watchkeeper_model_breaker_state", "deepseek", "open"): 1,
        ("watchkeeper_model_breaker_state", "deepseek", "closed"): 0,
        ("watchkeeper_agent_state", "tests:shop", "running"): 1,
        ("watchkeeper_agent_restarts_total", "tests:shop"): 2,
        ("watchkeeper_agent_progress_total", "tests:shop"): 17,
        ("watchkeeper_agent_stalled_seconds", "tests:shop"): 120,
        ("watchkeeper_loop_lag_p99_seconds",): 0.02,
        ("watchkeeper_loop_lag_seconds_bucket", "0.05"): 1,
        ("watchkeeper_loop_stalls_total",): 1,
        ("watchkeeper_resident_memory_bytes",): 90_000_000,
        ("watchkeeper_open_descriptors",): 40,
        ("watchkeeper_unclean_ends", "stuck"): 1,
        ("watchkeeper_safe_mode",): 1,
        ("watchkeeper_kept_by", "systemd"): 1,
        ("watchkeeper_system_sleep_seconds_total",): 600,
        ("watchkeeper_network_online",): 1,
        ("watchkeeper_alerts_waiting", "mail"): 3,
        ("watchkeeper_alerts_dropped_total", "mail"): 1,
        ("watchkeeper_secrets_due",): 1,
        ("watchkeeper_bridge_calls_refused_total",): 2,
        ("watchkeeper_bridge_wait_seconds",): 0.25,
        ("watchkeeper_history_dropped_total", "result"): 5,
    }

    values = whole_story.values()

    assert {key: values.get(key) for key in expected} == expected


def test_each_family_has_a_help_a_type_and_at_least_one_series(whole_story: Any) -> None:
    """After a whole story nothing is declared that nothing is told of, and each name follows the conventions."""
    families = list(text_string_to_metric_families(whole_story.text()))

    assert len(families) > 70
    assert [each.name for each in families if not (each.documentation.endswith(".") and each.samples)] == []
    assert [each.name for each in families if not re.fullmatch(r"watchkeeper(_[a-z0-9]+)+", each.name)] == []


def test_no_path_no_test_and_no_name_of_a_secret_is_in_the_text(whole_story: Any) -> None:
    """A label tells the project's folder name and nothing more of what is watched: who reads metrics may be anybody."""
    text = whole_story.text()

    assert [
        each for each in ("anna", "secret-customer", "test_cart", "cart.py", "OPENAI_KEY", "x.py") if each in text
    ] == []


def test_projects_of_one_name_are_told_apart_and_others_keep_theirs(told: Any) -> None:
    """Two folders `api` get a digest of their path; the third project and its agent go by their plain names."""
    told.watch("/a/api", "api")
    told.watch("/b/api", "b/api")
    told.watch("/b/web", "web")
    told.tell(
        *(events.AgentChanged(at=1.0, agent=f"tests:{name}", state=AgentState.RUNNING) for name in ("b/api", "web"))
    )

    values = told.values()

    projects = sorted(key[1] for key in values if key[0] == "watchkeeper_red_tests")
    agents = {key[1] for key in values if key[0] == "watchkeeper_agent_paused"}
    assert projects[2:] == ["web"]
    assert {each.rpartition("-")[0] for each in projects[:2]} == {"api"}
    assert len(set(projects)) == 3
    assert "tests:web" in agents
    assert agents - {"tests:web"} < {f"tests:{each}" for each in projects}


def test_what_is_no_longer_watched_has_no_series(told: Any) -> None:
    """Counters of a project end with it: a series that nobody adds to would be alerted on for ever."""
    told.watch("/a/api", "api")
    told.has_run("/a/api", Verdict.RED, TestResult("t", Outcome.FAILED))
    told.tell(events.TestChecked(at=1.0, project="/a/api", nodeid="t", check=Check()))
    before = told.values()

    told.tally.see(events.KeyRotated(at=1.0), Snapshot(1.0))
    after = told.values()

    assert before[("watchkeeper_runs_total", "api", "red")] == 1
    assert before[("watchkeeper_second_looks_total", "unknown", "api")] == 1
    assert [key for key in after if any("api" in part for part in key)] == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.text(st.characters(codec=None, exclude_characters="/\0"), min_size=1, max_size=40).filter(
        lambda n: n not in {".", ".."}
    )
)
def test_any_folder_name_survives_as_a_label(told: Any, name: str) -> None:
    """Newlines, quotes, backslashes and what is not UTF-8 come back as one series of one value."""
    one = type(told)(told.clock)
    one.watch(f"/w/{name}", "x")

    (label,) = [key[1] for key in one.values() if key[0] == "watchkeeper_red_tests"]

    assert label == name.encode("utf-8", "backslashreplace").decode()


def test_a_name_that_is_not_utf_8_is_no_reason_to_fail(told: Any) -> None:
    """A folder that Linux knows by other bytes is told with those bytes spelt out."""
    told.watch(os.fsdecode(b"/w/caf\xe9"), "x")

    assert ("watchkeeper_red_tests", "caf\\udce9") in told.values()


def test_a_secret_in_a_name_is_taken_out(fake_clock: Any, told: Any) -> None:
    """What the program knows to be a secret does not become a label, wherever it stands."""
    hiding = type(told)(fake_clock, redact=lambda text: text.replace("hunter2hunter2", "***"))
    hiding.watch("/w/hunter2hunter2", "x")
    hiding.tell(events.ChannelChanged(at=1.0, channel=ChannelView("hunter2hunter2")))

    text = hiding.text()

    assert "hunter2" not in text
    assert 'project="***"' in text


def test_the_first_word_on_a_save_is_measured_once(told: Any) -> None:
    """From the run's start to the first of: a broken test, the change's tests green, the end; not for other runs."""
    told.watch("/a/api", "api")
    cause = Cause(CauseKind.SAVE, ("a.py",))
    told.tell(events.RunStarted(at=1.0, project="/a/api", run_id="1", cause=cause))
    told.clock.advance(0.4)
    told.tell(events.RunStaged(at=1.0, project="/a/api", run_id="1", stage=Stage.REST, verdict=Verdict.GREEN))
    told.clock.advance(20.0)
    told.tell(events.RunFinished(at=1.0, project="/a/api", run_id="1", verdict=Verdict.GREEN, duration_s=20.4))
    told.has_run("/a/api", Verdict.GREEN, run_id="2", cause=Cause(CauseKind.REQUEST))
    told.has_run("/a/api", Verdict.CANCELLED, run_id="3", cause=cause)

    values = told.values()

    assert values[("watchkeeper_first_verdict_seconds_count", "api")] == 1
    assert math.isclose(values[("watchkeeper_first_verdict_seconds_sum", "api")], 0.4)
    assert values[("watchkeeper_run_duration_seconds_count", "api")] == 2
    assert values[("watchkeeper_runs_total", "api", "cancelled")] == 1


def test_what_was_spent_before_the_start_is_not_counted_and_midnight_takes_nothing_back(told: Any) -> None:
    """The day's figures fall to nothing at midnight; the counter goes on from there."""
    for tokens, cost in ((500, 1.0), (700, 1.5), (40, 0.25), (60, 0.25)):
        told.tell(events.AnalysisChanged(at=1.0, analysis=AnalysisView(tokens_today=tokens, cost_today=cost)))

    values = told.values()

    assert values[("watchkeeper_model_tokens_total",)] == 200 + 40 + 20
    assert values[("watchkeeper_model_cost_dollars_total",)] == 0.75
    assert values[("watchkeeper_model_tokens_today",)] == 60


def test_an_audit_that_is_told_again_is_still_one_and_ids_are_not_kept_for_ever(told: Any) -> None:
    """A history that was restored tells audits again; a year of audits takes no memory for their ids."""
    told.tell(events.AuditChanged(at=1.0, audit=AuditView("/a/api", target="AWS account production")))
    for number in (0, 0, *range(REMEMBERED_AUDITS + 50)):
        report = AuditReport(str(number), "/a/api", 1.0, 2.0, Trigger())
        told.tell(events.AuditKept(at=1.0, project="/a/api", report=report))

    values = told.values()

    assert values[("watchkeeper_audit_duration_seconds_count", "AWS account production")] == REMEMBERED_AUDITS + 50
    assert len(told.tally._audits) == REMEMBERED_AUDITS


def test_what_is_not_known_is_absent(told: Any) -> None:
    """No memory, network, limit or secret is told as 0 that nobody has measured."""
    unknown = ("resident_memory_bytes", "network_online", "model_tokens_daily_limit", "secrets", "loop_lag_p99_seconds")

    values = told.values()

    assert [name for name in unknown if (f"watchkeeper_{name}",) in values] == []


def test_the_age_of_a_heartbeat_goes_by_the_monotonic_clock(told: Any) -> None:
    """A person who sets the clock back an hour makes no agent look an hour younger, or older."""
    told.tell(
        events.AgentChanged(at=1.0, agent="keys", state=AgentState.RUNNING),
        events.AgentBeat(at=told.clock.wall(), agent="keys", progress=1),
        events.AgentChanged(at=1.0, agent="audits", state=AgentState.STOPPED),
        events.AgentBeat(at=told.clock.wall(), agent="audits", progress=1),
    )
    told.clock.advance(41.0)
    told.clock.set_wall(5.0)

    values = told.values()

    assert values[("watchkeeper_agent_heartbeat_age_seconds", "keys")] == 42.0
    assert ("watchkeeper_agent_heartbeat_age_seconds", "audits") not in values


def test_a_loop_that_hangs_is_seen_from_outside(told: Any) -> None:
    """The silence grows while the loop does not tick, though nothing is told on the bus."""
    told.clock.advance(59.0)

    assert told.values()[("watchkeeper_loop_silence_seconds",)] == 60.0


def test_who_asks_too_often_is_given_the_same_text(told: Any) -> None:
    """Four scrapes a second are made, and not forty: making the text takes the interpreter from the loop."""
    told.text()
    told.tell(events.KeyRotated(at=1.0))
    again = told.exposition.text().decode()

    later = told.values()

    assert "watchkeeper_vault_key_rotations_total 0.0" in again
    assert later[("watchkeeper_vault_key_rotations_total",)] == 1


def test_tests_that_did_not_change_are_not_counted_again(told: Any) -> None:
    """Ten thousand tests are gone through after a run, and not at each scrape."""
    told.watch("/a/api", "api")
    told.has_run("/a/api", Verdict.GREEN, *(TestResult(f"t::{n}", Outcome.PASSED) for n in range(50)))
    told.text()
    first = told.exposition._tests["/a/api"][1]
    told.text()
    same = told.exposition._tests["/a/api"][1]

    told.has_run("/a/api", Verdict.RED, TestResult("t::1", Outcome.FAILED), run_id="2")
    values = told.values()

    assert same is first
    assert values[("watchkeeper_tests", "passed", "api")] == 49
    assert values[("watchkeeper_red_tests", "api")] == 1


def test_the_house_imports_nothing_for_metrics_that_nobody_asked_for() -> None:
    """The tray's start does not pay for a face that is switched off."""
    code = "import sys, app.house.rooms, app.metrics.following; print([m for m in sys.modules if 'prometheus' in m])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
