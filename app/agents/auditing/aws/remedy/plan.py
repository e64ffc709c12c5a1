"""What a remedy would do, as a value: nothing has been done yet, and nothing else will be.

A plan is made by reading alone. It holds the state on which it rests, so that one that is outdated is refused, and a
digest, by which the person confirms what was shown.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from app.agents.auditing.aws.remedy.errors import NotPossible, NotReadable
from app.agents.auditing.aws.remedy.looking import Known, text_of
from app.agents.auditing.aws.remedy.settings import SETTINGS, Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from app.agents.auditing.aws.clients.context import Ask, AuditContext
    from app.agents.auditing.aws.remedy.looking import Seen
    from app.agents.auditing.aws.remedy.settings import Json, Setting

SCHEMA = 1
_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Change:
    """One setting that is to be written.

    Attributes:
        setting: Its name.
        before: The document as JSON; `null` for nothing.
        after: Likewise.
    """

    setting: str
    before: str
    after: str

    @property
    def of(self) -> Setting:
        """The setting."""
        return SETTINGS[self.setting]

    @property
    def document_before(self) -> Json:
        """What it is before; None for nothing."""
        return json.loads(self.before)

    @property
    def document_after(self) -> Json:
        """What it is to be."""
        return json.loads(self.after)

    def call(self, place: Place) -> Ask:
        """Return the call that does it."""
        return self.of.write(place, self.document_after)

    def undoing(self, place: Place) -> Ask:
        """Return the call that takes it back."""
        return self.of.write(place, self.of.restored(self.document_before))

    def lines(self) -> tuple[str, ...]:
        """Return what changes, as the lines of a unified diff."""
        before, after = (_pretty(self.setting, each) for each in (self.document_before, self.document_after))
        return tuple(difflib.unified_diff(before, after, "before", "after", lineterm="", n=1_000))


@dataclass(frozen=True, slots=True)
class Plan:
    """What a remedy would do.

    Attributes:
        remedy: The remedy's id.
        rule: The id of the rule that it satisfies.
        title: What it does, in a few words.
        place: The bucket or account.
        expects: The state on which the plan rests; it is read again before anything is written.
        changes: What is written, in order; empty when all is as it should be.
        touches: What else that means, and who loses access, each as a sentence.
        made_at: When it was made, in seconds since 1970.
    """

    remedy: str
    rule: str
    title: str
    place: Place
    expects: tuple[Known, ...]
    changes: tuple[Change, ...]
    touches: tuple[str, ...]
    made_at: float

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.changes

    @property
    def calls(self) -> tuple[Ask, ...]:
        """The calls that are made, in order, with all their parameters."""
        return tuple(each.call(self.place) for each in self.changes)

    @property
    def undoing(self) -> tuple[Ask, ...]:
        """The calls that would take it back, in order."""
        return tuple(each.undoing(self.place) for each in reversed(self.changes))

    @property
    def digest(self) -> str:
        """Which plan it is, as 64 hexadecimal digits: whoever was shown it can name it."""
        return hashlib.sha256(text_of(self._document()).encode()).hexdigest()

    @property
    def id(self) -> str:
        """A short name for it, fit for a file's name."""
        return f"{self.remedy}-{self.digest[:_DIGITS]}"

    def _document(self) -> dict[str, Any]:
        return {"schema": SCHEMA, **asdict(self)}

    def to_json(self) -> dict[str, Any]:
        """Return the plan as what JSON can hold, with its calls and its digest, which are there to be read."""
        return {
            **self._document(),
            "calls": [asdict(each) for each in self.calls],
            "undoing": [asdict(each) for each in self.undoing],
            "digest": self.digest,
        }


def plan_of(told: Mapping[str, Any]) -> Plan:
    """Return the plan that `to_json` made.

    Args:
        told: What JSON held. Its calls are not taken from it: they follow from the changes.

    Raises:
        NotReadable: It is no such plan, or was changed since.
    """
    try:
        plan = Plan(
            str(told["remedy"]),
            str(told["rule"]),
            str(told["title"]),
            Place(**told["place"]),
            tuple(Known(**each) for each in told["expects"]),
            tuple(Change(**each) for each in told["changes"]),
            tuple(str(each) for each in told["touches"]),
            float(told["made_at"]),
        )
        is_it = told["schema"] == SCHEMA and told["digest"] == plan.digest and len(plan.calls) == len(plan.changes)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        is_it = False
    if not is_it:
        raise NotReadable("This is no plan of a repair, or it was changed since it was written.", "Plan it anew.")
    return plan


class Remedy(Protocol):
    """Plans how a rule is satisfied."""

    @property
    def id(self) -> str:
        """Lower case with dashes: `s3-tls-only`."""

    @property
    def rule(self) -> str:
        """The id of the rule that it satisfies."""

    @property
    def title(self) -> str:
        """What it does, in a few words."""

    async def plan(self, context: AuditContext, place: Place, *, now: datetime) -> Plan:
        """Return what would be done, by reading alone.

        Args:
            context: The account.
            place: The bucket, with its region, or the account.
            now: With a zone: policies are judged at that time.

        Raises:
            NotPlanned: What must be known could not be read.
            NotPossible: It would do harm here, or AWS would refuse it.
        """


def planned(remedy: Remedy, seen: Seen, now: datetime, after: Mapping[str, Json], touches: Iterable[str] = ()) -> Plan:
    """Return a plan.

    Args:
        remedy: Whose.
        seen: What was read.
        now: When, with a zone.
        after: What each setting is to be, in the order in which they are written; what is so already is left out.
        touches: What else that means, each as a sentence.
    """
    changes = tuple(
        Change(setting, seen.of(setting).text, text_of(document))
        for setting, document in after.items()
        if not SETTINGS[setting].equal(seen.need(setting), document)
    )
    said = tuple(dict.fromkeys(touches)) if changes else ()
    return Plan(remedy.id, remedy.rule, remedy.title, seen.place, seen.known, changes, said, now.timestamp())


def checked(context: AuditContext, place: Place, *, account: bool = False) -> None:
    """See whether a remedy is asked for where it can be.

    Args:
        context: The account.
        place: The bucket or account.
        account: Whether it must be an account, and no bucket.

    Raises:
        NotPossible: It cannot.
    """
    if place.account != context.account.id or not (place.account.isdecimal() and len(place.account) == _DIGITS):
        raise NotPossible(
            f"{place.name} is to be repaired with the keys of account {context.account.id}. Nothing was changed.",
            "Name the account that owns it by its 12 digits.",
        )
    if bool(place.bucket) is account:
        wanted = "a whole account" if account else "a bucket"
        raise NotPossible(f"This repairs {wanted}, and not {place.name}. Nothing was changed.", "Name that.")


def _pretty(setting: str, document: Json) -> list[str]:
    if setting == "policy" and document is not None:
        try:
            document = json.loads(document)
        except (ValueError, RecursionError):
            return str(document).splitlines()
    return json.dumps(document, indent=2).splitlines()
