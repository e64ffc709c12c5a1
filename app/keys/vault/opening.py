"""From a file and the ways to open it to a master key; and whether the file is the newest there was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.errors import SlotClosed, VaultDamaged, VaultLocked, VaultRolledBack
from app.keys.aead import KEY_BYTES
from app.keys.slots.slot import bound_to
from app.keys.vault.document import RESTORE, SlotRecord
from app.keys.vault.master import Master, new_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.keys.keychain.anchor import Anchored
    from app.keys.slots.slot import Slot
    from app.keys.vault.document import Read


_OFFERS = {
    "passphrase": (
        "Its passphrase opens it, in a terminal or on the Keys page; in a running Watchkeeper: watchkeeper keys unlock"
    ),
    "recovery": "The recovery code opens it: watchkeeper keys recover",
}
"""What a person can do without the machine's help, by the kind of slot."""


def new_record(
    slot: Slot, master: Master, now: int, *, label: str = "", before: SlotRecord | None = None
) -> SlotRecord:
    """Return a slot's record for a master key: a new slot, or that of `before` under another master key.

    Raises:
        SlotClosed: It cannot be made now.
    """
    id_ = before.id if before is not None else new_id()
    bound = bound_to(master.vault, id_, slot.kind, master.id)
    body = slot.wrap(bytes(master.key), bound, before.body if before is not None else None)
    created = before.created if before is not None else now
    return SlotRecord(id_, slot.kind, label or (before.label if before is not None else ""), created, body)


def open_slots(read: Read, openers: Sequence[Slot]) -> tuple[SlotRecord, Master]:
    """Return the first slot that opens, and the master key that it holds and that made the file's seal.

    Args:
        read: The file.
        openers: Tried in this order, each on the slots of its kind.

    Raises:
        VaultLocked: None opens; `reasons` tells why for each that was tried, `kinds` what slots there are.
        VaultDamaged: One opens, and the file was not written with its key.
    """
    document = read.document
    reasons: list[SlotClosed] = []
    for opener in openers:
        for record in document.slots:
            if record.kind != opener.kind:
                continue
            try:
                key = opener.open(record.body, bound_to(document.vault, record.id, record.kind, document.master))
            except SlotClosed as error:
                reasons.append(error)
                continue
            master = Master(document.master, document.vault, document.master_created, bytearray(key))
            if len(key) != KEY_BYTES or not read.is_authentic(master.mac_key):
                raise VaultDamaged("The vault's file is damaged: its seal does not fit.", RESTORE)
            return record, master
    raise _locked(reasons, tuple(dict.fromkeys(record.kind for record in document.slots)))


def _locked(reasons: Sequence[SlotClosed], kinds: Sequence[str]) -> VaultLocked:
    said = " ".join(dict.fromkeys(reason.message for reason in reasons))
    tried = {reason.kind for reason in reasons}
    left = [_OFFERS[kind] for kind in kinds if kind in _OFFERS and kind not in tried]
    hints = dict.fromkeys([*(reason.hint for reason in reasons if reason.hint), *left])
    message = f"The vault is locked. {said}".rstrip()
    return VaultLocked(message, " ".join(hints), reasons=tuple(reasons), kinds=tuple(kinds))


def is_newest(read: Read, anchored: Anchored) -> bool:
    """True when an authentic file is the one that the anchor remembers, False when it is a later one.

    A later one is a save after which the anchor could not be moved on: the program was killed, or the keychain was out
    of reach. It names the one remembered among those before it.

    Raises:
        VaultRolledBack: It is an older file, or another line of descent.
    """
    document = read.document
    ahead = document.generation - anchored.generation
    if anchored.vault == document.vault and ahead == 0 and anchored.digest == read.digest:
        return True
    descends = 0 < ahead <= len(document.ancestors) and document.ancestors[ahead - 1] == anchored.digest
    if anchored.vault == document.vault and descends:
        return False
    if anchored.vault != document.vault:
        what = "is another vault than the one that the keychain remembers"
    elif ahead < 0:
        what = (
            f"is older than it should be: save {document.generation}, and the keychain remembers {anchored.generation}"
        )
    else:
        what = "does not come after the one that the keychain remembers"
    raise VaultRolledBack(
        f"The vault's file {what}.",
        "If you put it there yourself: watchkeeper keys restore --current. If not, somebody else did.",
    )
