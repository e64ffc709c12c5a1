"""Storms of saves: one verdict for the state in which they leave the project, nothing after it, and then rest."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import textwrap
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from app.domain.events import NoticeRaised, RunFinished, RunStarted
from app.domain.verdicts import Verdict
from tests.mutations.watched import Watched, cpu_seconds, family, watching

if TYPE_CHECKING:
    from pathlib import Path

IDLE_S = 3.0
IDLE_SHARE = 0.1
"""Of one CPU, this process and all below it together, while nothing is to be done; the loop's own looks are in it."""

REFORMAT_S = 0.1
SETTLED_S = 90.0

SUITE = """
    import pathlib
    import time

    import pytest

    import calc


    @pytest.mark.parametrize("number", range(20))
    def test_add(number):
        time.sleep(0.02)
        assert calc.add(number, 1) == number + 1


    def test_version():
        assert calc.VERSION != "red"
"""


def good(number: int) -> str:
    return f'VERSION = "v{number}"\n\n\ndef add(a, b):\n    return a + b\n'


def bad(number: int) -> str:
    return f'VERSION = "v{number}"\n\n\ndef add(a, b):\n    return a - b\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "proj"
    root.mkdir()
    (root / "calc.py").write_text(good(0), encoding="utf-8")
    (root / "test_calc.py").write_text(textwrap.dedent(SUITE), encoding="utf-8")
    (root / ".gitignore").write_text("__pycache__/\n.pytest_cache/\n", encoding="utf-8")
    return root


async def at_rest(watched: Watched) -> None:
    """Wait until the watch is quiet, and see that it stays so and uses hardly any CPU time."""
    await watched.quiet(within_s=SETTLED_S)
    # The house looks for garbage meanwhile: a moment's work in its own program, a second's among all that tests hold.
    gc.collect()
    gc.freeze()
    everyone = [psutil.Process(), *family()]
    before, events = cpu_seconds(everyone), len(watched.all(RunStarted))
    began = time.monotonic()
    await asyncio.sleep(IDLE_S)  # what is measured is this time
    used = cpu_seconds(everyone)
    share = sum(used[pid] - before[pid] for pid in before) / (time.monotonic() - began)

    assert {each.pid for each in family()} == {each.pid for each in everyone[1:]}
    assert len(watched.all(RunStarted)) == events
    assert share < IDLE_SHARE


def after(watched: Watched, mark: int) -> list[Verdict]:
    """Return the verdicts of runs that began after so many events."""
    begun = {event.run_id for event in watched.events[mark:] if isinstance(event, RunStarted)}
    ended = [event for event in watched.all(RunFinished) if event.run_id in begun]
    return [event.verdict for event in ended]


def settled(watched: Watched, mark: int) -> bool:
    """Return whether the last thing that happened since then is the end of a run with a verdict of its own."""
    verdicts = after(watched, mark)
    return bool(verdicts) and verdicts[-1] is not Verdict.CANCELLED and not watched.is_running


@pytest.mark.timeout(200)
@pytest.mark.parametrize(
    ("saves", "seconds"), [(15, 3.0), pytest.param(50, 10.0, marks=pytest.mark.slow)], ids=["15 saves", "50 saves"]
)
async def test_many_saves_in_a_row_end_with_the_verdict_on_the_last(
    project: Path, tmp_path: Path, saves: int, seconds: float
) -> None:
    """Red and green by turns: the last verdict is that of the last save, no run follows it, and all is at rest."""
    told: list[tuple[Verdict, int]] = []
    begun_after: list[int] = []

    async with watching(project, tmp_path / "home") as watched:
        await watched.ran(1)
        await watched.quiet()
        for last in ("red", "green"):
            mark = len(watched.events)
            for number in range(saves):
                is_red = (saves - 1 - number) % 2 == (0 if last == "red" else 1)
                text = bad(number) if is_red else good(number)
                (project / "calc.py").write_text(text, encoding="utf-8")
                await asyncio.sleep(seconds / saves)  # the storm's own pace
            final = len(watched.all(RunStarted))
            await watched.until(lambda since=mark: settled(watched, since), within_s=SETTLED_S)
            await at_rest(watched)
            begun_after.append(len(watched.all(RunStarted)) - final)
            verdicts = [verdict for verdict in after(watched, mark) if verdict is not Verdict.CANCELLED]
            told.append((verdicts[-1], len(watched.red)))

    assert told == [(Verdict.RED, 20), (Verdict.GREEN, 0)]
    assert max(begun_after) <= 1  # for the last save, when it was not yet running


def git(root: Path, *words: str) -> None:
    who = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "init.defaultBranch=one")
    subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True)


def two_branches(root: Path, files: int) -> None:
    """Make a repository with the branches `one`, green, and `two`, red, so many files apart."""
    modules = root / "modules"
    modules.mkdir()
    for number in range(files):
        (modules / f"m{number}.py").write_text(f"N = {number}\n", encoding="utf-8")
    test = 'def test_modules():\n    import pathlib\n    for each in pathlib.Path("modules").glob("m*.py"):\n'
    test += '        assert each.read_text().startswith("N =")\n'
    (root / "test_modules.py").write_text(test, encoding="utf-8")
    git(root, "init", "--quiet")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "one")
    git(root, "checkout", "--quiet", "-b", "two")
    for number in range(files):
        file = modules / f"m{number}.py"
        if number % 5 == 0:
            file.unlink()
            (modules / f"other{number}.py").write_text(f"M = {number}\n", encoding="utf-8")
        else:
            file.write_text(f"M = {number} + 1\n", encoding="utf-8")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "two")
    git(root, "checkout", "--quiet", "one")


@pytest.mark.timeout(200)
@pytest.mark.parametrize(("files", "switches"), [(30, 3), pytest.param(500, 6, marks=pytest.mark.slow)])
async def test_a_branch_switch_is_one_change(project: Path, tmp_path: Path, files: int, switches: int) -> None:
    """There and back and there again: one verdict each, right for the branch, and no run that saw half of it."""
    two_branches(project, files)

    async with watching(project, tmp_path / "home") as watched:
        await watched.ran(1)
        await watched.quiet()
        runs: list[tuple[list[Verdict], int]] = []
        for branch in (("two", "one") * switches)[:switches]:
            mark = len(watched.events)
            await asyncio.to_thread(git, project, "checkout", "--quiet", branch)
            await watched.until(lambda since=mark: settled(watched, since), within_s=SETTLED_S)
            await watched.quiet(within_s=SETTLED_S)
            begun = [each for each in watched.events[mark:] if isinstance(each, RunStarted)]
            runs.append((after(watched, mark), len(begun[-1].cause.paths)))
        await at_rest(watched)

    changed = files + len(range(0, files, 5))
    assert runs == ([([Verdict.RED], changed), ([Verdict.GREEN], changed)] * switches)[:switches]


async def _formatted(project: Path, number: int) -> None:
    """Save as a person, who breaks the code, and soon after as a formatter, which leaves it broken and neat."""
    text = bad(number)
    (project / "calc.py").write_text(text.replace("a - b", "a   -   b"), encoding="utf-8")
    await asyncio.sleep(REFORMAT_S)  # the formatter's own pace
    (project / "calc.py").write_text(text, encoding="utf-8")


@pytest.mark.timeout(200)
@pytest.mark.parametrize("rounds", [2, pytest.param(15, marks=pytest.mark.slow)])
async def test_a_formatter_after_each_save_leaves_one_verdict(project: Path, tmp_path: Path, rounds: int) -> None:
    """Whether both writes make one run or the second ends the first's, there is one verdict, on what stands there."""
    async with watching(project, tmp_path / "home") as watched:
        await watched.ran(1)
        await watched.quiet()
        told: list[list[Verdict]] = []
        for number in range(rounds):
            mark = len(watched.events)
            await _formatted(project, number)
            await watched.until(lambda since=mark: settled(watched, since), within_s=SETTLED_S)
            await watched.quiet(within_s=SETTLED_S)
            told.append([verdict for verdict in after(watched, mark) if verdict is not Verdict.CANCELLED])
        red = len(watched.red)
        mark = len(watched.events)
        (project / "calc.py").write_text(good(rounds), encoding="utf-8")
        await watched.until(lambda: settled(watched, mark), within_s=SETTLED_S)
        await at_rest(watched)

    assert told == [[Verdict.RED]] * rounds
    assert red == 20
    assert after(watched, mark) == [Verdict.GREEN]


@pytest.mark.timeout(120)
async def test_a_save_that_is_taken_back_at_once_ends_green(project: Path, tmp_path: Path) -> None:
    """Whatever began in between, the last word is on the file as it is."""
    async with watching(project, tmp_path / "home") as watched:
        await watched.ran(1)
        await watched.quiet()
        (project / "calc.py").write_text(bad(1), encoding="utf-8")
        await watched.until(lambda: len(watched.all(RunStarted)) == 2)
        (project / "calc.py").write_text(good(0), encoding="utf-8")
        mark = len(watched.events)
        await watched.until(lambda: settled(watched, mark), within_s=SETTLED_S)
        await at_rest(watched)

    assert watched.verdicts == [Verdict.GREEN, Verdict.GREEN]
    assert not watched.red


QUICK_SAVES = 6
"""One more than are begun before a run is held apart."""


@pytest.mark.timeout(120)
async def test_saves_that_come_soon_after_each_verdict_are_run_at_once(project: Path, tmp_path: Path) -> None:
    """A quick person, or an agent, is not taken for tests that write files, whose runs are held apart."""
    (project / "test_calc.py").write_text(textwrap.dedent(SUITE).replace("0.02", "0"), encoding="utf-8")

    async with watching(project, tmp_path / "home") as watched:
        await watched.ran(1)
        await watched.quiet()
        for number in range(QUICK_SAVES):
            text = good(number) if number % 2 else bad(number)
            (project / "calc.py").write_text(text, encoding="utf-8")
            await watched.ran(number + 2)
            await watched.pause()

    held = [event.text for event in watched.all(NoticeRaised) if event.key.startswith("echo:")]
    assert watched.verdicts[1:] == [Verdict.RED, Verdict.GREEN] * (QUICK_SAVES // 2)
    assert not held
