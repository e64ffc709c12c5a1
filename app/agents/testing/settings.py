"""What a person may set for the Test Watcher."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from app.engine.settings import Section


class TestSettings(Section):
    """The section `[tests]`."""

    __test__: ClassVar[bool] = False

    python: str = Field(
        default="", description="The Python that runs the tests; empty: the project's own is looked for"
    )
    args: tuple[str, ...] = Field(default=(), description='More arguments for pytest: ["-x", "-m", "not slow"]')
    hang_seconds: float = Field(
        default=300.0, ge=1, le=86_400, description="A run that gives no sign of life for so long is ended"
    )
    run_at_start: bool = Field(default=True, description="Run all tests once when the watch begins")
