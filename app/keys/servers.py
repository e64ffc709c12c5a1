"""The slots of servers, as the settings name them: HashiCorp Vault and AWS."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.keys.slots.slot import Slot


@dataclass(frozen=True, slots=True)
class Servers:
    """What is said of them; empty where nothing is.

    Attributes:
        hashicorp: HashiCorp Vault's address, `https://...`.
        namespace: Of its Enterprise edition.
        transit_key: The name of a transit key there.
        kv_mount: Where a key/value store of version 2 is mounted there.
        region: Of AWS.
        profile: Of the AWS configuration.
        endpoint: Another address than that of AWS.
        kms_key: The id, ARN or alias of a KMS key.
        secrets_manager: Whether slot keys are kept in AWS Secrets Manager.
        token: Gives HashiCorp Vault's token, when it is asked.
    """

    hashicorp: str = ""
    namespace: str = ""
    transit_key: str = ""
    kv_mount: str = ""
    region: str = ""
    profile: str = ""
    endpoint: str = ""
    kms_key: str = ""
    secrets_manager: bool = False
    token: Callable[[], str] = field(default=lambda: "", repr=False)

    def slots(self) -> tuple[Slot, ...]:
        """Return the slots of all that is named.

        Raises:
            SettingsError: Something that is named is not as it must be.
        """
        found: list[Slot] = []
        if self.hashicorp and (self.transit_key or self.kv_mount):
            from app.keys.slots import hashicorp  # noqa: PLC0415 - most vaults need no server

            server = hashicorp.HashiCorpVault(self.hashicorp, self.token, self.namespace)
            if self.transit_key:
                found.append(hashicorp.TransitSlot(server, self.transit_key))
            if self.kv_mount:
                found.append(hashicorp.KeyValueSlot(server, mount=self.kv_mount))
        if self.region and (self.kms_key or self.secrets_manager):
            from app.keys.slots import aws  # noqa: PLC0415 - likewise

            place = aws.Aws(self.region, self.profile, self.endpoint)
            if self.kms_key:
                found.append(aws.KmsSlot(place, self.kms_key))
            if self.secrets_manager:
                found.append(aws.SecretsManagerSlot(place))
        return tuple(found)


NEEDED = {
    "vault-transit": "keys.hashicorp.address and keys.hashicorp.transit_key",
    "vault-kv": "keys.hashicorp.address and keys.hashicorp.kv_mount",
    "aws-kms": "keys.aws.region and keys.aws.kms_key",
    "aws-secretsmanager": "keys.aws.region and keys.aws.secrets_manager",
}
"""What the settings must say, by the kind of slot as it stands in the vault's file."""


def hashicorp_token(environ: Mapping[str, str]) -> Callable[[], str]:
    """Return what gives HashiCorp Vault's token as its own command line has it: VAULT_TOKEN, or `~/.vault-token`.

    Args:
        environ: The process's environment; read when the token is asked for.
    """

    def token() -> str:
        if given := environ.get("VAULT_TOKEN", ""):
            return given
        try:
            return Path("~/.vault-token").expanduser().read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError, RuntimeError):
            return ""

    return token
