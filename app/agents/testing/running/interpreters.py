"""Which Python runs a project's tests: the one a developer would use there, never Watchkeeper's own.

Everything here reads the user's folders and may ask poetry: call it in a thread.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.domain.errors import InterpreterMissing
from app.engine.regular import read_regular
from app.engine.windowless import NO_WINDOW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Run = Callable[[Sequence[str], Path, Mapping[str, str], float], str]

POETRY_DEADLINE_S = 10.0
"""Poetry takes about a second to say where its environment is; a cold disk takes longer."""

_CONDA_FILES = ("environment.yml", "environment.yaml")
_CONDA_NAME = re.compile(r"^name:\s*['\"]?([^\s'\"#]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A project's Python.

    Attributes:
        path: The executable, absolute, its links not resolved (resolved, it would leave its environment).
        source: Where it was found: `settings`, `.venv`, `VIRTUAL_ENV`, `poetry`, ...
        configured: What the settings said when it was looked for; may be empty.
    """

    path: str
    source: str
    configured: str = ""

    def exists(self) -> bool:
        """Return whether it can still be run. Blocks on the file system."""
        return os.access(self.path, os.X_OK) and Path(self.path).is_file()


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Where a Python may be: a prefix, or an executable."""

    source: str
    path: Path
    is_prefix: bool = True


def find_interpreter(
    root: Path,
    *,
    configured: str = "",
    environ: Mapping[str, str],
    run: Run | None = None,
    own_prefix: str = sys.prefix,
    windows: bool = os.name == "nt",
) -> Interpreter:
    """Find the Python that runs a project's tests.

    In this order: what the settings say; an active virtual environment inside the project; the project's .venv, venv
    and env; poetry's; uv's; conda's; another active virtual environment; python3 and python on PATH.

    Args:
        root: The project's root folder, absolute.
        configured: What the settings say: an executable, an environment's folder or a command's name; relative to
            `root`. Empty: one is looked for.
        environ: The user's environment.
        run: Runs a command and returns its stdout: (argv, folder, environment, seconds). It raises OSError or
            subprocess.SubprocessError. None for the real thing.
        own_prefix: Watchkeeper's own environment, which is not used unless it lies inside the project.
        windows: Whether environments have Windows' layout.

    Raises:
        InterpreterMissing: None was found, or the configured one cannot be used; says what was looked at.
    """
    search = _Search(root, environ, run or run_command, Path(own_prefix), windows)
    if configured:
        return search.configured(configured)
    for candidate in search.candidates():
        found = search.try_one(candidate)
        if found is not None:
            return found
    looked = "; ".join(search.reasons) or "there is no environment in the project and no Python on PATH"
    raise InterpreterMissing(
        f"No Python was found to run the tests of {root}: {looked}.",
        f"Make an environment with: {making(root / '.venv', windows=windows)} - or name one in the settings.",
    )


def making(environment: Path, *, windows: bool = os.name == "nt") -> str:
    """Return the command by which a person makes a virtual environment.

    Args:
        environment: Its folder.
        windows: Whether it is typed on Windows, where python.org's launcher is called `py`.
    """
    return f'py -m venv "{environment}"' if windows else f"python3 -m venv {environment}"


def run_command(argv: Sequence[str], folder: Path, environ: Mapping[str, str], seconds: float) -> str:
    """Run a command and return what it wrote to stdout.

    Raises:
        OSError: It cannot be started.
        subprocess.SubprocessError: It failed, or took longer than `seconds`.
    """
    done = subprocess.run(  # noqa: S603 - a fixed command of a tool that the user installed
        list(argv),
        cwd=folder,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        timeout=seconds,
        check=True,
        creationflags=NO_WINDOW,
    )
    return done.stdout


class _Search:
    """One search: what is known of the project, and why what was looked at did not do."""

    def __init__(self, root: Path, environ: Mapping[str, str], run: Run, own_prefix: Path, windows: bool) -> None:  # noqa: FBT001 - one caller
        self.reasons: list[str] = []
        self._root = root
        self._environ = environ
        self._run = run
        self._own_prefix = own_prefix
        self._windows = windows

    def configured(self, value: str) -> Interpreter:
        """Return what the settings name, or say why it cannot be used: nothing else is taken in its place."""
        path = self._root / Path(value).expanduser()
        if not path.exists() and not path.is_symlink() and Path(value).name == value:
            on_path = shutil.which(value, path=self._environ.get("PATH", os.defpath))
            path = Path(on_path) if on_path else path
        found = self.try_one(_Candidate("settings", path, is_prefix=path.is_dir()))
        if found is None:
            raise InterpreterMissing(
                f"The Python in the settings of {self._root} cannot be used: {self.reasons[-1]}.",
                "Name an executable or an environment's folder there, or remove the setting to have one looked for.",
            )
        return replace(found, configured=value)

    def candidates(self) -> Iterator[_Candidate]:
        """Yield the places to look at, in order; those that cost time last and only when they are reached."""
        active = self._environ.get("VIRTUAL_ENV", "")
        is_inside = bool(active) and _is_inside(Path(active), self._root)
        if is_inside:
            yield _Candidate("VIRTUAL_ENV", Path(active))
        for name in (".venv", "venv", "env"):
            yield _Candidate(name, self._root / name)
        yield from self._poetry()
        uv = self._environ.get("UV_PROJECT_ENVIRONMENT")
        if uv:
            yield _Candidate("uv", self._root / uv)
        yield from self._conda()
        if active and not is_inside:
            if _is_same(Path(active), self._own_prefix):
                self.reasons.append("the active VIRTUAL_ENV is Watchkeeper's own")
            else:
                yield _Candidate("VIRTUAL_ENV", Path(active))
        yield from self._on_path()

    def try_one(self, candidate: _Candidate) -> Interpreter | None:
        """Return a candidate's Python, or None and note the reason; an absent folder is no reason."""
        if not candidate.is_prefix:
            reason = self._fault_of(candidate.path)
            if reason is None:
                return Interpreter(str(candidate.path), candidate.source)
            self.reasons.append(f"{candidate.path} {reason}")
            return None
        prefix = candidate.path
        if not prefix.is_dir():
            if prefix.is_symlink() or candidate.source not in (".venv", "venv", "env"):
                self.reasons.append(f"{prefix} ({candidate.source}) is no folder")
            return None
        faults = []
        for name in self._layout():
            fault = self._fault_of(prefix / name)
            if fault is None:
                return Interpreter(str(prefix / name), candidate.source)
            if fault != _ABSENT:
                faults.append(f"{prefix / name} {fault}")
        if faults:
            self.reasons.append(faults[0])
        elif _looks_like_environment(prefix) or candidate.source not in ("venv", "env"):
            other = "made on another operating system" if self._has_other_layout(prefix) else "without a Python"
            self.reasons.append(f"{prefix} is an environment {other}")
        return None

    def _layout(self) -> tuple[str, ...]:
        # conda on Windows has python.exe in the prefix itself
        return (
            ("Scripts/python.exe", "python.exe", "bin/python.exe") if self._windows else ("bin/python", "bin/python3")
        )

    def _has_other_layout(self, prefix: Path) -> bool:
        return (prefix / ("bin/python" if self._windows else "Scripts/python.exe")).exists()

    def _fault_of(self, path: Path) -> str | None:
        """Return what is wrong with an executable, or None."""
        if not path.is_file():
            if path.is_symlink():
                return "is a link to nothing: the Python it was made with is gone"
            return "is no file" if path.exists() else _ABSENT
        if not os.access(path, os.X_OK):
            return "may not be executed"
        return None

    def _poetry(self) -> Iterator[_Candidate]:
        if not ((self._root / "poetry.lock").exists() or _has_poetry_table(self._root / "pyproject.toml")):
            return
        poetry = shutil.which("poetry", path=self._environ.get("PATH", os.defpath))
        if poetry is None:
            self.reasons.append("it is a poetry project, but there is no poetry on PATH")
            return
        # With VIRTUAL_ENV set, poetry answers that environment in place of the project's own.
        environ = {name: value for name, value in self._environ.items() if name != "VIRTUAL_ENV"}
        try:
            said = self._run((poetry, "env", "info", "--path"), self._root, environ, POETRY_DEADLINE_S).strip()
        except subprocess.TimeoutExpired:
            self.reasons.append(f"poetry did not answer within {POETRY_DEADLINE_S:g} s")
        except (OSError, subprocess.SubprocessError):
            self.reasons.append("poetry has made no environment for the project yet (poetry install)")
        else:
            if said:
                yield _Candidate("poetry", Path(said.splitlines()[-1]))

    def _conda(self) -> Iterator[_Candidate]:
        if (self._root / ".conda" / "conda-meta").is_dir():
            yield _Candidate("conda", self._root / ".conda")
        described = next((self._root / name for name in _CONDA_FILES if (self._root / name).is_file()), None)
        active = self._environ.get("CONDA_PREFIX")
        if described is None or not active:
            return
        try:
            name = _CONDA_NAME.search(read_regular(described, _LARGEST_READ).decode("utf-8", "replace"))
        except OSError:
            name = None
        prefix = Path(active)
        if name is not None and prefix.name != name[1]:
            # Beside the active environment, or in the base installation's envs folder.
            for folder in (prefix.parent, prefix / "envs"):
                if (folder / name[1] / "conda-meta").is_dir():
                    yield _Candidate("conda", folder / name[1])
        yield _Candidate("conda", prefix)

    def _on_path(self) -> Iterator[_Candidate]:
        names = ("python3.exe", "python.exe") if self._windows else ("python3", "python")
        folders = [Path(each) for each in self._environ.get("PATH", os.defpath).split(os.pathsep) if each]
        is_own_venv = (self._own_prefix / "pyvenv.cfg").is_file()
        for name in names:
            for folder in folders:
                # Windows' alias folder holds stubs that open a shop.
                if not folder.is_absolute() or folder.name == "WindowsApps":
                    continue
                path = folder / name
                if is_own_venv and _is_inside(folder, self._own_prefix):
                    continue
                if path.is_file() or path.is_symlink():
                    yield _Candidate("PATH", path, is_prefix=False)


_ABSENT = "does not exist"
_LARGEST_READ = 1 << 20


def _looks_like_environment(prefix: Path) -> bool:
    return (prefix / "pyvenv.cfg").is_file() or (prefix / "conda-meta").is_dir()


def _has_poetry_table(pyproject: Path) -> bool:
    try:
        content = tomllib.loads(read_regular(pyproject, _LARGEST_READ).decode("utf-8"))
    except (OSError, ValueError):
        return False
    tool = content.get("tool")
    return isinstance(tool, dict) and "poetry" in tool


def _is_inside(path: Path, folder: Path) -> bool:
    return _real(path).is_relative_to(_real(folder))


def _is_same(one: Path, other: Path) -> bool:
    return _real(one) == _real(other)


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
