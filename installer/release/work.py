"""What every kind of package is built from."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from provision.console import Console, Stop
from provision.system import SystemPackages

_FIRST_OF_ZIP = 315_532_800
"""1980-01-01, the earliest time that a zip archive can hold."""
SECRETS = ("WATCHKEEPER_SIGN_PASSWORD", "WATCHKEEPER_KEY_PASSWORD")
"""What of the environment is for those alone who sign."""


@dataclass(frozen=True, slots=True)
class Announced:
    """Where the built program looks for newer releases; `app.system.installed` tells what it does with it.

    Args:
        url: the feed's https address; empty for none.
        keys: Ed25519 public keys, base64.
    """

    url: str = ""
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Work:
    """One build.

    Args:
        root: the checkout.
        out: where what people install goes: `dist`.
        scratch: where everything else goes: `build`, which may be deleted at any time.
        version: that of `app/__init__.py`.
        epoch: the time that every file in a package bears, in seconds since 1970: that of the commit.
        python: the interpreter of the checkout's `.venv`.
        environ: the caller's environment.
        console: where progress is shown.
        packages: brings the system's programs.
        announced: the feed of releases.
    """

    root: Path
    out: Path
    scratch: Path
    version: str
    epoch: int
    python: Path
    environ: Mapping[str, str]
    console: Console
    packages: SystemPackages
    announced: Announced = Announced()

    def script(self, name: str) -> str:
        """Gives the path of a program of the checkout's `.venv`."""
        return str(self.python.with_name(name + (".exe" if os.name == "nt" else "")))

    @property
    def tool_environ(self) -> dict[str, str]:
        """The environment for programs that build: the same time and words on every machine, and no password."""
        return {
            **{name: value for name, value in self.environ.items() if name not in SECRETS},
            "SOURCE_DATE_EPOCH": str(self.epoch),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "PYTHONHASHSEED": "0",
        }

    @contextmanager
    def folder(self, name: str) -> Iterator[Path]:
        """Gives an empty folder under `scratch`, which stays for the person to look at.

        Args:
            name: such as `windows`.
        """
        path = self.scratch / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        yield path


def time_of(root: Path, environ: Mapping[str, str]) -> int:
    """Gives the time that the files in a package bear: SOURCE_DATE_EPOCH, else that of the last commit.

    Args:
        root: the checkout.
        environ: the caller's environment.

    Raises:
        Stop: there is neither.
    """
    told = environ.get("SOURCE_DATE_EPOCH", "")
    if not told:
        try:
            told = subprocess.check_output(
                ("git", "-C", str(root), "log", "-1", "--format=%ct"), stderr=subprocess.DEVNULL, text=True
            )
        except (OSError, subprocess.CalledProcessError) as error:
            message = (
                "Which time the files shall bear is not known here: this is no git checkout.\nSet SOURCE_DATE_EPOCH."
            )
            raise Stop(message, 3) from error
    try:
        return max(int(told), _FIRST_OF_ZIP)
    except ValueError as error:
        message = f"SOURCE_DATE_EPOCH is {told!r}. It is a number of seconds since 1970, such as 1767225600."
        raise Stop(message, 2) from error
