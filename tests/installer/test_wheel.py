"""The wheel that people install holds everything that the program reads, and starts."""

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
    built = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=50)
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    return path


def shipped(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_every_file_of_the_program_and_no_other(root: Path, wheel: Path) -> None:
    """Code, migrations, the workers that run elsewhere, icons: all of app/ and resources/icons, and nothing else."""
    expected = {f"app/{name}" for name in shipped(root / "app")}
    expected |= {f"app/resources/icons/{name}" for name in shipped(root / "resources" / "icons")}

    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert held == expected


def test_the_installed_wheel_starts_and_finds_its_icons(wheel: Path, tmp_path: Path) -> None:
    """In an environment of its own, away from the checkout, the command answers and the resources are there."""
    home = tmp_path / "venv"
    venv.create(home, symlinks=sys.platform != "win32")
    python = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    pip = (sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel))
    subprocess.run(pip, capture_output=True, check=True, timeout=50)
    # What it depends on comes from the tests' own environment; a path in a .pth file brings no editable install along.
    packages = subprocess.check_output(
        (str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"), text=True
    ).strip()
    (Path(packages) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")

    command = python.with_name("watchkeeper" + python.suffix)
    version = subprocess.run(
        (command, "--version"), cwd=tmp_path, capture_output=True, text=True, check=False, timeout=50
    )
    found = subprocess.check_output(
        (
            str(python),
            "-I",
            "-c",
            "from app.ui.resources import resource; print(resource('icons/watchkeeper.svg'))",
        ),
        cwd=tmp_path,
        text=True,
    )

    assert version.returncode == 0, version.stderr
    assert Path(found.strip()).is_relative_to(home)
