"""`bootstrap.py test` runs everything there is, counts it, and says plainly how it went."""

import argparse
import io
import subprocess
import sys
from pathlib import Path

import pytest

from provision.checks import Outcome, count, plan, programs_for, summarise
from provision.console import Console, Stop
from provision.environment import Environment
from provision.system import BOX_PROGRAMS, ENTRY_READERS, PROMTOOL, TEST_PROGRAMS, WINE, SystemPackages

SHORT = {
    "full": False,
    "desktop": True,
    "postgres": False,
    "windows": False,
    "installer": False,
    "proof": False,
    "soak": False,
}

SUITE = """
import pytest
def test_passes(): pass
def test_fails(): assert False
@pytest.mark.skip(reason="shown as skipped")
def test_skipped(): pass
@pytest.fixture
def broken(): raise RuntimeError
def test_error(broken): pass
"""


def environment(root: Path) -> Environment:
    console = Console(io.StringIO())
    return Environment(root, console, SystemPackages(console, {}), {})


def test_tests_are_counted_from_pytests_own_report(tmp_path: Path) -> None:
    """Passed, failed and skipped are what pytest says; an error counts as failed."""
    (tmp_path / "test_it.py").write_text(SUITE, "utf-8")
    report = tmp_path / "report.xml"

    command = (sys.executable, "-m", "pytest", "-q", "--rootdir=.", "-p", "no:cacheprovider", f"--junit-xml={report}")
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=50)

    assert count(report) == (1, 2, 1)


def test_a_run_that_crashed_counts_nothing(tmp_path: Path) -> None:
    """No report, or half of one, is no test."""
    (tmp_path / "half.xml").write_text("<testsuites><testsuite tests='3'", "utf-8")

    assert count(tmp_path / "none.xml") == (0, 0, 0)
    assert count(tmp_path / "half.xml") == (0, 0, 0)


@pytest.mark.parametrize(
    ("outcomes", "picky", "code", "last"),
    [
        ([Outcome("a", 0, 1.0), Outcome("b", 0, 1.0, 3)], True, 0, "3 passed, 0 failed"),
        ([Outcome("a", 0, 1.0, 2, 0, 1), Outcome("b", 1, 1.0, 3, 1)], True, 1, "5 passed, 1 failed, 1 skipped"),
        ([Outcome("a", 1, 1.0), Outcome("b", 0, 1.0, 3)], True, 1, "3 passed, 0 failed"),
        ([Outcome("a", 5, 1.0), Outcome("b", 0, 1.0, 3)], True, 1, "3 passed, 0 failed"),
        ([Outcome("a", 5, 1.0), Outcome("b", 0, 1.0, 3)], False, 0, "3 passed, 0 failed"),
        ([Outcome("a", 5, 1.0), Outcome("b", 5, 1.0)], False, 1, "0 passed, 0 failed"),
        ([Outcome("a", -9, 1.0, 3)], True, 1, "3 passed, 0 failed"),
    ],
    ids=["good", "a test failed", "a check failed", "found none", "picked some", "picked none", "crashed"],
)
def test_the_last_line_and_the_exit_code_tell_how_it_went(
    outcomes: list[Outcome], code: int, last: str, *, picky: bool
) -> None:
    """The closing line has the sums over all runs; any failure, or no test at all, is exit code 1."""
    shown = io.StringIO()

    assert summarise(outcomes, picky=picky, console=Console(shown)) == code
    assert shown.getvalue().splitlines()[-1] == last


def test_the_short_form_runs_every_check(root: Path) -> None:
    """Lint, types, floors, the tests, and those on a real desktop; the slow ones stay out."""
    checks = plan(environment(root), root, **SHORT, arguments=())

    titles = [check.title for check in checks]
    lint = ["ruff format", "ruff check", "mypy", "lint-imports"]
    assert titles == [*lint, "tests", "desktop tests", "race, in short"]
    assert all("not slow" in " ".join(check.command) for check in checks if check.counts)


def test_each_worker_of_the_desktop_tests_has_a_desk_of_its_own(root: Path) -> None:
    """As many desktops as workers in the short form; in full, and for named tests, one of each."""
    short, full, named = (
        next(check.command for check in plan(environment(root), root, **forms) if check.title == "desktop tests")
        for forms in (
            {**SHORT, "arguments": ()},
            {**SHORT, "full": True, "arguments": ()},
            {**SHORT, "arguments": ("tests/desktop/test_canary.py",)},
        )
    )

    assert short[short.index("--desks") + 1] == short[short.index("-n") + 1]
    assert "--desks" not in (*full, *named)
    assert "-n" not in (*full, *named)


def test_the_full_form_adds_what_takes_long(root: Path) -> None:
    """All options together leave nothing out: slow tests, PostgreSQL, Windows, packages, mutations, each benchmark."""
    benchmarks = [f"benchmark {path.stem}" for path in sorted((root / "tests/benchmarks").rglob("bench_*.py"))]

    checks = plan(environment(root), root, **dict.fromkeys(SHORT, True), arguments=())

    systems = ["PostgreSQL tests", "Windows tests", "build windows", "Windows installer", "packages"]
    assert [check.title for check in checks][6:] == [*systems, "mutations", "race", "soak", *benchmarks]
    assert not any("not slow" in " ".join(check.command) for check in checks)


def test_only_what_the_chosen_tests_run_is_asked_for() -> None:
    """`--quick` runs what reads start entries, and nothing of a desktop; elsewhere than on Linux there are none."""
    none = argparse.Namespace(**dict.fromkeys(SHORT, False))
    all_of_them = argparse.Namespace(**dict.fromkeys(SHORT, True))

    everything = programs_for(all_of_them, desktop=True, platform="linux")

    assert programs_for(none, desktop=False, platform="linux") == [*ENTRY_READERS]
    assert programs_for(none, desktop=False, platform="darwin") == []
    assert all(need in everything for need in (*ENTRY_READERS, *TEST_PROGRAMS, *BOX_PROGRAMS, WINE, PROMTOOL))


def test_what_the_person_adds_goes_to_pytest(root: Path) -> None:
    """A named file is run alone: no folder of ours is added to it."""
    arguments = ("-x", "tests/installer/test_checks.py")

    checks = plan(environment(root), root, **SHORT, arguments=arguments)

    assert [check.title for check in checks][4:] == ["tests", "desktop tests"]
    for check in (check for check in checks if check.counts):
        assert "-x" in check.command
        assert "tests/desktop" not in check.command


def test_a_failing_command_shows_its_last_lines_once() -> None:
    """A quiet step that fails shows what its command said and its code; one that succeeds only its time."""
    shown = io.StringIO()
    console = Console(shown)

    console.run("Working", (sys.executable, "-c", "print('chatter')"))
    with pytest.raises(Stop, match=r"(?s)code 9.*the reason"):
        console.run("Breaking", (sys.executable, "-c", "print('the reason'); raise SystemExit(9)"))

    assert "chatter" not in shown.getvalue()
    assert "Working: done in" in shown.getvalue()


def test_a_program_that_is_not_there_is_told() -> None:
    """A command that cannot be started is a sentence, no traceback."""
    with pytest.raises(Stop, match="does not start"):
        Console(io.StringIO()).run("Working", ("/no/such/program",))
