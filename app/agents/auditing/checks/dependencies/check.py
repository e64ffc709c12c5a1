"""Vulnerable dependencies: the check."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from app.agents.auditing.checks.dependencies.advisories import Package, Vulnerability, folded, tells_of
from app.agents.auditing.checks.dependencies.database import Database, Unusable
from app.agents.auditing.checks.dependencies.osv import BASE, Osv, OutOfReach, gathered
from app.agents.auditing.checks.dependencies.project import listed_files, without_locked
from app.agents.auditing.checks.dependencies.versions import NoVersion, key_of
from app.agents.auditing.plugin import Check, Finding, NotKnown, Severity, Told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from app.agents.auditing.checks.dependencies.pins import Listed, Pin
    from app.agents.auditing.context import Context

_NAMED = 30
"""Names that a finding tells."""
_OLD = timedelta(days=30)


class Dependencies(Check):
    """Finds pinned dependencies of which an advisory tells, by OSV or by a database of advisories on this machine.

    Options:
        osv: OSV's address, https://api.osv.dev by default; empty, and nobody is asked.
        database: A folder or zip of advisories as OSV publishes them. With it nobody is asked.
        exclude: Path patterns that are left out.
    """

    id: ClassVar[str] = "dependencies"
    title: ClassVar[str] = "Vulnerable dependencies"

    async def scan(self, context: Context) -> AsyncIterator[Told]:
        """Yield each pin of which an advisory tells; what could not be asked or read is not known."""
        exclude = tuple(str(each) for each in context.options.get("exclude") or ())
        files = await asyncio.to_thread(lambda: list(listed_files(context, exclude)))
        without_locked(files)
        for path, listed in files:
            for trouble in listed.troubles:
                yield NotKnown(trouble)
            for informed in self._informed(path, listed):
                yield informed
        pins = _by_package(pin for _, listed in files for pin in listed.pins)
        for odd in _without_version(pins) if pins else _unpinned(listed for _, listed in files):
            yield odd
        if not pins:
            return
        database = str(context.options.get("database") or "")
        if database:
            for told in await asyncio.to_thread(lambda: list(self._looked_up(context, Path(database), pins))):
                yield told
            return
        base = str(context.options.get("osv", BASE) or "")
        if not base:
            yield NotKnown("nobody is asked for advisories, and there is no database of them: set osv or database")
            return
        async for told in self._asked(context, base, pins):
            yield told

    async def _asked(self, context: Context, base: str, pins: dict[Package, list[Pin]]) -> AsyncIterator[Told]:
        try:
            async with Osv(base, context.cache / "advisories") as osv:
                named = await osv.naming(list(pins))
                records = await gathered(osv, (each for found in named.values() for each in found))
        except OutOfReach as error:
            yield NotKnown(f"no advisories could be had: {error}")
            return
        for package, found in named.items():
            known = []
            for each in found:
                record = records[each.id]
                if isinstance(record, OutOfReach):
                    yield NotKnown(f"{each.id}, which tells of {_called(package)}, could not be read: {record}")
                else:
                    known.append(record)
            for vulnerable in self._found(package, known, pins[package]):
                yield vulnerable

    def _looked_up(self, context: Context, path: Path, pins: dict[Package, list[Pin]]) -> Iterator[Told]:
        known: dict[Package, list[dict[str, Any]]] = {}
        try:
            database = Database(path, context.cache)
            for package, record in database.records(pins):
                try:
                    if tells_of(record, package):
                        known.setdefault(package, []).append(record)
                except NoVersion as error:
                    yield NotKnown(f"whether {record.get('id')} tells of {_called(package)} is not known: {error}")
        except Unusable as error:
            yield NotKnown(f"no advisories could be had: {error}")
            return
        for ecosystem in sorted({package.ecosystem for package in pins} - database.ecosystems):
            yield NotKnown(f"{path} holds no advisories of {ecosystem}")
        if database.unread:
            yield NotKnown(f"{database.unread} of the advisories in {path} could not be read")
        if _is_old(database.newest):
            yield self.finding(
                "old-database",
                "The database of advisories is older than 30 days",
                severity=Severity.INFO,
                evidence=f"the newest one is of {database.newest[:10]}",
                remedy="Fetch it again.",
            )
        for package, records in known.items():
            yield from self._found(package, records, pins[package])

    def _found(self, package: Package, records: Iterable[dict[str, Any]], pins: Iterable[Pin]) -> Iterator[Finding]:
        for each in folded(package, records):
            for pin in pins:
                yield self.finding(
                    each.id,
                    f"{_called(package)}: {each.summary or 'a known vulnerability'} ({each.id})",
                    pin.path,
                    pin.line,
                    evidence=pin.evidence,
                    severity=each.severity,
                    detail=_detail(each),
                    remedy=_remedy(package, each),
                )

    def _informed(self, path: str, listed: Listed) -> Iterator[Finding]:
        """Yield what nobody looks up, once for each file: it is told, and fails nothing."""
        if names := sorted(set(listed.unpinned)):
            yield self.finding(
                "unpinned",
                f"{len(names)} dependencies have no exact version, and are not looked up",
                path,
                severity=Severity.INFO,
                evidence=_some(names),
                remedy="Keep a lock file in the same folder, or pin them.",
            )
        if names := sorted(set(listed.elsewhere)):
            yield self.finding(
                "from-elsewhere",
                f"{len(names)} dependencies come from git or an address, and are not looked up",
                path,
                severity=Severity.INFO,
                evidence=_some(names),
                remedy="Watch where they come from for advisories.",
            )


def _by_package(pins: Iterable[Pin]) -> dict[Package, list[Pin]]:
    """Return the pins of each package at each version, the first of each file."""
    found: dict[Package, dict[str, Pin]] = {}
    for pin in pins:
        found.setdefault(Package(pin.ecosystem, pin.name, pin.version), {}).setdefault(pin.path, pin)
    return {package: list(by_path.values()) for package, by_path in found.items()}


def _without_version(pins: dict[Package, list[Pin]]) -> Iterator[NotKnown]:
    """Take out what has no version that could be compared, and yield it: OSV would say that nothing is known of it."""
    for package in list(pins):
        try:
            key_of(package.ecosystem, package.version)
        except NoVersion as error:
            yield NotKnown(f"{package.name} in {pins.pop(package)[0].path} could not be looked up: {error}")


def _unpinned(files: Iterable[Listed]) -> Iterator[NotKnown]:
    """Yield that nothing is looked up, where no file pins anything and dependencies are declared all the same."""
    count = len({name for listed in files for name in (*listed.unpinned, *listed.elsewhere)})
    if count:
        none = "the one dependency has no" if count == 1 else f"none of {count} dependencies has an"
        yield NotKnown(f"{none} exact version, and nothing was looked up: keep a lock file in the same folder")


def _called(package: Package) -> str:
    return f"{package.name} {package.version}"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    # an address may hold a user and password
    return ", ".join(each.rpartition("@")[2] if "://" in each else each for each in names[:_NAMED])[:1000] + more


def _remedy(package: Package, vulnerability: Vulnerability) -> str:
    if vulnerability.is_malicious:
        return f"Remove {package.name}: it is an attack, and what it ran had your rights."
    if vulnerability.fixed:
        return f"Update {package.name} to {vulnerability.fixed}."
    return f"No version of {package.name} is known to be fixed: see the advisory for what helps, or use another."


def _detail(vulnerability: Vulnerability) -> str:
    others = f"Also known as {', '.join(vulnerability.aliases)}." if vulnerability.aliases else ""
    return "\n\n".join(filter(None, (others, vulnerability.detail)))


def _is_old(newest: str) -> bool:
    try:
        when = datetime.fromisoformat(newest)
    except ValueError:
        return False
    return datetime.now(UTC) - (when if when.tzinfo else when.replace(tzinfo=UTC)) > _OLD
