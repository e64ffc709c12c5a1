"""What a person may set for the Test Watcher."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from app.engine.settings import Section


class TestSettings(Section):
    """The section `[tests]`."""

    __test__: ClassVar[bool] = False

    python: str = Field(
        default="", description="The Python that runs the tests; empty: the project's own is looked for"
    )
    args: tuple[str, ...] = Field(
        default=(), description='More arguments for pytest, or for unittest where `runner` says so: ["-m", "not slow"]'
    )
    hang_seconds: float = Field(
        default=300.0, ge=1, le=86_400, description="A run that gives no sign of life for so long is ended"
    )
    run_at_start: bool = Field(default=True, description="Run all tests once when the watch begins")
    runner: Literal["auto", "pytest", "unittest", "command"] = Field(
        default="auto", description="What runs the tests; auto: looked for in the project's files"
    )
    command: str = Field(
        default="", description='The command that runs the tests, where `runner` is "command": "npx vitest run"'
    )
    report: str = Field(
        default="",
        description="The JUnit XML that `command` writes, in the project's folder: a file, a folder or a pattern; "
        "empty: TAP or the exit code",
    )
    impact: bool = Field(default=True, description="Run the tests that a change touches first, then the rest")
    warm_workers: int = Field(
        default=2, ge=0, le=4, description="Interpreters kept ready, so that tests start at once; 0: none"
    )
    warm_mb: int = Field(
        default=400, ge=50, le=100_000, description="A ready interpreter that grows beyond this is not kept"
    )
    recheck: bool = Field(
        default=True, description="Run a test that went red once more, alone and on the last green source"
    )
    coverage: Literal["idle", "off"] = Field(
        default="idle", description="Measure the whole project's coverage when nothing else goes on"
    )
