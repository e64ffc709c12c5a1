"""Takes secrets and personal details out of text that leaves this machine.

What stands in their place is numbered, so that an assertion that compares two of them still says whether they differ.
To take out too much is the lesser fault.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from app.ai.failures.confidential import sensitive_values
from app.ai.failures.halves import Halves
from app.ai.failures.literals import is_distinct
from app.ai.failures.named import compared_with_marks, named_secrets
from app.ai.failures.persons import MARK, Persons
from app.ai.failures.visible import visible
from app.engine.redaction import forms_of, substituted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from app.engine.redaction import Redactor

SHORTEST_RUN = 32
"""Characters of a run without spaces that may be a key of unknown shape."""
_LEAST_MIXED = 0.3
"""Tokens of a run in proportion to its characters: words have about 0.2, base64 0.6, hexadecimal digits 0.45."""
_NAMED_KEPT = 1000
"""Values behind telling names that are looked for elsewhere, too."""

_RUN = re.compile(r"(?m)^index [0-9a-f]{7,64}\.\.[0-9a-f]{7,64}|[A-Za-z0-9+/_=\-]{32,}")
_TOKENS = re.compile(r"[A-Z]?[a-z]{2,}|[A-Z]{2,}|[0-9]+|[A-Za-z]")


class Privacy:
    """Takes secrets and personal details out of texts. The same value gets the same mark in all of them.

    Reads the project's `.env*` files when it is made, so it is to be made in a thread. To be used by one thread at a
    time; one is made for each prompt or conversation.

    Args:
        redactor: Knows the values that are alive in this process, and keys by their looks.
        home: The person's home folder.
        user: The person's login name.
        host: This machine's name.
        environ: The environment.
        root: The project's root folder; None for a conversation about no project.
    """

    def __init__(
        self,
        redactor: Redactor,
        *,
        home: Path,
        user: str,
        host: str,
        environ: Mapping[str, str],
        root: Path | None,
    ) -> None:
        self._redactor = redactor
        self._marks: dict[tuple[str, str], str] = {}
        self._numbers: Counter[str] = Counter()
        self._count = 0
        self._forms: dict[str, str] = {}  # the forms of each value, and the value
        values = sensitive_values(environ, root)
        for value in values:
            for form in forms_of(value.encode("utf-8", "surrogateescape")):
                self._forms.setdefault(form.decode("utf-8", "replace"), value)
        self._halves = Halves(values)
        self._named: dict[str, str] = {}
        self._persons = Persons(home=home, user=user, host=host, root=root, mark=self._mark)

    @property
    def count(self) -> int:
        """How many secrets and details were taken out so far; a value that stood in three places counts three times."""
        return self._count

    def learn(self, text: str) -> None:
        """Keep in mind what stands behind telling names in a text, for texts in which it stands without a name."""
        text = visible(text)
        for place in named_secrets(text):
            self._keep(text[place.start : place.end])

    def clean(self, text: str) -> str:
        """Return the text without secrets, personal details and what cannot be seen. It has as many lines as before.

        Args:
            text: All of it: what was cut before may end in half a secret, which only known values tell.
        """
        text = self._without(self._forms, visible(text))
        text = self._replaced(text, list(self._halves.places(text)))
        text = self._redactor.mark(text, self._secret)
        text = self._without_named(text)
        text = self._persons.without(text)
        text = substituted(_RUN, self._run, text)
        return self._persons.without_networks(text)

    def _mark(self, kind: str, value: str) -> str:
        self._count += 1
        if not kind:
            return ""
        known = self._marks.get((kind, value))
        if known is None:
            self._numbers[kind] += 1
            known = self._marks[kind, value] = f"[{kind}-{self._numbers[kind]}]"
        return known

    def _secret(self, value: str) -> str:
        if MARK.fullmatch(value):
            return value
        return self._mark("secret", value) + "\n" * value.count("\n")

    def _without(self, forms: Mapping[str, str], text: str, *, bound: Callable[[str], str] = re.escape) -> str:
        """Take out values in whichever of their forms.

        Args:
            forms: The forms, and what each is a form of.
            text: Where they may be.
            bound: Makes a pattern of a form.
        """
        here = [form for form in forms if form in text]
        if not here:
            return text
        here.sort(key=len, reverse=True)
        pattern = re.compile("|".join(_whole(form) if form.isdigit() else bound(form) for form in here))
        longest = 2 * len(here[0])
        return substituted(pattern, lambda found: self._secret(forms[found[0]]), text, ahead=max(longest, 64))

    def _without_named(self, text: str) -> str:
        """Take out what stands behind telling names, and what is compared with it, wherever they stand."""
        for find in (named_secrets, compared_with_marks):
            places = find(text)
            for start, end in places:
                self._keep(text[start:end])
            text = self._without(self._named, self._replaced(text, places), bound=_whole)
        return text

    def _keep(self, value: str) -> None:
        if is_distinct(value) and not MARK.search(value) and len(self._named) < _NAMED_KEPT:
            self._named.setdefault(value, value)

    def _replaced(self, text: str, places: Sequence[tuple[int, int]]) -> str:
        built: list[str] = []
        done = 0
        for start, end in places:
            built += [text[done:start], self._secret(text[start:end])]
            done = end
        return "".join([*built, text[done:]])

    def _run(self, found: re.Match[str]) -> str:
        run = found[0]
        return self._secret(run) if not run.startswith("index ") and _is_random(run) else run


def _whole(form: str) -> str:
    """Return a pattern for a form that is no part of a longer word or number."""
    return rf"(?<![^\W_]){re.escape(form)}(?![^\W_])"


def _is_random(run: str) -> bool:
    """True for a run of 32 characters or more that no words make up: hexadecimal digits, base64, a key."""
    signs = [part for part in re.split(r"[^A-Za-z0-9]+", run) if part]
    joined = "".join(signs)
    if len(joined) < SHORTEST_RUN - 6 or not re.search(r"[0-9]", joined) or not re.search(r"[A-Za-z]", joined):
        return False
    longest = max(signs, key=len)
    if len(longest) >= SHORTEST_RUN and _is_of_one_case(longest):
        return True
    mixed = len(_TOKENS.findall(longest if len(longest) >= SHORTEST_RUN else joined))
    return mixed / len(longest if len(longest) >= SHORTEST_RUN else joined) >= _LEAST_MIXED


def _is_of_one_case(run: str) -> bool:
    """True for digits among letters of one case, such as hexadecimal digits: no words are that long."""
    digits = sum(sign.isdigit() for sign in run)
    return (run.lower() == run or run.upper() == run) and 2 <= digits < len(run)  # noqa: PLR2004 - `..._of_version2`
