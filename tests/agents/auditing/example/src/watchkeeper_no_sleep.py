"""A check that finds tests that sleep: they are slow on a good day, and wrong on a bad one."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, ClassVar

from app.agents.auditing.plugin import NotKnown, Severity, SyncCheck

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.agents.auditing.context import Context
    from app.agents.auditing.plugin import Told


class NoSleep(SyncCheck):
    """Tells of `time.sleep` in tests."""

    id: ClassVar[str] = "no-sleep"
    title: ClassVar[str] = "Tests do not sleep"
    severity: ClassVar[Severity] = Severity.LOW

    def look(self, context: Context) -> Iterable[Told]:
        """Yield a finding for each sleep, and say which test files could not be read."""
        for path in context.files("test_*.py", "*_test.py"):
            try:
                text = context.text(path)
                tree = ast.parse(text)
            except (OSError, SyntaxError, ValueError) as error:
                yield NotKnown(f"{path} cannot be read ({type(error).__name__})")
                continue
            lines = text.splitlines()
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "time.sleep":
                    yield self.finding(
                        "sleep",
                        "A test sleeps",
                        path,
                        node.lineno,
                        evidence=lines[node.lineno - 1],
                        remedy="Wait for what the test waits for.",
                    )
