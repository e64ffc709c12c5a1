"""The record of lives: how one ended is known to the next, whatever became of the files."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import healthwords
from app.domain.errors import CannotError, InternalError
from app.domain.health import Ending, Exit, UncleanEnd
from app.engine.limits import Limits
from app.engine.lives import (
    KEPT,
    Birth,
    LifeRecord,
    end_at_once,
    fault_place,
    files_of_lives,
    known_ends,
    lives_folder,
    recorded,
)
from app.engine.places import Places

if TYPE_CHECKING:
    from pathlib import Path

LIMITS = Limits()
NOW = 1_700_000_000.0

FATAL = """Fatal Python error: Segmentation fault

Thread 0x00007f3c (most recent call first):
  File "/usr/lib/python3.11/threading.py", line 331 in wait

Current thread 0x00007f3d (most recent call first):
  File "/src/native.py", line 12 in crash
  File "/src/main.py", line 3 in <module>
"""


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places.find({"WATCHKEEPER_HOME": str(tmp_path)})


def record(places: Places, clock: Any, *, version: str = "1.0") -> LifeRecord:
    return LifeRecord(lives_folder(places), clock=clock, version=version)


def test_the_first_life_follows_none(places: Places, fake_clock: Any) -> None:
    """Without a record there is nothing to tell, and nothing is wrong."""
    birth = record(places, fake_clock).begin()

    assert birth == Birth()


def test_an_orderly_end_leaves_nothing(places: Places, fake_clock: Any) -> None:
    """A life that ended as it should is no news to the next."""
    with recorded(record(places, fake_clock)):
        pass

    birth = record(places, fake_clock).begin()

    assert birth == Birth()
    assert [path.name for path in files_of_lives(places)] == ["current.json"]


def test_a_life_without_a_word_was_killed(places: Places, fake_clock: Any) -> None:
    """Who left its record and no word was killed, when it last gave a sign of life."""
    before = record(places, fake_clock, version="0.9")
    before.begin()
    before.breathe()
    os.utime(lives_folder(places) / "current.json", (NOW, NOW))

    birth = record(places, fake_clock).begin()

    assert birth.is_restart
    assert birth.ends == (UncleanEnd(NOW, Ending.KILLED, "", "0.9"),)


@pytest.mark.parametrize("pid", [0, os.getpid()], ids=["any", "its own"])
def test_what_kept_a_killed_life_tells_how_and_when_it_ended(places: Places, fake_clock: Any, pid: int) -> None:
    """It waited for the process: the last sign of life may be half a minute older. It is kept for later lives too."""
    record(places, fake_clock).begin()
    seen = UncleanEnd(NOW, Ending.KILLED, "", "1.0", -9)

    birth = record(places, fake_clock).begin(Exit(pid, -9, NOW))

    assert birth.ends == known_ends(places) == (seen,)
    assert healthwords.ended(seen) == "was killed by signal 9 (SIGKILL) (version 1.0)"
    assert healthwords.ending(Ending.KILLED, 134) == "ended with exit code 134, without a word"


def test_what_was_seen_of_another_process_is_not_believed(places: Places, fake_clock: Any) -> None:
    """A life may end before it begins its record; what stands there is then of one before it."""
    record(places, fake_clock).begin()

    birth = record(places, fake_clock).begin(Exit(1234567, -9, NOW))

    assert birth.ends[0].code is None
    assert birth.ends[0].at != NOW


def test_a_last_word_counts_more_than_an_exit_code(places: Places, fake_clock: Any) -> None:
    """The program knew where it stood; its parent knows a number."""
    before = record(places, fake_clock)
    before.begin()
    before.mark(Ending.STUCK, "a.py:12 in slow")

    birth = record(places, fake_clock).begin(Exit(os.getpid(), 70, NOW))

    assert birth.ends == (UncleanEnd(fake_clock.wall(), Ending.STUCK, "a.py:12 in slow", "1.0"),)


def test_a_killed_life_is_told_once(places: Places, fake_clock: Any) -> None:
    """After an orderly life in between, the kill is known but no longer the life before."""
    record(places, fake_clock).begin()
    with recorded(record(places, fake_clock)):
        pass

    birth = record(places, fake_clock).begin()

    assert not birth.is_restart
    assert [end.ending for end in birth.ends] == [Ending.KILLED]


@pytest.mark.parametrize("ending", [Ending.STUCK, Ending.FORCED])
def test_a_last_word_says_how_and_where(places: Places, fake_clock: Any, ending: Ending) -> None:
    """The marker of a life tells the next how it ended and where, with the stacks in a file of their own."""
    before = record(places, fake_clock)
    before.begin()

    before.mark(ending, "a.py:12 in slow", "MainThread:\n  a.py:12")
    birth = record(places, fake_clock).begin()

    assert birth.is_restart
    assert birth.ends == (UncleanEnd(fake_clock.wall(), ending, "a.py:12 in slow", "1.0"),)
    stacks = [path for path in files_of_lives(places) if path.name.startswith(f"{ending}-")]
    assert [path.read_text("utf-8") for path in stacks] == ["MainThread:\n  a.py:12"]


@pytest.mark.parametrize("error", [ValueError("no disk"), InternalError("no disk"), SystemExit(1)])
def test_an_error_that_reaches_the_top_is_a_failure(places: Places, fake_clock: Any, error: BaseException) -> None:
    """Its name and text are the word that is left, and it goes on its way."""
    with pytest.raises(type(error)), recorded(record(places, fake_clock)):
        raise error

    birth = record(places, fake_clock).begin()

    assert [end.ending for end in birth.ends] == [Ending.FAILED]
    assert birth.ends[0].where == f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("error", [CannotError("locked"), KeyboardInterrupt(), SystemExit(0), SystemExit(2)])
def test_what_only_cannot_be_done_is_an_orderly_end(places: Places, fake_clock: Any, error: BaseException) -> None:
    """A refusal, Ctrl+C and a proper exit code are no crash."""
    with pytest.raises(type(error)), recorded(record(places, fake_clock)):
        raise error

    assert record(places, fake_clock).begin() == Birth()


def test_secrets_are_taken_out_of_the_words(places: Places, fake_clock: Any) -> None:
    """Neither the marker nor the stacks hold what the redactor knows."""
    before = LifeRecord(
        lives_folder(places), clock=fake_clock, version="1", redact=lambda text: text.replace("hunter2", "***")
    )
    before.begin()

    before.fail(ValueError("login with hunter2"))

    written = b"".join(path.read_bytes() for path in files_of_lives(places))
    assert b"login with ***" in written
    assert b"hunter2" not in written


def test_ten_ends_are_kept_with_their_stacks(places: Places, fake_clock: Any) -> None:
    """Older ends go, and so do their files."""
    for number in range(KEPT + 3):
        life = record(places, fake_clock)
        life.begin()
        life.mark(Ending.STUCK, f"a.py:{number} in slow", f"stack {number}")
        fake_clock.advance(1)

    birth = record(places, fake_clock).begin()

    stacks = [path.read_text("utf-8") for path in files_of_lives(places) if path.name.startswith("stuck-")]
    assert [end.where for end in birth.ends] == [f"a.py:{number} in slow" for number in range(KEPT + 2, 2, -1)]
    assert sorted(stacks) == sorted(f"stack {number}" for number in range(3, KEPT + 3))
    assert known_ends(places) == birth.ends


def test_a_marker_of_another_life_is_not_believed(places: Places, fake_clock: Any) -> None:
    """A word that an earlier life left does not speak for a later one that was killed."""
    before = record(places, fake_clock)
    before.begin()
    before.mark(Ending.STUCK, "a.py:1 in old")
    old = (lives_folder(places) / "marker.json").read_bytes()
    fake_clock.advance(60)
    record(places, fake_clock).begin()
    (lives_folder(places) / "marker.json").write_bytes(old)

    birth = record(places, fake_clock).begin()

    assert [end.ending for end in birth.ends] == [Ending.KILLED, Ending.STUCK]


def test_a_start_that_is_killed_half_way_tells_an_end_once(places: Places, fake_clock: Any) -> None:
    """The end is written before the old record goes, and is not written twice."""
    record(places, fake_clock).begin()
    left = (lives_folder(places) / "current.json").read_bytes()
    record(places, fake_clock).begin()
    (lives_folder(places) / "current.json").write_bytes(left)

    birth = record(places, fake_clock).begin()

    assert len(birth.ends) == 1


def test_native_crashes_are_placed(places: Places, fake_clock: Any) -> None:
    """What faulthandler wrote says where a killed life was, and is kept."""
    before = record(places, fake_clock)
    before.begin()
    before.fault_file.write_text(FATAL, encoding="utf-8")

    birth = record(places, fake_clock).begin()

    assert [end.where for end in birth.ends] == ["/src/native.py:12 in crash (Segmentation fault)"]
    assert [path.read_text("utf-8") for path in files_of_lives(places) if path.name.startswith("killed-")] == [FATAL]
    assert not before.fault_file.exists()


@pytest.mark.parametrize(
    ("dump", "where"),
    [
        ("", ""),
        ("Fatal Python error: Aborted\n", "Aborted"),
        (
            "Fatal Python error: Aborted\n\nCurrent thread 0x1 (most recent call first):\n  <no Python frame>\n",
            "Aborted",
        ),
        ("Windows fatal exception: code 0x8001010d\n\n" + FATAL, "/src/native.py:12 in crash (Segmentation fault)"),
        ("\x00\x00 nonsense", ""),
    ],
)
def test_a_dump_tells_as_much_as_it_holds(dump: str, where: str) -> None:
    """The last fatal error counts, with the frame of the thread that had it where there is one."""
    assert fault_place(dump) == where


@pytest.mark.parametrize("name", ["current.json", "marker.json", "ends.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema": 7}', b"\xff\xfe", b"{" * 100_000])
def test_a_foreign_file_is_set_aside(places: Places, fake_clock: Any, name: str, content: bytes) -> None:
    """A start goes on over it, says so, and writes a record that the next can read."""
    folder = lives_folder(places)
    folder.mkdir(parents=True)
    (folder / name).write_bytes(content)

    birth = record(places, fake_clock).begin()
    again = record(places, fake_clock).begin()

    assert name in birth.trouble
    assert (folder / f"{name}.broken").read_bytes() == content
    assert (again.is_restart, again.trouble) == (True, "")


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_entry = st.fixed_dictionaries(
    {},
    optional={
        "life": _json,
        "at": _json,
        "ending": st.sampled_from([*Ending]) | _json,
        "where": _json,
        "version": _json,
        "stacks": st.sampled_from(["stuck-1.0-2.txt", "../settings.toml"]) | _json,
    },
)


@settings(max_examples=60, deadline=None)
@given(ends=st.lists(_entry, max_size=12) | _json, marker=_entry, current=_entry)
def test_whatever_the_files_hold_a_start_goes_on(
    tmp_path_factory: pytest.TempPathFactory, ends: object, marker: object, current: dict[str, object]
) -> None:
    """Right JSON with wrong types inside never stops a start, and what is read is always of its types."""
    places = Places.find({"WATCHKEEPER_HOME": str(tmp_path_factory.mktemp("home"))})
    folder = lives_folder(places)
    folder.mkdir(parents=True)
    for name, state in (("ends", {"ends": ends}), ("marker", marker), ("current", current)):
        (folder / f"{name}.json").write_text(json.dumps({"schema": 1, **state}), encoding="utf-8")  # type: ignore[dict-item]

    birth = record(places, _Wall()).begin()

    assert len(birth.ends) <= KEPT
    for end in birth.ends:
        assert isinstance(end.at, float)
        assert isinstance(end.ending, Ending)
        assert isinstance(end.where, str)


class _Wall:
    """Tells a time that stands still."""

    def wall(self) -> float:
        return NOW

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError


def test_files_that_are_not_ours_stay(places: Places, fake_clock: Any) -> None:
    """Only stacks of ours are dropped, and only ours are put into a report."""
    folder = lives_folder(places)
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    (folder / "stuck-1.000-2.txt").write_text("old", encoding="utf-8")

    record(places, fake_clock).begin()

    assert sorted(path.name for path in folder.iterdir()) == ["current.json", "notes.txt"]
    assert [path.name for path in files_of_lives(places)] == ["current.json"]


def test_a_folder_that_cannot_be_used_does_not_stop_a_start(places: Places, fake_clock: Any) -> None:
    """Nothing is recorded then, and a person is told."""
    places.data.mkdir(parents=True)
    lives_folder(places).write_text("a file", encoding="utf-8")
    life = record(places, fake_clock)

    with recorded(life) as birth:
        pass

    assert birth.ends == ()
    assert str(lives_folder(places)) in birth.trouble
    assert files_of_lives(places) == ()
    assert known_ends(places) == ()


def test_a_full_disk_does_not_stop_a_start(places: Places, fake_clock: Any) -> None:
    """A record that cannot be written is told of, and what is known is told all the same."""
    record(places, fake_clock).begin()
    (lives_folder(places) / "ends.json").mkdir()

    birth = record(places, fake_clock).begin()

    assert birth.is_restart
    assert "ends.json" in birth.trouble


def _crashes(*seconds_ago: float, ending: Ending = Ending.KILLED) -> tuple[UncleanEnd, ...]:
    return tuple(UncleanEnd(NOW - each, ending) for each in seconds_ago)


@pytest.mark.parametrize(
    ("birth", "crashes"),
    [
        (Birth(_crashes(1, 60, 590), is_restart=True), 3),
        (Birth(_crashes(1, 60), is_restart=True), 0),
        (Birth(_crashes(1, 60, 610), is_restart=True), 0),
        (Birth(_crashes(1, 60, 590), is_restart=False), 0),
        (Birth(_crashes(1, 60, 590, ending=Ending.FORCED), is_restart=True), 0),
        (Birth(_crashes(1, 2, 3, 4, ending=Ending.STUCK), is_restart=True), 4),
        (Birth(_crashes(-30, 60, 590), is_restart=True), 3),
    ],
)
def test_three_crashes_in_ten_minutes_are_too_many(birth: Birth, crashes: int) -> None:
    """An orderly end breaks the row, a forced stop is no crash, and a clock that was set back a little counts."""
    assert birth.crash_loop(LIMITS, NOW) == crashes


def test_the_end_at_once_leaves_its_word_first(places: Places, fake_clock: Any) -> None:
    """The word is on the disk when the process is ended."""
    life = record(places, fake_clock)
    life.begin()
    found: list[tuple[int, bool]] = []

    def force(code: int) -> None:
        found.append((code, (lives_folder(places) / "marker.json").exists()))

    end_at_once(life, Ending.STUCK, "a.py:1 in x", "stacks", code=70, force=force)

    assert found == [(70, True)]


class _Hanging(LifeRecord):
    """A record on a disk that does not answer."""

    answers: threading.Event

    def end(self) -> None:
        self.answers.wait(60)

    def fail(self, error: BaseException) -> None:
        del error
        self.answers.wait(60)


@pytest.mark.parametrize("error", [None, SystemExit(0), ValueError("its own")])
def test_a_disk_that_hangs_does_not_keep_a_life_from_ending(
    places: Places, fake_clock: Any, monkeypatch: pytest.MonkeyPatch, error: BaseException | None
) -> None:
    """The record is closed within its time, or not at all; what ended the life goes on its way."""
    monkeypatch.setattr("app.engine.lives.LAST_WORD_S", 0.05)
    life = _Hanging(lives_folder(places), clock=fake_clock, version="1")
    life.answers = threading.Event()
    began = time.monotonic()

    with suppress(SystemExit, ValueError), recorded(life):
        if error is not None:
            raise error
    took = time.monotonic() - began
    life.answers.set()

    assert took < 30


@pytest.mark.skipif(sys.platform == "win32", reason="FIFOs are POSIX")
def test_a_fifo_in_the_place_of_a_file_holds_nobody(places: Places, fake_clock: Any) -> None:
    """What lies there and is no file is set aside like any other."""
    lives_folder(places).mkdir(parents=True)
    os.mkfifo(lives_folder(places) / "current.json")

    birth = record(places, fake_clock).begin()

    assert "current.json" in birth.trouble
    assert not birth.is_restart
