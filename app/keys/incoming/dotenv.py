"""Takes the secrets out of a `.env` file into the vault. The file itself is never changed: a person removes the lines.

What a secret is, is told by its name, or by the looks of its value. Everything else is listed as left out, and can be
named.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.domain.errors import CannotError
from app.engine.redaction import Redactor, is_sensitive_name
from app.keys.incoming.envfile import read_env
from app.keys.incoming.intake import Advice, Found, Intake, Plan, Remedy, Taken, Verdict, named, require_known
from app.keys.incoming.oldsecrets import KEY_NAME
from app.keys.log.chain import Action

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from app.keys.incoming.envfile import EnvFile, Setting
    from app.keys.vault.vault import Vault
    from app.keys.vault.vaultfile import VaultFile

_NUMBER = re.compile(r"[_-]?\d+\Z")
_VARIABLE = re.compile(r"\$\{[^}]*\}")


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import came to.

    Attributes:
        taken: What is in the vault now.
        advice: What a person must do now: which lines to remove.
    """

    taken: Taken
    advice: tuple[Advice, ...]


def looks_secret(name: str, value: str) -> bool:
    """True for a setting that is a secret by its name, or by the known looks of its value.

    Args:
        name: Its number does not count: `DEEPSEEK_API_KEY_2`.
        value: A key of a known provider, a private key, or an address with a password in it.
    """
    return is_sensitive_name(_NUMBER.sub("", name)) or Redactor().redact(value) != value


def _untold(_step: str) -> None:
    return


class DotEnv:
    """A `.env` file whose secrets are to be taken. All methods block: call them in a thread.

    Args:
        path: The file.
        vault: Where to; must be open.
        file: The vault's file.
        take: Names to take that are not seen as secrets.
        leave: Names to leave that are.
        names: What secrets are to be called, by their names in the file; these are taken too.
        on_step: Is told the name of each step before it is taken.
    """

    def __init__(
        self,
        path: Path,
        vault: Vault,
        file: VaultFile,
        *,
        take: Collection[str] = (),
        leave: Collection[str] = (),
        names: Mapping[str, str] | None = None,
        on_step: Callable[[str], None] = _untold,
    ) -> None:
        self._path = path
        self._take = (*take, *(names or ()))
        self._leave = tuple(leave)
        self._names = dict(names or {})
        self._intake = Intake(vault, file, Action.IMPORT, on_step=on_step)
        self._on_step = on_step

    def plan(self) -> Plan:
        """Return what would be taken. Changes nothing.

        Raises:
            CannotError: The file is missing, or cannot be read.
            SecretError: A given name is none.
            UsageError: A name is given for what is not there.
            VaultError: The vault is not open, or out of reach.
        """
        env = read_env(self._path)
        return Plan(self._path, env.digest, self._intake.judge(self._found(env)))

    def apply(self, plan: Plan, *, partial: bool = False, replacing: Collection[str] = ()) -> Imported:
        """Take the secrets, and tell which lines to remove.

        Args:
            plan: What was looked at; the file must still be the same.
            partial: Take what can be taken, and leave the rest.
            replacing: Names of which the vault's value may be replaced by the file's.

        Raises:
            CannotError: The file has changed, or something in it cannot be taken: nothing was changed then. Or the
                vault's file does not hold what was saved.
            VaultError: The vault is not open, or cannot be read or written.
        """
        self._on_step("read")
        env = read_env(self._path)
        if env.digest != plan.digest:
            raise CannotError(f"{self._path} has changed since it was looked at.", "Look at it again.")
        found = self._found(env)
        why = f"{sum(each.refused is None for each in found)} of {self._path.name}"
        taken = self._intake.take(found, partial=partial, replacing=replacing, why=why)
        return Imported(taken, self._advice(found, taken))

    def _found(self, env: EnvFile) -> tuple[Found, ...]:
        by_name: dict[str, list[Setting]] = {}
        found = []
        for setting in env.settings:
            if setting.is_readable:
                by_name.setdefault(setting.name, []).append(setting)
            else:
                why = f"Line {setting.lines.first} is no setting: a quote that is not closed, perhaps."
                found.append(Found("", refused=Verdict.UNREADABLE, why=why, lines=(setting.lines,)))
        found += [self._chosen(name, settings) for name, settings in by_name.items()]
        require_known((*self._take, *self._leave), found)
        found.sort(key=lambda each: each.lines[0].first)
        return named(found, self._names)

    def _chosen(self, name: str, settings: Sequence[Setting]) -> Found:
        value, lines = settings[-1].value, tuple(setting.lines for setting in settings)

        def refused(verdict: Verdict, why: str) -> Found:
            return Found(name, refused=verdict, why=why, lines=lines)

        if value is None:
            return refused(Verdict.LEFT_OUT, "It has no value.")
        if name in self._leave:
            return refused(Verdict.LEFT_OUT, "You said so.")
        if name not in self._take and name == KEY_NAME:
            why = "It opens the old encrypted_secrets.json and nothing else. Migrate that, then remove the line."
            return refused(Verdict.LEFT_OUT, why)
        if name not in self._take and not looks_secret(name, value):
            return refused(Verdict.LEFT_OUT, "It does not look like a secret.")
        if _VARIABLE.search(value):
            # What the program made of it cannot be told from here, and the text itself would be a wrong secret.
            return refused(Verdict.UNREADABLE, "It refers to another setting: set its value yourself.")
        why = "It stands there more than once, and the last one counts." if len(settings) > 1 else ""
        return Found(name, value=value.encode("utf-8"), why=why, lines=lines)

    def _advice(self, found: Sequence[Found], taken: Taken) -> tuple[Advice, ...]:
        held = set(taken.names)
        gone = [each for each in found if each.refused is None and each.name in held]
        if not gone:
            return ()
        lines = sorted((line for each in gone for line in each.lines), key=lambda line: line.first)
        text = f"Remove these lines from {self._path}: the vault holds their secrets now."
        return (Advice(Remedy.REMOVE_LINES, text, tuple(each.source for each in gone), self._path, tuple(lines)),)
