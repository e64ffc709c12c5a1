"""Whether the files and names that a marker names are there, and were touched."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

from app.agents.auditing.checks.change import change_of
from app.agents.auditing.context import GitFailed
from app.agents.auditing.ownfiles import OWN_FILES

if TYPE_CHECKING:
    from app.agents.auditing.checks.change import Change
    from app.agents.auditing.context import Context

_DOCUMENTS = ("*.md", "*.txt", "*.rst", "*.adoc")
_NO_SOURCE = (*_DOCUMENTS, *OWN_FILES)
"""Where a name may stand without being there: the answer of an audit quotes what was claimed."""
_EXAMPLE = re.compile(r"(?:^|/)(?:path/to|your|my|foo|bar|example|xxx?|<)(?:[-_/.]|$)", re.IGNORECASE)
_OTHERS = ("package.json", "Cargo.toml", "go.mod", "pom.xml", "build.gradle*", "Gemfile", "composer.json")
_SLOW_S = 10.0


class Tree:
    """The project's files, to be asked for names as markers write them.

    Args:
        context: The project.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    @cached_property
    def change(self) -> Change | None:
        """What changed since the last audit; None when that is not known."""
        try:
            return change_of(self._context)
        except GitFailed:
            return None

    @cached_property
    def has_other_tests(self) -> bool:
        """Whether the project may have tests that are not pytest's."""
        return next(self._context.files(*_OTHERS), None) is not None

    def find(self, path: str) -> tuple[str, ...]:
        """Return the project's files that a name may mean, also when it leaves out the folders above."""
        found: dict[str, None] = {}
        for name in self._readings(path):
            if (self._context.root / name).exists():
                return (name,)
            found |= dict.fromkeys(each for each in self._by_name.get(_last(name), ()) if each.endswith("/" + name))
        return tuple(found)

    def is_missing(self, path: str) -> bool:
        """Return whether a name that `find` knows nothing of means a file that should be there.

        What lies elsewhere, what git ignores, what was there lately, and what is an example is not missing.
        """
        readings = self._readings(path)
        if not readings or _EXAMPLE.search(path):
            return False
        if self.change is not None:
            ends = tuple("/" + name for name in readings)
            if any(("/" + each).endswith(ends) for each in self.change.recent):
                return False
        return not any(self._is_ignored(name) for name in readings)

    def is_still_there(self, path: str, found: tuple[str, ...]) -> bool:
        """Return whether a file that is said to be deleted is there.

        A name without folders may mean another file of that name: it is still there only when there is one of that
        name alone, and recent work took away no other.

        Args:
            path: As the marker names it.
            found: What `find` says of it.
        """
        if not found or not (self._context.root / path).is_file():
            return False
        if "/" in path:
            return True
        others = {each for each in self._by_name.get(path, ()) if each != path}
        if self.change is not None:
            others |= {each for each in self.change.recent if each.endswith("/" + path)}
        return not others

    def is_untouched(self, paths: tuple[str, ...]) -> bool:
        """Return whether none of these files was changed by recent work, as far as git can tell."""
        if self.change is None or not paths:
            return False
        if any(path not in self._all for path in paths):
            return False
        return not any(path in self.change.recent for path in paths)

    def has_name(self, name: str) -> bool:
        """Return whether a word stands anywhere in the project's source; also when that cannot be told."""
        words = ["grep", "-q", "-w", "-F", "--untracked", "-e", name, "--", ".", *(f":!{each}" for each in _NO_SOURCE)]
        if self._is_git:
            try:
                self._context.git(*words, limit_s=_SLOW_S)
            except GitFailed as error:
                return "grep failed (1)" not in str(error)
            return True
        word = re.compile(rf"\b{re.escape(name)}\b")
        return any(word.search(text) for text in self._texts)

    @cached_property
    def _is_git(self) -> bool:
        try:
            self._context.git("rev-parse", "--git-dir")
        except GitFailed:
            return False
        return True

    @cached_property
    def _texts(self) -> tuple[str, ...]:
        texts = []
        for path in self._context.files("*.py", "*.js", "*.ts", "*.go", "*.rs", "*.java"):
            try:
                texts.append(self._context.text(path))
            except OSError:
                continue
        return tuple(texts)

    @cached_property
    def _all(self) -> frozenset[str]:
        return frozenset(self._context.files())

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        names: dict[str, list[str]] = {}
        for path in self._all:
            names.setdefault(_last(path), []).append(path)
        return names

    def _is_ignored(self, name: str) -> bool:
        try:
            self._context.git("check-ignore", "-q", "--", name)
        except GitFailed:
            return False
        return True

    def _readings(self, path: str) -> tuple[str, ...]:
        """Return what a name may be relative to the root: as it is, or without the folders that lead to the root."""
        root = self._context.root.as_posix().rstrip("/")
        name = path.removeprefix("./")
        if ".." in name.split("/"):
            name = name.rpartition("../")[2]
        if name.startswith("/"):
            if name.startswith(root + "/"):
                return (name[len(root) + 1 :],)
            parts = name.strip("/").split("/")
            folder = root.rpartition("/")[2]
            if folder in parts[:-1]:
                return ("/".join(parts[parts.index(folder) + 1 :]),)
            return (name[1:],) if self._begins_here(parts[0]) else ()
        parts = name.split("/")
        readings = [name]
        readings += [
            "/".join(parts[count:]) for count in range(1, len(parts)) if root.endswith("/" + "/".join(parts[:count]))
        ]
        return tuple(readings)

    def _begins_here(self, folder: str) -> bool:
        return (self._context.root / folder).is_dir()


def _last(path: str) -> str:
    return path.rpartition("/")[2]
