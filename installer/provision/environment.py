"""The project's own `.venv`, made from the hash-pinned locks and kept true to them.

The project itself goes in as a plain editable install by the pinned hatchling: so the command `watchkeeper` is there
on every system (on Windows as an .exe), `importlib.metadata` knows the version, and nothing is fetched for the build.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

from provision.console import Console, Stop
from provision.system import ENSUREPIP, Need, SystemPackages

Purpose = Literal["run", "build", "test"]

_STAMP = "watchkeeper-setup.json"
# What goes into the editable install's metadata: name, entry points, version.
_PROJECT_FILES = ("pyproject.toml", "app/__init__.py")
# Each would send pip elsewhere than into .venv.
_MISLEADING = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON", "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")


class Environment:
    """Makes `.venv` what the lock says, at once where a stamp in it says that it is already.

    The stamp is written last. While work is under way it says "unfinished", and a start that finds that begins anew:
    a killed pip can leave a package that looks installed and is not. pip's cache keeps what was downloaded.

    Args:
        root: the checkout.
        console: where progress is shown.
        packages: brings what Debian leaves out of Python.
        environ: the caller's environment; pip's own settings in it (index, certificates, proxy) stay in force.
    """

    def __init__(self, root: Path, console: Console, packages: SystemPackages, environ: Mapping[str, str]) -> None:
        self._root = root
        self._console = console
        self._packages = packages
        self._environ = environ
        self.folder = root / ".venv"
        self._scripts = self.folder / ("Scripts" if os.name == "nt" else "bin")
        self.python = self._scripts / ("python.exe" if os.name == "nt" else "python")

    def script(self, name: str) -> Path:
        """Gives the path of a console script in the environment."""
        return self._scripts / (name + (".exe" if os.name == "nt" else ""))

    def needs(self) -> tuple[Need, ...]:
        """Gives what the system must bring for it, so that a person can be told of everything at once."""
        return () if self.python.exists() else (ENSUREPIP,)

    def ready(self, purpose: Purpose) -> bool:
        """Says whether nothing is left to do for a purpose; costs a few milliseconds."""
        stamp = self._stamp()
        if stamp is None or stamp.get("python") != self._interpreter():
            return False
        wanted = {
            "root": str(self._root),
            "project": self._digest(*_PROJECT_FILES),
            purpose: self._lock_digest(purpose),
        }
        return all(stamp.get(key) == value for key, value in wanted.items())

    def prepare(self, purpose: Purpose) -> None:
        """Sets up what is missing; a second bootstrap waits for the first.

        Args:
            purpose: "run": what the program needs; "build": that and what packs a release; "test": both, and the tools
                of the tests.

        Raises:
            Stop: it could not be done.
        """
        try:
            if self.ready(purpose):
                return
            with self._alone() as lock:
                if not self.ready(purpose):
                    self._set_up(purpose, lock)
        except OSError as error:
            raise Stop(self._explain(error)) from error

    def _set_up(self, purpose: Purpose, lock: int) -> None:
        stamp = self._stamp()
        if not self._usable(stamp):
            self._make(lock)
            stamp = None
        self._write_stamp({"unfinished": purpose})
        done = {key: value for key, value in (stamp or {}).items() if key in get_args(Purpose)}
        if done.get(purpose) != self._lock_digest(purpose):
            lines = self._lock_file(purpose).read_text("utf-8").splitlines()
            count = sum("==" in line for line in lines)
            pinned = ("--require-hashes", "--only-binary=:all:", "-r", str(self._lock_file(purpose)))
            self._pip(f"Installing up to {count} pinned packages into .venv", pinned, lock)
            # A larger lock holds all of the smaller ones, with the same pins; after it nothing is known of the rest.
            purposes = get_args(Purpose)
            done = {name: self._lock_digest(name) for name in purposes[: purposes.index(purpose) + 1]}
        editable = ("--no-index", "--no-deps", "--no-build-isolation", "--editable", str(self._root))
        self._pip("Installing Watchkeeper itself", editable, lock)
        here = {"root": str(self._root), "python": self._interpreter(), "project": self._digest(*_PROJECT_FILES)}
        self._write_stamp({**here, **done})

    def _pip(self, title: str, arguments: Sequence[str], lock: int) -> None:
        pip = (str(self.python), "-I", "-m", "pip", "--disable-pip-version-check", "--no-input", "install")
        self._console.run(title, (*pip, *arguments), env=self._pip_environ(), keep_open=_inherited(lock))

    def _usable(self, stamp: Mapping[str, str] | None) -> bool:
        """Says whether pip can go on in the `.venv` that is there, such as one that a person made by hand."""
        if stamp is not None and (
            "unfinished" in stamp or stamp.get("root") != str(self._root) or stamp.get("python") != self._interpreter()
        ):
            return False
        version = _venv_version(self.folder)
        if version is None or version < (3, 11) or not self.python.exists():
            return False
        # Not "is pip's folder there": a Python that does not start any more must be found here too.
        asked = subprocess.run(
            (str(self.python), "-I", "-m", "pip", "--version"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=self._pip_environ(),
            check=False,
        )
        return asked.returncode == 0

    def _make(self, lock: int) -> None:
        base = getattr(sys, "_base_executable", None) or sys.executable
        self._packages.ensure((ENSUREPIP,), "Making a virtual environment needs")
        if self.folder.exists() and any(self.folder.iterdir()):
            self._console.say("The .venv that is there is unfinished, was moved or lost its Python: making it anew.")
        self.folder.mkdir(exist_ok=True)
        # Before the clearing: a start that finds it half cleared must not take it for a whole one.
        self._write_stamp({"unfinished": "venv"})
        for child in self.folder.iterdir():
            if child.name == _STAMP:
                continue
            if child.is_dir() and not child.is_symlink():
                shutil.rmtree(child)
            else:
                child.unlink()
        self._console.run(
            f"Making .venv with Python {sys.version_info.major}.{sys.version_info.minor}",
            (base, "-I", "-m", "venv", str(self.folder)),
            env=self._pip_environ(),
            keep_open=_inherited(lock),
        )

    def _pip_environ(self) -> dict[str, str]:
        env = {key: value for key, value in self._environ.items() if key not in _MISLEADING}
        # A person's pip.conf may say --user for their daily work; here that would be refused.
        return {**env, "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}

    def _interpreter(self) -> str:
        if os.name == "nt":
            # Windows' venv holds a launcher that only knows where Python was.
            home = Path(_settings(self.folder).get("home", ""))
            return str(home) if self.python.exists() and (home / "python.exe").exists() else ""
        # The link's end, not the link: where the system's python3 becomes another version, the packages are lost.
        return str(self.python.resolve()) if self.python.exists() else ""

    def _lock_file(self, purpose: str) -> Path:
        return self._root / "installer" / "locks" / f"{purpose}.txt"

    def _lock_digest(self, purpose: str) -> str:
        return self._digest(f"installer/locks/{purpose}.txt")

    def _digest(self, *files: str) -> str:
        digest = hashlib.sha256()
        for file in files:
            digest.update((self._root / file).read_bytes())
        return digest.hexdigest()

    def _stamp(self) -> dict[str, str] | None:
        try:
            found = json.loads((self.folder / _STAMP).read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            return {"unfinished": "unreadable"}
        return found if isinstance(found, dict) else {"unfinished": "unreadable"}

    def _write_stamp(self, stamp: Mapping[str, str]) -> None:
        temporary = self.folder / (_STAMP + ".new")
        temporary.write_text(json.dumps(stamp, indent=1) + "\n", "utf-8")
        temporary.replace(self.folder / _STAMP)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[int]:
        """Holds the checkout for one bootstrap; gives the descriptor that holds it."""
        # The lock is on a file that is there anyway, so nothing is left behind and nothing must be ignored.
        with self._lock_file("run").open("rb+") as file:
            if not _try_lock(file.fileno()):
                self._console.say("Another bootstrap is setting up this checkout: waiting for it to end ...")
                _wait_lock(file.fileno())
            yield file.fileno()

    def _explain(self, error: OSError) -> str:
        if error.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
            return (
                f"Watchkeeper sets itself up in {self.folder}, and this checkout cannot be written to"
                f" ({error.strerror}: {error.filename}).\nMake it writable, or clone it to a folder that is yours."
            )
        if error.errno == errno.ENOSPC:
            return f"The disk is full: {self.folder} needs about 700 MB. Make room, then start this again."
        return f"Watchkeeper could not set itself up in {self.folder}: {error}."


def _settings(folder: Path) -> dict[str, str]:
    """Reads pyvenv.cfg, PEP 405's `key = value` lines; empty where there is none."""
    try:
        lines = (folder / "pyvenv.cfg").read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    return {key.strip(): value.strip() for key, sign, value in (line.partition("=") for line in lines) if sign}


def _venv_version(folder: Path) -> tuple[int, int] | None:
    found = _settings(folder)
    # The standard library writes one, virtualenv and uv the other.
    parts = (found.get("version") or found.get("version_info") or "").split(".")
    try:
        return int(parts[0]), int(parts[1])
    except (IndexError, ValueError):
        return None


def _inherited(lock: int) -> tuple[int, ...]:
    # On POSIX the lock then lasts until pip ends too, even if this process is killed under it.
    return () if os.name == "nt" else (lock,)


def _try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 - Windows only

            os.lseek(descriptor, 0x7FFF0000, os.SEEK_SET)  # past the end: others may read the file meanwhile
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415 - POSIX only

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EACCES, errno.EAGAIN, errno.EDEADLK}:
            return False
        raise
    return True


def _wait_lock(descriptor: int) -> None:
    if sys.platform == "win32":
        while not _try_lock(descriptor):  # its own waiting lock gives up after ten seconds
            time.sleep(0.2)
    else:
        import fcntl  # noqa: PLC0415 - POSIX only

        fcntl.flock(descriptor, fcntl.LOCK_EX)
