"""Tells what of an audit's findings is new, known, fixed or muted."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from app.domain.findings import AuditVerdict, Finding, Mute, Standing, Standings, weighs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from app.domain.findings import AuditReport, Checked

BASELINE = "It is in the baseline."

CLAIMS = "claims"
"""The check whose findings are each about one marker, and which looks at those alone that an audit names."""

_BUT = ", and "
_ORDER = {Standing.NEW: 0, Standing.KNOWN: 1, Standing.FIXED: 2, Standing.MUTED: 3}


def fingerprinted(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings with their fingerprints; the same one told twice is one.

    The check, the rule, the file and the evidence without its spacing count, and no line number: a line that moves
    keeps its finding known. Of several alike in one file each has its number, in the order of lines. Of a resource that
    is no file the resource counts in place of the evidence, which is how it is set now: a policy that is still as open
    with other words is the same finding. Of a marker that says what is not so, what it says counts, in whatever line.
    """
    seen: set[tuple[object, ...]] = set()
    numbers: Counter[str] = Counter()
    made = []
    for each in sorted(findings, key=lambda one: (one.path, one.line, one.check, one.rule, one.resource)):
        place = (each.check, each.rule, each.path, each.line, each.commit, each.title, each.evidence, each.resource)
        if place in seen:
            continue
        seen.add(place)
        which = each.resource or _claimed(each) or "".join((each.evidence or each.title).split())
        said = f"{each.check}\0{each.rule}\0{each.path}\0{which}"
        numbers[said] += 1
        print_ = hashlib.sha256(f"{said}\0{numbers[said]}".encode("utf-8", "surrogatepass")).hexdigest()[:24]
        made.append(replace(each, fingerprint=print_))
    return tuple(made)


def _claimed(finding: Finding) -> str:
    """Return what a marker claims: its words to the comma, behind which stands what is so."""
    return finding.title.partition(_BUT)[0].casefold() if finding.check == CLAIMS else ""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is known of a project's audits before.

    Attributes:
        findings: What each check found last, by its id and by fingerprints.
        mutes: What is to be silent, by fingerprint.
        baseline: Fingerprints that the project itself has accepted.
    """

    findings: Mapping[str, Mapping[str, Finding]] = field(default_factory=dict)
    mutes: Mapping[str, Mute] = field(default_factory=dict)
    baseline: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Judged:
    """An audit's findings, and what to remember of them.

    Attributes:
        findings: What was found, the most severe first, new before known; muted ones last.
        fixed: What was there before and is no more; what is only told leaves as it came.
        findings_by_check: What is there now, to be remembered.
    """

    findings: tuple[Standings, ...]
    fixed: tuple[Finding, ...]
    findings_by_check: Mapping[str, Mapping[str, Finding]]


def judged(results: Sequence[Checked], before: Remembered, *, now: float, markers: Collection[str] = ()) -> Judged:
    """Return how an audit's findings stand to those before.

    Of a check that could not look at everything nothing is fixed, and what it found before is remembered: it is not new
    when it is seen again. The same holds of checks that were not run, and of claims of markers that nobody looked at.

    Args:
        results: What the checks came to.
        before: What is known.
        now: Wall-clock time, by which mutes expire.
        markers: The markers whose claims were looked at.
    """
    told: list[Standings] = []
    fixed: list[Finding] = []
    remembered = {check: dict(found) for check, found in before.findings.items()}
    for result in results:
        check, is_whole = result.outcome.check, not result.outcome.reasons
        is_whole = is_whole and result.outcome.verdict is not AuditVerdict.UNKNOWN and not result.outcome.left_out
        old = before.findings.get(check, {})
        found = {each.fingerprint: each for each in fingerprinted(result.findings)}
        told += [_standing(each, old, before, now) for each in found.values()]
        if is_whole:
            seen = {print_: each for print_, each in old.items() if check != CLAIMS or each.path in markers}
            fixed += [each for print_, each in seen.items() if print_ not in found and weighs(each)]
            remembered[check] = {print_: each for print_, each in old.items() if print_ not in seen} | found
        else:
            remembered[check] = {**old, **found}
    told.sort(key=_weight)
    fixed.sort(key=lambda each: (-each.severity.rank, each.path, each.line, each.resource))
    return Judged(tuple(told), tuple(fixed), remembered)


def rejudged(report: AuditReport, mutes: Mapping[str, Mute], *, now: float) -> AuditReport:
    """Return a report of before with what is muted now; what was muted then and is no more is known."""
    told = []
    for each in report.findings:
        mute = mutes.get(each.finding.fingerprint)
        if mute is not None and (not mute.until or mute.until > now):
            told.append(Standings(each.finding, Standing.MUTED, mute.reason))
        elif each.standing is Standing.MUTED and each.reason != BASELINE:
            told.append(Standings(each.finding, Standing.KNOWN))
        else:
            told.append(each)
    return replace(report, findings=tuple(sorted(told, key=_weight)))


def _standing(finding: Finding, old: Mapping[str, Finding], before: Remembered, now: float) -> Standings:
    mute = before.mutes.get(finding.fingerprint)
    if mute is not None and (not mute.until or mute.until > now):
        return Standings(finding, Standing.MUTED, mute.reason)
    if finding.fingerprint in before.baseline:
        return Standings(finding, Standing.MUTED, BASELINE)
    return Standings(finding, Standing.KNOWN if finding.fingerprint in old else Standing.NEW)


def _weight(each: Standings) -> tuple[object, ...]:
    finding = each.finding
    is_muted = each.standing is Standing.MUTED
    return (
        is_muted,
        -finding.severity.rank,
        _ORDER[each.standing],
        finding.path,
        finding.line,
        finding.rule,
        finding.resource,
    )
