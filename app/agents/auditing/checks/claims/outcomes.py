"""What a marker says of the tests' outcomes and of coverage."""

# ruff: noqa: RUF001 - Russian words stand beside English ones

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from app.agents.auditing.checks.claims.marker import Line


@dataclass(frozen=True, slots=True)
class TestsClaim:
    """What is said of how the tests ended.

    Attributes:
        line: The marker's line, from 1.
        said: The words that say it.
        all_pass: Whether it says that none is red.
        passed: How many are said to pass; None when that is not said.
        within: The test file or folder that alone is meant; empty for all tests.
        is_count: Whether it only says how many there are.
    """

    line: int
    said: str
    all_pass: bool
    passed: int | None = None
    within: str = ""
    is_count: bool = False

    __test__ = False


@dataclass(frozen=True, slots=True)
class CoverageClaim:
    """What is said of the coverage of the whole project.

    Attributes:
        line: The marker's line, from 1.
        said: The words that say it.
        percent: How much.
    """

    line: int
    said: str
    percent: float


_COUNT = r"(?P<count>\d{1,3}(?:[ ,]\d{3})+|\d{1,6})"
_GOES = r"(?:pass(?:ed|es|ing)?|succeed(?:ed)?|successful|green)"
_ALL = re.compile(
    rf"\ball\s+(?:of\s+)?(?:the\s+)?(?:{_COUNT}\s+)?(?P<some>(?:[\w-]+\s+){{0,2}}?)tests?\s+(?:in\s+\S{{1,200}}\s+)?(?:are\s+|were\s+|is\s+|now\s+|do\s+)*{_GOES}\b"
    rf"|\btests?\s*:\s*\W{{0,6}}\s*all\s+{_GOES}\b"
    r"|\b(?P<whole>entire|whole|full)\s+test\s+suite\s+(?:is\s+|now\s+)*(?:pass(?:es|ed|ing)|green)\b"
    r"|\btest suite is (?:fully )?green\b|\b(?:0|no|zero)\s+(?:test\s+)?(?:failures|failed|failing(?: tests?)?)\b"
    r"|\b100\s?%\s+(?:of\s+)?(?:the\s+)?tests?\s+pass(?:ed|ing)?\b|\btests?\s+(?:are\s+)?100\s?%\s+(?:passing|green)\b",
    re.IGNORECASE,
)
_ALL_RU = re.compile(
    rf"(?<!\w)все\s+(?:{_COUNT}\s+)?(?P<some>(?:[\w-]+\s+){{0,2}}?)тест(?:ы|ов|а)?\s+(?:успешно\s+)?"
    r"(?:проход\w+|прошл\w+|пройден\w*|зел[её]н\w+)(?!\w)"
    r"|(?<!\w)(?:0|нет)\s+(?:упавших|падающих|провал\w+)(?:\s+тестов)?(?!\w)|(?<!\w)тесты\s*:\s*все\s+(?:зел[её]н\w+|прошл\w+)",
    re.IGNORECASE,
)
_PLAIN = re.compile(
    r"(?:^|[.;:!?(\u2014\u2013]|\b(?:and|so)\s|(?<!\w)(?:и|а)\s)[^\w.;:!?(]{0,12}"
    rf"(?P<said>(?:(?:the|now)\s+){{0,2}}(?:tests\s+(?:are\s+|now\s+|all\s+|still\s+){{0,3}}{_GOES}"
    r"|test\s+suite\s+(?:now\s+)?(?:passes|passed|succeeds|is\s+(?:green|passing)))"
    r"|(?:теперь\s+)?тесты\s+(?:теперь\s+|успешно\s+|снова\s+){0,2}(?:проходят|прошли|пройдены|зел[её]ные))"
    r"(?=\s*(?:[.,;!)\u2705\u2714\u2713\U0001f389]|$|and\b|и\s))",
    re.IGNORECASE,
)
"""That tests pass, where a sentence or a part of one begins and ends with it: all of them are meant."""
_COUNTED = re.compile(
    r"\s*[(:,\u2013\u2014-]\s*(?P<count>\d{1,6})(?:\s*/\s*(?P<of>\d{1,6}))?"
    r"(?(of)\b|\s+(?:(?:in\s+)?total|tests?|passed|passing|green|тест(?:ов|а)?)(?!\w))",
    re.IGNORECASE,
)
"""How many, behind the words that all pass."""
_NEW = re.compile(
    r"(?<![\w./,-])(?P<count>\d{1,5})\s+(?:new|additional|нов(?:ых|ые|ый))\s+"
    r"(?:(?:unit|pytest|regression|integration)\s+)?(?:tests?|тест(?:ов|а)?)(?![\w-])",
    re.IGNORECASE,
)
_SOME = re.compile(
    rf"(?<![\w./,-]){_COUNT}(?:\s*/\s*(?P<of>\d{{1,6}}))?\s+(?:(?:unit|new|total|automated|pytest)\s+)?tests?\s+(?:are\s+|now\s+|all\s+)*{_GOES}\b"
    rf"|(?<![\w./,-])(?P<passed>\d{{1,6}})\s+passed\b(?!\s+(?:checks|stages|steps))"
    rf"|\btests?\s*(?:passed|passing)?\s*:\s*\W{{0,6}}(?P<ratio>\d{{1,6}})\s*/\s*(?P<ratio_of>\d{{1,6}})\b"
    rf"|(?<![\w./,-])(?P<ru>\d{{1,6}})\s+тест(?:ов|а)?\s+(?:успешно\s+)?(?:проход\w+|прошл\w+|пройден\w*|зел[её]н\w+)(?!\w)",
    re.IGNORECASE,
)
_FAILED = re.compile(
    r"\b[1-9]\d{0,5}\s+(?:tests?\s+)?(?:are\s+)?(?:still\s+)?(?:fail(?:ed|ing|ures?|s)?|errors?|red)\b"
    r"|(?<!\w)[1-9]\d{0,5}\s+(?:тест\w*\s+)?(?:упал\w*|пада\w+|провал\w+)|\bxfail\b",
    re.IGNORECASE,
)
_EXCEPT = re.compile(
    r"\b(?:except|but|apart from|besides|other than|however)\b|(?<!\w)(?:кроме|за исключением|но)(?!\w)", re.IGNORECASE
)
_PARTIAL = re.compile(
    r"\b(?:vitest|jest|cargo|go test|mocha|npm|yarn|playwright|cypress|frontend|front-end|e2e|rspec|phpunit|junit|ctest"
    r"|smoke|acceptance|manual|javascript|typescript)\b",
    re.IGNORECASE,
)
_PLACE = re.compile(r"(?P<place>(?:[\w.-]+/)*[\w.-]*tests?[\w.-]*(?:/[\w.-]+)*(?:\.py|/))(?![\w/])")
_LEADS = re.compile(r"(?!.*(?:[.,;!?]\s|\b(?:and|see)\b|(?<!\w)(?:и|см)(?!\w)))\W*(?:[\w-]+\W+){0,3}")
"""What may stand between a place and the words that its tests pass."""
_INSIDE = re.compile(
    r"\s*[(:\u2013\u2014-]?\s*(?:(?:in|of|for|from|under|inside|within|в|из|для)\s+)?(?:the\s+)?"
    r"(?:(?:file|folder|module|файле?|модул[ея])\s+)?",
    re.IGNORECASE,
)
"""What may stand between these words and the place that they speak of."""
_COMMAND = re.compile(r"\bpytest\s[^.;,]{0,80}$")
_NEAR = 80

_PERCENT = r"(?P<{0}>\d{{1,3}}(?:[.,]\d{{1,2}})?)\s?%"
_COVERAGE = re.compile(
    r"\b(?:(?:test|code|line|total|overall)\s+)*coverage\b(?:\s+(?:is|was|now|at|of|to|stands|reached|increased|rose|up|from|total)\b"
    r"|\s*[:=|*~\u2248]+|\s*\([^)\d]{0,20}|\s*\d{1,3}(?:[.,]\d+)?\s?%\s*(?:\u2192|->|to)){0,5}\s*"
    + _PERCENT.format("after")
    + r"|"
    + _PERCENT.format("before")
    + r"\s+(?:(?:test|code|line|total|overall)\s+)*coverage\b"
    r"|(?<!\w)покрыти\w+(?:\s+(?:тестами|кода|составляет|выросло|теперь|до|с)|\s*[:=\u2014-]+|\s*\d{1,3}(?:[.,]\d+)?\s?%\s*(?:\u2192|->|до)){0,5}\s*"
    + _PERCENT.format("ru"),
    re.IGNORECASE,
)
_NOT_WHOLE = re.compile(
    r"`[^`]+`|\.py\b|\b(?:target|goal|threshold|minimum|at least|required?|floor|branch|patch|diff|new code"
    r"|module|per[- ]file"
    r"|function|docstring|type|increased by|up by|backend|frontend|core|package|class|api)\b|>=|\u2265|[+]\s?\d"
    r"|(?<!\w)(?:не менее|порог|цель|минимум|ветв\w+|модул\w+|файл\w*)(?!\w)",
    re.IGNORECASE,
)


def outcomes_claimed(lines: Iterable[Line]) -> Iterator[TestsClaim]:
    """Yield what is said of how the tests ended. What is only hoped, or half said, is left out."""
    for line in lines:
        text = re.sub(r"\*{1,3}|`|__", "", line.text) if not line.in_fence else line.text
        if not line.claims or _PARTIAL.search(text):
            continue
        yield from _claimed(line.number, text)


def _claimed(number: int, text: str) -> Iterator[TestsClaim]:
    whole = _ALL.search(text) or _ALL_RU.search(text) or _PLAIN.search(text)
    some = _SOME.search(text)
    of = some["of"] or some["ratio_of"] if some is not None else None
    is_half = some is not None and of is not None and _first_count(some) != int(of)
    if whole is not None:
        words = whole.groupdict()
        within = _place(text, whole)
        is_part = bool((words.get("some") or "").strip())
        if _FAILED.search(text) or _EXCEPT.search(text) or (is_part and not within):
            whole = None
        else:
            counted = _COUNTED.match(text, whole.end())
            count = _count(words.get("count")) or (_count(counted["count"]) if counted else None)
            if count is None and some is not None and not is_half:
                count = _first_count(some)
            said = (words.get("said") or whole[0]).strip()
            yield TestsClaim(number, said, all_pass=True, passed=count, within=within)
    if whole is None and some is not None and not is_half:
        yield TestsClaim(number, some[0].strip(), all_pass=False, passed=_first_count(some), within=_place(text, some))
    if some is None and (new := _NEW.search(text)) is not None:
        yield TestsClaim(number, new[0], all_pass=False, passed=_count(new["count"]), is_count=True)


def _place(text: str, claim: re.Match[str]) -> str:
    """Return the test file or folder that a claim speaks of; one that only stands in the same line is not meant."""
    for found in _PLACE.finditer(text):
        if claim.start() <= found.start() and found.end() <= claim.end():
            return found["place"]
        if found.end() <= claim.start():
            between = text[found.end() : claim.start()]
            is_meant = len(between) < _NEAR and _LEADS.fullmatch(between) is not None
            is_meant = is_meant or _COMMAND.search(text[: found.start()]) is not None
        else:
            is_meant = _INSIDE.fullmatch(text[claim.end() : found.start()][:_NEAR]) is not None
        if is_meant:
            return found["place"]
    return ""


def coverage_claimed(lines: Iterable[Line]) -> Iterator[CoverageClaim]:
    """Yield what is said of the coverage of the whole project."""
    for line in lines:
        text = re.sub(r"[*_]{1,3}", "", line.text)
        if not line.claims or line.in_fence or _NOT_WHOLE.search(text):
            continue
        for found in _COVERAGE.finditer(text):
            percent = float((found["after"] or found["before"] or found["ru"]).replace(",", "."))
            if percent <= 100:  # noqa: PLR2004 - a whole
                yield CoverageClaim(line.number, found[0].strip(), percent)
                break


def _first_count(found: re.Match[str]) -> int | None:
    return _count(found["count"] or found["passed"] or found["ratio"] or found["ru"])


def _count(text: str | None) -> int | None:
    return int(re.sub(r"\D", "", text)) if text else None
