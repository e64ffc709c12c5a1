"""The projects that are measured, and what is edited in them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "desktop"))

from environ import clean_environ
from kit.public import RECIPES, Recipe, install, outcomes, put_under_git, unpack

SETUP_S = 300.0


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of one file that plain pytest answers with red tests.

    The two texts differ in length: pytest takes bytecode of the same size and second for current, on every side.

    Attributes:
        kind: "leaf" for a function that few tests reach, "core" for one that many do, "test" for a test itself.
        path: The file, relative to the project.
        good: A text that stands in it; its first occurrence is replaced.
        broken: What it is replaced by.
    """

    kind: str
    path: str
    good: str
    broken: str


@dataclass(frozen=True, slots=True)
class Subject:
    """A project to measure with.

    Attributes:
        recipe: How it is set up.
        package: What is imported, to see that each copy imports its own.
        sources: Its folders with code and tests, for the peers that must be told where to look.
        edits: What is broken in it.
    """

    recipe: Recipe
    package: str
    sources: tuple[str, ...]
    edits: tuple[Edit, ...]


SUBJECTS = {
    "flask": Subject(
        RECIPES["flask"],
        "flask",
        ("src", "tests"),
        (
            Edit("leaf", "src/flask/config.py", "current[tail] = value", "current[tail] = str(value)"),
            Edit(
                "core",
                "src/flask/app.py",
                "response = self.process_response(response)",
                "response = self.make_response(response)",
            ),
            Edit(
                "test",
                "tests/test_basic.py",
                'client_method("/").data == b"Hello"',
                'client_method("/").data == b"Hello!"',
            ),
        ),
    ),
    "httpx": Subject(
        RECIPES["httpx"],
        "httpx",
        ("httpx", "tests"),
        (
            Edit("leaf", "httpx/_utils.py", 'return "true"', 'return "yes"'),
            Edit("core", "httpx/_models.py", '(b"Host", self.url.netloc)', '(b"Host", self.url.netloc.upper())'),
            Edit("test", "tests/models/test_url.py", 'assert url.path == "/"\n', 'assert url.path == "//"\n'),
        ),
    ),
    "marshmallow": Subject(
        RECIPES["marshmallow"],
        "marshmallow",
        ("src", "tests"),
        (
            Edit("leaf", "src/marshmallow/utils.py", "return value.timestamp()", "return value.timestamp() + 1"),
            Edit(
                "core",
                "src/marshmallow/schema.py",
                "key = field_obj.data_key if field_obj.data_key is not None else attr_name\n            ret[key]",
                "key = attr_name\n            ret[key]",
            ),
            Edit("test", "tests/test_utils.py", 'utils.get_value(obj, "x") == 24', 'utils.get_value(obj, "x") == 240'),
        ),
    ),
    "flask-sqlalchemy": Subject(
        Recipe(
            "flask-sqlalchemy==3.1.1",
            "e4b68bb881802dda1a7d878b2fc84c06d1ee57fb40b874d3dc97dabfa36b8312",
            "",
            ("pytest==8.4.2", "flask==3.1.3", "werkzeug==3.1.3", "sqlalchemy==2.0.30"),
            "src/flask_sqlalchemy/model.py",
            r'r"_\1", name',
            r'r"\1", name',
        ),
        "flask_sqlalchemy",
        ("src", "tests"),
        (
            Edit(
                "leaf",
                "src/flask_sqlalchemy/pagination.py",
                "return ceil(self.total / self.per_page)",
                "return ceil(self.total / self.per_page) + 1",
            ),
            Edit("core", "src/flask_sqlalchemy/model.py", r'r"_\1", name', r'r"\1", name'),
            Edit("test", "tests/test_pagination.py", "    assert p.page == 1\n", "    assert p.page == 10\n"),
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Checkout:
    """A project's copy, with an environment of its own."""

    subject: Subject
    root: Path

    @property
    def python(self) -> str:
        """The interpreter that runs its tests."""
        return str(self.root / ".venv" / "bin" / "python")

    @property
    def pytest(self) -> str:
        """The pytest program of its environment."""
        return str(self.root / ".venv" / "bin" / "pytest")

    def texts(self, edit: Edit) -> tuple[bytes, bytes]:
        """Return the edited file's good and broken content; the file is good when this is called."""
        good = (self.root / edit.path).read_bytes()
        broken = good.replace(edit.good.encode(), edit.broken.encode(), 1)
        assert len(broken) != len(good), f"{edit.path} has no {edit.good!r}, or its length stays the same"
        return good, broken

    def add(self, *requirements: str) -> None:
        """Install more into its environment."""
        run([self.python, "-m", "pip", "install", "-q", *requirements], self.root)


@dataclass(frozen=True, slots=True)
class Template:
    """A project as the registry has it, from which each side gets a copy.

    Attributes:
        checkout: Where it lies, green and under git.
        red: The tests that plain pytest finds red after each edit, by the edit's kind.
    """

    checkout: Checkout
    red: dict[str, frozenset[str]]

    def equipped(self, needs: tuple[str, ...], folder: Path) -> Template:
        """Return the same project with more installed in its environment, as an earlier call left it in `folder`."""
        if not needs:
            return self
        mark, wanted = folder / "needs.json", json.dumps(needs)
        if not mark.exists() or mark.read_text(encoding="utf-8") != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            self.copy(folder).add(*needs)
            mark.write_text(wanted, encoding="utf-8")
        return Template(Checkout(self.checkout.subject, folder / self.checkout.root.name), self.red)

    def copy(self, folder: Path) -> Checkout:
        """Return a copy in `folder` whose environment imports the copy's own code."""
        subject, old = self.checkout.subject, self.checkout.root
        new = folder / old.name
        # Bytecode of tests, as pytest writes it, names the file that it was made from: it must not be copied.
        shutil.copytree(old, new, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))
        scripts = [path for path in (new / ".venv" / "bin").iterdir() if not path.is_symlink()]
        for path in (*new.glob(".venv/lib/python*/site-packages/*.pth"), *scripts):
            content = path.read_bytes()
            path.write_bytes(content.replace(bytes(old), bytes(new)))
        copy = Checkout(subject, new)
        ask = f"import importlib.util; print(importlib.util.find_spec({subject.package!r}).origin)"
        origin = run([copy.python, "-P", "-c", ask], new).strip()
        assert Path(origin).is_relative_to(new), f"the copy in {new} imports {origin}"
        return copy


def prepare(subject: Subject, folder: Path) -> Template:
    """Fetch and set up a project in `folder`, and see which tests each edit turns red under plain pytest.

    What an earlier call left in `folder` is used again, if it was made for the same edits.

    Raises:
        AssertionError: It is not green as it came, or an edit breaks nothing.
    """
    known, mark = folder / "red.json", repr(subject)
    if known.exists():
        kept = json.loads(known.read_text(encoding="utf-8"))
        if kept["subject"] == mark:
            red = {kind: frozenset(nodeids) for kind, nodeids in kept["red"].items()}
            return Template(Checkout(subject, Path(kept["root"])), red)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    checkout = Checkout(subject, unpack(subject.recipe, folder))
    install(subject.recipe, checkout.root)
    template = Template(checkout, _red_by_edit(checkout, folder))
    put_under_git(checkout.root)
    lists = {kind: sorted(nodeids) for kind, nodeids in template.red.items()}
    kept = {"subject": mark, "root": str(checkout.root), "red": lists}
    known.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    return template


def run(argv: list[str], folder: Path) -> str:
    """Run a command to its end, and return what it printed.

    Raises:
        AssertionError: It failed; the text has what it printed.
    """
    done = subprocess.run(
        argv, cwd=folder, env=clean_environ(), capture_output=True, text=True, timeout=SETUP_S, check=False
    )
    assert done.returncode == 0, f"{argv}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _red_by_edit(checkout: Checkout, folder: Path) -> dict[str, frozenset[str]]:
    assert not _red(checkout, folder), f"{checkout.root.name} is not green as it came"
    red = {}
    for edit in checkout.subject.edits:
        path = checkout.root / edit.path
        good, broken = checkout.texts(edit)
        path.write_bytes(broken)
        red[edit.kind] = _red(checkout, folder)
        path.write_bytes(good)
        assert red[edit.kind], f"{edit.path}: nothing breaks"
    return red


def _red(checkout: Checkout, folder: Path) -> frozenset[str]:
    ended = outcomes(checkout.subject.recipe, checkout.root, folder)
    assert ended, "no test ran"
    return frozenset(nodeid for nodeid, outcome in ended.items() if outcome in ("failed", "error"))
