"""A report for a terminal: within its columns, without what moves a cursor, and with a last line that says it all."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from app.agents.auditing.reports.outline import summary
from app.agents.auditing.reports.text import cells, to_text
from app.domain.findings import AuditVerdict, Past, Severity, past_of

if TYPE_CHECKING:
    from app.domain.findings import AuditReport

COLOURED = re.compile(r"\x1b\[[0-9;]+m(.*?)\x1b\[0m")


def paint(text: str, *styles: str) -> str:
    return f"\x1b[{len(styles)}m{text}\x1b[0m"


def place_of(text: str, *words: str) -> list[int]:
    return [text.index(word) for word in words]


@settings(deadline=None)
@given(data=st.data(), width=st.integers(1, 140))
def test_lines_fit_and_move_nothing(
    data: st.DataObject,
    width: int,
    reports: st.SearchStrategy[AuditReport],
    pasts: st.SearchStrategy[tuple[Past, ...]],
) -> None:
    """Whatever checks say, each line but the last fits, and holds only what can be printed."""
    report, past = data.draw(reports), data.draw(pasts)

    *lines, last, empty = to_text(report, past, width=width).split("\n")

    assert all(cells(line) <= max(width, 40) for line in lines)
    assert all(line.isprintable() for line in lines)
    assert (last, empty) == (summary(report, with_reason=False), "")


@settings(deadline=None)
@given(data=st.data())
def test_colours_are_the_only_difference(data: st.DataObject, reports: st.SearchStrategy[AuditReport]) -> None:
    """A coloured report without its colours is the plain one, so that no colour reaches over a line's end."""
    report = data.draw(reports)

    coloured = to_text(report, paint=paint)

    assert "\n".join(COLOURED.sub(r"\1", line) for line in coloured.split("\n")) == to_text(report)


def test_what_matters_comes_first(report: AuditReport) -> None:
    """Claims, new, known, fixed, muted, checks; and the verdict of all is the last line."""
    told = to_text(report)

    places = place_of(told, "What the marker says", "New (1)", "Known (1)", "Fixed (1)", "Muted (1)", "Checks (4)")

    assert places == sorted(places)
    assert told.endswith(
        "\n2 new, 1 known, 1 fixed, 1 muted, 120 not listed: FAIL; Dependencies could not wholly be looked at\n"
    )
    assert told.count("x.lock is unreadable") == 1


def test_a_finding_tells_where_it_is_and_what_to_do(report: AuditReport) -> None:
    """Title, place, commit, rule, evidence and remedy stand below one another."""
    told = to_text(report)

    assert (
        "  critical  An AWS access key stands in a file\n"
        "            app/настройки prod.py:12 · commit 3f2a9bc41d22 · secrets/aws-access-key · aaaaaaaaaaaa\n"
        '            | KEY = "AKIA****WXYZ"\n'
        "            Revoke it.\n"
    ) in told


def test_checks_say_their_reasons(report: AuditReport) -> None:
    """An unknown check has its reason below it, another its counts."""
    told = to_text(report)

    assert "  UNKNOWN  Dependencies, 9.00 s\n           /srv/anna/shop/x.lock is unreadable\n" in told
    assert "  FAIL     Static security, 121 findings, 120 not listed, 0.20 s\n" in told


def test_the_trend_has_a_line_for_each_audit_before(report: AuditReport) -> None:
    """The last eight are told, the oldest first, and nothing when there was none."""
    quiet = Past(0.0, AuditVerdict.PASS, dict.fromkeys(reversed(Severity), 0), 0, 3)

    told = to_text(report, [quiet] * 20 + [past_of(report)])

    assert told.count("nothing open, 3 fixed") == 7
    assert "1 critical, 1 medium, 1 low (2 new), 1 fixed" in told
    assert "Audits before" not in to_text(report)


def test_a_long_line_is_cut(report: AuditReport) -> None:
    """A minified line as evidence takes one line, and a title of a thousand words four."""
    first = report.findings[0]
    long = replace(first.finding, evidence="x" * 10_000, title="word " * 1_000, remedy="")

    told = to_text(replace(report, findings=(replace(first, finding=long),)), width=60)

    assert "            | " + "x" * 45 + "…\n" in told
    assert told.count("word") < 48


def test_wide_signs_take_two_columns() -> None:
    """Chinese is twice as wide, and an accent that combines takes nothing."""
    assert (cells("漢字"), cells("e\u0301"), cells("поиск")) == (4, 1, 5)
