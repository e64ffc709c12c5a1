"""Which files and folders are not looked at: gitignore's rules, own built-in ones, and the user's.

In order of precedence: the user's patterns, the built-in ones, the nearest ``.gitignore``, those of the folders above
it up to the repository's top, ``.git/info/exclude`` (gitignore(5)). Whether git tracks a file does not matter.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

import structlog
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

if TYPE_CHECKING:
    from collections.abc import Iterable

_log = structlog.get_logger(__name__)

RULES_NAME = ".gitignore"

BUILTIN_FOLDERS = frozenset({
    # version control
    ".git", ".hg", ".svn", ".bzr", ".jj", "_darcs", "CVS",
    # what Python and its tools write
    "__pycache__", "site-packages", ".eggs", ".tox", ".nox", ".pytest_cache", ".mypy_cache", ".ruff_cache",
    ".hypothesis", ".ipynb_checkpoints", ".pytype", ".pyre", ".benchmarks",
    # others' packages, and editors' own state
    "node_modules", ".idea", ".vscode", ".vs",
})  # fmt: skip
"""Folders that are never entered, by name. Virtual environments are told by their content: see `ENVIRONMENT_MARKS`."""

ENVIRONMENT_MARKS = ("pyvenv.cfg", "conda-meta")
"""An entry of either name makes a folder a virtual environment (PEP 405; conda)."""

_BUILTIN_FILES = re.compile(
    r"""
      .*\.py[co] | .*\$py\.class                      # bytecode
    | \.coverage(\..*)? | \.testmondata.*             # coverage's and testmon's databases
    | 4913 | 5036 | .*~ | .*\.sw[opx] | .*\.kate-swp  # vim probes whether it may write here, and keeps backups
    | \.\#.* | \#.*\#                                 # emacs: lock and autosave
    | .*___jb_(tmp|old)___                            # JetBrains' safe write
    | sed[A-Za-z0-9]{6}                               # sed -i
    | \.goutputstream-.*                              # GLib's atomic replace
    | \..+\.[A-Za-z0-9_-]{4,}\.tmp                    # .name.abc123.tmp of atomic writers
    | .*\.tmp(\.\d+)+(\.\w+)?                         # name.tmp.PID.TIME of Node's atomic writers
    | \.nfs[0-9a-f]{8,} | \.fuse_hidden.* | \.~lock\..*\#
    | \.DS_Store | Thumbs\.db | desktop\.ini
    """,
    re.VERBOSE | re.DOTALL,
)
_BUILTIN_SUFFIX = ".egg-info"

_FLAGS = re.DOTALL | (re.IGNORECASE if sys.platform in {"win32", "darwin"} else 0)
"""Git takes letter case lightly where the file system does (core.ignorecase); a name may hold a newline."""

_STARS = re.compile(r"(^!?|/)\*{3,}(?=/|$)")
"""More stars than two between slashes are two to git, and one to pathspec."""

_TRAILING_SPACES = re.compile(r"(?<!\\) +$")

_ANYTHING = "."
"""What pathspec turns ``*`` and ``**`` into."""


def builtin_ignores(name: str, *, folder: bool) -> bool:
    """Return whether an entry of this name is ignored everywhere."""
    if folder:
        return name in BUILTIN_FOLDERS or name.endswith(_BUILTIN_SUFFIX)
    return _BUILTIN_FILES.fullmatch(name) is not None


class Patterns:
    """The compiled lines of one ignore file.

    Args:
        lines: In gitignore's syntax, with or without line ends; one that git finds invalid never matches.

    pathspec gives the regular expressions. They are matched here against one path at a time, whole, after the folders
    above it were decided upon: pathspec's own matcher lets a pattern speak for all that lies below what it names,
    which lets a negated folder in one file override the rules of another for its content; git does not.
    """

    __slots__ = ("_any", "_rules")

    def __init__(self, lines: Iterable[str]) -> None:
        self._rules: list[tuple[re.Pattern[str], bool]] = []
        sources = []
        for line in lines:
            translated = _translate(line)
            if translated is not None:
                source, exclude = translated
                self._rules.insert(0, (re.compile(source, _FLAGS), exclude))
                sources.append(f"(?:{source})")
        self._any = re.compile("|".join(sources), _FLAGS) if sources else None

    def __bool__(self) -> bool:
        """Return whether any line can match."""
        return self._any is not None

    def decide(self, path: str) -> bool | None:
        """Return whether the last line that names this path ignores it, or None where no line does.

        Args:
            path: Relative to the ignore file's folder; a folder's ends with a slash.
        """
        if self._any is None:
            return None
        if not path.isascii():
            path = os.fsencode(path).decode("latin-1")
        if self._any.fullmatch(path) is None:
            return None
        return next((exclude for rule, exclude in self._rules if rule.fullmatch(path)), None)


def _translate(line: str) -> tuple[str, bool] | None:
    """Return the regular expression of one line for `re.fullmatch`, and whether it ignores; None if it says nothing."""
    line = os.fsencode(line.rstrip("\r\n")).decode("latin-1")  # git's wildcards stand for bytes
    line = _TRAILING_SPACES.sub("", line)
    if line in {"/", "!/"}:
        return None
    line = _STARS.sub(r"\1**", line)
    # pathspec anchors these at the folder's content as a prefix only; git's meaning, spelt out:
    if line.endswith("/**"):
        line += "/*"
    elif line.endswith("/**/"):
        line += "*/"
    try:
        source, exclude = GitIgnoreSpecPattern.pattern_to_regex(line)
        if source is None or exclude is None:
            return None
        source = ".+" if source == _ANYTHING else source.replace("(?P<ps_d>/)", "/")
        if source == "/":
            source = ".+/"
        re.compile(source)
    except (ValueError, re.error, OverflowError):
        _log.debug("an ignore pattern is invalid and never matches", pattern=line)
        return None
    return source, exclude


class Scope:
    """The rules that hold in one folder.

    Args:
        prefix: The folder's path relative to the repository's top (or to the watched root, without one), with a
            slash behind it; empty for the top.
        chain: The ignore files that govern it, nearest first, each with the length of its own folder's prefix.
        chosen: The user's patterns with the length of the root's prefix.
    """

    __slots__ = ("_chain", "_chosen", "prefix")

    def __init__(
        self, prefix: str, chain: tuple[tuple[int, Patterns], ...], chosen: tuple[int, Patterns] | None = None
    ) -> None:
        self.prefix = prefix
        self._chain = chain
        self._chosen = chosen

    def below(self, name: str) -> Scope:
        """Return the scope of a folder in this one, before its own ignore file is read."""
        return Scope(f"{self.prefix}{name}/", self._chain, self._chosen)

    def governed_by(self, patterns: Patterns | None) -> Scope:
        """Return this scope with the folder's own ignore file in front."""
        if not patterns:
            return self
        return Scope(self.prefix, ((len(self.prefix), patterns), *self._chain), self._chosen)

    def ignores(self, name: str, *, folder: bool) -> bool:
        """Return whether an entry of this folder is not looked at."""
        path = f"{self.prefix}{name}/" if folder else self.prefix + name
        if self._chosen is not None:
            offset, patterns = self._chosen
            verdict = patterns.decide(path[offset:])
            if verdict is not None:
                return verdict
        if builtin_ignores(name, folder=folder):
            return True
        if name == RULES_NAME and not folder:
            return False  # even where a rule ignores it: a change to it changes what is watched
        for offset, patterns in self._chain:
            verdict = patterns.decide(path[offset:])
            if verdict is not None:
                return verdict
        return False
