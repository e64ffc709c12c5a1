"""`bootstrap.py test`: every check and test of the project, one after the other, and a table of how they went."""

import argparse
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from provision.console import Console
from provision.environment import Environment
from provision.system import (
    BOX_PROGRAMS,
    ENTR,
    ENTRY_READERS,
    OSSLSIGNCODE,
    POSTGRES,
    PROMTOOL,
    TEST_FONT,
    TEST_PROGRAMS,
    WINE,
    Need,
    SystemPackages,
    qt_needs,
)

_NO_TESTS_RAN = 5  # pytest's exit code
# A hang that pytest's own limit for each test cannot end must not use up all of CI's time.
_LIMIT_S = 20 * 60.0
_FULL_LIMIT_S = 3 * 3600.0
_SIDE_BY_SIDE = ("-n", "3", "--dist", "loadfile", "--no-loadscope-reorder")
"""Three files at a time, on two cores too: each test keeps to a folder of its own, and half of the time is waiting.

In their own order: xdist would put files of few tests last, and those are the slow ones, for which one worker then
waits.
"""
_ON_TWO_DESKS = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")
"""The desktop tests wait most of the time, but two on one desktop would press each other's buttons."""
_PATIENCE_S = 15.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to run.

    Args:
        title: its heading.
        command: program and arguments.
        environ: what differs from the environment of all checks.
        counts: it is a pytest run, whose tests count in the closing line.
    """

    title: str
    command: tuple[str, ...]
    environ: Mapping[str, str] = field(default_factory=dict)
    counts: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a check went.

    Args:
        title: its heading.
        code: its exit code.
        seconds: how long it took.
        passed: tests that passed.
        failed: tests that failed or could not be set up or taken down.
        skipped: tests that were skipped or failed as expected.
    """

    title: str
    code: int
    seconds: float
    passed: int = 0
    failed: int = 0
    skipped: int = 0


def test(arguments: Sequence[str], environ: Mapping[str, str], root: Path) -> int:
    """Sets up what the tests need and runs them all, also when one fails.

    Args:
        arguments: the options of `bootstrap.py test`; what is none of them goes to pytest.
        environ: the caller's environment.
        root: the checkout.

    Returns:
        0 if everything passed, else 1.

    Raises:
        Stop: something that is needed is missing and could not be installed.
    """
    options, rest = _parser().parse_known_args(arguments)
    console = Console(sys.stdout)
    packages = SystemPackages(console, environ)
    environment = Environment(root, console, packages, environ)
    desktop = not options.quick and sys.platform == "linux"
    packages.ensure([*environment.needs(), *qt_needs({}), *programs_for(options, desktop=desktop)], "The tests need")
    environment.prepare("test")
    picked = ("-k", options.k) if options.k else ()
    checks = plan(
        environment,
        root,
        full=options.full,
        desktop=desktop,
        postgres=options.postgres,
        windows=options.windows,
        installer=options.installer,
        proof=options.proof,
        soak=options.soak,
        arguments=(*picked, *rest),
    )
    if not desktop:
        console.say("The tests on a real desktop session are left out" + (": --quick." if options.quick else " here."))
    takes_long = options.full or options.installer or options.proof or options.soak
    limit = _FULL_LIMIT_S if takes_long else _LIMIT_S
    clean = {key: value for key, value in environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    outcomes = [_carry_out(check, clean, root, limit, console) for check in checks]
    return summarise(outcomes, picky=not options.k and not _targets(rest, root), console=console)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bootstrap.py test",
        description="Sets up what is missing, then runs every check and test.",
        epilog="Any other argument goes to pytest, as in: bootstrap.py test --quick -x tests/engine",
        allow_abbrev=False,
    )
    parser.add_argument("--full", action="store_true", help="the slow tests and the benchmarks too")
    parser.add_argument("--postgres", action="store_true", help="the store's tests on a real PostgreSQL too")
    parser.add_argument("--windows", action="store_true", help="the worker's tests under Windows' Python in Wine too")
    parser.add_argument(
        "--installer",
        action="store_true",
        help="build the packages and install each in a system of its own too: Windows' under Wine, with root's rights",
    )
    parser.add_argument(
        "--proof",
        action="store_true",
        help="break public projects in hundreds of ways to see that no verdict is wrong, and race other watchers",
    )
    parser.add_argument(
        "--soak", action="store_true", help="thirty minutes of the real program with a fault each twenty seconds"
    )
    parser.add_argument("--quick", action="store_true", help="without the tests on a real desktop session")
    parser.add_argument("-k", metavar="EXPRESSION", help="only the tests whose names match, as in pytest")
    return parser


def programs_for(options: argparse.Namespace, *, desktop: bool, platform: str = sys.platform) -> list[Need]:
    """Lists the programs that the chosen tests run.

    Args:
        options: those of `bootstrap.py test`.
        desktop: the tests on a real X session too.
        platform: as `sys.platform`.
    """
    needs = [*ENTRY_READERS] if platform == "linux" else []
    needs += [*TEST_PROGRAMS, TEST_FONT] if desktop or options.installer else []
    needs += [POSTGRES] if options.postgres else []
    needs += [WINE] if options.windows else []
    needs += [*BOX_PROGRAMS] if options.installer else []
    needs += [ENTR] if options.proof else []
    needs += [PROMTOOL, OSSLSIGNCODE] if options.full else []
    return needs


def plan(
    environment: Environment,
    root: Path,
    *,
    full: bool,
    desktop: bool,
    postgres: bool,
    windows: bool,
    installer: bool,
    proof: bool,
    soak: bool,
    arguments: Sequence[str],
) -> list[Check]:
    """Lists what is to be run, in order: what is quick to fail comes first.

    Args:
        environment: where the tools are.
        root: the checkout.
        full: the slow tests and benchmarks too.
        desktop: the tests on a real X session too.
        postgres: the store's tests on PostgreSQL too.
        windows: the worker's tests under Windows' Python in Wine too.
        installer: the packages too, built and installed.
        proof: all mutations of public projects, and the race against other watchers in full.
        soak: the chaos soak at its full length.
        arguments: more for every pytest run.

    Returns:
        The checks.
    """
    python = str(environment.python)
    pytest = (python, "-m", "pytest", *arguments)
    slow = "" if full else " and not slow"
    targets = _targets(arguments, root)
    offscreen = {"QT_QPA_PLATFORM": "offscreen"}
    checks = [
        Check("ruff format", (str(environment.script("ruff")), "format", "--check", ".")),
        Check("ruff check", (str(environment.script("ruff")), "check", ".")),
        Check("mypy", (python, "-m", "mypy")),
        Check("lint-imports", (str(environment.script("lint-imports")),)),
        Check(
            "tests",
            (
                *pytest,
                *(() if targets else _SIDE_BY_SIDE),
                "-m",
                f"not desktop and not postgres and not windows and not installer{slow}",
                "--ignore=tests/desktop",
            ),
            offscreen,
            counts=True,
        ),
    ]
    if desktop:
        # In full one at a time: some of the slow ones measure.
        desks, workers = (("--desks", "2"), _ON_TWO_DESKS) if not (full or targets) else ((), ())
        session = (python, "tests/desktop/session.py", *desks)
        folder = () if targets else ("tests/desktop",)
        marked = (*pytest, *workers, "-m", f"desktop{slow}")
        checks.append(Check("desktop tests", (*session, *marked, *folder), counts=True))
    if postgres:
        server = (python, "tests/store/postgres_server.py")
        folder = () if targets else ("tests/store",)
        checks.append(Check("PostgreSQL tests", (*server, *pytest, "-m", f"postgres{slow}", *folder), counts=True))
    if windows:
        kit = (python, "tests/windows/kit.py")
        folder = () if targets else ("tests/windows",)
        checks.append(Check("Windows tests", (*kit, *pytest, "-m", f"windows{slow}", *folder), counts=True))
    if installer:
        screen = (python, "tests/windows/box.py", python, "tests/desktop/session.py")
        marked = (*pytest, "-m", "installer")
        checks += [
            Check("build windows", (python, "installer/build.py", "windows", "--python", "testing")),
            Check(
                "Windows installer", (*screen, *marked, *(() if targets else ("tests/windows/installer",))), counts=True
            ),
            Check("packages", (*marked, *(() if targets else ("tests/installer",))), counts=True),
        ]
    race, mutations = (python, "tests/benchmarks/save_to_verdict"), (python, "tests/mutations")
    if desktop and not (arguments or proof):
        checks.append(Check("race, in short", (*race, "--quick")))
    if proof:
        checks += [Check("mutations", mutations), Check("race", race)]
    if soak:
        checks.append(Check("soak", (python, "-m", "tests.faults.soak")))
    if full and not targets:
        scripts = sorted((root / "tests" / "benchmarks").rglob("bench_*.py"))
        checks += [Check(f"benchmark {script.stem}", (python, str(script)), offscreen) for script in scripts]
    return checks


def _targets(arguments: Sequence[str], root: Path) -> bool:
    """Says whether the person named tests by path, so that no folder of ours is added."""
    return any((root / argument.partition("::")[0]).exists() for argument in arguments if not argument.startswith("-"))


def _carry_out(check: Check, environ: Mapping[str, str], root: Path, limit_s: float, console: Console) -> Outcome:
    console.say(f"\n=== {check.title} ===")
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="watchkeeper-test-") as folder:
        report = Path(folder) / "report.xml"
        asked = ("--color=yes",) if sys.stdout.isatty() else ()
        command = (*check.command, f"--junit-xml={report}", *asked) if check.counts else check.command
        try:
            child = subprocess.Popen(command, cwd=root, env={**environ, **check.environ})
        except OSError as error:
            console.say(f"{command[0]} does not start: {error.strerror}")
            return Outcome(check.title, 127, time.monotonic() - begun)
        code = _end_of(child, limit_s, console)
        passed, failed, skipped = count(report) if check.counts else (0, 0, 0)
    seconds = time.monotonic() - begun
    console.say(f"--- {check.title}: {'passed' if code == 0 else f'exit code {code}'} in {seconds:.1f} s")
    return Outcome(check.title, code, seconds, passed, failed, skipped)


def _end_of(child: subprocess.Popen[bytes], limit_s: float, console: Console) -> int:
    with child:
        try:
            return child.wait(limit_s)
        except subprocess.TimeoutExpired:
            console.say(f"Still running after {limit_s / 60:.0f} minutes: stopping it.")
        except KeyboardInterrupt:
            # The terminal told the child as well: it shall have the time to stop what it started.
            with_patience(child)
            raise
        return with_patience(child, terminate=True) or 1


def with_patience(child: subprocess.Popen[bytes], *, terminate: bool = False) -> int:
    """Waits a little for a child to end by itself and ends it then.

    Args:
        child: the process.
        terminate: ask it to end first.

    Returns:
        Its exit code.
    """
    if terminate:
        child.terminate()
    try:
        return child.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def count(report: Path) -> tuple[int, int, int]:
    """Reads how many tests passed, failed and were skipped from pytest's JUnit report.

    A test that fails and whose teardown fails too is two cases in it, as in pytest's own closing line.

    Args:
        report: the file; a run that crashed leaves none.

    Returns:
        (passed, failed, skipped), each 0 where there is no whole report.
    """
    try:
        suites = ET.parse(report).getroot().iter("testsuite")  # noqa: S314 - written by our own pytest a moment ago
    except (OSError, ET.ParseError):
        return 0, 0, 0
    total = failed = skipped = 0
    for suite in suites:
        total += int(suite.get("tests", "0"))
        failed += int(suite.get("failures", "0")) + int(suite.get("errors", "0"))
        skipped += int(suite.get("skipped", "0"))
    return total - failed - skipped, failed, skipped


def summarise(outcomes: Sequence[Outcome], *, picky: bool, console: Console) -> int:
    """Prints the table and, as the last line, the sums in the form that CI reads.

    Args:
        outcomes: all of them, in order.
        picky: a run that found no tests has failed; not so where the person picked some by name or path.
        console: where to print.

    Returns:
        0 if everything passed, else 1.
    """
    console.say("\n=== Summary ===")
    good = True
    for outcome in outcomes:
        fine = outcome.code == 0 or (outcome.code == _NO_TESTS_RAN and not picky)
        good = good and fine
        tests = f"{outcome.passed} passed, {outcome.failed} failed, {outcome.skipped} skipped"
        counted = tests if outcome.passed + outcome.failed + outcome.skipped else ""
        word = "ok" if outcome.code == 0 else "none" if fine else "FAILED"
        console.say(f"{word:<7} {outcome.title:<24} {outcome.seconds:7.1f} s  {counted}".rstrip())
    passed = sum(outcome.passed for outcome in outcomes)
    failed = sum(outcome.failed for outcome in outcomes)
    skipped = sum(outcome.skipped for outcome in outcomes)
    if not passed + failed and good:
        console.say("No test ran.")
        good = False
    skips = f", {skipped} skipped" if skipped else ""
    console.say(f"{passed} passed, {failed} failed{skips}")
    return 0 if good else 1
