"""Keeps verdicts on policies: many buckets of an account have the same one, but for the bucket's name.

Of the audit of 200 buckets by five rules, judging each policy anew took more than a quarter of the processor's time.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING

from app.agents.auditing.aws.policy.documents import read_document
from app.agents.auditing.aws.policy.resource import judge_resource_policy

if TYPE_CHECKING:
    from datetime import datetime

    from app.agents.auditing.aws.policy.answers import ResourceVerdict

_STAND_IN = "any-bucket-whose-name-does-not-matter"
_ARN = re.compile(r"(arn:[\w-]+:s3:::)([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])", re.ASCII)
_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_MOST = 256


class Verdicts:
    """Judges policies of buckets, each kind of policy once, from any thread. What it keeps is at most some megabytes.

    Args:
        most: How many verdicts are kept; those that were not asked for longest are dropped.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[str, ...], ResourceVerdict] = OrderedDict()
        self._one = Lock()

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._kept)

    def known(self, text: str, owner: str, resource: str) -> ResourceVerdict | None:
        """Return a verdict that is kept, or None; for its arguments see `judge`."""
        key = _key(text, owner, resource)
        with self._one:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def judge(self, text: str, owner: str, resource: str, now: datetime) -> ResourceVerdict:
        """Return what a policy comes to, as `judge_resource_policy`.

        Args:
            text: JSON.
            owner: The account that owns the bucket.
            resource: The bucket's ARN.
            now: With a zone.
        """
        key = _key(text, owner, resource)
        if not key:
            return judge_resource_policy(text, owner, resource=resource, now=now)
        alike, _, of_stand_in = key
        verdict = judge_resource_policy(alike, owner, resource=of_stand_in, now=now)
        if verdict.faults or _STAND_IN in repr(verdict):
            return judge_resource_policy(text, owner, resource=resource, now=now)
        with self._one:
            self._kept[key] = verdict
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return verdict


def _key(text: str, owner: str, resource: str) -> tuple[str, ...]:
    """Return policy, owner and ARN with another name for the bucket, where that changes nothing; else an empty tuple.

    It changes nothing where the name stands in the whole ARNs of resources alone, is no account's id to the eye, and no
    time is in question: then `text` and what is returned are the same up to that name.
    """
    arn = _ARN.fullmatch(resource)
    if arn is None or _ACCOUNT.search(arn[2]) or "\\" in text or _STAND_IN in text or "time" in text.lower():
        return ()
    of_stand_in = f"{arn[1]}{_STAND_IN}"
    alike = text.replace(resource, of_stand_in)
    if arn[2] in alike:
        return ()
    named = [each for statement in read_document(alike).statements for each in statement.resources]
    if any(each not in {"*", of_stand_in} and not each.startswith(f"{of_stand_in}/") for each in named):
        return ()
    return (alike, owner, of_stand_in) if alike.count(of_stand_in) == len(named) - named.count("*") else ()
