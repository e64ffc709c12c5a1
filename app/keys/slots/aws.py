"""Amazon Web Services as a slot: KMS wraps the slot key, or Secrets Manager keeps it.

Needs the extra `watchkeeper[aws]`, boto3, which is imported with the first use. Credentials come from where boto3 looks
for them: the environment, a profile, the machine's role. After the API references of KMS and Secrets Manager.

What the policy must allow; with the key or the prefix named, not `*`:

    KMS              kms:Encrypt and kms:Decrypt on the key. The encryption context has one member, `watchkeeper`.
    Secrets Manager  secretsmanager:CreateSecret and secretsmanager:GetSecretValue on PREFIX/*, and what the KMS key
                     asks for that the account encrypts secrets with.

Each wrap under Secrets Manager makes a secret of its own. New versions of one secret would not do: a version without a
staging label may be deleted by AWS, and only two are labelled. The vault's file names the secret and its version, and
that version is read.
"""

from __future__ import annotations

import logging
import re
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

from app.domain.errors import SettingsError, SlotClosed
from app.keys.slots.awserrors import meaning_of
from app.keys.slots.server import (
    DEADLINE_S,
    NOTE,
    ServerSlot,
    digest_of,
    name_for,
    require_path,
    require_private,
)
from app.keys.vault.document import from_base64, to_base64

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from app.keys.slots.awserrors import ClientError
    from app.keys.slots.server import Faults
    from app.keys.slots.slot import Body

PREFIX = "watchkeeper"
CONTEXT = "watchkeeper"
"""The one member of the encryption context; its value is the SHA-256 of what the record is bound to."""

_REGION = re.compile(r"[a-z]{2,}(-[a-z0-9]+){1,5}")
_KEY_ARN = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]{1,40}:[0-9]{12}:key/[A-Za-z0-9-]{1,128}")
_SECRET_ARN = re.compile(r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]{1,40}:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]{1,520}")
_VERSION = re.compile(r"[A-Za-z0-9-]{32,64}")
_WRAPPED = re.compile(r"[A-Za-z0-9+/=]{16,8192}")
_LIBRARY_GRACE_S = 1.0
"""The library's timeouts are that much longer than ours, so that ours tells what happened."""
_PAUSES_S = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
"""Secrets Manager may not find for a moment what it has just made; the deadline counts all the same."""


@dataclass(frozen=True, slots=True)
class Aws:
    """A region of an account, and how to speak to it.

    Attributes:
        region: `eu-central-1`. Keys and secrets are made there; what a vault's file names opens wherever it is.
        profile: Of the AWS configuration; empty for what the environment or the machine gives.
        endpoint_url: Another address than that of AWS: a VPC endpoint, a stand-in; may be empty.
        deadline_s: How long one `wrap` or `open` may take.
    """

    region: str
    profile: str = ""
    endpoint_url: str = ""
    deadline_s: float = DEADLINE_S

    def __post_init__(self) -> None:
        """Check region and address.

        Raises:
            SettingsError: One is none, or keys must not be sent there.
        """
        if not _REGION.fullmatch(self.region):
            raise SettingsError(f"The AWS region {self.region!r} is none.", "It looks like eu-central-1.")
        if self.endpoint_url:
            require_private("AWS", self.endpoint_url)


class _Kms(Protocol):
    def encrypt(self, *, KeyId: str, Plaintext: bytes, EncryptionContext: Mapping[str, str]) -> object: ...  # noqa: N803 - AWS names them

    def decrypt(self, *, KeyId: str, CiphertextBlob: bytes, EncryptionContext: Mapping[str, str]) -> object: ...  # noqa: N803 - likewise


class _SecretsManager(Protocol):
    def create_secret(self, *, Name: str, Description: str, SecretString: str) -> object: ...  # noqa: N803 - likewise

    def get_secret_value(self, *, SecretId: str, VersionId: str) -> object: ...  # noqa: N803 - likewise


class _AwsSlot(ServerSlot):
    service: ClassVar[str]
    """As boto3 names it."""

    def __init__(self, aws: Aws) -> None:
        super().__init__(aws.deadline_s)
        self._aws = aws

    @contextmanager
    def _asking(self, what: str, region: str) -> Iterator[Any]:
        """Give a client; what boto3 raises meanwhile is converted.

        Args:
            what: What is asked for, as the messages name it.
            region: Where.
        """
        try:
            boto3, config = import_module("boto3"), import_module("botocore.config")
            faults = import_module("botocore.exceptions")
        except ImportError:
            raise self._closed(
                "absent",
                f"{self.whose} needs watchkeeper[aws], which is not installed.",
                "Install it: pip install 'watchkeeper[aws]'",
            ) from None
        _keep_out_of_logs()
        patience_s = self._deadline_s + _LIBRARY_GRACE_S
        try:
            session = boto3.session.Session(profile_name=self._aws.profile or None, region_name=region)
            client = session.client(
                self.service,
                endpoint_url=self._aws.endpoint_url or None,
                config=config.Config(
                    connect_timeout=patience_s,
                    read_timeout=patience_s,
                    # one attempt: the deadline is short, and whoever asked can ask again
                    retries={"total_max_attempts": 1, "mode": "standard"},
                ),
            )
            with closing(client):
                yield client
        except faults.ClientError as error:
            raise self._answered(error, what) from None
        except faults.BotoCoreError as error:
            raise self._unreached(error, faults) from None

    def _found(self, answer: object, name: str) -> object:
        if not isinstance(answer, dict) or name not in answer:
            raise self._not_understood()
        return answer[name]

    def _answered(self, error: Exception, what: str) -> SlotClosed:
        meant = meaning_of(cast("ClientError", error))
        if meant is None:
            return self._not_understood()
        fill = {"what": what, "whose": self.whose}
        return self._closed(meant.state, meant.message.format(**fill), meant.hint.format(**fill))

    def _unreached(self, error: Exception, faults: Faults) -> SlotClosed:
        closed = self._closed
        match error:
            case faults.ProfileNotFound():
                return closed(
                    "refused",
                    f"AWS has no profile {self._aws.profile!r} here.",
                    "See them: aws configure list-profiles",
                )
            case (
                faults.NoCredentialsError()
                | faults.PartialCredentialsError()
                | faults.CredentialRetrievalError()
                | faults.TokenRetrievalError()
                | faults.SSOError()
                | faults.NoAuthTokenError()
            ):
                return closed(
                    "refused",
                    f"There are no credentials for {self.whose}.",
                    "Log in: aws sso login; or see the profile.",
                )
            case faults.ConnectTimeoutError() | faults.ReadTimeoutError():
                return closed("hung", f"{self.whose} did not answer in time.", "Try again.")
            case faults.SSLError():
                return closed("refused", f"The certificate of {self.whose} is not trusted.", "See AWS_CA_BUNDLE.")
            case faults.ConnectionError() | faults.HTTPClientError() | faults.IncompleteReadError():
                return closed(
                    "down",
                    f"{self.whose} cannot be reached, or ended the connection.",
                    "See whether this machine has a way to it.",
                )
            case _:
                return self._not_understood()


def _keep_out_of_logs() -> None:
    """Have botocore not log what it sends and receives, which it does where everything is logged."""
    logger = logging.getLogger("botocore")
    if logger.getEffectiveLevel() < logging.INFO:
        logger.setLevel(logging.INFO)


def _region_of(arn: str) -> str:
    return arn.split(":")[3]


class KmsSlot(_AwsSlot):
    """The slot key wrapped by a key that never leaves AWS KMS.

    The key's own rotation there changes nothing. An alias may be turned to another key: the vault's file names the key.

    Args:
        aws: Where.
        key: The id, ARN or alias of a symmetric key, `alias/watchkeeper` for instance.
    """

    kind: ClassVar[str] = "aws-kms"
    whose: ClassVar[str] = "AWS KMS"
    service: ClassVar[str] = "kms"

    def __init__(self, aws: Aws, key: str) -> None:
        super().__init__(aws)
        self._name = key

    def _keep(self, key: bytes, bound: bytes) -> Body:
        with self._asking(f"key {self._name}", self._aws.region) as client:
            kms: _Kms = client
            answer = kms.encrypt(KeyId=self._name, Plaintext=key, EncryptionContext=_context(bound))
        wrapped, arn = self._found(answer, "CiphertextBlob"), self._found(answer, "KeyId")
        if not isinstance(wrapped, bytes) or not isinstance(arn, str) or not _KEY_ARN.fullmatch(arn):
            raise self._not_understood()
        return {"key": arn, "wrapped": to_base64(wrapped)}

    def _fetch(self, body: Mapping[str, str | int], bound: bytes) -> bytes:
        arn, text = self._text(body, "key", _KEY_ARN), self._text(body, "wrapped", _WRAPPED)
        try:
            wrapped = from_base64(text)
        except ValueError:
            raise self._record_damaged() from None
        with self._asking(f"key {arn}", _region_of(arn)) as client:
            kms: _Kms = client
            answer = kms.decrypt(KeyId=arn, CiphertextBlob=wrapped, EncryptionContext=_context(bound))
        return self._key_of(self._found(answer, "Plaintext"))


def _context(bound: bytes) -> Mapping[str, str]:
    return {CONTEXT: digest_of(bound).hex()}


class SecretsManagerSlot(_AwsSlot):
    """The slot key kept in AWS Secrets Manager.

    Args:
        aws: Where.
        prefix: What the names of slot keys begin with; they end with a name of their own.
        pause: Waits so many seconds.

    Raises:
        SettingsError: The prefix has characters that it must not have.
    """

    kind: ClassVar[str] = "aws-secretsmanager"
    whose: ClassVar[str] = "AWS Secrets Manager"
    service: ClassVar[str] = "secretsmanager"

    def __init__(self, aws: Aws, *, prefix: str = PREFIX, pause: Callable[[float], object] = time.sleep) -> None:
        super().__init__(aws)
        self._prefix = require_path("prefix", prefix)
        self._pause = pause

    def _keep(self, key: bytes, bound: bytes) -> Body:
        name = name_for(self._prefix, bound)
        with self._asking(f"secret {name}", self._aws.region) as client:
            secrets: _SecretsManager = client
            answer = secrets.create_secret(Name=name, Description=NOTE, SecretString=to_base64(key))
        arn, version = self._found(answer, "ARN"), self._found(answer, "VersionId")
        if not isinstance(arn, str) or not isinstance(version, str):
            raise self._not_understood()
        return {"secret": arn, "version": version}

    def _fetch_back(self, body: Mapping[str, str | int], bound: bytes) -> bytes:
        for pause_s in _PAUSES_S:
            try:
                return self._fetch(body, bound)
            except SlotClosed as error:
                if error.state != "missing":
                    raise
            self._pause(pause_s)
        return self._fetch(body, bound)

    def _fetch(self, body: Mapping[str, str | int], bound: bytes) -> bytes:
        del bound
        arn, version = self._text(body, "secret", _SECRET_ARN), self._text(body, "version", _VERSION)
        with self._asking(f"secret {arn}", _region_of(arn)) as client:
            secrets: _SecretsManager = client
            answer = secrets.get_secret_value(SecretId=arn, VersionId=version)
        return self._key(self._found(answer, "SecretString"))
