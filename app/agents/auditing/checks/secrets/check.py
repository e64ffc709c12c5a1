"""The check for secrets: in the files of the working tree, and in what the last commits added."""

from __future__ import annotations

import codecs
import time
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from app.agents.auditing.checks.secrets.commits import last_commits
from app.agents.auditing.checks.secrets.ledger import MOST, Ledger
from app.agents.auditing.checks.secrets.masking import evidence
from app.agents.auditing.checks.secrets.scanner import own_scanner
from app.agents.auditing.context import LARGEST_FILE, GitFailed
from app.agents.auditing.plugin import NotKnown, SyncCheck
from app.domain.findings import Severity
from app.engine.regular import NotRegular, read_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.agents.auditing.checks.secrets.scanner import Hit, Scanned, Scanner
    from app.agents.auditing.context import Context
    from app.agents.auditing.plugin import Told

COMMITS = 200
"""So many commits are looked at, unless the option `commits` says another number; 0 for none."""
_LOOKED_AT = 8000
_OF_NO_TEXT = bytes(sign for sign in range(32) if sign not in b"\t\n\v\f\r\x1b")
_PART_OF_NO_TEXT = 50
"""Of a text at most one byte in so many is none of it: a NUL hides no file."""
_NAMED = 3
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Secrets(SyncCheck):
    """Looks for keys, tokens, passwords and private keys.

    Binary files, symbolic links and the content of submodules are not looked at; a text with a NUL byte in it is no
    binary file. A secret is one finding, wherever and however often it stands. A line with `watchkeeper: allow` is left
    out.
    """

    id = "secrets"
    title = "No secret in files or commits"
    severity = Severity.HIGH
    deadline_s = 120.0
    tree_s: ClassVar[float] = 60.0
    """After so many seconds no further file is read."""
    commits_s: ClassVar[float] = 45.0
    """After so many seconds no further commit is read."""

    def look(self, context: Context) -> Iterator[Told]:
        """Yield what could not be looked at, then a finding for each secret."""
        scanner = own_scanner()
        ledger = Ledger()
        yield from self._look_at_files(context, scanner, ledger)
        yield from self._look_at_commits(context, scanner, ledger)
        if ledger.overflowed:
            yield NotKnown(f"more than {MOST} secrets were found; only the first are told")
        yield from ledger.findings(self.id)

    def _look_at_files(self, context: Context, scanner: Scanner, ledger: Ledger) -> Iterator[NotKnown]:
        until = time.monotonic() + self.tree_s
        large: list[str] = []
        unread: list[str] = []
        why = ""
        try:
            paths = list(context.files())
        except OSError as error:
            yield NotKnown(f"the project's files could not be listed: {error.strerror or type(error).__name__}")
            return
        for done, path in enumerate(paths):
            if time.monotonic() > until:
                yield NotKnown(f"time was up after {done} of {len(paths)} files")
                break
            try:
                data = _text_of(context, path)
            except FileNotFoundError:  # it went away meanwhile
                continue
            except OSError as error:
                unread.append(path)
                why = error.strerror or str(error)
                continue
            if len(data) > LARGEST_FILE:
                large.append(path)
            _enter(scanner, ledger, data, path)
        if large:
            yield NotKnown(f"{_some(large)}: larger than {LARGEST_FILE >> 20} MB, looked at only so far")
        if unread:
            yield NotKnown(f"{_some(unread)}: could not be read ({why})")

    def _look_at_commits(self, context: Context, scanner: Scanner, ledger: Ledger) -> Iterator[NotKnown]:
        count = context.options.get("commits", COMMITS)
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            yield NotKnown(f"the option `commits` must be a number from 0 on; {COMMITS} commits were looked at")
            count = COMMITS
        if not count:
            return
        try:
            shallow = context.git("rev-parse", "--is-shallow-repository").strip() == "true"
        except GitFailed as error:
            if not any((folder / ".git").exists() for folder in (context.root, *context.root.parents)):
                return  # no commits are none that were not looked at
            yield NotKnown(f"commits could not be looked at (the option `commits` = 0 leaves them out): {error}")
            return
        if not _has_commits(context):
            return
        commit = ""
        try:
            for added in last_commits(context.root, count, self.commits_s):
                commit = added.commit
                data = bytes(added.data)
                scanned = scanner.scan(data, added.path)
                for hit in scanned.hits:
                    ledger.add(hit, added.path, added.line(hit.line_at), _shown(data, hit, scanned), commit)
            if shallow and int(context.git("rev-list", "--count", f"--max-count={count}", "HEAD")) < count:
                yield NotKnown("the repository is a shallow clone: commits before its edge could not be looked at")
        except GitFailed as error:
            after = f", after {commit[:12]}" if commit else ""
            yield NotKnown(f"commits could not all be looked at{after}: {error}")


def _has_commits(context: Context) -> bool:
    try:
        context.git("rev-parse", "--quiet", "--verify", "HEAD")
    except GitFailed:
        return False
    return True


def _enter(scanner: Scanner, ledger: Ledger, data: bytes, path: str) -> None:
    """Enter the secrets of a file into the ledger."""
    scanned = scanner.scan(data, path)
    counted = line = 0
    for hit in sorted(scanned.hits, key=lambda each: each.line_at):
        line += data.count(b"\n", counted, hit.line_at)
        counted = hit.line_at
        ledger.add(hit, path, line + 1, _shown(data, hit, scanned))


def _shown(data: bytes, hit: Hit, scanned: Scanned) -> Callable[[], str]:
    return partial(evidence, data, hit.line_at, hit.start, hit.end, scanned.hidden)


def _text_of(context: Context, path: str) -> bytes:
    """Return a file's bytes, in an encoding that holds ASCII as it is; none of a symbolic link or a binary file.

    Raises:
        OSError: It cannot be read.
    """
    file = context.root / path
    if file.is_symlink():
        return b""
    try:
        data = read_regular(file, LARGEST_FILE)
    except NotRegular:
        return b""
    if data.startswith(_UTF_16):
        return data.decode("utf-16", "replace").encode("utf-8", "replace")
    return b"" if _is_binary(data[:_LOOKED_AT]) else data


def _is_binary(data: bytes) -> bool:
    others = len(data) - len(data.translate(None, _OF_NO_TEXT))
    return b"\0" in data and others > max(1, len(data) // _PART_OF_NO_TEXT)


def _some(paths: list[str]) -> str:
    named = ", ".join(path.encode("utf-8", "replace").decode() for path in paths[:_NAMED])
    return named if len(paths) <= _NAMED else f"{named} and {len(paths) - _NAMED} more files"
