"""setup.exe is the same to the last byte, whoever builds it from the same commit."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

BUILD_S = 1800.0


@pytest.mark.installer
@pytest.mark.timeout(BUILD_S + 60)
@pytest.mark.skipif(sys.platform == "win32", reason="a umask is what it is about")
def test_another_person_builds_the_same_setup(root: Path, tmp_path: Path) -> None:
    """Another time zone, language and umask: the setup that was built just before is built again."""
    (before,) = (root / "dist").glob("watchkeeper-*-testing-setup.exe")
    environ = {**os.environ, "TZ": "Asia/Tokyo", "LANG": "ru_RU.UTF-8", "LC_ALL": ""}
    command = (sys.executable, "installer/build.py", "windows", "--python", "testing", "--out", str(tmp_path))

    built = subprocess.run(
        command, cwd=root, env=environ, umask=0o077, capture_output=True, text=True, check=False, timeout=BUILD_S
    )

    assert built.returncode == 0, built.stderr
    again = (tmp_path / before.name).read_bytes()
    assert hashlib.sha256(again).hexdigest() == hashlib.sha256(before.read_bytes()).hexdigest()
    assert "is not for release" in built.stderr
    assert len(again) < 35_000_000
