"""JUnit XML in its dialects: what real tools wrote, and what must not be taken for a whole report."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.agents.testing.runners.junit import BadReportError, JUnitReport
from app.domain.verdicts import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

PASSED, FAILED, ERROR, SKIPPED = Outcome.PASSED, Outcome.FAILED, Outcome.ERROR, Outcome.SKIPPED


def read(text: str) -> JUnitReport:
    report = JUnitReport(Path("/project"))
    report.read(io.BytesIO(text.encode()))
    return report


def outcomes(report: JUnitReport) -> dict[str, Outcome]:
    return {result.nodeid: result.outcome for result in report.results}


def test_vitest(recorded: Callable[[str], Path]) -> None:
    """Vitest's classname is the file; two tests of one name are told apart."""
    report = read(recorded("vitest.xml").read_text())

    assert outcomes(report) == {
        "test/add.test.js::add > adds": PASSED,
        "test/add.test.js::add > same": PASSED,
        "test/add.test.js::add > same (2)": PASSED,
        "test/add.test.js::add > later": SKIPPED,
        "test/add.test.js::add > todo": SKIPPED,
        "test/add.test.js::top > level": PASSED,
        "test/broken.test.js::test/broken.test.js": FAILED,
        "test/mul.test.js::fast": PASSED,
        "test/mul.test.js::slow": PASSED,
        "test/mul.test.js::red": FAILED,
    }
    assert report.lacking == ""
    assert report.results[-1].output.startswith("AssertionError: expected 6 to be 7")


def test_jest_junit(recorded: Callable[[str], Path]) -> None:
    """jest-junit knows no file; the suite's name stands in for it where the class says nothing."""
    report = read(recorded("jest-junit.xml").read_text())

    assert outcomes(report)["undefined::red"] is FAILED
    assert len(report.results) == 9
    assert report.lacking == ""


def test_surefire() -> None:
    """Surefire tells of a failure by its type and text, and of thousands of seconds with a comma."""
    report = read("""<testsuite name="a.BTest" tests="3" errors="1" failures="1" skipped="0" time="1,234.5">
      <properties><property name="x" value="y"/></properties>
      <testcase name="ok" classname="a.BTest" time="1,234.5"/>
      <testcase name="red" classname="a.BTest"><failure message="m" type="T"><![CDATA[m at x]]></failure></testcase>
      <testcase name="err" classname="a.BTest"><error type="NPE">trace</error><system-out>out</system-out></testcase>
    </testsuite>""")

    assert outcomes(report) == {"a.BTest::ok": PASSED, "a.BTest::red": FAILED, "a.BTest::err": ERROR}
    assert [result.output.splitlines()[0] for result in report.results[1:]] == ["m at x", "trace"]
    assert report.results[2].output.endswith("out")
    assert report.results[0].duration_s == 1234.5


def test_gtest_and_ctest_tell_in_attributes() -> None:
    """GoogleTest's disabled tests, and CTest's failed ones, are known by an attribute alone."""
    gtest = read("""<testsuites tests="2" failures="0" disabled="1" errors="0" name="AllTests">
      <testsuite name="S" tests="2" failures="0" disabled="1" skipped="0" errors="0">
        <testcase name="A" file="/project/s.cc" line="3" status="run" result="completed" time="0." classname="S"/>
        <testcase name="B" file="/project/s.cc" line="9" status="notrun" result="suppressed" classname="S"/>
      </testsuite></testsuites>""")
    ctest = read("""<testsuite name="Linux-c++" tests="2" failures="1" disabled="0" skipped="0" hostname="h" time="1">
      <testcase name="one" classname="one" time="0.1" status="run"><system-out>x</system-out></testcase>
      <testcase name="two" classname="two" time="0.1" status="fail"><failure message=""/><system-out>why</system-out>
      </testcase></testsuite>""")

    assert outcomes(gtest) == {"s.cc::S > A": PASSED, "s.cc::S > B": SKIPPED}
    assert outcomes(ctest) == {"Linux-c++::one": PASSED, "Linux-c++::two": FAILED}
    assert "why" in ctest.results[1].output


def test_nextest_and_nested_suites() -> None:
    """A suite in a suite counts for both, and a retried test that passed is green."""
    report = read("""<testsuites name="run" tests="2" failures="0" errors="0"><testsuite name="outer" tests="2">
      <testsuite name="my-crate" tests="2" disabled="0" errors="0" failures="0">
        <testcase name="tests::adds" classname="my-crate" time="0.004"/>
        <testcase name="tests::flaky" classname="my-crate" time="0.1"><flakyFailure type="t">x</flakyFailure></testcase>
      </testsuite></testsuite></testsuites>""")

    assert outcomes(report) == {"my-crate::tests::adds": PASSED, "my-crate::tests::flaky": PASSED}
    assert report.lacking == ""


def test_pytest_xfail_and_failure_beside_error() -> None:
    """An expected failure is no skip, and a failure outweighs the error of its teardown."""
    report = read("""<testsuites><testsuite name="pytest" errors="1" failures="1" skipped="1" tests="2">
      <testcase classname="t.test_a" name="test_x"><skipped type="pytest.xfail" message="why"/></testcase>
      <testcase classname="t.test_a" name="test_y"><failure message="f">f</failure><error message="e">e</error>
      </testcase>
    </testsuite></testsuites>""")

    assert outcomes(report) == {"t.test_a::test_x": Outcome.XFAILED, "t.test_a::test_y": FAILED}
    assert report.results[1].output == "f\ne"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('<testsuite tests="3"><testcase name="a"/></testsuite>', "counts 3 tests, but holds 1"),
        ('<testsuites tests="2"><testsuite name="x" tests="0"/></testsuites>', "counts 2 tests, but holds 0"),
    ],
)
def test_a_report_that_holds_less_than_it_counts_is_not_whole(text: str, said: str) -> None:
    """What the report counts and does not tell of is not taken for green."""
    report = read(text)

    assert said in report.lacking


@pytest.mark.parametrize(
    "text",
    [
        '<testsuite name="S" tests="1" failures="1"><testcase name="a"/></testsuite>',
        '<testsuite name="S" tests="1" errors="1"><testcase name="a"/><error message="m">trace</error></testsuite>',
    ],
)
def test_a_suite_that_is_red_without_a_red_test_is_red(text: str) -> None:
    """A failure that the report counts, but gives to no test, is the suite's."""
    report = read(text)

    assert outcomes(report)["S::(suite)"] is ERROR


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><testsuite>&a;</testsuite>', "document type"),
        ('<!DOCTYPE x [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><testsuite name="&c;"/>', "document type"),
        ("<testsuite><testcase name='a'>", "no whole XML"),
        ("", "no whole XML"),
        ("<html/>", "no JUnit XML"),
        ('<?xml version="1.0" encoding="no-such"?><testsuite/>', "encoding is not known"),
        ("<testsuite>" + "<a>" * 100, "nested too deeply"),
    ],
)
def test_what_is_no_report_is_refused(text: str, said: str) -> None:
    """Entities, half a file, another format: each is refused with its reason, and nothing outside is read."""
    with pytest.raises(BadReportError, match=said):
        read(text)


@given(st.binary(max_size=300))
def test_no_bytes_make_it_fail_in_another_way(content: bytes) -> None:
    """Whatever a file holds, it is read or refused."""
    report = JUnitReport(Path("/project"))

    try:
        report.read(io.BytesIO(b"<testsuite><testcase name='a'>" + content))
    except BadReportError:
        refused = True
    else:
        refused = False

    assert refused or report.results
