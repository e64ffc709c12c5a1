"""The file's format: what is written is read again, and nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import VaultDamaged, VaultNewer
from app.keys.aead import Sealed
from app.keys.vault.document import (
    LARGEST_FILE,
    DataKey,
    Document,
    Entry,
    RetiredMaster,
    SlotRecord,
    build,
    from_base64,
    parse,
)

KEY = bytes(range(32))

_texts = st.text(max_size=20)
_numbers = st.integers(0, 2**53 - 1)
_sealed = st.builds(Sealed, st.binary(min_size=12, max_size=12), st.binary(min_size=16, max_size=80))
_documents = st.builds(
    Document,
    vault=_texts,
    created=_numbers,
    generation=_numbers,
    master=_texts,
    master_created=_numbers,
    data_key=st.builds(DataKey, _texts, _numbers, _numbers, _sealed),
    ancestors=st.lists(_texts, max_size=3).map(tuple),
    slots=st.lists(
        st.builds(
            SlotRecord,
            _texts,
            _texts,
            _texts,
            _numbers,
            st.dictionaries(st.text(max_size=8), st.one_of(_texts, _numbers), max_size=3),
        ),
        max_size=3,
    ).map(tuple),
    retired=st.lists(st.builds(RetiredMaster, _texts, _numbers, _sealed), max_size=2).map(tuple),
    entries=st.lists(st.builds(Entry, _texts, _numbers, _sealed, _sealed), max_size=3).map(tuple),
)


@given(_documents)
def test_what_is_built_is_read_again(document: Document) -> None:
    """Any document comes back from its bytes, and its seal fits its key and no other."""
    read = parse(build(document, KEY))

    assert read.document == document
    assert read.is_authentic(KEY)
    assert not read.is_authentic(bytes(32))


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_with_a_word(content: bytes) -> None:
    """Whatever the bytes are, the error is ours."""
    with pytest.raises(VaultDamaged):
        parse(b"WKV1\n" + content)


def _small() -> bytes:
    sealed = Sealed(bytes(12), bytes(20))
    return build(Document("v", 1, 2, "m", 3, DataKey("k", 4, 5, sealed), entries=(Entry("e", 1, sealed, sealed),)), KEY)


def _resealed(change: Any) -> bytes:
    """The small file with its JSON changed, under a good seal: what only a holder of the key could write."""
    found = json.loads(_small().splitlines()[1])
    change(found)
    line = json.dumps(found, sort_keys=True, separators=(",", ":"))
    return b"WKV1\n" + line.encode() + b"\n" + b"0" * 64 + b"\n"


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(more=1),
        lambda d: d.pop("vault"),
        lambda d: d.update(vault=7),
        lambda d: d.update(generation="2"),
        lambda d: d.update(generation=-1),
        lambda d: d.update(generation=2**53),
        lambda d: d.update(generation=True),
        lambda d: d.update(generation=1.5),
        lambda d: d.update(slots={}),
        lambda d: d.update(slots=[1]),
        lambda d: d.update(slots=[{"id": "s", "kind": "k", "label": "", "created": 1, "body": {"x": [1]}}]),
        lambda d: d.update(ancestors=[1]),
        lambda d: d["data_key"].update(sealed=["AAAA"]),
        lambda d: d["data_key"].update(sealed=["AAAA", 5]),
        lambda d: d["data_key"].update(sealed=["AAA", "AAAA"]),
        lambda d: d["data_key"].update(sealed=["AAB=", "AAAA"]),
        lambda d: d["entries"][0].update(sealed=1),
    ],
)
def test_what_does_not_belong_there_is_refused(change: Any) -> None:
    """A member too many, too few, or of another type is no vault, though the rest is."""
    with pytest.raises(VaultDamaged):
        parse(_resealed(change))


@pytest.mark.parametrize(
    "content",
    [
        _small().replace(b'":', b'": ', 1),
        _small().replace(b'{"ancestors":[]', b'{"ancestors":[],"ancestors":[]'),
        _small()[:-1],
        _small() + b"\n",
        _small()[:-65] + _small()[-65:].upper().replace(b"0", b"A"),
        b"WKV1\n\n" + b"0" * 64 + b"\n",
        b"",
        b"WKV",
        b"{}",
    ],
)
def test_another_spelling_of_the_same_is_refused(content: bytes) -> None:
    """One document has one file: spaces, members twice, a cut or a longer end are damage."""
    with pytest.raises(VaultDamaged):
        parse(content)


def test_a_newer_format_is_told_from_damage() -> None:
    """What a newer Watchkeeper wrote is left alone, with what to do."""
    with pytest.raises(VaultNewer, match="newer"):
        parse(b"WKV2\n{}\n")


def test_a_file_too_large_is_not_parsed() -> None:
    """There is a bound to what is read into memory."""
    with pytest.raises(VaultDamaged, match="larger"):
        parse(b"WKV1\n" + bytes(LARGEST_FILE))


@pytest.mark.parametrize("text", ["AAB=", "AA==\n", "AA", "A A=", "AA=="[:3], "_w=="])
def test_bytes_have_one_spelling(text: str) -> None:
    """base64 with other padding, alphabet, spaces or stray bits is refused."""
    with pytest.raises(ValueError, match=r"base64|padd|character|Incorrect|Only|Excess|Invalid"):
        from_base64(text)
