"""Other ways to open the vault: some made, some removed, in one save."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from app.domain.errors import SlotClosed, VaultError
from app.keys.log.chain import Action
from app.keys.vault.opening import new_record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.keys.slots.slot import Slot
    from app.keys.vault.contents import Contents
    from app.keys.vault.document import SlotRecord
    from app.keys.vault.vault import Vault


def change_slots(
    vault: Vault, *, add: Sequence[Slot] = (), goes: Callable[[SlotRecord], bool], keepers: Sequence[Slot] = ()
) -> None:
    """Make new slots in the place of others.

    What a slot that goes keeps elsewhere, in the keychain say, is removed after the save; what a new one keeps there is
    removed when the save fails. Neither is waited for twice: what stays behind opens nothing.

    Args:
        vault: Open.
        add: The new ones.
        goes: Tells whether a slot goes.
        keepers: Slots of the kinds that may go, which know where they keep what.

    Raises:
        SlotClosed: One cannot be made now: everything is as it was.
        VaultError: The vault cannot be written; it is as it was.
    """
    made: list[tuple[Slot, SlotRecord]] = []
    gone: list[SlotRecord] = []

    def changed(contents: Contents, now: int) -> Contents:
        slots = contents.document.slots
        gone.extend(record for record in slots if goes(record))
        made.extend((slot, new_record(slot, contents.master, now)) for slot in add)
        return contents.with_slots([*(record for record in slots if not goes(record)), *(each for _, each in made)])

    try:
        vault.change(Action.SLOTS, "", changed)
    except BaseException:
        in_file = _slots_in_file(vault)
        for slot, record in made:
            if in_file is not None and record.id not in in_file:
                with suppress(SlotClosed):
                    slot.discard(record.body)
        raise
    for record in gone:
        for slot in keepers:
            if slot.kind == record.kind:
                with suppress(SlotClosed):
                    slot.discard(record.body)


def _slots_in_file(vault: Vault) -> set[str] | None:
    """Return the ids of the slots that the file holds now; None when that cannot be told."""
    try:
        return {record.id for record in vault.contents.document.slots}
    except VaultError:
        return None
