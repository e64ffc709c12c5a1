"""What the Audits page shows of a report."""

from __future__ import annotations

from dataclasses import replace

from app.domain.findings import AuditReport, AuditVerdict, CheckOutcome, Finding, Severity, Standing, Standings, Trigger
from app.ui.audits_view import check_rows

KEY = Finding("secrets", "private-key", "A private key", Severity.CRITICAL, "t/k.pem", 1, fingerprint="d" * 24)
MUTED = Standings(KEY, Standing.MUTED, "It opens nothing.")
SECRETS = CheckOutcome("secrets", "Secrets", AuditVerdict.FAIL, (), 1)
REPORT = AuditReport("1", "/srv/shop", 0.0, 1.0, Trigger(), (SECRETS,), (MUTED,))


def test_a_check_of_which_all_is_muted_does_not_fail() -> None:
    """The list agrees with the verdict above it."""
    quiet, loud = REPORT, replace(REPORT, findings=(replace(MUTED, standing=Standing.KNOWN),))

    assert [each.verdict for each in check_rows(quiet)] == [quiet.verdict] == [AuditVerdict.PASS]
    assert [each.verdict for each in check_rows(loud)] == [loud.verdict] == [AuditVerdict.FAIL]
