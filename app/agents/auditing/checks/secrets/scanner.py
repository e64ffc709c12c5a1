"""Finds secrets in bytes: one pass for the keywords of all rules, and the rules' patterns only where one stands."""

from __future__ import annotations

import functools
import re
from bisect import bisect
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.agents.auditing.checks.secrets.rules import own_rules
from app.agents.auditing.checks.secrets.values import convinces, stands_in, weight
from app.domain.findings import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from app.agents.auditing.checks.secrets.rules import Rule, RuleBook

ALLOWED = b"watchkeeper: allow"
"""A line that holds this is not told."""
_LEFT = 256
_RIGHT = 4096
"""Of a longer line only so many bytes before and behind a keyword are looked at."""

_Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Hit:
    """A secret that was found.

    Attributes:
        rule: By what.
        line_at: Where the line begins in which it is told, in bytes; of a very long line, a place before the value.
        start: Where the value begins.
        end: Where it ends.
        severity: The rule's. Where only a name or a shape gave it away: INFO in a test, where they are mostly made up,
            LOW in documentation and of an example's address, and MEDIUM at most of what a person thought out.
        value: The value itself; it must not leave.
    """

    rule: Rule
    line_at: int
    start: int
    end: int
    severity: Severity
    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Scanned:
    """What was found in some bytes.

    Attributes:
        hits: The secrets, by their place.
        hidden: Where anything stands that looks like a secret, also what is not told: to be masked.
    """

    hits: tuple[Hit, ...] = ()
    hidden: tuple[_Span, ...] = ()


class Scanner:
    """Looks for secrets by a rule book."""

    def __init__(self, book: RuleBook) -> None:
        """Take the rules by which it looks."""
        self._book = book
        self._rules: dict[bytes, list[tuple[bytes, Rule]]] = defaultdict(list)
        words = sorted({word for rule in book.rules for word in rule.keywords})
        shortest = [word for word in words if not any(word != other and word.startswith(other) for other in words)]
        for rule in book.rules:
            for word in rule.keywords:
                self._rules[next(each for each in shortest if word.startswith(each))].append((word, rule))
        self._keywords = re.compile(_trie(shortest))

    def scan(self, data: bytes, path: str) -> Scanned:
        """Return the secrets in some lines of a file.

        Args:
            data: Whole lines; in an encoding that holds ASCII as it is.
            path: The file's, relative with `/`: some rules ask for it.
        """
        name = path.rpartition("/")[2]
        guesses = not self._book.no_guesses.match(name)
        rules = {
            rule.order: rule
            for rule in self._book.rules
            if (guesses or not rule.guess) and (rule.paths is None or rule.paths.match(name))
        }
        found: list[Hit] = []
        hidden: list[_Span] = []
        most = Severity.CRITICAL
        if self._book.tests.match(path) or self._book.tests.match(name):
            most = Severity.INFO
        elif self._book.documents.match(path) or self._book.documents.match(name):
            most = Severity.LOW
        for order, windows in self._windows(data, rules.keys()).items():
            for hit, told in self._matches(data, rules[order], windows, most):
                hidden.append((hit.start, hit.end))
                if told:
                    found.append(hit)
        return Scanned(tuple(_apart(found)), tuple(sorted(hidden))) if hidden else Scanned()

    def _windows(self, data: bytes, wanted: Iterable[int]) -> dict[int, list[_Span]]:
        """Return for each rule, by its order, where it is to look."""
        windows: dict[int, list[_Span]] = defaultdict(list)
        lowered = data.lower()
        search = self._keywords.search
        wanted = frozenset(wanted)
        match = search(lowered)
        line: _Span = (0, -1)
        while match:
            at = match.start()
            if at > line[1]:
                end = data.find(b"\n", at)
                line = (data.rfind(b"\n", 0, at) + 1, len(data) if end < 0 else end)
            for word, rule in self._rules[match.group()]:
                if rule.order in wanted and (word == match.group() or lowered.startswith(word, at)):
                    begin, end = max(line[0], at - _LEFT), min(line[1], at + _RIGHT)
                    end = min(len(data), end + rule.reach)
                    spans = windows[rule.order]
                    if spans and begin <= spans[-1][1]:
                        spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
                    else:
                        spans.append((begin, end))
            match = search(lowered, at + 1)
        return windows

    def _matches(self, data: bytes, rule: Rule, windows: Iterable[_Span], most: Severity) -> Iterator[tuple[Hit, bool]]:
        """Yield what looks like a secret, and whether it is to be told; of what is unsure, no more severe than that."""
        is_unsure = rule.guess or bool(rule.shape)
        for begin, end in windows:
            for match in rule.pattern.finditer(data, begin, end):
                start, stop = match.span("secret")
                groups = match.groupdict()
                line_at = data.rfind(b"\n", begin, match.start() if rule.reach else start) + 1 or begin
                name, user, host = (groups.get(each) or b"" for each in ("name", "user", "host"))
                least = (rule.severity, most, weight(match["secret"], rule, host)) if is_unsure else (rule.severity,)
                severity = min(least, key=lambda each: each.rank)
                hit = Hit(rule, line_at, start, stop, severity, match["secret"])
                yield (
                    hit,
                    (
                        convinces(hit.value, rule, name, user, host)
                        and not stands_in(hit.value, rule, self._book)
                        and not _is_allowed(data, line_at, start)
                    ),
                )


@functools.cache
def own_scanner() -> Scanner:
    """Return what looks by our own rules; made when it is first needed, and once in a program."""
    return Scanner(own_rules())


def _is_allowed(data: bytes, line_at: int, start: int) -> bool:
    """Return whether the line of a finding, or that of its value, says so; of a very long line, a part of it."""
    before, until = max(line_at, start - _RIGHT), start + _RIGHT
    end = data.find(b"\n", start, until)
    return data.find(ALLOWED, before, until if end < 0 else end) >= 0


def _apart(found: list[Hit]) -> Iterator[Hit]:
    """Yield hits of which no two share a byte: sure ones before guesses, then in the order of the rules."""
    taken: list[Hit] = []
    for hit in sorted(found, key=lambda each: (each.rule.guess, each.rule.order, each.start)):
        at = bisect(taken, hit.start, key=lambda each: each.start)
        if (not at or taken[at - 1].end <= hit.start) and (at == len(taken) or hit.end <= taken[at].start):
            taken.insert(at, hit)
    yield from taken


def _trie(words: Iterable[bytes]) -> bytes:
    """Return an expression for any of the words, of which none begins another, that tries each byte once."""
    behind: dict[int, list[bytes]] = defaultdict(list)
    for word in words:
        if word:
            behind[word[0]].append(word[1:])
    several = [re.escape(bytes([first])) + _trie(rest) for first, rest in sorted(behind.items())]
    return several[0] if len(several) == 1 else b"(?:" + b"|".join(several) + b")" if several else b""
