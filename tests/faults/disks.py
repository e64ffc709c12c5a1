"""File systems that fail under the program: full, read-only, or hung. Each in a mount namespace of the program's own.

What the test does from outside is seen inside, unless something is mounted over it there; what is mounted there is seen
from outside below `/proc/PID/root`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.faults.headless import Headless

HUNG = Path(__file__).with_name("hung.py")
MADE_S = 20.0


@cache
def own_mounts() -> tuple[str, ...]:
    """Return the command that starts another with mounts of its own; skip the test where this user may not mount."""
    for words in (("unshare", "--mount"), ("unshare", "--map-root-user", "--mount")):
        tried = [*words, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
        if subprocess.run(tried, capture_output=True, check=False).returncode == 0:
            return words
    pytest.skip("nobody may mount a file system here, not even in a namespace of their own")


def with_mounts(script: str, *words: str | Path) -> tuple[str, ...]:
    """Return the command that starts another after a shell script has mounted something; `$1` on are the words."""
    count = len(words)
    shell = f'set -e\n{script}\nshift {count}\nexec "$@"'
    return (*own_mounts(), "sh", "-c", shell, "sh", *map(str, words))


def small_disk(home: Path, size: str) -> tuple[str, ...]:
    """Return the command that puts the program's home on a file system of this size."""
    script = 'mkdir -p "$1"; cp -a "$1/." "$2"; mount -t tmpfs -o size="$3",mode=700 tmpfs "$1"; cp -a "$2/." "$1"'
    aside = home.with_name(f"{home.name}-before")
    aside.mkdir()
    return with_mounts(script, home, aside, size)


def read_only(*folders: Path) -> tuple[str, ...]:
    """Return the command that makes these folders read-only for the program."""
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    binds = 'for each in "$@"; do [ "$each" = -- ] && break; mount --bind "$each" "$each"; '
    return with_mounts(f'{binds} mount -o remount,bind,ro "$each"; done', *folders, "--")


def inside(program: Headless, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command among the program's mounts."""
    argv = [*_entering(program), f"--wd={Path.cwd()}", *map(str, words)]
    return subprocess.run(argv, env=program.environ, capture_output=True, text=True, timeout=MADE_S, check=False)


def watchkeeper(program: Headless, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of ours beside the program, among its mounts."""
    return inside(program, sys.executable, "-m", "app.main", *words)


def seen(program: Headless, path: Path) -> Path:
    """Return the path by which a file of the program's mounts is reached from outside."""
    return Path(f"/proc/{program.process.pid}/root{path}")


def fill(folder: Path, last: Path | None = None) -> Path:
    """Leave no byte free on a file system, not even behind the end of the file `last`; return what has taken them."""
    ballast = folder / "ballast"
    _fill_up(ballast)
    if last is not None:
        _fill_up(last)
    return ballast


def _fill_up(path: Path) -> None:
    with path.open("ab", buffering=0) as file:
        for size in (65_536, 4096, 512, 1):
            try:
                while file.write(b"\n" * size):
                    pass
            except OSError:
                continue


@contextmanager
def hanging(program: Headless, folders: Sequence[Path]) -> Iterator[None]:
    """Have file systems that never answer lie over each of these folders, until this is left."""
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    argv = [*_entering(program), sys.executable, str(HUNG), *map(str, folders)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        if holder.stdout.readline() != "hung\n":
            pytest.skip(f"nobody may mount a file system of their own here: {os.strerror(holder.wait(MADE_S))}")
        yield
        holder.stdin.close()
        holder.wait(MADE_S)


def _entering(program: Headless) -> list[str]:
    """Return the command that starts another one among the program's mounts."""
    as_user = ["--user", "--preserve-credentials"] if "--map-root-user" in own_mounts() else []
    return ["nsenter", "--target", str(program.process.pid), "--mount", *as_user]
