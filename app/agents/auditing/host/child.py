"""Runs one check, in a program of its own: `python -I -c CODE FOLDER ORDER PLUGINS`.

ORDER is a file that holds one JSON document; see `host.program`. PLUGINS is a folder of installed checks. What the
check tells goes, a JSON document a line, into the descriptor (on Windows: the handle) that WATCHKEEPER_RESULTS_FD
names: `{"finding": {...}}`, `{"unknown": "..."}`, `{"progress": [DONE, TOTAL]}`, `{"target": "..."}`, and as the last
one `{"done": true}` or `{"failed": "..."}`. Without the last one, the check did not come to its end.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import asdict
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.agents.auditing.context import Context
from app.agents.auditing.host.builtin import BUILT_IN
from app.agents.auditing.plugin import GROUP, Check, Finding, Named, NotKnown, Progressed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO

RESULTS = "WATCHKEEPER_RESULTS_FD"
LONGEST_TEXT = 4000
"""Characters of each text of a finding."""


def main() -> None:
    """Run the check that the order names."""
    order = json.loads(Path(sys.argv[2]).read_bytes())
    with os.fdopen(_own(int(os.environ.pop(RESULTS))), "wb") as results:
        try:
            asyncio.run(_run(order, results))
            _tell(results, {"done": True})
        except BaseException as error:  # noqa: BLE001 - SystemExit and KeyboardInterrupt are only other ways to fail
            _tell(results, {"failed": f"it failed: {_said(error)}"})


def _own(number: int) -> int:
    """Return the descriptor; what the check starts does not get it."""
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415 - there alone

        return msvcrt.open_osfhandle(number, os.O_WRONLY | os.O_BINARY | os.O_NOINHERIT)
    os.set_inheritable(number, False)  # noqa: FBT003 - its only argument
    return number


async def _run(order: Mapping[str, Any], results: BinaryIO) -> None:
    check = load(str(order["check"]), str(order["entry"]))
    about = order["context"]
    context = Context(**{**about, "root": Path(about["root"]), "cache": Path(about["cache"])})
    async for told in check.scan(context):
        _tell(results, document_of(check, told))


def load(check: str, entry: str) -> Check:
    """Return a check.

    Args:
        check: Its id.
        entry: The name of its entry point; empty for one that comes with Watchkeeper.

    Raises:
        LookupError: There is no such check.
        TypeError: What the entry point names is no check.
    """
    if not entry:
        return BUILT_IN[check].load()
    for point in entry_points(group=GROUP, name=entry):
        made = point.load()()
        if not isinstance(made, Check):
            raise TypeError(f"{point.value} is no app.agents.auditing.plugin.Check")
        return made
    raise LookupError(f"there is no check named {entry} any more")


def document_of(check: Check, told: object) -> dict[str, Any]:
    """Return what a check told as JSON takes it.

    Raises:
        TypeError: It is nothing that a check tells.
    """
    if isinstance(told, NotKnown):
        return {"unknown": str(told.reason)[:LONGEST_TEXT]}
    if isinstance(told, Progressed):
        return {"progress": [int(told.done), int(told.total)]}
    if isinstance(told, Named):
        return {"target": str(told.target)[:LONGEST_TEXT]}
    if not isinstance(told, Finding):
        raise TypeError(f"it told something that is no finding: {type(told).__name__}")
    values = {name: value[:LONGEST_TEXT] if isinstance(value, str) else value for name, value in asdict(told).items()}
    return {"finding": {**values, "check": check.id, "severity": str(told.severity)}}


def _tell(results: BinaryIO, document: Mapping[str, Any]) -> None:
    results.write(json.dumps(document, ensure_ascii=True).encode("ascii") + b"\n")
    results.flush()


def _said(error: BaseException) -> str:
    words = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
