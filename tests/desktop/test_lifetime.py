"""Starting twice, and ending while tests run: gone in time, and nothing left behind."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from kit.waiting import until

if TYPE_CHECKING:
    from kit.program import Program
    from kit.project import Project
    from kit.screen import Screen


async def test_row_14_a_second_start_raises_the_first(program: Program, project: Project, screen: Screen) -> None:
    """Whoever starts it again sees the window of the one that runs, and the second ends well."""
    program.start(str(project.root))
    await program.until_mood("green")
    assert screen.windows("Watchkeeper") == []

    second = program.run(str(project.root))

    assert second.returncode == 0, second.stderr
    await screen.until_window("Watchkeeper")
    program.must_run()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
async def test_a_signal_while_tests_run_ends_everything(
    program: Program, project: Project, number: signal.Signals
) -> None:
    """The tray, the tests and what the tests started are gone in ten seconds."""
    project.add_slow_tests()
    process = program.start(str(project.root))
    children = await _running_with_child(program)

    process.send_signal(number)

    assert await program.until_gone(children) == 0
    assert "Traceback" not in program.printed()


async def test_stop_while_tests_run_ends_everything(program: Program, project: Project) -> None:
    """`watchkeeper stop` is obeyed as a signal is."""
    project.add_slow_tests()
    program.start(str(project.root))
    children = await _running_with_child(program)

    stopped = program.run("stop")

    assert stopped.returncode == 0, stopped.stderr
    assert await program.until_gone(children) == 0


async def test_quit_while_tests_run_asks_first(program: Program, project: Project, screen: Screen) -> None:
    """The menu's Quit asks while tests run: the first answer keeps watching, the other ends everything."""
    project.add_slow_tests()
    program.start(str(project.root))
    area = await screen.until_tray_icon()
    children = await _running_with_child(program)

    await _choose_quit(screen, area.middle)
    await screen.until_drawn(await screen.until_window("Quit Watchkeeper"))
    screen.screenshot("quit-question")
    screen.key("Return")
    await until(lambda: not screen.windows("Quit Watchkeeper"), "the question goes")
    program.must_run()
    await _choose_quit(screen, area.middle)
    await screen.until_window("Quit Watchkeeper")
    screen.key("Tab", "Return")

    assert await program.until_gone(children) == 0


async def _running_with_child(program: Program) -> list[object]:
    """Wait until the slow test runs and has started its own child, and return all processes."""
    await program.until_running("test_slow")
    return await until(lambda: _with_sleeper(program), "the slow test's child")


def _with_sleeper(program: Program) -> list[object] | None:
    children = program.children()
    return children if any("time.sleep(600)" in " ".join(child.cmdline()) for child in children) else None


async def _choose_quit(screen: Screen, place: tuple[int, int]) -> None:
    before = screen.whole()
    screen.click(place, button=3)
    await until(lambda: screen.whole() != before, "a menu on the screen")
    screen.key("Up", "Return")
