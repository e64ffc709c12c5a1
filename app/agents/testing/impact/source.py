"""What a Python source file consists of, told by digests that comments and layout do not change. Pure.

A *unit* is a function or method with all that is nested in it, but without its decorators, defaults and annotations:
those run when the module does. Everything outside of units, class bodies included, is the module-level code.

The digests are of compiled code without its line numbers. They are comparable only between the same versions of
Python and of this module: `FORMAT` names both.
"""

from __future__ import annotations

import ast
import re
import sys
import threading
import zlib
from array import array
from bisect import bisect_right
from dataclasses import dataclass, field
from hashlib import blake2b
from importlib.util import MAGIC_NUMBER
from types import CodeType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

FORMAT = f"3 {sys.version_info[0]}.{sys.version_info[1]} {MAGIC_NUMBER.hex()}"
"""Changes whenever digests made before are worth nothing."""

LARGEST = 1 << 20
"""Bytes of a source file that is looked into; a larger one counts as changed when any byte of it is."""

_OPTIMIZED = 0x1
_KEEPS = re.compile(r"cache|memo|once|singleton|lazy", re.IGNORECASE)
_DIGEST_SIZE = 16
_TRIES = 3
_TURN = threading.RLock()
"""What it guards is as global: a counter in the interpreter."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A function or method.

    Attributes:
        first_line: Its first line, decorators included, from 1.
        last_line: The last line that holds code of it.
        digest: Of its code.
        keeps: True when a decorator may keep what it returned (`lru_cache`): then a test can depend on it without
            calling it.
    """

    first_line: int
    last_line: int
    digest: bytes
    keeps: bool = False


@dataclass(frozen=True, slots=True)
class SourceIndex:
    """One version of one file.

    Attributes:
        content: Digest of its bytes.
        module: Digest of its module-level code; empty for a file that cannot be compiled, or that is no Python.
        units: By qualified name; one of several of the same name has `#2` and so on appended.
        lines: A checksum of each line, without the blanks around it.
    """

    content: bytes
    module: bytes = b""
    units: Mapping[str, Unit] = field(default_factory=dict)
    lines: array[int] = field(default_factory=lambda: array("I"))

    def units_at(self, lines: Iterable[int]) -> dict[int, str | None]:
        """Return for each line the name of the unit that has it, or None where it is module-level code."""
        names = list(self.units)
        firsts = [self.units[name].first_line for name in names]
        found: dict[int, str | None] = {}
        for line in lines:
            place = bisect_right(firsts, line) - 1
            inside = place >= 0 and line <= self.units[names[place]].last_line
            found[line] = names[place] if inside else None
        return found


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs between two versions of a file.

    Attributes:
        module: True when module-level code differs, or when it cannot be told.
        units: The names of units that differ, came or went.
    """

    module: bool
    units: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """True when anything differs that is executed."""
        return self.module or bool(self.units)


def index_source(content: bytes) -> SourceIndex:
    """Take a source file apart. One that cannot be compiled here gives an index that differs from every other."""
    whole = content_digest(content)
    lines = line_checksums(content)
    if len(content) > LARGEST:
        return SourceIndex(whole, lines=lines)
    try:
        code = compile(content, "<source>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return SourceIndex(whole, lines=lines)
    text = content.decode("utf-8", "replace").splitlines()
    units: dict[str, Unit] = {}
    module = _fold(code, units, text)
    ordered = dict(sorted(units.items(), key=lambda item: item[1].first_line))
    return SourceIndex(whole, module, ordered, lines)


def index_of(path: str, content: bytes) -> SourceIndex:
    """Return the index of any file, by its name."""
    return index_source(content) if path.endswith(".py") else index_data(content)


def index_data(content: bytes) -> SourceIndex:
    """Return the index of a file that is no Python source: its bytes are all that counts."""
    return SourceIndex(content_digest(content))


def compare(old: SourceIndex, new: SourceIndex) -> Difference:
    """Tell what differs between two versions of one file."""
    if old.content == new.content:
        return Difference(module=False)
    if not old.module or not new.module:
        return Difference(module=True, units=tuple(old.units))
    names = dict.fromkeys((*old.units, *new.units))
    differ = tuple(name for name in names if _unit_digest(old, name) != _unit_digest(new, name))
    return Difference(old.module != new.module, differ)


def _unit_digest(index: SourceIndex, name: str) -> bytes:
    unit = index.units.get(name)
    return unit.digest if unit is not None else b""


@dataclass(frozen=True, slots=True)
class Import:
    """An import statement, wherever it stands in a file: `from {level dots}{module} import {names}`.

    Attributes:
        module: The dotted name; may be empty for a relative one.
        names: What is taken from it; empty for `import module`.
        level: The number of leading dots.
    """

    module: str
    names: tuple[str, ...] = ()
    level: int = 0


def imports_of(content: bytes) -> tuple[Import, ...]:
    """Return all import statements of a source file; none for one that cannot be parsed."""
    if len(content) > LARGEST:
        return ()
    tree = syntax_tree(content)
    found: dict[Import, None] = {}
    for node in _statements(tree.body if tree is not None else []):
        if isinstance(node, ast.Import):
            found.update(dict.fromkeys(Import(alias.name) for alias in node.names))
        elif isinstance(node, ast.ImportFrom):
            found[Import(node.module or "", tuple(alias.name for alias in node.names), node.level)] = None
    return tuple(found)


def syntax_tree(content: bytes | str) -> ast.Module | None:
    """Return a source file's syntax tree; None for one that cannot be parsed. From any thread.

    CPython 3.11 counts the depth of the tree it makes once for all threads, and raises SystemError when another one is
    made meanwhile, by another thread or by a finalizer: here they take turns, and one that was disturbed is made anew.
    """
    for _ in range(_TRIES):
        try:
            with _TURN:
                return ast.parse(content)
        except SystemError:
            continue
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            break
    return None


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield all statements, however deep; expressions, which hold none, are not walked."""
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.stmt):
            yield node
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            waiting += getattr(node, name, ())


def _fold(code: CodeType, units: dict[str, Unit], text: list[str]) -> bytes:
    """Return the digest of module-level code (a module's or a class body's), and note the units in it."""

    def part(const: object) -> bytes:
        if not isinstance(const, CodeType):
            return _constant(const)
        if not const.co_flags & _OPTIMIZED:
            return _fold(const, units, text)
        if const.co_name.startswith("<"):
            return _whole(const)
        return b"unit " + _note(const, units, text).encode()

    return _code_digest(code, part)


def _whole(code: CodeType) -> bytes:
    """Return the digest of a function's code with all that is nested in it."""
    return _code_digest(code, lambda const: _whole(const) if isinstance(const, CodeType) else _constant(const))


def _code_digest(code: CodeType, part: Callable[[object], bytes]) -> bytes:
    digest = blake2b(digest_size=_DIGEST_SIZE)
    names = (code.co_name, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    digest.update(repr((names, counts)).encode("utf-8", "surrogatepass"))
    digest.update(code.co_code)
    digest.update(code.co_exceptiontable)
    for const in code.co_consts:
        said = part(const)
        digest.update(len(said).to_bytes(4, "little"))
        digest.update(said)
    return digest.digest()


def _constant(const: object) -> bytes:
    """Return a constant as bytes that are the same in every process: a set's own order is not."""
    if isinstance(const, tuple):
        return b"(" + b",".join(_constant(each) for each in const) + b")"
    if isinstance(const, frozenset):
        return b"{" + b",".join(sorted(_constant(each) for each in const)) + b"}"
    return repr(const).encode("utf-8", "surrogatepass")


def _note(code: CodeType, units: dict[str, Unit], text: list[str]) -> str:
    name, count = code.co_qualname, 1
    while name in units:
        count += 1
        name = f"{code.co_qualname}#{count}"
    first = code.co_firstlineno
    units[name] = Unit(first, _last_line(code), _whole(code), _is_kept(text, first))
    return name


def _last_line(code: CodeType) -> int:
    last = max((line for _, _, line in code.co_lines() if line is not None), default=code.co_firstlineno)
    nested = (_last_line(const) for const in code.co_consts if isinstance(const, CodeType))
    return max(last, code.co_firstlineno, *nested)


def _is_kept(text: list[str], first: int) -> bool:
    """Return whether a decorator's lines, those from `first` up to the `def`, have a word that speaks of keeping."""
    for line in text[first - 1 :]:
        bare = line.lstrip()
        if bare.startswith(("def ", "async ")):
            return False
        if _KEEPS.search(bare):
            return True
    return False


def content_digest(content: bytes) -> bytes:
    """Return what tells one content from another, as it stands in `SourceIndex.content`."""
    return blake2b(content, digest_size=_DIGEST_SIZE).digest()


def line_checksums(content: bytes) -> array[int]:
    """Return a checksum of each line; blanks around what a line holds do not count."""
    return array("I", [zlib.crc32(line.strip()) for line in content.splitlines()])
