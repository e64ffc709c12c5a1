"""vitest and jest: recorded reports, and real projects from the npm registry."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.testing.runners.javascript import JavaScript, Reported
from app.domain.verdicts import Outcome, Stage, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from app.engine.processes import Ended

PASSED, FAILED, SKIPPED, ERROR = Outcome.PASSED, Outcome.FAILED, Outcome.SKIPPED, Outcome.ERROR
VERSIONS = {"vitest": "4", "jest": "30"}
BEGIN = {
    "vitest": "import { it, expect } from 'vitest'\nimport { mul } from './mul.js'\n",
    "jest": "const { mul } = require('./mul.js')\n",
}
MUL = {"vitest": "export const mul = (a, b) => a * b\n", "jest": "exports.mul = (a, b) => a * b\n"}


def told(kind: str, *names: str, file: str = "/p/a.js", **values: object) -> str:
    return "\x1e" + json.dumps({"kind": kind, "file": file, "names": names, **values})


def listen(name: str, root: Path, report: object, *lines: str, whole: bool = True) -> Reported:
    path = root / "report.json"
    if report is not None:
        path.write_text(report if isinstance(report, str) else json.dumps(report))
    listener = Reported(name, root, path, is_whole=whole)
    listener.take(json.dumps({"kind": "lines", "texts": lines}).encode())
    return listener


def report_of(*tests: tuple[str, str], success: bool = True) -> dict[str, object]:
    results = [{"ancestorTitles": [], "title": title, "status": status, "duration": 1} for title, status in tests]
    status = "passed" if success else "failed"
    return {"success": success, "testResults": [{"name": "/p/a.js", "status": status, "assertionResults": results}]}


@pytest.mark.parametrize("name", ["vitest", "jest"])
def test_recorded(tmp_path: Path, recorded: Callable[[str], Path], ended: Callable[[int], Ended], name: str) -> None:
    """Both runners' reports are read alike: names, duplicates, a file that cannot be loaded."""
    text = recorded(f"{name}.json").read_text().replace("/project", str(tmp_path))
    listener = listen(name, tmp_path, text)

    finding = listener.conclude(ended(1))

    assert finding.verdict is Verdict.COLLECTION_ERROR
    assert "test/broken.test.js" in finding.message
    assert "nope.js" in listener.story.refused["test/broken.test.js"].output
    assert {nodeid: result.outcome for nodeid, result in listener.story.results.items()} == {
        "test/add.test.js::add > adds": PASSED,
        "test/add.test.js::add > same": PASSED,
        "test/add.test.js::add > same (2)": PASSED,
        "test/add.test.js::add > later": SKIPPED,
        "test/add.test.js::add > todo": SKIPPED,
        "test/add.test.js::top > level": PASSED,
        "test/mul.test.js::fast": PASSED,
        "test/mul.test.js::slow": PASSED,
        "test/mul.test.js::red": FAILED,
    }
    assert "\x1b" not in listener.story.results["test/mul.test.js::red"].output


@pytest.mark.parametrize(
    ("report", "lines", "code", "verdict", "said"),
    [
        (report_of(("a", "passed")), (), 0, Verdict.GREEN, ""),
        (report_of(("a", "passed")), (), 1, Verdict.ERROR, "exit code 1"),
        (report_of(("a", "failed"), success=False), (), 0, Verdict.RED, ""),
        (
            report_of(("a", "passed")),
            (told("start", "b"),),
            0,
            Verdict.ERROR,
            "nothing of tests that began: /p/a.js::b",
        ),
        (report_of(("a", "passed"), ("b", "pending")), (), 0, Verdict.ERROR, "1 of 2 tests gave no result"),
        (
            report_of(("a", "pending")),
            ('\x1e{"kind":"error","text":"Worker exited"}',),
            1,
            Verdict.CRASHED,
            "Worker exited",
        ),
        ({**report_of(("a", "passed")), "success": False}, (), 0, Verdict.ERROR, "did not succeed"),
        ({"success": True, "testResults": []}, (), 0, Verdict.NO_TESTS, "found no tests"),
        (None, (), 1, Verdict.USAGE_ERROR, "before a test began"),
        (None, (told("start", "a"),), 3, Verdict.CRASHED, "exit code 3 before its report was written while /p/a.js::a"),
        ("{half", (told("end", "a", state="passed", seconds=1, text=""),), 0, Verdict.CRASHED, "before its report"),
        (report_of(("a", "passed")), ("\x1enonsense", "\x1e[]", "\x1e{}"), 0, Verdict.GREEN, ""),
    ],
)
def test_each_says_so_or_it_is_not_green(
    tmp_path: Path,
    ended: Callable[[int], Ended],
    *,
    report: object,
    lines: tuple[str, ...],
    code: int,
    verdict: Verdict,
    said: str,
) -> None:
    """Exit code, report, and what was told while it ran must agree."""
    finding = listen("vitest", tmp_path, report, *lines).conclude(ended(code))

    assert finding.verdict is verdict
    assert said in finding.message


def test_a_second_test_of_one_name_waits_for_the_report(tmp_path: Path, ended: Callable[[int], Ended]) -> None:
    """Only the report says which of two is which, or that it was a second try."""
    lines = [told("end", "a", state=state, seconds=0, text="why") for state in ("failed", "passed")]
    listener = listen("jest", tmp_path, report_of(("a", "passed")), *lines)
    early = [result.outcome for result in listener.story.fresh()]

    finding = listener.conclude(ended(0))

    assert early == [FAILED]
    assert (finding.verdict, listener.story.results["/p/a.js::a"].outcome) == (Verdict.GREEN, PASSED)


def test_vitest_1_begins_with_an_empty_title(tmp_path: Path, ended: Callable[[int], Ended]) -> None:
    """A test has one name in the report and while it runs, whatever the version."""
    report: Any = report_of(("a", "passed"))
    report["testResults"][0]["assertionResults"][0]["ancestorTitles"] = ["", "suite"]
    listener = listen("vitest", tmp_path, report, told("end", "suite", "a", state="passed", seconds=0, text=""))

    finding = listener.conclude(ended(0))

    assert (finding.verdict, list(listener.story.results)) == (Verdict.GREEN, ["/p/a.js::suite > a"])


@pytest.mark.parametrize(
    ("lock", "said"),
    [("package-lock.json", "npm install"), ("pnpm-lock.yaml", "pnpm install"), (".pnp.cjs", "yarn vitest")],
)
async def test_missing_node_modules(tried: Any, lock: str, said: str) -> None:
    """What package.json names and nobody installed is told, with the command that installs it."""
    (tried.root / lock).touch()
    node = tried.root / "node"
    node.touch()
    node.chmod(0o755)

    outcome = await tried.run(JavaScript("vitest"), environ={"PATH": str(tried.root), "PATHEXT": ""})

    assert outcome.verdict is Verdict.NO_INTERPRETER
    assert "not installed" in outcome.message
    assert said in outcome.message


async def test_without_node(tried: Any) -> None:
    """The message says what to install."""
    outcome = await tried.run(JavaScript("jest"), environ={"PATH": str(tried.root)})

    assert outcome.verdict is Verdict.NO_INTERPRETER
    assert "node is not on PATH" in outcome.message


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A node_modules with both runners, from the npm registry."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("there is no npm here")
    folder = tmp_path_factory.mktemp("npm")
    (folder / "package.json").write_text(json.dumps({"private": True, "devDependencies": VERSIONS}))
    subprocess.run([npm, "install", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder, check=True, timeout=500)
    yield folder / "node_modules"
    shutil.rmtree(folder / "node_modules")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["vitest", "jest"])
class TestReal:
    """Real projects."""

    @pytest.fixture(autouse=True)
    def project(self, tried: Any, installed: Path, name: str) -> None:
        (tried.root / "node_modules").symlink_to(installed, target_is_directory=True)
        kind = "module" if name == "vitest" else "commonjs"
        (tried.root / "package.json").write_text(json.dumps({"type": kind, "devDependencies": {name: "*"}}))
        (tried.root / "mul.js").write_text(MUL[name])
        self.write(tried.root, name, "mul", "it('multiplies', () => { expect(mul(2, 3)).toBe(6) })")
        head = "import { it } from 'vitest'\n" if name == "vitest" else ""
        (tried.root / "other.test.js").write_text(f"{head}it('is there', () => {{}})\n")

    @staticmethod
    def write(root: Path, runner: str, file: str, body: str) -> None:
        (root / f"{file}.test.js").write_text(BEGIN[runner] + body + "\n")

    async def test_green_red_fixed(self, tried: Any, name: str) -> None:
        """What belongs to the changed file comes first, and the verdict is the whole's."""
        verdicts = []

        for sign in "*+*":
            (tried.root / "mul.js").write_text(MUL[name].replace("*", sign))
            outcome = await tried.run(JavaScript(name), changed=["mul.js", "README.md"])
            verdicts.append((outcome.verdict, outcome.complete, sorted(outcome.nodeids)))

        names = ["mul.test.js::multiplies", "other.test.js::is there"]
        assert verdicts == [(verdict, True, names) for verdict in (Verdict.GREEN, Verdict.RED, Verdict.GREEN)]
        assert tried.stages == [Stage.IMPACTED, Stage.REST] * 3
        assert tried.told[0].nodeid == names[0]
        assert any("mul.test.js" in result.output for result in tried.told)

    async def test_a_result_comes_before_the_run_ends(self, tried: Any, name: str) -> None:
        """A red test is told while another one still runs."""
        body = """
        it('red', () => { expect(mul(2, 3)).toBe(7) })
        it('waits', async () => {
          const fs = await import('node:fs')
          while (!fs.existsSync('go')) await new Promise((done) => setTimeout(done, 10))
        }, 60000)
        """
        if name == "jest":
            body = body.replace("await import('node:fs')", "require('node:fs')")
        self.write(tried.root, name, "mul", body)
        task = asyncio.create_task(tried.run(JavaScript(name)))

        await tried.until(lambda: "mul.test.js::red" in tried.outcomes)
        is_early = not task.done()
        (tried.root / "go").touch()
        outcome = await task

        assert (is_early, outcome.verdict) == (True, Verdict.RED)

    async def test_a_compile_error(self, tried: Any, name: str) -> None:
        """A file that cannot be loaded is named, and the others' tests are told."""
        self.write(tried.root, name, "mul", "it('x', () => { ")

        outcome = await tried.run(JavaScript(name))

        assert (outcome.verdict, outcome.complete) == (Verdict.COLLECTION_ERROR, False)
        assert "mul.test.js" in outcome.message
        assert tried.outcomes == {"mul.test.js": ERROR, "other.test.js::is there": PASSED}

    async def test_a_crash(self, tried: Any, name: str) -> None:
        """A test that kills its process is no green, and no lost test is skipped."""
        self.write(tried.root, name, "mul", "it('dies', () => { process.kill(process.pid, 'SIGKILL') })")

        outcome = await tried.run(JavaScript(name))

        assert outcome.verdict in (Verdict.CRASHED, Verdict.RED)
        assert not outcome.complete
        assert tried.outcomes.get("mul.test.js::dies") not in (PASSED, SKIPPED)

    async def test_a_hang(self, tried: Any, name: str) -> None:
        """An endless loop is ended, with all workers."""
        self.write(tried.root, name, "mul", "it('loops', () => { for (;;); })")

        outcome = await tried.run(JavaScript(name), hang_s=8)

        assert outcome.verdict is Verdict.HUNG

    async def test_a_retried_test_is_no_red(self, tried: Any, name: str) -> None:
        """A test that passes on its second try was never told red."""
        retry = "{ retry: 2 }, " if name == "vitest" else ""
        head = "" if name == "vitest" else "jest.retryTimes(2)\n"
        self.write(tried.root, name, "mul", f"{head}let n = 0\nit('flaky', {retry}() => {{ n++; expect(n).toBe(2) }})")

        outcome = await tried.run(JavaScript(name))

        assert outcome.verdict is Verdict.GREEN
        assert FAILED not in [result.outcome for result in tried.told]

    async def test_no_tests_and_bad_configuration(self, tried: Any, name: str) -> None:
        """Neither is green, and each is told as what it is."""
        for file in tried.root.glob("*.test.js"):
            file.unlink()
        none = await tried.run(JavaScript(name))
        (tried.root / f"{name}.config.js").write_text("throw new Error('broken on purpose')\n")
        broken = await tried.run(JavaScript(name))

        assert (none.verdict, broken.verdict) == (Verdict.NO_TESTS, Verdict.USAGE_ERROR)
        assert "broken on purpose" in broken.output
