"""Start with the session: what `autostart enable` writes is carried out at login, once, by a real implementation.

dex carries out the entries of the autostart folders, as people with a window manager alone have it do at login.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import TYPE_CHECKING

import psutil
from kit.waiting import until

from app.engine.places import Places
from app.system.instance import SingleInstance

if TYPE_CHECKING:
    from pathlib import Path

    from kit.program import Program
    from kit.project import Project
    from kit.screen import Screen

END_S = 15.0


async def test_it_is_in_the_tray_after_a_login_and_only_once(
    program: Program, project: Project, screen: Screen, tmp_path: Path
) -> None:
    """After a login its icon is in the tray and it watches its project; a second login starts no second one."""
    _at_home_in(program, tmp_path)
    enabled = program.run("autostart", "enable", str(project.root))

    try:
        started = _log_in(program)
        await screen.until_tray_icon()
        first = await until(lambda: _owner(program), "an instance")
        await until(lambda: _watches(program, project), "the project is watched")
        _log_in(program)
        await until(lambda: screen.windows("Watchkeeper"), "the second start raises the first")

        assert enabled.returncode == 0, enabled.stderr
        assert "Executing" in started
        assert program.json("autostart", "status")["good"]
        assert _owner(program) == first
        await until(lambda: len(_instances(program)) == 1, "one instance alone")
        assert len(screen.tray_icons()) == 1
    finally:
        _end(program)


async def test_it_is_back_after_a_crash(program: Program, screen: Screen, tmp_path: Path) -> None:
    """The desktop starts nothing again, so that the entry starts what does; an orderly end is an end."""
    _at_home_in(program, tmp_path)
    program.run("autostart", "enable")

    try:
        _log_in(program)
        await screen.until_tray_icon()
        first = await until(lambda: _owner(program), "an instance")
        os.kill(first, signal.SIGKILL)
        await until(lambda: (_owner(program) or first) != first and program.snapshot(), "another instance")
        await screen.until_tray_icon()
        stopped = program.run("stop")

        assert stopped.returncode == 0, stopped.stderr
        await until(lambda: not _all(program), "nothing runs any more, the parent neither", END_S)
    finally:
        _end(program)


async def test_nothing_is_started_once_it_is_disabled(program: Program, tmp_path: Path) -> None:
    """Neither after `disable`, nor where the desktop's own tools switched it off."""
    _at_home_in(program, tmp_path)
    program.run("autostart", "enable")
    entry = tmp_path / "config" / "autostart" / "watchkeeper.desktop"
    entry.write_text(entry.read_text("utf-8") + "Hidden=true\n", "utf-8")

    hidden = _log_in(program)
    status = program.run("autostart", "status")
    program.run("autostart", "disable")
    disabled = _log_in(program)

    assert "Executing" not in hidden
    assert status.returncode == 1
    assert "switched off" in status.stderr
    assert "Executing" not in disabled
    assert not _instances(program)


def _at_home_in(program: Program, folder: Path) -> None:
    """Give the person a configuration folder of their own, and no entries of the machine's."""
    program.environ |= {"XDG_CONFIG_HOME": str(folder / "config"), "XDG_CONFIG_DIRS": str(folder / "none")}


def _log_in(program: Program) -> str:
    """Have the session carry out its autostart entries; return what is said of them."""
    said = program.home / "login.txt"
    with said.open("wb") as log:  # no pipe: what is started would hold it
        argv = ["dex", "--autostart", "--verbose", "--environment", "OPENBOX"]
        subprocess.run(
            argv, env=program.environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=20, check=True
        )
    return said.read_text("utf-8")


def _watches(program: Program, project: Project) -> bool:
    return str(project.root) in (program.snapshot() or {}).get("projects", {})


def _owner(program: Program) -> int | None:
    """Return the process that holds the lock of this home."""
    owner = SingleInstance(Places.find(program.environ)).owner()
    return None if owner is None else owner.pid


def _instances(program: Program) -> list[psutil.Process]:
    """Return the processes of this home that run the program itself, not the small parent that keeps it."""
    return [
        process
        for process, words in _all(program).items()
        if "--keep" not in words and any("from app.main import main" in word for word in words)
    ]


def _all(program: Program) -> dict[psutil.Process, list[str]]:
    """Return all processes of this home, with their command lines."""
    found = {}
    for process in psutil.process_iter():
        try:
            if process.environ().get("WATCHKEEPER_HOME") == str(program.home):
                found[process] = process.cmdline()
        except psutil.Error:
            continue
    return found


def _end(program: Program) -> None:
    """End what a login started, by its own ids, the parents first."""
    found = sorted(_all(program).items(), key=lambda each: "--keep" not in each[1])
    for process, _ in found:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    psutil.wait_procs([process for process, _ in found], END_S)
