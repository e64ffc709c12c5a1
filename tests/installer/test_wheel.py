"""The wheel that people install holds everything that the program reads, and starts."""

import argparse
import base64
import csv
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from app.system.installed import Channel, installation
from release import commands
from release import wheel as wheels
from release.work import Announced, Work

FEED = Announced("https://feed.example/releases.json", (base64.b64encode(bytes(range(32))).decode(),))


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


def copy_of_the_checkout(root: Path, folder: Path) -> Path:
    """Copies what the wheel is made of, as somebody has it whose files nobody else may read."""
    for name in ("app", "resources/icons"):
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(root / name, folder / name)
    for path in folder.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
        os.utime(path, (86_400, 86_400))
    return folder


def test_the_wheel_is_the_same_wherever_and_by_whomever_it_is_built(root: Path, tmp_path: Path, work: Work) -> None:
    """Another folder, time zone and language, other modes and times of the files: to the last byte the same wheel."""
    elsewhere = copy_of_the_checkout(root, tmp_path / "else where")
    away = {**os.environ, "TZ": "Pacific/Kiritimati", "LC_ALL": "C", "PYTHONHASHSEED": "7", "HOME": str(tmp_path)}
    other = replace(work, root=elsewhere, environ=away)

    made = []
    for each in (work, other):
        with each.folder("wheel") as folder:
            made.append(wheels.wheel_in(folder, each).read_bytes())

    assert hashlib.sha256(made[0]).hexdigest() == hashlib.sha256(made[1]).hexdigest()


def test_a_wheel_of_a_release_says_what_it_is(tmp_path: Path, work: Work) -> None:
    """With a feed named, the program in the wheel knows its channel and whom to believe, and RECORD knows the note."""
    announced = replace(work, announced=FEED)

    path, listed = wheels.build(announced, argparse.Namespace())

    with zipfile.ZipFile(path) as archive:
        note = archive.read("app/installed.json")
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/RECORD"))
        rows = {row[0]: row[1:] for row in csv.reader(io.TextIOWrapper(archive.open(name), "utf-8"))}
        mode = archive.getinfo("app/installed.json").external_attr >> 16 & 0o777
        last = archive.namelist()[-1]
        times = {entry.date_time for entry in archive.infolist()}
    (tmp_path / "installed.json").write_bytes(note)
    told = installation(tmp_path)
    digest = base64.urlsafe_b64encode(hashlib.sha256(note).digest()).rstrip(b"=").decode()
    assert told.channel is Channel.WHEEL
    assert told.feed is not None
    assert (told.feed.url, told.feed.keys) == (FEED.url, (bytes(range(32)),))
    assert rows["app/installed.json"] == [f"sha256={digest}", str(len(note))]
    assert (mode, last) == (0o644, name)
    assert times == {(2026, 1, 1, 0, 0, 0)}
    assert json.loads(listed.read_bytes())["metadata"]["component"]["hashes"] == [
        {"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--feed-url", FEED.url), "go together"),
        (("--feed-key", FEED.keys[0]), "go together"),
        (("--feed-url", "http://feed.example/releases.json", "--feed-key", FEED.keys[0]), "https address"),
        (("--feed-url", FEED.url, "--feed-key", FEED.keys[0][:-4]), "no Ed25519 public key"),
        (("--feed-url", FEED.url, "--feed-key", "a key!"), "no Ed25519 public key"),
    ],
)
def test_a_feed_that_no_program_could_ask_is_refused(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    """Half a feed, or a key with a slip in it, is told before a program is built that would never find a newer one."""
    code = commands.main(("wheel", "--out", str(tmp_path), *words), {**os.environ, commands.INSIDE: "1"}, root)

    assert code == 2
    assert told in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
