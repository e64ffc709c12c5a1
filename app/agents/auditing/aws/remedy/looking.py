"""Reads settings, several at once: what was read, or why it was not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.agents.auditing.aws.clients.batch import Failed
from app.agents.auditing.aws.errors import AWSError, NotFound
from app.agents.auditing.aws.reading import told
from app.agents.auditing.aws.remedy.errors import NotPlanned
from app.agents.auditing.aws.remedy.settings import SETTINGS, Place

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.agents.auditing.aws.clients.backend import Answer
    from app.agents.auditing.aws.clients.batch import Outcome
    from app.agents.auditing.aws.clients.context import AuditContext
    from app.agents.auditing.aws.remedy.settings import Json, Setting


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a setting.

    Attributes:
        setting: Its name.
        bucket: Of which bucket; empty for the account.
        text: The document as JSON, with its names sorted; `null` when nothing is set; empty when it was not read.
        unread: Which call came to nothing, and how: `s3:GetBucketPolicy denied`; empty when it was read.
    """

    setting: str
    bucket: str
    text: str
    unread: str = ""

    @property
    def document(self) -> Json:
        """The document; None when nothing is set, or when it was not read."""
        return json.loads(self.text) if self.text else None

    @property
    def title(self) -> str:
        """What people are told: `the policy of bucket shop`."""
        return SETTINGS[self.setting].title + (f" of bucket {self.bucket}" if self.bucket else "")

    def differs(self, other: Known) -> bool:
        """Return whether the two do not mean the same."""
        if self.unread or other.unread:
            return self.unread != other.unread
        return not SETTINGS[self.setting].equal(self.document, other.document)


def text_of(document: Json) -> str:
    """Return a document as JSON with its names sorted, in one line."""
    return json.dumps(document, sort_keys=True, ensure_ascii=True)


class Seen:
    """What was read for a plan.

    Args:
        place: The bucket or account that it is about.
        known: Each setting that was asked for.
    """

    def __init__(self, place: Place, known: Iterable[Known]) -> None:
        self.place = place
        self.known = tuple(known)
        self._by = {(each.setting, each.bucket): each for each in self.known}

    def of(self, setting: str, bucket: str | None = None) -> Known:
        """Return what is known of a setting.

        Args:
            setting: Its name.
            bucket: Of which bucket; None for the one that it is about.
        """
        return self._by[setting, _bucket(setting, self.place, bucket)]

    def need(self, setting: str, bucket: str | None = None) -> Json:
        """Return a document without which there is no plan; for the arguments see `of`.

        Raises:
            NotPlanned: It was not read.
        """
        known = self.of(setting, bucket)
        if known.unread:
            raise NotPlanned(
                f"{self.place.name} in {self.place.region}: {known.unread}, so {known.title} is not known. "
                "Nothing was changed.",
                "Allow that call to who repairs, or try again later.",
            )
        return known.document


def _bucket(setting: str, place: Place, bucket: str | None) -> str:
    if SETTINGS[setting].service == "s3control":
        return ""
    return place.bucket if bucket is None else bucket


def _place(place: Place, bucket: str) -> Place:
    return Place(place.account, place.region, bucket or place.bucket, place.partition)


async def look(context: AuditContext, place: Place, *settings: str, other: tuple[str, ...] = (), at: str = "") -> Seen:
    """Read settings, all at once; a call that comes to nothing is a value.

    Args:
        context: The account.
        place: The bucket or account.
        settings: Which ones of it.
        other: Which ones of another bucket.
        at: That other bucket's name.
    """
    wanted = [(each, _bucket(each, place, None)) for each in settings] + [(each, at) for each in other]
    return Seen(place, await _read(context, place, wanted))


async def look_again(context: AuditContext, place: Place, known: Iterable[Known]) -> tuple[Known, ...]:
    """Read the same settings again, and return what they are now, in their order.

    Args:
        context: The account.
        place: The bucket or account.
        known: What they were.
    """
    return await _read(context, place, [(each.setting, each.bucket) for each in known])


async def _read(context: AuditContext, place: Place, wanted: list[tuple[str, str]]) -> tuple[Known, ...]:
    asks = [SETTINGS[setting].ask(_place(place, bucket)) for setting, bucket in wanted]
    outcomes = await context.batch_execute_async(asks)
    return tuple(
        _known(SETTINGS[setting], bucket, outcome) for (setting, bucket), outcome in zip(wanted, outcomes, strict=True)
    )


def _known(setting: Setting, bucket: str, outcome: Outcome[Answer]) -> Known:
    if isinstance(outcome, Failed):
        error = outcome.error
        if isinstance(error, NotFound) and error.code in setting.missing:
            return Known(setting.name, bucket, "null")
        if not isinstance(error, AWSError):
            raise error
        return Known(setting.name, bucket, "", f"{told(outcome, setting.service, setting.get)}{_code(error)}")
    try:
        return Known(setting.name, bucket, text_of(setting.read(outcome.value)))
    except (AttributeError, KeyError, IndexError, TypeError, ValueError):
        why = told(Failed(ValueError()), setting.service, setting.get)
        return Known(setting.name, bucket, "", why)


def _code(error: AWSError) -> str:
    return f" ({error.code})" if isinstance(error, NotFound) and error.code else ""
