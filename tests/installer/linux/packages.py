"""The packages of this checkout, built for the tests."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[3]
BUILT_S = 1800.0
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Built:
    """The packages.

    Attributes:
        deb: The Debian package.
        portable: The archive.
    """

    deb: Path
    portable: Path


def build(kind: str, out: Path, root: Path = ROOT) -> Path:
    """Build one kind of package from this checkout, and return its path."""
    command = (sys.executable, str(root / "installer" / "build.py"), kind, "--out", str(out))
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=BUILT_S)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.splitlines()[0].rpartition("  ")[0])


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that comes by itself; that it does not come fails the test."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come within {PATIENCE_S:.0f} s"
        time.sleep(0.2)
