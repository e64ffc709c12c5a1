"""The answers beside markers: where they are written, and of whose claims they tell."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.auditing.answers import answer_beside
from app.domain.findings import (
    AuditReport,
    AuditVerdict,
    CheckOutcome,
    Finding,
    Severity,
    Standing,
    Standings,
    Trigger,
    TriggerKind,
)

if TYPE_CHECKING:
    from pathlib import Path

LIAR, INNOCENT, UNSURE = "LIAR_COMPLETE.md", "docs/HONEST_COMPLETE.md", "UNSURE_COMPLETE.md"
MARKERS = (LIAR, INNOCENT, UNSURE)


def lie(marker: str, path: str) -> Finding:
    """Return a claim that is not so."""
    return Finding(
        "claims", "file-missing", f"{path} is said to be created", Severity.HIGH, marker, 1, f"Created {path}"
    )


def report_of(root: Path) -> AuditReport:
    """Return the audit of three markers: one lies, and of another one something cannot be confirmed."""
    reasons = (f"{UNSURE}: `All tests pass` (line 1) cannot be confirmed",)
    return AuditReport(
        "a" * 16,
        str(root),
        1.0,
        1.0,
        Trigger(TriggerKind.MARKER, LIAR, 2),
        (
            CheckOutcome("claims", "The marker says what is so", AuditVerdict.FAIL, reasons, 1),
            CheckOutcome("secrets", "Secrets", AuditVerdict.PASS),
        ),
        (Standings(lie(LIAR, "gone.py"), Standing.NEW),),
        (lie(LIAR, "before.py"),),
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a project with three markers."""
    root = tmp_path / "shop"
    (root / "docs").mkdir(parents=True)
    for marker in MARKERS:
        (root / marker).write_text("Done.\n", encoding="utf-8")
    return root


def answered(root: Path, marker: str) -> tuple[str, dict[str, Any]]:
    """Return what is answered beside a marker, for people and for programs."""
    words, twin = answer_beside(root, marker, report_of(root), among=MARKERS)
    return words.read_text(encoding="utf-8"), json.loads(twin.read_text(encoding="utf-8"))


def test_each_answer_is_about_its_marker(root: Path) -> None:
    """The title names it, and only its own claims stand there, those that were mended too."""
    liar, liars = answered(root, LIAR)
    innocent, innocents = answered(root, INNOCENT)
    unsure, unsures = answered(root, UNSURE)

    assert [text.partition("\n")[0] for text in (liar, innocent, unsure)] == [
        "# Audit of `LIAR_COMPLETE.md`: FAIL",
        "# Audit of `HONEST_COMPLETE.md`: PASS",
        "# Audit of `UNSURE_COMPLETE.md`: UNKNOWN",
    ]
    assert "gone.py" in liar
    assert "before.py" in liar
    assert not any(word in innocent + unsure for word in ("gone.py", "before.py"))
    assert [twin["checks"][0]["reasons"] for twin in (liars, innocents)] == [[], []]
    assert "cannot be confirmed" in unsures["checks"][0]["reasons"][0]
    assert [each["checks"][0]["findings"] for each in (liars, innocents, unsures)] == [1, 0, 0]


@pytest.mark.parametrize("end", [".audit.md", ".audit.json"])
def test_an_answer_leaves_the_project_by_no_link(root: Path, tmp_path: Path, end: str) -> None:
    """A link that lies in the answer's place is replaced: what it leads to is nobody's to write."""
    victim = tmp_path / "victim"
    victim.write_text("mine", encoding="utf-8")
    answer = root / f"LIAR_COMPLETE{end}"
    answer.symlink_to(victim)

    answered(root, LIAR)

    assert victim.read_text(encoding="utf-8") == "mine"
    assert not answer.is_symlink()


def test_an_answer_goes_into_no_folder_elsewhere(root: Path, tmp_path: Path) -> None:
    """A folder that became a link since the marker was seen is not written to."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "X_COMPLETE.md").write_text("Done.\n", encoding="utf-8")
    (root / "linked").symlink_to(other, target_is_directory=True)

    with pytest.raises(OSError, match="outside"):
        answer_beside(root, "linked/X_COMPLETE.md", report_of(root))

    assert [each.name for each in other.iterdir()] == ["X_COMPLETE.md"]


def test_a_marker_that_is_gone_is_not_answered(root: Path) -> None:
    """Who takes a marker back finds no answer where it was."""
    (root / LIAR).unlink()

    assert answer_beside(root, LIAR, report_of(root), among=MARKERS) == ()
    assert not list(root.glob("*.audit.*"))
