"""Server-sent events, after the WHATWG's specification, however the stream is cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ai.providers.sse import LONGEST, EventReader, ServerSentEvent
from app.domain.errors import ModelNonsense


def read(*chunks: bytes) -> list[ServerSentEvent]:
    reader = EventReader()
    return [event for chunk in chunks for event in reader.feed(chunk)]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        # the examples of the specification, section 9.2.6
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", ["YHOO\n+2\n10"]),
        (
            b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
            ["first event", "second event", " third event"],
        ),
        (b"data\n\ndata\ndata\n\ndata:", ["", "\n"]),
        (b"data:test\n\ndata: test\n\n", ["test", "test"]),
        # line ends of all three kinds
        (b"data: a\r\rdata: b\r\n\r\ndata: c\n\n", ["a", "b", "c"]),
        (b"data: a\r\n\n", ["a"]),
        # a byte order mark, once and at the beginning alone
        (b"\xef\xbb\xbfdata: a\n\n", ["a"]),
        (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", ["a"]),
        # what is no event
        (b"event: ping\n\n", []),
        (b"retry: 10\nunknown: x\n: a comment\n\n", []),
        (b"data: unfinished", []),
        (b"data: unfinished\n", []),
        (b"Data: a\n\n data: b\n\n", []),
        # bytes that are no UTF-8
        (b"data: a\xffb\n\n", ["a\ufffdb"]),
        (b"data: a:b: c\n\n", ["a:b: c"]),
    ],
)
def test_it_reads_what_the_specification_says(stream: bytes, expected: list[str]) -> None:
    """Comments, fields, line ends, the byte order mark and what is unfinished are read as they are meant."""
    found = read(stream)

    assert [event.data for event in found] == expected


def test_an_event_has_its_kind_and_the_next_one_its_own() -> None:
    """The field `event` holds for one event, and not for the next."""
    found = read(b"event: error\ndata: a\n\ndata: b\n\n")

    assert found == [ServerSentEvent("a", "error"), ServerSentEvent("b", "message")]


_LINES = st.one_of(
    st.sampled_from([b"data: x", b"data", b"data:", b"", b": note", b"event: e", b"\xef\xbb\xbfdata: y"]),
    st.text(max_size=8).map(lambda text: b"data: " + text.encode("utf-8", "replace")),
    st.binary(max_size=6),
)
_STREAMS = st.lists(st.tuples(_LINES, st.sampled_from([b"\n", b"\r", b"\r\n"])), max_size=12).map(
    lambda lines: b"".join(part for line in lines for part in line)
)


@given(_STREAMS, st.lists(st.integers(0, 200), max_size=12))
def test_any_chunking_gives_the_same_events(stream: bytes, cuts: list[int]) -> None:
    """Wherever the network cuts a stream, in a character or between CR and LF, its events are the same."""
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:end] for start, end in itertools.pairwise(edges)]

    assert read(*pieces) == read(stream)
    assert read(*(stream[at : at + 1] for at in range(len(stream)))) == read(stream)


@pytest.mark.parametrize("size", [1000, LONGEST // 2, LONGEST + 1])
def test_a_line_without_end_is_refused(size: int) -> None:
    """A line is read to its limit, in whatever pieces it comes."""
    reader = EventReader()

    for _ in range(LONGEST // size):
        assert reader.feed(b"x" * size) == []
    with pytest.raises(ModelNonsense, match="line of more than 256 KiB"):
        reader.feed(b"x" * size)


def test_an_event_without_end_is_refused() -> None:
    """Many short lines of data are one event, which has its limit too; events after each other have none together."""
    reader = EventReader()
    line = b"data: " + b"x" * 1000 + b"\n"

    for _ in range(2 * LONGEST // 1000):
        assert len(reader.feed(line + b"\n")) == 1
    for _ in range(LONGEST // (len(line) - 1)):
        assert reader.feed(line) == []
    with pytest.raises(ModelNonsense, match="event of more than 256 KiB"):
        reader.feed(line)
