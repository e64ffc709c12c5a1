"""What can go wrong with a call to AWS, and the one place where botocore's exceptions become ours.

    CannotError
      AWSError            a call came to nothing
        Denied            the principal may not do this (its policies say so, or AWS does)
        NotFound          what was asked about, or the setting of it, does not exist
        Throttled         asked too often, after all attempts
        Expired           the keys, or the sign-on that gives them, have run out
        NoCredentials     there are no keys, or AWS does not know them
        Unreachable       no answer, or not in time
        Broken            the service says that it failed (5xx)
        Rejected          the service does not take the request as it is
        ClientsClosed     it was given up, since the clients are being closed
      AWSMissing          the extra `watchkeeper[aws]` is not installed

Nothing of an answer's own words is kept: it may echo what was sent. Error codes after "Common Errors" of the AWS API
references, "Error responses" of the Amazon S3 API Reference, and "Error codes for the Amazon EC2 API".
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar

from app.agents.auditing.aws.clients.iam import action_of
from app.domain.errors import CannotError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Call:
    """Which call it is about.

    Attributes:
        service: As botocore names it: `s3`, `s3control`.
        operation: As the API names it: `GetBucketPolicy`.
        region: `eu-central-1`.
        account: The account's id, twelve digits, or another name for it.
    """

    service: str
    operation: str
    region: str = ""
    account: str = ""

    @property
    def action(self) -> str:
        """The operation as IAM names it: `s3:GetBucketPolicy`."""
        return action_of(self.service, self.operation)

    @property
    def where(self) -> str:
        """Account and region, in words for people."""
        return " in ".join(part for part in (self.account and f"account {self.account}", self.region) if part)


class AWSError(CannotError):
    """A call to AWS came to nothing.

    Args:
        message: As of WatchkeeperError.
        hint: Likewise.
        call: Which call.
        code: AWS' own word for it: `NoSuchBucketPolicy`; empty when no answer came.
    """

    title = "AWS was asked in vain"
    short: ClassVar[str] = "failed"
    """The kind of it, in a word or two."""

    def __init__(self, message: str, hint: str = "", *, call: Call, code: str = "") -> None:
        super().__init__(message, hint)
        self.call = call
        self.code = code

    @property
    def operation(self) -> str:
        """The operation as IAM names it: `s3:GetBucketPolicy`."""
        return self.call.action


class Denied(AWSError):
    """The principal may not do this.

    Args:
        message: As of AWSError.
        hint: Likewise.
        call: Likewise.
        code: Likewise.
        action: What is not allowed, as AWS named it; else as our table does.
        principal: Who may not, as an ARN; empty when AWS did not say.
        by: What denies it: `a service control policy`, `no identity-based policy`; empty when AWS did not say.
    """

    title = "AWS does not allow it"
    short = "denied"

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        call: Call,
        code: str = "",
        action: str = "",
        principal: str = "",
        by: str = "",
    ) -> None:
        super().__init__(message, hint, call=call, code=code)
        self.action = action or call.action
        self.principal = principal
        self.by = by

    @property
    def operation(self) -> str:
        """What is not allowed, as IAM names it."""
        return self.action


class NotFound(AWSError):
    """What was asked about does not exist; `code` tells a missing setting from a missing bucket."""

    title = "AWS has no such thing"
    short = "not found"


class Throttled(AWSError):
    """Asked too often; all attempts are used up."""

    title = "AWS is asked too often"
    short = "throttled"


class Expired(AWSError):
    """The keys, or the sign-on that gives them, have run out."""

    title = "The AWS credentials have expired"
    short = "expired"


class NoCredentials(AWSError):
    """There are no keys, or AWS does not know them."""

    title = "There are no AWS credentials"
    short = "no credentials"


class Unreachable(AWSError):
    """No answer, or not in time."""

    title = "AWS cannot be reached"
    short = "unreachable"


class Broken(AWSError):
    """The service says that it failed."""

    title = "AWS is out of order"
    short = "out of order"


class Rejected(AWSError):
    """The service does not take the request as it is."""

    title = "AWS does not take the request"
    short = "rejected"


class ClientsClosed(AWSError):
    """The call was given up, or not begun, since the clients are being closed."""

    title = "The audit of AWS is being ended"
    short = "given up"


class AWSMissing(CannotError):
    """What speaks to AWS is not installed."""

    title = "The part for AWS is not installed"


_DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AccountProblem",
        "AllAccessDisabled",
        "AuthorizationError",
        "AuthorizationErrorException",
        "Client.UnauthorizedOperation",
        "Forbidden",
        "NotAuthorized",
        "UnauthorizedAccess",
        "UnauthorizedOperation",
    }
)
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
_UNKNOWN_KEYS = frozenset(
    {
        "AuthFailure",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttling",
        "ThrottledException",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
_BROKEN = frozenset({"InternalError", "InternalFailure", "InternalServiceError", "ServiceUnavailable"})
_MISSING = re.compile(r"NoSuch\w*|\w*NotFound(Error|Exception|Fault)?|\w+\.NotFound|404")
_CODE = re.compile(r"[A-Za-z0-9._-]{1,80}")

# After "Troubleshoot access denied error messages" of the IAM User Guide.
_PRINCIPAL = re.compile(r"(?:User|user): (arn:aws[a-z-]*:[a-z0-9-]+::\d{12}:[\w+=,.@/-]{1,600})")
_ACTION = re.compile(r"to perform: ([a-z0-9-]{1,40}:[A-Za-z0-9]{1,80})")
_BY = re.compile(
    r"with an explicit deny in (an? [a-z -]{1,40}policy|a permissions boundary)"
    r"|because (no [a-z -]{1,40}(?:policy|permissions boundary)) allows"
)


@contextmanager
def translating(call: Call) -> Iterator[None]:
    """Make ours of what botocore raises in the block; what is not botocore's passes as it is.

    Args:
        call: Which call it is about.

    Raises:
        AWSError: The call came to nothing.
    """
    try:
        yield
    except Exception as error:
        ours = translated(error, call)
        if ours is None or ours is error:
            raise
        raise ours from None


def translated(error: Exception, call: Call) -> AWSError | None:
    """Return what an exception of botocore means; None for one that is not botocore's.

    Args:
        error: What was raised while the call was made, or while its keys were looked for.
        call: Which call.
    """
    if isinstance(error, AWSError):
        return error
    faults = import_module("botocore.exceptions")
    if isinstance(error, faults.ClientError):
        return _answered(error.response, call)
    if isinstance(error, (faults.BotoCoreError, faults.HTTPClientError)):
        return _unanswered(error, call)
    return None


def _answered(response: Mapping[str, Mapping[str, object]], call: Call) -> AWSError:
    said = response.get("Error", {})
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code, text = str(said.get("Code", "")), str(said.get("Message", ""))
    code = code if _CODE.fullmatch(code) else ""
    kind = _kind_of(code, status if isinstance(status, int) else 0)
    if kind is Denied:
        return _denied(text, call, code)
    message, hint = _WORDS[kind]
    return kind(message.format(action=call.action, where=call.where, code=code or status), hint, call=call, code=code)


def _kind_of(code: str, status: int) -> type[AWSError]:  # noqa: PLR0911 - one row each
    if code in _DENIED:
        return Denied
    if code in _EXPIRED:
        return Expired
    if code in _UNKNOWN_KEYS:
        return NoCredentials
    if code in THROTTLED or status == 429:  # noqa: PLR2004 - Too Many Requests
        return Throttled
    if _MISSING.fullmatch(code):
        return NotFound
    if code in _BROKEN or status >= 500:  # noqa: PLR2004 - HTTP: the server's fault
        return Broken
    return {401: NoCredentials, 403: Denied, 404: NotFound}.get(status, Rejected)


def _denied(text: str, call: Call, code: str) -> Denied:
    principal, action, by = _PRINCIPAL.search(text), _ACTION.search(text), _BY.search(text)
    who = principal[1] if principal else ""
    what = action[1] if action else call.action
    through = (by[1] or by[2]) if by else ""
    return Denied(
        f"{who or 'The credentials in use'} may not do {what} in {call.where or 'this account'}"
        f"{f' ({through})' if through else ''}.",
        "Allow it in the policy of the role that audits, or accept that this stays unknown.",
        call=call,
        code=code,
        action=what,
        principal=who,
        by=through,
    )


_WORDS: dict[type[AWSError], tuple[str, str]] = {
    Expired: ("The credentials for {where} have expired.", "Renew them, with aws sso login for instance."),
    NoCredentials: ("AWS does not know the keys for {where} ({code}).", "See keys, region and this machine's clock."),
    Throttled: ("{action} was asked too often in {where}.", "Try again later, or audit fewer things at once."),
    NotFound: ("{action} in {where}: there is no such thing ({code}).", ""),
    Broken: ("{action} in {where}: AWS failed ({code}).", "Try again later."),
    Rejected: ("{action} in {where}: AWS does not take the request ({code}).", ""),
}


def _unanswered(error: Exception, call: Call) -> AWSError:
    faults, name = import_module("botocore.exceptions"), type(error).__name__
    if isinstance(error, (faults.UnauthorizedSSOTokenError, faults.TokenRetrievalError, faults.SSOTokenLoadError)):
        return Expired(f"The single sign-on for {call.where} has expired.", "Log in: aws sso login", call=call)
    if isinstance(
        error,
        (
            faults.NoCredentialsError,
            faults.PartialCredentialsError,
            faults.CredentialRetrievalError,
            faults.ProfileNotFound,
            faults.ConfigNotFound,
            faults.ConfigParseError,
            faults.InvalidConfigError,
            faults.SSOError,
            faults.NoAuthTokenError,
        ),
    ):
        return NoCredentials(f"There are no credentials for {call.where}.", "See: aws configure list", call=call)
    if isinstance(error, (faults.ConnectTimeoutError, faults.ReadTimeoutError)):
        return Unreachable(f"{call.action} in {call.where}: no answer in time.", "Try again later.", call=call)
    if isinstance(error, faults.SSLError):
        return Unreachable(
            f"{call.action} in {call.where}: the certificate is not trusted.", "See AWS_CA_BUNDLE.", call=call
        )
    if isinstance(error, (faults.ConnectionError, faults.HTTPClientError, faults.IncompleteReadError)):
        return Unreachable(
            f"{call.action} in {call.where}: there is no way to it.", "See whether this machine is online.", call=call
        )
    return Rejected(f"{call.action} in {call.where}: the request cannot be made ({name}).", call=call, code=name)
