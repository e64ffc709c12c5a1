"""The commands that speak to the running instance."""

from __future__ import annotations

import io
import json
import os
import socket
import threading
import time
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from app.cli.patience import patiently
from app.control.client import ControlClient
from app.domain import commands
from app.domain.analysis import AnalysisView, BreakerState, ProviderView, When
from app.domain.coverage import ChangedLines, Coverage, FileCoverage
from app.domain.errors import CommandRefused
from app.domain.findings import AuditVerdict, AuditView, Severity, Trigger, TriggerKind
from app.domain.health import HealthView
from app.domain.keys import VaultState, VaultView
from app.domain.snapshot import Notice, ProjectView, RunView, Snapshot
from app.domain.verdicts import Cause, CauseKind, Check, Counts, Outcome, Stage, Verdict
from app.system.instance import SingleInstance

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.engine.places import Places
    from tests.cli.conftest import CommandLine, Instance


def test_status_tells_verdict_red_tests_agents_and_notices(cli: CommandLine, instance: Instance) -> None:
    """A few lines say all; what is red makes the exit code 1; no control character of a name gets through."""
    ran = cli("status")

    assert ran.code == 1
    assert ran.out.startswith("RED  1 test is red\n")
    for words in (
        "demo  /src/demo",
        "1 failed, 1 passed, 1 skipped",
        "failed  t.py::b\\x1b[31m",
        "after src/app.py",
        "Tests  on watch  heartbeat just now",
        "Polling is used.",
        "Raise the limit.",
    ):
        assert words in ran.out
    assert "\x1b" not in ran.out
    assert instance.seen == [commands.ReadStatus()]


def test_status_as_json_is_the_snapshot(cli: CommandLine, instance: Instance) -> None:
    """One document on stdout, with a schema number and what follows from the rest."""
    ran = cli("status", "--json")

    found = json.loads(ran.out)
    assert (found["schema"], found["mood"], found["red_count"]) == (1, "red", 1)
    assert found["projects"]["/src/demo"]["last"]["verdict"] == "red"
    assert ran.err == ""
    assert len(instance.seen) == 1


def test_status_of_an_instance_without_projects_is_good(cli: CommandLine, instance: Instance) -> None:
    """Nothing watched yet is told, and is nothing bad."""
    instance.snapshot = Snapshot(0.0, stopping="asked to")

    ran = cli("status")

    assert ran.code == 0
    assert "NOTHING RUN YET" in ran.out
    assert "stopping: asked to" in ran.out


def test_pause_and_resume_say_what_they_did(cli: CommandLine, instance: Instance) -> None:
    """The agent and the time are handed on, and the names that were paused come back."""
    paused = cli("pause", "tests", "--for", "1h30m")
    as_json = cli("pause", "--json")
    resumed = cli("resume", "--json")

    assert paused.out == "Paused for 1h30m: Tests\n"
    assert json.loads(as_json.out) == {"schema": 1, "paused": ["tests"], "seconds": None}
    assert json.loads(resumed.out) == {"schema": 1, "resumed": ["tests"]}
    asked = [commands.Pause(agent="tests", seconds=5400.0), commands.Pause(), commands.Resume()]
    assert [each for each in instance.seen if each != commands.ReadStatus()] == asked
    assert "afe mode" not in resumed.err


def test_safe_mode_is_said_first(cli: CommandLine, instance: Instance) -> None:
    """Why, and what to do; nothing is well while no agent works. The notice does not say it once more."""
    text = "Safe mode: no agent was started. You asked for it with --safe."
    instance.snapshot = Snapshot(
        0.0,
        health=HealthView(safe_mode="you asked for it with --safe"),
        notices=MappingProxyType({"safe-mode": Notice("safe-mode", 0.0, text, "Start them.")}),
    )

    ran = cli("status")

    assert ran.code == 1
    assert ran.out.startswith("SAFE MODE: no agent was started. You asked for it with --safe.\n  Start the agents")
    assert ran.out.count("--leave-safe-mode") == 1
    assert "NOTHING RUN YET" not in ran.out
    assert "Start them." not in ran.out


def test_resume_in_safe_mode_says_that_nothing_starts(cli: CommandLine, instance: Instance) -> None:
    """It does what it can, and says what starts the agents."""
    instance.snapshot = replace(instance.snapshot, health=HealthView(safe_mode="you asked for it with --safe"))

    ran = cli("resume")

    assert ran.out == "Resumed: Tests\n"
    assert "Safe mode: no agent was started" in ran.err
    assert "watchkeeper health --leave-safe-mode" in ran.err


@pytest.fixture
def stuck(places: Places, monkeypatch: pytest.MonkeyPatch) -> Iterator[SingleInstance]:
    """An instance that holds the lock and takes connections, and answers none."""
    for where in ("instance", "loglines"):
        monkeypatch.setattr(f"app.cli.{where}.PATIENCE_S", 0.3)
    with SingleInstance(places) as lock, socket.socket(socket.AF_UNIX) as listener:
        assert lock.acquire()
        listener.bind(str(places.socket))
        listener.listen()
        yield lock


@pytest.mark.parametrize("words", [("status",), ("resume",), ("logs", "-f")])
@pytest.mark.usefixtures("stuck")
def test_an_instance_that_does_not_answer_is_named(cli: CommandLine, words: tuple[str, ...]) -> None:
    """Which process it is and how to end it, soon, with the code for what cannot be done."""
    ran = cli(*words)

    assert ran.code == 3
    assert f"The running Watchkeeper (process {os.getpid()}) did not answer within 0.3 s." in ran.err
    assert f"kill -9 {os.getpid()}" in ran.err
    assert "watchkeeper logs" not in ran.err


@pytest.mark.usefixtures("stuck")
def test_the_log_of_an_instance_that_does_not_answer_comes_from_its_file(cli: CommandLine, places: Places) -> None:
    """That is where the stacks of what it hangs in are."""
    path = places.log_file("watchkeeper")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"at": 1800000000.0, "level": "error", "event": "the loop is blocked"}\n')

    ran = cli("logs")

    assert ran.code == 0
    assert "the loop is blocked" in ran.out
    assert f"process {os.getpid()}" in ran.err
    assert str(path) in ran.err


def test_people_are_told_that_an_answer_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a terminal only, after a moment, and wiped when it has come."""
    monkeypatch.setattr("app.cli.patience.WORD_AFTER_S", 0.0)
    said = threading.Event()
    shown: list[str] = []

    class Watched:
        def progress(self, text: str) -> None:
            shown.append(text)
            said.set()

    with patiently(Watched()):  # type: ignore[arg-type] # as much of it as is needed
        assert said.wait(20)

    assert shown == ["Waiting for the running Watchkeeper to answer ...", ""]


@pytest.mark.usefixtures("instance")
def test_a_refusal_of_the_instance_is_told(cli: CommandLine) -> None:
    """What the instance says no to is the person's message, with the instance's hint."""
    ran = cli("pause", "nobody")

    assert ran.code == 3
    assert ran.err == "watchkeeper: There is no agent 'nobody'.\nThere is: tests.\n"


def test_stop_waits_until_the_instance_is_gone(cli: CommandLine, instance: Instance) -> None:
    """After `stop` has returned, nothing listens any more."""
    ran = cli("stop")
    after = cli("status")

    assert (ran.code, ran.out) == (0, "Stopped.\n")
    assert isinstance(instance.seen[0], commands.Stop)
    assert after.code == 3


def test_stop_waits_for_the_lock_too(cli: CommandLine, instance: Instance, places: Places) -> None:
    """The socket goes first, and agents may take some time after it: a start right after `stop` must not be refused."""
    with SingleInstance(places) as lock:
        assert lock.acquire()
        early = threading.Timer(0.3, lock.release)
        early.start()

        ran = cli("stop")
        with SingleInstance(places) as next_one:
            free = next_one.acquire()
        early.join()

    assert (ran.code, free) == (0, True)
    assert isinstance(instance.seen[0], commands.Stop)


def test_stop_waits_for_one_that_is_coming_up(cli: CommandLine, instance: Instance, places: Places) -> None:
    """Its lock is there before its socket: in between, `stop` does not say that nothing runs."""
    away = places.socket.with_name("not-yet")
    places.socket.rename(away)
    with SingleInstance(places) as lock:
        assert lock.acquire()
        listens, leaves = threading.Timer(0.3, away.rename, [places.socket]), threading.Timer(0.6, lock.release)
        listens.start()
        leaves.start()

        ran = cli("stop")
        listens.join()
        leaves.join()

    assert (ran.code, ran.out) == (0, "Stopped.\n")
    assert isinstance(instance.seen[0], commands.Stop)


def test_stop_waits_no_longer_than_it_comes_up(cli: CommandLine, places: Places) -> None:
    """One that gives its lock back before it listened has ended by itself: nothing runs then."""
    with SingleInstance(places) as lock:
        assert lock.acquire()
        gives_up = threading.Timer(0.3, lock.release)
        gives_up.start()

        ran = cli("stop")
        is_free = lock.owner() is None
        gives_up.join()

    assert (ran.code, is_free) == (3, True)
    assert "No Watchkeeper is running" in ran.err


@pytest.mark.parametrize(("pid", "age_s"), [(2**22 + 1, 0.0), (1, 3600.0)], ids=["dead", "old"])
def test_stop_waits_for_no_note_that_a_killed_one_left(
    cli: CommandLine, places: Places, pid: int, age_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process is gone, or another's that has its number by now."""
    monkeypatch.setattr("app.cli.patience.time.sleep", lambda seconds: pytest.fail(f"waits {seconds} s"))
    places.create()
    (places.runtime / "instance.json").write_text(json.dumps({"pid": pid, "started_at": time.time() - age_s}), "utf-8")

    assert cli("stop").code == 3


def test_an_instance_that_does_not_go_is_told(
    cli: CommandLine, instance: Instance, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the time that an orderly stop may take, the person learns where to look."""
    monkeypatch.setattr("app.cli.instance._STOP_PATIENCE_S", 0.2)
    with SingleInstance(places) as lock:
        assert lock.acquire()

        ran = cli("stop")

    assert ran.code == 3
    assert "still runs" in ran.err
    assert "watchkeeper logs" in ran.err
    assert isinstance(instance.seen[0], commands.Stop)


@pytest.mark.parametrize("words", [("status",), ("pause",), ("resume",), ("stop",), ("logs", "-f")])
def test_without_an_instance_each_says_so(cli: CommandLine, words: tuple[str, ...]) -> None:
    """Nothing to speak to is exit code 3, with what to start."""
    ran = cli(*words)

    assert ran.code == 3
    assert "No Watchkeeper is running" in ran.err
    assert "watchkeeper PATH" in ran.err


def test_logs_are_the_newest_lines_of_the_instance(cli: CommandLine, instance: Instance) -> None:
    """As many as asked for, with the level, oldest first."""
    for number in range(5):
        instance.ring.append(0.0, "warning", "app", f"line {number}\x1b]0;x")

    ran = cli("logs", "-n", "2")
    as_json = cli("logs", "-n", "1", "--json")

    assert [line.split(" ", 2)[2] for line in ran.out.splitlines()] == [
        "warning  line 3\\x1b]0;x",
        "warning  line 4\\x1b]0;x",
    ]
    assert json.loads(as_json.out)["lines"][0]["seq"] == 5


def test_logs_are_followed_without_a_gap(cli: CommandLine, instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    """`logs -f` prints each line once, in order, and goes on until the instance ends or the person interrupts."""
    monkeypatch.setattr("app.cli.loglines.POLL_S", 0.001)
    polls = 0

    def more() -> None:
        nonlocal polls
        polls += 1
        for number in range(3):
            instance.ring.append(0.0, "info", "app", f"{polls}.{number}")
        if polls == 20:
            instance.stop()

    instance.on_logs = more
    ran = cli("logs", "-f", "--json", "-n", "5")

    seen = [json.loads(line)["seq"] for line in ran.out.splitlines() if line.startswith('{"seq"')]
    assert len(seen) >= 30
    assert seen == list(range(seen[0], seen[0] + len(seen)))
    assert ran.code == 3


def test_without_an_instance_logs_come_from_the_file(cli: CommandLine, home: Path) -> None:
    """The end of the last log file is printed, and stderr says where it is from; broken lines are left out."""
    (home / "logs").mkdir()
    lines = [
        '{"at": 1.0, "level": "info", "logger": "app", "event": "first", "count": 3}',
        "broken",
        "[]",
        '{"at": 2.0, "level": "error", "logger": "app", "event": "second", "traceback": "Traceback x"}',
    ]
    (home / "logs" / "watchkeeper.log").write_text("\n".join(lines) + "\n")

    ran = cli("logs")
    as_json = cli("logs", "--json")

    assert "first  count=3" in ran.out
    assert "second\nTraceback x" in ran.out
    assert "watchkeeper.log" in ran.err
    assert [line["text"].split()[0] for line in json.loads(as_json.out)["lines"]] == ["first", "second"]


def test_a_log_that_cannot_be_read_is_no_wrong_use(cli: CommandLine, home: Path) -> None:
    """The words were right, so the exit code is 3."""
    (home / "logs" / "watchkeeper.log").mkdir(parents=True)

    ran = cli("logs")

    assert ran.code == 3
    assert "cannot be read" in ran.err


def test_status_tells_green_so_far_while_the_rest_is_confirmed(cli: CommandLine, instance: Instance) -> None:
    """With coverage, and the changed lines that no test executes; it is good news, but not yet for the whole."""
    run = RunView(
        "r2",
        Cause(CauseKind.SAVE, ("src/app.py",)),
        0.0,
        expected=490,
        counts=Counts(passed=9),
        stage=Stage.REST,
        impacted=7,
        impacted_verdict=Verdict.GREEN,
        changed_lines=ChangedLines(4, 3, (("src/app.py", (12,)),)),
    )
    view = ProjectView("/src/demo", "demo", current=run, coverage=Coverage((FileCoverage("src/app.py", 8, (12,)),)))
    instance.snapshot = Snapshot(0.0, projects=MappingProxyType({view.root: view}))

    ran = cli("status")
    as_json = json.loads(cli("status", "--json").out)

    assert ran.code == 0
    assert ran.out.startswith("GREEN SO FAR\n")
    for words in (
        "7 tests of the change are green, 483 more are being confirmed",
        "9 of 490 tests",
        "3 of 4 changed lines are covered, not src/app.py:12",
        "coverage 87.5 %",
    ):
        assert words in ran.out
    told = as_json["projects"]["/src/demo"]
    assert (as_json["mood"], told["current"]["is_confirming"], told["coverage"]["percent"]) == (
        "confirming",
        True,
        87.5,
    )


def test_status_tells_what_a_second_look_said(cli: CommandLine, instance: Instance) -> None:
    """Behind the red test."""
    view = instance.snapshot.projects["/src/demo"]
    tests = {
        nodeid: replace(test, check=Check(Outcome.PASSED)) if test.outcome.is_red else test
        for nodeid, test in view.tests.items()
    }
    changed = replace(view, tests=MappingProxyType(tests))
    instance.snapshot = replace(instance.snapshot, projects=MappingProxyType({view.root: changed}))

    assert "flaky: green when run again alone" in cli("status").out


@pytest.mark.parametrize(
    ("vault", "code", "said"),
    [
        (VaultView(VaultState.OPEN), 0, "has opened the vault"),
        (VaultView(VaultState.LOCKED, "The system keychain is locked.", "Unlock it."), 3, "keychain is locked"),
        (VaultView(), 3, "There is no vault.\nMake one: watchkeeper keys init\n"),
    ],
)
def test_the_instance_opens_its_vault_or_says_why_not(
    cli: CommandLine, instance: Instance, vault: VaultView, code: int, said: str
) -> None:
    """`keys unlock` ends with 0 only when the vault is open."""
    instance.snapshot = replace(instance.snapshot, vault=vault)

    ran = cli("keys", "unlock")

    assert ran.code == code
    assert said in ran.out + ran.err


@pytest.mark.parametrize(("offers", "code"), [(("keychain", "passphrase"), 0), (("keychain",), 3)])
def test_a_keychain_that_waits_at_another_screen_does_not_hold_up_the_passphrase(
    cli: CommandLine, instance: Instance, monkeypatch: pytest.MonkeyPatch, offers: tuple[str, ...], code: int
) -> None:
    """Where the instance's opening is late, a passphrase opens it, if it has one."""
    waiting = VaultView(VaultState.WAITING, "Waiting for the system's keychain.", offers=offers)
    instance.snapshot = replace(instance.snapshot, vault=waiting)
    instance.late = CommandRefused("It did not come to an end within 30 s.", "Try again later.")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"correct horse\r\nmore")))

    ran = cli("keys", "unlock")

    assert ran.code == code
    typed = [command for command in instance.seen if isinstance(command, commands.UnlockWithPassphrase)]
    assert [command.passphrase for command in typed] == (["correct horse"] if code == 0 else [])
    assert ("not come to an end" in ran.err) == (code != 0)


@pytest.mark.parametrize("tcp", [False, True])
def test_without_somebody_to_ask_the_instance_stays_locked(
    cli: CommandLine, instance: Instance, monkeypatch: pytest.MonkeyPatch, *, tcp: bool
) -> None:
    """No standard input, as a service has none: it says why and what helps; where none is sent, where to type it."""
    locked = VaultView(VaultState.LOCKED, "The vault is locked.", "Its passphrase opens it.", ("passphrase",))
    instance.snapshot = replace(instance.snapshot, vault=locked)
    monkeypatch.setattr("sys.stdin", None)
    if tcp:
        monkeypatch.setattr(ControlClient, "takes_secrets", False)

    ran = cli("keys", "unlock")

    assert ran.code == 3
    assert ("on the Keys page of the window" if tcp else "Its passphrase opens it.") in ran.err
    assert "failed" not in ran.err


def test_the_instance_locks_its_vault_and_copies_from_it(cli: CommandLine, instance: Instance) -> None:
    """The value stays in the instance: what comes back is for how long it is in the clipboard."""
    locked = cli("keys", "lock")
    copied = cli("keys", "copy", "A_TOKEN", "--json")
    missed = cli("keys", "copy", "NO_SUCH")

    assert (locked.code, copied.code, missed.code) == (0, 0, 3)
    assert json.loads(copied.out)["seconds"] == 30.0
    assert "no secret" in missed.err
    assert instance.seen == [
        commands.LockVault(),
        commands.CopySecret(name="A_TOKEN"),
        commands.CopySecret(name="NO_SUCH"),
    ]


def test_status_says_that_the_vault_is_not_open(cli: CommandLine, instance: Instance) -> None:
    """A vault in trouble is told with its reason; an open one is not mentioned."""
    trouble = VaultView(VaultState.TROUBLE, "The vault's file is damaged: it was cut.")
    instance.snapshot = replace(instance.snapshot, vault=trouble)
    told = cli("status")
    instance.snapshot = replace(instance.snapshot, vault=VaultView(VaultState.OPEN))
    silent = cli("status")

    assert "it was cut" in told.out
    assert "vault" not in silent.out


def test_status_tells_of_models_only_when_that_matters(cli: CommandLine, instance: Instance) -> None:
    """What was used today, and a service that is left alone, are a line; all well and nothing used is none."""
    well = ProviderView("deepseek", "api.deepseek.com", "deepseek-chat")
    out = ProviderView("openai\x1b[31m", "api.openai.com", "gpt", BreakerState.OPEN)
    views = (
        AnalysisView(providers=(well,)),
        AnalysisView(providers=(well,), tokens_today=1200, tokens_limit=5000, cost_today=0.25, cost_limit=1.0),
        AnalysisView(providers=(well, out)),
        AnalysisView(providers=(out,), tokens_today=1),
        AnalysisView(When.NEVER, providers=(out,), tokens_today=1),
    )

    told = []
    for view in views:
        instance.snapshot = replace(instance.snapshot, analysis=view)
        told.append([line for line in cli("status").out.splitlines() if line.startswith("Models")])

    assert told == [
        [],
        ["Models: today 1,200 of 5,000 tokens, $0.25 of $1.00"],
        ["Models: left alone for a while: openai [31m"],
        ["Models: openai [31m is left alone for a while, today 1 token, $0.00"],
        [],
    ]


def test_status_tells_of_audits(cli: CommandLine, instance: Instance) -> None:
    """Each project has a line of what is open, how old that is, why it began, and what is audited now; none is none."""
    marker = Trigger(TriggerKind.MARKER, "DONE_COMPLETE.md\x1b[31m")
    found = ((Severity.HIGH, 1), (Severity.LOW, 2))
    last = time.time() - 125
    views = (
        AuditView("/src/demo"),
        AuditView("/src/demo", "waiting", marker),
        AuditView("/src/demo", "", marker, "1" * 16, last, AuditVerdict.FAIL, found, 2),
        AuditView("/src/demo", "Secrets\x1b[31m", marker, "1" * 16, last, AuditVerdict.UNKNOWN),
        AuditView("/src/demo", "", Trigger(), "1" * 16, last, AuditVerdict.PASS),
    )

    told = []
    for view in views:
        instance.snapshot = replace(instance.snapshot, audits={view.project: view})
        told.append([line.strip() for line in cli("status").out.splitlines() if "audit:" in line])

    assert told == [
        [],
        ["audit: now audit is waiting"],
        ["audit: 1 high, 2 low, 2 new  2 min ago, marker DONE_COMPLETE.md [31m"],
        ["audit: not all could be looked at  2 min ago  now auditing, Secrets [31m"],
        ["audit: nothing of weight found  2 min ago, asked for"],
    ]


def test_status_tells_of_accounts(cli: CommandLine, instance: Instance) -> None:
    """An account that was audited stands below the projects by its name; one that was not, or is gone, does not."""
    last = time.time() - 125
    audited = AuditView(
        "/data/aws/shop", "", Trigger(), "1" * 16, last, AuditVerdict.FAIL, ((Severity.HIGH, 3),), target="AWS shop"
    )
    views = (audited, AuditView("/data/aws/new", target="AWS new"), replace(audited, project="/data/aws/x", target=""))
    project = replace(instance.snapshot.projects["/src/demo"], tests={})
    instance.snapshot = replace(
        instance.snapshot, projects={"/src/demo": project}, audits={view.project: view for view in views}
    )

    ran = cli("status")

    lines = [line.strip() for line in ran.out.splitlines()]
    assert ran.out.startswith("NEEDS A LOOK  3 high findings\n")
    assert lines[lines.index("AWS shop") + 1].startswith("audit: 3 high")
    assert "AWS new" not in ran.out
    assert ran.out.count("audit:") == 1


def test_status_says_what_is_grave(cli: CommandLine, instance: Instance) -> None:
    """Where nothing is red, the headline says what an audit found, and the exit code is that of a bad state."""
    project = replace(instance.snapshot.projects["/src/demo"], tests={})
    audit = AuditView("/src/demo", open=((Severity.CRITICAL, 1),), verdict=AuditVerdict.FAIL)
    instance.snapshot = replace(instance.snapshot, projects={"/src/demo": project}, audits={"/src/demo": audit})

    ran = cli("status")

    assert ran.out.startswith("NEEDS A LOOK  1 critical finding\n")
    assert ran.code == 1
