"""An opened vault as one immutable value: what it holds, and what it becomes by each change.

Nothing here reads or writes a file. A change returns new contents; `build` gives their bytes, and `of` opens bytes
again, every entry of them: what cannot be opened is never written, and never half believed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from app.domain.errors import SecretError, SecretMissing, VaultDamaged
from app.keys.aead import LARGEST_USES, Forged, framed, new_key, seal, unseal
from app.keys.vault.document import ANCESTORS, LARGEST_FILE, RESTORE, Document, Entry, build, parse
from app.keys.vault.master import Master, new_id
from app.keys.vault.secret import About, check_name, check_value, group_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.keys.keychain.anchor import Anchored
    from app.keys.vault.document import Read, SlotRecord

RETIRED_MASTERS = 100
"""More than anybody rotates by hand: backups of their time open by them, and the access log is proved by them."""

VAULT_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Contents:
    """They.

    Attributes:
        document: What stands in the file.
        master: The master key.
    """

    document: Document
    master: Master = field(repr=False)
    _key: bytes = field(repr=False)
    _abouts: Mapping[str, tuple[Entry, About]] = field(repr=False)

    @classmethod
    def new(cls, master: Master, now: int) -> Contents:
        """Return those of a vault without slots and secrets."""
        key = new_key()
        data_key = master.wrap_data_key(key, id=new_id(), created=now)
        document = Document(master.vault, now, 0, master.id, master.created, data_key)
        return cls(document, master, key, MappingProxyType({}))

    @classmethod
    def of(cls, read: Read, master: Master) -> Contents:
        """Return those of a file, after everything in it was opened.

        Raises:
            VaultDamaged: The file's seal or something in it does not fit the key. Nothing of it is returned then.
        """
        document = read.document
        if document.master != master.id or not read.is_authentic(master.mac_key):
            raise VaultDamaged("The vault's file is damaged: its seal does not fit.", RESTORE)
        for older in document.retired:
            master.unwrap_retired(older)
        key = master.unwrap_data_key(document.data_key)
        abouts: dict[str, tuple[Entry, About]] = {}
        for entry in document.entries:
            about = _opened_about(document, entry, key)
            _opened_value(document, entry, about.name, key)
            if about.name in abouts:
                raise VaultDamaged("The vault's file is damaged: a name stands in it twice.", RESTORE)
            abouts[about.name] = (entry, about)
        return cls(document, master, key, MappingProxyType(abouts))

    def build(self) -> bytes:
        """Return the file's bytes, after they were read again and everything in them was opened and compared.

        Raises:
            VaultDamaged: The bytes are not good: the machine's memory is not, or this program is not.
            SecretError: They are more than a file may have.
            VaultLocked: The vault was locked since these contents were taken of it.
        """
        content = build(self.document, self.master.mac_key)
        if len(content) > LARGEST_FILE:
            raise SecretError(
                f"The vault would be larger than {LARGEST_FILE // 1024 // 1024} MiB.", "Keep large values in files."
            )
        again = Contents.of(parse(content), self.master)
        same = again.document == self.document and again.abouts == self.abouts
        if not same or any(again.value(about.name) != self.value(about.name) for about in self.abouts):
            raise VaultDamaged("What was about to be written cannot be read again.", "The vault is as it was.")
        return content

    @property
    def abouts(self) -> tuple[About, ...]:
        """What is known of each secret beside its value, by name."""
        return tuple(about for _, (_, about) in sorted(self._abouts.items()))

    def about(self, name: str) -> About:
        """Return what is known of one secret.

        Raises:
            SecretMissing: There is none of this name.
        """
        return self._found(name)[1]

    def value(self, name: str) -> bytes:
        """Return a secret's value.

        Raises:
            SecretMissing: There is none of this name.
            VaultDamaged: It is not what it was, which `of` would have found: the memory is not what it was.
        """
        entry, about = self._found(name)
        return _opened_value(self.document, entry, about.name, self._key)

    def group(self, name: str) -> tuple[str, ...]:
        """Return the names of a group, in their order: the plain name first, then the numbered ones."""
        return tuple(about.name for about in self.abouts if name in (about.group, about.name))

    @property
    def retired_masters(self) -> tuple[Master, ...]:
        """The master keys of before, the newest first."""
        return tuple(self.master.unwrap_retired(each) for each in self.document.retired)

    def following(self, digest: str, *, after: int = 0, remembered: Anchored | None = None) -> Contents:
        """Return them as the next generation after a file.

        Args:
            digest: The file's.
            after: A generation that they must come after as well.
            remembered: What the anchor remembers, where that is another file and these are to come after it.
        """
        generation = max(self.document.generation, after) + 1
        ancestors = (digest, *self.document.ancestors)
        if remembered is not None:
            ancestors = (remembered.digest,) * min(ANCESTORS, generation - remembered.generation) + ancestors
        return self._with(replace(self.document, generation=generation, ancestors=ancestors[:ANCESTORS]))

    def with_secret(
        self,
        name: str,
        value: bytes,
        now: int,
        *,
        group: str | None = None,
        notes: str | None = None,
        due: int | None = None,
    ) -> Contents:
        """Return them with a secret set: a new one, or a new value of one that is there.

        Args:
            name: Its name.
            value: Its value, 1 byte to 64 KiB.
            now: Seconds since the epoch.
            group: Its group; None for that of before, or the one that its name says.
            notes: None for those of before.
            due: When it should be renewed; 0 for never, None for as long from now as it was before.

        Raises:
            SecretError: Name or value cannot be kept.
        """
        check_name(name)
        check_value(value)
        entry, before = self._abouts.get(name, (None, About(name, group_of(name), created=now)))
        about = before.renewed_at(now)
        return self._put(entry, _changed(about, group, notes, due), value)

    def with_about(
        self, name: str, *, group: str | None = None, notes: str | None = None, due: int | None = None
    ) -> Contents:
        """Return them with other words about a secret, whose value stays; None leaves one as it is.

        Raises:
            SecretMissing: There is none of this name.
        """
        entry, about = self._found(name)
        return self._put(entry, _changed(about, group, notes, due), self.value(name))

    def without(self, name: str) -> Contents:
        """Return them without a secret.

        Raises:
            SecretMissing: There is none of this name.
        """
        gone, _ = self._found(name)
        entries = tuple(entry for entry in self.document.entries if entry.id != gone.id)
        abouts = {each: pair for each, pair in self._abouts.items() if each != name}
        return replace(self, document=replace(self.document, entries=entries), _abouts=MappingProxyType(abouts))

    def with_slots(self, slots: Iterable[SlotRecord]) -> Contents:
        """Return them with these slots in the place of all others."""
        return self._with(replace(self.document, slots=tuple(slots)))

    def with_secrets_of(self, other: Contents, now: int) -> Contents:
        """Return them with the secrets of other contents in the place of all theirs, and with a new data key."""
        key = new_key()
        record = self.master.wrap_data_key(key, id=new_id(), created=now)
        empty = Contents(replace(self.document, data_key=record, entries=()), self.master, key, MappingProxyType({}))
        # In one go: set one by one, each would copy all before it.
        abouts = {
            about.name: (empty._entry(entry.id, entry.version, about, other.value(about.name)), about)
            for entry, about in other._abouts.values()
        }
        entries = tuple(entry for entry, _ in abouts.values())
        document = replace(empty.document, entries=entries, data_key=replace(record, uses=2 * len(entries)))
        return replace(empty, document=document, _abouts=MappingProxyType(abouts))

    def with_new_data_key(self, now: int) -> Contents:
        """Return them with every entry encrypted anew, under a new data key.

        No older data key is kept: a backup is a whole file, and brings its own.
        """
        return self.with_secrets_of(self, now)

    def with_new_master(self, master: Master, now: int) -> Contents:
        """Return them under a new master key, without slots, and with a new data key.

        The old master key is kept, wrapped under the new one, so that backups of its time still open.
        """
        older = (self.master, *self.retired_masters)
        retired = tuple(master.wrap_retired(each) for each in older[:RETIRED_MASTERS])
        document = replace(self.document, master=master.id, master_created=master.created, retired=retired, slots=())
        return replace(self, document=document, master=master).with_new_data_key(now)

    def _found(self, name: str) -> tuple[Entry, About]:
        try:
            return self._abouts[name]
        except KeyError:
            raise SecretMissing(
                f"The vault holds no secret {name!r}.", "See them with: watchkeeper keys list"
            ) from None

    def _with(self, document: Document) -> Contents:
        return replace(self, document=document)

    def _entry(self, id_: str, version: int, about: About, value: bytes) -> Entry:
        document, key_id = self.document, self.document.data_key.id
        return Entry(
            id_,
            version,
            seal(self._key, about.dump(), framed("about", document.vault, id_, version, key_id)),
            seal(self._key, value, framed("value", document.vault, id_, about.name, version, key_id)),
        )

    def _put(self, before: Entry | None, about: About, value: bytes) -> Contents:
        document = self.document
        id_, version = (before.id, before.version + 1) if before is not None else (new_id(), 1)
        entry = self._entry(id_, version, about, value)
        entries = (*(each for each in document.entries if each.id != id_), entry)
        used = replace(document.data_key, uses=document.data_key.uses + 2)
        return replace(
            self,
            document=replace(document, entries=entries, data_key=used),
            _abouts=MappingProxyType({**self._abouts, about.name: (entry, about)}),
        )

    @property
    def is_data_key_worn(self) -> bool:
        """True when so much was encrypted under the data key that it must be replaced, whatever its age."""
        return self.document.data_key.uses >= LARGEST_USES


def _changed(about: About, group: str | None, notes: str | None, due: int | None) -> About:
    return replace(
        about,
        group=about.group if group is None else group,
        notes=about.notes if notes is None else notes,
        due=about.due if due is None else due,
    )


def _opened_about(document: Document, entry: Entry, key: bytes) -> About:
    bound = framed("about", document.vault, entry.id, entry.version, document.data_key.id)
    try:
        return About.load(unseal(key, entry.about, bound))
    except (Forged, ValueError):
        raise _damaged() from None


def _opened_value(document: Document, entry: Entry, name: str, key: bytes) -> bytes:
    bound = framed("value", document.vault, entry.id, name, entry.version, document.data_key.id)
    try:
        return unseal(key, entry.value, bound)
    except (Forged, ValueError):
        raise _damaged() from None


def _damaged() -> VaultDamaged:
    return VaultDamaged("The vault's file is damaged: a secret in it does not open.", RESTORE)
