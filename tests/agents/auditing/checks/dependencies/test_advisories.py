"""Reading advisories, folding them, and looking them up in a database on this machine."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.agents.auditing.checks.dependencies.advisories import Package, folded, tells_of
from app.agents.auditing.checks.dependencies.database import Database, Unusable
from app.domain.findings import Severity
from tests.agents.auditing.checks.dependencies.osvserver import RECORDS, record

if TYPE_CHECKING:
    from pathlib import Path

JINJA = Package("PyPI", "jinja2", "2.10")


def test_one_vulnerability_under_three_names() -> None:
    """Advisories that name one another, also by a third, are one; it has the name that people look up."""
    records = [
        record("GHSA-a", "jinja2", ["2.10"], fixed="2.10.1", aliases=["CVE-1"]),
        record("PYSEC-b", "jinja2", ["2.10"], fixed="2.11", aliases=["CVE-1-b"]),
        record("GHSA-c", "jinja2", ["2.10"], aliases=["CVE-1-b", "GHSA-a"]),
        record("PYSEC-other", "jinja2", ["2.10"]),
    ]

    first, second = folded(JINJA, records)

    assert (first.id, first.aliases) == ("CVE-1", ("CVE-1-b", "GHSA-a", "GHSA-c", "PYSEC-b"))
    assert first.fixed == "2.11"
    assert (second.id, second.fixed) == ("PYSEC-other", "")


@pytest.mark.parametrize(
    ("given_as", "expected"),
    [
        (
            {"severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]},
            Severity.CRITICAL,
        ),
        ({"severity": [{"type": "CVSS_V3", "score": "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:N/A:N"}]}, Severity.HIGH),
        ({"severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N"}]}, Severity.MEDIUM),
        ({"severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:L/AC:H/PR:N/UI:N/S:U/C:L/I:N/A:N"}]}, Severity.LOW),
        (
            {
                "severity": [
                    {"type": "CVSS_V4", "score": "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"}
                ]
            },
            Severity.CRITICAL,
        ),
        (
            {"severity": [{"type": "CVSS_V3", "score": "nonsense"}], "database_specific": {"severity": "LOW"}},
            Severity.LOW,
        ),
        ({"database_specific": {"severity": "MODERATE"}}, Severity.MEDIUM),
        ({"database_specific": {"severity": 7}, "severity": "x"}, Severity.MEDIUM),
        ({}, Severity.MEDIUM),
    ],
)
def test_severities(given_as: dict[str, Any], expected: Severity) -> None:
    """A vector is rated by its base score, before a word; without either it is medium."""
    assert folded(JINJA, [record("GHSA-a", "jinja2", ["2.10"], **given_as)])[0].severity is expected


def test_an_attack_is_critical() -> None:
    """A package that is itself an attack needs no score."""
    found = folded(Package("npm", "evil-parser", "1.0.0"), [RECORDS[-1]])[0]

    assert found.is_malicious
    assert found.severity is Severity.CRITICAL


def test_withdrawn_ones_count_for_nothing() -> None:
    """An advisory that was taken back tells of nothing."""
    taken_back = record("PYSEC-1", "jinja2", ["2.10"], withdrawn="2020-01-01T00:00:00Z")

    assert folded(JINJA, [taken_back]) == []
    assert not tells_of(taken_back, JINJA)


json_values = st.recursive(
    st.none() | st.integers() | st.sampled_from(["2.10", "PyPI", "jinja2", "x", "ECOSYSTEM"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "affected", "package", "ecosystem", "name", "ranges", "events", "severity", "aliases"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


@given(st.dictionaries(st.sampled_from(["id", "affected", "severity", "aliases", "summary"]), json_values))
def test_any_advisory_can_be_read(document: dict[str, Any]) -> None:
    """Whatever an advisory holds, reading it ends without an error."""
    document.setdefault("id", "GHSA-a")

    tells_of(document, JINJA)
    folded(JINJA, [document])


@pytest.fixture(params=["folder", "zip", "folder of zips", "zip that packs nothing"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The advisories as files, in each form in which they may come."""
    folder = tmp_path / "osv"
    (folder / "PyPI").mkdir(parents=True)
    if request.param == "folder":
        for each in RECORDS:
            (folder / "PyPI" / f"{each['id']}.json").write_text(json.dumps(each))
        return folder
    method = zipfile.ZIP_STORED if request.param.endswith("nothing") else zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(folder / "PyPI" / "all.zip", "w", method) as archive:
        for each in RECORDS:
            archive.writestr(f"{each['id']}.json", json.dumps(each))
    return folder if request.param == "folder of zips" else folder / "PyPI" / "all.zip"


def test_a_database_gives_what_is_of_a_package(database: Path, tmp_path: Path) -> None:
    """The advisories of the packages asked for, of whichever version, and of no others."""
    opened = Database(database, tmp_path / "cache")

    found = {each["id"] for _, each in opened.records([JINJA, Package("npm", "jinja2", "1.0.0")])}

    assert found == {"GHSA-462w-v97r-4m45", "PYSEC-2019-217"}
    assert opened.ecosystems == {"PyPI", "npm"}
    assert opened.newest == "2024-05-01T00:00:00Z"


def test_a_changed_database_is_read_anew(tmp_path: Path) -> None:
    """What was added since is found, and what is damaged is counted."""
    folder = tmp_path / "osv"
    folder.mkdir()
    (folder / "a.json").write_text(json.dumps(RECORDS[0]))
    Database(folder, tmp_path)
    (folder / "b.json").write_text(json.dumps(RECORDS[1]))
    (folder / "c.json").write_bytes(b"\xff[")

    opened = Database(folder, tmp_path)

    assert len(list(opened.records([JINJA]))) == 2
    assert opened.unread == 1


def test_an_index_that_is_none_is_made_anew(tmp_path: Path) -> None:
    """A damaged index costs time, nothing else."""
    folder = tmp_path / "osv"
    folder.mkdir()
    (folder / "a.json").write_text(json.dumps(RECORDS[0]))
    (tmp_path / "advisories.sqlite").write_bytes(b"damaged" * 1000)

    assert len(list(Database(folder, tmp_path).records([JINJA]))) == 1


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04damaged"])
def test_what_is_no_database(tmp_path: Path, content: bytes | None) -> None:
    """A path at which nothing lies, or no zip, cannot be used, and it is said which."""
    path = tmp_path / "all.zip"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(Unusable, match=r"all\.zip"):
        Database(path, tmp_path / "cache")
