"""Patterns of policies: wildcards, policy variables, and which texts tell a set of patterns apart.

`*` stands for any text, also none, `?` for one character ("IAM JSON policy elements: Resource", "String condition
operators"). In policies of version 2012-10-17 `${...}` is a variable ("IAM policy elements: Variables and tags").
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MANY = "any text"
ONE = "any character"
Pattern: TypeAlias = tuple[str, ...]
"""Characters, MANY and ONE; longer than one character, the two are told from literal `*` and `?`."""

_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_ESCAPED = {"*": "*", "?": "?", "$": "$"}
_MOST_STEPS = 400_000


class TooMany(Exception):
    """The patterns are too many, or too entangled, to be told apart in time."""


class NoValue(Exception):
    """A policy variable has no value that is known.

    Attributes:
        variable: Its name.
        absent: True when the request does not carry it, so that the statement does not match; False when it is not
            known whether and what it carries.
    """

    def __init__(self, variable: str, *, absent: bool) -> None:
        super().__init__(variable)
        self.variable = variable
        self.absent = absent


def variables_of(text: str) -> tuple[str, ...]:
    """Return the names of the policy variables in a text, in lower case, without their defaults."""
    found = (each[1].partition(",")[0].strip().lower() for each in _VARIABLE.finditer(text))
    return tuple(each for each in found if each not in _ESCAPED)


@lru_cache(maxsize=4096)
def plain(text: str, *, wild: bool = True) -> Pattern:
    """Return the pattern of a text without variables.

    Args:
        text: As the policy has it.
        wild: Whether `*` and `?` are wildcards in it.
    """
    signs = {"*": MANY, "?": ONE} if wild else {}
    return tuple(signs.get(each, each) for each in text)


def filled(text: str, values: Mapping[str, str | None], *, wild: bool = True) -> Pattern:
    """Return the pattern of a text, its variables replaced by their values.

    Args:
        text: As the policy has it.
        values: The value of each variable by its name in lower case; None for one that the request does not carry.
        wild: Whether `*` and `?` outside of variables are wildcards.

    Raises:
        NoValue: A variable without a default has no known value.
    """
    if "${" not in text:
        return plain(text, wild=wild)
    pattern: list[str] = []
    end = 0
    for found in _VARIABLE.finditer(text):
        pattern += plain(text[end : found.start()], wild=wild)
        pattern += _value(found[1], values)
        end = found.end()
    pattern += plain(text[end:], wild=wild)
    return tuple(pattern)


def _value(variable: str, values: Mapping[str, str | None]) -> str:
    if variable in _ESCAPED:
        return _ESCAPED[variable]
    name, comma, default = variable.partition(",")
    name = name.strip().lower()
    value = values.get(name)
    if value is not None:
        return value
    if name in values and comma:
        return default.strip().strip("'")
    raise NoValue(name, absent=name in values)


def matches(pattern: Pattern, text: str) -> bool:
    """Return whether a whole text is of a pattern."""
    at, star, back = 0, -1, 0
    index = 0
    while index < len(text):
        token = pattern[at] if at < len(pattern) else None
        if token == MANY:
            star, back = at, index
            at += 1
        elif token is not None and token in {ONE, text[index]}:
            at += 1
            index += 1
        elif star >= 0:
            back += 1
            at, index = star + 1, back
        else:
            return False
    return all(each == MANY for each in pattern[at:])


def cells(shape: Pattern, patterns: Sequence[Pattern], *, never: str = "") -> list[str]:
    """Return one text for each way in which texts of a shape can match some of the patterns and not the others.

    It walks the automata of all patterns together, so no way is missed, however they overlap.

    Args:
        shape: What each of the texts is of.
        patterns: What they are told apart by.
        never: Characters for which the wildcards of the shape do not stand.

    Raises:
        TooMany: There are too many states.
    """
    walker = _Walker((shape, *patterns), never)
    signs = sorted({sign for each in (shape, *patterns) for sign in each if len(sign) == 1})
    alphabet = [next(each for each in map(chr, range(ord("a"), 0x10FFFF)) if each not in signs), *signs]
    seen = {walker.begin: ""}
    waiting = [walker.begin]
    found: dict[int, str] = {}
    for state in waiting:
        if walker.is_of_shape(state):
            found.setdefault(walker.accepted(state), seen[state])
        for sign in alphabet:
            after = walker.step(state, sign)
            if after not in seen and walker.may_be_of_shape(after):
                seen[after] = seen[state] + sign
                waiting.append(after)
        if len(seen) * len(alphabet) > _MOST_STEPS:
            raise TooMany
    return list(found.values())


class _Walker:
    """The automata of several patterns side by side, where they stand as the bits of one number.

    Args:
        patterns: Of which the first is the shape.
        never: Characters for which the wildcards of the shape do not stand.
    """

    def __init__(self, patterns: Sequence[Pattern], never: str) -> None:
        self._many = self._one = self._ends = begin = at = 0
        self._by: dict[str, int] = {}
        for pattern in patterns:
            begin |= 1 << at
            for each in pattern:
                if each == MANY:
                    self._many |= 1 << at
                elif each == ONE:
                    self._one |= 1 << at
                else:
                    self._by[each] = self._by.get(each, 0) | 1 << at
                at += 1
            self._ends |= 1 << at
            at += 1
        self._shape_end = 1 << len(patterns[0])
        self._shape = (self._shape_end << 1) - 1
        self._never = never
        self.begin = self._closed(begin)

    def _closed(self, state: int) -> int:
        while True:
            after = state | (state & self._many) << 1
            if after == state:
                return state
            state = after

    def step(self, state: int, sign: str) -> int:
        wild = ~self._shape if sign in self._never else -1
        exact = self._by.get(sign, 0)
        return self._closed((state & (exact | self._one & wild)) << 1 | state & self._many & wild)

    def is_of_shape(self, state: int) -> bool:
        return bool(state & self._shape_end)

    def may_be_of_shape(self, state: int) -> bool:
        return bool(state & self._shape)

    def accepted(self, state: int) -> int:
        """Return which of the patterns the text that led to a state is of, as a number to tell ways apart."""
        return state & self._ends
