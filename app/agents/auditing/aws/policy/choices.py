"""What a caller can choose to send: for each condition key of a policy, one value for each way in which it matters.

Values that no statement tells apart come to the same answer, so one of each suffices, and none may be missing: a "no"
rests on it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations, pairwise, product
from typing import TYPE_CHECKING, TypeAlias

from app.agents.auditing.aws.policy.addresses import Range, address_of, read_range, segments
from app.agents.auditing.aws.policy.callers import NAME
from app.agents.auditing.aws.policy.conditions import Context, moment_of, operator_of
from app.agents.auditing.aws.policy.keys import ACCESS_POINT, MOMENT, NETWORK, TRANSPORT, Guard, Type, key_of
from app.agents.auditing.aws.policy.patterns import NoValue, cells, filled, plain, variables_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from app.agents.auditing.aws.policy.callers import Caller
    from app.agents.auditing.aws.policy.documents import Statement, Test
    from app.agents.auditing.aws.policy.keys import Key
    from app.agents.auditing.aws.policy.patterns import Pattern

Values: TypeAlias = "tuple[str, ...] | None"
"""What a request carries for a key; None when it does not carry it."""


_PINNED: dict[str, list[tuple[str, ...] | None]] = {
    "aws:ismcpserviceaction": [("false",), None],
}
"""What each request carries: no action that is asked for here is one of an MCP server."""
_PRINCIPAL_TYPES: list[tuple[str, ...] | None] = [("User",), ("AssumedRole",), ("Account",), ("FederatedUser",)]
_KMS_KEY = "s3:x-amz-server-side-encryption-aws-kms-key-id"


@dataclass(frozen=True, slots=True)
class World:
    """What is the same for each question about a policy.

    Attributes:
        owner: The account of the bucket, 12 digits; empty when not known.
        stranger: An account that occurs nowhere in the policy.
        partition: `aws`, `aws-cn` or another.
        access_point: The ARN of the access point whose policy it is; empty for a bucket's.
        accounts: All accounts that occur in the policy, and the owner's.
        now: Seconds since 1970 before which nothing counts; None when all times count.
    """

    owner: str
    stranger: str
    partition: str = "aws"
    access_point: str = ""
    accounts: tuple[str, ...] = ()
    now: float | None = None


@dataclass(frozen=True, slots=True)
class Manner:
    """How requests come.

    Attributes:
        everywhere: Whether they may come from networks that the policy names; else only from those of strangers.
        delegated: Accounts whose access points they come through; None for none but strangers'.
        secure: Whether they come over TLS; None for both.
        without: Keys that they do not carry.
        within: A key of a network and its value, from which alone they come; None for no such limit.
    """

    everywhere: bool = False
    delegated: tuple[str, ...] | None = None
    secure: bool | None = None
    without: frozenset[str] = frozenset()
    within: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """Some keys, and what a request carries for them.

    Attributes:
        values: By key in lower case.
        standing_in: Those of them that stand in for any stranger's.
        part: The part of the internet from which the request comes; None when it comes otherwise.
    """

    values: Mapping[str, Values] = field(default_factory=dict)
    standing_in: frozenset[str] = frozenset()
    part: Range | None = None


def contexts(
    world: World, statements: Iterable[Statement], caller: Caller, manner: Manner
) -> Iterator[tuple[Context, Range | None]]:
    """Yield what requests of a caller can carry, as far as some statements look at it, and whence they come.

    Raises:
        TooMany: Some values are too many to be told apart.
    """
    tests: dict[str, list[tuple[Test, bool]]] = {}
    for statement in statements:
        for test in statement.tests:
            tests.setdefault(test.key.lower(), []).append((test, statement.variables))
        if statement.variables:
            for name in _variables(statement):
                tests.setdefault(name, [])
    ways = [
        _network(world, caller, manner, tests) if NETWORK & set(tests) else [Choice(part=None)],
        _access_point(world, manner, tests) if ACCESS_POINT & set(tests) else [Choice()],
        _moments(world, tests) if MOMENT & set(tests) else [Choice()],
        _transports(manner) if TRANSPORT & set(tests) else [Choice()],
    ]
    for name in sorted(set(tests) - NETWORK - ACCESS_POINT - MOMENT - TRANSPORT):
        key = key_of(name)
        if key is not None:
            every = [None] if name in manner.without else _options(world, caller, name, key, tests[name])
            ways.append([Choice({name: each}) for each in every])
    variables = {"aws:resourceorgid": "the organisation of the bucket's owner"}
    own = frozenset({_KMS_KEY} if caller.stranger else ())
    for choices in product(*ways):
        values = {name: each for choice in choices for name, each in choice.values.items() if each is not None}
        standing_in = own.union(caller.standing_in, *(choice.standing_in for choice in choices))
        yield Context(values, standing_in, variables=variables), choices[0].part


def _variables(statement: Statement) -> Iterator[str]:
    for text in (*statement.resources, *(value for test in statement.tests for value in test.values)):
        yield from variables_of(text)


def _options(
    world: World, caller: Caller, name: str, key: Key, tests: list[tuple[Test, bool]]
) -> list[tuple[str, ...] | None]:
    settled = _settled(world, caller, name, key)
    if settled:
        return settled
    if name in caller.shapes:
        patterns = _patterns(world, tests)
        never = ":" if name == "aws:principalarn" else ""  # no name of IAM has one
        found = {each for shape in caller.shapes[name] for each in cells(plain(shape), patterns, never=never)}
        if name in caller.standing_in:
            found -= {"".join(each) for each in patterns}  # what the policy names is no stranger's
        every: list[tuple[str, ...] | None] = [(each,) for each in sorted(found)]
        return every if key.signed else [*every, None]
    return _free(world, name, key, tests)


def _settled(world: World, caller: Caller, name: str, key: Key) -> list[tuple[str, ...] | None]:
    """Return the values that a caller has and does not choose; empty when it chooses."""
    if key.signed and not caller.signs:
        return [None]
    if name in _PINNED:
        return _PINNED[name]
    if name == _KMS_KEY:
        return [(f"{NAME}s own",), None] if caller.stranger else []
    if name in {"aws:resourceaccount", "s3:resourceaccount"} and world.owner:
        return [(world.owner,)]
    if key.guard in {Guard.FREE, Guard.SETTLED} or caller.free or name in {*caller.settled, *caller.shapes}:
        usual = _PRINCIPAL_TYPES if name == "aws:principaltype" and not caller.free else ()
        return list(caller.settled.get(name, usual))
    return [None]


def _free(world: World, name: str, key: Key, tests: list[tuple[Test, bool]]) -> list[tuple[str, ...] | None]:
    if key.type is Type.BOOLEAN:
        return [("true",), ("false",), None] if key.signed else [("true",), ("false",)]
    if key.type in {Type.NUMBER, Type.DATE}:
        wanted = [moment_of(value) for test, _ in tests for value in test.values]
        return [*((f"{each}",) for each in _around(wanted) if each >= 0), None]
    if name == "s3:authtype":
        return [("REST-HEADER",), ("REST-QUERY-STRING",), ("POST",)]
    if name == "s3:signatureversion":
        return [("AWS4-HMAC-SHA256",), ("AWS",), ("AWS4-ECDSA-P256-SHA256",)]
    texts = _texts(world, tests)
    if key.many:
        return [*texts, *((*one, *other) for one, other in combinations(texts, 2)), None]
    return [*texts, None]


def _texts(world: World, tests: list[tuple[Test, bool]]) -> list[tuple[str, ...]]:
    patterns = _patterns(world, tests)
    found = cells(plain("?*"), patterns)
    return [(each,) for each in dict.fromkeys((*found, *(["true", "false"] if not patterns else []), NAME))]


def _patterns(world: World, tests: list[tuple[Test, bool]]) -> list[Pattern]:
    """Return the patterns of which a key's values are or are not, variables with values that may stand in them."""
    made = []
    usual = _Usual({"aws:principalaccount": world.stranger, "aws:resourceaccount": world.owner or None})
    for test, variables in tests:
        operator = operator_of(test.operator)
        if operator is None or operator.family not in {"text", "caseless", "like", "arn"}:
            continue
        wild = operator.family in {"like", "arn"}
        for value in test.values:
            try:
                made.append(filled(value, usual, wild=wild) if variables else plain(value, wild=wild))
            except NoValue:
                continue
    return list(dict.fromkeys(made))


class _Usual(dict[str, "str | None"]):
    """Values of variables, NAME for those that are not known."""

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        return super().get(name) or default or NAME


def _around(wanted: Iterable[float | None]) -> list[float]:
    """Return numbers at, between and beyond some."""
    at = sorted({each for each in wanted if each is not None}) or [1.0]
    return sorted({at[0] - 1, *at, *((low + high) / 2 for low, high in pairwise(at)), at[-1] + 1})


def _moments(world: World, tests: Mapping[str, list[tuple[Test, bool]]]) -> list[Choice]:
    wanted = [moment_of(value) for name in MOMENT for test, _ in tests.get(name, ()) for value in test.values]
    every = _around([*wanted, world.now])
    return [Choice(dict.fromkeys(MOMENT, (f"{each}",))) for each in every if world.now is None or each >= world.now]


def _transports(manner: Manner) -> list[Choice]:
    """Return how a request can come: S3 takes TLS 1.2 and 1.3; without TLS there is no s3:TlsVersion."""
    secure: list[Choice] = [
        Choice({"aws:securetransport": ("true",), "s3:tlsversion": (version,)}) for version in ("1.2", "1.3")
    ]
    insecure = [Choice({"aws:securetransport": ("false",)})]
    return [*([] if manner.secure else insecure), *([] if manner.secure is False else secure)]


def _network(
    world: World, caller: Caller, manner: Manner, tests: Mapping[str, list[tuple[Test, bool]]]
) -> list[Choice]:
    """Return whence a request can come.

    Over a VPC endpoint there is no aws:SourceIp, and without one there is none of the others ("AWS global condition
    context keys", "Properties of the network").
    """
    if caller.service:
        return [Choice()]
    outside = segments(_ranges(tests.get("aws:sourceip", ())))
    made = [Choice({"aws:sourceip": (address_of(part),)}, part=part) for part in outside]
    inside: list[tuple[str, ...]] = [
        (address_of(part),) for part in segments(_ranges(tests.get("aws:vpcsourceip", ())), private=True)
    ]
    own = {
        "aws:sourcevpc": ("vpc-0strangers",),
        "aws:sourcevpce": ("vpce-0strangers",),
        "aws:vpceaccount": (world.stranger,),
        "aws:vpceorgid": ("o-strangers00",),
        "aws:vpceorgpaths": ("o-strangers00/r-strange/",),
    }
    for address in inside:
        for organised in (True, False):
            carried = {name: each for name, each in own.items() if organised or "org" not in name}
            made.append(Choice({"aws:vpcsourceip": address, **carried}, frozenset(carried)))
    if manner.everywhere or caller.free:
        named = [name for name in own if name in tests]
        ways = [[*_texts(world, tests[name]), *([None] if "org" in name else [])] for name in named]
        made += [
            Choice({"aws:vpcsourceip": address, **own, **dict(zip(named, values, strict=True))})
            for address in inside
            for values in product(*ways)
        ]
    return [each for each in made if _is_within(each, manner.within)]


def _is_within(choice: Choice, within: tuple[str, str] | None) -> bool:
    if within is None:
        return True
    wanted = read_range(within[1]) if within[0] == "aws:sourceip" else None
    if wanted is None:
        return choice.values.get(within[0]) == (within[1],)
    part = choice.part
    return part is not None and part[0] == wanted[0] and wanted[1] <= part[1] and part[2] <= wanted[2]


def _ranges(tests: Iterable[tuple[Test, bool]]) -> list[Range]:
    return [found for test, _ in tests for value in test.values if (found := read_range(value))]


def _access_point(world: World, manner: Manner, tests: Mapping[str, list[tuple[Test, bool]]]) -> list[Choice]:
    """Return through which access points a request can come; of strangers' anybody can, as they make them."""
    account, arn = "s3:dataaccesspointaccount", "s3:dataaccesspointarn"
    if world.access_point:
        pinned: dict[str, Values] = {account: (world.owner,), arn: (world.access_point,)}
        return [Choice(pinned | origin) for origin in _ORIGINS]
    made = [] if manner.delegated is not None else [Choice()]
    patterns = _patterns(world, tests.get(arn, []))
    for owner in (world.stranger,) if manner.delegated is None else manner.delegated:
        shape = plain(f"arn:{world.partition}:s3:?*:{owner}:accesspoint/?*")
        made += [
            Choice(
                {account: (owner,), arn: (text,), **origin}, frozenset({account, arn} if not manner.delegated else ())
            )
            for text in cells(shape, patterns)
            for origin in _ORIGINS
        ]
    return made


_ORIGINS: tuple[dict[str, Values], ...] = tuple(
    dict.fromkeys(("s3:accesspointnetworkorigin", "s3:dataaccesspointnetworkorigin"), (origin,))
    for origin in ("Internet", "VPC")
)
