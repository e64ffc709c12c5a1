"""A file for each run of tests, for programs to read: `test_watcher_audit_20261129T104500123Z.json`.

The time in the name is when the run ended, in UTC with milliseconds; where two runs ended together, one is named a
millisecond later. A file is written when a run has ended with a verdict of its own, and again when its coverage is
known or one of its red tests is explained, until the project's next run has its file. A reader always finds it whole.

The file is one JSON object in UTF-8. Every name is always there:

    schema            1; grows when a name changes its meaning or goes. Names may be added: ignore what you do not know
    project           the project's root folder, an absolute path
    run_id            unique
    started_at        ISO 8601 in UTC: "2026-11-29T10:44:58.000Z"
    finished_at       likewise
    duration_s        seconds
    cause             {kind: "save", "start" or "request", changed_files: paths relative to the root}
    verdict           "green", "red", or a trouble: "collection-error", "no-tests", "no-pytest", "no-interpreter",
                      "usage-error", "crashed", "hung", "error"
    message           for a trouble, what happened and what to do; else ""
    counts            how many tests ended "passed", "failed", "error", "skipped", "xfailed", "xpassed", "crashed",
                      "hung"
    results           the red ones first: [{nodeid, outcome: a name of counts, duration_s, output: of a red test, its
                      end; else ""}]
    results_left_out  how many tests are counted and not listed, because the run has too many
    changed_lines     null until known, else {total, covered, uncovered: [{path, lines: numbers}]}
    coverage          null until known, else {measured_at, percent, files: [{path, percent, statements, missing:
                      numbers}]}; an earlier run may have measured it
    analysis          for each red test whose explanation has begun: [{nodeid, stage: "local", "asking",
                      "explained" or "unanswered", headline, provider, model, cause, confidence: null, "low", "medium"
                      or "high", evidence: [{path, line, why, source}], next_step}]; texts are "" until a model answered
    usage             {tokens, cost: US dollars or null, latency_s} of those answers together

Secrets are taken out of all texts. A text that is no UTF-8 has its odd bytes as lone surrogates, escaped as JSON does.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from app.domain.analysis import ExplainStage
from app.domain.verdicts import Outcome
from app.engine.files import sweep_temporaries, write_atomic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from app.domain.analysis import Answer, Explained
    from app.domain.coverage import ChangedLines, Coverage
    from app.domain.events import RunFinished
    from app.domain.verdicts import Cause, TestResult

SCHEMA = 1
MOST_RESULTS = 20_000
"""Of a larger run, tests that are not red are only counted."""
OUTPUT_CAP = 16 * 1024
"""Characters of a red test's output, from its end: failures say the most there."""
OUTPUTS_CAP = 8 * 1024 * 1024
"""Characters of all outputs of a run; those that come later are left out."""
_AT_ONCE = 100
"""Node ids that are cleaned at once: a search in a long text holds the interpreter's lock, and so the loop."""
_NAME = "test_watcher_audit_{}.json"
_PATTERN = re.compile(r"test_watcher_audit_\d{8}T\d{9}Z\.json\Z")


@dataclass(slots=True)
class Run:
    """A run that goes on, or has ended, as far as its file tells it. Memory for its results and outputs is bounded."""

    project: str
    run_id: str
    cause: Cause
    started_at: float
    red: dict[str, TestResult] = field(default_factory=dict)
    calm: dict[str, TestResult] = field(default_factory=dict)
    counts: Counter[Outcome] = field(default_factory=Counter)
    left_out: int = 0
    room: int = OUTPUTS_CAP
    lines: ChangedLines | None = None
    end: RunFinished | None = None

    def add(self, results: Iterable[TestResult]) -> None:
        """Take results in; of a test that ends again, the last end counts."""
        for result in results:
            before = self.red.pop(result.nodeid, None) or self.calm.pop(result.nodeid, None)
            if before is not None:
                self.counts[before.outcome] -= 1
                self.room += len(before.output)
            self.counts[result.outcome] += 1
            if len(self.red) + len(self.calm) >= MOST_RESULTS:
                self.left_out += 1
                if not result.outcome.is_red or not self.calm:
                    continue
                self.calm.popitem()
            if not result.outcome.is_red:
                self.calm[result.nodeid] = result
                continue
            # Twice what is shown: a secret that is cut in two must not lie where it shows.
            output = result.output[-min(2 * OUTPUT_CAP, self.room) :] if self.room else ""
            self.room -= len(output)
            self.red[result.nodeid] = replace(result, output=output)


@dataclass(frozen=True, slots=True)
class Report:
    """What is to be written; not changed any more once it waits."""

    run: Run
    end: RunFinished
    results: tuple[TestResult, ...]
    folder: Path
    keep: int
    coverage: tuple[float, Coverage] | None
    explained: tuple[tuple[Explained, Answer | None], ...]
    due: float


class Files:
    """The files, on the thread that writes them."""

    def __init__(self, redacting: Callable[[str], Callable[[str], str]]) -> None:
        self._redacting = redacting
        self._last: dict[str, tuple[str, Path]] = {}
        self._swept: set[Path] = set()

    def write(self, report: Report) -> None:
        """Write a report, in place of the one of the same run, and remove those that are too many.

        Raises:
            OSError: The disk refuses; what was there before is there still.
        """
        run, folder = report.run, report.folder
        content = _content(report, self._redacting(run.project))
        folder.mkdir(parents=True, exist_ok=True)
        if folder not in self._swept:
            self._swept.add(folder)
            sweep_temporaries(folder)
        last = self._last.get(run.project)
        is_again = last is not None and last[0] == run.run_id and last[1].parent == folder
        path = last[1] if is_again and last is not None else _free(folder, report.end.at)
        write_atomic(path, content)
        self._last[run.project] = (run.run_id, path)
        if not is_again:
            _prune(folder, report.keep, path)


def _free(folder: Path, at: float) -> Path:
    moment = datetime.fromtimestamp(at, UTC)
    while True:
        path = folder / _NAME.format(f"{moment:%Y%m%dT%H%M%S}{moment.microsecond // 1000:03}Z")
        if not path.exists():
            return path
        moment += timedelta(milliseconds=1)


def _prune(folder: Path, keep: int, newest: Path) -> None:
    ours = [path for path in folder.iterdir() if _PATTERN.match(path.name) and path.is_file() and not path.is_symlink()]
    ours.sort(key=lambda path: (path == newest, path.name))
    for path in ours[:-keep]:
        with suppress(OSError):
            path.unlink()


def _content(report: Report, redact: Callable[[str], str]) -> bytes:
    run, end = report.run, report.end
    names = _redacted((result.nodeid for result in report.results), redact)
    usages = [answer.usage for _explained, answer in report.explained if answer is not None]
    costs = [usage.cost for usage in usages if usage.cost is not None]
    document = {
        "schema": SCHEMA,
        "project": run.project,
        "run_id": run.run_id,
        "started_at": _moment(run.started_at),
        "finished_at": _moment(end.at),
        "duration_s": _finite(end.duration_s),
        "cause": {"kind": run.cause.kind.value, "changed_files": list(run.cause.paths)},
        "verdict": end.verdict.value,
        "message": redact(end.message),
        "counts": {outcome.value: run.counts[outcome] for outcome in Outcome},
        "results": [_result(result, names, redact) for result in report.results],
        "results_left_out": run.left_out,
        "changed_lines": _changed_lines(run.lines),
        "coverage": _coverage(report.coverage),
        "analysis": [_analysis(explained, answer, names, redact) for explained, answer in report.explained],
        "usage": {
            "tokens": sum(usage.tokens for usage in usages),
            "cost": _finite(sum(costs)) if costs else None,
            "latency_s": _finite(sum(usage.latency_s for usage in usages)),
        },
    }
    parts = ",\n".join(f"  {json.dumps(name)}: {_value(value)}" for name, value in document.items())
    return f"{{\n{parts}\n}}\n".encode("utf-8", "backslashreplace")


def _value(value: object) -> str:
    # Item by item: one call for a large list would hold the interpreter's lock, and so the loop, until it is done.
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(f"    {json.dumps(item, ensure_ascii=False)}" for item in value) + "\n  ]"
    return json.dumps(value, ensure_ascii=False)


def _redacted(nodeids: Iterable[str], redact: Callable[[str], str]) -> dict[str, str]:
    """Take secrets out of node ids, many at once where that gives as many lines as there were."""
    plain = list(nodeids)
    cleaned: list[str] = []
    for start in range(0, len(plain), _AT_ONCE):
        some = plain[start : start + _AT_ONCE]
        lines = redact("\n".join(some)).split("\n")
        cleaned += lines if len(lines) == len(some) else [redact(nodeid) for nodeid in some]
    return dict(zip(plain, cleaned, strict=True))


def _result(result: TestResult, names: Mapping[str, str], redact: Callable[[str], str]) -> dict[str, Any]:
    return {
        "nodeid": names[result.nodeid],
        "outcome": result.outcome.value,
        "duration_s": _finite(result.duration_s),
        "output": redact(result.output)[-OUTPUT_CAP:] if result.output and result.outcome.is_red else "",
    }


def _analysis(
    explained: Explained, answer: Answer | None, names: Mapping[str, str], redact: Callable[[str], str]
) -> dict[str, Any]:
    return {
        "nodeid": names[explained.nodeid],
        "stage": ExplainStage.EXPLAINED.value if answer else explained.stage.value,
        "headline": redact(answer.headline if answer else explained.headline),
        "provider": answer.provider if answer else "",
        "model": answer.model if answer else "",
        "cause": redact(answer.cause or answer.text) if answer else "",
        "confidence": answer.confidence.value if answer and answer.confidence else None,
        "evidence": [
            {"path": place.path, "line": place.line, "why": redact(place.why), "source": redact(place.source)}
            for place in (answer.evidence if answer else ())
        ],
        "next_step": redact(answer.next_step) if answer else "",
    }


def _changed_lines(lines: ChangedLines | None) -> dict[str, Any] | None:
    if lines is None:
        return None
    uncovered = [{"path": path, "lines": list(numbers)} for path, numbers in lines.uncovered]
    return {"total": lines.total, "covered": lines.covered, "uncovered": uncovered}


def _coverage(measured: tuple[float, Coverage] | None) -> dict[str, Any] | None:
    if measured is None:
        return None
    at, coverage = measured
    files = [
        {"path": each.path, "percent": each.percent, "statements": each.statements, "missing": list(each.missing)}
        for each in coverage.files
    ]
    return {"measured_at": _moment(at), "percent": coverage.percent, "files": files}


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _finite(number: float) -> float:
    return number if math.isfinite(number) else 0.0
