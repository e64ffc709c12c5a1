"""The commands that change secrets and keys: set, rm, rotate."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from app.cli.keys.prompts import ask_yes, value_of
from app.cli.keys.vaults import asked_passphrase, opened
from app.cli.words import seconds_of
from app.domain import words
from app.domain.errors import UsageError
from app.keys.log.chain import Action
from app.keys.slots.passphrase import PassphraseSlot
from app.keys.slots.recovery import RecoverySlot
from app.keys.slots.slot import bound_to
from app.keys.vault.secret import check_name, check_value

if TYPE_CHECKING:
    from app.cli.context import Context
    from app.keys.slots.slot import Slot
    from app.keys.usual import UsualVault
    from app.keys.vault.contents import Contents


def set_secret(context: Context) -> int:
    """Set a secret, or what is said of it."""
    said = context.words
    name = check_name(said.name)
    due = _due(said.due)
    with opened(context) as usual:
        if said.keep:
            usual.vault.contents.about(name)
        value = b"" if said.keep else check_value(value_of(name))

        def changed(contents: Contents, now: int) -> Contents:
            if said.keep:
                return contents.with_about(name, group=said.group, notes=said.notes, due=due)
            return contents.with_secret(name, value, now, group=said.group, notes=said.notes, due=due)

        action = Action.EDIT if said.keep else Action.SET
        about = usual.vault.change(action, name, changed).about(name)
    if context.as_json:
        context.terminal.document({"name": name, "group": about.group, "due": about.due or None})
    else:
        context.terminal.say(f"{name} is kept." if not said.keep else f"{name}: its value is as it was.")
    return 0


def remove(context: Context) -> int:
    """Remove a secret."""
    name = context.words.name
    with opened(context) as usual:
        usual.vault.contents.about(name)
        if not context.words.yes and not ask_yes(f"Remove {name}?", instead="Say it with --yes."):
            context.terminal.note("It stays.")
            return 0
        usual.vault.change(Action.REMOVE, name, lambda contents, _now: contents.without(name))
    if context.as_json:
        context.terminal.document({"removed": name})
    else:
        context.terminal.say(f"{name} is removed. The last backups still hold it: watchkeeper keys restore")
    return 0


def rotate(context: Context) -> int:
    """Encrypt everything under a new data key, and under a new master key where that is asked for."""
    with opened(context) as usual:
        if context.words.master:
            usual.vault.rotate_master(_slots_again(usual))
        else:
            usual.vault.change(Action.ROTATE, "", lambda contents, now: contents.with_new_data_key(now))
        count = len(usual.vault.contents.abouts)
    if context.as_json:
        context.terminal.document({"rotated": "master key" if context.words.master else "data key", "secrets": count})
        return 0
    key = "data key, and a new master key" if context.words.master else "data key"
    context.terminal.say(f"{words.plural(count, 'secret')}: encrypted under a new {key}.")
    if context.words.master:
        context.terminal.note("Where a key itself may have leaked, only a new one from its provider helps.")
    return 0


def _slots_again(usual: UsualVault) -> dict[str, Slot]:
    """Return what makes each slot anew for another master key: a passphrase is asked for."""
    own: dict[str, Slot] = {slot.kind: slot for slot in (*usual.openers, RecoverySlot())}
    slots = {}
    document = usual.vault.contents.document
    for record in document.slots:
        slot = own.get(record.kind)
        if record.kind == PassphraseSlot.kind:
            slot = asked_passphrase()
            # A slip of the finger must not become the new passphrase.
            slot.open(record.body, bound_to(document.vault, record.id, record.kind, document.master))
        if slot is not None:
            slots[record.id] = slot
    return slots


def _due(text: str | None) -> int | None:
    """Return when something is due, from how long that is away; 0 for never, None for as it was."""
    if text is None:
        return None
    if text == "never":
        return 0
    try:
        return int(time.time() + seconds_of(text))
    except UsageError as error:
        raise UsageError(error.message, "Write it as 90d, say (366d at most), or `never`.") from error
