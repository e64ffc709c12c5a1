"""The display goes away under the program, as when a session on X11 ends."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from kit.program import Program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kit.project import Project

MOST_WORDS = 20
"""Lines that Qt may say about it; once it was hundreds of thousands."""


@pytest.fixture
def display() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """An X server of the test's own, by its display's name."""
    reading, writing = os.pipe()
    argv = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "640x480x24", "-nolisten", "tcp"]
    with subprocess.Popen(argv, pass_fds=[writing], stderr=subprocess.DEVNULL) as server, os.fdopen(reading) as told:
        os.close(writing)
        yield f":{told.readline().strip()}", server
        server.terminate()


async def test_row_11_a_display_that_goes_away_ends_everything_in_stages(
    tmp_path: Path, project: Project, display: tuple[str, subprocess.Popen[bytes]]
) -> None:
    """In the middle of a run: all is gone in ten seconds, with exit code 0, and the session's log is not flooded."""
    name, server = display
    project.add_slow_tests()
    program = Program(tmp_path / "home", os.environ | {"DISPLAY": name, "QT_QPA_PLATFORM": "xcb"})
    program.start(str(project.root))
    await program.until_running("test_slow")
    children = program.children()

    server.terminate()

    assert await program.until_gone(children) == 0
    assert "Traceback" not in program.printed()
    assert len(program.printed().splitlines()) <= MOST_WORDS
    assert (program.home / "logs" / "watchkeeper.log").read_text().count("The X11 connection broke") <= MOST_WORDS
