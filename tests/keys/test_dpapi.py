"""The DPAPI slot: what holds wherever it runs. What Windows itself does is in tests/windows."""

from __future__ import annotations

import base64
import hmac
import sys
import traceback
from dataclasses import dataclass, field

import pytest

from app.domain.errors import SlotClosed
from app.keys.slots.dpapi import DpapiSlot, ProtectionRefused

MASTER = bytes(range(32))
BOUND = b"vault and slot"

INVALID_DATA = 13
BAD_KEY_STATE = 0x8009000B
"""What Windows says to another user, or after a password was reset."""
BAD_ALGORITHM = 0x80090008


@dataclass
class FarDpapi:
    """Windows' side: keeps what it protects, and looks at less of its blob than the real one does."""

    kept: dict[bytes, tuple[bytes, bytes]] = field(default_factory=dict)
    fails: int | None = None
    returns: bytes | None = None
    handed_out: list[bytearray] = field(default_factory=list)
    seen: list[bytes] = field(default_factory=list)

    def protect(self, content: bytes | bytearray, entropy: bytes) -> bytes:
        if self.fails is not None:
            raise ProtectionRefused(self.fails)
        self.seen.append(bytes(content))
        mark = hmac.digest(b"the user's", bytes(content) + entropy, "sha256")
        self.kept[mark] = (bytes(content), entropy)
        return b"unlooked-at" + mark

    def unprotect(self, blob: bytes, entropy: bytes) -> bytearray:
        if self.fails is not None:
            raise ProtectionRefused(self.fails)
        content, expected = self.kept.get(blob[-32:], (b"", b"none"))
        if entropy != expected:
            raise ProtectionRefused(INVALID_DATA)
        self.handed_out.append(bytearray(content if self.returns is None else self.returns))
        return self.handed_out[-1]


def test_what_was_wrapped_opens() -> None:
    """The master key comes back, from the record alone, in another program of the same user."""
    far = FarDpapi()

    body = DpapiSlot(far).wrap(MASTER, BOUND)

    assert DpapiSlot(far).open(body, BOUND) == MASTER


def test_windows_never_sees_the_master_key() -> None:
    """It is given a new key each time, and the record holds neither that nor the master key."""
    far = FarDpapi()

    bodies = [DpapiSlot(far).wrap(MASTER, BOUND) for _ in range(2)]

    kept = [base64.b64decode(str(value)) for body in bodies for value in body.values()]
    assert len(set(far.seen)) == 2
    for secret in (MASTER, *far.seen):
        assert len(secret) == 32
        assert not any(secret in content for content in kept)
    assert MASTER not in far.seen


def test_the_key_that_windows_gives_back_is_overwritten() -> None:
    """What opened the master key does not stay in memory."""
    far = FarDpapi()

    DpapiSlot(far).wrap(MASTER, BOUND)

    assert [bytes(key) for key in far.handed_out] == [bytes(32)]


def test_it_opens_in_its_own_place_only() -> None:
    """A record that was bound to another vault or slot is damaged here."""
    far = FarDpapi()
    body = DpapiSlot(far).wrap(MASTER, b"another vault")

    with pytest.raises(SlotClosed) as told:
        DpapiSlot(far).open(body, BOUND)

    assert (told.value.kind, told.value.state) == ("dpapi", "damaged")


def test_every_bit_of_the_record_counts() -> None:
    """A flipped bit is noticed even where Windows would not look at it."""
    far = FarDpapi()
    slot = DpapiSlot(far)
    body = slot.wrap(MASTER, BOUND)
    states = []

    for name, value in body.items():
        content = base64.b64decode(str(value))
        for at in range(8 * len(content)):
            flipped = bytearray(content)
            flipped[at // 8] ^= 1 << at % 8
            with pytest.raises(SlotClosed) as told:
                slot.open({**body, name: base64.b64encode(flipped).decode()}, BOUND)
            states.append(told.value.state)

    assert len(states) == 8 * (11 + 32 + 12 + 48)
    assert set(states) == {"damaged"}


@pytest.mark.parametrize("name", ["blob", "content", "nonce"])
@pytest.mark.parametrize("value", [None, "", "no base64!", "AAAA", 7])
def test_a_record_that_is_none_is_damaged(name: str, value: str | int | None) -> None:
    """What is missing, empty, cut or of another kind is told as damage, with a way out."""
    far = FarDpapi()
    body = DpapiSlot(far).wrap(MASTER, BOUND)
    if value is None:
        del body[name]
    else:
        body[name] = value

    with pytest.raises(SlotClosed) as told:
        DpapiSlot(far).open(body, BOUND)

    assert told.value.state == "damaged"
    assert "keys recover" in told.value.hint


@pytest.mark.parametrize(
    ("code", "state"),
    [(INVALID_DATA, "damaged"), (BAD_ALGORITHM, "damaged"), (BAD_KEY_STATE, "refused"), (2, "refused")],
)
def test_another_user_is_told_from_damage(code: int, state: str) -> None:
    """Windows' error code says whether the record or the user is another one, and both are shown the way out."""
    far = FarDpapi()
    body = DpapiSlot(far).wrap(MASTER, BOUND)
    far.fails = code

    with pytest.raises(SlotClosed) as told:
        DpapiSlot(far).open(body, BOUND)

    assert told.value.state == state
    assert "keys recover" in told.value.hint


def test_what_windows_refuses_to_protect_is_said_with_its_code() -> None:
    """A profile without keys cannot have such a slot, and is told so instead of getting a broken one."""
    far = FarDpapi(fails=BAD_KEY_STATE)

    with pytest.raises(SlotClosed, match="0x8009000b") as told:
        DpapiSlot(far).wrap(MASTER, BOUND)

    assert told.value.state == "refused"


@pytest.mark.parametrize("returned", [b"", bytes(31), bytes(32)])
def test_a_record_that_does_not_open_again_is_not_given(returned: bytes) -> None:
    """What Windows does not give back is missed when the slot is made, not on the day it is needed."""
    far = FarDpapi(returns=returned)

    with pytest.raises(SlotClosed) as told:
        DpapiSlot(far).wrap(MASTER, BOUND)

    assert (told.value.state, "give back" in told.value.message) == ("refused", True)


@pytest.mark.parametrize("code", [INVALID_DATA, BAD_KEY_STATE])
def test_an_error_shows_neither_keys_nor_its_cause(code: int) -> None:
    """No byte of a key stands in what is told, nor in what a traceback would show behind it."""
    far = FarDpapi()
    body = DpapiSlot(far).wrap(MASTER, BOUND)
    far.fails = code

    with pytest.raises(SlotClosed) as told:
        DpapiSlot(far).open(body, BOUND)

    shown = "".join(traceback.format_exception(told.value))
    assert "ProtectionRefused" not in shown
    for secret in (MASTER, *far.seen):
        for form in (secret.hex(), repr(secret), base64.b64encode(secret).decode()):
            assert form not in shown


@pytest.mark.skipif(sys.platform == "win32", reason="tests/windows looks at what Windows does")
@pytest.mark.parametrize("done", ["wrap", "open"])
def test_elsewhere_than_on_windows_it_is_closed(done: str) -> None:
    """A vault that came from Windows says that this slot is of no use here, and names another way."""
    body = DpapiSlot(FarDpapi()).wrap(MASTER, BOUND)
    slot = DpapiSlot()

    with pytest.raises(SlotClosed, match="Windows only") as told:
        slot.wrap(MASTER, BOUND) if done == "wrap" else slot.open(body, BOUND)

    assert (told.value.kind, told.value.state) == ("dpapi", "absent")
    assert "keys recover" in told.value.hint
