"""Static security: the rules `S` of ruff, which are flake8-bandit's, over the project's Python files.

The project's own ruff settings are not used as they are: a line length of theirs is nothing to an audit, and a setting
that ruff does not know would end it. Of them count only what people decided about these very rules: `noqa` comments,
`ignore` and `per-file-ignores`. What the settings silence is told, as information, so that a rule that was switched off
to make an audit green is seen. Whoever silences all of them at once for the whole project is not heard.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import tempfile
import tokenize
import tomllib
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from app.agents.auditing.checks.securityrules import RULES, Rule
from app.agents.auditing.context import LARGEST_FILE
from app.agents.auditing.plugin import Check, Finding, NotKnown, Severity, Told
from app.engine.regular import read_regular
from app.engine.windowless import NO_WINDOW

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

    from app.agents.auditing.context import Context

_PATTERNS = ("*.py", "*.pyw", "*.pyi")
_SETTINGS = (".ruff.toml", "ruff.toml", "pyproject.toml")
"""Where ruff looks for its settings, in its order."""
_LATEST = "py314"
"""So that no newer syntax is an error; the rules do not depend on it."""
_LONGEST_LINE = 300
_LONGEST_SAID = 1024 * 1024
_NO_UTF_8 = "valid UTF-8"
"""ruff says so of a file in another encoding, also when the file says in which."""
_NAMED = 10
"""Files that cannot be looked at are told by name up to this many."""

_SAFE_SO_FAR = "seems safe"
"""ruff says so of a command that is a literal."""
_HOLDS_SECRET = frozenset({"S105", "S106", "S107"})
_LITERAL = re.compile(r"""(\"""|'''|"|')(?:\\.|(?!\1).)*(?:\1|$)""")

_IN_TESTS = ("S101", "S104", "S105", "S106", "S107", "S108", "S113", "S311", "S603", "S606", "S607")
"""What is right in tests: they assert, make up passwords, and start programs with arguments of their own."""
_TESTS = ("tests/**", "**/tests/**", "test/**", "**/test/**", "test_*.py", "*_test.py", "conftest.py")
_EVERYTHING = frozenset({"*", "**", "**/*", "*.py", "**/*.py", "./**"})
_CODE = re.compile(r"S\d{0,3}")
_WHOLE_FAMILY = "S"


class Security(Check):
    """Finds what is dangerous in Python by its form alone.

    The option `exclude` is a list of path patterns that are left out.
    """

    id: ClassVar[str] = "security"
    title: ClassVar[str] = "Static security"

    async def scan(self, context: Context) -> AsyncIterator[Told]:
        """Yield what ruff finds; a file that it cannot read is not known, by name."""
        paths, odd = await asyncio.to_thread(_chosen, context)
        for each in _by_name(odd):
            yield each
        silenced = await asyncio.to_thread(_Silenced.read, context)
        if silenced.codes:
            yield self._silenced(silenced)
        if not paths:
            return
        reader = _Reader(self, context)
        async for told in self._over(context, paths, silenced, reader):
            yield told
        if foreign := [path for path, reason in reader.unread.items() if _NO_UTF_8 in reason]:
            with tempfile.TemporaryDirectory(dir=context.cache) as name:
                copies = replace(context, root=Path(name))
                read = await asyncio.to_thread(_in_utf_8, context, foreign, copies.root)
                again = _Reader(self, copies)
                async for told in self._over(copies, read, silenced, again):
                    yield told
            reader.unread = {path: reason for path, reason in reader.unread.items() if path not in read} | again.unread
        for each in _by_name(reader.unread.items()):
            yield each

    async def _over(
        self, context: Context, paths: list[str], silenced: _Silenced, reader: _Reader
    ) -> AsyncIterator[Told]:
        if not paths:
            return
        try:
            arguments = await asyncio.to_thread(_argument_file, context.cache, paths, silenced)
        except OSError as error:
            yield NotKnown(f"the list of files for ruff could not be written ({_said(error)})")
            return
        try:
            async for told in self._run(context, arguments, reader):
                yield told
        finally:
            with suppress(OSError):
                arguments.unlink()

    async def _run(self, context: Context, arguments: Path, told: _Reader) -> AsyncIterator[Told]:
        try:
            process = await asyncio.create_subprocess_exec(
                _ruff(),
                f"@{arguments}",
                cwd=context.root,
                env={name: value for name, value in os.environ.items() if not name.startswith("RUFF_")},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                limit=_LONGEST_SAID,
                creationflags=NO_WINDOW,
            )
        except (OSError, ImportError) as error:
            yield NotKnown(f"ruff could not be started ({_said(error)})")
            return
        try:
            assert process.stdout is not None  # noqa: S101 - a pipe was asked for
            async for line in process.stdout:
                for each in told.line(line):
                    yield each
            for each in told.rest():
                yield each
            code = await process.wait()
        except ValueError:
            yield NotKnown("ruff said a line that is too long")
            return
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if code:
            yield NotKnown(f"ruff failed (exit code {code})")

    def _silenced(self, silenced: _Silenced) -> Finding:
        rules = ", ".join(silenced.codes)
        return self.finding(
            "silenced-rules",
            f"The project's ruff settings silence security rules: {rules}",
            silenced.path,
            evidence="; ".join(silenced.said)[:_LONGEST_LINE],
            severity=Severity.INFO,
            detail="\n".join(silenced.said),
            remedy="See that each of them is meant.",
        )


def _ruff() -> str:
    """Return where the program is that came with Watchkeeper.

    Raises:
        OSError: It is not there.
        ImportError: Likewise.
    """
    return os.fsdecode(import_module("ruff.__main__").find_ruff_bin())


def _chosen(context: Context) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the files to look at, and those that cannot be, each with the reason."""
    exclude = [str(each) for each in context.options.get("exclude") or ()]
    paths, odd = [], []
    for path in context.files(*_PATTERNS):
        if any(fnmatchcase(path, each) for each in exclude):
            continue
        try:
            path.encode("utf-8")
            fine = path.isprintable()
        except UnicodeEncodeError:
            fine = False
        if not fine:
            odd.append((_readable(path), "its name cannot be handed to ruff"))
            continue
        whole = context.root / path
        try:
            if whole.is_symlink():
                if not whole.resolve().is_relative_to(context.root.resolve()):
                    odd.append((path, "it is a link to a file outside the project"))
                continue  # within the project it has a name of its own
            size = whole.stat().st_size
        except (OSError, RuntimeError) as error:
            odd.append((path, _said(error)))
            continue
        if size > LARGEST_FILE:
            odd.append((path, "it is too large"))
        else:
            paths.append(path)
    return paths, odd


def _readable(path: str) -> str:
    """Return a file's name as it can be shown: what is no UTF-8 in it is replaced, what cannot be seen is escaped."""
    shown = os.fsencode(path).decode("utf-8", "replace")
    return shown if shown.isprintable() else ascii(shown)


def _in_utf_8(context: Context, paths: Iterable[str], to: Path) -> list[str]:
    """Copy files that say in which encoding they are into a folder, in UTF-8, and return those that are so."""
    done = []
    for path in paths:
        with suppress(OSError, SyntaxError, UnicodeError, LookupError):
            content = read_regular(context.root / path, LARGEST_FILE)
            encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
            copy = to / path
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(content.decode(encoding).encode())
            done.append(path)
    return done


def _by_name(odd: Iterable[tuple[str, str]]) -> Iterator[NotKnown]:
    listed = list(odd)
    for path, reason in listed[:_NAMED]:
        yield NotKnown(f"{path} could not be looked at: {reason}")
    if len(listed) > _NAMED:
        yield NotKnown(f"{len(listed) - _NAMED} more files could not be looked at")


def _argument_file(cache: Path, paths: Iterable[str], silenced: _Silenced) -> Path:
    """Write ruff's arguments, one on each line: no command line is long enough for all files of a project."""
    words = ["check", "--isolated", "--no-cache", "--no-fix", "--exit-zero", "--quiet"]
    words += [f"--target-version={_LATEST}", "--output-format=json-lines", "--select=S,E902"]
    ignores: dict[str, set[str]] = {pattern: set(_IN_TESTS) for pattern in _TESTS}
    for pattern, codes in silenced.by_pattern.items():
        ignores.setdefault(pattern, set()).update(codes)
    table = ", ".join(f"{_quoted(pattern)} = {json.dumps(sorted(codes))}" for pattern, codes in ignores.items())
    words += [f"--config=lint.per-file-ignores = {{ {table} }}"]
    words += [f"--ignore={','.join(sorted(silenced.everywhere))}"] if silenced.everywhere else []
    descriptor, name = tempfile.mkstemp(prefix="ruff-", suffix=".txt", dir=cache)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{word}\n" for word in words)
        file.writelines(f"./{path}\n" for path in paths)
    return Path(name)


def _quoted(text: str) -> str:
    """Return a string as TOML has it, which is as JSON has it where every character is its own."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


class _Silenced(NamedTuple):
    """What the project's ruff settings say of these rules."""

    path: str
    everywhere: frozenset[str]
    by_pattern: Mapping[str, frozenset[str]]

    @property
    def codes(self) -> list[str]:
        return sorted(self.everywhere.union(*self.by_pattern.values()))

    @property
    def said(self) -> list[str]:
        said = [f"everywhere: {', '.join(sorted(self.everywhere))}"] if self.everywhere else []
        return said + [f"{pattern}: {', '.join(sorted(codes))}" for pattern, codes in sorted(self.by_pattern.items())]

    @classmethod
    def read(cls, context: Context) -> _Silenced:
        """Read the settings of the project's root, those that ruff would take; unreadable ones silence nothing."""
        for name in _SETTINGS:
            try:
                read = tomllib.loads(read_regular(context.root / name, LARGEST_FILE).decode("utf-8"))
            except (OSError, ValueError, RecursionError):
                continue
            ruff = _table(_table(read, "tool"), "ruff") if name == "pyproject.toml" else read
            if name != "pyproject.toml" or ruff:
                return cls._of(name, ruff)
        return cls("", frozenset(), {})

    @classmethod
    def _of(cls, path: str, ruff: Mapping[str, Any]) -> _Silenced:
        everywhere: frozenset[str] = frozenset()
        by_pattern: dict[str, frozenset[str]] = {}
        for table in (ruff, _table(ruff, "lint")):
            everywhere |= _codes(table.get("ignore")) | _codes(table.get("extend-ignore"))
            for key in ("per-file-ignores", "extend-per-file-ignores"):
                for pattern, given in _table(table, key).items():
                    codes = _codes(given)
                    if pattern in _EVERYTHING:
                        everywhere |= codes
                    elif codes and pattern.isprintable():
                        by_pattern[pattern] = by_pattern.get(pattern, frozenset()) | codes
        return cls(path, everywhere - {_WHOLE_FAMILY}, by_pattern)


def _table(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = of.get(name)
    return found if isinstance(found, dict) else {}


def _codes(given: object) -> frozenset[str]:
    """Return those of a list of rules that are ours; `ALL` is all of ours. Made-up ones would end ruff."""
    listed = [each for each in given if isinstance(each, str)] if isinstance(given, list) else []
    ours = {_WHOLE_FAMILY if each == "ALL" else each for each in listed}
    return frozenset(each for each in ours if _CODE.fullmatch(each) and any(code.startswith(each) for code in RULES))


class _Reader:
    """Turns what ruff says, a JSON document a line and file by file, into findings."""

    def __init__(self, check: Security, context: Context) -> None:
        self._check = check
        self._context = context
        self._root = os.path.realpath(context.root)
        self._path = ""
        self._lines: list[str] = []
        self._folded: dict[str, tuple[Finding, Counter[int]]] = {}
        self.unread: dict[str, str] = {}

    def line(self, line: bytes) -> Iterator[Told]:
        try:
            said = json.loads(line)
            code, path = str(said["code"]), self._relative(str(said["filename"]))
            number, message = int(said["location"]["row"]), str(said["message"])
        except (ValueError, KeyError, TypeError):
            yield NotKnown("ruff said what could not be understood")
            return
        if path != self._path:
            yield from self._fold()
            self._path, self._lines = path, []
        if not code.startswith("S"):
            what = f"{message} in line {number}" if code == "invalid-syntax" else message
            self.unread.setdefault(path, what)
            return
        rule = RULES.get(code, Rule(Severity.MEDIUM, "", "Read what ruff says of it."))
        severity = Severity.LOW if _SAFE_SO_FAR in message else rule.severity
        found = self._check.finding(
            code,
            message.replace("`", ""),
            path,
            number,
            evidence=self._evidence(code, number),
            severity=severity,
            detail="\n".join(filter(None, (f"Why it matters: {rule.reason}." if rule.reason else "", said.get("url")))),
            remedy=rule.remedy,
        )
        if severity is Severity.INFO:
            self._folded.setdefault(code, (found, Counter()))[1][number] += 1
        else:
            yield found

    def rest(self) -> Iterator[Told]:
        """Yield what is told when all has been said; `unread` then holds the files that ruff could not read."""
        yield from self._fold()

    def _fold(self) -> Iterator[Finding]:
        """Yield one finding for each rule that only informs, however often it was met in the file."""
        for found, numbers in self._folded.values():
            others = ", ".join(str(number) for number in sorted(numbers)[1:50])
            detail = f"{found.detail}\nLikewise in lines {others}." if others else found.detail
            yield self._check.finding(
                found.rule,
                found.title,
                found.path,
                found.line,
                evidence=found.evidence,
                severity=found.severity,
                detail=detail,
                remedy=found.remedy,
            )
        self._folded = {}

    def _relative(self, name: str) -> str:
        for root in (str(self._context.root), self._root):
            with suppress(ValueError):
                return Path(name).relative_to(root).as_posix()
        return name

    def _evidence(self, code: str, number: int) -> str:
        if not self._lines:
            with suppress(OSError):
                self._lines = self._context.text(self._path).split("\n")
        text = self._lines[number - 1].strip() if 0 < number <= len(self._lines) else ""
        if code in _HOLDS_SECRET:
            text = _LITERAL.sub(r"\1***\1", text)
        return text[:_LONGEST_LINE]


def _said(error: BaseException) -> str:
    return (error.strerror if isinstance(error, OSError) else "") or type(error).__name__
