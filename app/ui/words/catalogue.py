"""Texts in one language.

    tr = catalogue("ru")
    tr("Step {step} of {steps}", step=1, steps=3)        # "Шаг 1 из 3"
    tr.count("{count} test", "{count} tests", 5)         # "5 тестов"

A text stands as it is in the call: it is the key under which its translation is found, and so it is found by who looks
for texts that have none. One that has none is shown in English.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.ui.words import po

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_FOLDER = Path(__file__).parent
_NO_BREAK = "\u00a0"


@dataclass(frozen=True, slots=True)
class Language:
    """How a language counts.

    Attributes:
        forms: How many plural forms it has.
        form_of: Gives the place of the form that a number takes (Unicode CLDR, "Plural Rules", for whole numbers).
        between_thousands: What stands between them.
    """

    forms: int
    form_of: Callable[[int], int]
    between_thousands: str


def _of_two(number: int) -> int:
    return 0 if number == 1 else 1


def _of_three(number: int) -> int:
    """Return the form in Russian: 1, 21, 31 тест; 2, 3, 4, 22 теста; 0, 5 to 20, 25 тестов."""
    last, teens = number % 10, number % 100 // 10 == 1
    if last == 1 and not teens:
        return 0
    return 1 if last in (2, 3, 4) and not teens else 2


LANGUAGES: Final = {"en": Language(2, _of_two, ","), "ru": Language(3, _of_three, _NO_BREAK)}
"""By its code (ISO 639-1); English needs no file."""


class Catalogue:
    """Gives texts in a language.

    Args:
        code: Which, of `LANGUAGES`.
        entries: The translations.
    """

    def __init__(self, code: str, entries: Iterable[po.Entry] = ()) -> None:
        self.code = code
        self._language = LANGUAGES[code]
        self._said: Mapping[str, tuple[str, ...]] = {
            each.text: each.said for each in entries if each.text and all(each.said)
        }

    def __call__(self, text: str, /, **values: object) -> str:
        """Return a text with values in the places of its braces."""
        said = self._said.get(text)
        return (said[0] if said else text).format(**values)

    def count(self, one: str, many: str, number: int, /, **values: object) -> str:
        """Return a text that counts something: `{count}` in it is the number.

        Args:
            one: The English text for one.
            many: The English text for several.
            number: How many there are.
            values: What stands in the places of other braces.
        """
        said = self._said.get(one)
        is_whole = said is not None and len(said) == self._language.forms
        text = said[self._language.form_of(number)] if said and is_whole else (one, many)[_of_two(number)]
        figure = f"{number:,}".replace(",", self._language.between_thousands)
        return text.format(count=figure, **values)


def catalogue(code: str) -> Catalogue:
    """Return the texts in a language of `LANGUAGES`."""
    path = _FOLDER / f"{code}.po"
    return Catalogue(code, po.read(path.read_text("utf-8")) if code != "en" else ())


def language_for(setting: str, wanted: Sequence[str]) -> str:
    """Return the code of the language to speak.

    Args:
        setting: What the settings say; empty for the system's.
        wanted: The languages that the person reads, by the system's word, the best first: `ru-RU`, `en_US`, `C`.
    """
    if setting in LANGUAGES:
        return setting
    codes = (each.replace("_", "-").partition("-")[0].lower() for each in wanted)
    return next((code for code in codes if code in LANGUAGES), "en")
