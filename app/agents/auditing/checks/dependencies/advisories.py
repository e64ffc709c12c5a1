"""Reads advisories of the OSV schema, and folds those that tell of the same vulnerability."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from app.agents.auditing.checks.dependencies.pins import PYPI, normalized
from app.agents.auditing.checks.dependencies.versions import is_affected, key_of, least_fixed
from app.domain.findings import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_FIRST = ("MAL-", "CVE-", "GHSA-", "PYSEC-")
"""By which of its names a vulnerability is called: the one that people look up."""
_MALICIOUS = "MAL-"
_WORDS = {
    "LOW": Severity.LOW,
    "MODERATE": Severity.MEDIUM,
    "MEDIUM": Severity.MEDIUM,
    "HIGH": Severity.HIGH,
    "CRITICAL": Severity.CRITICAL,
}
_BANDS = ((9.0, Severity.CRITICAL), (7.0, Severity.HIGH), (4.0, Severity.MEDIUM))
"""The qualitative ratings of CVSS v3.1 and v4.0."""
_CALCULATORS = {"CVSS_V4": "CVSS4", "CVSS_V3": "CVSS3"}
_LONGEST = 2000
_UNNAMED = "unnamed"


@dataclass(frozen=True, slots=True)
class Package:
    """A package at a version, wherever it is pinned.

    Attributes:
        ecosystem: `PyPI` or `npm`.
        name: As in a pin.
        version: As in a pin.
    """

    ecosystem: str
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Vulnerability:
    """What one or more advisories tell of a package's version.

    Attributes:
        id: The name by which people look it up: CVE before GHSA before PYSEC.
        aliases: Its other names.
        summary: What is wrong, in one line; may be empty.
        detail: More about it.
        severity: The highest that an advisory gives; MEDIUM when none does.
        fixed: The version to update to; empty when none is known.
    """

    id: str
    aliases: tuple[str, ...]
    summary: str
    detail: str
    severity: Severity
    fixed: str

    @property
    def is_malicious(self) -> bool:
        """Whether the package itself is an attack."""
        return self.id.startswith(_MALICIOUS)


def of_package(record: Mapping[str, Any], package: Package) -> list[Mapping[str, Any]]:
    """Return those `affected` objects of an advisory that are of a package, at whichever version."""
    found: list[Mapping[str, Any]] = []
    for each in _objects(record.get("affected")):
        about = each.get("package")
        if isinstance(about, dict) and about.get("ecosystem") == package.ecosystem:
            name = str(about.get("name"))
            if (normalized(name) if package.ecosystem == PYPI else name) == package.name:
                found.append(each)
    return found


def tells_of(record: Mapping[str, Any], package: Package) -> bool:
    """Return whether an advisory, which is not withdrawn, tells of a package's version.

    Raises:
        NoVersion: It cannot be told: a version cannot be compared.
    """
    if is_withdrawn(record):
        return False
    return any(is_affected(package.ecosystem, package.version, each) for each in of_package(record, package))


def is_withdrawn(record: Mapping[str, Any]) -> bool:
    """Return whether an advisory was taken back."""
    return bool(record.get("withdrawn"))


def folded(package: Package, records: Iterable[Mapping[str, Any]]) -> list[Vulnerability]:
    """Return the vulnerabilities of which advisories tell, each once however many tell of it.

    Args:
        package: The one that is affected.
        records: Advisories that tell of it. Withdrawn ones count for nothing.
    """
    groups: list[tuple[set[str], list[Mapping[str, Any]]]] = []
    for record in records:
        if is_withdrawn(record):
            continue
        names, together = _names(record), [record]
        apart = []
        for others, members in groups:
            if names & others:
                names, together = names | others, members + together
            else:
                apart.append((others, members))
        groups = [*apart, (names, together)]
    return sorted((_vulnerability(package, *group) for group in groups), key=lambda each: each.id)


def _vulnerability(package: Package, names: set[str], records: list[Mapping[str, Any]]) -> Vulnerability:
    ordered = sorted(names, key=_rank)
    records = sorted(records, key=lambda record: _rank(str(record.get("id"))))
    texts = [" ".join(str(record.get("summary") or "").split()) for record in records]
    details = [str(record.get("details") or "").strip() for record in records]
    severities = [each for record in records if (each := _severity(record, package)) is not None]
    fixes = [least_fixed(package.ecosystem, package.version, of_package(record, package)) for record in records]
    fixes = [each for each in fixes if each]
    return Vulnerability(
        id=ordered[0],
        aliases=tuple(ordered[1:]),
        summary=next(filter(None, texts), "")[:200],
        detail=next(filter(None, details), "")[:_LONGEST],
        severity=max(severities, key=lambda each: each.rank, default=Severity.MEDIUM),
        # where advisories disagree, the later version is fixed by the word of both
        fixed=max(fixes, key=lambda each: key_of(package.ecosystem, each), default=""),
    )


def _names(record: Mapping[str, Any]) -> set[str]:
    aliases = record.get("aliases")
    names = [record.get("id"), *(aliases if isinstance(aliases, list) else [])]
    return {each[:100] for each in names if isinstance(each, str) and each.isprintable() and each} or {_UNNAMED}


def _rank(name: str) -> tuple[int, str]:
    return next((at for at, start in enumerate(_FIRST) if name.startswith(start)), len(_FIRST)), name


def _severity(record: Mapping[str, Any], package: Package) -> Severity | None:
    if str(record.get("id")).startswith(_MALICIOUS):
        return Severity.CRITICAL
    affected = of_package(record, package)
    given = [each for about in [*affected, record] for each in _objects(about.get("severity"))]
    for kind, calculator in _CALCULATORS.items():
        for each in given:
            if each.get("type") == kind and (score := _score(calculator, str(each.get("score")))) is not None:
                return next((severity for least, severity in _BANDS if score >= least), Severity.LOW)
    for about in [record, *affected]:
        specific = about.get("database_specific")
        if isinstance(specific, dict) and (word := _WORDS.get(str(specific.get("severity")).upper())):
            return word
    return None


def _score(calculator: str, vector: str) -> float | None:
    """Return the base score of a vector; None when it is none."""
    cvss = import_module("cvss")
    try:
        return float(getattr(cvss, calculator)(vector).base_score)
    except (cvss.CVSSError, ValueError, TypeError, KeyError):
        return None


def _objects(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
