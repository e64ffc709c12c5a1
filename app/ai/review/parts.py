"""What changed, in parts that a model can be shown: numbered lines of one file, without what must not leave."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from app.ai.messages import tokens_of
from app.domain.secretfiles import is_secret_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from app.ai.failures.hunks import Hunk

LONGEST_LINE = 400
"""Characters of a line that are shown; files with longer ones are made by programs more often than by people."""

_MARGIN_TOKENS = 4
"""Of a line's number and sign."""

_MADE = (
    ".lock", ".min.js", ".min.css", ".map", ".svg", ".csv", ".tsv", ".ipynb", ".snap", ".po", ".pot", ".sum",
    ".pb.go", "_pb2.py", "_pb2.pyi", "-lock.json", "-lock.yaml", ".lock.yaml", ".log", ".diff", ".patch",
    ".audit.md", ".audit.json", ".watchkeeper-baseline.json",
)  # fmt: skip
_VENDORED = ("vendor/", "third_party/", "node_modules/", "dist/", "build/")
_LATER = (".md", ".rst", ".txt", ".json", ".yaml", ".yml", ".toml", ".ini", ".cfg")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a change.

    Attributes:
        sign: `+` for an added one, `-` for one that is gone, a space for one that stayed.
        number: Its number in the file as it is now, from 1; 0 when it is gone.
        text: What it says.
    """

    sign: str
    number: int
    text: str


@dataclass(frozen=True)
class Part:
    """Some lines of one changed file, as they are there.

    Attributes:
        path: The file, relative to the project's root with `/`.
        lines: The lines, in their order.
        within: What git says of the function around; may be empty.
    """

    path: str
    lines: tuple[Line, ...]
    within: str = ""

    @cached_property
    def digest(self) -> str:
        """Return which change this is, as 32 hexadecimal digits: the same when it only moved within its file."""
        said = "\0".join((self.path, *(f"{line.sign}{line.text}" for line in self.lines)))
        return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def shown(self, clean: Callable[[str], str]) -> Shown:
        """Return the part as a model is shown it.

        Args:
            clean: Takes out what must not leave; returns as many lines as it is given.
        """
        texts = clean("\n".join(line.text for line in self.lines)).split("\n")
        lines = tuple(
            Line(line.sign, line.number, text[:LONGEST_LINE]) for line, text in zip(self.lines, texts, strict=True)
        )
        return Shown(self, lines, clean(self.path), clean(self.within))


@dataclass(frozen=True)
class Shown:
    """A part without what must not leave.

    Attributes:
        part: The part as it is.
        lines: Its lines, cleaned.
        path: Its path, cleaned: what the model calls it.
        within: As in the part, cleaned.
    """

    part: Part
    lines: tuple[Line, ...]
    path: str
    within: str

    @cached_property
    def text(self) -> str:
        """Return it as text: the file's name, and each line with its number and its sign."""
        head = f"=== {self.path}" + (f" (within: {self.within})" if self.within else "")
        return "\n".join((head, *(f"{line.number or '':>5} {line.sign} {line.text}" for line in self.lines)))

    @cached_property
    def tokens(self) -> int:
        """Return how many tokens it has, reckoned."""
        return tokens_of(self.text) + 1


def parts_of(hunks: Iterable[Hunk], most_tokens: int) -> Iterator[Part]:
    """Return the parts of a change that people wrote and a reviewer may see: no secrets' files, nothing made.

    Args:
        hunks: Of the change, with some lines around what changed.
        most_tokens: So many tokens a part has at most, about: what is longer is several parts.
    """
    for hunk in hunks:
        if hunk.first and not hunk.is_deleted and is_reviewed(hunk.path):
            lines = tuple(_lines(hunk))
            if any(len(line.text) > LONGEST_LINE * 5 for line in lines):
                continue
            for piece in _cut(lines, most_tokens):
                if any(line.sign != " " for line in piece):
                    yield Part(hunk.path, piece, hunk.within)


def _cut(lines: Sequence[Line], most_tokens: int) -> Iterator[tuple[Line, ...]]:
    piece: list[Line] = []
    size = 0
    for line in lines:
        own = tokens_of(line.text[:LONGEST_LINE]) + _MARGIN_TOKENS
        if piece and size + own > most_tokens:
            yield tuple(piece)
            piece, size = [], 0
        piece.append(line)
        size += own
    if piece:
        yield tuple(piece)


def is_reviewed(path: str) -> bool:
    """Return whether a file is one that people write, and that may be shown."""
    low = path.lower()
    if is_secret_file(path) or low.endswith(_MADE):
        return False
    return not any(low.startswith(folder) or f"/{folder}" in low for folder in _VENDORED)


def in_order(parts: Iterable[Part]) -> list[Part]:
    """Return parts in the order in which they are worth a look: source, then tests, then words and settings."""

    def rank(part: Part) -> tuple[bool, bool]:
        return part.path.lower().endswith(_LATER), "test" in part.path.lower()

    return sorted(parts, key=rank)


def packed(shown: Sequence[Shown], tokens: int) -> list[tuple[Shown, ...]]:
    """Return parts in pieces of at most so many tokens, in their order; a part that has more is a piece of its own."""
    pieces: list[tuple[Shown, ...]] = []
    piece: list[Shown] = []
    size = 0
    for each in shown:
        if piece and size + each.tokens > tokens:
            pieces.append(tuple(piece))
            piece, size = [], 0
        piece.append(each)
        size += each.tokens
    if piece:
        pieces.append(tuple(piece))
    return pieces


def _lines(hunk: Hunk) -> Iterator[Line]:
    number = hunk.first
    for line in hunk.lines[1:]:
        sign, text = line[:1] or " ", line[1:]
        if sign == "-":
            yield Line("-", 0, text)
        elif sign in "+ ":
            yield Line(sign, number, text)
            number += 1
