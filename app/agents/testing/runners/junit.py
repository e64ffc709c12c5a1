"""JUnit XML reports, in the dialects that are out there: pytest, surefire, gtest, ctest, jest-junit, vitest, nextest.

There is no standard. Read here are the elements that all share (`testsuite`, which may nest, `testcase`, and in there
`failure`, `error`, `skipped`), and each dialect's way to say where a test stands and that it did not run. A report is
whole only when its own counts agree with what stands in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.parsers import expat

from app.agents.testing.runners.story import TEXT_CAP, Names, relative
from app.domain.verdicts import Outcome, TestResult

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import BinaryIO

REPORT_CAP = 64 << 20
"""Bytes of a report; a larger one is refused."""
CASES_CAP = 500_000
DEPTH_CAP = 64
CHUNK = 1 << 18

_RED = {"failure": Outcome.FAILED, "error": Outcome.ERROR}
_TEXTS = ("failure", "error", "system-out", "system-err")
# What gtest and ctest say in an attribute of the test.
_NOT_RUN = frozenset({"notrun", "disabled", "suppressed", "skipped", "ignored"})
_FAILED = frozenset({"fail", "failed", "failure", "error"})


class BadReportError(Exception):
    """A report cannot be read; says why."""


@dataclass(slots=True)
class _Case:
    """One test as it is read."""

    attributes: Mapping[str, str]
    outcome: Outcome = Outcome.PASSED
    texts: list[str] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Suite:
    """One suite as it is read: what it says of itself, and what was found in it and below."""

    name: str
    file: str
    tests: int | None
    reds: int | None
    own_reds: int = 0
    found: int = 0
    found_red: int = 0
    texts: list[str] = field(default_factory=list)


class JUnitReport:
    """Reads reports; several of one run may be read one after the other.

    Attributes:
        results: The tests, in the order in which they stand there, each with a name of its own.
        lacking: Why the reports are not whole; empty when they are.

    Args:
        root: The project's folder: the names of files in there are told relative to it.
    """

    def __init__(self, root: Path) -> None:
        self.results: list[TestResult] = []
        self.lacking = ""
        self._root = root
        self._names = Names()
        self._suites: list[_Suite] = []
        self._case: _Case | None = None
        self._text: list[str] | None = None
        self._text_size = 0
        self._depth = 0

    def read(self, source: BinaryIO) -> None:
        """Read one report.

        Raises:
            BadReportError: It is no JUnit XML, not whole, too large, or has a document type, which could name other
                files and grow without bounds.
        """
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = _refuse_doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        self._suites, self._case, self._text, self._depth = [], None, None, 0
        size = 0
        try:
            while content := source.read(CHUNK):
                size += len(content)
                if size > REPORT_CAP:
                    raise BadReportError(f"it is larger than {REPORT_CAP >> 20} MiB")
                parser.Parse(content, False)  # noqa: FBT003 - expat takes it by position only
            parser.Parse(b"", True)  # noqa: FBT003 - likewise
        except expat.ExpatError as error:
            raise BadReportError(f"it is no whole XML ({error})") from error
        except (LookupError, ValueError) as error:
            raise BadReportError(f"its encoding is not known ({error})") from error

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        tag = tag.rpartition(":")[2]
        if self._depth == 1 and tag not in ("testsuites", "testsuite"):
            raise BadReportError(f"it begins with <{tag}>, which is no JUnit XML")
        if self._depth > DEPTH_CAP:
            raise BadReportError("its elements are nested too deeply")
        if tag in ("testsuites", "testsuite"):
            self._open_suite(attributes)
        elif tag == "testcase":
            if len(self.results) >= CASES_CAP:
                raise BadReportError(f"it has more than {CASES_CAP:,} tests")
            self._case = _Case(attributes, _outcome_of(attributes))
        elif tag in _RED or tag == "skipped":
            self._open_verdict(tag, attributes)
        if tag in _TEXTS:
            self._text, self._text_size = [], 0

    def _open_suite(self, attributes: Mapping[str, str]) -> None:
        outer = self._suites[-1] if self._suites else None
        file = attributes.get("file") or attributes.get("filepath") or (outer.file if outer else "")
        reds = [_count(attributes.get(name)) for name in ("failures", "errors")]
        known = [each for each in reds if each is not None]
        total = sum(known) if known else None
        self._suites.append(_Suite(attributes.get("name", ""), file, _count(attributes.get("tests")), total))

    def _open_verdict(self, tag: str, attributes: Mapping[str, str]) -> None:
        message = attributes.get("message", "")
        case = self._case
        if case is None:
            if tag in _RED and self._suites:
                self._suites[-1].own_reds += 1
                self._suites[-1].texts.append(message)
            return
        if tag == "skipped":
            # pytest tells of an expected failure in this way.
            is_expected = attributes.get("type") == "pytest.xfail"
            if not case.outcome.is_red:
                case.outcome = Outcome.XFAILED if is_expected else Outcome.SKIPPED
            return
        # A test may have both, a failure and an error in its teardown: it failed.
        if case.outcome is not Outcome.FAILED:
            case.outcome = _RED[tag]
        case.texts.append(message)

    def _characters(self, text: str) -> None:
        if self._text is not None and self._text_size < TEXT_CAP:
            self._text.append(text[:TEXT_CAP])
            self._text_size += len(text)

    def _end(self, tag: str) -> None:
        self._depth -= 1
        tag = tag.rpartition(":")[2]
        if tag in _TEXTS and self._text is not None:
            text, self._text = "".join(self._text).strip("\n"), None
            self._take_text(tag, text)
        elif tag == "testcase" and self._case is not None:
            self._close_case(self._case)
            self._case = None
        elif tag in ("testsuites", "testsuite"):
            self._close_suite(self._suites.pop())

    def _take_text(self, tag: str, text: str) -> None:
        if not text.strip():
            return
        case = self._case
        if case is None:
            if self._suites:
                self._suites[-1].texts.append(text)
        elif tag in _RED:
            # Most dialects repeat the message at the beginning of the text.
            if case.texts and (case.texts[-1] in text or not case.texts[-1].strip()):
                case.texts.pop()
            case.texts.append(text)
        else:
            case.printed.append("{:-^80}\n{}".format(f" {tag} ", text))

    def _close_case(self, case: _Case) -> None:
        suite = self._suites[-1] if self._suites else _Suite("", "", None, None)
        is_red = case.outcome.is_red
        suite.found += 1
        suite.found_red += is_red
        text = "\n".join(each for each in (*case.texts, *case.printed) if each) if is_red else ""
        name = self._names.unique(self._name_of(case.attributes, suite))
        self.results.append(TestResult(name, case.outcome, _seconds(case.attributes.get("time")), text))

    def _close_suite(self, suite: _Suite) -> None:
        unseen = suite.reds is not None and suite.reds > 0 and not suite.found_red
        if suite.own_reds or unseen:
            where = relative(suite.file, self._root) or suite.name or "the report"
            text = "\n".join(each for each in suite.texts if each) or "The report says no more."
            self.results.append(TestResult(self._names.unique(f"{where}::(suite)"), Outcome.ERROR, 0.0, text))
            suite.found_red += 1
        elif suite.tests is not None and suite.tests > suite.found:
            of = f" of {suite.name}" if suite.name else ""
            self.lacking = self.lacking or f"its report counts {suite.tests} tests{of}, but holds {suite.found}"
        if self._suites:
            self._suites[-1].found += suite.found
            self._suites[-1].found_red += suite.found_red

    def _name_of(self, attributes: Mapping[str, str], suite: _Suite) -> str:
        """Return where the test stands, and its name: `tests/a.test.ts::suite > name`, `package::test`."""
        name, group = attributes.get("name", "").strip() or "(no name)", attributes.get("classname", "").strip()
        file = attributes.get("file") or suite.file
        group = relative(group, self._root) if group.startswith(str(self._root)) else group
        if file:
            where = relative(file, self._root)
        else:
            # jest-junit has no class to tell of, and writes the test's name there as well.
            where, group = (group if group != name else "") or suite.name or "report", ""
        if group and group not in (where, name) and not name.startswith(group):
            return f"{where}::{group} > {name}"
        return f"{where}::{name}"


def _refuse_doctype(*_: object) -> None:
    raise BadReportError("it has a document type, which no JUnit XML needs")


def _outcome_of(attributes: Mapping[str, str]) -> Outcome:
    """Return what the attributes alone say: gtest's `status` and `result`, ctest's `status`."""
    said = {attributes.get("status", "").lower(), attributes.get("result", "").lower()}
    if said & _FAILED:
        return Outcome.FAILED
    return Outcome.SKIPPED if said & _NOT_RUN else Outcome.PASSED


def _count(text: str | None) -> int | None:
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None


def _seconds(text: str | None) -> float:
    """Return seconds; some dialects write thousands with a comma."""
    try:
        seconds = float((text or "0").replace(",", ""))
    except ValueError:
        return 0.0
    return seconds if 0 <= seconds < float("inf") else 0.0
