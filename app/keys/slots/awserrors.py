"""What the errors of AWS KMS and Secrets Manager mean for a person who wants to open a vault."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from app.keys.slots.server import ANOTHER_WAY

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an answer that is an error means.

    Attributes:
        state: As in SlotClosed.
        message: Likewise; `{what}` is what was asked for, `{whose}` who was.
        hint: Likewise.
    """

    state: str
    message: str
    hint: str


_REFUSED = Meaning(
    "refused", "{whose} does not let these credentials use the {what}.", "Renew them, or see their policy."
)
_EXPIRED = Meaning(
    "refused", "The credentials for {whose} have expired.", "Renew them, with aws sso login for instance."
)
_MISSING = Meaning("missing", "{whose} has no {what}.", f"See whether region and account are right. {ANOTHER_WAY}")
_DELETED = Meaning(
    "missing",
    "The {what} waits for its deletion.",
    f"Have it restored: aws secretsmanager restore-secret. {ANOTHER_WAY}",
)
_UNWRAPPED = Meaning("damaged", "This is not what the {what} wrapped.", ANOTHER_WAY)
_KMS_KEY = Meaning(
    "refused", "{whose} cannot use the KMS key of the {what}.", "See the key's policy, and whether it is enabled."
)
_BUSY = Meaning("down", "{whose} is asked too often.", "Try again in a minute.")
_BROKEN = Meaning("down", "{whose} is out of order.", "Try again later.")
_ODD = Meaning("refused", "{whose} does not take the request for the {what}.", "See the names in the settings.")

_BY_CODE = {
    **dict.fromkeys(
        (
            "AccessDenied",
            "AccessDeniedException",
            "IncompleteSignature",
            "IncompleteSignatureException",
            "InvalidClientTokenId",
            "InvalidSignatureException",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "NotAuthorized",
            "OptInRequired",
            "SignatureDoesNotMatch",
            "UnrecognizedClientException",
        ),
        _REFUSED,
    ),
    **dict.fromkeys(("ExpiredToken", "ExpiredTokenException", "RequestExpired"), _EXPIRED),
    **dict.fromkeys(("NotFoundException", "ResourceNotFoundException"), _MISSING),
    **dict.fromkeys(("InvalidCiphertextException", "IncorrectKeyException"), _UNWRAPPED),
    **dict.fromkeys(("DecryptionFailure", "EncryptionFailure"), _KMS_KEY),
    **dict.fromkeys(
        (
            "LimitExceededException",
            "RequestLimitExceeded",
            "Throttling",
            "ThrottlingException",
            "TooManyRequestsException",
        ),
        _BUSY,
    ),
    **dict.fromkeys(
        (
            "DependencyTimeoutException",
            "InternalFailure",
            "InternalServiceError",
            "KMSInternalException",
            "KeyUnavailableException",
            "ServiceUnavailable",
            "ServiceUnavailableException",
        ),
        _BROKEN,
    ),
    "DisabledException": Meaning("refused", "The {what} is disabled.", "Have it enabled: aws kms enable-key"),
    "InvalidKeyUsageException": Meaning("refused", "The {what} is not one to encrypt with.", "Take a symmetric key."),
    "KMSInvalidStateException": Meaning(
        "missing",
        "The {what} cannot be used as it is: it may be waiting for its deletion.",
        f"See: aws kms describe-key. A deletion can be cancelled in time. {ANOTHER_WAY}",
    ),
    "ResourceExistsException": Meaning(
        "refused", "The place of the {what} is taken already.", "Try again, or ask who else writes there."
    ),
}
_BY_STATUS = {401: _REFUSED, 403: _REFUSED, 404: _MISSING, 429: _BUSY}
_BROKEN_FROM = 500


class ClientError(Protocol):
    """An answer that is an error, as botocore gives it."""

    response: Mapping[str, Mapping[str, object]]


def meaning_of(error: ClientError) -> Meaning | None:
    """Return what an error means that AWS answered; none of its words is shown, as they may echo others."""
    said, about = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
    code, status = str(said.get("Code", "")), about.get("HTTPStatusCode", 0)
    if code == "InvalidRequestException" and "delet" in str(said.get("Message", "")):
        return _DELETED
    if code in _BY_CODE:
        return _BY_CODE[code]
    if not isinstance(status, int) or status < 400:  # noqa: PLR2004 - below it HTTP tells of no error
        return None
    return _BROKEN if status >= _BROKEN_FROM else _BY_STATUS.get(status, _ODD)
