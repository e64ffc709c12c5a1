"""The lines that the last commits added, as git prints them: read as they come, and never held whole."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import threading
from bisect import bisect
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from app.agents.auditing.context import LARGEST_FILE, GitFailed, git_environ, in_words, reading_git
from app.engine.windowless import NO_WINDOW

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_MOST_HELD = 256 * 1024
_LONGEST_READ = 1024 * 1024
_COMMIT = b"commit "
_SIGNS_BEFORE = frozenset({b"+", b"-", b" "})
_HUNK = re.compile(rb"(@{2,})(?: -\d+(?:,\d+)?)+ \+(\d+)(?:,\d+)? @{2,}")
_ESCAPED = re.compile(rb'\\(?:([0-7]{3})|([abtnvfr"\\]))')
_SIGNS = dict(zip(b'abtnvfr"\\', (b"\a", b"\b", b"\t", b"\n", b"\v", b"\f", b"\r", b'"', b"\\"), strict=True))


@dataclass(slots=True)
class Added:
    """Lines that a commit added to a file.

    Attributes:
        commit: Which one, as hexadecimal digits.
        path: The file's, relative to the project's root with `/`; what is no UTF-8 in it as surrogates.
        data: The lines.
    """

    commit: str
    path: str
    data: bytearray = field(default_factory=bytearray)
    _firsts: list[int] = field(default_factory=list)
    _numbers: list[int] = field(default_factory=list)
    _lines: int = 0

    def line(self, at: int) -> int:
        """Return which line of the commit's file begins at a place in `data`, counted from 1."""
        index = self.data.count(b"\n", 0, at)
        hunk = bisect(self._firsts, index) - 1
        return self._numbers[hunk] + index - self._firsts[hunk]

    def begin(self, number: int) -> None:
        """Say which line of the file comes next."""
        self._firsts.append(self._lines)
        self._numbers.append(number)

    def add(self, text: bytes) -> None:
        """Take a line, or a part of one that is too long to be read at once."""
        self.data += text
        self._lines += text.endswith(b"\n")


def added_lines(patch: Iterable[bytes]) -> Iterator[Added]:
    """Yield the lines that a patch adds, file by file, long ones in pieces.

    Args:
        patch: What `git log -p` prints in the format `commit %H`, without context, line by line; a line may come in
            several parts, of which only the last ends with its end. In a merge's only those lines count that none of
            its parents has.
    """
    reader = _Reader()
    whole = True
    for line in patch:
        done = reader.begin(line) if whole else reader.go_on(line)
        if done and done.data:
            yield done
        whole = line.endswith(b"\n")
    if reader.added.data:
        yield reader.added


class _Reader:
    """Where in a patch one is."""

    def __init__(self) -> None:
        self.added = Added("", "")
        self._commit = self._path = ""
        self._columns = 0  # of signs before a line, one for each parent; 0 outside of what changed in a file
        self._number = 0  # of the line that comes next, in the file as the commit left it
        self._adds = False

    def begin(self, line: bytes) -> Added | None:
        """Take a line, or its first part, and return what is done with it."""
        if self._columns and line[:1] in _SIGNS_BEFORE:
            return self._change(line)
        self._adds = False
        if hunk := _HUNK.match(line):
            self._columns = len(hunk[1]) - 1 if self._path else 0
            self._number = int(hunk[2])
            self.added.begin(self._number)
            return None
        if line.startswith(b"\\"):  # "No newline at end of file"
            return None
        return self._head(line)

    def go_on(self, part: bytes) -> Added | None:
        """Take a further part of the line before, and return what is done with it."""
        if self._adds:
            self.added.add(part)
        return self._enough()

    def _change(self, line: bytes) -> Added | None:
        signs = line[: self._columns]
        stays = b"-" not in signs
        self._adds = stays and b" " not in signs
        self._number += stays
        if self._adds:
            self.added.add(line[self._columns :])
        elif stays:
            self.added.begin(self._number)
        return self._enough()

    def _head(self, line: bytes) -> Added | None:
        done = None
        if self._columns:
            done, self.added = self.added, Added(self._commit, "")
            self._columns = 0
        if line.startswith(_COMMIT):
            self._commit = line[len(_COMMIT) :].strip().decode("ascii", "replace")
        if line.startswith(b"+++ "):
            self._path = _path(line[4:])
            self.added = Added(self._commit, self._path)
        elif line.startswith((_COMMIT, b"diff ")):
            self._path = ""
        return done

    def _enough(self) -> Added | None:
        if len(self.added.data) < _MOST_HELD or not self.added.data.endswith(b"\n"):
            return None
        done, self.added = self.added, Added(self._commit, self._path)
        self.added.begin(self._number)
        return done


def last_commits(root: Path, count: int, limit_s: float) -> Iterator[Added]:
    """Yield what the last commits before HEAD added, the oldest first.

    Binary files, and those larger than checks read, are left out. Nothing is fetched, and no filter, hook or program
    of the project's is run.

    Args:
        root: The project's root folder; commits count also when they touched nothing in it.
        count: How many commits.
        limit_s: After so many seconds git is ended.

    Raises:
        GitFailed: There is no git, the command failed, or it took too long; what came before was yielded.
    """
    argv = [*reading_git(root), "-c", f"core.bigFileThreshold={LARGEST_FILE}"]
    argv += ["log", f"--max-count={count}", "--reverse"]
    argv += ["--patch", "-c", "--unified=0", "--inter-hunk-context=0", "--format=commit %H", "--no-color", "--relative"]
    argv += ["--no-ext-diff", "--no-textconv", "--no-renames", "--no-show-signature", "--no-notes", "--no-mailmap"]
    argv += ["--src-prefix=a/", "--dst-prefix=b/", "--submodule=short", "--diff-algorithm=myers", "HEAD", "--"]
    with tempfile.TemporaryFile() as said:
        try:
            git = subprocess.Popen(  # noqa: S603 - git, with words of our own
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                env=git_environ(),
                creationflags=NO_WINDOW,
            )
        except FileNotFoundError:
            raise GitFailed("git is not installed") from None
        except OSError as error:
            raise GitFailed(f"git could not be run ({type(error).__name__})") from error
        late = threading.Event()
        timer = threading.Timer(limit_s, _end, (git, late))
        timer.daemon = True
        timer.start()
        try:
            yield from added_lines(_lines(git.stdout))
        finally:
            timer.cancel()
            git.kill()
            if git.stdout:
                git.stdout.close()
            code = git.wait()
        if late.is_set():
            raise GitFailed(f"git took longer than {limit_s:.0f} s")
        if code > 0:
            said.seek(0)
            raise GitFailed(in_words(said.read(2000)) or f"git log failed ({code})")


def _end(git: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    git.kill()


def _lines(stream: IO[bytes] | None) -> Iterator[bytes]:
    while stream and (line := stream.readline(_LONGEST_READ)):
        yield line


def _path(written: bytes) -> str:
    """Return the path that a header names; empty for none. One with signs in it is written as in C."""
    text = written.rstrip(b"\r\n").removesuffix(b"\t")
    if text.startswith(b'"') and text.endswith(b'"'):
        text = _ESCAPED.sub(lambda each: bytes([int(each[1], 8) & 255]) if each[1] else _SIGNS[each[2][0]], text[1:-1])
    return "" if text == b"/dev/null" else os.fsdecode(text.removeprefix(b"b/"))
