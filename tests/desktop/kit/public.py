"""Public projects with real suites, as the registry's source distributions carry them, each with its own `.venv`."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SETUP_S = 300
SUITE_S = 120


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a project is set up, and how one of its core functions is broken.

    Attributes:
        sdist: Name and version of the source distribution.
        extras: Of the project itself, in brackets, or empty.
        needs: What its tests need, pinned where newer ones change their outcome.
        core: The file with the function.
        good: A text that stands once or more in it.
        broken: What breaks it.
        left_out: pytest arguments that leave out what needs the internet, or tells another story each time.
    """

    sdist: str
    extras: str
    needs: tuple[str, ...]
    core: str
    good: str
    broken: str
    left_out: tuple[str, ...] = ()


RECIPES = {
    "flask": Recipe(
        "flask==3.1.3",
        "[async,dotenv]",
        ("pytest==8.4.2", "werkzeug==3.1.3"),
        "src/flask/config.py",
        "isupper()",
        "islower()",
    ),
    "httpx": Recipe(
        "httpx==0.28.1",
        "[brotli,cli,http2,socks,zstd]",
        ("pytest==8.3.4", "chardet==5.2.0", "click<8.2", "trio==0.27.0", "trustme==1.1.0", "uvicorn==0.32.1"),
        "httpx/_utils.py",
        'return "true"',
        'return "True"',
        ("--deselect=tests/client/test_proxies.py", "--deselect=tests/test_timeouts.py"),
    ),
    "marshmallow": Recipe(
        "marshmallow==4.4.0",
        "",
        ("pytest==9.2.0", "simplejson"),
        "src/marshmallow/utils.py",
        "return value.timestamp()",
        "return value.timestamp() + 1",
    ),
}


class PublicProject:
    """A checkout of a public project under git, with branches `good` and `broken`.

    Args:
        recipe: How it is made.
        folder: Where it is made.
    """

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        self.recipe = recipe
        _run(
            [
                sys.executable,
                "-m",
                "pip",
                "download",
                "-q",
                "--no-deps",
                "--no-binary",
                ":all:",
                "-d",
                ".",
                recipe.sdist,
            ],
            folder,
        )
        (archive,) = folder.glob("*.tar.gz")
        with tarfile.open(archive) as content:
            content.extractall(folder, filter="data")
        self.root = archive.with_name(archive.name.removesuffix(".tar.gz"))
        _run([sys.executable, "-m", "venv", ".venv"], self.root)
        self.python = str(self.root / ".venv" / "bin" / "python")
        _run([self.python, "-m", "pip", "install", "-q", "-e", f".{recipe.extras}", *recipe.needs], self.root)
        self.code = self.root / recipe.core
        self.good = self.code.read_text(encoding="utf-8")
        self.broken = self.good.replace(recipe.good, recipe.broken)
        assert self.broken != self.good, recipe.core
        (self.root / ".gitignore").write_text(".venv/\n__pycache__/\n*.egg-info/\n.pytest_cache/\n", encoding="utf-8")
        self.git("init", "--quiet", "--initial-branch=good")
        self.commit("good")
        self.git("checkout", "--quiet", "-b", "broken")
        self.code.write_text(self.broken, encoding="utf-8")
        self.commit("broken")
        self.git("checkout", "--quiet", "good")

    def git(self, *words: str) -> None:
        """Run git in the project."""
        _run(["git", *words], self.root)

    def commit(self, message: str) -> None:
        """Commit everything."""
        self.git("add", "--all")
        self.git("-c", "user.name=Ann", "-c", "user.email=ann@example.org", "commit", "--quiet", "-m", message)

    def outcomes(self, folder: Path) -> dict[str, str]:
        """Return how each test ends under a plain `python -m pytest`, by node id, told by a plugin of its own."""
        (folder / "tellall.py").write_text(TELL_ALL, encoding="utf-8")
        told = folder / "told.txt"
        told.unlink(missing_ok=True)
        environ = os.environ | {"PYTHONPATH": str(folder), "TOLD": str(told)}
        argv = [self.python, "-m", "pytest", "-q", "-p", "tellall", *self.recipe.left_out]
        subprocess.run(argv, cwd=self.root, env=environ, capture_output=True, timeout=SUITE_S, check=False)
        lines = told.read_text(encoding="utf-8").splitlines()
        return {nodeid: outcome for outcome, _, nodeid in (line.partition(" ") for line in lines)}


TELL_ALL = """
import os

outcomes = {}


def pytest_runtest_logreport(report):
    outcome = report.outcome
    if hasattr(report, "wasxfail"):
        outcome = "xfailed" if report.skipped else "xpassed"
    if report.when == "call" or outcome in ("skipped", "xfailed"):
        outcomes[report.nodeid] = outcome
    elif outcome == "failed":
        outcomes[report.nodeid] = "error"


def pytest_sessionfinish(session):
    with open(os.environ["TOLD"], "w", encoding="utf-8") as told:
        for nodeid, outcome in outcomes.items():
            told.write(f"{outcome} {nodeid}\\n")
"""


def _run(argv: list[str], folder: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(argv, cwd=folder, env=environ, capture_output=True, text=True, timeout=SETUP_S, check=False)
    assert done.returncode == 0, f"{argv}\n{done.stdout}\n{done.stderr}"
