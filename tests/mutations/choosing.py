"""Which mutations a tree gets: each kind in turn, at places that the seed decides, the same ones every time."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

from tests.mutations.mutation import Mutation
from tests.mutations.operators import KINDS
from tests.mutations.sources import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Content = Mapping[str, bytes]

TRIES = 40
"""Places that are tried for a mutation of one kind, before that kind is passed over."""

_DATA_SUFFIXES = (".txt", ".html", ".json", ".toml", ".css", ".env", ".flaskenv", ".netrc", ".netrc-nopassword", ".csv")


class Chooser:
    """Chooses mutations of a tree.

    Args:
        content: The tree's files.
        code: Folders that hold what is tested.
        tests: Folders that hold the tests, and their data.
        seed: The same seed chooses the same mutations.
    """

    def __init__(self, content: Content, *, code: Sequence[str], tests: Sequence[str], seed: str) -> None:
        self._content = content
        self._random = random.Random(seed)  # noqa: S311 - places, not secrets
        below = tuple(f"{folder}/" if folder else "" for folder in (*code, *tests))
        self._tests = tuple(f"{folder}/" if folder else "" for folder in tests)
        self._files = sorted(path for path in content if path.startswith(below))
        self._sources: dict[str, Source] = {}
        for path in self._files:
            if path.endswith(".py"):
                try:
                    self._sources[path] = Source(path, content[path])
                except (SyntaxError, ValueError):
                    continue
        self._kinds: dict[str, Callable[[], Mutation | None]] = {
            **{kind: lambda kind=kind: self._edited(kind) for kind in KINDS},  # type: ignore[misc]
            "conftest": lambda: self._edited(None),
            "data file": self._data_file,
            "data file gone": self._data_file_gone,
            "file renamed": self._file_renamed,
            "file deleted": self._file_deleted,
            "new file": self._new_file,
            "two files": self._two_files,
            "configuration": self._configuration,
        }

    def mutations(self, count: int) -> Iterator[Mutation]:
        """Yield so many mutations, no two the same."""
        seen: set[tuple[tuple[str, bytes | None], ...]] = set()
        missed = 0
        while len(seen) < count and missed < len(self._kinds) * 3:
            for kind in self._kinds:
                if len(seen) >= count:
                    return
                made = self._kinds[kind]()
                key = tuple(made.changes.items()) if made is not None else ()
                if made is None or key in seen:
                    missed += 1
                    continue
                missed = 0
                seen.add(key)
                yield made

    def _edited(self, kind: str | None) -> Mutation | None:
        """Edit a file of the tree in a way of this kind; None: a conftest, in any way."""
        for _ in range(TRIES):
            paths = [path for path, source in self._sources.items() if source.is_conftest or kind is not None]
            if not paths:
                return None
            # Small files have their turn as often as large ones, what is tested as often as the tests.
            tested = [path for path in paths if not path.startswith(self._tests)]
            path = self._random.choice(tested if tested and self._random.random() < 0.55 else paths)
            source = self._sources[path]
            edits = list(KINDS[kind or self._random.choice(list(KINDS))](source))
            if not edits:
                continue
            edit = self._random.choice(edits)
            content = source.edited(edit)
            if content is not None:
                return Mutation(kind or "conftest", f"{path}:{edit.line} {edit.what}", {path: content})
        return None

    def _data(self) -> list[str]:
        return [path for path in self._files if path.endswith(_DATA_SUFFIXES) and self._content[path].strip()]

    def _data_file(self) -> Mutation | None:
        paths = self._data()
        if not paths:
            return None
        path = self._random.choice(paths)
        words = [found.span() for found in re.finditer(rb"\w+", self._content[path])]
        start, end = self._random.choice(words)
        content = self._content[path][:start] + b"other7" + self._content[path][end:]
        return Mutation("data file", f"{path}: {self._content[path][start:end]!r} -> 'other7'", {path: content})

    def _data_file_gone(self) -> Mutation | None:
        paths = self._data()
        if not paths:
            return None
        path = self._random.choice(paths)
        if self._random.random() < 0.5:
            return Mutation("data file gone", f"{path} deleted", {path: None})
        return Mutation("data file gone", f"{path} emptied", {path: b""})

    def _file_renamed(self) -> Mutation | None:
        path = self._random.choice(self._files)
        folder, _, name = path.rpartition("/")
        stem, dot, suffix = name.rpartition(".")
        other = f"{folder}/{stem}_other{dot}{suffix}".lstrip("/")
        return Mutation("file renamed", f"{path} -> {other}", {path: None, other: self._content[path]})

    def _file_deleted(self) -> Mutation | None:
        path = self._random.choice(self._files)
        return Mutation("file deleted", path, {path: None})

    def _two_files(self) -> Mutation | None:
        one, other = self._edited("constant"), self._edited("return")
        if one is None or other is None or set(one.changes) & set(other.changes):
            return None
        return Mutation("two files", f"{one.what}; {other.what}", {**one.changes, **other.changes})

    def _new_file(self) -> Mutation | None:
        folders = sorted({path.rpartition("/")[0] for path in self._sources if path.startswith(self._tests)})
        folder = self._random.choice(folders)
        modules = sorted(path for path in self._sources if not path.startswith(self._tests))
        shadowed = self._random.choice(["json", "uuid", "secrets", "decimal", "calendar"])
        of_tests = f"{folder}/" if folder else ""
        package = self._random.choice(modules or sorted(self._sources)).removesuffix(".py")
        offers: list[tuple[str, bytes]] = [
            (f"{of_tests}test_new_one.py", b"def test_new_one():\n    assert False\n"),
            (f"{of_tests}test_new_one.py", b"import no_such_module\n"),
            (
                f"{of_tests}conftest.py",
                b"import pytest\n\n@pytest.fixture(autouse=True)\ndef new_one():\n    assert False\n",
            ),
            (f"{of_tests}conftest.py", b"def pytest_runtest_setup(item):\n    assert 'a' not in item.name\n"),
            (f"{shadowed}.py", b"raise RuntimeError('shadowed')\n"),
            # A package of the same name comes before a module.
            (f"{package}/__init__.py", b"raise RuntimeError('a package now')\n"),
            ("pytest.ini", b"[pytest]\nfilterwarnings = error\npython_functions = test_a*\n"),
            ("conftest.py", b"collect_ignore_glob = ['*/test_b*']\n"),
        ]
        free = [(path, content) for path, content in offers if path not in self._content]
        path, content = self._random.choice(free)
        return Mutation("new file", f"{path}: {content.decode()!r}", {path: content})

    def _configuration(self) -> Mutation | None:
        path = "pyproject.toml"
        text = self._content.get(path, b"").decode()
        section = re.search(r"^\[tool\.pytest\.ini_options\]\n(.*?)(?=^\[|\Z)", text, re.DOTALL | re.MULTILINE)
        if section is None:
            return None
        at = section.start(1)
        offers = [
            (section.group(1), ""),
            ("", 'python_functions = ["test_[a-m]*"]\n'),
            ("", "xfail_strict = true\n"),
            ("", 'usefixtures = ["no_such_fixture"]\n'),
            ("", 'python_files = ["test_[b-z]*.py"]\n'),
        ]
        old, new = self._random.choice(offers)
        content = text[:at] + new + text[at + len(old) :]
        what = f"{path}: {'the section is emptied' if old else new.strip()}"
        return Mutation("configuration", what, {path: content.encode()})
