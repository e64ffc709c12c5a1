"""What travels: a unit of work and what it came to, as JSON.

A unit names a profile or a role, never a key: where it is done, that machine's own identity takes the role. A document
with a field that is not known here is refused, so that nobody comes to think that a key could be passed on that way.

    unit    {schema, id, audit, service, account, region, resources, rules, access, deadline_s}
    access  {profile, role, external_id, endpoint_url, region}
    result  {schema, id, judgements, took_s, calls, error}
    error   null, or {kind, why}
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from urllib.parse import urlsplit

from app.agents.auditing.aws.clients.credentials import Role
from app.agents.auditing.aws.shape import Judgement, Unit
from app.domain.errors import SettingsError
from app.domain.findings import AuditVerdict, Severity

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

SCHEMA = 1
REGION = "us-east-1"
UNIT_S = 300.0
"""How long a unit may take, in seconds."""

Document: TypeAlias = dict[str, Any]
"""A JSON object."""

T = TypeVar("T")


class NotADocument(ValueError):
    """A unit or a result is not what this release writes; the text says what is wrong, without its content."""


class Lost(StrEnum):
    """Why a unit came to nothing."""

    DEADLINE = "deadline"
    STOPPED = "stopped"
    FAILED = "failed"
    WORKER = "worker"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Access:
    """How an account is entered. It holds no secret.

    Attributes:
        profile: Of the AWS configuration of the machine that does the work; empty for what that machine gives itself.
        role: The ARN of a role to assume with it; empty for none.
        external_id: What the role's trust policy asks for; may be empty. It is no secret ("How to use an external ID",
            IAM User Guide).
        endpoint_url: Another address than that of AWS; may be empty.
        region: Where calls go that name no other, and whose STS is asked.
    """

    profile: str = ""
    role: str = ""
    external_id: str = ""
    endpoint_url: str = ""
    region: str = REGION

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            SettingsError: One is none.
        """
        if self.role:
            Role(self.role, self.external_id)
        elif self.external_id:
            raise SettingsError("An external id is given without a role.", "Name the role that it is for.")
        if not self.region:
            raise SettingsError("An account is entered in no region.", f"Name one, {REGION} for instance.")
        if self.endpoint_url:
            _check(self.endpoint_url)

    @property
    def partition(self) -> str:
        """`aws`, `aws-cn`, `aws-us-gov` ..., of the role or the region."""
        if self.role:
            return self.role.split(":")[1]
        return {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(self.region.rsplit("-", 2)[0], "aws")


def _check(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, is_good = None, False
    if parts is None or not is_good or "@" in parts.netloc or parts.query or parts.fragment:
        raise SettingsError("The endpoint of AWS is no plain address.", "It looks like https://host:port, no more.")


@dataclass(frozen=True, slots=True)
class Work:
    """A unit with all that doing it takes.

    Attributes:
        unit: What to judge.
        access: How its account is entered.
        audit: Of which audit it is a part, by which it can be ended.
        deadline_s: How long it may take once it has begun, in seconds.
    """

    unit: Unit
    access: Access
    audit: str
    deadline_s: float = UNIT_S


@dataclass(frozen=True, slots=True)
class Loss:
    """Why a unit came to nothing.

    Attributes:
        kind: What kind of thing.
        why: In words for people.
    """

    kind: Lost
    why: str


@dataclass(frozen=True, slots=True)
class Result:
    """What a unit came to.

    Attributes:
        id: The unit's.
        judgements: All of them, or none when it came to nothing.
        took_s: How long it took, in seconds.
        calls: How many calls were made, by IAM's names: `s3:GetBucketPolicy`. Attempts are not counted singly.
        error: Why it came to nothing; None when it came to something.
    """

    id: str
    judgements: tuple[Judgement, ...] = ()
    took_s: float = 0.0
    calls: Mapping[str, int] | None = None
    error: Loss | None = None


def content_of(unit: Unit, access: Access) -> str:
    """Return 24 hexadecimal digits that are another where a unit's content is: of two such, one cannot stand for both.

    Args:
        unit: The unit.
        access: How its account is entered.
    """
    return digest({"unit": asdict(unit), "access": asdict(access)})


def digest(value: object) -> str:
    """Return 24 hexadecimal digits of what JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:24]


def document_of(work: Work) -> Document:
    """Return a unit as JSON."""
    return {
        "schema": SCHEMA,
        **_lists(asdict(work.unit)),
        "audit": work.audit,
        "access": asdict(work.access),
        "deadline_s": work.deadline_s,
    }


def work_of(document: Mapping[str, Any]) -> Work:
    """Return the unit that a document tells of.

    Raises:
        NotADocument: It is none, or one of another release.
    """
    told = _object(document, {"schema", "audit", "access", "deadline_s", *_names(Unit)})
    deadline_s = told["deadline_s"]
    if not _is_number(deadline_s) or deadline_s <= 0:
        raise NotADocument("its deadline is none")
    texts = {name: _text(told[name], name) for name in ("id", "service", "account", "region")}
    resources, rules = (_texts(told[name], name) for name in ("resources", "rules"))
    access = _object(told["access"], set(_names(Access)), schema=False)
    try:
        return Work(
            Unit(**texts, resources=resources, rules=rules),
            Access(**{name: _text(value, name) for name, value in access.items()}),
            _text(told["audit"], "audit"),
            float(deadline_s),
        )
    except SettingsError as error:
        raise NotADocument(f"its access is none: {error}") from None


def document_of_result(result: Result) -> Document:
    """Return a result as JSON."""
    return {
        "schema": SCHEMA,
        "id": result.id,
        "judgements": [asdict(each) for each in result.judgements],
        "took_s": result.took_s,
        "calls": dict(result.calls or {}),
        "error": None if result.error is None else asdict(result.error),
    }


def result_of(document: object) -> Result:
    """Return the result that a document tells of.

    Raises:
        NotADocument: It is none, or one of another release.
    """
    told = _object(document, {"schema", *_names(Result)})
    calls, error, judgements = told["calls"], told["error"], told["judgements"]
    if not isinstance(calls, dict) or not all(isinstance(count, int) for count in calls.values()):
        raise NotADocument("its calls are none")
    if not isinstance(judgements, list) or not _is_number(told["took_s"]):
        raise NotADocument("its judgements, or its time, are none")
    return Result(
        _text(told["id"], "id"),
        tuple(_judgement(each) for each in judgements),
        float(told["took_s"]),
        {str(name): count for name, count in calls.items()},
        None if error is None else _loss(error),
    )


def _judgement(document: object) -> Judgement:
    told = dict(_object(document, set(_names(Judgement)), schema=False))
    verdict, severity = told.pop("verdict"), told.pop("severity")
    try:
        return Judgement(
            **{name: _text(value, name) for name, value in told.items()},
            verdict=AuditVerdict(verdict),
            severity=None if severity is None else Severity(severity),
        )
    except ValueError as error:
        raise error if isinstance(error, NotADocument) else NotADocument("its verdict is none") from None


def _loss(document: object) -> Loss:
    told = _object(document, {"kind", "why"}, schema=False)
    try:
        return Loss(Lost(told["kind"]), _text(told["why"], "why"))
    except ValueError as error:
        raise error if isinstance(error, NotADocument) else NotADocument("its error is none") from None


def _object(found: object, names: Collection[str], *, schema: bool = True) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise NotADocument("it is no JSON object")
    if schema and found.get("schema") != SCHEMA:
        raise NotADocument(f"its schema is not {SCHEMA}: all machines need the same release")
    if set(found) != set(names):
        raise NotADocument("its fields are not those that this release knows")
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise NotADocument(f"its {name} is no text")
    return str(value)


def _texts(value: object, name: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise NotADocument(f"its {name} is no list")
    return tuple(_text(each, name) for each in value)


def _names(kind: type) -> tuple[str, ...]:
    return tuple(each.name for each in fields(kind))


def _lists(value: Mapping[str, Any]) -> Document:
    return {name: list(each) if isinstance(each, tuple) else each for name, each in value.items()}
