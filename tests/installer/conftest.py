"""What the tests of the installer share: its package is no part of the program, so it is put on the path here."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "installer"))


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
