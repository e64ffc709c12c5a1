"""Judges the policy of a user, group or role: whether its holder is an administrator.

An administrator is who can hand out any permission: with one of the actions below it gives itself what it lacks
("Security best practices in IAM", "Grant least privilege"; the actions from "Actions, resources, and condition keys
for AWS Identity and Access Management"). Conditions that a holder can meet, such as signing in with a second factor,
do not change that. Only statements that can be about IAM bear on it: a thousand actions of other services, as AWS's own
ReadOnlyAccess has them, cost nothing.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from app.agents.auditing.aws.policy import callers
from app.agents.auditing.aws.policy.actions import Action
from app.agents.auditing.aws.policy.answers import NO, Access, Answer, IdentityVerdict, Ternary, unknown, yes
from app.agents.auditing.aws.policy.choices import Manner, World
from app.agents.auditing.aws.policy.documents import read_document
from app.agents.auditing.aws.policy.patterns import cells, matches, plain
from app.agents.auditing.aws.policy.search import MANY, Found, Search, safely

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from app.agents.auditing.aws.policy.documents import Document, Statement
    from app.agents.auditing.aws.policy.patterns import Pattern

_ACCOUNT = re.compile(r":(\d{12}):")
_POWERS = {
    "user": "PutUserPolicy AttachUserPolicy",
    "role": "PutRolePolicy AttachRolePolicy",
    "group": "PutGroupPolicy AttachGroupPolicy",
    "policy": "CreatePolicyVersion",
}
"""What hands out any permission, by the kind of resource on which it acts."""
_STEPS = {
    "user": "CreateAccessKey CreateLoginProfile UpdateLoginProfile",
    "role": "UpdateAssumeRolePolicy",
    "group": "AddUserToGroup",
    "policy": "SetDefaultPolicyVersion",
}
"""What takes over somebody else who may have it."""
_ANOTHER = "somebody-else"
_NOTHING = "nothing"
_ADMINISTRATORS = ("AdministratorAccess", "IAMFullAccess")
"""Policies of AWS that make an administrator of whom they are attached to."""
_OF_AWS = "::aws:policy/"
_PARTITION = re.compile(r"arn:(aws[\w-]*):iam:")
_ATTACHED = "iam:policyarn"
"""The key of the policy that is attached or detached."""
_UNNAMED, _SOMETHING = "unnamed:DoSomething", "arn:aws:unnamed:eu-north-1:000000000000:something"


def judge_identity_policy(text: str, account: str = "", *, now: datetime | None = None) -> IdentityVerdict:
    """Return what the policy of a user, group or role comes to. Nothing in it raises.

    A boundary of permissions, a service control policy or another policy of the holder is not looked at.

    Args:
        text: JSON.
        account: The account in which its holder is; where it is not of 12 digits it is not known.
        now: With a zone. What was allowed before does not count; None when each time counts.
    """
    document = read_document(text, principals=False)
    if document.faults:
        answer = unknown(*document.faults)
        return IdentityVerdict(answer, answer, answer, faults=document.faults)
    return _Judge(document, text, callers.account_or_none(account), now).verdict()


class _Judge:
    """One policy being judged."""

    def __init__(self, document: Document, text: str, account: str, now: datetime | None) -> None:
        self._statements = document.statements
        self._of_iam = tuple(cut for each in document.statements if (cut := _about_iam(each)) is not None)
        stranger = callers.nobody_of(text + account)
        accounts = (account,) if account else tuple(sorted({*_ACCOUNT.findall(text), stranger}))
        self._partitions = partitions = sorted(set(_PARTITION.findall(text))) or ["aws"]
        self._homes = [f"arn:{partition}:iam::{each}" for partition in partitions for each in accounts]
        self._administrators = [
            f"arn:{partition}:iam{_OF_AWS}{name}" for partition in partitions for name in _ADMINISTRATORS
        ]
        named = [
            value
            for each in self._of_iam
            for test in each.tests
            if test.key.lower() == _ATTACHED
            for value in test.values
        ]
        self._tells_policies_apart = bool(named)
        self._others = [
            *(f"{home}:policy/{callers.NAME}" for home in self._homes if named),
            *(value.replace("*", callers.NAME).replace("?", "0") for value in named if _OF_AWS not in value),
        ]
        self._world = World(owner=account, stranger=stranger, now=now.timestamp() if now else None)

    def verdict(self) -> IdentityVerdict:
        """Return the answers."""
        return IdentityVerdict(
            safely(lambda: self._escalates(wildly=True), unknown(MANY)),
            safely(lambda: self._escalates(wildly=False), unknown(MANY)),
            safely(self._everything, unknown(MANY)),
            safely(self._services, ()),
        )

    def _requests(
        self, action: str, resource: Pattern, statements: Iterable[Statement], attaching: str = ""
    ) -> Iterator[Found]:
        search = Search(self._world, statements, {False: resource, True: resource})
        asked = Action(action, Access.ADMIN, on_object=False)
        holder = callers.holder(attaching or self._administrators[0])
        return search.requests(holder, [asked], Manner(everywhere=True))

    def _escalates(self, *, wildly: bool) -> Answer:
        reasons: list[str] = []
        for kind, powers in _POWERS.items():
            for name in (powers if wildly else f"{powers} {_STEPS[kind]}").split():
                action = f"iam:{name}"
                # Keys and a password of its own give a holder nothing new; a policy of its own does.
                whose = callers.NAME if name in powers.split() else _ANOTHER
                for home in self._homes:
                    whom = plain(f"{home}:{kind}/{whose}")
                    for found in self._attaching(action, whom, self._administrators):
                        labels = [each for each in found.because if not wildly or self._is_wild(each)]
                        if found.surely and labels:
                            return yes(f"{labels[0]} allows {action} on any {kind}")
                        reasons += found.reasons
                    reasons += (
                        f"{label} allows {action} with some policies: what those allow is not known"
                        for found in self._attaching(action, whom, self._others)
                        for label in found.because
                        if not wildly or self._is_wild(label)
                    )
                if not wildly:
                    reasons += self._on_some(action, kind)
        return unknown(*dict.fromkeys(reasons)) if reasons else NO

    def _attaching(self, action: str, whom: Pattern, policies: list[str]) -> Iterator[Found]:
        """Yield requests for an action, once for each policy that it may attach where that makes a difference."""
        for policy in policies if self._tells_policies_apart else policies[:1]:
            yield from self._requests(action, whom, self._of_iam, policy)

    def _on_some(self, action: str, kind: str) -> Iterator[str]:
        # What a variable stands for is the holder itself, which has been looked at.
        fixed = [
            replace(each, resources=tuple(one for one in each.resources if "${" not in one) or (_NOTHING,))
            if each.allows and each.variables and not each.but_resources
            else each
            for each in self._of_iam
        ]
        for partition in self._partitions:
            for found in self._requests(action, plain(f"arn:{partition}:iam::?*:{kind}/?*"), fixed):
                for each in [f"{each} allows" for each in found.because] or ["a statement may allow"]:
                    yield f"{each} {action} on some: whether its holder is among them, the policy does not tell"

    def _is_wild(self, label: str) -> bool:
        return any(
            each.but_actions or any("*" in one or "?" in one for one in each.actions)
            for each in self._of_iam
            if each.label == label
        )

    def _everything(self) -> Answer:
        if not any(each.allows is not False for each in self._statements):
            return NO
        # one that nobody names tells most policies from those that allow everything, at no cost
        if not any(True for _ in self._requests(_UNNAMED, plain(_SOMETHING), self._statements)):
            return Answer(Ternary.NO, (f"it does not allow everything: for one, not {_UNNAMED} on {_SOMETHING}",))
        actions = cells(plain("?*:?*"), self._patterns(lambda each: each.actions))
        resources = cells(plain("arn:*:*:*:*:*"), self._patterns(lambda each: each.resources))
        reasons: list[str] = []
        for action in actions:
            for resource in resources:
                found = list(self._requests(action, plain(resource, wild=False), self._statements))
                if not found:
                    return Answer(Ternary.NO, (f"it does not allow everything: for one, not {action} on {resource}",))
                if not any(each.surely for each in found):
                    reasons += [reason for each in found for reason in each.reasons]
        if reasons:
            return unknown(*dict.fromkeys(reasons))
        return yes(*(f"{each.label} allows everything" for each in self._statements if each.allows))

    def _patterns(self, of: Callable[[Statement], tuple[str, ...]]) -> list[Pattern]:
        return list(dict.fromkeys(plain(text) for each in self._statements for text in of(each)))

    def _services(self) -> tuple[str, ...]:
        named = {text[:-2] for each in self._statements if each.allows for text in each.actions if text.endswith(":*")}
        return tuple(
            service
            for service in sorted(named)
            if not set(service) & {"*", "?"}
            and any(
                found.surely
                for found in self._requests(
                    f"{service}:StrangeThing",
                    plain(f"arn:aws:{service}:eu-north-1:{self._world.stranger}:{callers.NAME}"),
                    self._statements,
                )
            )
        )


def _about_iam(statement: Statement) -> Statement | None:
    """Return a statement without the actions that cannot be of IAM; None when it has no others.

    What is not as the grammar has it stays, so that it makes unknown what it may bear on.
    """
    if statement.fault or statement.but_actions:
        return statement
    actions = tuple(each for each in statement.actions if _may_be_of_iam(each))
    return replace(statement, actions=actions) if actions else None


def _may_be_of_iam(action: str) -> bool:
    service, colon, _ = action.partition(":")
    # without a colon, a star may stand for it as well
    return matches(plain(service), "iam") if colon else "*" in service
