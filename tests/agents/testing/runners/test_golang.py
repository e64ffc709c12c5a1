"""go test: recorded outputs, and a real module."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.testing.runners.golang import Events, Go
from app.domain.verdicts import Outcome, Stage, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.engine.processes import Ended

PASSED, FAILED = Outcome.PASSED, Outcome.FAILED
TEST = 'package m\nimport "testing"\nfunc TestAdd(t *testing.T) { if Add(1, 2) != EXPECTED { t.Fatal("why") } }\n'


def listen(*lines: str | dict[str, object]) -> Events:
    events = Events()
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    events.take(json.dumps({"kind": "lines", "texts": texts}).encode())
    return events


def event(action: str, test: str = "", package: str = "m", **more: object) -> dict[str, object]:
    return {"Action": action, "Package": package, **({"Test": test} if test else {}), **more}


def test_recorded(recorded: Callable[[str], Path], ended: Callable[[int], Ended]) -> None:
    """Subtests, a panic, a package that does not compile and one without tests, as go 1.19 told them."""
    events = listen(*recorded("go.txt").read_text().splitlines())

    finding = events.conclude(ended(2))

    assert {nodeid: result.outcome for nodeid, result in events.story.results.items()} == {
        "example.com/gp::TestAdd": PASSED,
        "example.com/gp::TestRed/sub_one": FAILED,
        "example.com/gp::TestRed/sub_two": PASSED,
        "example.com/gp::TestRed": FAILED,
        "example.com/gp::TestSkip": Outcome.SKIPPED,
        "example.com/gp::ExampleAdd": PASSED,
        "example.com/gp/boom::TestOk": PASSED,
        "example.com/gp/boom::TestPanic": FAILED,
    }
    assert finding.verdict is Verdict.COLLECTION_ERROR
    assert "example.com/gp/inner" in finding.message
    assert "undefined: undefined" in events.story.refused["example.com/gp/inner"].output
    assert "a panic ended" in events.lacking


def test_a_build_failure_as_newer_versions_tell_it(ended: Callable[[int], Ended]) -> None:
    """From go 1.24 on, what the compiler says comes as events."""
    built = {"ImportPath": "m [m.test]", "Action": "build-output", "Output": "./m_test.go:3:9: undefined: x\n"}

    events = listen(
        built,
        {"ImportPath": "m [m.test]", "Action": "build-fail"},
        event("start"),
        event("output", Output="FAIL\tm [build failed]\n"),
        event("fail", FailedBuild="m [m.test]"),
    )

    assert events.conclude(ended(1)).verdict is Verdict.COLLECTION_ERROR
    assert "undefined: x" in events.story.refused["m"].output


@pytest.mark.parametrize(
    ("lines", "code", "verdict"),
    [
        ([event("run", "TestA"), event("pass", "TestA"), event("pass")], 0, Verdict.GREEN),
        ([event("run", "TestA"), event("pass", "TestA"), event("pass")], 1, Verdict.ERROR),
        ([event("run", "TestA"), event("pass")], 0, Verdict.ERROR),
        ([event("run", "TestA"), event("output", Output="exit status 3\n"), event("fail")], 1, Verdict.RED),
        (
            [event("run", "TestA"), event("pass", "TestA"), event("output", Output="TestMain\n"), event("fail")],
            1,
            Verdict.RED,
        ),
        ([event("skip")], 0, Verdict.NO_TESTS),
        (["go: go.mod file not found"], 1, Verdict.USAGE_ERROR),
        (["FAIL\tm [setup failed]"], 1, Verdict.COLLECTION_ERROR),
    ],
)
def test_each_says_so_or_it_is_not_green(
    ended: Callable[[int], Ended], lines: list[str | dict[str, object]], code: int, verdict: Verdict
) -> None:
    """Exit code, package and test must agree."""
    events = listen(*lines)

    assert events.conclude(ended(code)).verdict is verdict


def test_a_package_that_ends_during_a_test_crashed(ended: Callable[[int], Ended]) -> None:
    """os.Exit in a test: it is named, and what did not run is not gone."""
    events = listen(event("run", "TestA"), event("output", Output="exit status 3\n"), event("fail"))

    events.conclude(ended(1))

    assert events.story.results["m::TestA"].outcome is Outcome.CRASHED
    assert "exit status 3" in events.story.results["m::TestA"].output
    assert events.lacking


async def test_without_go(tried: Any) -> None:
    """The message says what to install."""
    outcome = await tried.run(Go(), environ={"PATH": str(tried.root)})

    assert outcome.verdict is Verdict.NO_INTERPRETER
    assert "go is not on PATH" in outcome.message


@pytest.mark.slow
@pytest.mark.timeout(300)
class TestReal:
    """A real module; for machines that have Go."""

    @pytest.fixture(autouse=True)
    def module(self, tried: Any) -> None:
        if shutil.which("go") is None:
            pytest.skip("there is no go here")
        (tried.root / "inner").mkdir()
        for name, content in {
            "go.mod": "module m\n\ngo 1.19\n",
            "m.go": "package m\nfunc Add(a, b int) int { return a + b }\n",
            "m_test.go": TEST.replace("EXPECTED", "3"),
            "inner/i.go": "package inner\n",
            "inner/i_test.go": 'package inner\nimport "testing"\nfunc TestI(t *testing.T) {}\n',
        }.items():
            (tried.root / name).write_text(content)

    async def test_green_red_fixed(self, tried: Any) -> None:
        """The changed package comes first, and the verdict is the whole's."""
        verdicts = []

        for expected in ("3", "4", "3"):
            (tried.root / "m_test.go").write_text(TEST.replace("EXPECTED", expected))
            outcome = await tried.run(Go(), changed=["m_test.go"], hang_s=250)
            verdicts.append((outcome.verdict, outcome.complete, sorted(outcome.nodeids)))

        names = ["m/inner::TestI", "m::TestAdd"]
        assert verdicts == [(verdict, True, names) for verdict in (Verdict.GREEN, Verdict.RED, Verdict.GREEN)]
        assert tried.stages == [Stage.IMPACTED, Stage.REST] * 3

    async def test_a_compile_error(self, tried: Any) -> None:
        """The package is named, with what the compiler says; the others are tested."""
        (tried.root / "m_test.go").write_text(TEST.replace("EXPECTED", "undefined"))

        outcome = await tried.run(Go(), hang_s=250)

        assert outcome.verdict is Verdict.COLLECTION_ERROR
        assert tried.outcomes == {"m": Outcome.ERROR, "m/inner::TestI": PASSED}
        assert "undefined: undefined" in tried.texts["m"]

    async def test_crash_and_hang(self, tried: Any) -> None:
        """A test that exits is the one that crashed; one that never ends is ended, and named."""
        body = 'package inner\nimport ("os"; "testing"; "time")\nvar _ = os.Exit\nvar _ = time.Hour\n'
        (tried.root / "inner/i_test.go").write_text(body + "func TestI(t *testing.T) { os.Exit(3) }\n")
        crashed = await tried.run(Go(), hang_s=250)
        crashed_outcomes = tried.outcomes
        (tried.root / "inner/i_test.go").write_text(body + "func TestI(t *testing.T) { time.Sleep(time.Hour) }\n")
        hung = await tried.run(Go(), hang_s=8)

        assert (crashed.verdict, crashed.complete) == (Verdict.RED, False)
        assert crashed_outcomes["m/inner::TestI"] is Outcome.CRASHED
        assert hung.verdict is Verdict.HUNG
        assert tried.outcomes["m/inner::TestI"] is Outcome.HUNG
