"""The access log: a chain that shows what was done to it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from app.domain.errors import VaultIOError
from app.keys.keychain.anchor import Anchored
from app.keys.log import accesslog, chain
from app.keys.log.accesslog import AccessLog
from app.keys.log.chain import Access, Action

if TYPE_CHECKING:
    from pathlib import Path

KEY = b"k" * 32
KEYS = {"m1": KEY}


@pytest.fixture
def log(tmp_path: Path, fake_clock: Any) -> AccessLog:
    return AccessLog(tmp_path, fake_clock, program="a test")


def tell(log: AccessLog, *names: str) -> None:
    for name in names:
        log.append(Access(Action.GET, name), key_id="m1", key=KEY)


def anchored(log: AccessLog) -> Anchored:
    lines, head = log.head()
    return Anchored("v", 1, "", lines, head)


def test_what_was_told_is_read_the_newest_first(log: AccessLog) -> None:
    """Name, result and reason come back, with program and process."""
    log.append(Access(Action.GET, "A", "missing", "to explain a failure"), key_id="m1", key=KEY)
    tell(log, "B")

    newest, oldest = log.lines(10)

    assert (newest.number, newest.access.name) == (2, "B")
    assert oldest.access == Access(Action.GET, "A", "missing", "to explain a failure")
    assert oldest.program == "a test"


def test_an_untouched_log_holds(log: AccessLog) -> None:
    """Nothing is wrong, and what lies behind the anchor is counted."""
    tell(log, "A", "B")
    anchor = anchored(log)
    tell(log, "C")

    report = log.verify(KEYS, anchor)

    assert (report.problems, report.lines, report.unanchored) == ((), 3, 1)


@pytest.mark.parametrize(
    "harm",
    [
        lambda lines: [lines[0].replace(b'"A"', b'"X"'), *lines[1:]],
        lambda lines: lines[1:],
        lambda lines: [lines[0], *lines[2:]],
        lambda lines: [lines[1], lines[0], *lines[2:]],
        lambda lines: [*lines[:2], lines[1], *lines[2:]],
        lambda lines: lines[:2],
        lambda lines: lines[:0],
        lambda lines: [*lines, b"torn"],
    ],
    ids=["edited", "first gone", "middle gone", "reordered", "twice", "cut", "emptied", "torn"],
)
def test_what_was_done_to_it_is_told(log: AccessLog, harm: Any) -> None:
    """An edit, a deletion, another order, a repetition and a cut below the anchor are seen."""
    tell(log, "A", "B", "C", "D")
    anchor = anchored(log)
    log.path.write_bytes(b"\n".join(harm(log.path.read_bytes().splitlines())) + b"\n")

    report = log.verify(KEYS, anchor)

    assert not report.holds
    assert len(report.problems) == 1


def test_every_flipped_bit_and_every_cut_is_told(log: AccessLog) -> None:
    """Of all single-bit flips and all truncations of a log, none is taken for what was written."""
    tell(log, "A", "B", "C")
    anchor = anchored(log)
    good = log.path.read_bytes()
    flips = [good[:at] + bytes([good[at] ^ (1 << bit)]) + good[at + 1 :] for at in range(len(good)) for bit in range(8)]
    cuts = [good[:end] for end in range(len(good) - 1)]

    unseen = [content for content in (*flips, *cuts) if chain.check([content], KEYS, anchor).holds]

    assert unseen == []
    assert chain.check([good], KEYS, anchor).holds


def test_a_torn_last_line_is_taken_away_and_told(log: AccessLog, tmp_path: Path, fake_clock: Any) -> None:
    """What a killed program had written in part goes, the chain goes on, and a line says so."""
    tell(log, "A")
    with log.path.open("ab") as file:
        file.write(b'{"action":"get","at":17')
    again = AccessLog(tmp_path, fake_clock, program="the next")

    tell(again, "B")

    assert [line.access.action for line in again.lines(3)] == [Action.GET, Action.REPAIR, Action.GET]
    assert again.verify(KEYS, None).holds


def test_a_log_that_was_removed_meanwhile_is_told(log: AccessLog) -> None:
    """A process that has seen lines says that they are gone, in the log that follows."""
    tell(log, "A", "B")
    log.path.unlink()

    tell(log, "C")

    assert log.lost == 2
    assert [line.access.action for line in log.lines(3)] == [Action.GET, Action.GAP]
    assert "1-2" in log.verify(KEYS, None).problems[0]


def test_two_programs_write_one_chain(log: AccessLog, tmp_path: Path, fake_clock: Any) -> None:
    """Lines of two programs by turns are one chain."""
    other = AccessLog(tmp_path, fake_clock, program="another")
    for _ in range(3):
        tell(log, "A")
        tell(other, "B")

    report = log.verify(KEYS, anchored(other))

    assert (report.problems, report.lines) == ((), 6)


def test_a_full_log_goes_on_in_a_new_file(log: AccessLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """The chain goes over all parts; the oldest are dropped, and it still holds from where it begins."""
    monkeypatch.setattr(accesslog, "LARGEST_PART", 600)
    monkeypatch.setattr(accesslog, "PARTS", 3)
    tell(log, *(f"NAME_{number}" for number in range(40)))

    report = log.verify(KEYS, anchored(log))

    assert report.problems == ()
    assert len(list(log.path.parent.glob("access-*.log"))) == 3
    assert log.lines(1)[0].number == 40
    assert report.lines < 40


def test_lines_of_each_master_key_are_proved_by_it(log: AccessLog) -> None:
    """The chain goes over a change of the master key; a line of a key that the vault does not know is a forgery."""
    log.append(Access(Action.GET, "A"), key_id="m0", key=b"o" * 32)
    tell(log, "B")

    assert log.verify({**KEYS, "m0": b"o" * 32}, None).holds
    assert not log.verify(KEYS, None).holds


def test_a_log_that_cannot_be_written_stops_the_access(tmp_path: Path, fake_clock: Any) -> None:
    """Without a place for the log there is an error, and so no value."""
    log = AccessLog(tmp_path / "missing", fake_clock, program="a test")

    with pytest.raises(VaultIOError, match=re.escape("access.log")):
        tell(log, "A")
