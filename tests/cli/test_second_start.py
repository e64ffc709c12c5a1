"""A second `watchkeeper PATH`: what it says of the instance that runs, which may be stuck, or in safe mode."""

from __future__ import annotations

import os
import socket
import sys
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
