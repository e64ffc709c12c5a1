"""The files of test runs: what a reader can rely on, what is kept, and that no disk holds anything up."""

# ruff: noqa: ASYNC240 - these tests may block: nothing else runs on their loop

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import threading
import time
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.analysis import reportfile
from app.agents.analysis.reports import MOST_WAITING, ReportFiles
from app.domain.analysis import Answer, Confidence, Evidence, Explained, ExplainStage, Usage
from app.domain.coverage import ChangedLines, Coverage, FileCoverage
from app.domain.events import (
    ChangeCovered,
    CoverageMeasured,
    Event,
    ExplanationChanged,
    FailureAnswered,
    ProjectWatched,
    RunFinished,
    RunStarted,
    TestsRan,
)
from app.domain.verdicts import Cause, CauseKind, Outcome, TestResult, Verdict
from app.engine.bus import Bus
from app.engine.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

PROJECT = "/home/ada/shop"
SAVE = Cause(CauseKind.SAVE, ("src/shop.py",))
AT = 1_795_949_100.123
"""2026-11-29 10:45:00.123 UTC."""
GREEN, RED = TestResult("t::a", Outcome.PASSED, 0.5), TestResult("t::b", Outcome.FAILED, 1.5, "assert 1 == 2")
ANSWER = Answer(
    at=AT + 5,
    provider="deepseek",
    model="deepseek-chat",
    usage=Usage(1000, 200, 0.002, 3.5),
    cause="It starts at 1.\nNot at 0.",
    confidence=Confidence.HIGH,
    evidence=(Evidence("src/shop.py", 12, "Here.", "total = 1"),),
    next_step="Start at 0.",
)


class Desk:
    """A bus with the reports on it, and the folder that they go to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bus = Bus(SystemClock())
        self.troubles: list[tuple[str, str]] = []

    @property
    def files(self) -> list[Path]:
        return sorted(self.folder.glob("test_watcher_audit_*"))

    def read(self) -> dict[str, Any]:
        """The newest file."""
        found: dict[str, Any] = json.loads(self.files[-1].read_text("utf-8"))
        return found

    def run(
        self,
        run_id: str,
        *results: TestResult,
        verdict: Verdict = Verdict.RED,
        at: float = AT,
        project: str = PROJECT,
        message: str = "",
    ) -> None:
        """Publish all of a run that ended at a time."""
        if project not in self.bus.snapshot.projects:
            self.publish(ProjectWatched(at=at - 2, project=project, name=project))
        happened: tuple[Event, ...] = (
            RunStarted(at=at - 2, project=project, run_id=run_id, cause=SAVE),
            TestsRan(at=at - 1, project=project, run_id=run_id, results=results),
            RunFinished(at=at, project=project, run_id=run_id, verdict=verdict, message=message, duration_s=2.0),
        )
        self.publish(*happened)

    def publish(self, *happened: Event) -> None:
        for event in happened:
            self.bus.publish(event)

    def explain(self, stage: ExplainStage, headline: str = "", nodeid: str = "t::b") -> None:
        explained = Explained(nodeid, stage, headline, AT)
        self.publish(ExplanationChanged(at=AT, project=PROJECT, explained=explained))

    def answer(self, answer: Answer = ANSWER, nodeid: str = "t::b") -> None:
        self.publish(FailureAnswered(at=AT, project=PROJECT, nodeid=nodeid, fingerprint="f", answer=answer))

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not holds():  # noqa: ASYNC110 - another thread writes
                await asyncio.sleep(0.005)


@asynccontextmanager
async def reporting(
    folder: Path,
    *,
    keep: int = 100,
    redact: Callable[[str], str] = lambda text: text,
    is_on: bool = True,
    close_s: float = 10.0,
    stuck_s: float = 60.0,
) -> AsyncIterator[Desk]:
    """Reports of all projects in one folder; on leaving, all that waited is written."""
    desk = Desk(folder)
    reports = ReportFiles(
        lambda _project: folder if is_on else None,
        lambda: keep,
        redacting=lambda _project: redact,
        on_trouble=lambda text, hint: desk.troubles.append((text, hint)),
        settle_s=0.02,
        close_s=close_s,
        stuck_s=stuck_s,
    )
    async with reports:
        desk.bus.subscribe(reports.see)
        yield desk


async def test_a_run_has_its_file(tmp_path: Path) -> None:
    """The name tells when the run ended, and the file what was run, why and how it ended."""
    async with reporting(tmp_path / "new" / "reports") as desk:
        desk.run("r1", GREEN, RED)

    assert [path.name for path in desk.files] == ["test_watcher_audit_20261129T104500123Z.json"]
    assert desk.read() == {
        "schema": 1,
        "project": PROJECT,
        "run_id": "r1",
        "started_at": "2026-11-29T10:44:58.123Z",
        "finished_at": "2026-11-29T10:45:00.123Z",
        "duration_s": 2.0,
        "cause": {"kind": "save", "changed_files": ["src/shop.py"]},
        "verdict": "red",
        "message": "",
        "counts": {outcome.value: int(outcome.value in {"passed", "failed"}) for outcome in Outcome},
        "results": [
            {"nodeid": "t::b", "outcome": "failed", "duration_s": 1.5, "output": "assert 1 == 2"},
            {"nodeid": "t::a", "outcome": "passed", "duration_s": 0.5, "output": ""},
        ],
        "results_left_out": 0,
        "changed_lines": None,
        "coverage": None,
        "analysis": [],
        "usage": {"tokens": 0, "cost": None, "latency_s": 0},
    }
    assert desk.files[0].stat().st_mode & 0o777 == 0o600
    assert desk.troubles == []


TYPES: dict[str, type | tuple[type, ...]] = {
    "schema": int,
    "project": str,
    "run_id": str,
    "started_at": str,
    "finished_at": str,
    "duration_s": (int, float),
    "cause": dict,
    "verdict": str,
    "message": str,
    "counts": dict,
    "results": list,
    "results_left_out": int,
    "changed_lines": (dict, type(None)),
    "coverage": (dict, type(None)),
    "analysis": list,
    "usage": dict,
}


@pytest.mark.parametrize("verdict", [each for each in Verdict if each is not Verdict.CANCELLED])
async def test_a_reader_can_rely_on_names_and_types(tmp_path: Path, verdict: Verdict) -> None:
    """Every verdict gives the same names with the same types, and each of them is described."""
    async with reporting(tmp_path) as desk:
        desk.run("r1", RED, verdict=verdict, message="why")

    found = desk.read()
    assert list(found) == list(TYPES)
    assert all(isinstance(found[name], kind) for name, kind in TYPES.items())
    assert datetime.fromisoformat(found["started_at"]) < datetime.fromisoformat(found["finished_at"])
    described = reportfile.__doc__ or ""
    assert all(re.search(rf"^    {name} ", described, re.MULTILINE) for name in found)
    assert f'"{verdict.value}"' in described


async def test_coverage_and_changed_lines_come_later(tmp_path: Path) -> None:
    """What is known after the run is written into the same file; the lines of another run are not."""
    measured = Coverage((FileCoverage("src/shop.py", 4, (3,)),))
    async with reporting(tmp_path) as desk:
        desk.run("r1", GREEN, verdict=Verdict.GREEN)
        await desk.until(lambda: bool(desk.files))
        before = desk.read()
        desk.publish(
            ChangeCovered(at=AT, project=PROJECT, run_id="r0", lines=ChangedLines(9, 9)),
            ChangeCovered(at=AT, project=PROJECT, run_id="r1", lines=ChangedLines(3, 1, (("src/shop.py", (3, 4)),))),
            CoverageMeasured(at=AT + 1, project=PROJECT, coverage=measured),
        )

    found = desk.read()
    assert (before["changed_lines"], before["coverage"]) == (None, None)
    assert len(desk.files) == 1
    assert found["changed_lines"] == {
        "total": 3,
        "covered": 1,
        "uncovered": [{"path": "src/shop.py", "lines": [3, 4]}],
    }
    assert found["coverage"] == {
        "measured_at": "2026-11-29T10:45:01.123Z",
        "percent": 75.0,
        "files": [{"path": "src/shop.py", "percent": 75.0, "statements": 4, "missing": [3]}],
    }


async def test_an_answer_is_written_into_the_runs_file(tmp_path: Path) -> None:
    """First the explanation's stage, then cause, evidence and cost, once a model has answered."""
    async with reporting(tmp_path) as desk:
        desk.run("r1", GREEN, RED)
        desk.explain(ExplainStage.LOCAL, "assert 1 == 2")
        await desk.until(lambda: bool(desk.files) and bool(desk.read()["analysis"]))
        before = desk.read()
        desk.answer()
        desk.explain(ExplainStage.EXPLAINED, "It starts at 1.")

    after = desk.read()
    place = {"path": "src/shop.py", "line": 12, "why": "Here.", "source": "total = 1"}
    assert len(desk.files) == 1
    assert before["analysis"] == [
        {
            "nodeid": "t::b",
            "stage": "local",
            "headline": "assert 1 == 2",
            "provider": "",
            "model": "",
            "cause": "",
            "confidence": None,
            "evidence": [],
            "next_step": "",
        }
    ]
    assert after["analysis"] == [
        {
            "nodeid": "t::b",
            "stage": "explained",
            "headline": "It starts at 1.",
            "provider": "deepseek",
            "model": "deepseek-chat",
            "cause": "It starts at 1.\nNot at 0.",
            "confidence": "high",
            "evidence": [place],
            "next_step": "Start at 0.",
        }
    ]
    assert after["usage"] == {"tokens": 1200, "cost": 0.002, "latency_s": 3.5}
    assert {name: after[name] for name in after if name not in {"analysis", "usage"}} == {
        name: before[name] for name in before if name not in {"analysis", "usage"}
    }


async def test_an_answer_to_an_earlier_run_changes_no_file(tmp_path: Path) -> None:
    """Once a newer run has its file, an answer about a test of the earlier one alone is written nowhere."""
    async with reporting(tmp_path) as desk:
        desk.run("r1", RED)
        desk.explain(ExplainStage.ASKING)
        await desk.until(lambda: len(desk.files) == 1)
        desk.run("r2", GREEN, at=AT + 60)
        await desk.until(lambda: len(desk.files) == 2)
        before = [path.read_bytes() for path in desk.files]
        desk.answer()

    assert [path.read_bytes() for path in desk.files] == before


async def test_an_old_answer_is_not_told_of_a_new_failure(tmp_path: Path) -> None:
    """When a test fails anew and is to be explained anew, its last answer does not stand in the new file."""
    async with reporting(tmp_path) as desk:
        desk.run("r1", RED)
        desk.explain(ExplainStage.ASKING)
        desk.answer()
        desk.explain(ExplainStage.EXPLAINED, "It starts at 1.")
        desk.run("r2", RED, at=AT + 60)
        desk.explain(ExplainStage.LOCAL, "something else")

    (analysis,) = desk.read()["analysis"]
    assert (analysis["stage"], analysis["headline"], analysis["cause"]) == ("local", "something else", "")


async def test_news_of_a_run_is_written_before_the_next_runs_file(tmp_path: Path) -> None:
    """An answer that came just before the next run ended is in its own run's file, and makes no file of its own."""
    async with reporting(tmp_path) as desk:
        desk.run("r1", RED)
        await desk.until(lambda: len(desk.files) == 1)
        desk.answer()
        desk.explain(ExplainStage.EXPLAINED, "It starts at 1.")
        desk.run("r2", GREEN, at=AT + 60)

    found = [json.loads(path.read_text()) for path in desk.files]
    assert [(each["run_id"], len(each["analysis"])) for each in found] == [("r1", 1), ("r2", 0)]


async def test_what_stands_explained_is_in_the_next_file_too(tmp_path: Path) -> None:
    """A test that fails on in the same way keeps its explanation."""
    async with reporting(tmp_path) as desk:
        desk.run("r1", RED)
        desk.explain(ExplainStage.ASKING)
        desk.answer()
        desk.explain(ExplainStage.EXPLAINED, "It starts at 1.")
        desk.run("r2", RED, at=AT + 60)

    assert len(desk.files) == 2
    assert [json.loads(path.read_text())["analysis"][0]["next_step"] for path in desk.files] == ["Start at 0."] * 2


@pytest.mark.parametrize("kind", ["cancelled", "switched off"])
async def test_there_is_not_always_a_file(tmp_path: Path, kind: str) -> None:
    """A cancelled run has none, and no run has one when they are switched off."""
    async with reporting(tmp_path, is_on=kind != "switched off") as desk:
        desk.run("r1", RED, verdict=Verdict.CANCELLED if kind == "cancelled" else Verdict.RED)
        desk.answer()
        desk.publish(CoverageMeasured(at=AT, project=PROJECT, coverage=Coverage(())))

    assert list(tmp_path.iterdir()) == []


async def test_only_the_newest_are_kept_and_nothing_else_is_touched(tmp_path: Path) -> None:
    """Of our own files the oldest go; files and folders whose names are only like ours stay."""
    others = [
        "test_watcher_audit_20200101T000000000Z.json.bak",
        "test_watcher_audit_notes.json",
        "xtest_watcher_audit_20200101T000000000Z.json",
        "test_watcher_audit_20200101T000000Z.json",
        "notes.txt",
    ]
    for name in others:
        (tmp_path / name).touch()
    folder = tmp_path / "test_watcher_audit_20200101T000000001Z.json"
    folder.mkdir()
    link = tmp_path / "test_watcher_audit_20200101T000000002Z.json"
    link.symlink_to(tmp_path / "notes.txt")
    async with reporting(tmp_path, keep=2) as desk:
        for number in range(5):
            desk.run(f"r{number}", RED, at=AT + number)
            await desk.until(lambda number=number: f"1045{number:02}123Z" in "".join(map(str, desk.files)))

    kept = [json.loads(path.read_text())["run_id"] for path in desk.files if "20261129" in path.name]
    assert kept == ["r3", "r4"]
    assert all((tmp_path / name).is_file() for name in others)
    assert folder.is_dir()
    assert link.is_symlink()


async def test_a_clock_that_was_set_back_does_not_cost_the_newest(tmp_path: Path) -> None:
    """The file that was just written stays, whatever its name."""
    async with reporting(tmp_path, keep=1) as desk:
        desk.run("r1", RED, at=AT)
        await desk.until(lambda: len(desk.files) == 1)
        desk.run("r2", RED, at=AT - 3600)

    assert [json.loads(path.read_text())["run_id"] for path in desk.files] == ["r2"]


async def test_runs_that_end_together_have_a_file_each(tmp_path: Path) -> None:
    """The name of the second one is a millisecond later."""
    async with reporting(tmp_path) as desk:
        desk.run("r1", RED)
        desk.run("r2", RED, project="/other")

    names = [path.name.removeprefix("test_watcher_audit_") for path in desk.files]
    assert names == ["20261129T104500123Z.json", "20261129T104500124Z.json"]
    assert sorted(json.loads(path.read_text())["run_id"] for path in desk.files) == ["r1", "r2"]


async def test_no_secret_is_written(tmp_path: Path) -> None:
    """Outputs, messages, node ids and everything that a model said are cleaned, and the file can still be read."""
    odd = "say CANARY\nand CANARY"
    result = TestResult("t::b[CANARY]", Outcome.FAILED, 0.1, odd)
    usage = Usage(1, 1)
    answer = Answer(AT, "p", "m", usage, odd, Confidence.LOW, (Evidence("a.py", 1, odd, odd),), odd)
    async with reporting(tmp_path, redact=lambda text: text.replace("CANARY", "[redacted]")) as desk:
        desk.run("r1", result, GREEN, TestResult("t::new\nline", Outcome.FAILED), message=odd)
        desk.explain(ExplainStage.EXPLAINED, odd, result.nodeid)
        desk.answer(answer, result.nodeid)

    assert "CANARY" not in desk.files[0].read_text()
    found = desk.read()
    assert [each["nodeid"] for each in found["results"]] == ["t::b[[redacted]]", "t::new\nline", "t::a"]
    assert found["results"][0]["output"] == "say [redacted]\nand [redacted]"
    assert found["analysis"][0]["cause"] == found["message"] == "say [redacted]\nand [redacted]"


async def test_a_redaction_that_changes_lines_keeps_node_ids_apart(tmp_path: Path) -> None:
    """Where cleaning all node ids at once does not leave a line for each, they are cleaned one by one."""

    def redact(text: str) -> str:
        return re.sub(r"SECRET.*", "[redacted]", text, flags=re.DOTALL)

    async with reporting(tmp_path, redact=redact) as desk:
        desk.run("r1", TestResult("t::SECRET", Outcome.PASSED), GREEN)

    assert [each["nodeid"] for each in desk.read()["results"]] == ["t::[redacted]", "t::a"]


async def test_any_text_and_number_is_written(tmp_path: Path) -> None:
    """Cyrillic stands as it is, lone surrogates are escaped, and what is no number is zero."""
    async with reporting(tmp_path) as desk:
        desk.run("r1", TestResult("t::тест[\udcff]", Outcome.FAILED, float("nan"), "упал\0\ud800"))

    (result,) = desk.read()["results"]
    assert result == {"nodeid": "t::тест[\udcff]", "outcome": "failed", "duration_s": 0.0, "output": "упал\0\ud800"}
    assert "упал".encode() in desk.files[0].read_bytes()


async def test_a_large_run_is_bounded(tmp_path: Path) -> None:
    """Beyond the limit, tests that are not red are counted only; outputs are cut from their beginning."""
    calm = [TestResult(f"t::calm{number}", Outcome.PASSED, 0.1) for number in range(reportfile.MOST_RESULTS)]
    output = "x" * 100_000 + "the end"
    red = [TestResult(f"t::red{number}", Outcome.FAILED, 0.1, output) for number in range(300)]
    again = TestResult("t::red0", Outcome.PASSED, 0.1)
    async with reporting(tmp_path) as desk:
        desk.run("r1", *calm, *red, again)

    found = desk.read()
    outputs = [each["output"] for each in found["results"] if each["output"]]
    assert len(found["results"]) == reportfile.MOST_RESULTS
    assert found["results_left_out"] == 300
    assert (found["counts"]["passed"], found["counts"]["failed"]) == (reportfile.MOST_RESULTS + 1, 299)
    assert sum(each["outcome"] == "failed" for each in found["results"]) == 299
    assert all(len(each) <= reportfile.OUTPUT_CAP for each in outputs)
    assert outputs[0].endswith("the end")
    assert sum(map(len, outputs)) <= reportfile.OUTPUTS_CAP


async def test_a_reader_never_finds_a_part(tmp_path: Path) -> None:
    """While a file is written again and again, it is whole whenever it is read."""
    parts: list[str] = []
    is_over = threading.Event()

    def read() -> None:
        while not is_over.is_set():
            for path in tmp_path.glob("test_watcher_audit_*"):
                text = path.read_text("utf-8")
                try:
                    json.loads(text)
                except ValueError:
                    parts.append(text)

    reader = threading.Thread(target=read)
    async with reporting(tmp_path) as desk:
        reader.start()
        desk.run("r1", *(TestResult(f"t::{number}", Outcome.FAILED, 0.1, "x" * 500) for number in range(2_000)))
        await desk.until(lambda: bool(desk.files))
        for number in range(10):
            desk.publish(ChangeCovered(at=AT, project=PROJECT, run_id="r1", lines=ChangedLines(number, 0)))
            await desk.until(lambda number=number: desk.read()["changed_lines"] == {**NO_LINES, "total": number})
        is_over.set()
        await asyncio.to_thread(reader.join)

    assert parts == []


NO_LINES = {"total": 0, "covered": 0, "uncovered": []}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 512 KiB, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k,mode=700", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a file system; the test with a file in the way runs all the same")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def test_a_full_disk_is_told_once_and_keeps_the_old_file(small_disk: Path) -> None:
    """The first file stays whole, one trouble is told for many failures, and it is over when there is room again."""
    ballast = small_disk / "ballast"
    async with reporting(small_disk) as desk:
        desk.run("r1", RED)
        await desk.until(lambda: bool(desk.files))
        before = desk.files[0].read_bytes()
        _fill(ballast)
        desk.answer(Answer(AT, "p", "m", Usage(), "cause" * 2_000))
        desk.explain(ExplainStage.EXPLAINED, "cause" * 2_000)
        await desk.until(lambda: bool(desk.troubles))
        for number in range(3):
            desk.run(f"full{number}", RED, at=AT + 1 + number)
        during = [path.read_bytes() for path in desk.files]
        ballast.unlink()
        desk.run("r2", RED, at=AT + 60)
        await desk.until(lambda: desk.troubles[-1] == ("", ""))

    assert "No space left on device" in desk.troubles[0][0]
    assert desk.troubles[0][1]
    assert len(desk.troubles) == 2
    assert during == [before]
    assert desk.read()["run_id"] == "r2"
    assert not list(small_disk.glob(".wk-*"))


async def test_a_read_only_folder_is_told_once(small_disk: Path) -> None:
    """Where nobody may write, a trouble names the folder, and nothing else happens."""
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)  # noqa: ASYNC221 - nothing else runs
    async with reporting(small_disk) as desk:
        desk.run("r1", RED)
        desk.run("r2", RED, at=AT + 1)
        await desk.until(lambda: bool(desk.troubles))

    ((text, hint),) = desk.troubles
    assert "Read-only file system" in text
    assert str(small_disk) in text
    assert hint


async def test_a_file_in_the_way_is_told_once_and_over_when_it_is_gone(tmp_path: Path) -> None:
    """A folder that cannot be made is a trouble like any other, for any user."""
    way = tmp_path / "reports"
    way.touch()
    async with reporting(way) as desk:
        for number in range(3):
            desk.run(f"r{number}", RED, at=AT + number)
        await desk.until(lambda: bool(desk.troubles))
        way.unlink()
        desk.run("r9", RED, at=AT + 9)
        await desk.until(lambda: desk.troubles[-1] == ("", ""))

    assert len(desk.troubles) == 2
    assert str(way) in desk.troubles[0][0]
    assert desk.read()["run_id"] == "r9"


async def test_what_hangs_costs_one_thread_and_holds_nothing_up(tmp_path: Path) -> None:
    """While the thread is stuck, events are taken in at once, one trouble is told, and leaving is quick."""
    stuck, go_on = threading.Event(), threading.Event()

    def hang(text: str) -> str:
        stuck.set()
        go_on.wait(30)
        return text

    threads = threading.active_count()
    began = 0.0
    async with reporting(tmp_path, redact=hang, close_s=0.2, stuck_s=0.0) as desk:
        desk.run("r", RED, message="x")
        await asyncio.to_thread(stuck.wait, 20)
        started = threading.active_count()
        took: list[float] = []
        for number in range(3 * MOST_WAITING):
            before = time.perf_counter()
            desk.run(f"r{number}", RED, at=AT + number, message="x", project=f"/project{number}")
            took.append(time.perf_counter() - before)
        more = threading.active_count() - started
        began = time.monotonic()
    left_s = time.monotonic() - began
    go_on.set()

    assert more == 0
    assert started <= threads + 2  # the reports' own, and the one that this test waits in
    assert len(desk.troubles) == 1
    assert "does not answer" in desk.troubles[0][0]
    assert max(took) < 0.5
    assert left_s < 5


async def test_many_projects_at_once_have_a_file_each(tmp_path: Path) -> None:
    """That many files wait is no sign of a disk that does not answer: none is left out."""
    async with reporting(tmp_path) as desk:
        for number in range(5 * MOST_WAITING):
            desk.run(f"r{number}", RED, project=f"/project{number}")

    assert len(desk.files) == 5 * MOST_WAITING
    assert desk.troubles == []


def _fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        for size in (4096, 512, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue
