"""No secret leaves in a report, whichever check comes across it."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.agents.auditing.masking import text_without_secrets, without_secrets
from app.agents.auditing.reports.forms import FORMS
from app.domain.findings import AuditVerdict, Checked, CheckOutcome, Finding, Severity
from tests.agents.auditing.checks.secrets.labelled.samples import drawn

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.agents.auditing.conftest import Repository, Watch

TOKEN = drawn("ghp_<a36>", "a report's test")
PASSWORD = drawn("<p14>", "a report's test")


def told(check: str = "leftovers", reasons: tuple[str, ...] = (), **texts: str) -> Checked:
    """What a check came to that found one thing."""
    finding = Finding(check, "todo", **{"title": "TODO was added", "severity": Severity.LOW, **texts})  # type: ignore[arg-type]
    return Checked(CheckOutcome(check, check, AuditVerdict.FAIL, reasons, 1), (finding,))


def said(checked: Checked) -> str:
    return repr(dataclasses.astuple(checked))


@pytest.mark.parametrize(
    ("path", "line", "value"),
    [
        ("a.py", f"# TODO remove {TOKEN}", TOKEN),
        ("a.py", f'eval("{TOKEN}")', TOKEN),
        ("a.py", f'subprocess.run("curl -u bob:{PASSWORD} https://shop.io", shell=True)', PASSWORD),
        ("a.py", f'subprocess.run(["curl", "-u", "bob:{PASSWORD}", url])', PASSWORD),
        ("a.py", f'PASSWORD = "{PASSWORD}"  # noqa', PASSWORD),
        ("a.py", f"# FIXME password: {PASSWORD}", PASSWORD),
        ("Z_COMPLETE.md", f"Done. Token {TOKEN}, see created nofile.py, all 9 tests pass", TOKEN),
        ("Z_COMPLETE.md", f"The database is at postgres://bob:{PASSWORD}@db.shop.io/x", PASSWORD),
        (".env", "DB_PASSWORD=wonderland", "wonderland"),
        ("a.py", "x" * 290 + " " + TOKEN[:20], TOKEN[:20]),
    ],
)
def test_a_line_is_shown_without_its_secrets(path: str, line: str, value: str) -> None:
    """A token, the password of an address, of a command and of a name are masked in any check's evidence."""
    shown = without_secrets(told(path=path, evidence=line))

    assert value not in said(shown)
    assert "********" in shown.findings[0].evidence


@pytest.mark.parametrize("field", ["title", "detail", "remedy", "path", "evidence"])
def test_no_text_of_a_finding_holds_one(field: str) -> None:
    """Also a title, which names a file with a token in its name, and what a model says."""
    shown = without_secrets(told(**{field: f"docs/{TOKEN}.md"}))

    assert getattr(shown.findings[0], field) == "docs/ghp_********.md"


def test_a_reason_holds_none() -> None:
    """What git or a server said may name an address with a password."""
    shown = without_secrets(told(reasons=(f"fatal: https://bob:{PASSWORD}@git.shop.io/x not found",)))

    assert PASSWORD not in said(shown)
    assert "git.shop.io" in shown.outcome.reasons[0]


def test_a_value_is_masked_also_where_nothing_gives_it_away() -> None:
    """The title may quote what only in the line is seen to be a password."""
    shown = without_secrets(
        told(title=f"Call with '{PASSWORD}'", path="a.py", evidence=f"connect(password='{PASSWORD}')")
    )

    assert PASSWORD not in said(shown)


def test_what_holds_no_secret_stays_as_it_is() -> None:
    """Names of tests, commits and words about passwords are left alone."""
    plain = told(
        title="A test was deleted: tests/test_auth.py::TestToken::test_a_refresh_token_expires_after_90_days",
        path="tests/test_auth.py",
        evidence="def test_a_refresh_token_expires_after_90_days(self): token = settings.refresh_token",
        detail="It was in tests/test_auth.py at 3f2a9bc41d22aa0bb4e19f2277c0a1d9e0f1b2c3.",
        remedy="Read the password from the environment or a key store.",
    )

    assert without_secrets(plain) is plain


def test_what_the_check_of_secrets_masked_is_not_masked_again() -> None:
    """Its evidence is as it was, so that its findings are the same ones."""
    found = told("secrets", path="a.env", evidence="PASSWORD=hunt********")

    assert without_secrets(found) == found


def test_an_account_keeps_the_ids_of_its_keys() -> None:
    """An id is no secret, and says which key is too old; a token is one there, too."""
    key = drawn("AKIA<i16>", "an account's test")

    shown = without_secrets(told("iam", evidence=f"access key {key}, 400 days old; {TOKEN}"))

    assert shown.findings[0].evidence == f"access key {key}, 400 days old; ghp_********"
    assert key not in said(without_secrets(told("claims", evidence=f"access key {key}")))


@given(st.lists(st.text(st.characters(), max_size=40), min_size=4, max_size=4), st.integers(0, 3))
def test_any_texts_come_through(texts: list[str], where: int) -> None:
    """Whatever stands around a token, also half characters, only the token is taken."""
    names = ("title", "evidence", "detail", "remedy")
    texts[where] = f"{texts[where]}\n{TOKEN} {texts[where]}"

    shown = without_secrets(told(**dict(zip(names, texts, strict=True))))

    assert TOKEN not in said(shown)
    assert "ghp_********" in getattr(shown.findings[0], names[where])


def test_findings_by_the_thousand_take_little_time() -> None:
    """Five thousand are looked at in one go."""
    [one] = told().findings
    many = tuple(dataclasses.replace(one, line=number, evidence=f"# TODO {number} {TOKEN}") for number in range(5000))
    began = time.process_time()

    shown = without_secrets(dataclasses.replace(told(), findings=many))

    assert time.process_time() - began < 5
    assert TOKEN not in said(shown)


def test_a_commits_subject_holds_none() -> None:
    """A report names the commit that made it begin."""
    assert text_without_secrets(f"Take {TOKEN} out") == "Take ghp_******** out"
    assert text_without_secrets("Say the password once") == "Say the password once"


async def test_no_form_of_a_whole_audit_shows_it(repository: Repository, watch_at: Callable[..., object]) -> None:
    """A marker with a token in a claim, and with one in a file's name, is answered without them, and so it is kept."""
    repository.write("DONE_COMPLETE.md", f"Done. Token {TOKEN}, see created `src/{TOKEN}.py`, all 9 tests pass\n")
    async with watch_at(repository.root) as watch:  # type: ignore[attr-defined]
        seen: Watch = watch
        repository.write("B_COMPLETE.md", f"Token {TOKEN}: created `src/nofile{TOKEN[4:9]}.py` and `src/{TOKEN}.py`\n")

        report = await seen.audits(1)

    assert any(each.finding.check == "claims" for each in report.findings)
    written = [path.read_text("utf-8") for path in repository.root.glob("*.audit.*")]
    kept = [path.read_text("utf-8") for path in repository.root.parent.joinpath("data").rglob("*.json")]
    assert len(written) >= 2
    assert kept
    for text in [*written, *kept, *(form(report, ()) for form in FORMS.values())]:
        assert TOKEN not in text
