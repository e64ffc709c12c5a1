"""Rows 26 and 27: names that are no text, and entries of a folder that are no files."""

from __future__ import annotations

import ctypes
import json
import os
import socket
import struct
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.control.protocol import dump
from app.domain.agents import AgentState
from app.domain.commands import ReadDiff, StartAudit
from app.domain.events import AgentChanged, AuditEnded
from app.domain.verdicts import Verdict
from tests.faults.headless import BAD, LIGHT, Headless, a_shop
from tests.mutations.watched import Watched, watching

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 255
"""Bytes of the longest name that Linux allows (NAME_MAX)."""

NAMES = (
    b"latin-\xe9.txt",
    b"\xff\xfe\x80",
    b"line\nend.txt",
    b'quote".txt',
    "emoji-\N{SNAKE}.py".encode(),
    "composed-\u00e9 decomposed-e\u0301".encode(),
    b"-n",
    b"  spaces  ",
    b"$(touch pwned)",
    b"x" * LONGEST,
)
TESTS = (
    b"test_latin_\xe9.py",
    "test_emoji_\N{SNAKE}.py".encode(),
    b"test_line\nend.py",
    b"test_" + b"x" * (LONGEST - len(b"test_.py")) + b".py",
)
A_TEST = b"def test_it():\n    assert False\n"


@pytest.mark.usefixtures("tidy")
def test_row_26_names_that_are_no_text_are_judged_and_told(tmp_path: Path) -> None:
    """Sources and tests with such names: each is a reason for a run, each test has its outcome, all of it is JSON."""
    root = a_shop(tmp_path / "shop")
    # pytest's own cache cannot hold such names, and takes the run along
    (root / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n", encoding="utf-8")
    with Headless(root, tmp_path / "home") as program:
        program.until_verdict("green")
        folder = os.fsencode(root)
        for name in NAMES:
            Path(os.fsdecode(folder + b"/" + name)).write_bytes(b"x")
        for name in TESTS:
            Path(os.fsdecode(folder + b"/" + name)).write_bytes(A_TEST)
        inside = Path(os.fsdecode(folder + b"/folder-\xff\n"))
        inside.mkdir()
        (inside / "module.py").write_bytes(b"NUMBER = 1\n")

        finished = program.until_verdict("red")
        saved = {path for event in program.events if event["event"] == "RunStarted" for path in event["cause"]["paths"]}
        results = [
            result
            for event in program.events
            if event["event"] == "TestsRan" and event["run_id"] == finished["run_id"]
            for result in event["results"]
        ]
        answered = program.command("status", "--json")
        kept = program.command("tests", "last", "--json")

    wanted = {shown(name) for name in (*NAMES, *TESTS)} | {shown(b"folder-\xff\n") + "/module.py"}
    assert wanted <= saved
    assert sorted(result["outcome"] for result in results) == ["failed"] * len(TESTS) + ["passed"]
    assert len({result["nodeid"] for result in results}) == len(TESTS) + 1
    for answer in (answered, kept):
        assert answer.stderr == ""
        assert json.loads(answer.stdout)
    assert not (root / "pwned").exists()


def shown(name: bytes) -> str:
    """Return how a name is told: bytes that are no UTF-8 as they are written in Python."""
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("utf-8", "backslashreplace")


IN_OPEN = 0x20
_EVENT = struct.Struct("iIII")


@contextmanager
def opened(paths: list[Path]) -> Iterator[list[str]]:
    """Give the names of those of these that are opened by anybody meanwhile, as inotify(7) tells it."""
    libc = ctypes.CDLL(None, use_errno=True)
    watcher = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    names = {libc.inotify_add_watch(watcher, os.fsencode(path), IN_OPEN): path.name for path in paths}
    assert watcher >= 0
    assert min(names) > 0
    seen: list[str] = []
    try:
        yield seen
        try:
            buffer = os.read(watcher, 1 << 16)
        except BlockingIOError:
            buffer = b""
        while buffer:
            number, _, _, length = _EVENT.unpack_from(buffer)
            seen.append(names[number])
            buffer = buffer[_EVENT.size + length :]
    finally:
        os.close(watcher)


def odd_entries(root: Path, outside: Path) -> list[Path]:
    """Fill a project with links that lead round, out and nowhere, FIFOs and sockets, and return what is never opened.

    What a link leads to outside stands for all that is none of our business.
    """
    (root / "pkg").mkdir()
    (root / "round").symlink_to(root, target_is_directory=True)
    (root / "pkg" / "up").symlink_to("..", target_is_directory=True)
    (root / "self").symlink_to("self")
    (root / "dangling.py").symlink_to(root / "not there.py")
    outside.mkdir()
    (outside / "secret.py").write_text("SECRET = 1\n", encoding="utf-8")
    (root / "out").symlink_to(outside, target_is_directory=True)
    fifos = [root / "pipe", root / "pkg" / "test_pipe.py", root / "notes.md", root / ".env", root / "requirements.txt"]
    for fifo in fifos:
        os.mkfifo(fifo)
    return [*fifos, outside / "secret.py"]


@pytest.mark.usefixtures("sound")
async def test_row_27_what_is_no_file_is_not_followed_and_never_opened(tmp_path: Path) -> None:
    """By the watch, a run, the diff and an audit: none hangs, opens a FIFO or leaves the root."""
    root = a_shop(tmp_path / "shop")
    never = odd_entries(root, tmp_path / "outside")
    with closing(socket.socket(socket.AF_UNIX)) as listening, opened(never) as seen:
        listening.bind(str(root / "socket"))
        # pytest itself follows links, and would run tests by forty names
        async with watching(root, tmp_path / "home", tests={**LIGHT, "args": ["test_shop.py"]}) as watched:
            await watched.ran(1)
            await watched.pause()
            os.mkfifo(root / "later.py")
            (root / "later").symlink_to(root, target_is_directory=True)
            (root / "shop.py").write_text(BAD, encoding="utf-8")
            await watched.until(lambda: watched.verdicts[-1] is Verdict.RED)
            told = {path for paths in watched.causes for path in paths}
            diff = await watched.bus.send(ReadDiff(project=str(root)))
            await watched.bus.send(StartAudit(project=str(root)))
            await watched.until(lambda: bool(watched.all(AuditEnded)))

    assert seen == []
    assert "shop.py" in told
    assert not {path for path in told if path.startswith(("round/", "pkg/up/", "out/", "later/"))}
    assert not {path for path in told if path in {"pipe", "socket", "later.py", "pkg/test_pipe.py"}}
    assert json.loads(dump(diff)) is not None
    assert failed(watched) == set()


def failed(watched: Watched) -> set[AgentState]:
    """Return the states that no agent should have been in."""
    return {each.state for each in watched.all(AgentChanged)} & {AgentState.BACKOFF, AgentState.FAILED}
