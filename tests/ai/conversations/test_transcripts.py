"""Transcripts: whole through crashes, damage, full and hung disks, and other writers."""

# ruff: noqa: ASYNC240 - these tests may block: nothing else runs on their loop

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app.ai.conversations import transcripts as module
from app.ai.conversations.transcripts import Transcripts
from app.domain.analysis import Exchange, Subject, SubjectKind, Usage
from app.domain.errors import CannotError, UsageError
from app.engine.workers import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

ROOT = Path(__file__).parents[3]
ID = "20260101-0123456789ab"
SUBJECT = Subject(SubjectKind.FAILURE, "/src/project", "tests/test_a.py::test_x[ü]")


def exchange(seq: int, **more: Any) -> Exchange:
    usage = Usage(100, 20, 0.001, 1.5, is_estimate=True)
    return Exchange(seq, 1000.0 + seq, f"Жди {seq}?\nЖизнь.", f"Because {seq} 🙂", "deepseek", "chat", usage, **more)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the transcripts lie."""
    return tmp_path / "conversations"


@pytest.fixture
def file(folder: Path) -> Path:
    """The transcript that the tests work on."""
    return folder / f"{ID}.jsonl"


async def begin(transcripts: Transcripts, *seqs: int) -> None:
    await transcripts.start(ID, SUBJECT, "Жди?", started_at=1000.0)
    for seq in seqs:
        await transcripts.append(ID, exchange(seq))


async def seqs(transcripts: Transcripts) -> list[int]:
    found = await transcripts.read(ID)
    assert found is not None
    return [each.seq for each in found.exchanges]


async def test_what_is_written_is_read(transcripts: Transcripts) -> None:
    """A conversation comes back as it was, with what its record says."""
    await begin(transcripts, 1, 2)
    await transcripts.append(ID, exchange(3, trouble="It was cut off."))

    found = await transcripts.read(ID)

    assert found is not None
    assert found.exchanges == (exchange(1), exchange(2), exchange(3, trouble="It was cut off."))
    assert found.record.id == ID
    assert found.record.subject == SUBJECT
    assert found.record.title == "Жди?"
    assert (found.record.started_at, found.record.last_at, found.record.exchanges) == (1000.0, 1003.0, 3)
    assert found.record.cost == pytest.approx(0.003)


async def test_files_are_for_this_user_alone(transcripts: Transcripts, folder: Path, file: Path) -> None:
    """Nobody else can read what was asked."""
    await begin(transcripts)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_what_is_deleted_is_gone(transcripts: Transcripts, folder: Path) -> None:
    """A deleted conversation leaves nothing, and the others stay."""
    await begin(transcripts)
    await transcripts.start("another-one", Subject(), "", started_at=1.0)

    deleted = [await transcripts.delete(ID), await transcripts.delete(ID)]

    assert deleted == [True, False]
    assert await transcripts.read(ID) is None
    assert [each.name for each in folder.iterdir()] == ["another-one.jsonl"]


async def test_what_is_not_there_is_said(transcripts: Transcripts) -> None:
    """Nothing is added to a conversation that is not there, and none is begun twice."""
    with pytest.raises(UsageError, match="no conversation"):
        await transcripts.append(ID, exchange(1))
    await begin(transcripts)
    with pytest.raises(UsageError, match="already"):
        await begin(transcripts)


@pytest.mark.parametrize(
    "name", ["", "short", "../../etc/passwd", "a" * 65, "UPPERCASE", "12345678/", "12345678\n", "1234567\0"]
)
async def test_an_id_is_no_path(transcripts: Transcripts, tmp_path: Path, name: str) -> None:
    """Only ids of the agreed form come near the disk."""
    with pytest.raises(UsageError):
        await transcripts.read(name)
    with pytest.raises(UsageError):
        await transcripts.append(name, exchange(1))
    with pytest.raises(UsageError):
        await transcripts.start(name, SUBJECT, "", started_at=1.0)
    with pytest.raises(UsageError):
        await transcripts.delete(name)

    assert list(tmp_path.iterdir()) == []


async def test_a_torn_line_is_passed_over_and_ended(transcripts: Transcripts, file: Path) -> None:
    """After a crash within a line everything before it is read, and what is added afterwards too."""
    await begin(transcripts, 1, 2)
    file.write_bytes(file.read_bytes()[:-30])

    after_crash = await seqs(transcripts)
    await transcripts.append(ID, exchange(3))

    assert after_crash == [1]
    assert await seqs(transcripts) == [1, 3]


DAMAGE = [
    b"\xff\xfe\x00noise",
    b"{}",
    b"[]",
    b"null",
    b"[" * 100_000,
    b'{"v": 1, "seq": "1", "at": 1, "question": "q"}',
    b'{"v": 1, "seq": true, "at": 1, "question": "q"}',
    b'{"v": 1, "seq": 1, "at": null, "question": "q"}',
    b'{"v": 1, "seq": 1, "at": NaN, "question": "q"}',
    b'{"v": 1, "seq": 1, "at": 1, "question": 3}',
    b'{"v": 2, "seq": 1, "at": 1, "question": "q"}',
    b'{"v": 1, "seq": 1, "at": 1' + b"0" * 5000 + b', "question": "q"}',
    b"",
    b"\x00" * 100,
]


async def test_damage_costs_the_damaged_lines_alone(transcripts: Transcripts, file: Path) -> None:
    """Noise, wrong types and other versions are passed over, and the file stays as it is."""
    await begin(transcripts, 1)
    with file.open("ab") as writer:
        writer.write(b"\n".join(DAMAGE) + b"\n")
    await transcripts.append(ID, exchange(2))
    before = file.read_bytes()

    found = await transcripts.read(ID)

    assert found is not None
    assert found.exchanges == (exchange(1), exchange(2))
    assert found.record.title == "Жди?"
    assert file.read_bytes() == before


async def test_odd_values_do_not_cost_an_exchange(transcripts: Transcripts, file: Path) -> None:
    """What is not needed may be missing or wrong, and what is read can be written again."""
    await begin(transcripts)
    odd = {"v": 1, "seq": 1, "at": 1, "question": "q\ud800", "answer": 3, "usage": {"cost": "x", "prompt_tokens": -1}}
    with file.open("ab") as writer:
        writer.write(json.dumps(odd).encode() + b"\n")

    found = await transcripts.read(ID)

    assert found is not None
    assert found.exchanges == (Exchange(1, 1.0, "q?"),)


@pytest.mark.parametrize(
    "content", [b"", b"noise", b"\xff" * 100_000, b'{"v":1,"id":3}\n', b'{"v":1,"id":"x","subject":7,"title":[]}\n']
)
async def test_a_file_without_a_header_is_read(transcripts: Transcripts, file: Path, content: bytes) -> None:
    """A conversation whose beginning is lost still has what was added."""
    await begin(transcripts)
    file.write_bytes(content)

    empty = await transcripts.read(ID)
    await transcripts.append(ID, exchange(1))
    found = await transcripts.read(ID)

    assert empty is not None
    assert empty.exchanges == ()
    assert found is not None
    assert found.exchanges == (exchange(1),)
    assert found.record.subject == Subject()
    assert empty.record.is_damaged
    assert found.record.is_damaged


ABOUT = '{"v":1,"id":"%s","subject":{"kind":"%s","project":"/src/p","name":"t"},"title":"T","started_at":1.0}\n'


@pytest.mark.parametrize(
    "header",
    [
        pytest.param((ABOUT % (ID, "failure"))[:-20] + "\n", id="torn"),
        pytest.param(ABOUT % (ID, "failures"), id="an unknown kind"),
        pytest.param((ABOUT % (ID, "free")).replace('"free"', '["free"]'), id="a kind of another type"),
        pytest.param((ABOUT % (ID, "failure")).replace('"kind"', '"kin"'), id="no kind"),
        pytest.param((ABOUT % (ID, "failure")).replace('"subject"', '"subjec"'), id="no subject"),
        pytest.param((ABOUT % (ID, "failure")).replace('"/src/p"', "7"), id="no project"),
        pytest.param((ABOUT % (ID, "failure")).replace('"/src/p"', '""'), id="a failure of no project"),
        pytest.param((ABOUT % (ID, "free")).replace('"v":1', '"v":2'), id="another version"),
        pytest.param(ABOUT % ("another-one", "free"), id="of another conversation"),
        pytest.param((ABOUT % (ID, "failure")).replace('"T"', f'"{"T" * 70_000}"'), id="too long"),
        pytest.param("", id="missing"),
    ],
)
async def test_what_it_is_about_is_never_guessed(transcripts: Transcripts, file: Path, header: str) -> None:
    """A header that does not say it for sure makes the conversation damaged: nobody may take it for a free one."""
    await begin(transcripts, 1)
    file.write_bytes(header.encode() + file.read_bytes().split(b"\n", 1)[1])

    found = await transcripts.read(ID)

    assert found is not None
    assert found.exchanges == (exchange(1),)
    assert found.record.is_damaged


@pytest.mark.parametrize("subject", [SUBJECT, Subject(), Subject(project="/src/p"), Subject(SubjectKind.FINDING, "/p")])
async def test_a_whole_header_is_not_damaged(transcripts: Transcripts, subject: Subject) -> None:
    """Whatever a conversation is begun about is read as that."""
    await transcripts.start(ID, subject, "", started_at=1.0)

    found = await transcripts.read(ID)

    assert found is not None
    assert found.record.subject == subject
    assert not found.record.is_damaged


async def test_a_very_long_transcript_is_read_from_its_end(transcripts: Transcripts, file: Path) -> None:
    """Beyond 16 MiB the newest exchanges and the header count."""
    await begin(transcripts)
    filler = replace(exchange(1), answer="x" * 900_000)
    for seq in range(1, 25):
        await transcripts.append(ID, replace(filler, seq=seq, at=1000.0 + seq))

    found = await transcripts.read(ID)

    assert file.stat().st_size > module.LARGEST_READ
    assert found is not None
    assert found.record.title == "Жди?"
    assert found.exchanges[-1].seq == 24
    assert 10 < len(found.exchanges) < 24


async def test_added_twice_it_is_read_once(transcripts: Transcripts) -> None:
    """An append that came through late, and was repeated, leaves one exchange."""
    await begin(transcripts, 1, 2, 2)

    assert await seqs(transcripts) == [1, 2]


APPENDER = """
import asyncio, itertools, sys
from pathlib import Path
from app.ai.conversations.transcripts import Transcripts
from app.domain.analysis import Exchange
from app.engine.workers import WorkerPool
async def main(folder, conversation, first, count):
    transcripts = Transcripts(Path(folder), pool=WorkerPool(1, patience_s=1.0))
    numbers = range(int(first), int(first) + int(count)) if int(count) else itertools.count(int(first))
    for seq in numbers:
        await transcripts.append(conversation, Exchange(seq, float(seq), "q" * 3000, "a" * 3000))
        print(seq, flush=True)
asyncio.run(main(*sys.argv[1:]))
"""


def appender(folder: Path, first: int, count: int = 0) -> subprocess.Popen[bytes]:
    """A program that appends exchanges and says the number of each when it is on the disk."""
    argv = [sys.executable, "-c", APPENDER, str(folder), ID, str(first), str(count)]
    return subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE)


def killed_within(folder: Path, first: int, lines: int) -> list[int]:
    """The numbers that an appender said until it was killed, in the middle of going on."""
    with appender(folder, first) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().splitlines(keepends=True)
    return [int(line) for line in said + rest if line.endswith(b"\n")]


async def test_killed_twenty_times_nothing_is_lost(transcripts: Transcripts, folder: Path) -> None:
    """Whatever was said to be written is read after kill -9, and the next append works."""
    await begin(transcripts)
    said: list[int] = []
    for life in range(20):
        first = life * 100_000 + 1
        said += await asyncio.to_thread(killed_within, folder, first, life % 5 + 1)
        await transcripts.append(ID, exchange(first + 99_999))
        said.append(first + 99_999)

    found = await seqs(transcripts)

    assert len(said) >= 80
    assert set(said) <= set(found)


async def test_two_processes_do_not_mix_their_lines(transcripts: Transcripts, folder: Path) -> None:
    """Each line of each of two writers at once is whole."""
    await begin(transcripts)
    writers = [appender(folder, 1, 150), appender(folder, 1001, 150)]
    for writer in writers:
        await asyncio.to_thread(writer.communicate)

    found = await seqs(transcripts)

    assert found == [*range(1, 151), *range(1001, 1151)]


async def test_a_full_disk_leaves_the_old_content(transcripts: Transcripts, file: Path) -> None:
    """What does not fit is refused with what to do, and what stood there is as it was."""
    await begin(transcripts, 1)
    before = file.read_bytes()

    message = await asyncio.to_thread(refused_by_the_disk, file.parent, len(before) + 100)
    after = file.read_bytes()
    await transcripts.append(ID, exchange(3))

    assert "Make room" in message
    assert after.startswith(before)
    assert await seqs(transcripts) == [1, 3]


FULL = """
import asyncio, resource, signal, sys
from pathlib import Path
from app.ai.conversations.transcripts import Transcripts
from app.domain.analysis import Exchange
from app.domain.errors import CannotError
from app.engine.workers import WorkerPool
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), -1))
async def main():
    transcripts = Transcripts(Path(sys.argv[1]), pool=WorkerPool(1, patience_s=1.0))
    for _ in range(2):
        try:
            await transcripts.append(sys.argv[2], Exchange(2, 2.0, "q" * 3000))
        except CannotError as error:
            print(error)
asyncio.run(main())
"""


def refused_by_the_disk(folder: Path, limit: int) -> str:
    """What an append says in a program whose files may have so many bytes, tried twice: a disk that fills up."""
    argv = [sys.executable, "-c", FULL, str(folder), ID, str(limit)]
    said = subprocess.run(argv, cwd=ROOT, check=True, capture_output=True, text=True, timeout=30).stdout
    assert said.count("cannot be written") == 2
    return said


async def test_what_is_no_file_is_never_waited_for(transcripts: Transcripts, file: Path) -> None:
    """A FIFO, a folder or a link in a transcript's place is an error at once."""
    await begin(transcripts)
    file.unlink()
    os.mkfifo(file)
    began = time.monotonic()

    for attempt in (transcripts.read(ID), transcripts.append(ID, exchange(1))):
        with pytest.raises(CannotError, match="The conversation cannot be"):
            await attempt
    file.unlink()
    file.symlink_to("/etc/passwd")
    with pytest.raises(CannotError):
        await transcripts.read(ID)

    assert time.monotonic() - began < module.DEADLINE_S


async def test_a_folder_that_cannot_be_made_is_said(folder: Path, transcripts: Transcripts) -> None:
    """A file in the folder's place is an error with what to do."""
    folder.write_text("")

    with pytest.raises(CannotError, match="cannot be begun"):
        await begin(transcripts)


class HungDisk(WorkerPool):
    """Threads that hang, as on a dead network share, in each call for a conversation whose id is in `hung`."""

    def __init__(self, fifo: Path) -> None:
        super().__init__(4, name="hung", patience_s=5.0)
        self.fifo = fifo
        self.hung: set[str] = set()
        self.begun = 0
        os.mkfifo(fifo)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if args and args[0].stem in self.hung:
            return super().submit(self._hang, fn, *args, **kwargs)
        return super().submit(fn, *args, **kwargs)

    def _hang(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.begun += 1
        self.fifo.read_bytes()  # the operating system blocks this until somebody writes
        return fn(*args, **kwargs)

    def answer(self) -> None:
        """Let the disk answer again."""
        self.hung.clear()
        self.fifo.write_bytes(b"")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[HungDisk]:
    """A pool of four threads on a disk that can hang."""
    pool = HungDisk(tmp_path / "fifo")
    yield pool
    if any(thread.is_alive() for thread in pool._crew) and pool.begun:
        os.close(os.open(pool.fifo, os.O_RDWR))
    pool.shutdown()


async def test_a_hung_disk_costs_its_deadline_and_one_thread(folder: Path, disk: HungDisk) -> None:
    """Twenty times a call fails in time while the loop and other conversations go on, and then it heals."""
    transcripts = Transcripts(folder, pool=disk, deadline_s=0.3)
    await begin(transcripts, 1)
    await transcripts.start("another-one", SUBJECT, "", started_at=1.0)
    disk.hung.add(ID)
    threads = threading.active_count()
    took: list[float] = []
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.ensure_future(tick())
    for number in range(20):
        began = time.monotonic()
        with pytest.raises(CannotError, match="does not answer"):
            await (transcripts.append(ID, exchange(2)) if number % 2 else transcripts.read(ID))
        took.append(time.monotonic() - began)
        await transcripts.append("another-one", exchange(number + 1))
    ticking.cancel()
    other = await transcripts.read("another-one")
    started = disk.begun
    disk.answer()
    await transcripts.append(ID, exchange(3))

    assert max(took) < 5
    assert ticks > 60
    assert started == 1
    assert threading.active_count() <= threads + 3
    assert other is not None
    assert len(other.exchanges) == 20
    assert await seqs(transcripts) == [1, 3]


async def test_callers_at_once_share_the_hung_thread(folder: Path, disk: HungDisk) -> None:
    """Ten callers at once fail within the deadline, and nine of them never had a thread."""
    transcripts = Transcripts(folder, pool=disk, deadline_s=0.3)
    await begin(transcripts)
    disk.hung.add(ID)
    began = time.monotonic()

    said = await asyncio.gather(*(transcripts.read(ID) for _ in range(10)), return_exceptions=True)

    assert all(isinstance(each, CannotError) for each in said)
    assert time.monotonic() - began < 5
    assert disk.begun == 1
    disk.answer()
    assert await seqs(transcripts) == []


async def test_a_call_that_never_began_hinders_nobody(folder: Path) -> None:
    """Who waited for a call that was given up in the queue goes on when its turn comes, and is not cancelled."""
    busy = threading.Event()
    pool = WorkerPool(1, patience_s=5.0)
    transcripts = Transcripts(folder, pool=pool, deadline_s=20)
    await begin(transcripts, 1)
    pool.submit(busy.wait)
    given_up = asyncio.ensure_future(transcripts.read(ID))
    following = [asyncio.ensure_future(transcripts.read(ID)) for _ in range(3)]
    await settle()

    given_up.cancel()
    await settle()
    busy.set()
    found = await asyncio.gather(*following)

    assert [each is not None and len(each.exchanges) for each in found] == [1, 1, 1]
    pool.shutdown()


async def settle() -> None:
    """Give the loop some turns."""
    for _ in range(25):
        await asyncio.sleep(0)


async def test_a_caller_that_goes_away_hinders_nobody(folder: Path, disk: HungDisk) -> None:
    """The next call waits for the thread that a cancelled one left behind, and works."""
    transcripts = Transcripts(folder, pool=disk, deadline_s=20)
    await begin(transcripts, 1)
    disk.hung.add(ID)
    gone = asyncio.ensure_future(transcripts.append(ID, exchange(2)))
    async with asyncio.timeout(10):
        while not disk.begun:  # noqa: ASYNC110 - a thread tells when it has begun
            await asyncio.sleep(0.005)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)

    following = asyncio.ensure_future(transcripts.read(ID))
    await asyncio.sleep(0)
    await asyncio.to_thread(disk.answer)
    found = await following

    assert found is not None
    assert [each.seq for each in found.exchanges] == [1, 2]
