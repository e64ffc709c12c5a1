"""What is kept of audits from one to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

from app.agents.auditing import memory as memories_module
from app.agents.auditing.memory import (
    BASELINE_FILE,
    DAY_S,
    Memories,
    Memory,
    key_of,
    mute,
    read_baseline,
    unmute,
    write_baseline,
)
from app.agents.auditing.standing import fingerprinted
from app.domain.errors import CannotError, UsageError
from app.domain.findings import Finding, Mute, Severity

if TYPE_CHECKING:
    from pathlib import Path

FOUND = fingerprinted([Finding("secrets", "key", "A key", Severity.HIGH, "a.py", 3, "key = ****", remedy="Go")])[0]


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    """All of it, for each project its own."""
    kept = Memories(tmp_path / "audits")
    with kept.changing(tmp_path / "one") as memory:
        memory.findings = {"secrets": {FOUND.fingerprint: FOUND}}
        memory.mutes = {FOUND.fingerprint: Mute(FOUND.fingerprint, "why", 5.0, 4.0, "A key")}
        memory.since, memory.commit, memory.tags, memory.markers = "a" * 40, "b" * 40, ["v1"], ["c" * 64]
        memory.coverage = 81.5
        wanted = Memory(**{name: getattr(memory, name) for name in Memory.__dataclass_fields__})

    assert kept.read(tmp_path / "one") == wanted
    assert kept.read(tmp_path / "two") == Memory()


def test_a_finding_keeps_the_check_that_it_names(tmp_path: Path) -> None:
    """What a rule of a service came to is kept by the rule, its findings are of the service and about a resource."""
    (found,) = fingerprinted([Finding("s3", "s3-tls-only", "No policy", Severity.LOW, resource="arn:aws:s3:::a")])
    kept = Memories(tmp_path / "audits")
    with kept.changing(tmp_path / "one") as memory:
        memory.findings = {"s3-tls-only": {found.fingerprint: found}}

    assert kept.read(tmp_path / "one").findings == {"s3-tls-only": {found.fingerprint: found}}


def test_a_damaged_file_is_set_aside(tmp_path: Path) -> None:
    """Nothing is known then, and what was there is not lost."""
    folder = tmp_path / "audits"
    folder.mkdir()
    (folder / f"{key_of(tmp_path)}.json").write_text("{", encoding="utf-8")

    assert Memories(folder).read(tmp_path) == Memory()
    assert any("{" in path.read_text() for path in folder.iterdir())


def test_another_program_that_holds_it_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error for people, after a bounded wait."""
    monkeypatch.setattr(memories_module, "LOCK_S", 0.05)
    folder = tmp_path / "audits"
    folder.mkdir()

    with (
        FileLock(folder / f"{key_of(tmp_path)}.lock"),
        pytest.raises(CannotError, match="another program holds it"),
        Memories(folder).changing(tmp_path),
    ):
        pass


def test_a_baseline_is_written_for_people_and_read_again(tmp_path: Path) -> None:
    """It names what was accepted; without the file nothing is."""
    assert read_baseline(tmp_path) == {}

    path = write_baseline(tmp_path, [FOUND])

    assert path == tmp_path / BASELINE_FILE
    assert read_baseline(tmp_path) == {FOUND.fingerprint: "a.py: A key"}


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"accepted": 3}', "\0"])
def test_a_baseline_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    """With the command that writes it anew: to take it for empty would tell old findings as new."""
    (tmp_path / BASELINE_FILE).write_text(content, encoding="utf-8")

    with pytest.raises(UsageError, match="is no baseline") as refused:
        read_baseline(tmp_path)

    assert "--baseline" in refused.value.hint


def test_what_another_program_wrote_is_seen(tmp_path: Path) -> None:
    """Each reader sees the newest, and what it changes in its own copy is nobody else's."""
    one, other = Memories(tmp_path / "audits"), Memories(tmp_path / "audits")
    with one.changing(tmp_path) as memory:
        memory.markers = ["a"]
    first = other.read(tmp_path)
    first.markers.append("mine")
    first.mutes["x"] = Mute("x", "why")

    with one.changing(tmp_path) as memory:
        memory.since = "b" * 40

    assert (other.read(tmp_path).markers, other.read(tmp_path).mutes) == (["a"], {})
    assert other.read(tmp_path).since == "b" * 40


@pytest.mark.parametrize("digits", [6, 12, 24])
def test_a_finding_is_muted_by_the_digits_that_name_it(digits: int) -> None:
    """For a reason, for good or for some days, and told again by the same digits."""
    memory = Memory(findings={"secrets": {FOUND.fingerprint: FOUND}})

    muted = mute(memory, FOUND.fingerprint[:digits].upper(), " a test key ", days=2, now=100.0)
    kept = dict(memory.mutes)
    told = unmute(memory, FOUND.fingerprint[:digits])

    assert muted == told == Mute(FOUND.fingerprint, "a test key", 100.0 + 2 * DAY_S, 100.0, "A key")
    assert kept == {FOUND.fingerprint: muted}
    assert memory.mutes == {}


def test_what_is_not_there_or_has_no_reason_is_not_muted() -> None:
    """An unknown finding, too few digits, digits of two, no reason, less than no days: refused, and nothing is kept."""
    other = FOUND.fingerprint[:8] + "0" * 16
    memory = Memory(findings={"secrets": {FOUND.fingerprint: FOUND, other: FOUND}})

    for digits, reason, days in (
        ("f" * 24, "why", 0),
        (FOUND.fingerprint[:5], "why", 0),
        (FOUND.fingerprint[:8], "why", 0),
        (FOUND.fingerprint, "  ", 0),
        (FOUND.fingerprint, "why", -1),
    ):
        with pytest.raises(UsageError):
            mute(memory, digits, reason, days=days, now=0.0)
    with pytest.raises(UsageError):
        unmute(memory, FOUND.fingerprint)

    assert memory.mutes == {}
