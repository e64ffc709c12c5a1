"""The statement by which a bucket's policy denies what comes without TLS, and log delivery looked at.

The statement is that of "Managing access based on HTTP or HTTPS requests" ("Examples of Amazon S3 bucket policies",
Amazon S3 User Guide).
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from app.agents.auditing.aws.policy import Ternary, callers, judge_resource_policy
from app.agents.auditing.aws.policy.actions import PUT_OBJECT
from app.agents.auditing.aws.policy.answers import NO, Answer, unknown, yes
from app.agents.auditing.aws.policy.choices import Manner, World
from app.agents.auditing.aws.policy.documents import read_document
from app.agents.auditing.aws.policy.patterns import TooMany, plain
from app.agents.auditing.aws.policy.search import Search
from app.agents.auditing.aws.remedy.errors import NotPossible

if TYPE_CHECKING:
    from datetime import datetime

    from app.agents.auditing.aws.remedy.settings import Place

SID = "WatchkeeperDenyWithoutTLS"
LOGGING = "logging.s3.amazonaws.com"
LARGEST = 20 * 1024
"""Bytes: "Bucket policies are limited to 20 KB in size" ("Bucket policies for Amazon S3")."""
_NEWER = "2012-10-17"


def is_tls_only(text: str | None, place: Place, now: datetime) -> Answer:
    """Return whether a policy denies each request without TLS.

    Args:
        text: JSON; None for no policy.
        place: The bucket.
        now: With a zone.
    """
    return judge_resource_policy(text, place.account, resource=place.arn, now=now).refuses_plain_http


def with_tls_only(text: str | None, place: Place) -> str:
    """Return a policy with one statement more; all else of it stays as it is.

    Args:
        text: JSON; None for no policy.
        place: The bucket.

    Raises:
        NotPossible: The policy cannot be read, or would become too large.
    """
    policy = {"Version": _NEWER, "Statement": []} if text is None else _read(text, place)
    statements = policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]
    sids = {each.get("Sid") for each in statements if isinstance(each, dict)}
    made = json.dumps({**policy, "Statement": [*statements, _denying(place, _free(sids))]}, separators=(",", ":"))
    if len(made.encode()) > LARGEST:
        raise NotPossible(
            f"The policy of {place.name} would have {len(made.encode())} bytes, and S3 takes {LARGEST} at most. "
            "Nothing was changed.",
            "Make it shorter first, for instance by putting statements together.",
        )
    return made


def _denying(place: Place, sid: str) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [place.arn, f"{place.arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def _free(taken: set[object]) -> str:
    """Return an id that no other statement has: "Sid" must be unique within a policy."""
    return next(each for each in (SID, *(f"{SID}{number}" for number in range(2, len(taken) + 3))) if each not in taken)


def _read(text: str, place: Place) -> dict[str, Any]:
    document = read_document(text)
    faults = [*document.faults, *(f"{each.label}: {each.fault}" for each in document.statements if each.fault)]
    if faults:
        raise _unread(place, faults[0])
    try:
        policy: dict[str, Any] = json.loads(text, parse_float=_exact, parse_constant=_exact)
    except ValueError as error:
        raise _unread(place, str(error)) from None
    return policy


def _exact(number: str) -> float:
    """Return a number that is written again as it stands."""
    if number != repr(float(number)) or "n" in number.lower():
        raise ValueError(f"it holds the number {number[:40]}, which would be written otherwise")
    return float(number)


def _unread(place: Place, why: str) -> NotPossible:
    return NotPossible(
        f"The policy of {place.name} is not understood, so nothing is added to it: {why[:300].rstrip('.')}. "
        "Nothing was changed.",
        "Mend the policy by hand, then plan again.",
    )


def lets_logs_in(text: str | None, target: Place, source: Place, prefix: str, now: datetime) -> Answer:
    """Return whether a bucket's policy lets S3 deliver the access logs of another bucket.

    "Permissions for log delivery" ("Enabling Amazon S3 server access logging"): the service acts for the source bucket
    and its account. Of conditions on an organisation it is taken that they hold.

    Args:
        text: The policy of the bucket that takes the logs, as JSON; None for none.
        target: That bucket.
        source: The bucket whose requests are logged.
        prefix: What the names of log objects begin with.
        now: With a zone.
    """
    if text is None:
        return NO
    document = read_document(text)
    if document.faults:
        return unknown(*document.faults)
    service = callers.service(LOGGING, partition=source.partition)
    caller = replace(
        service,
        settled={
            **service.settled,
            "aws:sourcearn": ((source.arn,),),
            "aws:sourceaccount": ((source.account,),),
            "aws:sourceowner": (None,),
        },
    )
    world = World(
        owner=target.account,
        stranger=callers.nobody_of(text + target.account),
        partition=target.partition,
        accounts=(target.account,),
        now=now.timestamp(),
    )
    # the names of log objects after "Log object key format": the prefix, a time and a unique string
    log = f"{target.arn}/{prefix}2025-01-01-00-00-00-0123456789ABCDEF"
    search = Search(world, document.statements, {True: plain(log, wild=False), False: plain(target.arn, wild=False)})
    try:
        found = list(search.requests(caller, (PUT_OBJECT,), Manner(everywhere=True, secure=True)))
    except TooMany:
        return unknown("Its policy has too many conditions to look at each.")
    if any(each.surely for each in found):
        return yes(*(f"{label} lets in {LOGGING}" for each in found for label in each.because))
    return unknown(*(reason for each in found for reason in each.reasons)) if found else NO


def delivery_statement(target: Place, source: Place, prefix: str) -> str:
    """Return the statement that would let the logs in, as JSON in one line; for the arguments see `lets_logs_in`."""
    return json.dumps(
        {
            "Effect": "Allow",
            "Principal": {"Service": LOGGING},
            "Action": "s3:PutObject",
            "Resource": f"{target.arn}/{prefix}*",
            "Condition": {
                "ArnLike": {"aws:SourceArn": source.arn},
                "StringEquals": {"aws:SourceAccount": source.account},
            },
        }
    )


def holds(answer: Answer) -> bool:
    """Return whether an answer is a certain yes."""
    return answer.value is Ternary.YES
