"""Accounts by the names that people give them: a profile, a role, or keys of the vault. It holds no key.

An account is audited as a project is, so it has a root: a folder of our own, in which nothing is looked at. There lies
how it is entered, so that a repair finds it again, and the states before repairs.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, fields
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from app.domain.errors import UsageError
from app.domain.words import one_line
from app.engine.files import write_atomic
from app.engine.places import make_private
from app.engine.regular import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

KEYS = "keys:"
"""Before the name of keys in the vault."""
ID, SECRET, TOKEN = "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"
MISSING = ("Audits of AWS need watchkeeper[aws], which is not installed.", "Install it: pip install 'watchkeeper[aws]'")
REPAIRS = "repairs"
PARTLY = "partly"
"""The option by which a check is told that there are other regions, in which it does not look this time."""
_ENTRY = "account.json"
_LARGEST = 64 * 1024

_ROLE = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):role/(?:[\w+=,.@/-]*/)?([\w+=,.@-]{1,64})", re.ASCII)
_OF_VAULT = re.compile(r"[A-Z][A-Z0-9_]{0,99}", re.ASCII)
_PROFILE = re.compile(r"[^\s\x00-\x1f\x7f\[\]'\"-][^\x00-\x1f\x7f\[\]'\"]{0,127}")
_PLAIN = re.compile(r"[a-z0-9][a-z0-9_-]{0,60}", re.ASCII)
_UNPLAIN = re.compile(r"[^a-z0-9_-]+", re.ASCII)


def is_account_name(text: str) -> bool:
    """Return whether a text names an account: a profile, the ARN of a role, or `keys:NAME`."""
    if text.startswith("arn:"):
        return _ROLE.fullmatch(text) is not None
    if text.startswith(KEYS):
        return _OF_VAULT.fullmatch(text.removeprefix(KEYS)) is not None
    return _PROFILE.fullmatch(text) is not None


def aws_is_installed() -> bool:
    """Return whether there is what speaks to AWS; it is not imported."""
    return any(find_spec(each) is not None for each in ("aiobotocore", "botocore"))


@dataclass(frozen=True, slots=True)
class NamedAccount:
    """An account to audit, and how. All of it may travel and lie in files.

    Attributes:
        name: As the person names it.
        regions: Where to look; none for everywhere.
        rules: The ids of rules that are wanted besides.
        external_id: What a role's trust policy asks for; may be empty.
        endpoint: Another address than that of AWS; may be empty.
        scheduler: A scheduler of Dask; empty for this machine.
        scheduler_files: The files of the authority, the certificate and the key, for TLS; may be empty.
    """

    name: str
    regions: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    external_id: str = ""
    endpoint: str = ""
    scheduler: str = ""
    scheduler_files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the name.

        Raises:
            UsageError: It names no account.
        """
        if not is_account_name(self.name):
            raise UsageError(
                f"{one_line(self.name)!r} names no AWS account.",
                "Give a profile, the ARN of a role, or keys:NAME for keys of the vault.",
            )

    @property
    def role(self) -> str:
        """The ARN of the role; empty for none."""
        return self.name if self.name.startswith("arn:") else ""

    @property
    def of_vault(self) -> str:
        """What the names of its keys in the vault begin with; empty where they are not of the vault."""
        return self.name.removeprefix(KEYS) if self.name.startswith(KEYS) else ""

    @property
    def profile(self) -> str:
        """The profile; empty for none."""
        return "" if self.role or self.of_vault else self.name

    @property
    def id(self) -> str:
        """Its twelve digits, as far as the name tells them; else empty."""
        found = _ROLE.fullmatch(self.name)
        return found[1] if found else ""

    @property
    def label(self) -> str:
        """What people call it: a profile, `111122223333/Audit` of a role, the name of its keys."""
        found = _ROLE.fullmatch(self.name)
        return f"{found[1]}/{found[2]}" if found else self.of_vault or self.name

    @property
    def title(self) -> str:
        """What it is called beside projects: `AWS production`."""
        return f"AWS {self.label}"

    def target(self, account: str = "") -> str:
        """Return what is audited, in words.

        Args:
            account: The account's twelve digits; empty as long as they are not known.
        """
        known = account and account not in self.label
        return f"AWS account {self.label}" + (f" ({account})" if known else "")

    @property
    def folder(self) -> str:
        """The name of its folder, which no other account has."""
        if _PLAIN.fullmatch(self.name):
            return self.name
        plain = _UNPLAIN.sub("-", self.label.lower()).strip("-")[:40]
        return f"{plain}-{hashlib.sha256(self.name.encode('utf-8', 'surrogatepass')).hexdigest()[:10]}"

    def root(self, accounts: Path) -> Path:
        """Return its folder.

        Args:
            accounts: Where all of them lie.
        """
        return accounts / self.folder

    def secrets(self) -> Mapping[str, tuple[str, bool]]:
        """Return which variable of an environment has which secret of the vault, and whether it must be there."""
        if not self.of_vault:
            return {}
        return {f"AWS_{each}": (f"{self.of_vault}_{each}", each != TOKEN) for each in (ID, SECRET, TOKEN)}

    def to_json(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        return asdict(self)


def account_of(told: Mapping[str, Any]) -> NamedAccount:
    """Return the account that `to_json` told.

    Raises:
        ValueError: It is none.
    """
    known = {each.name for each in fields(NamedAccount)}
    try:
        values = {
            name: tuple(map(str, value)) if isinstance(value, list | tuple) else str(value)
            for name, value in told.items()
            if name in known
        }
        return NamedAccount(**values)  # type: ignore[arg-type] # each is a text or texts, as its field
    except (AttributeError, TypeError, UsageError):
        raise ValueError("This names no account.") from None


def own_environ(given: Mapping[str, str]) -> dict[str, str | None]:
    """Return what an environment has for keys of the vault: they, and nothing that would win over them.

    Args:
        given: The keys, by the names of variables.
    """
    others = (
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_SECURITY_TOKEN",
        *(f"AWS_{each}" for each in (ID, SECRET, TOKEN)),
    )
    return {**dict.fromkeys(others), **given}


def remember(account: NamedAccount, accounts: Path) -> Path:
    """Make the folder of an account, which only its person may enter, keep how it is entered, and return it. Blocks.

    Args:
        account: The account.
        accounts: Where the folders of all lie.

    Raises:
        OSError: It cannot be made.
    """
    root = account.root(accounts)
    make_private(accounts)
    make_private(root)
    content = (json.dumps(account.to_json(), indent=1) + "\n").encode()
    if _read(root) != account:
        write_atomic(root / _ENTRY, content)
    return root


def remembered_accounts(accounts: Path) -> Iterator[tuple[Path, NamedAccount]]:
    """Give the accounts that were audited, each with its folder. Blocks.

    Args:
        accounts: Where the folders of all lie.
    """
    try:
        roots = sorted(accounts.iterdir())
    except OSError:
        return
    for root in roots:
        account = _read(root)
        if account is not None:
            yield root, account


def _read(root: Path) -> NamedAccount | None:
    try:
        return account_of(json.loads(read_regular(root / _ENTRY, _LARGEST)))
    except (OSError, ValueError, RecursionError):
        return None
