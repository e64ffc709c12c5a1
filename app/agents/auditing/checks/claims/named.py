"""What a marker says was created, changed or deleted: files, and names of functions, classes and tests."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.agents.auditing.checks.claims.marker import Deed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from app.agents.auditing.checks.claims.marker import Line


@dataclass(frozen=True, slots=True)
class FileClaim:
    """A file that something is said to have been done to.

    Attributes:
        path: As the marker names it, without a line number.
        deed: What was done.
        line: The marker's line, from 1.
    """

    path: str
    deed: Deed
    line: int


@dataclass(frozen=True, slots=True)
class NameClaim:
    """A function, class or test that is said to be new.

    Attributes:
        name: Its last part alone.
        shown: As the marker names it.
        line: The marker's line, from 1.
    """

    name: str
    shown: str
    line: int


_SUFFIXES = (
    "py|pyi|pyx|ipynb|js|jsx|ts|tsx|mjs|cjs|vue|svelte|css|scss|less|html|htm|md|rst|txt|json|ya?ml|toml|cfg|ini|conf|sh"
    "|bash|ps1|bat|sql|go|rs|java|kt|swift|rb|php|c|h|cc|cpp|hpp|cs|lua|xml|csv|proto|graphql|tf|lock|env|po|qml|ui|astro"
)
_PATH = rf"(?:\.{{0,2}}/)?(?:[\w@+.\[\]()-]{{1,100}}/){{0,20}}[\w@+.-]{{1,100}}\.(?:{_SUFFIXES})"
_AT = r"(?::\d+(?:[-:]\d+)?|#L\d+(?:-L?\d+)?)?"
_QUOTED = re.compile(
    rf"`(?P<quoted>{_PATH}){_AT}`|\*\*(?P<bold>{_PATH})\*\*|\[`?(?P<link>{_PATH}){_AT}`?\]\([^)\s]{{1,300}}\)"
)
_BARE = re.compile(
    rf"(?<![\w/`.@:\\-])(?P<bare>(?:\./)?(?:[\w.-]{{1,100}}/){{1,20}}[\w.-]{{1,100}}\.(?:{_SUFFIXES}))(?![\w/`*])"
)
_ALONE = re.compile(
    r"(?<![\w/`.@:\\-])(?P<alone>\w[\w-]{0,100}\.(?:pyi?|ipynb|tsx?|jsx|go|rs|java|md|rst|txt|json|ya?ml|toml|ini|cfg"
    r"|sh|sql|html|css))(?![\w/`*(]|::|\.\w|\s+(?:to|as)\b)"
)
"""A name without folders or code signs; `Node.js` and `asp.net` are none, nor is what was added to something."""
_ITEM = re.compile(r"^\s*(?:[-*+\u2022]|\d{1,3}[.)]|#{1,6})\s+(?:\[[xX]\]\s+)?(?:[\u2705\u2714\u2713\ufe0f]+\s*)*")
_LISTED = re.compile(rf"(?P<listed>{_PATH}){_AT}(?=$|[\s,:;(]|\s-)")
_DID: dict[Deed, str] = {
    Deed.CREATED: r"created|added|wrote|introduced|implemented|new\s+(?:files?|modules?|scripts?)(?=\s*:)"
    r"|реализовал\w*|реализован\w*|новый\s+(?:файл|модуль)(?=\s*:)|создал\w*|добавил\w*|написал\w*|создан\w*|добавлен\w*",
    Deed.CHANGED: r"changed|modified|updated|fixed|edited|extended|refactored|rewrote|rewritten|improved"
    r"|изменил\w*|обновил\w*|исправил\w*|переписал\w*|изменен\w*|изменён\w*|обновлен\w*|обновлён\w*|исправлен\w*",
    Deed.DELETED: r"deleted|removed|удалил\w*|удален\w*|удалён\w*",
}
_VERB = re.compile(
    "|".join(rf"(?P<{deed.name}>(?<![\w-])(?:{words})(?!\w))" for deed, words in _DID.items()), re.IGNORECASE
)
_ONLY_TO = re.compile(
    r"^[\s*_:]*(?:(?:a|an|the|new|old|file|files|module|tests?|in|to|script|docs?|documentation|and|config\w*"
    r"|файл\w*|нов\w+|модул\w*|тест\w*|в|и|стар\w+)[\s*_:]+){0,4}$",
    re.IGNORECASE,
)
"""What may stand between a verb and the file that it speaks of."""
_FIXED_IN = re.compile(
    r"^\s+(?:[\w'-]+\s+){1,6}?(?<!ed\s)(?<!en\s)(?<!wn\s)(?<!und\s)(?:in|в)\s+(?:the\s+)?(?:file\s+|файле\s+)?$",
    re.IGNORECASE,
)
"""Between `Fixed` and a file: ` the race in `, but not ` the bug described in `."""
_AND = re.compile(r"^(?:[\s*_]*(?:,|/|\+|&|and|и)[\s*_]*(?:and|и)?\s*)$", re.IGNORECASE)
_AFTER = re.compile(r"^[\s*_]*(?:[-\u2013\u2014:(|>\u2192]+|was|were|has been|is now|is)[\s*_]*$", re.IGNORECASE)
_FROM = re.compile(r"^\s*(?:from|in|usages?|references?|из|в)\b", re.IGNORECASE)

_UNSAID = re.compile(r"implemented|реализ", re.IGNORECASE)
"""What says in a table how far a thing is, and not that a file is new."""
_NAME = re.compile(
    r"`(?P<before>(?:def|class|async def|func|function|fn)\s+)?(?P<shown>[A-Za-z_][\w.:/-]{1,150})"
    r"(?P<call>\([^`\n]{0,120}\))?`"
)
_PLAIN_NAME = re.compile(
    r"(?<![\w`./:-])(?:(?P<shown>[A-Za-z_]\w{2,100})\(\)|(?P<test>test_\w{1,100})(?![\w(`/*-]|::|\.\w)"
    r"|(?<=class )(?P<class>[A-Z]\w{2,100})(?![\w(`/*-]|\.\w))"
)
"""A name without code signs: `discount()`, `test_rounding`, `class Cart`."""
_KIND = re.compile(
    r"(?:function|method|class|dataclass|protocol|exception|test|fixture|decorator|функци\w+|метод\w*|класс\w*|тест\w*)s?",
    re.IGNORECASE,
)
_ADDED = re.compile(
    r"(?<![\w-])(?:added|implemented|created|introduced|wrote|добавил\w*|реализовал\w*|создал\w*|добавлен\w*|реализован\w*)(?!\w)",
    re.IGNORECASE,
)
_BETWEEN = re.compile(
    r"^[\s*_:]*(?:(?:a|an|the|new|and|async|abstract|helper|public|private|unit|regression|integration|function|method"
    r"|class|dataclass|protocol|exception|test|fixture|decorator|нов\w+|и|функци\w+|метод\w*|класс\w*|тест\w*)s?[\s*_:]+){0,5}$",
    re.IGNORECASE,
)


def files_in(lines: Iterable[Line]) -> Iterator[FileClaim]:
    """Yield the files that something is said to have been done to. What is unclear is left out."""
    for line in lines:
        if line.claims and not line.in_fence:
            yield from _table(line) if line.text.lstrip().startswith("|") else _prose(line)


def names_in(lines: Iterable[Line]) -> Iterator[NameClaim]:
    """Yield the functions, classes and tests that are said to be new."""
    for line in lines:
        if not line.claims or line.in_fence or line.text.lstrip().startswith("|"):
            continue
        for verb in _ADDED.finditer(line.text):
            yield from _added(line, verb.end())


def _added(line: Line, end: int) -> Iterator[NameClaim]:
    """Yield the names that stand directly behind a verb, which ends there."""
    kind = ""
    told = [*_NAME.finditer(line.text, end), *_PLAIN_NAME.finditer(line.text, end)]
    for found in sorted(told, key=lambda each: each.start()):
        between = line.text[end : found.start()]
        if not (_BETWEEN.match(between) or _AND.match(between)):
            return
        kind += between
        end = found.end()
        behind = line.text[end : end + 20].split()
        if found.re is _PLAIN_NAME or _is_name(found, kind, behind[0] if behind else ""):
            shown = next(filter(None, (found.groupdict().get(each) for each in ("shown", "test", "class"))))
            name = re.split(r"::|\.", shown)[-1]
            if re.fullmatch(r"[A-Za-z_]\w{2,}", name):
                yield NameClaim(name, shown, line.number)


def _is_name(found: re.Match[str], kind: str, behind: str) -> bool:
    shown = found["shown"]
    if re.search(r"[/-]", shown.partition("::")[0]) and "::" not in shown:
        return False
    if re.search(rf"\.(?:{_SUFFIXES})$", shown):
        return False
    is_said = _KIND.search(kind) or _KIND.match(behind)
    return bool(found["call"] or found["before"] or shown.rpartition("::")[2].startswith("test_") or is_said)


def _table(line: Line) -> Iterator[FileClaim]:
    """A row whose first cell is a file, and in which another one is a verb alone, or has one in front."""
    cells = [each.strip() for each in line.text.strip().strip("|").split("|")]
    path = _whole(cells[0])
    if not path:
        return
    for cell in cells[1:]:
        words = re.sub(r"[*_`\W]+", " ", cell).split()
        verb = _VERB.fullmatch(words[0]) if words else None
        if verb is not None and not _UNSAID.match(words[0]) and len(words) <= 3:  # noqa: PLR2004 - `Modified (additive)`
            yield FileClaim(path, _deed(verb), line.number)
            return
        if words and words[0].lower() in {"new", "новый"} and len(words) == 1:
            yield FileClaim(path, Deed.CREATED, line.number)
            return
    if line.deed in {Deed.CREATED, Deed.CHANGED}:
        yield FileClaim(path, line.deed, line.number)


def _prose(line: Line) -> Iterator[FileClaim]:
    text = line.text
    found = [(match, _path(match)) for match in _named(text)]
    found.sort(key=lambda each: each[0].start())
    if not found:
        return
    first = found[0][0]
    item = _ITEM.match(text)
    leads = item is not None and text[item.end() : first.start()].strip("*_ ") == ""
    verbs = list(_VERB.finditer(text))
    claimed = False
    for verb in verbs:
        end = verb.end()
        deed = _deed(verb)
        for match, path in found:
            if match.start() < end:
                continue
            between = text[end : match.start()]
            if not (_leads_to(deed, between) if end == verb.end() else _AND.match(between)):
                break
            if deed is Deed.DELETED and _FROM.match(text[match.end() :]):
                break
            end, claimed = match.end(), True
            yield FileClaim(path, _weaker(deed, between), line.number)
    if leads and not claimed:
        behind = next((verb for verb in verbs if _AFTER.match(text[first.end() : verb.start()])), None)
        if behind is not None and _deed(behind) is not Deed.DELETED:
            yield FileClaim(found[0][1], Deed.CHANGED, line.number)
        elif line.deed is not Deed.NONE and not (line.deed is Deed.DELETED and behind):
            yield FileClaim(found[0][1], line.deed, line.number)


def _leads_to(deed: Deed, between: str) -> bool:
    """Return whether a verb speaks of the file that stands behind it."""
    if deed is Deed.DELETED and re.search(r"\b(?:in|to|from|tests?|docs?|в)\b", between, re.IGNORECASE):
        return False
    return bool(_ONLY_TO.match(between) or (deed is Deed.CHANGED and _FIXED_IN.match(between)))


def _weaker(deed: Deed, between: str) -> Deed:
    """`Added tests to a.py` says that a.py was changed, `Added a.py` that it is new."""
    is_within = re.search(r"\b(?:in|to|в)\b", between, re.IGNORECASE) is not None
    return Deed.CHANGED if deed is Deed.CREATED and is_within else deed


def _named(text: str) -> Iterator[re.Match[str]]:
    taken: list[tuple[int, int]] = []
    for match in _QUOTED.finditer(text):
        taken.append(match.span())
        yield match
    item = _ITEM.match(text)
    if item and (listed := _LISTED.match(text, item.end())):
        taken.append(listed.span())
        yield listed
    for pattern in (_BARE, _ALONE):
        for match in pattern.finditer(text):
            if not any(start <= match.start() < end for start, end in taken):
                yield match


def _path(match: re.Match[str]) -> str:
    return next(group for group in match.groups() if group)


def _whole(cell: str) -> str:
    """Return the path that a cell consists of; empty when there is more in it."""
    found = re.fullmatch(rf"[`*\s]*(?P<path>{_PATH}){_AT}[`*\s]*", cell) or _QUOTED.fullmatch(cell)
    return _path(found) if found else ""


def _deed(verb: re.Match[str]) -> Deed:
    return Deed[verb.lastgroup or ""]
