"""The audit agent: what makes an audit begin, and what is answered."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.auditing.agent import MARKERS_AT_ONCE, WAITING
from app.domain.errors import UsageError
from app.domain.events import AuditChanged, AuditKept
from app.domain.findings import AuditVerdict, Severity, Standing, TriggerKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.agents.auditing.conftest import Repository

KEY = "AKIA" + "QWJ4ZT7XKLM2RBVD"
"""Looks like an access key, and is none."""


async def test_a_coding_agents_session_is_seen_through(repository: Repository, watch_at: Callable[..., Any]) -> None:
    """False claims, a secret taken out again, a deleted test, a loosened assertion: each is caught, none twice."""
    repository.write("test_shop.py", TESTS)
    repository.commit("Tests")
    async with watch_at(repository.root) as watch:
        await watch.agent.start(str(repository.root))
        await watch.audits(1)

        repository.write("deploy.py", f'KEY = "{KEY}"\n')
        repository.commit("Deploy")
        repository.write("deploy.py", "import os\n\nKEY = os.environ['KEY']\n")
        repository.write("test_shop.py", LOOSENED)
        repository.commit("Tidy up")
        repository.write("TASK_COMPLETE.md", CLAIMS)
        report = await watch.audits(2)
        await watch.agent.start(str(repository.root))
        again = await watch.audits(3)

    told = {(each.finding.check, each.finding.rule) for each in report.findings if each.standing is Standing.NEW}
    rules = {rule for _check, rule in told}
    assert report.trigger.kind is TriggerKind.MARKER
    assert ("claims", "file-missing") in told
    assert {check for check, _rule in told} >= {"claims", "secrets", "leftovers"}, report.checks
    assert {"test-deleted", "assertion-loosened"} <= rules, rules
    (secret,) = [each.finding for each in report.findings if each.finding.check == "secrets"]
    assert secret.commit
    assert KEY not in (repository.root / "TASK_COMPLETE.audit.md").read_text(encoding="utf-8")
    assert "refund.py" in (repository.root / "TASK_COMPLETE.audit.md").read_text(encoding="utf-8")
    twin = json.loads((repository.root / "TASK_COMPLETE.audit.json").read_text(encoding="utf-8"))
    assert twin["verdict"] == AuditVerdict.FAIL
    assert [each.standing for each in again.findings if each.standing is Standing.NEW] == []


async def test_what_lay_there_before_is_no_news_and_what_changes_is(
    repository: Repository, watch_at: Callable[..., Any]
) -> None:
    """An old marker is not audited; one whose content changes is, once; nor is the answer itself a marker."""
    repository.write("PHASE_1.md", "Phase one is done.\n")
    async with watch_at(repository.root, off=NO_CHECKS) as watch:
        repository.write("PHASE_1.md", "Phase one is done, really.\n")
        await watch.audits(1)
        repository.write("docs/PHASE_2.md", "Phase two.\n")
        report = await watch.audits(2)

    assert [event.trigger.what for event in watch.ended] == ["PHASE_1.md", "docs/PHASE_2.md"]
    assert report.trigger.others == 0
    assert (repository.root / "docs" / "PHASE_2.audit.md").is_file()


async def test_a_marker_of_the_first_moment_is_seen(repository: Repository, watch_at: Callable[..., Any]) -> None:
    """What is written after the agent began counts, also before its first look; a command's audit is told as well."""
    repository.write("PHASE_1.md", "Phase one is done.\n")
    old = repository.root / "PHASE_0.md"
    repository.write("PHASE_0.md", "Long ago.\n")
    os.utime(old, (1.0, 1.0))
    os.utime(repository.root / "PHASE_1.md", (4e9, 4e9))
    async with watch_at(repository.root, off=NO_CHECKS) as watch:
        report = await watch.audits(1)
        by_command = replace(report, id="c" * 16, started_at=report.started_at + 60)
        watch.archive.keep(by_command, repository.root)
        await watch.until(lambda: watch.told[-1].last_id == by_command.id)

    assert [(event.trigger.what, event.trigger.others) for event in watch.ended] == [("PHASE_1.md", 0)]


async def test_an_audit_is_kept_before_it_is_told(repository: Repository, watch_at: Callable[..., Any]) -> None:
    """The history has the whole report before any face hears of the audit and asks; a command's is not told again."""
    async with watch_at(repository.root, off=NO_CHECKS) as watch:
        await watch.agent.start(str(repository.root))
        report = await watch.audits(1)
        by_command = replace(report, id="c" * 16, started_at=report.started_at + 60)
        watch.archive.keep(by_command, repository.root)
        await watch.until(lambda: watch.told[-1].last_id == by_command.id)

    kept = [event for event in watch.events if isinstance(event, AuditKept)]
    told = next(event for event in watch.events if isinstance(event, AuditChanged) and event.audit.last_id == report.id)
    assert [(event.project, event.report) for event in kept] == [(str(repository.root), report)]
    assert watch.events.index(kept[0]) < watch.events.index(told)


async def test_a_thousand_markers_are_one_audit(repository: Repository, watch_at: Callable[..., Any]) -> None:
    """One audit, at most another for those that came while it began, and one word about each."""
    async with watch_at(repository.root, off=NO_CHECKS) as watch:
        for number in range(1000):
            repository.write(f"docs/PHASE_{number}.md", f"Phase {number} is done.\n")
        await watch.audits(1)
        await watch.until(lambda: sum(1 + event.trigger.others for event in watch.ended) == 1000)

    assert len(watch.ended) <= 3
    answers = list((repository.root / "docs").glob("*.audit.md"))
    assert 1 <= len(answers) <= MARKERS_AT_ONCE * len(watch.ended)


async def test_a_broken_baseline_stops_no_answer(repository: Repository, watch_at: Callable[..., Any]) -> None:
    """Whoever could break it could switch audits off: the marker is answered, and the answer never passes."""
    repository.write(".watchkeeper-baseline.json", "{broken")
    async with watch_at(repository.root, off=NO_CHECKS) as watch:
        repository.write("PHASE_1.md", "Phase one is done.\n")
        report = await watch.audits(1)

    assert report.verdict is AuditVerdict.UNKNOWN
    (outcome,) = [each for each in report.checks if each.check == "baseline"]
    assert "is no baseline of Watchkeeper" in outcome.reasons[0]
    assert "UNKNOWN" in (repository.root / "PHASE_1.audit.md").read_text(encoding="utf-8")


async def test_a_milestone_and_a_tag_begin_one(repository: Repository, watch_at: Callable[..., Any]) -> None:
    """A commit that says so, in any case; others do not."""
    async with watch_at(repository.root, off=NO_CHECKS) as watch:
        repository.write("a.py", "a = 1\n")
        repository.commit("Add a [milestone]\n\nMore about it.")
        await watch.audits(1)
        repository.write("a.py", "a = 2\n")
        repository.commit("Change a")
        repository.git("tag", "v1")
        await watch.audits(2)

    kinds = [(event.trigger.kind, event.trigger.what) for event in watch.ended]
    assert kinds == [(TriggerKind.COMMIT, "Add a [milestone]"), (TriggerKind.TAG, "v1")]


async def test_coverage_that_crosses_the_threshold_begins_one(
    repository: Repository, watch_at: Callable[..., Any]
) -> None:
    """In either direction; what stays on its side does not."""
    async with watch_at(repository.root, missing=1, off=NO_CHECKS) as watch:
        watch.measured(3)
        await watch.audits(1)
        watch.measured(0)
        await watch.audits(2)

    assert [event.trigger.what for event in watch.ended] == ["coverage 70.0 %", "coverage 100.0 %"]


async def test_quiet_hours_hold_back_all_but_what_is_asked_for(
    repository: Repository, watch_at: Callable[..., Any]
) -> None:
    """What comes in them waits; a person who asks is served, and what waited is folded into that."""
    async with watch_at(repository.root, off=NO_CHECKS, quiet_from="00:00", quiet_to="23:59") as watch:
        repository.write("PHASE_1.md", "Done.\n")
        await watch.until(lambda: any(view.running == WAITING for view in watch.told))
        before = list(watch.ended)
        await watch.agent.start(str(repository.root))
        report = await watch.audits(1)

    assert before == []
    assert (report.trigger.kind, report.trigger.others) == (TriggerKind.ASKED, 1)
    assert (repository.root / "PHASE_1.audit.md").is_file()


async def test_markers_at_once_are_answered_each_for_itself(
    repository: Repository, watch_at: Callable[..., Any]
) -> None:
    """Who lies is told so beside its own marker; who does not passes; who was taken back is not answered."""
    lies, honest, gone = "A_COMPLETE.md", "B_COMPLETE.md", "C_COMPLETE.md"
    off = tuple(each for each in NO_CHECKS if each != "claims")
    async with watch_at(repository.root, off=off, quiet_from="00:00", quiet_to="23:59") as watch:
        for name, text in ((lies, "Created `aaa.py`."), (honest, "Created `shop.py`."), (gone, "Created `ccc.py`.")):
            repository.write(name, text)
            count = 1 + "ABC".index(name[0])
            await watch.until(lambda count=count: watch.told[-1].trigger.others == count - 1)
        (repository.root / gone).unlink()
        await watch.agent.start(str(repository.root))
        whole = await watch.audits(1)
        first = (repository.root / "A_COMPLETE.audit.md").read_text(encoding="utf-8")
        repository.write(honest, "Created `bbb.py`.")
        await watch.until(lambda: watch.told[-1].running == WAITING)
        await watch.agent.start(str(repository.root))
        report = await watch.audits(2)

    second = (repository.root / "B_COMPLETE.audit.md").read_text(encoding="utf-8")
    assert first.startswith("# Audit of `A_COMPLETE.md`: FAIL")
    assert "aaa.py" in first
    assert [each.reasons for each in whole.checks] == [()]
    assert not list(repository.root.glob("C_COMPLETE.audit.*"))
    assert [each.finding.path for each in report.findings] == [honest]
    assert report.fixed == ()
    assert "aaa.py" not in second


async def test_a_cancelled_audit_ends_at_once(repository: Repository, watch_at: Callable[..., Any]) -> None:
    """Nothing of it is told as an audit, and the next one begins as usual."""
    root = str(repository.root)
    async with watch_at(repository.root) as watch:
        await watch.agent.start(root)
        await watch.until(lambda: any(view.running for view in watch.told))
        await watch.agent.cancel(root)
        ended = list(watch.ended)
        await watch.agent.start(root)
        await watch.audits(1)

    assert ended == []


async def test_only_what_the_settings_name_is_told(repository: Repository, watch_at: Callable[..., Any]) -> None:
    """New findings of the severity and above, the worst first."""
    repository.write("deploy.py", f'KEY = "{KEY}"\nx = eval(input())\n')
    repository.commit("Deploy")
    async with watch_at(repository.root, notify="high") as watch:
        await watch.agent.start(str(repository.root))
        await watch.audits(1)

    (ended,) = watch.ended
    assert ended.told == len([each for each in ended.worst if each.severity.rank >= Severity.HIGH.rank]) > 0
    assert ended.verdict is AuditVerdict.FAIL


async def test_what_nobody_watches_is_refused(repository: Repository, watch_at: Callable[..., Any]) -> None:
    """With what to do in its place."""
    async with watch_at(repository.root) as watch:
        with pytest.raises(UsageError, match="is not watched"):
            await watch.agent.start("/nowhere")


NO_CHECKS = ("claims", "tests", "leftovers", "secrets", "security", "dependencies")

TESTS = """\
from shop import total


def test_total():
    assert total([1, 2]) == 3


def test_of_nothing():
    assert total([]) == 0
"""

CLAIMS = "# Done\n\n- Created `refund.py`\n- Updated `deploy.py`\n- All tests pass\n"

LOOSENED = """\
from shop import total


def test_total():
    assert total([1, 2])
"""
