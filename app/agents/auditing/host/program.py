"""Starts checks in programs of their own, and hears what they tell."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from importlib.metadata import distributions, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.agents.auditing.host.builtin import BUILT_IN
from app.agents.auditing.plugin import GROUP
from app.domain import words
from app.domain.errors import BreakerOpen, CannotError, ProjectError
from app.domain.findings import AuditVerdict, CheckOutcome, Finding, Severity, weighs
from app.engine.resilience.breaker import Breaker, BreakerLimits

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from importlib.metadata import EntryPoint

    from app.agents.auditing.context import Context
    from app.engine.clock import Clock
    from app.engine.processes import GuardedProcess, ProcessRunner

MOST_FINDINGS = 5000
"""Findings of one check that are kept."""
FLOOD = 100_000
"""Findings after which a check is ended: it tells of everything, and so of nothing."""
MOST_REASONS = 20
OTHERS_DEADLINE_S = 120.0
_OUTPUT_CAP = 16 * 1024
PATIENCE = BreakerLimits(
    failure_rate=1.0, slow_rate=2.0, window_s=86_400.0, least_calls=3, probes=1, open_first_s=900.0,
    open_ceiling_s=6 * 3600.0, lost_after_s=3600.0,
)  # fmt: skip
"""A check that failed three times is left alone for a quarter of an hour, and for longer when it goes on failing."""

_CHILD = "import sys\nsys.path += [sys.argv[1], sys.argv[3]]\nfrom app.agents.auditing.host import child\nchild.main()"
"""`-I` takes neither the folder nor PYTHONPATH into account: the project's own modules are never imported."""


@dataclass(frozen=True, slots=True)
class CheckPlace:
    """Where a check is found.

    Attributes:
        id: The check's id.
        title: Its name for people.
        entry: The name of its entry point; empty for one that comes with Watchkeeper.
        deadline_s: How long it may take.
    """

    id: str
    title: str
    entry: str = ""
    deadline_s: float = OTHERS_DEADLINE_S


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check came to, and what it found."""

    outcome: CheckOutcome
    findings: tuple[Finding, ...] = ()


def known_checks(plugins: Path) -> tuple[tuple[CheckPlace, ...], tuple[str, ...]]:
    """Return the checks that there are, and what is wrong with others, in words for people.

    An entry point's name is its check's id. One that comes with Watchkeeper wins over another of the same id. Reads the
    installed packages' names, so it is to be called in a thread.

    Args:
        plugins: A folder into which checks were installed besides.
    """
    places = {name: CheckPlace(name, each.title, deadline_s=each.deadline_s) for name, each in BUILT_IN.items()}
    troubles = []
    for point in _entry_points(plugins):
        if point.name in places:
            whose = "comes with Watchkeeper" if not places[point.name].entry else "is installed already"
            troubles.append(f"The check {point.name} of {point.value} is left out: one of this id {whose}.")
            continue
        places[point.name] = CheckPlace(point.name, point.name, point.name)
    return tuple(places.values()), tuple(troubles)


def _entry_points(plugins: Path) -> Iterable[EntryPoint]:
    found = list(entry_points(group=GROUP))
    for each in distributions(path=[str(plugins)]):
        found += each.entry_points.select(group=GROUP)
    return sorted(found, key=lambda point: (point.name, point.value))


class CheckPrograms:
    """Runs checks, each in a program of its own, which ends with everything that it started.

    Args:
        runner: Starts programs.
        clock: Measures.
        environ: The environment of the checks.
        cache: A folder below which each check has one of its own.
        plugins: A folder into which checks were installed besides (`pip install --target`).
    """

    def __init__(
        self, runner: ProcessRunner, clock: Clock, *, environ: Mapping[str, str], cache: Path, plugins: Path
    ) -> None:
        self._runner = runner
        self._clock = clock
        self._environ = {name: value for name, value in environ.items() if not name.startswith("PYTHON")}
        self._cache = cache
        self._plugins = plugins
        self._breakers: dict[tuple[str, Path], Breaker] = {}
        self._folder = str(Path(__file__).resolve().parents[4])

    async def run(self, place: CheckPlace, context: Context) -> Checked:
        """Run a check, and return what it came to, whatever it does.

        Args:
            place: Which check.
            context: What it may know. `cache` is filled in.
        """
        began = self._clock.monotonic()
        heard = _Heard(place)
        try:
            permit = self._breaker(place, context.root).admit()
        except BreakerOpen as error:
            wait = words.duration(error.retry_after_s or 0.0)
            heard.unknown(f"it failed in the last audits, and is left alone for another {wait}")
        else:
            with permit:
                await self._run(place, context, heard)
                if heard.has_failed:
                    permit.failed()
        return heard.checked(self._clock.monotonic() - began)

    def _breaker(self, place: CheckPlace, root: Path) -> Breaker:
        """Return the breaker of a check for one project: what fails on one may do well on another."""
        key = (place.id, root)
        if key not in self._breakers:
            self._breakers[key] = Breaker(place.title, monotonic=self._clock.monotonic, limits=PATIENCE)
        return self._breakers[key]

    async def _run(self, place: CheckPlace, context: Context, heard: _Heard) -> None:
        try:
            order = await asyncio.to_thread(self._order, place, context)
        except OSError as error:
            heard.unknown(f"its folder cannot be written ({error.strerror or type(error).__name__})")
        else:
            try:
                await self._listen(place, order, heard)
            finally:
                with suppress(OSError):
                    order.unlink()

    def _order(self, place: CheckPlace, context: Context) -> Path:
        cache = self._cache / place.id
        cache.mkdir(parents=True, exist_ok=True)
        about = {**asdict(replace(context, facts={}, options={}, cache=cache)), "facts": context.facts}
        document = {"check": place.id, "entry": place.entry, "context": {**about, "options": context.options}}
        descriptor, name = tempfile.mkstemp(prefix="order-", suffix=".json", dir=cache)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(document, file, default=str)
        return Path(name)

    async def _listen(self, place: CheckPlace, order: Path, heard: _Heard) -> None:
        argv = [sys.executable, "-I", "-c", _CHILD, self._folder, str(order), str(self._plugins)]
        start = self._runner.start(argv, cwd=order.parent, env=self._environ, output_cap=_OUTPUT_CAP)
        try:
            async with start as process:
                try:
                    async with asyncio.timeout(place.deadline_s):
                        await _hear(process, heard)
                        ended = await process.wait()
                except TimeoutError:
                    heard.failed(f"it did not end within {place.deadline_s:g} s")
                    return
                if not heard.is_done and not heard.is_ended:
                    said = ended.output.decode("utf-8", "replace").strip().rpartition("\n")[2][:200]
                    how = f"by signal {ended.signal}" if ended.signal else f"with code {ended.code}"
                    heard.failed(f"its program ended {how}" + (f": {said}" if said else ""))
        except (CannotError, ProjectError) as error:
            heard.unknown(f"its program could not be started: {error.message}")


async def _hear(process: GuardedProcess, heard: _Heard) -> None:
    async for line in process.lines():
        heard.line(line)
        if heard.is_ended:
            await process.kill()
            return


class _Heard:
    """What came of one check so far."""

    def __init__(self, place: CheckPlace) -> None:
        self.is_done = False
        self.is_ended = False
        self.has_failed = False
        self._place = place
        self._findings: list[Finding] = []
        self._count = 0
        self._reasons: dict[str, None] = {}
        self._more_reasons = 0

    def unknown(self, reason: str) -> None:
        """Take note of something that could not be looked at."""
        if len(self._reasons) < MOST_REASONS:
            self._reasons[" ".join(reason.split()) or "it does not say why"] = None
        else:
            self._more_reasons += 1

    def failed(self, reason: str) -> None:
        """Take note of why the check itself failed."""
        self.has_failed = True
        self.unknown(reason)

    def line(self, line: bytes) -> None:
        """Take what the program told."""
        try:
            told = json.loads(line)
            if told.get("done") is True:
                self.is_done = True
            elif "failed" in told:
                self.failed(str(told["failed"]))
                self.is_done = True
            elif "unknown" in told:
                self.unknown(str(told["unknown"]))
            else:
                self._take(finding_of(told["finding"], self._place.id))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            self.failed("it told something that cannot be read")

    def _take(self, finding: Finding) -> None:
        self._count += 1
        if len(self._findings) < MOST_FINDINGS:
            self._findings.append(finding)
        if self._count >= FLOOD:
            self.failed(f"it was ended after {FLOOD:,} findings")
            self.is_ended = True

    def checked(self, took_s: float) -> Checked:
        """Return what it came to."""
        reasons = [*self._reasons, *([f"and {self._more_reasons} more reasons"] if self._more_reasons else [])]
        verdict = AuditVerdict.UNKNOWN if reasons else AuditVerdict.PASS
        if any(map(weighs, self._findings)):
            verdict = AuditVerdict.FAIL
        left_out = self._count - len(self._findings)
        outcome = CheckOutcome(
            self._place.id, self._place.title, verdict, tuple(reasons), self._count, left_out, took_s
        )
        return Checked(outcome, tuple(self._findings))


def finding_of(told: Mapping[str, Any], check: str) -> Finding:
    """Return a finding that came as JSON.

    Raises:
        ValueError: A field is not what it should be.
        KeyError: A field is missing.
    """
    texts = {name: told.get(name, "") for name in ("rule", "title", "path", "evidence", "detail", "remedy", "commit")}
    line = told.get("line", 0)
    if not all(isinstance(text, str) for text in texts.values()) or not isinstance(line, int) or line < 0:
        raise ValueError("a field of a finding is of the wrong kind")
    if not texts["rule"] or not texts["title"]:
        raise ValueError("a finding has a rule and a title")
    return Finding(check=check, severity=Severity(told["severity"]), line=int(line), **texts)


def chosen(places: Sequence[CheckPlace], only: Sequence[str], off: Sequence[str]) -> tuple[CheckPlace, ...]:
    """Return the checks to run.

    Args:
        places: Those that there are.
        only: Their ids; none for all.
        off: Those that the settings leave out, unless `only` names them.

    Raises:
        LookupError: One of `only` is no check; its text lists those that there are.
    """
    known = {place.id for place in places}
    for name in only:
        if name not in known:
            raise LookupError(f"There is no check named {name}. There are: {', '.join(sorted(known))}.")
    return tuple(place for place in places if (place.id in only if only else place.id not in off))
