"""Checks run in programs of their own: whatever one does, it is named and contained, and the others finish."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.auditing.context import Context
from app.agents.auditing.host.heard import FLOOD, MOST_FINDINGS, CheckPlace, finding_of
from app.agents.auditing.host.known import chosen, known_checks
from app.agents.auditing.host.program import PATIENCE, CheckPrograms
from app.domain.findings import AuditVerdict
from app.engine.clock import SystemClock
from app.engine.processes import ProcessRunner

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CHECK = """
import asyncio, os, sys, time
from app.agents.auditing.plugin import Check, Finding, NotKnown, Severity, SyncCheck

class {name}({base}):
    id = "{id}"
    title = "{name}"
{body}
"""

SYNC = "    def look(self, context):\n        "
ASYNC = "    async def scan(self, context):\n        "

BAD = {
    "hangs": (ASYNC + "await asyncio.sleep(3600); yield", "did not end within"),
    "hangs-and-holds": (SYNC + "time.sleep(3600); yield", "did not end within"),
    "spins": (ASYNC + "\n        while True: pass\n        yield", "did not end within"),
    "raises": (SYNC + "raise ValueError('of the bad kind'); yield", "ValueError: of the bad kind"),
    "exits": (SYNC + "raise SystemExit(0); yield", "SystemExit: 0"),
    "leaves": (SYNC + "os._exit(0); yield", "ended with code 0"),
    "aborts": (SYNC + "os.abort(); yield", "ended by signal 6"),
    "rubbish": (SYNC + "yield 42", "no finding: int"),
    "half-a-finding": (SYNC + "yield Finding('x', '', '', Severity.LOW)", "cannot be read"),
    "no-severity": (SYNC + "yield Finding('x', 'r', 't', 'awful')", "cannot be read"),
    "says-what-it-cannot": (SYNC + "yield NotKnown('the moon is not to be seen')", "the moon is not to be seen"),
}  # fmt: skip


def install(folder: Path, name: str, source: str, *, points: Mapping[str, str]) -> None:
    """Put a distribution into a folder, as an installer leaves it."""
    module = name.replace("-", "_")
    (folder / f"{module}.py").write_text(source, encoding="utf-8")
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    lines = ["[watchkeeper.audits]", *(f"{point} = {place}" for point, place in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    """Return a folder for installed checks."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    return folder


def add(plugins: Path, name: str, body: str) -> CheckPlace:
    """Install a check, and return its place with a deadline of a few seconds."""
    base = "Check" if body.startswith(ASYNC) else "SyncCheck"
    points = {name: f"check_{name.replace('-', '_')}:Made"}
    source = CHECK.format(name="Made", base=base, id=name, body=body)
    install(plugins, f"check-{name}", source, points=points)
    return CheckPlace(name, name, name, deadline_s=10.0)


@pytest.fixture
def programs(tmp_path: Path, plugins: Path) -> CheckPrograms:
    """Return what runs checks."""
    clock = SystemClock()
    return CheckPrograms(
        ProcessRunner(clock=clock), clock, environ=os.environ, cache=tmp_path / "cache", plugins=plugins
    )


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_check_is_named_and_its_verdict_is_unknown(
    programs: CheckPrograms, plugins: Path, tmp_path: Path, name: str
) -> None:
    """Never green, never an error of the audit itself, and never for longer than its deadline."""
    body, reason = BAD[name]
    place = add(plugins, name, body)

    if "did not end" in reason:
        place = replace(place, deadline_s=1.0)

    outcome = (await programs.run(place, Context(tmp_path))).outcome

    assert (outcome.check, outcome.verdict) == (name, AuditVerdict.UNKNOWN)
    assert reason in " ".join(outcome.reasons)


async def test_what_was_found_before_the_end_counts(programs: CheckPrograms, plugins: Path, tmp_path: Path) -> None:
    """A finding that came, then a crash: the finding is kept, and what is missing is said."""
    body = SYNC + "yield self.finding('r', 'One', 'a.py', 3, evidence='x = 1')\n        time.sleep(0.3)\n"
    place = add(plugins, "half", body + "        yield self.finding('r', 'Two')\n        os.abort()")

    result = await programs.run(place, Context(tmp_path))

    assert [(each.check, each.title, each.path, each.line) for each in result.findings][:1] == [
        ("half", "One", "a.py", 3)
    ]
    assert result.outcome.verdict is AuditVerdict.FAIL
    assert "signal 6" in result.outcome.reasons[0]


async def test_a_check_that_fails_again_and_again_is_left_alone(plugins: Path, tmp_path: Path, fake_clock: Any) -> None:
    """After three failures it is not begun for a while, in that project; then it is tried again."""
    programs = CheckPrograms(
        ProcessRunner(clock=fake_clock), fake_clock, environ=os.environ, cache=tmp_path / "cache", plugins=plugins
    )
    place = add(plugins, "raises", SYNC + "raise ValueError; yield")
    other = tmp_path / "other"

    first = [(await programs.run(place, Context(tmp_path))).outcome.reasons for _ in range(4)]
    elsewhere = (await programs.run(place, Context(other))).outcome.reasons
    fake_clock.advance(PATIENCE.open_first_s + 1)
    later = (await programs.run(place, Context(tmp_path))).outcome.reasons

    assert first[:3] == [("it failed: ValueError",)] * 3
    assert first[3] == ("it failed in the last audits, and is left alone for another 15 min 00 s",)
    assert elsewhere == later == ("it failed: ValueError",)


async def test_a_flood_is_dammed(programs: CheckPrograms, plugins: Path, tmp_path: Path) -> None:
    """A million findings: some are kept, the program is ended, and it is said why."""
    loop = "for number in range(1_000_000): yield self.finding('r', 'Again', 'a.py', number)"
    place = add(plugins, "floods", SYNC + loop)

    result = await programs.run(replace(place, deadline_s=60.0), Context(tmp_path))

    assert len(result.findings) == MOST_FINDINGS
    assert (result.outcome.findings, result.outcome.left_out) == (FLOOD, FLOOD - MOST_FINDINGS)
    assert f"{FLOOD:,} findings" in result.outcome.reasons[0]


async def test_what_a_check_prints_and_starts_is_contained(
    programs: CheckPrograms, plugins: Path, tmp_path: Path
) -> None:
    """It prints a gigabyte and leaves a program behind: neither is kept, and its finding comes."""
    body = SYNC + "for _ in range(1024): sys.stdout.write('x' * (1 << 20))\n"
    body += "        sys.stdout.flush()\n        import subprocess\n"
    body += "        child = subprocess.Popen(['sleep', '600'])\n"
    place = add(plugins, "prints", body + "        yield self.finding('r', str(child.pid))")

    result = await programs.run(replace(place, deadline_s=60.0), Context(tmp_path))

    (found,) = result.findings
    assert result.outcome.reasons == ()
    with pytest.raises(ProcessLookupError):
        os.kill(int(found.title), 0)


async def test_a_good_check_passes(programs: CheckPrograms, plugins: Path, tmp_path: Path) -> None:
    """It knows the project's folder, its facts and options, and has a folder of its own."""
    body = SYNC + "assert context.facts == {'verdict': 'green'} and context.options == {'much': 3}\n"
    body += "        assert context.cache.is_dir() and context.cache.name == 'good' and context.root.is_absolute()\n"
    place = add(plugins, "good", body + "        yield self.finding('r', 'By the way', severity=Severity.INFO)")

    result = await programs.run(place, Context(tmp_path, facts={"verdict": "green"}, options={"much": 3}))

    assert result.outcome.reasons == ()
    assert result.outcome.verdict is AuditVerdict.PASS
    assert list((tmp_path / "cache" / "good").iterdir()) == []


async def test_how_far_a_check_is_and_what_it_looks_at_is_heard(
    programs: CheckPrograms, plugins: Path, tmp_path: Path
) -> None:
    """Progress is passed on as it comes and not kept; what it is that was audited comes with the outcome."""
    body = SYNC + "from app.agents.auditing.plugin import Named, Progressed\n"
    body += "        yield Progressed(1, 3)\n        yield Progressed(3, 3)\n        yield Named('AWS account shop')"
    place, heard = add(plugins, "slow", body), []

    result = await programs.run(place, Context(tmp_path), on_progress=heard.append)

    assert [(each.done, each.total) for each in heard] == [(1, 3), (3, 3)]
    assert result.target == "AWS account shop"
    assert (result.outcome.verdict, result.outcome.reasons, result.findings) == (AuditVerdict.PASS, (), ())


async def test_what_one_check_is_given_no_other_has(programs: CheckPrograms, plugins: Path, tmp_path: Path) -> None:
    """A variable of its own, or one that it is not to have, is of its environment alone, and of no file."""
    body = SYNC + "yield self.finding('r', f\"{os.environ.get('OWN')} {'PATH' in os.environ}\")"
    place = add(plugins, "looks", body)

    own = await programs.run(place, Context(tmp_path), environ={"OWN": "canary", "PATH": None})
    other = await programs.run(place, Context(tmp_path))

    assert [each.title for each in (*own.findings, *other.findings)] == ["canary False", "None True"]
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


@pytest.mark.parametrize("told", ["[1]", "['a', 2]", "3"])
async def test_progress_that_is_none_is_a_mistake_of_the_check(
    programs: CheckPrograms, plugins: Path, tmp_path: Path, told: str
) -> None:
    """It is named, and the check does not pass."""
    body = ASYNC + "import json\n        from app.agents.auditing.host import child\n"
    body += f"        child.document_of = lambda check, each: {{'progress': {told}}}\n        yield None"
    place = add(plugins, "odd", body)

    outcome = (await programs.run(place, Context(tmp_path))).outcome

    assert outcome.verdict is AuditVerdict.UNKNOWN
    assert "cannot be read" in outcome.reasons[0]


async def test_the_projects_own_modules_are_not_imported(
    programs: CheckPrograms, plugins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project with a json.py of its own, even on PYTHONPATH, changes nothing."""
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong one')", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    place = add(plugins, "calm", SYNC + "return iter(())\n        yield")

    outcome = (await programs.run(place, Context(tmp_path))).outcome

    assert (outcome.verdict, outcome.reasons) == (AuditVerdict.PASS, ())


def test_a_check_of_our_own_wins(plugins: Path) -> None:
    """Another one of the same id is left out, and that is said; so is a second one of a foreign id."""
    install(plugins, "rival", "", points={"secrets": "rival:One", "mine": "rival:Two"})
    install(plugins, "zweite", "", points={"mine": "zweite:Drei"})

    places, troubles = known_checks(plugins)

    assert [place.entry for place in places if place.id in {"secrets", "mine"}] == ["", "mine"]
    assert [("secrets" in each, "mine" in each) for each in troubles] == [(False, True), (True, False)]


def test_checks_are_chosen_by_name() -> None:
    """A name that is none is refused with those that there are; what settings leave out may be asked for."""
    places = [CheckPlace("a", "A"), CheckPlace("b", "B")]

    assert [place.id for place in chosen(places, (), ("b",))] == ["a"]
    assert [place.id for place in chosen(places, ("b",), ("b",))] == ["b"]
    with pytest.raises(LookupError, match="There are: a, b"):
        chosen(places, ("c",), ())


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"rule": "r", "title": "t"},
        {"rule": "r", "title": "t", "severity": "awful"},
        {"rule": "r", "title": "t", "severity": "low", "line": -1},
        {"rule": "r", "title": "t", "severity": "low", "line": "3"},
        {"rule": "r", "title": 3, "severity": "low"},
        {"rule": "r", "title": "t", "severity": "low", "path": None},
    ],
)
def test_a_finding_that_is_none_is_refused(told: dict[str, object]) -> None:
    """Each field is of its kind, or the whole is nothing."""
    with pytest.raises((ValueError, KeyError)):
        finding_of(told, "x")
