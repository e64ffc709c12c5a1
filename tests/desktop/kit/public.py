"""Public projects with real suites, as the registry's source distributions carry them, each with its own `.venv`."""

from __future__ import annotations

import os
import subprocess
import sys
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
        sha256: Of its archive.
        extras: Of the project itself, in brackets, or empty.
        needs: What its tests need, pinned where newer ones change their outcome.
        core: The file with the function.
        good: A text that stands once or more in it.
        broken: What breaks it.
        left_out: pytest arguments that leave out what needs the internet, or tells another story each time.
    """

    sdist: str
    sha256: str
    extras: str
    needs: tuple[str, ...]
    core: str
    good: str
    broken: str
    left_out: tuple[str, ...] = ()


RECIPES = {
    "flask": Recipe(
        "flask==3.1.3",
        "0ef0e52b8a9cd932855379197dd8f94047b359ca0a78695144304cb45f87c9eb",
        "[async,dotenv]",
        ("pytest==8.4.2", "werkzeug==3.1.3"),
        "src/flask/config.py",
        "isupper()",
        "islower()",
    ),
    "httpx": Recipe(
        "httpx==0.28.1",
        "75e98c5f16b0f35b567856f597f06ff2270a374470a5c2392242528e3e3e42fc",
        "[brotli,cli,http2,socks,zstd]",
        ("pytest==8.3.4", "chardet==5.2.0", "click<8.2", "trio==0.27.0", "trustme==1.1.0", "uvicorn==0.32.1"),
        "httpx/_utils.py",
        'return "true"',
        'return "True"',
        ("--deselect=tests/client/test_proxies.py", "--deselect=tests/test_timeouts.py"),
    ),
    "marshmallow": Recipe(
        "marshmallow==4.4.0",
        "9e6ffa8511012ca89732324c1c253efd7b4d35632dcbdf80aa793fe01804af3e",
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
        self.root = unpack(recipe, folder)
        self.python = install(recipe, self.root)
        self.code = self.root / recipe.core
        self.good = self.code.read_text(encoding="utf-8")
        self.broken = self.good.replace(recipe.good, recipe.broken)
        assert self.broken != self.good, recipe.core
        put_under_git(self.root)
        self.git("checkout", "--quiet", "-b", "broken")
        self.code.write_text(self.broken, encoding="utf-8")
        self.commit("broken")
        self.git("checkout", "--quiet", "good")

    def git(self, *words: str) -> None:
        """Run git in the project."""
        _run(["git", *words], self.root)

    def commit(self, message: str) -> None:
        """Commit everything."""
        _commit(self.root, message)

    def outcomes(self, folder: Path) -> dict[str, str]:
        """Return how each test ends under a plain `python -m pytest`, by node id."""
        return outcomes(self.recipe, self.root, folder)


def unpack(recipe: Recipe, folder: Path) -> Path:
    """Fetch the source distribution into `folder`, and return the folder that it was unpacked to.

    Raises:
        AssertionError: It cannot be had, or is not the one with the recipe's hash.
    """
    (folder / "pinned.txt").write_text(f"{recipe.sdist} --hash=sha256:{recipe.sha256}\n", encoding="utf-8")
    words = ["-q", "--no-deps", "--no-binary", ":all:", "--require-hashes", "-d", ".", "-r", "pinned.txt"]
    _run([sys.executable, "-m", "pip", "download", *words], folder)
    (archive,) = folder.glob("*.tar.gz")
    _run(["tar", "-xzf", archive.name], folder)
    return archive.with_name(archive.name.removesuffix(".tar.gz"))


def install(recipe: Recipe, root: Path) -> str:
    """Make the project's `.venv` with what its tests need, and return the interpreter's path."""
    _run([sys.executable, "-m", "venv", ".venv"], root)
    python = str(root / ".venv" / "bin" / "python")
    _run([python, "-m", "pip", "install", "-q", "-e", f".{recipe.extras}", *recipe.needs], root)
    return python


def put_under_git(root: Path) -> None:
    """Commit the project as it is, on a branch `good`."""
    (root / ".gitignore").write_text(".venv/\n__pycache__/\n*.egg-info/\n.pytest_cache/\n", encoding="utf-8")
    _run(["git", "init", "--quiet", "--initial-branch=good"], root)
    _commit(root, "good")


def outcomes(recipe: Recipe, root: Path, folder: Path) -> dict[str, str]:
    """Return how each test ends under a plain `python -m pytest`, by node id, told by a plugin put into `folder`."""
    (folder / "tellall.py").write_text(TELL_ALL, encoding="utf-8")
    told = folder / "told.txt"
    told.unlink(missing_ok=True)
    environ = os.environ | {"PYTHONPATH": str(folder), "TOLD": str(told)}
    argv = [str(root / ".venv" / "bin" / "python"), "-m", "pytest", "-q", "-p", "tellall", *recipe.left_out]
    subprocess.run(argv, cwd=root, env=environ, capture_output=True, timeout=SUITE_S, check=False)
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


def _commit(root: Path, message: str) -> None:
    _run(["git", "add", "--all"], root)
    _run(["git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org", "commit", "--quiet", "-m", message], root)
