"""What the tests of the installer share: its package is no part of the program, so it is put on the path here."""

import io
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "installer"))

if TYPE_CHECKING:
    from release.work import Work


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Gives a PATH of its own, which holds only what the test writes: `programs("apt-get", "echo hello")`."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    shell = shutil.which("sh", path="/bin:/usr/bin")

    def write(name: str, script: str) -> Path:
        path = folder / name
        path.write_text(f"#!{shell}\n{script}\n", "utf-8")
        path.chmod(0o755)
        return path

    return write


@pytest.fixture
def work(tmp_path: Path) -> "Work":
    """A build of version 1.2.3 whose `out` and `scratch` are the test's own."""
    from provision.console import Console  # noqa: PLC0415 - on the path from here on only
    from provision.system import SystemPackages  # noqa: PLC0415 - likewise
    from release.work import Work  # noqa: PLC0415 - likewise

    console = Console(io.StringIO())
    out = tmp_path / "dist"
    out.mkdir()
    return Work(
        root=ROOT,
        out=out,
        scratch=tmp_path / "build",
        version="1.2.3",
        epoch=1_767_225_600,
        python=Path(sys.executable),
        environ=os.environ,
        console=console,
        packages=SystemPackages(console, os.environ, is_root=False),
    )
