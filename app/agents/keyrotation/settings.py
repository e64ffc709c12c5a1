"""What a person may set of the vault's keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from app.engine.settings import Section
from app.keys.servers import Servers, hashicorp_token

if TYPE_CHECKING:
    from collections.abc import Mapping


class HashiCorpSettings(Section):
    """The section `[keys.hashicorp]`; its token is read from VAULT_TOKEN or `~/.vault-token`."""

    address: str = Field(
        default="", description="HashiCorp Vault that may open the vault: https://vault.example.org:8200"
    )
    namespace: str = Field(default="", description="Its namespace, in the Enterprise edition")
    transit_key: str = Field(default="", description="The name of a transit key there, for the slot vault-transit")
    kv_mount: str = Field(default="", description="The mount of a KV version 2 store there, for the slot vault-kv")


class AwsKeySettings(Section):
    """The section `[keys.aws]`; credentials are those of the AWS configuration or environment."""

    region: str = Field(default="", description="The AWS region whose services may open the vault: eu-central-1")
    profile: str = Field(default="", description="The profile of the AWS configuration")
    endpoint: str = Field(default="", description="Another address than that of AWS: of a VPC endpoint, say")
    kms_key: str = Field(default="", description="The id, ARN or alias of a KMS key, for the slot aws-kms")
    secrets_manager: bool = Field(
        default=False, description="Keep keys in AWS Secrets Manager, for the slot aws-secretsmanager"
    )


class KeySettings(Section):
    """The section `[keys]`."""

    rotate_days: int = Field(
        default=30, ge=1, le=366, description="The vault's data key is replaced after so many days; 30 or 90 are usual"
    )
    remind_days: int = Field(
        default=7, ge=0, le=90, description="Remind of a secret's renewal so many days before it is due"
    )
    lock_minutes: float = Field(
        default=0.0,
        ge=0,
        le=10_080,
        description="Lock the vault when nothing was read from it for so long; 0 for never",
    )
    hashicorp: HashiCorpSettings = HashiCorpSettings()
    aws: AwsKeySettings = AwsKeySettings()

    def servers(self, environ: Mapping[str, str]) -> Servers:
        """Return the servers that may open the vault.

        Args:
            environ: Where HashiCorp Vault's token may stand.
        """
        there, aws = self.hashicorp, self.aws
        return Servers(
            there.address,
            there.namespace,
            there.transit_key,
            there.kv_mount,
            aws.region,
            aws.profile,
            aws.endpoint,
            aws.kms_key,
            aws.secrets_manager,
            hashicorp_token(environ),
        )
