"""Every wrong bit and every cut of a real vault's file: an error of ours, or what was written; never another value."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from app.domain.errors import VaultDamaged, VaultError, VaultLocked, VaultNewer
from app.keys.log.chain import Action
from app.keys.slots.recovery import RecoverySlot
from app.keys.vault.contents import Contents
from app.keys.vault.document import build, parse
from app.keys.vault.opening import open_slots

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.keys.vault.master import Master

EVERY = 97
"""Of the flips that go through a whole unlock, with its passphrase: a prime, so that all bits of a byte come up."""


@dataclass(frozen=True)
class Written:
    """A vault's file of three secrets, two slots and one retired master key; and what opens it."""

    setting: Any
    content: bytes
    master: Master
    values: dict[str, bytes]

    def flips(self, step: int = 1) -> Iterator[bytes]:
        for at in range(0, 8 * len(self.content), step):
            changed = bytearray(self.content)
            changed[at // 8] ^= 1 << at % 8
            yield bytes(changed)

    def cuts(self) -> Iterator[bytes]:
        return (self.content[:end] for end in range(len(self.content)))


@pytest.fixture
def written(setting: Any) -> Written:
    vault = setting.made()
    values = {"OPENAI_API_KEY": b"sk-first", "TELEGRAM_TOKEN": b"12345:second", "THIRD": bytes(range(64))}
    for name, value in values.items():
        vault.change(
            Action.SET, name, lambda contents, now, name=name, value=value: contents.with_secret(name, value, now)
        )
    makers = {"passphrase": setting.passphrase, "recovery": RecoverySlot()}
    vault.rotate_master({record.id: makers[record.kind] for record in vault.contents.document.slots})
    document = vault.contents.document
    assert (len(document.entries), len(document.slots), len(document.retired)) == (3, 2, 1)
    return Written(setting, setting.file.read_bytes(), vault.contents.master, values)


def values_of(contents: Contents) -> dict[str, bytes]:
    return {about.name: contents.value(about.name) for about in contents.abouts}


def judged(contents: Iterator[bytes], opened: Callable[[bytes], Contents]) -> Counter[str]:
    """Return how many were refused with which error, and how many were taken."""
    found: Counter[str] = Counter()
    for content in contents:
        try:
            opened(content)
        except VaultError as error:
            found[type(error).__name__] += 1
        else:
            found["taken"] += 1
    return found


def by_master(written: Written) -> Callable[[bytes], Contents]:
    return lambda content: Contents.of(parse(content), written.master)


def by_code(written: Written) -> Callable[[bytes], Contents]:
    def opened(content: bytes) -> Contents:
        read = parse(content)
        return Contents.of(read, open_slots(read, [written.setting.recovery])[1])

    return opened


def test_each_flipped_bit_is_refused(written: Written) -> None:
    """Of all single-bit flips none opens by the master key; those of the format's number say that it is newer."""
    found = judged(written.flips(), by_master(written))

    assert sum(found.values()) == 8 * len(written.content)
    assert set(found) == {"VaultDamaged", "VaultNewer"}
    assert found["VaultNewer"] == 3  # one bit of the 1 in WKV1 makes 3, 5 or 9 of it
    assert values_of(by_master(written)(written.content)) == written.values


def test_each_cut_is_refused(written: Written) -> None:
    """Of all truncations, down to nothing, none opens."""
    found = judged(written.cuts(), by_master(written))

    assert found == {"VaultDamaged": len(written.content)}


def test_each_flipped_bit_and_each_cut_is_refused_by_the_recovery_code(written: Written) -> None:
    """The way that begins with the slots, which are read before anything is proved, refuses them all as well."""
    flips = judged(written.flips(), by_code(written))
    cuts = judged(written.cuts(), by_code(written))

    assert set(flips) == {"VaultDamaged", "VaultNewer", "VaultLocked"}
    assert sum(flips.values()) == 8 * len(written.content)
    assert cuts == {"VaultDamaged": len(written.content)}
    assert values_of(by_code(written)(written.content)) == written.values


def test_under_a_good_seal_each_flipped_bit_still_gives_no_other_value(written: Written) -> None:
    """Were the seal no good, the entries' own encryption would hold: an error, or the values that were written."""
    refused, same = 0, 0
    for content in written.flips():
        try:
            resealed = build(parse(content).document, written.master.mac_key)
        except (VaultDamaged, VaultNewer):
            continue
        try:
            values = values_of(by_master(written)(resealed))
        except VaultDamaged:
            refused += 1
        else:
            assert values == written.values
            same += 1

    assert refused > 1_000
    assert same > 1_000


def test_a_sample_of_flips_is_refused_by_a_whole_unlock(written: Written) -> None:
    """Passphrase and code are both tried on the file as it lies there, and the file is left as it was found."""
    vault = written.setting.program()
    found: Counter[str] = Counter()
    for content in written.flips(EVERY):
        written.setting.file.write_bytes(content)
        with pytest.raises((VaultDamaged, VaultNewer, VaultLocked)) as told:
            vault.unlock([written.setting.passphrase, written.setting.recovery])
        found[type(told.value).__name__] += 1
        assert not vault.is_open
        assert written.setting.file.read_bytes() == content

    assert sum(found.values()) == len(range(0, 8 * len(written.content), EVERY))
    written.setting.file.write_bytes(written.content)
    assert values_of(written.setting.opened().contents) == written.values
