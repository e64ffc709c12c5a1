"""A report as a page: it needs nothing else, and nothing of a finding is more than text in it."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st

from app.agents.auditing.reports.htmlpage import LONGEST, to_html
from app.domain.findings import AuditReport, AuditVerdict, Past, Severity, Standing, Standings, Trigger, past_of

VOID = {"meta", "input"}
TAGS = (
    "html head meta title style body header div svg circle path rect line g text span h1 bdi p main ul li a b figure "
    "figcaption form input fieldset legend label output section h2 h3 small article pre details summary table thead "
    "tbody tr th td footer script code"
)
ATTRIBUTES = (
    "lang charset http-equiv content name class id href hidden type placeholder aria-label aria-hidden role value "
    "checked data-severity viewbox width height x y x1 x2 y1 y2 cx cy r rx d fill stroke stroke-width stroke-linecap "
    "stroke-linejoin text-anchor"
)


class Page(HTMLParser):
    """Reads a page, and holds each end to its beginning."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.policy = ""
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        found = dict(attrs)
        self.links += [found["href"] or ""] if "href" in found else []
        self.ids += [found["id"] or ""] if "id" in found else []
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policy = found["content"] or ""
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self._open[-1] if self._open else "", []).append(data)

    def text(self, tag: str) -> str:
        return "".join(self.texts.get(tag, ()))


def hashed(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


@settings(deadline=None)
@given(data=st.data())
def test_nothing_foreign_is_more_than_text(
    data: st.DataObject, reports: st.SearchStrategy[AuditReport], pasts: st.SearchStrategy[tuple[Past, ...]]
) -> None:
    """Whatever checks say, the page is well formed, of our own elements, and leads only to its own parts."""
    report, past = data.draw(reports), data.draw(pasts)

    html = to_html(report, past)

    page = Page(html)
    assert page.tags <= set(TAGS.split())
    assert page.attributes <= set(ATTRIBUTES.split())
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)
    assert html.encode("utf-8")
    assert all(sign.isprintable() or sign == "\n" for sign in html)


def test_the_policy_lets_only_the_pages_own_style_and_script_run(report: AuditReport) -> None:
    """Nothing is fetched, and the hashes are those of what stands in the page."""
    page = Page(to_html(report))

    assert page.policy == (
        f"default-src 'none'; style-src {hashed(page.text('style'))}; script-src {hashed(page.text('script'))}; "
        "base-uri 'none'; form-action 'none'"
    )


def test_a_script_in_a_finding_is_shown_as_text(report: AuditReport) -> None:
    """What is wrong may be markup: it is read, not run, and cannot end the page's own script."""
    found = replace(report.findings[0].finding, title="<script>x</script> ${style}", evidence="</script><b>&amp;")

    page = Page(to_html(replace(report, findings=(Standings(found, Standing.NEW),))))

    assert "<script>x</script> ${style}" in page.text("h3")
    assert "</script><b>&amp;" in page.text("pre")


def test_all_parts_are_there_in_order(report: AuditReport) -> None:
    """Claims, new, what could not be looked at, known, fixed, muted and checks."""
    page = Page(to_html(report))

    assert [each for each in page.ids if each not in {"filter", "words", "shown"}] == [
        "claims",
        "new",
        "unknown",
        "known",
        "fixed",
        "muted",
        "checks",
    ]
    assert page.text("title") == "FAIL: audit of shop"
    assert "app/настройки prod.py:12" in page.text("div")
    assert "x.lock is unreadable" in page.text("li")


def test_nothing_says_where_on_the_machine_the_project_lies(report: AuditReport) -> None:
    """A page that is passed on holds no folder of the person's."""
    assert "anna" not in to_html(report)


def test_pictures_say_in_words_what_they_show(report: AuditReport) -> None:
    """Both have a name for who does not see them, and the trend a title for each audit."""
    past = Past(1_767_000_000.0, AuditVerdict.PASS, dict.fromkeys(reversed(Severity), 2), 1, 0)

    html = to_html(report, [past, past_of(report)])

    assert 'aria-label="New: 1 critical, 1 low. Known: 1 medium."' in html
    assert 'aria-label="3 audits; open findings from 10 to 3."' in html
    assert "2 critical, 2 high, 2 medium, 2 low, 2 info; 1 new, 0 fixed</title>" in html


def test_without_a_past_there_is_no_trend(report: AuditReport) -> None:
    """One audit is no trend."""
    assert "Open findings" not in to_html(report)


def test_only_the_last_thirty_audits_are_drawn(report: AuditReport) -> None:
    """The trend of a year of audits can still be read."""
    html = to_html(report, [past_of(report)] * 400)

    assert len(re.findall(r"<g><title>", html)) == 30


def test_what_is_over_is_counted(report: AuditReport) -> None:
    """A section of thousands shows the first, and says how many more there are."""
    html = to_html(replace(report, findings=(report.findings[0],) * (LONGEST + 1_234)))

    assert html.count("<article") == LONGEST + 1
    assert "and 1,234 more, which the JSON form lists" in html


def test_an_audit_in_which_nothing_was_looked_at_is_a_page() -> None:
    """Without checks and findings, the verdict still is there, and is not green."""
    html = to_html(AuditReport("1", "", 0.0, 0.0, Trigger()))

    assert '<body class="unknown">' in html
    assert "No check ran: UNKNOWN" in Page(html).text("p")
