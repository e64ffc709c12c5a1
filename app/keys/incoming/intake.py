"""From secrets that were found elsewhere to secrets in the vault: looked at first, then taken in one save.

A plan tells what would become of each and holds no value. Taking reads the vault's file again from the disk afterwards
and compares every value, so that the place they came from may be given up.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from app.domain.errors import CannotError, SecretError, SecretMissing, UsageError
from app.keys.vault.contents import Contents
from app.keys.vault.document import parse
from app.keys.vault.secret import LONGEST_NAME, check_name, check_value

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from app.keys.incoming.envfile import Lines
    from app.keys.log.chain import Action
    from app.keys.vault.vault import Vault
    from app.keys.vault.vaultfile import VaultFile

_NAMED_IN_MESSAGE = 3

_UNFIT = re.compile(r"[^A-Za-z0-9_.\-/@]")


class Verdict(StrEnum):
    """What would become of one that was found."""

    NEW = "new"
    """The vault holds none of this name."""
    SAME = "same"
    """The vault holds it already, with this value."""
    DIFFERS = "differs"
    """The vault holds another value under this name."""
    UNREADABLE = "unreadable"
    """Its value cannot be read, or it cannot be kept as it is."""
    LEFT_OUT = "left-out"
    """Nothing is lost without it."""


@dataclass(frozen=True, slots=True)
class Found:
    """One that was found.

    Attributes:
        source: Its name where it was found.
        name: Its name in the vault; empty where it has none.
        value: Its value.
        refused: UNREADABLE or LEFT_OUT for one that is not taken, whatever the vault holds.
        why: The reason, in a sentence.
        lines: Where it stands, in a file of lines.
    """

    source: str
    name: str = ""
    value: bytes = field(default=b"", repr=False)
    refused: Verdict | None = None
    why: str = ""
    lines: tuple[Lines, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a plan.

    Attributes:
        source: Its name where it was found, as it stands there: for people take `shown`.
        name: Its name in the vault; empty where it has none.
        verdict: What would become of it.
        why: The reason, in a sentence; may be empty.
        lines: Where it stands, in a file of lines.
    """

    source: str
    name: str
    verdict: Verdict
    why: str = ""
    lines: tuple[Lines, ...] = ()

    @property
    def shown(self) -> str:
        """Its name where it was found, fit for a terminal."""
        return shown(self.source)


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be taken. It holds no value.

    Attributes:
        path: The file that was looked at.
        digest: SHA-256 of its bytes, in hexadecimal: what is taken later must be what was looked at.
        items: In the file's order.
        done: Where the file lies that was migrated before, when there is nothing left to do.
    """

    path: Path
    digest: str
    items: tuple[Item, ...]
    done: Path | None = None

    def of(self, *verdicts: Verdict) -> tuple[Item, ...]:
        """Return the items with one of these verdicts."""
        return tuple(item for item in self.items if item.verdict in verdicts)


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken, by the names in the vault.

    Attributes:
        new: Those that the vault did not hold before.
        replaced: Those of which it held another value.
        same: Those that it held already.
        left: Those that are not in the vault as they were found.
    """

    new: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    left: tuple[Item, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Those that are in the vault as they were found."""
        return tuple(sorted((*self.new, *self.replaced, *self.same)))


class Remedy(StrEnum):
    """What a person must do that a program cannot."""

    REMOVE_LINES = "remove-lines"
    UNSET = "unset"
    RENEW = "renew"


@dataclass(frozen=True, slots=True)
class Advice:
    """What is left to do afterwards.

    Attributes:
        remedy: What, for programs.
        text: What and why, for people.
        names: What it is about.
        path: The file that it is about, where it is about lines of one.
        lines: Which.
    """

    remedy: Remedy
    text: str
    names: tuple[str, ...] = ()
    path: Path | None = None
    lines: tuple[Lines, ...] = ()


def shown(source: str) -> str:
    """Return a foreign name fit for a terminal: bounded, and without control characters."""
    short = source[:LONGEST_NAME]
    return short if short.isprintable() else ascii(short)


def named(found: Iterable[Found], given: Mapping[str, str]) -> tuple[Found, ...]:
    """Return what was found with the names that it gets in the vault, and with what cannot be kept refused.

    A name that the vault takes stays. In others of printable ASCII each odd character becomes `_`; what else a name
    should be called must be given, since another alphabet's letters would all be lost.

    Args:
        found: What was found; `name` is not looked at.
        given: Names in the vault, by the name where it was found.

    Raises:
        SecretError: A given name is none.
        UsageError: One is given for what was not found.
    """
    found = tuple(found)
    require_known(given, found)
    for name in given.values():
        check_name(name)
    fitted = [_fitted(each, given) for each in found]
    counts = Counter(each.name for each in fitted if each.refused is None)
    # Of several that would have one name, the one that has it where it was found keeps it.
    return tuple(
        replace(each, name="", refused=Verdict.UNREADABLE, why=f"Another one would be called {each.name} as well.")
        if each.refused is None and counts[each.name] > 1 and each.name != each.source
        else each
        for each in fitted
    )


def require_known(names: Iterable[str], found: Sequence[Found]) -> None:
    """Make sure that names a person gave are among those found.

    Raises:
        UsageError: One is not.
    """
    sources = {each.source for each in found}
    if missing := [name for name in names if name not in sources]:
        raise UsageError(f"The file holds no {_listed(missing)}.", "Look at its names without taking any first.")


def _fitted(found: Found, given: Mapping[str, str]) -> Found:
    if found.refused is not None:
        return found
    if not found.value:
        return replace(found, refused=Verdict.LEFT_OUT, why="It is empty.")
    try:
        check_value(found.value)
        return replace(found, name=given.get(found.source) or fitting_name(found.source))
    except SecretError as error:
        return replace(found, refused=Verdict.UNREADABLE, why=error.message)


def fitting_name(source: str) -> str:
    """Return the name in the vault for a foreign one.

    Raises:
        SecretError: None comes of it that would still be recognised.
    """
    name = _UNFIT.sub("_", source.strip()) if source.isascii() and source.isprintable() else source
    if not any(letter.isalnum() for letter in name):
        name = ""
    try:
        return check_name(name)
    except SecretError:
        raise SecretError(
            f"{shown(source)!r} is no name for a secret, and none that is like it can be made.", "Give it a name."
        ) from None


class Intake:
    """Judges what was found, and takes it. All methods block: call them in a thread.

    Args:
        vault: Where to; must be open.
        file: The vault's file, as it is read again afterwards.
        action: What it is called in the access log.
        on_step: Is told the name of each step before it is taken.
    """

    def __init__(self, vault: Vault, file: VaultFile, action: Action, *, on_step: Callable[[str], None]) -> None:
        self._vault = vault
        self._file = file
        self._action = action
        self._on_step = on_step

    def judge(self, found: Iterable[Found]) -> tuple[Item, ...]:
        """Return what would become of each.

        Raises:
            VaultError: The vault is not open, or out of reach.
        """
        contents = self._vault.contents
        return tuple(_judged(each, contents) for each in found)

    def take(self, found: Sequence[Found], *, partial: bool, replacing: Collection[str], why: str) -> Taken:
        """Put what was found into the vault in one save, read its file again, and compare every value.

        Nothing is saved when the vault holds all of it already.

        Args:
            found: From `named`.
            partial: Take what can be taken, and leave the rest, in place of taking nothing.
            replacing: Names of which the vault's value may be replaced by another one.
            why: What the access log tells of it.

        Raises:
            CannotError: Something cannot be taken, and nothing was; or the vault's file does not hold what was taken.
            VaultError: The vault is not open, or cannot be read or written; it is as it was.
        """
        self._on_step("judge")
        taken = _decided(found, self._vault.contents, partial=partial, replacing=replacing)

        def changed(contents: Contents, now: int) -> Contents:
            nonlocal taken
            # Another program may have changed it since it was judged.
            taken = _decided(found, contents, partial=partial, replacing=replacing)
            new = set(taken.new)
            chosen = new.union(taken.replaced)
            for each in found:
                if each.refused is None and each.name in chosen:
                    renamed = each.name in new and each.name != each.source
                    notes = f"Was called {shown(each.source)!r} before." if renamed else None
                    contents = contents.with_secret(each.name, each.value, now, notes=notes)
            return contents

        if taken.new or taken.replaced:
            self._on_step("save")
            self._vault.change(self._action, "", changed, why=why)
        self._on_step("reopen")
        contents = Contents.of(parse(self._file.read()), self._vault.contents.master)
        self._on_step("compare")
        held = set(taken.names)
        _require_held([each for each in found if each.refused is None and each.name in held], contents)
        return taken


def _judged(found: Found, contents: Contents) -> Item:
    verdict = found.refused or _verdict(found, contents)
    return Item(found.source, found.name, verdict, found.why, found.lines)


def _verdict(found: Found, contents: Contents) -> Verdict:
    try:
        return Verdict.SAME if contents.value(found.name) == found.value else Verdict.DIFFERS
    except SecretMissing:
        return Verdict.NEW


def _decided(found: Iterable[Found], contents: Contents, *, partial: bool, replacing: Collection[str]) -> Taken:
    """Return what is to be taken.

    Raises:
        CannotError: Something cannot be, and the rest alone was not asked for.
    """
    items = [_judged(each, contents) for each in found]
    by = {verdict: [item for item in items if item.verdict is verdict] for verdict in Verdict}
    replaced = [item for item in by[Verdict.DIFFERS] if item.name in replacing]
    differing = [item for item in by[Verdict.DIFFERS] if item.name not in replacing]
    unreadable = by[Verdict.UNREADABLE]
    if unreadable and not partial:
        reasons = " ".join(f"{item.shown or 'a line'}: {item.why}" for item in unreadable[:_NAMED_IN_MESSAGE])
        raise CannotError(
            f"{len(unreadable)} of {len(items)} cannot be taken. {reasons}",
            "Nothing was changed. Mend them, or ask for the rest alone: --partial",
        )
    if differing and not partial:
        raise CannotError(
            f"The vault holds other values of {_listed([item.name for item in differing])}.",
            "Nothing was changed. Say which of them to replace: --replace NAME; or keep the vault's: --partial",
        )
    return Taken(
        tuple(item.name for item in by[Verdict.NEW]),
        tuple(item.name for item in replaced),
        tuple(item.name for item in by[Verdict.SAME]),
        (*unreadable, *differing),
    )


def _require_held(found: Iterable[Found], contents: Contents) -> None:
    missing = [each.name for each in found if _verdict(each, contents) is not Verdict.SAME]
    if missing:
        raise CannotError(
            f"The vault's file does not hold {_listed(missing)} as it was found: another program may have changed it.",
            "The place that it was found in is as it was. Try again.",
        )


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED_IN_MESSAGE
    return ", ".join(map(shown, names[:_NAMED_IN_MESSAGE])) + (f" and {more} more" if more > 0 else "")
