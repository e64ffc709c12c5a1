"""cargo test: recorded outputs, and a real crate."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.testing.runners.cargo import Cargo, Told
from app.domain.verdicts import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.engine.processes import Ended

PASSED, FAILED, SKIPPED = Outcome.PASSED, Outcome.FAILED, Outcome.SKIPPED
HEADER = """{"reason":"build-finished","success":true}
     Running unittests src/lib.rs (target/debug/deps/a-0123456789abcdef)

"""

LIB = """
/// ```
/// assert_eq!(krate::add(1, 2), 3);
/// ```
pub fn add(a: i32, b: i32) -> i32 { a + b }
#[cfg(test)]
mod tests {
    #[test] fn adds() { assert_eq!(super::add(1, 2), EXPECTED); }
    #[test] #[ignore] fn later() {}
}
"""


def listen(text: str) -> Told:
    told = Told()
    told.take(json.dumps({"kind": "lines", "texts": text.splitlines()}).encode())
    return told


def test_recorded(recorded: Callable[[str], Path], ended: Callable[[int], Ended]) -> None:
    """Library, integration and documentation tests have names of their own, also behind a half printed line."""
    told = listen(recorded("cargo.txt").read_text())

    finding = told.conclude(ended(101))

    outcomes = {nodeid: result.outcome for nodeid, result in told.story.results.items()}
    assert (finding.verdict, told.lacking) == (Verdict.RED, "")
    assert outcomes == {
        "my-crate::tests::later": SKIPPED,
        "my-crate::tests::adds": PASSED,
        "my-crate::tests::noisy": PASSED,
        "my-crate::tests::red": FAILED,
        "my-crate::tests::panics": PASSED,
        "my-crate::api::works": PASSED,
        "my-crate::doc::src/lib.rs - add": PASSED,
    }
    assert told.story.results["my-crate::tests::red"].output.startswith("printed\n")


@pytest.mark.parametrize(
    ("printed", "code", "verdict", "said"),
    [
        ("running 1 test\ntest a ... ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored;", 0, Verdict.GREEN, ""),
        (
            "running 1 test\ntest a ... ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored;",
            1,
            Verdict.ERROR,
            "code 1",
        ),
        (
            "running 2 tests\ntest a ... ok\n\ntest result: ok. 2 passed; 0 failed; 0 ignored;",
            0,
            Verdict.ERROR,
            "counts 2",
        ),
        ("running 2 tests\ntest a ... ok\nerror: test failed, to rerun pass `--lib`", 101, Verdict.RED, ""),
        (
            "running 1 test\ntest a ... half\nline ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored;",
            0,
            Verdict.GREEN,
            "",
        ),
        ("running 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored;", 0, Verdict.NO_TESTS, "found no tests"),
    ],
)
def test_each_says_so_or_it_is_not_green(
    ended: Callable[[int], Ended], printed: str, code: int, verdict: Verdict, said: str
) -> None:
    """Exit code, libtest's own count and each test's line must agree."""
    told = listen(HEADER + printed)

    finding = told.conclude(ended(code))

    assert finding.verdict is verdict
    assert said in finding.message


def test_a_binary_that_dies_is_a_crash(ended: Callable[[int], Ended]) -> None:
    """A binary without a result line crashed, and what is missing then is not gone."""
    told = listen(HEADER + "running 2 tests\ntest a ... ok\nerror: test failed\n  (signal: 11, SIGSEGV: invalid)")

    finding = told.conclude(ended(101))

    assert finding.verdict is Verdict.RED
    assert told.story.results["src/lib.rs::(binary)"].outcome is Outcome.CRASHED
    assert "SIGSEGV" in told.story.results["src/lib.rs::(binary)"].output
    assert told.lacking


def test_a_harness_of_its_own(ended: Callable[[int], Ended]) -> None:
    """A binary that speaks no libtest is one test, by what cargo says of it."""
    told = listen(HEADER + "hello\n     Running tests/b.rs (target/debug/deps/b-01)\nbye\nerror: test failed, to rerun")

    told.conclude(ended(101))

    assert [result.outcome for result in told.story.results.values()] == [PASSED, FAILED]


def test_what_is_no_build_is_a_usage_error(ended: Callable[[int], Ended]) -> None:
    """A manifest that cannot be read ends cargo before it builds."""
    told = listen("error: failed to parse manifest at `Cargo.toml`")

    finding = told.conclude(ended(101))

    assert finding.verdict is Verdict.USAGE_ERROR


async def test_without_cargo(tried: Any) -> None:
    """The message says what to install."""
    outcome = await tried.run(Cargo(), environ={"PATH": str(tried.root)})

    assert outcome.verdict is Verdict.NO_INTERPRETER
    assert "cargo is not on PATH" in outcome.message
    assert "rustup.rs" in outcome.message


@pytest.mark.slow
@pytest.mark.timeout(300)
class TestReal:
    """A real crate; for machines that have Rust."""

    @pytest.fixture(autouse=True)
    def crate(self, tried: Any) -> None:
        if shutil.which("cargo") is None:
            pytest.skip("there is no cargo here")
        for name, content in {
            "Cargo.toml": '[package]\nname = "krate"\nversion = "0.1.0"\nedition = "2021"\n',
            "src/lib.rs": LIB.replace("EXPECTED", "3"),
            "tests/api.rs": "#[test] fn works() { assert_eq!(krate::add(2, 2), 4); }\n",
        }.items():
            (tried.root / name).parent.mkdir(exist_ok=True)
            (tried.root / name).write_text(content)

    async def test_green_red_fixed(self, tried: Any) -> None:
        """The verdict follows the edits."""
        verdicts = []

        for expected in ("3", "4", "3"):
            (tried.root / "src/lib.rs").write_text(LIB.replace("EXPECTED", expected))
            outcome = await tried.run(Cargo(), hang_s=250)
            verdicts.append((outcome.verdict, outcome.complete))

        assert verdicts == [(Verdict.GREEN, True), (Verdict.RED, True), (Verdict.GREEN, True)]
        assert "panicked" in "".join(result.output for result in tried.told)
        assert set(tried.outcomes) == {
            "krate::tests::adds",
            "krate::tests::later",
            "krate::api::works",
            "krate::doc::src/lib.rs - add",
        }

    async def test_a_compile_error(self, tried: Any) -> None:
        """The file is named, with what the compiler says."""
        (tried.root / "tests/api.rs").write_text("#[test] fn works() { undefined(); }\n")

        outcome = await tried.run(Cargo(), hang_s=250)

        assert outcome.verdict is Verdict.COLLECTION_ERROR
        assert "tests/api.rs" in outcome.message
        assert "cannot find function" in tried.texts["tests/api.rs"]

    async def test_a_crash(self, tried: Any) -> None:
        """A test that aborts takes its binary with it; the other binaries' tests are told."""
        (tried.root / "tests/api.rs").write_text("#[test] fn dies() { std::process::abort(); }\n")

        outcome = await tried.run(Cargo(), hang_s=250)

        assert (outcome.verdict, outcome.complete) == (Verdict.RED, False)
        assert tried.outcomes["krate::api::(binary)"] is Outcome.CRASHED
        assert tried.outcomes["krate::tests::adds"] is PASSED

    async def test_a_hang(self, tried: Any) -> None:
        """A test that never ends is ended, with its binary."""
        (tried.root / "tests/api.rs").write_text("#[test] fn hangs() { loop { std::thread::park(); } }\n")
        await tried.run(Cargo(), hang_s=10)  # builds

        outcome = await tried.run(Cargo(), hang_s=4)

        assert outcome.verdict is Verdict.HUNG
