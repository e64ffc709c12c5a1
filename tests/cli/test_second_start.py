"""A second `watchkeeper PATH`: what it says of the instance that runs, which may be stuck, or in safe mode."""

from __future__ import annotations

import os
import socket
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from app import main
from app.domain import commands
from app.domain.health import HealthView
from app.system.instance import SingleInstance

if TYPE_CHECKING:
    from pathlib import Path

    from app.engine.places import Places
    from tests.cli.conftest import CommandLine, Instance


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "test_it.py").touch()
    return tmp_path


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch, project: Path) -> list[str]:
    """The command line that names the project."""
    given = ["watchkeeper", str(project)]
    monkeypatch.setattr(sys, "argv", given)
    return given


@pytest.mark.usefixtures("words")
def test_an_instance_that_does_not_answer_is_named_soon(
    places: Places, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not after half a minute: which process it is, and how to end it."""
    monkeypatch.setattr("app.cli.patience.PATIENCE_S", 0.3)
    with SingleInstance(places) as lock, socket.socket(socket.AF_UNIX) as listener:
        assert lock.acquire()
        listener.bind(str(places.socket))
        listener.listen()

        code = main.main()

    said = capsys.readouterr().err
    assert code == 3
    assert f"(process {os.getpid()}) did not answer within 0.3 s." in said
    assert f"kill -9 {os.getpid()}" in said


@pytest.mark.parametrize("why", ["", "you asked for it with --safe"])
@pytest.mark.usefixtures("words")
def test_safe_mode_is_said_where_a_project_is_named(
    cli: CommandLine, instance: Instance, places: Places, project: Path, why: str
) -> None:
    """It is handed on, and the person learns that nothing tests it yet."""
    instance.snapshot = replace(instance.snapshot, health=HealthView(safe_mode=why))
    cli.capsys.readouterr()
    with SingleInstance(places) as lock:
        assert lock.acquire()

        code = main.main()

    said = cli.capsys.readouterr().err
    assert code == 0
    assert commands.WatchProject(path=str(project)) in instance.seen
    assert ("Safe mode: no agent was started" in said) is bool(why)
    assert ("watchkeeper health --leave-safe-mode" in said) is bool(why)


@pytest.mark.usefixtures("words")
def test_one_that_ends_while_it_comes_up_is_followed(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """It had the lock and never a socket: the second start does not fail, but watches in its place."""
    watched: list[tuple[Path, ...]] = []

    def watch(_places: Places, folders: tuple[Path, ...], _options: object) -> int:
        watched.append(folders)
        return 0

    monkeypatch.setattr(main, "_watch_alone", watch)
    with SingleInstance(places) as lock:
        assert lock.acquire()
        gives_up = threading.Timer(0.3, lock.release)
        gives_up.start()

        code = main.main()
        gives_up.join()

    assert code == 0
    assert len(watched) == 1


@pytest.mark.usefixtures("words")
def test_one_that_never_comes_up_is_told(
    places: Places, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while, and not as if nothing ran."""
    monkeypatch.setattr("app.cli.patience.COMES_UP_S", 0.2)
    with SingleInstance(places) as lock:
        assert lock.acquire()

        code = main.main()

    assert code == 3
    assert "The Watchkeeper that was started does not answer after 0.2 s." in capsys.readouterr().err
