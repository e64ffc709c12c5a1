"""What the first start says in other languages: nothing is left in English, and counting is right."""

from __future__ import annotations

import ast
import gettext
import re
import string
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import app.ui
from app.ui.words import po
from app.ui.words.catalogue import LANGUAGES, Catalogue, catalogue, language_for

if TYPE_CHECKING:
    from collections.abc import Iterator

UI = Path(app.ui.__file__).parent
FOREIGN = sorted(set(LANGUAGES) - {"en"})
SPEAKERS = frozenset({"tr", "_tr", "tr_of"})
"""By these names a catalogue is called where its texts stand."""


def texts_in(source: str) -> Iterator[tuple[str, str]]:
    """Yield each text of a program with its plural, which is empty where there is none."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        called, counts = node.func, False
        if isinstance(called, ast.Attribute) and called.attr == "count":
            called, counts = called.value, True
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if name in SPEAKERS:
            words = [ast.literal_eval(each) for each in node.args[: 2 if counts else 1]]
            yield words[0], words[1] if counts else ""


def all_texts() -> set[tuple[str, str]]:
    return {text for path in sorted(UI.rglob("*.py")) for text in texts_in(path.read_text("utf-8"))}


def entries(code: str) -> tuple[po.Entry, ...]:
    return po.read((UI / "words" / f"{code}.po").read_text("utf-8"))


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_texts_are_found_where_they_stand() -> None:
    """The search sees plain calls, attributes and plurals, and refuses a text that is put together."""
    found = set(texts_in('tr("a {b}", b=1)\nself._tr("c")\nself.tr_of.count("{count} d", "{count} e", 2)\nother("f")'))

    assert found == {("a {b}", ""), ("c", ""), ("{count} d", "{count} e")}
    with pytest.raises(ValueError, match="malformed"):
        list(texts_in('tr(f"{name}")'))


@pytest.mark.parametrize("code", FOREIGN)
def test_each_text_has_its_translation_and_each_translation_its_text(code: str) -> None:
    """What the code says is in the file, once, whole and not fuzzy; what it says no more is not."""
    known = [(each.text, each.many) for each in entries(code)[1:]]

    assert len(known) == len(set(known))
    assert set(known) ^ all_texts() == set()
    assert [each.text for each in entries(code) if not each.said or not all(each.said)] == []


@pytest.mark.parametrize("code", FOREIGN)
def test_each_translation_has_the_places_of_its_text(code: str) -> None:
    """A name in braces that the English has not would end in an error; one that it has would be lost."""
    wrong = [
        (each.text, said)
        for each in entries(code)[1:]
        for said in each.said
        if places(said) != places(each.many or each.text)
    ]

    assert wrong == []


@pytest.mark.parametrize("code", FOREIGN)
def test_each_mnemonic_is_kept(code: str) -> None:
    """What is reached by Alt and a letter in English is so in the other language."""
    wrong = [each.text for each in entries(code)[1:] if each.text.count("&") != each.said[0].count("&")]

    assert wrong == []


@pytest.mark.parametrize("code", FOREIGN)
def test_the_plural_forms_are_those_of_the_file_s_header(code: str) -> None:
    """The header is what translators' tools count by; the code agrees with it for every number."""
    header = entries(code)[0].said[0]
    forms, rule = re.findall(r"nplurals=(\d); plural=(.*);", header)[0]
    by_header = gettext.c2py(rule)  # type: ignore[attr-defined] # the one reader of such rules at hand

    assert int(forms) == LANGUAGES[code].forms
    assert [n for n in range(1200) if by_header(n) != LANGUAGES[code].form_of(n)] == []
    assert {len(each.said) for each in entries(code)[1:] if each.many} == {int(forms)}


@pytest.mark.parametrize(
    ("code", "number", "said"),
    [
        ("en", 1, "1 test found"),
        ("en", 2, "2 tests found"),
        ("en", 1200, "1,200 tests found"),
        ("ru", 0, "найдено 0 тестов"),
        ("ru", 1, "найден 1 тест"),
        ("ru", 2, "найдено 2 теста"),
        ("ru", 5, "найдено 5 тестов"),
        ("ru", 11, "найдено 11 тестов"),
        ("ru", 21, "найден 21 тест"),
        ("ru", 112, "найдено 112 тестов"),
        ("ru", 1_242, "найдено 1\u00a0242 теста"),
    ],
)
def test_tests_are_counted_as_people_say_it(code: str, number: int, said: str) -> None:
    """The word fits the number, and thousands stand apart as the language has it."""
    assert catalogue(code).count("{count} test found", "{count} tests found", number) == said


def test_what_has_no_translation_is_said_in_english() -> None:
    """A text that is missing, empty or fuzzy is better read in English than not at all."""
    half = po.read(
        '#, fuzzy\nmsgid "a {x}"\nmsgstr "д {x}"\n\nmsgid "{count} c"\nmsgid_plural "{count} cs"\nmsgstr[0] ""'
    )
    tr = Catalogue("ru", half)

    assert tr("a {x}", x=1) == "a 1"
    assert tr("never heard of") == "never heard of"
    assert tr.count("{count} c", "{count} cs", 3) == "3 cs"


def test_a_text_may_run_over_lines_and_hold_quotes() -> None:
    """Lines are joined, and what a backslash stands before is what it means; the last entry needs no empty line."""
    read = po.read('# a comment\nmsgid ""\n"one \\"two\\""\n"\\n"\nmsgstr "\\\\n"\nmsgid "b"\nmsgstr "в"')

    assert read == (po.Entry('one "two"\n', "", ("\\n",)), po.Entry("b", "", ("в",)))


@pytest.mark.parametrize("text", ['msgctxt "a"', '"hanging"', "msgid unquoted", 'msgid "a'])
def test_a_line_that_is_not_understood_is_told(text: str) -> None:
    """A file that was damaged is not half read."""
    with pytest.raises(po.BadCatalogueError, match="line 1"):
        po.read(text)


@pytest.mark.parametrize(
    ("setting", "wanted", "code"),
    [
        ("", ["ru-RU", "en-US"], "ru"),
        ("", ["en_GB", "ru_RU"], "en"),
        ("", ["ru_RU", "en_GB"], "ru"),
        ("", ["de-DE", "ru"], "ru"),
        ("", ["C"], "en"),
        ("", [], "en"),
        ("en", ["ru"], "en"),
        ("ru", ["C"], "ru"),
    ],
)
def test_the_language_is_the_setting_s_or_the_first_that_the_person_reads(
    setting: str, wanted: list[str], code: str
) -> None:
    """A setting goes first, then the system's order of languages, then English."""
    assert language_for(setting, wanted) == code
