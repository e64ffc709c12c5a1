"""How much chance is in a value: what tells a key from a word, a name or a number."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter

_COMMON_PAIRS = frozenset(
    left + right
    for left, rights in (
        ("a", "bcdgilmnprstvy"),
        ("b", "elo"),
        ("c", "aehikot"),
        ("d", "aeio"),
        ("e", "acdelmnrstvxy"),
        ("f", "eior"),
        ("g", "eh"),
        ("h", "aeio"),
        ("i", "acdeglmnorstv"),
        ("k", "e"),
        ("l", "adeiloy"),
        ("m", "aeiop"),
        ("n", "acdegiost"),
        ("o", "dfklmnoprstuw"),
        ("p", "aelor"),
        ("q", "u"),
        ("r", "aeiosty"),
        ("s", "aehiopstu"),
        ("t", "aehiorsuy"),
        ("u", "cilnrst"),
        ("v", "ei"),
        ("w", "aehio"),
    )
    for right in rights
)
"""The pairs of letters that English words and names of programs are mostly made of."""
_LETTERS = re.compile(r"[A-Za-z]+")
_NATURAL = 0.55
_FEWEST_PAIRS = 5
_LONGEST_RUN = 5


def entropy(value: bytes) -> float:
    """Return Shannon's entropy of a value in bits per byte; 0 for an empty one."""
    size = len(value)
    return sum(-count / size * math.log2(count / size) for count in Counter(value).values())


def is_wordy(value: str) -> bool:
    """Return whether a value is mostly made of words, by the pairs of letters in it. Few letters are no words."""
    pairs = [
        run[at : at + 2].lower() for run in _LETTERS.findall(value) if not run.isnumeric() for at in range(len(run) - 1)
    ]
    if len(pairs) < _FEWEST_PAIRS or 2 * len(pairs) < len(value):
        return False
    return sum(pair in _COMMON_PAIRS for pair in pairs) / len(pairs) >= _NATURAL


def is_counted(value: bytes) -> bool:
    """Return whether a value was typed and not drawn: it counts up or down (`abcdef`, `987654`), or repeats itself."""
    for step in (1, -1):
        run = 0
        for left, right in itertools.pairwise(value):
            run = run + 1 if right - left == step else 0
            if run >= _LONGEST_RUN:
                return True
    size = len(value)
    return any(value[:period] * (size // period) == value[: size - size % period] for period in range(1, size // 3 + 1))
