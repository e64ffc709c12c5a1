"""What a secret looks like: the rules, read from the file beside this one."""

from __future__ import annotations

import functools
import re
import tomllib
from dataclasses import dataclass
from fnmatch import translate
from importlib import resources
from typing import TYPE_CHECKING, Any

from app.domain.findings import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_BEFORE = rb"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))(?:"
_BEHIND = rb")(?![A-Za-z0-9])"


@dataclass(frozen=True, slots=True)
class Rule:
    """What one kind of secret looks like.

    Attributes:
        id: Lower case with dashes; unique.
        kind: What it is called in a finding's title.
        keywords: Lower case; only where one of them stands the pattern is tried.
        pattern: Over bytes; its group `secret` is the value.
        remedy: What to do about it, in a sentence.
        severity: Of its findings.
        entropy: Bits per byte that the value must have at least.
        reach: Bytes behind the end of the keyword's line that the pattern may read.
        guess: Whether only a name says that the value is a secret.
        shape: How the value is looked at more closely: `password`, `token`, `url`, `jwt`; else empty.
        paths: Like what a file's name must be; None for any.
        order: Its place among the rules, from 0.
    """

    id: str
    kind: str
    keywords: tuple[bytes, ...]
    pattern: re.Pattern[bytes]
    remedy: str
    severity: Severity = Severity.HIGH
    entropy: float = 0.0
    reach: int = 0
    guess: bool = False
    shape: str = ""
    paths: re.Pattern[str] | None = None
    order: int = 0


@dataclass(frozen=True, slots=True)
class RuleBook:
    """All rules, and what they allow.

    Attributes:
        rules: In the order in which they count.
        placeholders: Like what a value is that stands in for a secret.
        no_guesses: Like what a file's name is in which a guess is worth nothing.
        tests: Like what a path is where guesses do not weigh.
        documents: Like what a path is where guesses weigh little.
        known: The SHA-256, as hexadecimal digits, of keys that vendors print in their documents.
    """

    rules: tuple[Rule, ...]
    placeholders: tuple[re.Pattern[bytes], ...]
    no_guesses: re.Pattern[str]
    tests: re.Pattern[str]
    documents: re.Pattern[str]
    known: frozenset[str]


def rule_book(text: str) -> RuleBook:
    """Return the rules that a file's text holds.

    Raises:
        ValueError: It is no TOML, an entry is missing or has no sense, an expression is wrong, or an id stands twice.
    """
    document = tomllib.loads(text)
    try:
        rules = tuple(_rule(entry, order) for order, entry in enumerate(document["rule"]))
        allow = document["allow"]
        book = RuleBook(
            rules=rules,
            placeholders=tuple(re.compile(each.encode()) for each in allow["placeholders"]),
            no_guesses=_any_of(allow["no_guesses"]),
            tests=_any_of(allow["tests"]),
            documents=_any_of(allow["documents"]),
            known=frozenset(allow["known"]),
        )
    except KeyError as error:
        raise ValueError(f"the rules lack the entry {error}") from error
    except re.error as error:
        raise ValueError(f"a rule's expression is wrong: {error}") from error
    if len({rule.id for rule in rules}) != len(rules):
        raise ValueError("two rules have the same id")
    return book


@functools.cache
def own_rules() -> RuleBook:
    """Return the rules that come with Watchkeeper."""
    return rule_book(resources.files(__package__).joinpath("rules.toml").read_text("utf-8"))


def _rule(entry: Mapping[str, Any], order: int) -> Rule:
    pattern = entry["pattern"].encode()
    if entry.get("bounds", True):
        pattern = _BEFORE + pattern + _BEHIND
    compiled = re.compile(pattern, re.MULTILINE)
    keywords = tuple(word.encode() for word in entry["keywords"])
    if "secret" not in compiled.groupindex or not all(keywords) or not keywords or keywords != _lower(keywords):
        raise ValueError(f"the rule {entry['id']} needs a group `secret`, and keywords in lower case")
    return Rule(
        id=entry["id"],
        kind=entry["kind"],
        keywords=keywords,
        pattern=compiled,
        remedy=f"Revoke it {entry['where']}, and keep the new one outside the repository.",
        severity=Severity(entry.get("severity", "high")),
        entropy=float(entry.get("entropy", 0)),
        reach=int(entry.get("reach", 0)),
        guess=bool(entry.get("guess", False)),
        shape=entry.get("shape", ""),
        paths=_any_of(entry["paths"]) if "paths" in entry else None,
        order=order,
    )


def _lower(words: tuple[bytes, ...]) -> tuple[bytes, ...]:
    return tuple(word.lower() for word in words)


def _any_of(globs: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(translate(each) for each in globs), re.IGNORECASE)
