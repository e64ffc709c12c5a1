"""Masking a stream: wherever the pieces are cut, no value comes through, and nothing else is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.keys.masking import MASK, StreamMask


def through(values: list[bytes], pieces: list[bytes]) -> bytes:
    mask = StreamMask(values)
    return b"".join([*map(mask.feed, pieces), mask.end()])


@given(
    st.lists(st.binary(min_size=1, max_size=4).map(lambda b: bytes(x % 3 + 97 for x in b)), min_size=1, max_size=3),
    st.lists(st.binary(max_size=6).map(lambda b: bytes(x % 3 + 97 for x in b)), max_size=8),
)
def test_however_it_is_cut_it_is_masked_as_the_whole_would_be(values: list[bytes], pieces: list[bytes]) -> None:
    """The pieces come out as if they had come in one, and no value is left between two masks."""
    shown = through(values, pieces)

    assert shown == through(values, [b"".join(pieces)])
    assert not any(value in part for part in shown.split(MASK) for value in values)


def test_what_cannot_become_a_value_is_shown_at_once() -> None:
    """A prompt without a line end is not held back; only a beginning of a value is."""
    mask = StreamMask([b"secret"])

    assert mask.feed(b"Password: ") == b"Password: "
    assert mask.feed(b"se") == b""
    assert mask.feed(b"ldom") == b"seldom"
    assert mask.feed(b"sec") == b""
    assert mask.feed(b"ret!") == MASK + b"!"


def test_a_value_within_one_that_is_still_coming_waits_for_it() -> None:
    """Else what stands around it would be shown."""
    assert through([b"b", b"abc"], [b"ab", b"c"]) == MASK
    assert through([b"b", b"abc"], [b"ab", b"d"]) == b"a" + MASK + b"d"


def test_the_longer_of_two_values_is_masked_whole() -> None:
    """Where one value begins another, the longer one does not show its end."""
    assert through([b"abc", b"abcdef"], [b"xabc", b"def"]) == b"x" + MASK
    assert through([b"abc", b"abcdef"], [b"xabc", b"deg"]) == b"x" + MASK + b"deg"
