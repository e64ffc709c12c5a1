"""Folding: whatever happened in whatever order, only what it came to counts."""

from __future__ import annotations

import json
import threading
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.filewatch.changes import Batch, ChangeKind, FileChange, json_safe, merge
from app.engine.filewatch.fold import (
    CEILING_S,
    QUIET_S,
    STORM_QUIET_S,
    Fingerprint,
    Inbox,
    Noted,
    QuietTime,
    compare,
)
from app.engine.filewatch.ignore import Scope
from app.engine.filewatch.index import Folder, Index

NAMES = st.sampled_from(["a", "b", "c"])
CONTENTS = st.one_of(st.none(), st.integers(0, 2))
STEPS = st.lists(st.tuples(NAMES, CONTENTS), max_size=30)


def fingerprint(content: int, touched: int = 0) -> Fingerprint:
    return Fingerprint(1, touched, touched, touched, blake2b(bytes([content])).digest())


def indexed(contents: dict[str, int]) -> Index:
    index = Index(lambda _: None)
    index.open("", Folder((0, 0), Scope("", ()), None))
    for name, content in contents.items():
        index.see("", name, fingerprint(content))
    index.accept()
    return index


def play(index: Index, steps: list[tuple[str, int | None]]) -> None:
    for touched, (name, content) in enumerate(steps):
        if content is None:
            index.forget("", name)
        else:
            index.see("", name, fingerprint(content, touched))


@given(start=st.dictionaries(NAMES, st.integers(0, 2)), steps=STEPS)
def test_only_the_outcome_counts(start: dict[str, int], steps: list[tuple[str, int | None]]) -> None:
    """After any sequence of writes and deletions, exactly the files whose content differs are told."""
    index = indexed(start)
    end: dict[str, int | None] = {**start}
    end.update(steps)

    play(index, steps)

    expected = {}
    for name, content in end.items():
        before = start.get(name)
        if before is None and content is not None:
            expected[name] = ChangeKind.CREATED
        elif before is not None and content is None:
            expected[name] = ChangeKind.DELETED
        elif before != content:
            expected[name] = ChangeKind.MODIFIED
    assert {change.path: change.kind for change in index.take()} == expected
    assert index.take() == ()


@given(start=st.dictionaries(NAMES, st.integers(0, 2)), steps=STEPS)
def test_what_ends_as_it_began_is_no_change(start: dict[str, int], steps: list[tuple[str, int | None]]) -> None:
    """Any sequence that ends in the content of its beginning tells nothing."""
    index = indexed(start)

    play(index, [*steps, *((name, start.get(name)) for name in ("a", "b", "c"))])

    assert index.take() == ()


@given(start=st.dictionaries(NAMES, st.integers(0, 2)), steps=STEPS, data=st.data())
def test_files_do_not_depend_on_each_other(
    start: dict[str, int], steps: list[tuple[str, int | None]], data: st.DataObject
) -> None:
    """What happens to different files may come in any order."""
    shuffled = sorted(steps, key=lambda step: step[0])  # stable: each file's own order is kept
    mixed = data.draw(st.permutations(["a", "b", "c"]))
    shuffled.sort(key=lambda step: mixed.index(step[0]))
    one, other = indexed(start), indexed(start)

    play(one, steps)
    play(other, shuffled)

    assert one.take() == other.take()


@given(start=st.dictionaries(NAMES, st.integers(0, 2)), first=STEPS, second=STEPS)
def test_merged_batches_lead_to_the_same_files(
    start: dict[str, int], first: list[tuple[str, int | None]], second: list[tuple[str, int | None]]
) -> None:
    """Two batches merged say of each file whether it is there at the end, and never miss one that differs."""
    index = indexed(start)
    play(index, first)
    earlier = Batch(index.take())
    play(index, second)
    later = Batch(index.take())

    merged = {change.path: change.kind for change in merge(earlier, later).changes}

    for name in ("a", "b", "c"):
        now, before = index.known("", name), start.get(name)
        if (now is not None) != (before is not None):
            assert merged[name] is (ChangeKind.DELETED if now is None else ChangeKind.CREATED)
        elif now is None:
            assert name not in merged
        elif now.digest != fingerprint(before or 0).digest:
            assert merged[name] is ChangeKind.MODIFIED


def test_a_file_without_a_digest_is_judged_by_size_and_time() -> None:
    """A file too large to be read counts as changed when it was written to."""
    old, touched = Fingerprint(9, 1, 1, 1), Fingerprint(9, 2, 2, 1)

    assert compare({"big": old}, lambda _: Fingerprint(9, 1, 5, 1)) == ()
    assert compare({"big": old}, lambda _: touched) == (FileChange("big", ChangeKind.MODIFIED),)


@given(st.binary(min_size=1, max_size=60))
def test_any_name_can_be_sent(raw: bytes) -> None:
    """A name of any bytes becomes text that UTF-8 and JSON carry; one that is UTF-8 stays as it is."""
    path = json_safe(raw.decode("utf-8", "surrogateescape"))

    assert json.loads(json.dumps(path)) == path.encode().decode()
    assert json_safe(path) == path


def test_a_flood_of_notes_wakes_once() -> None:
    """Eight threads that note as fast as they can wake the loop once, and no name is lost."""
    woken: list[None] = []
    inbox = Inbox(lambda: woken.append(None), lambda: 0.0)

    def note(thread: int) -> None:
        for number in range(1000):
            inbox.note("folder", f"{thread}-{number % 100}")

    threads = [threading.Thread(target=note, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    noted = inbox.take()

    assert len(woken) == 1
    assert (noted.events, noted.paths, len(noted.names["folder"]), noted.lost) == (8000, 800, 800, False)
    assert inbox.take().events == 0


def test_too_many_names_become_one_comparison() -> None:
    """Beyond the limit names are given up, memory is freed, and a comparison of the whole tree is asked for."""
    inbox = Inbox(lambda: None, lambda: 0.0, limit=10)

    for number in range(50):
        inbox.note("", str(number))

    noted = inbox.take()
    assert noted.lost
    assert not noted.names
    assert noted.events == 50


def test_a_refused_wake_up_is_tried_again() -> None:
    """When the loop cannot be woken the noting thread hears of it, and the next note tries again."""
    refusals = iter([RuntimeError("full"), None])
    woken: list[bool] = []

    def wake() -> None:
        if (refusal := next(refusals)) is not None:
            raise refusal
        woken.append(True)

    inbox = Inbox(wake, lambda: 0.0)

    with pytest.raises(RuntimeError):
        inbox.note("", "a")
    inbox.note("", "b")

    assert woken == [True]
    assert inbox.take().names == {"": {"a", "b"}}


def noted(paths: int, events: int) -> Noted:
    return Noted({}, lost=False, paths=paths, events=events, first_at=0.0, last_at=0.0)


@given(st.integers(1, 10_000), st.integers(1, 100_000), st.integers(0, 1000))
def test_quiet_time_grows_with_the_storm(paths: int, events: int, more: int) -> None:
    """The quiet time lies between 25 and 500 ms and never shrinks when more happens."""
    quiet = QuietTime()

    calm, wild = quiet.wanted(noted(paths, events)), quiet.wanted(noted(paths + more, events + more))

    assert QUIET_S <= calm <= wild <= STORM_QUIET_S < CEILING_S
    assert quiet.wanted(noted(1, 3)) == QUIET_S


def test_a_formatters_habit_is_waited_for_and_forgotten() -> None:
    """After two saves that were written again 200 ms later, a save is waited for that long; until that stops."""
    quiet = QuietTime()
    now = 100.0
    for _ in range(2):
        quiet.learn(["m.py"], now, now)
        quiet.learn(["m.py"], now + 0.2, now + 0.2)
        now += 10.0
    assert 0.2 < quiet.wanted(noted(1, 1)) <= STORM_QUIET_S

    for _ in range(4):
        quiet.learn(["m.py"], now, now)
        now += 10.0

    assert quiet.wanted(noted(1, 1)) == QUIET_S


def test_a_person_who_saves_now_and_then_is_not_taken_for_a_formatter() -> None:
    """Saves of the same file seconds apart, or two that fall close together once, leave the quiet time short."""
    quiet = QuietTime()

    for at in (0.0, 5.0, 5.3, 20.0, 40.0, 40.4, 60.0):
        quiet.learn(["m.py"], at, at)

    assert quiet.wanted(noted(1, 1)) == QUIET_S
