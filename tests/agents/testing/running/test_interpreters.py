"""Which Python is found for a project, over real folders."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from app.agents.testing.running.interpreters import Interpreter, find_interpreter, run_command
from app.domain.errors import InterpreterMissing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def environment(prefix: Path) -> Path:
    """Make what looks like a virtual environment; returns its Python."""
    python = executable(prefix / "bin" / "python")
    (prefix / "pyvenv.cfg").write_text("home = /usr/bin\n")
    return python


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Watchkeeper's own environment."""
    environment(tmp_path / "own")
    executable(tmp_path / "own" / "bin" / "python3")
    return tmp_path / "own"


class Poetry:
    """Stands in for the command `poetry`."""

    def __init__(self, answer: str | Exception) -> None:
        self.answer = answer
        self.environ: Mapping[str, str] = {}

    def __call__(self, argv: Sequence[str], folder: Path, environ: Mapping[str, str], seconds: float) -> str:
        assert argv[1:] == ("env", "info", "--path")
        assert folder.name == "project"
        assert seconds > 0
        self.environ = environ
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def poetry_on_path(tmp_path: Path) -> str:
    return str(executable(tmp_path / "tools" / "poetry").parent)


@pytest.mark.parametrize("name", [".venv", "venv", "env"])
def test_the_projects_own_environment_is_found(root: Path, name: str) -> None:
    """The usual folders are looked at, and the link is kept, as it is what makes the environment."""
    python = environment(root / name)

    assert find_interpreter(root, environ={"PATH": ""}) == Interpreter(str(python), name)


def test_a_linked_python_is_not_resolved(root: Path) -> None:
    """Following the link would leave the environment and its packages."""
    (root / ".venv" / "bin").mkdir(parents=True)
    (root / ".venv" / "bin" / "python").symlink_to(sys.executable)

    assert find_interpreter(root, environ={"PATH": ""}).path == str(root / ".venv" / "bin" / "python")


def test_the_order_is_kept(root: Path, tmp_path: Path, own: Path) -> None:
    """Each place is taken before those that come after it; what is removed makes the next one win."""
    inside = environment(root / "tools" / "venv3")
    places = {
        "VIRTUAL_ENV": inside,
        ".venv": environment(root / ".venv"),
        "venv": environment(root / "venv"),
        "env": environment(root / "env"),
        "poetry": environment(tmp_path / "poetry-env"),
        "uv": environment(root / "uv-env"),
        "conda": executable(tmp_path / "conda" / "bin" / "python"),
    }
    (root / "poetry.lock").touch()
    (root / "environment.yml").write_text("dependencies: []\n")
    (tmp_path / "conda" / "conda-meta").mkdir()
    last = executable(tmp_path / "bin" / "python3")
    environ = {
        "VIRTUAL_ENV": str(root / "tools" / "venv3"),
        "UV_PROJECT_ENVIRONMENT": "uv-env",
        "CONDA_PREFIX": str(tmp_path / "conda"),
        "PATH": os.pathsep.join([poetry_on_path(tmp_path), str(own / "bin"), str(last.parent)]),
    }
    run = Poetry(f"{tmp_path / 'poetry-env'}\n")

    found = []
    for python in places.values():
        found.append(find_interpreter(root, environ=environ, run=run, own_prefix=str(own)))
        python.unlink()
    found.append(find_interpreter(root, environ=environ, run=run, own_prefix=str(own)))

    expected = [Interpreter(str(python), source) for source, python in places.items()]
    assert found == [*expected, Interpreter(str(last), "PATH")]


def test_an_active_environment_elsewhere_comes_after_the_projects(root: Path, tmp_path: Path) -> None:
    """An environment that was active when Watchkeeper was started is used when the project has none."""
    elsewhere = environment(tmp_path / "elsewhere")
    environ = {"VIRTUAL_ENV": str(tmp_path / "elsewhere"), "PATH": ""}

    alone = find_interpreter(root, environ=environ)
    python = environment(root / ".venv")
    beside = find_interpreter(root, environ=environ)

    assert alone == Interpreter(str(elsewhere), "VIRTUAL_ENV")
    assert beside == Interpreter(str(python), ".venv")


def test_watchkeepers_own_environment_is_never_taken(root: Path, own: Path) -> None:
    """Neither by VIRTUAL_ENV nor by PATH: the project's packages are not in there."""
    environ = {"VIRTUAL_ENV": str(own), "PATH": str(own / "bin")}

    with pytest.raises(InterpreterMissing, match="VIRTUAL_ENV is Watchkeeper's own"):
        find_interpreter(root, environ=environ, own_prefix=str(own))


def test_watchkeeper_watches_itself(root: Path) -> None:
    """Inside its own project, its own environment is the project's."""
    python = environment(root / ".venv")

    found = find_interpreter(root, environ={"PATH": ""}, own_prefix=str(root / ".venv"))

    assert found.path == str(python)


def test_poetry_is_asked_without_the_active_environment(root: Path, tmp_path: Path) -> None:
    """With VIRTUAL_ENV set, poetry would answer that one."""
    (root / "pyproject.toml").write_text("[tool.poetry]\nname = 'x'\n")
    environment(tmp_path / "poetry-env")
    run = Poetry(str(tmp_path / "poetry-env"))
    environ = {"PATH": poetry_on_path(tmp_path), "VIRTUAL_ENV": str(tmp_path / "other")}

    assert find_interpreter(root, environ=environ, run=run).source == "poetry"
    assert "VIRTUAL_ENV" not in run.environ


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (subprocess.TimeoutExpired("poetry", 10), "poetry did not answer within"),
        (subprocess.CalledProcessError(1, "poetry"), "poetry has made no environment"),
        (FileNotFoundError(), "poetry has made no environment"),
    ],
)
def test_a_poetry_that_does_not_answer_is_told(root: Path, tmp_path: Path, answer: Exception, reason: str) -> None:
    """A poetry that fails is passed over, and the message says so when nothing else is found."""
    (root / "poetry.lock").touch()

    with pytest.raises(InterpreterMissing, match=reason):
        find_interpreter(root, environ={"PATH": poetry_on_path(tmp_path)}, run=Poetry(answer))


def test_poetry_is_not_asked_by_other_projects(root: Path, tmp_path: Path) -> None:
    """Asking costs about a second."""
    (root / "pyproject.toml").write_text("[project]\nname = 'x'\n")

    with pytest.raises(InterpreterMissing):
        find_interpreter(root, environ={"PATH": poetry_on_path(tmp_path)}, run=Poetry(AssertionError("asked")))


def test_the_named_conda_environment_is_taken(root: Path, tmp_path: Path) -> None:
    """The name in environment.yml decides, whatever environment is active."""
    (root / "environment.yml").write_text("name: project  # ours\ndependencies: []\n")
    python = executable(tmp_path / "conda" / "envs" / "project" / "bin" / "python")
    (tmp_path / "conda" / "envs" / "project" / "conda-meta").mkdir()

    found = find_interpreter(root, environ={"PATH": "", "CONDA_PREFIX": str(tmp_path / "conda")})

    assert found == Interpreter(str(python), "conda")


def test_a_conda_prefix_in_the_project_needs_no_description(root: Path) -> None:
    """`conda create -p .conda` is how editors make them."""
    python = executable(root / ".conda" / "bin" / "python")
    (root / ".conda" / "conda-meta").mkdir()

    assert find_interpreter(root, environ={"PATH": ""}) == Interpreter(str(python), "conda")


def test_windows_layouts_are_known(root: Path) -> None:
    """On Windows the Python of an environment is Scripts/python.exe, and conda's is in the prefix itself."""
    conda = executable(root / "env" / "python.exe")
    first = find_interpreter(root, environ={"PATH": ""}, windows=True)
    venv = executable(root / ".venv" / "Scripts" / "python.exe")
    second = find_interpreter(root, environ={"PATH": ""}, windows=True)

    assert (first.path, second.path) == (str(conda), str(venv))


def test_the_configured_one_wins(root: Path, tmp_path: Path) -> None:
    """An executable, an environment's folder, a path below the project and a command's name may be configured."""
    environment(root / ".venv")
    executable(tmp_path / "bin" / "python3.99")
    configured = {
        str(executable(tmp_path / "other" / "python")): str(tmp_path / "other" / "python"),
        str(tmp_path / "elsewhere"): str(environment(tmp_path / "elsewhere")),
        "tools/python": str(executable(root / "tools" / "python")),
        "python3.99": str(tmp_path / "bin" / "python3.99"),
    }

    for value, expected in configured.items():
        found = find_interpreter(root, configured=value, environ={"PATH": str(tmp_path / "bin")})
        assert found == Interpreter(expected, "settings", value)


def test_a_configured_one_that_is_gone_is_an_error(root: Path) -> None:
    """Nothing else is taken silently in the place of what a person asked for."""
    environment(root / ".venv")

    with pytest.raises(InterpreterMissing, match="/gone/python does not exist") as caught:
        find_interpreter(root, configured="/gone/python", environ={"PATH": ""})

    assert "remove the setting" in caught.value.hint


def test_broken_ones_are_passed_over_and_told(root: Path, tmp_path: Path) -> None:
    """The message says for each place why it did not do, and what to do."""
    (root / ".venv" / "bin").mkdir(parents=True)
    (root / ".venv" / "bin" / "python").symlink_to(tmp_path / "uninstalled")
    environment(root / "venv").chmod(0o600)
    executable(root / "env" / "Scripts" / "python.exe")
    (root / "env" / "pyvenv.cfg").touch()

    with pytest.raises(InterpreterMissing) as caught:
        find_interpreter(root, environ={"PATH": "", "VIRTUAL_ENV": str(tmp_path / "gone")})

    message = caught.value.message
    assert ".venv/bin/python is a link to nothing" in message
    assert "venv/bin/python may not be executed" in message
    assert "env is an environment made on another operating system" in message
    assert f"{tmp_path / 'gone'} (VIRTUAL_ENV) is no folder" in message
    assert "python3 -m venv" in caught.value.hint


def test_a_folder_named_env_that_is_none_is_no_reason(root: Path) -> None:
    """Many projects keep deployment settings in a folder `env`."""
    (root / "env").mkdir()
    (root / "env" / "production.ini").touch()

    with pytest.raises(InterpreterMissing, match="there is no environment in the project"):
        find_interpreter(root, environ={"PATH": ""})


def test_the_advice_is_what_one_types_on_windows(root: Path) -> None:
    """There python.org's launcher is called `py`, and a path with a space stands in quotes."""
    with pytest.raises(InterpreterMissing) as caught:
        find_interpreter(root, environ={"PATH": ""}, windows=True)

    assert f'py -m venv "{root / ".venv"}"' in caught.value.hint


def test_an_interpreter_knows_when_it_is_gone(root: Path) -> None:
    """An environment that is removed while it is watched is looked for anew."""
    python = environment(root / ".venv")
    found = find_interpreter(root, environ={"PATH": ""})
    before = found.exists()

    python.unlink()

    assert before
    assert not found.exists()


def test_a_command_that_hangs_is_ended(tmp_path: Path) -> None:
    """The deadline holds for the real thing."""
    with pytest.raises(subprocess.TimeoutExpired):
        run_command([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path, os.environ, 0.2)


def test_a_commands_answer_is_its_stdout(tmp_path: Path) -> None:
    """What it says on stderr, warnings mostly, is no answer."""
    code = "import sys; print('answer'); print('warning', file=sys.stderr)"

    assert run_command([sys.executable, "-c", code], tmp_path, os.environ, 30) == "answer\n"
