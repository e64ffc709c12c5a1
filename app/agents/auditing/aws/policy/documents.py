"""Reads a policy's JSON into statements. Nothing in a document raises: what is wrong with it is told as a fault.

The grammar is AWS's: "Grammar of the IAM JSON policy language" (IAM User Guide).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

NEWER = "2012-10-17"
OLDER = "2008-10-17"

_KNOWN = frozenset({
    "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
})  # fmt: skip
_KINDS = ("AWS", "Service", "Federated", "CanonicalUser")


@dataclass(frozen=True, slots=True)
class Names:
    """Whom a Principal or NotPrincipal element names.

    Attributes:
        everyone: Whether it is `*`, or `*` under `AWS`: for resource policies both mean everybody, also without
            credentials ("AWS JSON policy elements: Principal").
        aws: Account ids, ARNs and unique ids under `AWS`.
        service: Names of services.
        federated: Identity providers.
        canonical: Canonical user ids.
        unclear: Names that are no names, such as an ARN with a wildcard.
    """

    everyone: bool = False
    aws: tuple[str, ...] = ()
    service: tuple[str, ...] = ()
    federated: tuple[str, ...] = ()
    canonical: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Test:
    """One operator with one key of a Condition element.

    Attributes:
        operator: As the policy has it: `ForAllValues:StringLikeIfExists`.
        key: As the policy has it; keys know no case.
        values: Any one of which suffices.
    """

    operator: str
    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement.

    Attributes:
        label: What it is called in reasons: `statement "Sid"` or `statement 2`.
        allows: True for Allow, False for Deny, None when neither.
        names: Its Principal or NotPrincipal; None when it has neither.
        but_names: Whether it is NotPrincipal.
        actions: Patterns in lower case.
        but_actions: Whether they are of NotAction.
        resources: Patterns, as the policy has them.
        but_resources: Whether they are of NotResource.
        tests: Of which all must hold.
        fault: What is wrong with it; empty when it is understood.
        variables: Whether `${...}` is a variable in it.
    """

    label: str
    allows: bool | None = None
    names: Names | None = None
    but_names: bool = False
    actions: tuple[str, ...] = ()
    but_actions: bool = False
    resources: tuple[str, ...] = ()
    but_resources: bool = False
    tests: tuple[Test, ...] = ()
    fault: str = ""
    variables: bool = True


@dataclass(frozen=True, slots=True)
class Document:
    """A policy.

    Attributes:
        statements: In the order in which they stand.
        faults: What is wrong with the document as a whole; with any, it answers nothing.
    """

    statements: tuple[Statement, ...] = ()
    faults: tuple[str, ...] = field(default=())


class _Fault(Exception):
    """Something is not as the grammar has it."""


def read_document(text: str, *, principals: bool = True) -> Document:
    """Return the statements of a policy.

    Args:
        text: JSON.
        principals: Whether each statement needs a Principal or NotPrincipal, as in a resource's policy.
    """
    try:
        return _read(json.loads(text, object_pairs_hook=_object), principals=principals)
    except _Fault as fault:
        return Document(faults=(str(fault),))
    except RecursionError:
        return Document(faults=("The policy is nested too deeply to be read.",))
    except (ValueError, TypeError):
        return Document(faults=("The policy is no JSON.",))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an element that stands twice: which of the two holds is nowhere said."""
    made = dict(pairs)
    if len(made) != len(pairs):
        twice = next(name for name, _ in pairs if sum(other == name for other, _ in pairs) > 1)
        raise _Fault(f"The element {_short(twice)} stands twice in one object.")
    return made


def _read(policy: Any, *, principals: bool) -> Document:  # noqa: ANN401 - anything that JSON holds
    if not isinstance(policy, dict):
        raise _Fault("The policy is no JSON object.")
    strange = sorted(set(policy) - {"Version", "Id", "Statement"})
    if strange:
        raise _Fault(f"The policy has an element that is not known: {_short(strange[0])}.")
    version = policy.get("Version", OLDER)
    if version not in {NEWER, OLDER}:
        raise _Fault(f"The policy is of a version that is not known: {_short(version)}.")
    statements = policy.get("Statement")
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list):
        raise _Fault("The policy has no statements.")
    return Document(
        tuple(
            _statement(each, number, variables=version == NEWER, principals=principals)
            for number, each in enumerate(statements, 1)
        )
    )


def _statement(raw: Any, number: int, *, variables: bool, principals: bool) -> Statement:  # noqa: ANN401 - likewise
    made = Statement(f"statement {number}", variables=variables)
    if not isinstance(raw, dict):
        return replace(made, fault="it is no JSON object")
    sid = raw.get("Sid")
    if isinstance(sid, str) and sid:
        made = replace(made, label=f"statement {_short(sid)}")
    effect = raw.get("Effect")
    if isinstance(effect, str) and effect in {"Allow", "Deny"}:
        made = replace(made, allows=effect == "Allow")
    try:
        return _filled(made, raw, principals=principals)
    except _Fault as fault:
        return replace(made, fault=str(fault))


def _filled(made: Statement, raw: dict[str, Any], *, principals: bool) -> Statement:
    if made.allows is None:
        raise _Fault("its Effect is neither Allow nor Deny")
    strange = sorted(set(raw) - _KNOWN)
    if strange:
        raise _Fault(f"it has an element that is not known: {_short(strange[0])}")
    names: Names | None = None
    but_names = False
    if principals:
        element, but_names = _one_of(raw, "Principal", "NotPrincipal")
        names = _names(element)
    elif "Principal" in raw or "NotPrincipal" in raw:
        raise _Fault("a policy of a user, group or role has no Principal")
    actions, but_actions = _one_of(raw, "Action", "NotAction")
    resources, but_resources = _one_of(raw, "Resource", "NotResource")
    return replace(
        made,
        names=names,
        but_names=but_names,
        actions=tuple(each.lower() for each in _texts(actions, "its actions")),
        but_actions=but_actions,
        resources=_texts(resources, "its resources"),
        but_resources=but_resources,
        tests=_tests(raw["Condition"]) if "Condition" in raw else (),
    )


def _one_of(raw: dict[str, Any], plain: str, negated: str) -> tuple[Any, bool]:
    if (plain in raw) == (negated in raw):
        raise _Fault(f"it needs one of {plain} and {negated}")
    return (raw[plain], False) if plain in raw else (raw[negated], True)


def _texts(raw: Any, what: str) -> tuple[str, ...]:  # noqa: ANN401 - likewise
    every = [raw] if isinstance(raw, str) else raw
    if not isinstance(every, list) or not every or not all(isinstance(each, str) and each for each in every):
        raise _Fault(f"{what} are no texts")
    return tuple(every)


def _names(raw: Any) -> Names:  # noqa: ANN401 - likewise
    if raw == "*":
        return Names(everyone=True)
    if not isinstance(raw, dict) or not raw:
        raise _Fault("its Principal is neither * nor an object of names")
    strange = sorted(set(raw) - set(_KINDS))
    if strange:
        raise _Fault(f"its Principal has a kind that is not known: {_short(strange[0])}")
    by = {kind: _texts(raw[kind], f"the principals under {kind}") for kind in _KINDS if kind in raw}
    unclear = tuple(
        name
        for kind, names in by.items()
        for name in names
        if ("*" in name or "?" in name or "${" in name) and not (kind == "AWS" and name == "*")
    )
    return Names(
        everyone="*" in by.get("AWS", ()),
        aws=tuple(each for each in by.get("AWS", ()) if each != "*" and each not in unclear),
        service=tuple(each for each in by.get("Service", ()) if each not in unclear),
        federated=tuple(each for each in by.get("Federated", ()) if each not in unclear),
        canonical=tuple(each for each in by.get("CanonicalUser", ()) if each not in unclear),
        unclear=unclear,
    )


def _tests(raw: Any) -> tuple[Test, ...]:  # noqa: ANN401 - likewise
    if not isinstance(raw, dict):
        raise _Fault("its Condition is no JSON object")
    made = []
    for operator, keys in raw.items():
        if not isinstance(keys, dict) or not keys:
            raise _Fault(f"its condition {_short(operator)} has no keys")
        made += [Test(operator, key, _values(values, operator, key)) for key, values in keys.items()]
    return tuple(made)


def _values(raw: Any, operator: str, key: str) -> tuple[str, ...]:  # noqa: ANN401 - likewise
    every = raw if isinstance(raw, list) else [raw]
    if not every or not all(isinstance(each, str | int | float) for each in every):
        raise _Fault(f"its condition {_short(operator)} on {_short(key)} has values that are no texts")
    return tuple(str(each).lower() if isinstance(each, bool) else str(each) for each in every)


def _short(text: object) -> str:
    """Return a name as it can stand in a reason: quoted, in one line, and not endless."""
    return json.dumps(str(text)[:80], ensure_ascii=True)
