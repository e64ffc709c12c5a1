"""The projects that are mutated: public ones with real suites, and copies of them with environments of their own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.desktop.kit.public import RECIPES, PublicProject
from tests.mutations.mutation import Tree

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Subject:
    """A project.

    Attributes:
        name: Short.
        root: Where it lies, untouched.
        args: For pytest.
        code: Folders with what is tested.
        tests: Folders with the tests.
        alone: Whether two runs of its tests disturb each other (they listen on one fixed port).
        mutations: How many a full proof makes.
    """

    name: str
    root: Path
    args: tuple[str, ...]
    code: tuple[str, ...]
    tests: tuple[str, ...]
    alone: bool = False
    mutations: int = 130

    def copy(self, folder: Path) -> Tree:
        """Copy it, its environment too, to an empty place, and have that environment import the copy."""
        if folder.exists():
            shutil.rmtree(folder)
        left_out = shutil.ignore_patterns(".git", "__pycache__", ".pytest_cache", "docs", "examples")
        shutil.copytree(self.root, folder, symlinks=True, ignore=left_out)
        for link in (folder / ".venv").glob("lib/python*/site-packages/*.pth"):
            text = link.read_text(encoding="utf-8")
            link.write_text(text.replace(str(self.root), str(folder)), encoding="utf-8")
        return Tree(folder)

    @staticmethod
    def python(root: Path) -> str:
        """Return the interpreter of a copy: its own, or this one for a project that has none."""
        own = root / ".venv" / "bin" / "python"
        return str(own) if own.exists() else sys.executable

    @staticmethod
    def install(root: Path, *names: str) -> bool:
        """Install packages into a copy's environment, and return whether that could be done."""
        argv = [str(root / ".venv" / "bin" / "python"), "-m", "pip", "install", "-q", *names]
        return subprocess.run(argv, capture_output=True, timeout=300, check=False).returncode == 0


def public(name: str, folder: Path) -> Subject:
    """Return a public project, fetched from the package registry when it is not there yet.

    Args:
        name: `flask`, `httpx` or `marshmallow`.
        folder: Where the projects are kept between two proofs.
    """
    recipe = RECIPES[name]
    place = folder / name
    root = place / recipe.sdist.replace("==", "-")
    if not (root / ".venv" / "bin" / "python").exists():
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        PublicProject(recipe, place)
    code = ("httpx",) if name == "httpx" else ("src",)
    alone, mutations = (True, 60) if name == "httpx" else (False, 130)
    return Subject(name, root, recipe.left_out, code, ("tests",), alone, mutations)
