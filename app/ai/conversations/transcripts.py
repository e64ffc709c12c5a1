"""Transcripts: one file for each conversation, which is the truth about it.

A file `ID.jsonl` has a header line and a line for each exchange. A line is added with one write at the end of the file
(O_APPEND), so that two processes do not mix theirs on a local POSIX disk; on Windows and on network shares that is not
promised. A line that a crash left unfinished is ended by the next append, and readers pass over what is no exchange:
nothing is ever taken away from a file to repair it.

Disks hang. Each call has a deadline, on a pool of threads of its own. A thread cannot be called back from a disk that
does not answer, so the calls for one conversation take turns, and while one hangs the others wait without a thread and
fail after the deadline: a hung file costs one thread and no more, and the pool's size bounds all of them. When every
thread of the pool hangs, each call fails after the deadline; nobody else's threads are touched, and what answers again
gives its thread back.
"""

from __future__ import annotations

import asyncio
import os
import re
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from app.ai.conversations.form import Header, exchange_line, header_line, read_exchange, read_header
from app.domain.analysis import Conversation, ConversationRecord, Exchange, Subject
from app.domain.errors import CannotError, UsageError
from app.engine.files import PRIVATE, sync_folder
from app.engine.places import make_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor, Future
    from pathlib import Path

P = ParamSpec("P")
T = TypeVar("T")

DEADLINE_S = 5.0
LARGEST_READ = 16 << 20
"""Bytes of a transcript that are read, its last ones."""

_LARGEST_HEADER = 64 << 10
_ID = re.compile(r"[0-9a-z-]{8,64}")
_ENDING = ".jsonl"
_OPEN = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_OPEN |= getattr(os, "O_BINARY", 0)


class Transcripts:
    """The transcripts in one folder.

    Args:
        folder: Where they lie; made for this user alone with the first conversation.
        pool: Threads for this folder and nothing else, four for example.
        deadline_s: How long a call may take.
    """

    def __init__(self, folder: Path, *, pool: Executor, deadline_s: float = DEADLINE_S) -> None:
        self._folder = folder
        self._pool = pool
        self._deadline_s = deadline_s
        self._unended: dict[str, Future[Any]] = {}

    async def start(self, conversation: str, subject: Subject, title: str, *, started_at: float) -> None:
        """Begin a transcript.

        Args:
            conversation: Its id: 8 to 64 of `0-9`, `a-z` and `-`.
            subject: What it is about.
            title: The beginning of its first question.
            started_at: Wall-clock time.

        Raises:
            UsageError: The id is none, or is taken.
            CannotError: The disk is full, read-only or does not answer in time.
        """
        line = header_line(conversation, subject, title, started_at)
        await self._within(conversation, self._create, self._path(conversation), line)

    async def append(self, conversation: str, exchange: Exchange) -> None:
        """Add an exchange, and return when the disk has it.

        Raises:
            UsageError: There is no conversation of this id.
            CannotError: The disk is full, read-only or does not answer in time; what stood there is as it was. After
                the deadline the exchange may come to stand there all the same; added again, it is read once.
        """
        await self._within(conversation, self._add, self._path(conversation), exchange_line(exchange))

    async def read(self, conversation: str) -> Conversation | None:
        """Return a conversation, of one over `LARGEST_READ` bytes its newest part; None when there is none.

        Of a damaged file it is what can be read, without any exchange perhaps. Where it does not say for sure what it
        is about, its record is told as damaged: its subject is not known, so nothing of it may be sent anywhere.

        Raises:
            UsageError: The id is none.
            CannotError: The file cannot be read, or not in time.
        """
        return await self._within(conversation, self._load, self._path(conversation))

    async def delete(self, conversation: str) -> bool:
        """Delete a transcript for good, and tell whether there was one.

        Raises:
            UsageError: The id is none.
            CannotError: It cannot be deleted, or not in time.
        """
        return await self._within(conversation, self._unlink, self._path(conversation))

    async def _within(self, key: str, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            async with asyncio.timeout(self._deadline_s):
                while (last := self._unended.get(key)) is not None:
                    await _end_of(last)
                call = self._unended[key] = self._pool.submit(fn, *args, **kwargs)
                # a caller that goes away leaves the call behind: whoever comes next waits for it, and takes no thread
                call.add_done_callback(lambda done: self._forget(key, done))
                return await asyncio.wrap_future(call)
        except TimeoutError as error:
            raise self._no_answer() from error

    def _forget(self, key: str, ended: Future[Any]) -> None:
        if self._unended.get(key) is ended:
            self._unended.pop(key, None)

    def _no_answer(self) -> CannotError:
        return CannotError(
            f"The folder of conversations, {self._folder}, does not answer.",
            "Look whether its disk or network share hangs; it is tried again with the next question.",
        )

    def _path(self, conversation: str) -> Path:
        if not _ID.fullmatch(conversation):
            raise UsageError(
                f"{conversation[:80]!r} is no conversation's id.", "`watchkeeper conversations` lists what there is."
            )
        return self._folder / f"{conversation}{_ENDING}"

    # What follows runs on the pool's threads.

    def _create(self, path: Path, line: bytes) -> None:
        with self._told("cannot be begun"):
            make_private(self._folder)
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OPEN, PRIVATE)
            except FileExistsError as error:
                raise UsageError(
                    f"There is a conversation {path.stem} already.", "Begin one with another id."
                ) from error
            try:
                _write_whole(descriptor, line + b"\n")
            except OSError:
                with suppress(OSError):
                    path.unlink()  # it says nothing yet, and its id may be tried again
                raise
            finally:
                os.close(descriptor)
            sync_folder(self._folder)

    def _add(self, path: Path, line: bytes) -> None:
        with self._told("cannot be written"):
            descriptor = _opened(path, os.O_RDWR | os.O_APPEND)
            if descriptor is None:
                raise UsageError(f"There is no conversation {path.stem}.", "It may have been deleted meanwhile.")
            try:
                _write_whole(descriptor, (b"\n" if _is_torn(descriptor) else b"") + line + b"\n")
            finally:
                os.close(descriptor)

    def _load(self, path: Path) -> Conversation | None:
        with self._told("cannot be read"):
            descriptor = _opened(path, os.O_RDONLY)
            if descriptor is None:
                return None
            with os.fdopen(descriptor, "rb") as file:
                header = read_header(file.readline(_LARGEST_HEADER), path.stem)
                start = file.tell() if header else 0
                newest = os.fstat(descriptor).st_size - LARGEST_READ
                file.seek(max(start, newest))
                if newest > start:
                    file.readline(LARGEST_READ)  # the rest of a line whose beginning is not read
                content = file.read(LARGEST_READ)
        return _conversation(path.stem, header, content)

    def _unlink(self, path: Path) -> bool:
        with self._told("cannot be deleted"):
            try:
                path.unlink()
            except FileNotFoundError:
                return False
            sync_folder(self._folder)
            return True

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Convert the operating system's errors."""
        try:
            yield
        except OSError as error:
            raise CannotError(
                f"The conversation {what} in {self._folder}: {error.strerror or error}.",
                "Make room on the disk, or see to it that the folder may be written and read; nothing was lost.",
            ) from error


async def _end_of(call: Future[Any]) -> None:
    """Wait until a call has ended, however it has: its own caller was told."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def tell(_call: Future[Any]) -> None:
        with suppress(RuntimeError):  # the loop is closed, and nobody waits
            loop.call_soon_threadsafe(ended.set)

    call.add_done_callback(tell)
    await ended.wait()


def _opened(path: Path, flags: int) -> int | None:
    """Return a descriptor of a regular file, never waiting for one who writes or reads; None when nothing is there."""
    try:
        descriptor = os.open(path, flags | _OPEN)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path.name} is no file")
    return descriptor


def _is_torn(descriptor: int) -> bool:
    """Tell whether the last line has no end: a crash, or a full disk, came in between."""
    end = os.lseek(descriptor, 0, os.SEEK_END)
    if not end:
        return False
    os.lseek(descriptor, end - 1, os.SEEK_SET)
    return os.read(descriptor, 1) != b"\n"


def _write_whole(descriptor: int, content: bytes) -> None:
    """Write with one call, so that no other's line comes in between, and see that it is on the disk."""
    if os.write(descriptor, content) != len(content):
        raise OSError("the disk took a part of it only")
    os.fsync(descriptor)


def _conversation(conversation: str, header: Header | None, content: bytes) -> Conversation:
    # added again after an append that came through late, an exchange stands there twice
    found = {(each.seq, each.at): each for line in content.split(b"\n") if (each := read_exchange(line)) is not None}
    exchanges = tuple(sorted(found.values(), key=lambda each: each.seq))
    if header is None:
        header = Header(None, exchanges[0].question[:80], exchanges[0].at) if exchanges else Header()
    record = ConversationRecord(
        id=conversation,
        subject=header.subject or Subject(),
        title=header.title,
        started_at=header.started_at,
        last_at=exchanges[-1].at if exchanges else header.started_at,
        exchanges=len(exchanges),
        cost=sum(each.usage.cost or 0.0 for each in exchanges),
        is_damaged=header.subject is None,
    )
    return Conversation(record, exchanges)
