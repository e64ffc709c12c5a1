"""The command `health`: how the program fares, by words, by JSON and by the exit code."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from app.cli.health import health_of
from app.control.protocol import dump
from app.domain import commands, healthwords
from app.domain.agents import AgentState
from app.domain.errors import InstanceUnreachable
from app.domain.health import ChannelView, Ending, HealthView, KeptBy, UncleanEnd, Vitals
from app.domain.keys import VaultState, VaultView
from app.domain.snapshot import AgentView, Notice
from app.engine.clock import SystemClock
from app.engine.lives import LifeRecord, lives_folder

if TYPE_CHECKING:
    from pathlib import Path

    from app.domain.snapshot import Snapshot
    from app.engine.places import Places
    from tests.cli.conftest import CommandLine, Instance

NOW = time.time()
FARES = HealthView(
    kept_by=KeptBy.SYSTEMD,
    ends=(UncleanEnd(NOW - 7_300, Ending.FAILED, "OSError: the disk is full", "0.0.9"),) * 5,
    vitals=Vitals(NOW, 88_295_014, 61, 14, 23, 0.0012, 0.0184, 0.312),
    channels=MappingProxyType({"mail": ChannelView("mail", sent_at=NOW - 4_000)}),
    metrics="http://127.0.0.1:9464/metrics",
    slept_at=NOW - 11_000,
    slept_s=29_000.0,
    is_online=True,
)


def of_agent(snapshot: Snapshot, view: AgentView) -> Snapshot:
    return replace(snapshot, agents=MappingProxyType({view.name: view}))


@pytest.fixture
def running(instance: Instance) -> Instance:
    """An instance that is well, whatever its project's tests are."""
    instance.snapshot = replace(instance.snapshot, health=FARES, started_at=NOW - 90_000)
    return instance


def test_a_program_that_is_well_is_told_in_words(cli: CommandLine, running: Instance, places: Places) -> None:
    """Exit 0, though a test is red: that is for `status` to say. No control character gets through."""
    (places.runtime / "metrics.token").write_text("secret-token")
    agent = AgentView("tests", AgentState.RUNNING, "\x1b[31mfine", 2, time.time() - 5, 1_204)
    notices = {
        "k": Notice("k", NOW, "Polling is used.", "Raise the limit."),
        "channel:x": Notice("channel:x", NOW, "x"),
    }
    running.snapshot = replace(of_agent(running.snapshot, agent), notices=MappingProxyType(notices))

    ran = cli("health")

    assert ran.code == 0
    assert ran.out.startswith("WELL  up for 1 day, kept by systemd\n")
    for said in (
        "Tests  on watch  heartbeat just now, 1,204 done, started again 2 times",
        "systemd starts it again",
        "p50 1 ms, p99 18 ms, worst 0.31 s",
        "84.2 MiB",
        "61 descriptors, 14 threads, 23 tasks",
        "online",
        "woke up 3 h ago, after 8 h",
        f"http://127.0.0.1:9464/metrics, with the token in {places.runtime / 'metrics.token'}",
        "last sent 1 h ago",
        "2 h ago  failed with an error of its own: OSError: the disk is full (version 0.0.9)",
        "Polling is used.\n  Raise the limit.",
    ):
        assert said in ran.out
    assert "\x1b" not in ran.out
    assert "secret-token" not in ran.out
    assert ran.out.count("the disk is full") == 5
    assert running.seen == [commands.ReadStatus()]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"agents": AgentView("keys", AgentState.FAILED, "it broke")}, "The agent Keys: failed: it broke"),
        ({"agents": AgentView("keys", AgentState.STALE)}, "The agent Keys: not answering"),
        ({"agents": AgentView("keys", AgentState.RUNNING, stalled_s=700)}, "has come no further for 11 min"),
        ({"health": replace(FARES, safe_mode="it crashed three times.")}, "Safe mode: no agent was started"),
        (
            {
                "health": replace(
                    FARES, channels=MappingProxyType({"mail": ChannelView("mail", reason="It is silent.")})
                )
            },
            "Alerts do not go through mail: It is silent.",
        ),
        ({"health": replace(FARES, vitals=Vitals(NOW, lag_p99_s=0.06))}, "late by 60 ms"),
        ({"vault": VaultView(VaultState.TROUBLE, "It is damaged.", "Restore it.")}, "The vault is in trouble"),
        *(
            ({"notices": MappingProxyType({key: Notice(key, NOW, "The disk is full.", "Make room.")})}, "The disk is")
            for key in ("history", "log", "lives", "settings")
        ),
    ],
)
def test_what_is_wrong_makes_the_exit_code_1(
    cli: CommandLine, running: Instance, changes: dict[str, object], said: str
) -> None:
    """Each is named, with what to do, in words and in the document."""
    agents = {view.name: view for view in (changes.pop("agents", None),) if isinstance(view, AgentView)}
    more = {"agents": MappingProxyType(agents)} if agents else {}
    running.snapshot = replace(running.snapshot, **changes, **more)  # type: ignore[arg-type] # a case's own

    in_words, as_json = cli("health"), cli("health", "--json")

    assert in_words.code == as_json.code == 1
    assert in_words.out.startswith("NEEDS A LOOK")
    assert said in in_words.out
    assert in_words.out.count("The disk is full.") == ("notices" in changes)
    found = json.loads(as_json.out)
    assert found["good"] is False
    assert said in found["troubles"][0]["text"]
    assert found["troubles"][0]["hint"]


def test_what_the_start_held_up_is_no_trouble(cli: CommandLine, running: Instance) -> None:
    """In its first five minutes the program has so few ticks that one of them is one in a hundred."""
    late = replace(FARES, vitals=Vitals(NOW, lag_p99_s=3.4))
    running.snapshot = replace(running.snapshot, health=late, started_at=NOW - 30)

    assert cli("health").code == 0


def test_the_ticks_of_a_start_are_no_trouble_however_long_ago_it_was(cli: CommandLine, running: Instance) -> None:
    """A process that was stopped for an hour has as few ticks behind it as before."""
    few, all_of_them = (Vitals(NOW, lag_p99_s=0.49, lag_bounds_s=(1.0,), lag_counts=(n, 0)) for n in (120, 900))

    running.snapshot = replace(running.snapshot, health=replace(FARES, vitals=few))
    after_a_stop = cli("health").code
    running.snapshot = replace(running.snapshot, health=replace(FARES, vitals=all_of_them))

    assert (after_a_stop, cli("health").code) == (0, 1)


@pytest.mark.parametrize(("loop_lag_s", "is_logged"), [(0.0, False), (2.1, True)])
def test_people_are_sent_to_the_log_only_for_what_it_has(
    cli: CommandLine, running: Instance, *, loop_lag_s: float, is_logged: bool
) -> None:
    """Lags of less than a stall leave no line there."""
    late = replace(FARES, vitals=Vitals(NOW, lag_p99_s=0.49))
    running.snapshot = replace(running.snapshot, health=late, loop_lag_s=loop_lag_s)

    ran = cli("health")

    assert ("`watchkeeper logs` names what held it" in ran.out) is is_logged
    assert ("the log names no place" in ran.out) is not is_logged


def test_a_lost_keeper_is_a_trouble(cli: CommandLine, running: Instance) -> None:
    """Nothing would start the program again: that is told with what to do, once."""
    notice = Notice("keeper", NOW, healthwords.KEEPER_LOST, healthwords.KEEPER_HINT)
    orphan = replace(FARES, kept_by=KeptBy.NOBODY)
    running.snapshot = replace(running.snapshot, health=orphan, notices=MappingProxyType({"keeper": notice}))

    ran = cli("health")

    assert ran.code == 1
    assert ran.out.startswith("NEEDS A LOOK")
    assert "kept by nobody" in ran.out
    assert ran.out.count("watchkeeper stop, then watchkeeper --keep") == 1


@pytest.mark.parametrize(
    "view",
    [
        AgentView("keys", AgentState.DISABLED),
        AgentView("keys", AgentState.DEGRADED, "the network is out"),
        AgentView("keys", AgentState.RUNNING, paused=True),
        AgentView("keys", AgentState.STARTING),
    ],
)
def test_what_is_as_it_should_be_is_no_trouble(cli: CommandLine, running: Instance, view: AgentView) -> None:
    """An agent that is switched off, paused, or makes do, does what it is to do."""
    running.snapshot = of_agent(running.snapshot, view)

    assert cli("health").code == 0


def test_the_document_has_all_of_it(cli: CommandLine, running: Instance) -> None:
    """One JSON document on stdout, with what the page shows."""
    ran = cli("health", "--json")

    found = json.loads(ran.out)
    assert (ran.code, ran.err, found["good"], found["running"], found["troubles"]) == (0, "", True, True, [])
    assert found["health"]["vitals"]["rss_bytes"] == 88_295_014
    assert found["health"]["ends"][0]["ending"] == "failed"
    assert found["agents"]["tests"]["state"] == "running"
    assert running.seen == [commands.ReadStatus()]


def test_without_an_instance_it_tells_what_was_left(cli: CommandLine, places: Places) -> None:
    """Exit 3; the heartbeats of the last life, and how earlier ones ended, are told all the same."""
    nothing = cli("health")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    beats = {"v": 1, "pid": gone.pid, "written": NOW - 3_700, "agents": {"tests:shop": {"state": "running"}}}
    (places.runtime / "heartbeats.json").write_text(json.dumps(beats))
    record = LifeRecord(lives_folder(places), clock=SystemClock(), version="1")
    record.begin()
    record.mark(Ending.STUCK, "a.py:12 in slow")
    record.begin()

    in_words, as_json = cli("health"), cli("health", "--json")

    assert (nothing.code, nothing.out) == (3, "")
    assert "No Watchkeeper is running here." in nothing.err
    assert in_words.code == as_json.code == 3
    assert f"The last life (process {gone.pid}) ended without a word, 1 h ago." in in_words.out
    assert "Tests of shop  running" in in_words.out
    assert "was stuck, and ended itself, at a.py:12 in slow (version 1)" in in_words.out
    found = json.loads(as_json.out)
    assert (found["good"], found["running"]) == (False, False)
    assert found["heartbeats"]["pid"] == gone.pid
    assert found["ends"][0]["ending"] == "stuck"


def test_an_instance_that_does_not_answer_is_wrong(
    cli: CommandLine, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs and is stuck: exit 1, with the age of its last heartbeat; no waiting for ever."""
    monkeypatch.setattr("app.cli.health.PATIENCE_S", 0.3)
    beats = {"v": 1, "pid": os.getpid(), "written": time.time() - 370, "agents": {}}
    (places.runtime / "heartbeats.json").write_text(json.dumps(beats))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(places.socket))
        listener.listen()

        ran = cli("health")

    assert ran.code == 1
    assert "did not answer" in ran.err
    assert f"Process {os.getpid()} wrote its last heartbeat, 6 min ago: it stands still, or has ended." in ran.out


@pytest.mark.parametrize("words", [["health", "--json"], ["health"]])
@pytest.mark.parametrize("written", ["NaN", "Infinity", "-Infinity", "1" + "0" * 400])
def test_a_file_of_heartbeats_with_a_number_that_is_none_is_read(
    cli: CommandLine, places: Places, written: str, words: list[str]
) -> None:
    """JSON as Python reads it has numbers that are no time: the command tells the rest."""
    (places.runtime / "heartbeats.json").write_text(f'{{"pid": 99999999, "written": {written}, "started": {written}}}')

    ran = cli(*words)

    assert ran.code == 3
    assert words == ["health", "--json"] or "The last life (process 99999999) ended without a word." in ran.out


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x", "agents": 7}', '{"agents": {"a": 1}}', '"\\ud800"'])
def test_a_file_of_heartbeats_that_tells_nothing_is_nothing(cli: CommandLine, places: Places, content: str) -> None:
    """Cut off, empty or of another kind: as if there were none."""
    (places.runtime / "heartbeats.json").write_text(content)

    ran = cli("health", "--json")

    assert ran.code == 3
    assert json.loads(ran.out)["running"] is False


def test_safe_mode_is_left_from_the_terminal(cli: CommandLine, instance: Instance) -> None:
    """The running instance is asked, and nobody else."""
    ran = cli("health", "--leave-safe-mode")

    assert (ran.code, ran.out) == (0, "Started: Tests\n")
    assert instance.seen == [commands.LeaveSafeMode()]


def test_an_agent_is_restarted_from_the_terminal(cli: CommandLine, instance: Instance) -> None:
    """The running instance is asked to end it and start it again."""
    ran = cli("health", "--restart", "tests")

    assert (ran.code, ran.out) == (0, "Restarted: Tests\n")
    assert instance.seen == [commands.RestartAgent(agent="tests")]


def test_the_health_of_another_release_is_read_as_far_as_it_goes() -> None:
    """An older instance tells nothing of it, a newer one more; nonsense is told as such."""
    whole = json.loads(dump(FARES))

    assert health_of({}) == HealthView()
    assert health_of({"health": {**whole, "new": 1}}) == FARES
    for wrong in ({"kept_by": "aliens"}, {"vitals": 7}, {"ends": [1]}, {"channels": 3}, {"ends": 5}):
        with pytest.raises(InstanceUnreachable):
            health_of({"health": wrong})


def test_it_starts_without_anything_slow(home: Path) -> None:
    """As every command that speaks to the instance: no asyncio, Qt, pydantic or database."""
    code = (
        "import sys; from app.cli import run; code = run(['health', '--leave-safe-mode'], None);"
        "slow = {'asyncio', 'structlog', 'pydantic', 'sqlalchemy', 'PySide6', 'tomlkit'} & set(sys.modules);"
        "print(code, sorted(slow))"
    )
    environ = {**os.environ, "WATCHKEEPER_HOME": str(home)}

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environ, check=True)

    assert ran.stdout.splitlines()[-1] == "3 []"


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1_023, "1,023 bytes"),
        (1_536, "1.5 KiB"),
        (300 * 2**20, "300 MiB"),
        (2**60, "1048576 TiB"),
    ],
)
def test_sizes_are_told_in_their_largest_unit(count: int, said: str) -> None:
    """In three figures, as far as there is a unit."""
    assert healthwords.size(count) == said
