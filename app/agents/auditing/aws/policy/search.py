"""Looks for requests that a policy lets through: "Policy evaluation logic" (IAM User Guide), an explicit Deny first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from app.agents.auditing.aws.policy.actions import Action, carries
from app.agents.auditing.aws.policy.choices import Manner, World, contexts
from app.agents.auditing.aws.policy.conditions import Context, Kleene, both, either, holds, pattern_of, why_not_known
from app.agents.auditing.aws.policy.keys import key_of
from app.agents.auditing.aws.policy.patterns import NoValue, TooMany, cells, matches, plain, variables_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from app.agents.auditing.aws.policy.addresses import Range
    from app.agents.auditing.aws.policy.callers import Caller
    from app.agents.auditing.aws.policy.documents import Statement
    from app.agents.auditing.aws.policy.patterns import Pattern

T = TypeVar("T")

MANY = "The policy has too many conditions or names to look at each way in which they come together."
"""Why something is not known that was too much to look at."""
_MOST_REQUESTS = 20_000


@dataclass(frozen=True, slots=True)
class Found:
    """A request that is let through, or of which that is not known.

    Attributes:
        action: What it asks for.
        surely: Whether it is let through for certain.
        part: The part of the internet from which it comes; None when it comes otherwise, or when that does not matter.
        because: The statements that let it through; empty where that is presumed.
        reasons: What was not understood, when it is not certain.
    """

    action: Action
    surely: bool
    part: Range | None
    because: tuple[str, ...]
    reasons: tuple[str, ...]


class Search:
    """The statements of one policy, and how much of the looking is left.

    Args:
        world: What is the same for each question.
        statements: Of the policy.
        shapes: Patterns of the ARNs on which actions act, by whether those are objects.
    """

    def __init__(self, world: World, statements: Iterable[Statement], shapes: Mapping[bool, Pattern]) -> None:
        self._world = world
        self._statements = tuple(statements)
        self._shapes = shapes
        self._left = _MOST_REQUESTS
        self._known: dict[tuple[int, tuple[str, ...] | None, bool], Kleene] = {}
        self._cells: dict[tuple[bool, tuple[Pattern, ...]], list[str]] = {}

    def requests(
        self, caller: Caller, actions: Iterable[Action], manner: Manner, *, presumed: bool = False
    ) -> Iterator[Found]:
        """Yield requests of a caller that are, or may be, let through, at least one of each way in which they can be.

        Args:
            caller: Who asks.
            actions: What for.
            manner: How.
            presumed: Whether something else, such as a policy of the caller, allows them already: then only a Deny
                stops them.

        Raises:
            TooMany: They are too many to look at.
        """
        named = [(each, who) for each in self._statements if (who := _names(each, caller)) is not False]
        groups: dict[tuple[object, ...], tuple[Action, list[tuple[Statement, Kleene]]]] = {}
        for action in actions:
            asked = [
                (each, both([who, does]))
                for each, who in named
                if not (presumed and each.allows) and (does := _acts(each, action)) is not False
            ]
            if not presumed and all(each.allows is False for each, _ in asked):
                continue
            keys = {test.key.lower() for each, _ in asked for test in each.tests}
            carried = frozenset(each for each in keys if carries(action, each))
            sign = (action.access, action.on_object, tuple((id(each), value) for each, value in asked), carried)
            groups.setdefault(sign, (action, asked))
        for action, asked in groups.values():
            yield from self._of(caller, action, asked, manner, presumed=presumed)

    def _of(
        self, caller: Caller, action: Action, asked: list[tuple[Statement, Kleene]], manner: Manner, *, presumed: bool
    ) -> Iterator[Found]:
        for context, part in contexts(self._world, [each for each, _ in asked], caller, manner):
            self._left -= 1
            if self._left < 0:
                raise TooMany
            carried = _carried(context, action)
            met = [(each, both([value, self._meets(each, carried)])) for each, value in asked]
            met = [(each, value) for each, value in met if value is not False]
            if not presumed and all(each.allows is False for each, _ in met):
                continue
            if any(each.allows is False and value and _covers_all(each) for each, value in met):
                continue
            yield from self._on(action, met, carried, part, presumed=presumed)

    def _on(
        self,
        action: Action,
        met: list[tuple[Statement, Kleene]],
        context: Context,
        part: Range | None,
        *,
        presumed: bool,
    ) -> Iterator[Found]:
        patterns = {id(each): _resources(each, context) for each, _ in met}
        every = tuple(dict.fromkeys(one for those in patterns.values() if those for one in those))
        for resource in self._resources(action.on_object, every):
            allows: list[Kleene] = [True] if presumed else []
            denies: list[Kleene] = []
            because, reasons = [], []
            for each, value in met:
                result = both([value, _covers(each, patterns[id(each)], resource)])
                if result is None:
                    reasons.append(_why(each, context))
                if each.allows is not False:
                    allows.append(result if each.allows else both([result, None]))
                    because += [each.label] if result else []
                if not each.allows:
                    denies.append(result if each.allows is False else both([result, None]))
            allowed, denied = either(allows), either(denies)
            if allowed is False or denied is True:
                continue
            surely = bool(allowed) and denied is False
            yield Found(action, surely, part, tuple(because), () if surely else tuple(reasons))

    def _meets(self, statement: Statement, context: Context) -> Kleene:
        if statement.fault:
            return None
        return both(self._holds(statement, at, context) for at in range(len(statement.tests)))

    def _holds(self, statement: Statement, at: int, context: Context) -> Kleene:
        test, name = statement.tests[at], statement.tests[at].key.lower()
        if any("${" in each for each in test.values):
            return holds(test, context, variables=statement.variables)
        sign = (id(test), context.values.get(name), name in context.standing_in)
        if sign not in self._known:
            self._known[sign] = holds(test, context, variables=False)
        return self._known[sign]

    def _resources(self, on_object: bool, patterns: tuple[Pattern, ...]) -> list[str]:  # noqa: FBT001 - a key
        sign = (on_object, patterns)
        if sign not in self._cells:
            self._cells[sign] = cells(self._shapes[on_object], patterns)
        return self._cells[sign]


def safely(ask: Callable[[], T], otherwise: T) -> T:
    """Return what a question comes to, or something else where that is too much to look at."""
    try:
        return ask()
    except TooMany:
        return otherwise


def _names(statement: Statement, caller: Caller) -> Kleene:
    if statement.names is None:
        return None if statement.fault and not caller.free else True
    if not statement.but_names:
        return caller.is_among(statement.names)
    among = caller.is_among(statement.names) if statement.allows else caller.is_excepted(statement.names)
    return None if among is None else not among


def _acts(statement: Statement, action: Action) -> Kleene:
    if not statement.actions:
        return None
    return any(matches(plain(each), action.lower) for each in statement.actions) != statement.but_actions


def _resources(statement: Statement, context: Context) -> list[Pattern] | None:
    """Return the patterns of a statement's resources; None when a variable is not understood.

    Those whose variables the request does not carry match nothing.
    """
    made = []
    for each in statement.resources:
        try:
            made.append(pattern_of(each, context, wild=True, variables=statement.variables))
        except NoValue as missing:
            if not missing.absent or statement.but_resources:
                return None
    return made


def _covers(statement: Statement, patterns: list[Pattern] | None, resource: str) -> Kleene:
    if statement.fault or patterns is None:
        return None
    return any(matches(each, resource) for each in patterns) != statement.but_resources


def _covers_all(statement: Statement) -> bool:
    return statement.resources == ("*",) and not statement.but_resources


def _carried(context: Context, action: Action) -> Context:
    if all(carries(action, each) for each in context.values):
        return context
    return Context(
        {name: each for name, each in context.values.items() if carries(action, name)},
        context.standing_in,
        context.unsure,
        context.variables,
    )


def _why(statement: Statement, context: Context) -> str:
    if statement.fault:
        return f"{statement.label}: {statement.fault}"
    for test in statement.tests:
        if holds(test, context, variables=statement.variables) is None:
            return f"{statement.label}: {why_not_known(test)}"
    if statement.names and statement.names.unclear:
        return f"{statement.label}: its principal {statement.names.unclear[0][:80]!r} names nobody for certain"
    if statement.variables and any(key_of(name) is None for each in statement.resources for name in variables_of(each)):
        return f"{statement.label}: a variable in its resources is not known"
    return f"{statement.label}: whom its {'NotPrincipal' if statement.but_names else 'Principal'} means is not certain"
