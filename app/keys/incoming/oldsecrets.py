"""Brings the secrets of an old `encrypted_secrets.json` into the vault.

The old file is a JSON object of Fernet tokens by name. Its Fernet key comes of ENCRYPTION_KEY in `.env`: PBKDF2 with a
salt that is the password's own beginning, so whoever has both files has every secret. The order: every token is opened
before anything is written; one save; the vault's file is read again and compared; then the old file is renamed.
Killed anywhere in between, it is done again from the start and ends the same.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from app.domain.errors import CannotError
from app.engine.files import sync_folder
from app.engine.regular import NotRegular, read_regular
from app.keys.incoming.intake import Advice, Found, Intake, Plan, Remedy, Taken, Verdict, named
from app.keys.log.chain import Action

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from app.keys.incoming.envfile import EnvFile
    from app.keys.vault.vault import Vault
    from app.keys.vault.vaultfile import VaultFile

KEY_NAME = "ENCRYPTION_KEY"

LARGEST_OLD = 1024 * 1024
"""Bytes: a thousand secrets of the usual size."""

MOST_KEYS = 8
"""How many passwords are tried: each costs some tens of milliseconds."""

SALT_BYTES = 16
ITERATIONS = 100_000
KEY_BYTES = 32

# A Fernet token: version, time, initialisation vector, at least one block of ciphertext, HMAC (its specification).
_VERSION = 0x80
_BLOCK = 16
_AROUND = 1 + 8 + 16 + 32


@dataclass(frozen=True, slots=True)
class Migrated:
    """What a migration came to.

    Attributes:
        taken: What is in the vault now.
        renamed: Where the old file lies now; None while it lies where it was.
        stays: Why it lies there, in a sentence; empty when it was renamed.
        advice: What a person must do now.
    """

    taken: Taken
    renamed: Path | None
    stays: str
    advice: tuple[Advice, ...]


def old_key(password: str) -> bytes:
    """Return the Fernet key that the old program made of ENCRYPTION_KEY.

    Args:
        password: ENCRYPTION_KEY's value, as a `.env` parser reads it.
    """
    secret = password.encode("utf-8", "surrogateescape")
    salt = secret[:SALT_BYTES].ljust(SALT_BYTES, b"0")
    return base64.urlsafe_b64encode(hashlib.pbkdf2_hmac("sha256", secret, salt, ITERATIONS, KEY_BYTES))


def _untold(_step: str) -> None:
    return


class OldSecrets:
    """The old file, and what opens it. All methods block: call them in a thread.

    Args:
        path: The old file.
        env: The `.env` that holds ENCRYPTION_KEY; None without one. Of several there, each is tried.
        passwords: Others to try, first: from the environment, or typed by a person.
        vault: Where to; must be open.
        file: The vault's file.
        names: What secrets are to be called, by their old names; for names that the vault does not take.
        on_step: Is told the name of each step before it is taken.
    """

    def __init__(
        self,
        path: Path,
        env: EnvFile | None,
        vault: Vault,
        file: VaultFile,
        *,
        passwords: Sequence[str] = (),
        names: Mapping[str, str] | None = None,
        on_step: Callable[[str], None] = _untold,
    ) -> None:
        self._path = path
        self._env = env
        self._given = any(passwords)
        in_env = [setting.value for setting in reversed(env.of(KEY_NAME))] if env is not None else []
        self._passwords = tuple(dict.fromkeys(each for each in (*passwords, *in_env) if each))
        self._names = dict(names or {})
        self._intake = Intake(vault, file, Action.MIGRATE, on_step=on_step)
        self._file = file
        self._on_step = on_step

    def plan(self) -> Plan:
        """Return what would be taken. Opens every token, changes nothing.

        Raises:
            CannotError: There is no old file and no migrated one; it cannot be read; or ENCRYPTION_KEY is missing.
            SecretError: A given name is none.
            UsageError: A name is given for what is not there.
            VaultError: The vault is not open, or out of reach.
        """
        try:
            content = self._read()
        except FileNotFoundError:
            if (done := self._migrated()) is not None:
                return Plan(self._path, "", (), done)
            raise CannotError(f"There is no {self._path}.", "Name the old file.") from None
        return Plan(self._path, _digest(content), self._intake.judge(self._found(content)))

    def apply(self, plan: Plan, *, partial: bool = False, replacing: Collection[str] = ()) -> Migrated:
        """Take the secrets, and rename the old file when all of them are in the vault.

        Args:
            plan: What was looked at; the old file must still be the same.
            partial: Take what can be taken, and leave the rest; the old file keeps its name while something is left.
            replacing: Names of which the vault's value may be replaced by the old file's.

        Raises:
            CannotError: The old file has changed, or something in it cannot be taken: nothing was changed then. Or it
                changed meanwhile, or the vault's file does not hold what was saved: then it keeps its name.
            VaultError: The vault is not open, or cannot be read or written.
        """
        self._on_step("read")
        try:
            content = self._read()
        except FileNotFoundError:
            if (done := self._migrated(plan.digest)) is not None:
                return Migrated(Taken(), done, "", self._advice(()))
            raise self._changed() from None
        if _digest(content) != plan.digest:
            raise self._changed()
        self._on_step("verify")
        found = self._found(content)
        why = f"{sum(each.refused is None for each in found)} of {self._path.name}"
        taken = self._intake.take(found, partial=partial, replacing=replacing, why=why)
        if taken.left:
            stays = f"{self._path} keeps its name, since {len(taken.left)} of its secrets are not in the vault."
            return Migrated(taken, None, stays, ())
        return self._set_aside(plan, taken)

    def _read(self) -> bytes:
        """Return the old file's bytes.

        Raises:
            FileNotFoundError: There is none.
            CannotError: It is no file of its own, too large, or cannot be read.
        """
        if self._path.is_symlink() and self._path.exists():
            raise CannotError(
                f"{self._path} is a link to {self._path.resolve()}, so that renaming it would leave the secrets there.",
                "Name the file itself.",
            )
        try:
            content = read_regular(self._path, LARGEST_OLD)
        except FileNotFoundError:
            raise
        except NotRegular as error:
            raise CannotError(f"{self._path} cannot be migrated: {error}.", "Name the old file itself.") from error
        except OSError as error:
            raise CannotError(
                f"{self._path} cannot be read: {error.strerror or error}.", "Check its rights, and try again."
            ) from error
        if len(content) > LARGEST_OLD:
            raise CannotError(
                f"{self._path} has more than {LARGEST_OLD // 1024} KiB, which no file of secrets has.",
                "Is it the right one?",
            )
        return content

    def _found(self, content: bytes) -> tuple[Found, ...]:
        """Return what the old file holds, opened.

        Raises:
            CannotError: It is not what the old program wrote, or no key is there to open it.
        """
        tokens = self._tokens(content)
        if not tokens:
            return named((), self._names)
        if not self._passwords:
            raise CannotError(
                f"There is no {KEY_NAME} to open {self._path} with.",
                f"Put it back into .env for now, as it was: {KEY_NAME}=...",
            )
        keys = MultiFernet([Fernet(old_key(password)) for password in self._passwords[:MOST_KEYS]])
        found = [_opened(name, values, keys) for name, values in tokens.items()]
        return named(found, self._names)

    def _tokens(self, content: bytes) -> dict[str, list[object]]:
        """Return by its name each token, or what stands in its place; several where a name stands there again."""
        try:
            pairs = json.loads(content, object_pairs_hook=tuple)
        except (ValueError, RecursionError):
            # The cause holds the whole file.
            raise CannotError(f"{self._path} is damaged: it is not JSON.", "Put back a copy of it.") from None
        if not isinstance(pairs, tuple):
            raise CannotError(f"{self._path} holds no names with values.", "Is it the right file?")
        tokens: dict[str, list[object]] = {}
        for name, value in pairs:
            tokens.setdefault(name, []).append(value)
        return tokens

    def _set_aside(self, plan: Plan, taken: Taken) -> Migrated:
        self._on_step("look again")
        try:
            # Two programs that migrate it may meet here; the vault's own lock is the one that they share.
            with self._file.held():
                if _digest(self._read()) != plan.digest:
                    raise self._changed()
                renamed = self._rename()
        except FileNotFoundError:
            # The other program was first.
            if (done := self._migrated(plan.digest)) is None:
                raise self._changed() from None
            renamed = done
        except OSError as error:
            stays = (
                f"The secrets are in the vault, but {self._path} cannot be renamed: {error.strerror or error}."
                " Rename it by hand, or give yourself the right to its folder and try again."
            )
            return Migrated(taken, None, stays, self._advice(taken.names))
        return Migrated(taken, renamed, "", self._advice(taken.names))

    def _rename(self) -> Path:
        """Rename the old file to a name that is free, and return that."""
        self._on_step("reserve")
        target = _reserved(self._path)
        self._on_step("rename")
        try:
            self._path.replace(target)
        except OSError:
            with suppress(OSError):
                target.unlink()
            raise
        self._on_step("sync")
        # A name that a power cut takes back is given again by the next run.
        with suppress(OSError):
            sync_folder(target.parent)
        return target

    def _migrated(self, digest: str = "") -> Path | None:
        """Return the file that was migrated before, the one of this digest if one is given."""
        for target in _targets(self._path):
            if not os.path.lexists(target):
                return None
            with suppress(OSError):
                content = read_regular(target, LARGEST_OLD)
                if content and digest in {"", _digest(content)}:
                    return target
        return None

    def _changed(self) -> CannotError:
        return CannotError(
            f"{self._path} has changed since it was looked at.",
            "It keeps its name. End the program that writes it, and look at it again.",
        )

    def _advice(self, names: tuple[str, ...]) -> tuple[Advice, ...]:
        advice = []
        if self._env is not None and (settings := self._env.of(KEY_NAME)):
            advice.append(
                Advice(
                    Remedy.REMOVE_LINES,
                    f"Remove {KEY_NAME} from {self._env.path}: it opens every copy of the old file.",
                    (KEY_NAME,),
                    self._env.path,
                    tuple(setting.lines for setting in settings),
                )
            )
        if self._given:
            text = f"Take {KEY_NAME} out of the environment: it opens every copy of the old file."
            advice.append(Advice(Remedy.UNSET, text, (KEY_NAME,)))
        text = (
            "The project's history and backups may still hold the old file and its key, and nothing done here takes"
            " that back. Renew these credentials at their providers."
        )
        return (*advice, Advice(Remedy.RENEW, text, names))


def _opened(name: str, values: Sequence[object], keys: MultiFernet) -> Found:
    opened = set()
    for value in values:
        if not isinstance(value, str):
            return Found(name, refused=Verdict.UNREADABLE, why="Its value is no text.")
        if not value:
            opened.add(b"")
            continue
        try:
            token = value.encode("ascii", "replace")
            opened.add(keys.decrypt(token))
        except InvalidToken:
            return Found(name, refused=Verdict.UNREADABLE, why=_reason(token))
    if len(opened) > 1:
        why = "It stands there more than once, with different values: remove all but one."
        return Found(name, refused=Verdict.UNREADABLE, why=why)
    return Found(name, value=opened.pop())


def _reason(token: bytes) -> str:
    """Return why a token does not open."""
    try:
        content = base64.urlsafe_b64decode(token)
    except ValueError:
        content = b""
    blocks, rest = divmod(len(content) - _AROUND, _BLOCK)
    if content[:1] != bytes([_VERSION]) or blocks < 1 or rest:
        return "It was cut, or is no encrypted value."
    return f"It was encrypted with another {KEY_NAME}, or changed since."


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _targets(path: Path) -> Iterator[Path]:
    first = path.with_name(f"{path.name}.migrated")
    yield first
    for number in itertools.count(2):
        yield first.with_name(f"{first.name}.{number}")


def _reserved(path: Path) -> Path:
    """Return a name that nothing but an empty file of ours has, which a rename may then replace.

    An empty one that is there already was left by a program that was killed before it renamed.
    """
    for target in _targets(path):
        try:
            os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            found = target.lstat()
            if not stat.S_ISREG(found.st_mode) or found.st_size:
                continue
        return target
    raise AssertionError("names never end")
