"""What pytest's reports say, in words: a test's outcome, and the text of its failure."""

# What pytest hands over has other classes in each of its versions (ANN401).
# ruff: noqa: ANN401, PLC0415, PTH119, PTH120 - pathlib behaves differently over Python's versions; rare imports late
from __future__ import annotations

import os

TYPE_CHECKING = False  # typing need not be imported for this
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

TEXT_CAP = 64 * 1024
"""Characters of a failure's text and of what the test printed, together."""
HEAD = 16 * 1024


def outcome_of(reports: Sequence[Any]) -> str:
    """Fold a test's phases, and its subtests, into one outcome: the worst that a person must look at, else what ran."""
    failed = [report.when for report in reports if report.failed]
    if failed:
        if "call" in failed:
            return "failed"
        return "error" if "setup" in failed or "teardown" in failed else "crashed"
    own = [report for report in reports if not is_subtest(report)]
    for report in own:
        if report.skipped:
            return "xfailed" if hasattr(report, "wasxfail") else "skipped"
    if any(report.when == "call" and hasattr(report, "wasxfail") for report in own):
        return "xpassed"
    return "passed"


def is_subtest(report: Any) -> bool:
    """Return whether this is a subtest's report: pytest 9 has them itself, before it the plugin pytest-subtests."""
    return hasattr(report, "context") and "sub" in type(report).__name__.lower()


def red_text(red: Sequence[Any]) -> str:
    """Return the texts of the failed phases, and once what the test printed."""
    texts = [failure_text(report) for report in red]
    texts += ["{:-^80}\n{}".format(" " + name + " ", content) for name, content in red[-1].sections if content]
    return "\n".join(text for text in texts if text)


def failure_text(report: Any) -> str:
    """Return what pytest says of a failure, without colours."""
    try:
        return report.longreprtext or str(report.longrepr.reprcrash.message)
    except Exception as error:  # noqa: BLE001 - plugins bring their own representations
        return "The failure cannot be shown: {!r}".format(error)


def capped(text: str) -> str:
    """Return the text, its middle left out when it is too long."""
    if len(text) <= TEXT_CAP:
        return text
    cut = len(text) - TEXT_CAP
    return "{}\n... {} characters left out ...\n{}".format(text[:HEAD], cut, text[HEAD + cut :])


def traceback_of(error: BaseException) -> str:
    """Return a traceback from the first frame of the user's on."""
    import traceback

    inner: Any = error.__traceback__
    while inner is not None and ("_pytest" in inner.tb_frame.f_code.co_filename or _is_import(inner)):
        inner = inner.tb_next
    return "".join(traceback.format_exception(type(error), error, inner or error.__traceback__))


def _is_import(frame: Any) -> bool:
    name = frame.tb_frame.f_code.co_filename
    return name.startswith("<frozen importlib") or os.path.basename(os.path.dirname(name)) in ("pluggy", "importlib")
