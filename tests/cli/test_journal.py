"""The commands that read the history: `tests` and `doctor db`."""

from __future__ import annotations

import asyncio
import json
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from app.cli import journal
from app.domain.events import ProjectWatched, RunFinished, RunStarted, TestsRan
from app.domain.history import RunRecord
from app.domain.snapshot import ProjectView, Snapshot
from app.domain.verdicts import Cause, CauseKind, Check, Counts, Outcome, TestResult, TestState, Verdict
from app.engine.clock import SystemClock
from app.store.history import History
from app.store.location import history_url
from app.system.instance import SingleInstance

if TYPE_CHECKING:
    from pathlib import Path

    from app.engine.places import Places
    from tests.cli.conftest import CommandLine, Instance


async def record(places: Places, root: str) -> None:
    """Keep three runs in which one test goes to and fro without a change, and one is slow."""
    async with History(history_url({}, places.data), backup_folder=None, clock=SystemClock()) as history:
        history.record(ProjectWatched(at=0.0, project=root, name="demo"))
        for number, outcome in enumerate((Outcome.PASSED, Outcome.FAILED, Outcome.PASSED, Outcome.FAILED)):
            run = {"project": root, "run_id": f"r{number}", "at": 1_700_000_000.0 + number}
            verdict = Verdict.RED if outcome is Outcome.FAILED else Verdict.GREEN
            results = (
                TestResult("t.py::flaky", outcome, 0.1, "assert 1 == 2" if outcome.is_red else ""),
                TestResult("t.py::slow\x1b[0m", Outcome.PASSED, 5.0),
            )
            history.record(RunStarted(**run, cause=Cause(CauseKind.REQUEST)))
            history.record(TestsRan(**run, results=results))
            history.record(RunFinished(**run, verdict=verdict, duration_s=5.1))
        await history.flush()


@pytest.fixture
def root(places: Places, tmp_path: Path) -> str:
    asyncio.run(record(places, str(tmp_path)))
    return str(tmp_path)


def test_last_tells_the_newest_run_and_what_is_red(cli: CommandLine, root: str) -> None:
    """Exit code 1, since something is red."""
    in_words = cli("tests", "last")
    as_json = cli("tests", "last", root, "--json")

    assert in_words.code == as_json.code == 1
    assert "failed  t.py::flaky" in in_words.out
    (project,) = json.loads(as_json.out)["projects"]
    assert (project["run"]["run_id"], project["run"]["verdict"]) == ("r3", "red")
    assert [test["nodeid"] for test in project["red"]] == ["t.py::flaky"]


def test_the_project_can_be_named_behind_project_too(cli: CommandLine, root: str, places: Places) -> None:
    """It is obeyed there, and named twice it is wrong use."""
    here = cli("tests", "last", "--project", root, "--json")
    elsewhere = cli("tests", "last", "--project", str(places.data), "--json")
    twice = cli("tests", "last", root, "--project", root)

    assert [each["run"]["project"] for each in json.loads(here.out)["projects"]] == [root]
    assert json.loads(elsewhere.out)["projects"] == []
    assert (twice.code, "named twice" in twice.err) == (2, True)


def test_last_tells_what_the_running_instance_found_out(cli: CommandLine, root: str, instance: Instance) -> None:
    """A second look is no history: the instance that took it is asked, and its word stands behind the red test."""
    test = TestState("t.py::flaky", Outcome.FAILED, 0.1, 1.0, Cause(CauseKind.REQUEST), "r3", Check(Outcome.PASSED))
    view = ProjectView(root, "demo", tests=MappingProxyType({test.nodeid: test}))
    instance.snapshot = Snapshot(0.0, projects=MappingProxyType({root: view}))

    in_words = cli("tests", "last", root)
    as_json = cli("tests", "last", root, "--json")

    assert "failed  t.py::flaky  flaky: green when run again alone" in in_words.out
    (project,) = json.loads(as_json.out)["projects"]
    assert project["red"][0]["check"] == {"alone": "passed", "before": None, "blame": "flaky"}


def test_last_tells_why_where_it_is_asked(cli: CommandLine, root: str) -> None:
    """What a red test said stands behind its name, in words and in JSON."""
    in_words = cli("tests", "last", root, "--output")
    as_json = cli("tests", "last", root, "--output", "--json")

    assert "      assert 1 == 2" in in_words.out
    (project,) = json.loads(as_json.out)["projects"]
    assert [test["output"] for test in project["red"]] == ["assert 1 == 2"]


def test_history_tells_runs_newest_first(cli: CommandLine, root: str) -> None:
    """As many as asked for."""
    in_words = cli("tests", "history", "--limit", "3")
    as_json = cli("tests", "history", root, "--limit", "2", "--json")

    assert [line.split()[0] for line in in_words.out.splitlines()] == ["red", "green", "red"]
    assert root in in_words.out
    assert [run["run_id"] for run in json.loads(as_json.out)["runs"]] == ["r3", "r2"]


def test_flaky_and_slow_tell_tests(cli: CommandLine, root: str) -> None:
    """The one that changed its mind, and the one that takes longest first."""
    flaky = cli("tests", "flaky", root)
    slow = cli("tests", "slow", "--json")
    in_words = cli("tests", "slow")

    assert "t.py::flaky" in flaky.out
    assert "slow" not in flaky.out
    assert [test["nodeid"] for test in json.loads(slow.out)["tests"]] == ["t.py::slow\x1b[0m", "t.py::flaky"]
    assert "\x1b" not in in_words.out


def test_another_project_has_no_runs(cli: CommandLine, root: str, places: Places) -> None:
    """A project without a history is told in words, and is nothing bad."""
    assert root
    for what in ("last", "history", "flaky", "slow"):
        ran = cli("tests", what, str(places.data))

        assert ran.code == 0
        assert ran.out.startswith("No ")


def test_without_a_history_each_says_so_and_makes_none(cli: CommandLine, places: Places) -> None:
    """Reading creates nothing."""
    ran = cli("tests", "last", "--json")

    assert ran.code == 3
    assert json.loads(ran.out)["error"]["hint"]
    assert list(places.data.iterdir()) == []


def test_doctor_db_describes_and_moves_the_schema(cli: CommandLine, root: str) -> None:
    """Down to nothing and up again, with what stands said each time."""
    described = cli("doctor", "db", "--json")
    revisions = cli("doctor", "db", "history", "--json")
    down = cli("doctor", "db", "downgrade", "base", "--json")
    up = cli("doctor", "db", "upgrade", "--json")
    current = cli("doctor", "db", "current")

    assert root
    assert json.loads(described.out)["database"]["runs"] == 4
    assert json.loads(revisions.out)["revisions"][-1]["is_head"] is True
    assert (json.loads(down.out)["schema"], json.loads(down.out)["state"]["position"]) == (1, "empty")
    assert json.loads(up.out)["state"]["position"] == "current"
    assert "current" in current.out
    assert {each.code for each in (described, revisions, down, up, current)} == {0}


def test_doctor_db_does_not_move_the_schema_under_a_running_instance(
    cli: CommandLine, root: str, places: Places
) -> None:
    """Who holds the instance's lock is asked to stop first."""
    assert root
    with SingleInstance(places) as running:
        assert running.acquire()

        ran = cli("doctor", "db", "downgrade", "base")

    assert ran.code == 3
    assert "watchkeeper stop" in ran.err


@pytest.mark.parametrize(
    ("finished_at", "end", "told"), [(None, "running", "2 h ago, as you asked"), (60.0, "cut off", "took 1 min 00 s")]
)
def test_a_run_without_a_verdict_goes_on_or_was_cut_off(finished_at: float | None, end: str, told: str) -> None:
    """Only one that has an end was cut off."""
    run = RunRecord("r", "/p", Cause(CauseKind.REQUEST), 0.0, finished_at, 60.0, None, "", Counts())

    assert journal._end(run) == end
    assert told in journal._when(run, 7200.0)
