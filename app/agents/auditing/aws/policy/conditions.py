"""Whether a condition holds for a request.

From "IAM JSON policy elements: Condition operators" and, for several values, "Single-valued vs. multivalued context
keys" (IAM User Guide).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

from app.agents.auditing.aws.policy.addresses import is_within
from app.agents.auditing.aws.policy.keys import Guard, Type, attainable, key_of
from app.agents.auditing.aws.policy.patterns import MANY, ONE, NoValue, filled, matches, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.agents.auditing.aws.policy.documents import Test
    from app.agents.auditing.aws.policy.patterns import Pattern

Kleene: TypeAlias = bool | None
"""True, False, or None for not known."""

_OPERATOR = re.compile(r"(?:(forallvalues|foranyvalue):)?([a-z]+?)(ifexists)?")
_FAMILIES = {
    "stringequals": ("text", False), "stringnotequals": ("text", True),
    "stringequalsignorecase": ("caseless", False), "stringnotequalsignorecase": ("caseless", True),
    "stringlike": ("like", False), "stringnotlike": ("like", True),
    "arnequals": ("arn", False), "arnnotequals": ("arn", True), "arnlike": ("arn", False), "arnnotlike": ("arn", True),
    "ipaddress": ("address", False), "notipaddress": ("address", True),
    "bool": ("boolean", False), "null": ("null", False), "binaryequals": ("binary", False),
    **{
        f"{kind}{comparison}": (f"{kind} {comparison}", comparison == "notequals")
        for kind in ("numeric", "date")
        for comparison in ("equals", "notequals", "lessthan", "lessthanequals", "greaterthan", "greaterthanequals")
    },
}  # fmt: skip
_TYPES = {
    "text": {Type.TEXT, Type.ARN, Type.BOOLEAN},
    "caseless": {Type.TEXT, Type.ARN, Type.BOOLEAN},
    "like": {Type.TEXT, Type.ARN, Type.BOOLEAN},
    "arn": {Type.ARN},
    "address": {Type.ADDRESS},
    "boolean": {Type.BOOLEAN},
    "numeric": {Type.NUMBER},
    "date": {Type.DATE},
}


@dataclass(frozen=True, slots=True)
class Context:
    """What a request carries.

    Attributes:
        values: Those of each key by its name in lower case; a key that is absent is not in it.
        standing_in: Keys whose value stands in for that of any stranger.
        unsure: Keys of which it is not known whether and what the request carries.
        variables: Values for policy variables beyond those keys.
    """

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    standing_in: frozenset[str] = frozenset()
    unsure: frozenset[str] = frozenset()
    variables: Mapping[str, str | None] = field(default_factory=dict)

    def variable(self, name: str) -> str | None:
        """Return the value of a policy variable; None when the request does not carry it.

        Raises:
            NoValue: It is not known.
        """
        if name in self.variables:
            return self.variables[name]
        key = key_of(name)
        values = self.values.get(name, ())
        if key is None or name in self.unsure or len(values) > 1:
            raise NoValue(name, absent=False)
        return values[0] if values else None


@dataclass(frozen=True, slots=True)
class Operator:
    """A condition operator, taken apart.

    Attributes:
        family: How it compares.
        negated: Whether it holds where no value compares.
        if_exists: Whether it holds where the key is absent.
        qualifier: `forallvalues`, `foranyvalue` or empty.
    """

    family: str
    negated: bool
    if_exists: bool
    qualifier: str


def operator_of(name: str) -> Operator | None:
    """Return an operator by its name, or None when there is none of the name."""
    found = _OPERATOR.fullmatch(name.lower())
    if found is None or found[2] not in _FAMILIES:
        return None
    family, negated = _FAMILIES[found[2]]
    if family == "null" and (found[1] or found[3]):
        return None
    return Operator(family, negated, bool(found[3]), found[1] or "")


def holds(test: Test, context: Context, *, variables: bool) -> Kleene:
    """Return whether one operator with one key holds.

    Args:
        test: The operator, the key and its values.
        context: What the request carries.
        variables: Whether `${...}` in a value is a policy variable.
    """
    operator, name = operator_of(test.operator), test.key.lower()
    key = key_of(name)
    if operator is None or key is None or name in context.unsure:
        return None
    present = context.values.get(name)
    if operator.family == "null":
        wanted = {each.lower() for each in test.values}
        return None if wanted not in ({"true"}, {"false"}) else (present is None) == (wanted == {"true"})
    if present is None:
        return _absent(operator)
    if key.type not in _TYPES.get(operator.family.partition(" ")[0], ()) or (key.many and not operator.qualifier):
        return None
    compared = [_differs_or_equals(operator, test, value, context, variables=variables) for value in present]
    return either(compared) if operator.qualifier == "foranyvalue" else both(compared)


def why_not_known(test: Test) -> str:
    """Return in words what of a condition was not understood, when it was not."""
    operator, key = operator_of(test.operator), key_of(test.key.lower())
    if operator is None:
        return f"the condition operator {test.operator[:60]!r} is not known"
    if key is None:
        return f"the condition key {test.key[:80]!r} is not known"
    if key.many and not operator.qualifier:
        return f"{test.key} can have several values, and {test.operator} says neither ForAllValues nor ForAnyValue"
    if key.type not in _TYPES.get(operator.family.partition(" ")[0], ()) and operator.family != "null":
        return f"{test.operator} does not compare values of {test.key}"
    return f"whom {test.operator} on {test.key} means cannot be told from {', '.join(test.values)[:120]!r}"


def _absent(operator: Operator) -> Kleene:
    if operator.if_exists:
        return None if operator.qualifier == "foranyvalue" else True  # of the two, the guide does not say which wins
    if operator.qualifier:
        return operator.qualifier == "forallvalues"
    return operator.negated


def _differs_or_equals(operator: Operator, test: Test, value: str, context: Context, *, variables: bool) -> Kleene:
    name = test.key.lower()
    found = either(_compare(operator.family, name, each, value, context, variables=variables) for each in test.values)
    return found if found is None or not operator.negated else not found


def _compare(family: str, name: str, wanted: str, value: str, context: Context, *, variables: bool) -> Kleene:
    if family == "address":
        return is_within(value, wanted)
    if family == "boolean":
        return None if wanted.lower() not in {"true", "false"} else wanted.lower() == value
    if family.startswith("numeric"):
        return _ordered(family, _number(value), _number(wanted))
    if family.startswith("date"):
        return _ordered(family, moment_of(value), moment_of(wanted))
    return _is_like(family, name, wanted, value, context, variables=variables)


def _is_like(family: str, name: str, wanted: str, value: str, context: Context, *, variables: bool) -> Kleene:
    try:
        pattern = pattern_of(wanted, context, wild=family in {"like", "arn"}, variables=variables)
    except NoValue:
        return None
    if family == "caseless":
        pattern, value = tuple(each.lower() if each not in {MANY, ONE} else each for each in pattern), value.lower()
    key = key_of(name)
    if key and name in context.standing_in and key.guard not in {Guard.FREE, Guard.SETTLED} and is_wild(pattern):
        who = attainable(key.guard, pattern)
        if not who:
            return who
    return is_arn_of(pattern, value) if family == "arn" else matches(pattern, value)


def pattern_of(text: str, context: Context, *, wild: bool, variables: bool) -> Pattern:
    """Return the pattern of a text for a request.

    Raises:
        NoValue: It holds a variable whose value is not known, or which the request does not carry.
    """
    return filled(text, _Variables(context), wild=wild) if variables else plain(text, wild=wild)


def is_wild(pattern: Pattern) -> bool:
    """Return whether a pattern has a wildcard."""
    return MANY in pattern or ONE in pattern


def is_arn_of(pattern: Pattern, value: str) -> Kleene:
    """Return whether an ARN is of a pattern: each of its six parts is compared by itself.

    From "Amazon Resource Name (ARN) condition operators". What a pattern of fewer parts means is not said there: None,
    when it would match as a text.
    """
    parts: list[list[str]] = [[]]
    for each in pattern:
        if each == ":" and len(parts) < 6:  # noqa: PLR2004 - as ARNs have
            parts.append([])
        else:
            parts[-1].append(each)
    if len(parts) < 6:  # noqa: PLR2004 - likewise
        return None if matches(pattern, value) else False
    found = value.split(":", 5)
    return len(found) == len(parts) and all(
        matches(tuple(left), right) for left, right in zip(parts, found, strict=True)
    )


class _Variables(dict[str, "str | None"]):
    """The variables of a context, looked up only when a pattern asks for them."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        value = self._context.variable(name)
        return default if value is None else value

    def __contains__(self, name: object) -> bool:
        return True


def _ordered(family: str, left: float | None, right: float | None) -> Kleene:
    if left is None or right is None:
        return None
    comparison = family.partition(" ")[2]
    return {
        "equals": left == right,
        "notequals": left == right,
        "lessthan": left < right,
        "lessthanequals": left <= right,
        "greaterthan": left > right,
        "greaterthanequals": left >= right,
    }[comparison]


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def moment_of(text: str) -> float | None:
    """Return a date of ISO 8601, or a number, in seconds since 1970; None when it is neither."""
    if text.strip().isdecimal():
        return _number(text)  # and not a date without hyphens
    try:
        found = datetime.fromisoformat(text.strip())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return _number(text)


def both(values: Iterable[Kleene]) -> Kleene:
    """Return False when one is, else None when one is not known, else True."""
    every = list(values)
    return False if False in every else None if None in every else True


def either(values: Iterable[Kleene]) -> Kleene:
    """Return True when one is, else None when one is not known, else False."""
    every = list(values)
    return True if True in every else None if None in every else False
