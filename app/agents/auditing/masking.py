"""Takes secrets out of what checks tell, whatever they look for: a report is kept, passed on, and read by agents."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from app.agents.auditing.checks.secrets.masking import end_masked, masked
from app.agents.auditing.checks.secrets.rules import own_rules
from app.agents.auditing.checks.secrets.scanner import Scanner, own_scanner
from app.agents.auditing.host.builtin import BUILT_IN
from app.agents.auditing.standing import CLAIMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from app.domain.findings import Checked, Finding

    _Look = Callable[[Scanner, bytes], Iterable[tuple[int, int, bool]]]

SECRETS = "secrets"
"""The check whose evidence is masked already: to mask it once more would make other findings of the same ones."""
_TEXTS = ("title", "evidence", "detail", "remedy")
_BETWEEN = b"\n\0\n"
"""No secret reaches over it from one text into the next."""
_PROSE, _DOCUMENT = "text", "text.md"
"""Names by which the rules look: that of no kind of file, and one in which `password: value` counts."""
_SHORTEST = 6
"""Of a value that is masked also where nothing gives it away."""
_KEY_IDS = "aws-access-key"
"""The id of a key is no secret, and in the audit of an account it says which key is meant."""


@dataclass(frozen=True, slots=True)
class _Covered:
    """A text without its secrets, and the values that were in it."""

    text: str
    values: tuple[str, ...]


def without_secrets(checked: Checked) -> Checked:
    """Return what a check came to with every secret masked, in what it found and in its reasons. Blocks for a moment.

    A file or a resource keeps its name, unless the name holds what is a secret for sure.

    Args:
        checked: What the check came to.
    """
    check, findings, outcome = checked.outcome.check, checked.findings, checked.outcome
    places = [BUILT_IN[each] for each in {check, *(each.check for each in findings)} if each in BUILT_IN]
    scanner = _scanner(is_of_account=any(place.of_accounts for place in places))
    names = [name for name in _TEXTS if check != SECRETS or name != "evidence"]
    told = list(chain(outcome.reasons, (getattr(each, name) for each in findings for name in names)))
    prose = _covered(told, scanner, _suspects)
    lines = {}
    if "evidence" in names:
        lines = _covered([each.evidence for each in findings if _is_document(each.path)], scanner, _in_documents)
    # By its path a claim is told apart from those of other markers.
    paths = _covered([each.path for each in findings if each.check != CLAIMS], scanner, _sure)
    reasons = tuple(prose[each].text if each in prose else each for each in outcome.reasons)
    if not prose and not lines and not paths and not any(map(_may_be_cut, findings)):
        return checked
    return replace(
        checked,
        outcome=replace(outcome, reasons=reasons),
        findings=tuple(_clean(each, names, prose, lines, paths) for each in findings),
    )


def text_without_secrets(text: str) -> str:
    """Return a text, such as a commit's subject, with every secret masked."""
    found = _covered([text], _scanner(is_of_account=False), _suspects).get(text)
    return text if found is None else found.text


def _clean(
    finding: Finding,
    names: Sequence[str],
    prose: Mapping[str, _Covered],
    lines: Mapping[str, _Covered],
    paths: Mapping[str, _Covered],
) -> Finding:
    texts = {name: getattr(finding, name) for name in names}
    found: dict[str, _Covered] = {}
    for name, text in texts.items():
        # What is masked as a line of a document is masked there as prose, too, and the more of it is taken.
        known = [each for each in (prose.get(text), lines.get(text) if name == "evidence" else None) if each]
        if known:
            found[name] = min(known, key=lambda each: (len(each.text), each.text))
    values = {value for each in found.values() for value in each.values if len(value) >= _SHORTEST}
    clean = {name: found[name].text if name in found else text for name, text in texts.items()}
    for value in sorted(values, key=len, reverse=True):
        clean = {name: text.replace(value, masked(value)) for name, text in clean.items()}
    if "evidence" in clean:
        clean["evidence"] = end_masked(clean["evidence"])
    path = paths[finding.path].text if finding.path in paths and finding.check != CLAIMS else finding.path
    return replace(
        finding,
        path=path,
        title=clean["title"],
        evidence=clean.get("evidence", finding.evidence),
        detail=clean["detail"],
        remedy=clean["remedy"],
    )


def _may_be_cut(finding: Finding) -> bool:
    return end_masked(finding.evidence) != finding.evidence


def _is_document(path: str) -> bool:
    name = path.rpartition("/")[2]
    return any(rule.paths is not None and rule.paths.match(name) for rule in own_rules().rules)


def _suspects(scanner: Scanner, data: bytes) -> Iterable[tuple[int, int, bool]]:
    """Yield what looks like a secret in words or code, and what is one where it stands after a name without quotes."""
    scanned = scanner.scan(data, _PROSE)
    yield from ((start, end, False) for start, end in scanned.hidden)
    yield from ((hit.start, hit.end, True) for hit in scanned.hits)
    yield from ((hit.start, hit.end, True) for hit in scanner.scan(data, _DOCUMENT).hits)


def _in_documents(scanner: Scanner, data: bytes) -> Iterable[tuple[int, int, bool]]:
    scanned = scanner.scan(data, _DOCUMENT)
    yield from ((start, end, False) for start, end in scanned.hidden)
    yield from ((hit.start, hit.end, True) for hit in scanned.hits)


def _sure(scanner: Scanner, data: bytes) -> Iterable[tuple[int, int, bool]]:
    """Yield what is a secret by its own form: in a file's name, a name before it says nothing."""
    hits = scanner.scan(data, _PROSE).hits
    yield from ((hit.start, hit.end, True) for hit in hits if not hit.rule.guess and not hit.rule.shape)


def _covered(texts: Iterable[str], scanner: Scanner, look: _Look) -> dict[str, _Covered]:
    """Return those texts in which something is masked. All are looked at in one go: findings come by the thousand."""
    known = list(dict.fromkeys(text for text in texts if text))
    parts = [text.encode("utf-8", "surrogatepass") for text in known]
    data = _BETWEEN.join(parts)
    spans = sorted(look(scanner, data)) if data else []
    made: dict[str, _Covered] = {}
    at = index = 0
    for text, part in zip(known, parts, strict=True):
        within: list[tuple[int, int, bool]] = []
        while index < len(spans) and spans[index][0] < at + len(part):
            start, end, is_sure = spans[index]
            within.append((start - at, min(end - at, len(part)), is_sure))
            index += 1
        if within:
            made[text] = _with_masks(part, within)
        at += len(part) + len(_BETWEEN)
    return made


def _with_masks(data: bytes, spans: Iterable[tuple[int, int, bool]]) -> _Covered:
    told: list[str] = []
    values: dict[str, None] = {}
    at = 0
    for start, end, is_sure in _joined(data, spans):
        value = data[start:end].decode("utf-8", "surrogatepass")
        told += [data[at:start].decode("utf-8", "surrogatepass"), masked(value)]
        if is_sure:
            values[value] = None
        at = end
    told.append(data[at:].decode("utf-8", "surrogatepass"))
    return _Covered("".join(told), tuple(values))


def _joined(data: bytes, spans: Iterable[tuple[int, int, bool]]) -> list[tuple[int, int, bool]]:
    """Return spans of which no two share a byte, and that end where characters end."""
    made: list[tuple[int, int, bool]] = []
    for first, last, is_sure in spans:
        start, end = first, last
        while start > 0 and _goes_on(data, start):
            start -= 1
        while end < len(data) and _goes_on(data, end):
            end += 1
        if made and start < made[-1][1]:
            before = made[-1]
            made[-1] = (before[0], max(end, before[1]), is_sure or before[2])
        else:
            made.append((start, end, is_sure))
    return made


def _goes_on(data: bytes, at: int) -> bool:
    """Return whether a byte is not the first of a character."""
    return data[at] & 0xC0 == 0x80  # noqa: PLR2004 - as UTF-8 has it


@functools.cache
def _scanner(*, is_of_account: bool) -> Scanner:
    """Return what looks for secrets; made when it is first needed."""
    if not is_of_account:
        return own_scanner()
    book = own_rules()
    return Scanner(replace(book, rules=tuple(rule for rule in book.rules if rule.id != _KEY_IDS)))
