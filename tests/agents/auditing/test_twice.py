"""What two checks see in one line is told once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from app.agents.auditing.reports.jsonform import history_from_json
from app.agents.auditing.twice import told_once
from app.domain.findings import Finding, Severity, Standing, Standings, past_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.agents.auditing.conftest import Repository

LINE = "except Exception:"
FIRM = Finding("security", "S110", "try-except-pass", Severity.LOW, "a.py", 3, LINE)
LEFT = Finding("leftovers", "swallowed", "Every exception is swallowed", Severity.MEDIUM, "a.py", 3, LINE)


def new(*findings: Finding) -> tuple[Standings, ...]:
    return tuple(Standings(each, Standing.NEW) for each in findings)


def test_a_swallowed_exception_is_told_once_and_as_severely_as_in_new_work() -> None:
    """The check that tells it as long as it stands keeps it."""
    found, fixed = told_once(new(LEFT, FIRM), ())

    assert found == new(replace(FIRM, severity=Severity.MEDIUM))
    assert fixed == ()


def test_other_lines_and_other_rules_are_told_all() -> None:
    """Only what is of the same line is the same thing."""
    told = new(LEFT, replace(FIRM, line=9), replace(FIRM, rule="S101"), replace(LEFT, rule="todo", line=9))

    assert told_once(told, ())[0] == told


def test_what_is_no_change_any_more_is_not_fixed() -> None:
    """After the commit the line is still there; once it is gone, it is fixed."""
    assert told_once(new(replace(FIRM, line=5)), (LEFT,))[1] == ()
    assert told_once((), (LEFT, FIRM))[1] == (LEFT, FIRM)


async def test_an_audit_tells_one_notice_for_one_line(repository: Repository, watch_at: Callable[..., object]) -> None:
    """Both checks run, and see it."""
    async with watch_at(repository.root, off=("dependencies", "claims")) as watch:  # type: ignore[attr-defined]
        repository.write("shop.py", "def f():\n    try:\n        g()\n    except Exception:\n        pass\n")
        await watch.agent.start(str(repository.root))

        report = await watch.audits(1)

    assert [(each.finding.rule, each.finding.severity) for each in report.findings if each.finding.line == 4] == [
        ("S110", Severity.MEDIUM)
    ]


async def test_an_answer_tells_of_the_audits_before(repository: Repository, watch_at: Callable[..., object]) -> None:
    """As the command's report does, and of those alone that came before."""
    async with watch_at(repository.root) as watch:  # type: ignore[attr-defined]
        await watch.agent.start(str(repository.root))
        first = await watch.audits(1)
        repository.write("DONE_COMPLETE.md", "Done.\n")
        await watch.audits(2)

    [past] = history_from_json((repository.root / "DONE_COMPLETE.audit.json").read_text("utf-8"))
    assert past == past_of(first)
    assert "Audits before (1)" in (repository.root / "DONE_COMPLETE.audit.md").read_text("utf-8")
