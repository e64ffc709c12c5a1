"""The command line as it is called: words in, exit code and both streams out; and an instance that it can speak to."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from app.cli import run
from app.cli.launchers import (
    AccountOptions,
    AuditOptions,
    Launchers,
    OnceOptions,
    RepairOptions,
    SecretOf,
    TrayOptions,
)
from app.control.server import ControlServer
from app.domain import commands
from app.domain.agents import AgentState
from app.domain.errors import CommandRefused, SecretMissing, UsageError
from app.domain.snapshot import AgentView, Notice, ProjectView, RunView, Snapshot
from app.domain.verdicts import Cause, CauseKind, Counts, Outcome, TestState, Verdict
from app.engine.logs import LogRing
from app.engine.places import Places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from app.domain.health import ChannelTest
    from app.domain.history import Why

NOW = 1_800_000_000.0


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A WATCHKEEPER_HOME of its own, short enough for a socket."""
    folder = Path(tempfile.mkdtemp(prefix="wk-"))
    monkeypatch.setenv("WATCHKEEPER_HOME", str(folder))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def places(home: Path) -> Places:
    """The folders under the home; they exist."""
    found = Places.find({"WATCHKEEPER_HOME": str(home)})
    found.create()
    return found


@dataclass
class Ran:
    """How a command line ended."""

    code: int
    out: str
    err: str


@dataclass
class CommandLine:
    """Calls the command line in this process; what it starts is noted and answers with `code`."""

    capsys: pytest.CaptureFixture[str]
    code: int = 0
    started: list[tuple[Any, ...]] = field(default_factory=list)
    fault: BaseException | None = None

    def __call__(self, *argv: str) -> Ran:
        """Run one command line."""
        self.capsys.readouterr()
        audits = (self._audit, self._audit_aws, self._repair)
        code = run(argv, Launchers(self._tray, self._headless, self._once, *audits, self._bundle))
        out, err = self.capsys.readouterr()
        return Ran(code, out, err)

    def _tray(self, paths: tuple[Path, ...], options: TrayOptions) -> int:
        return self._note("tray", paths, options)

    def _headless(self, path: Path, as_json: bool) -> int:  # noqa: FBT001 - as Launchers has it
        return self._note("headless", path, as_json)

    def _once(self, path: Path, changed: tuple[str, ...], options: OnceOptions) -> int:
        return self._note("once", path, changed, options)

    def _audit(self, path: Path, options: AuditOptions) -> int:
        return self._note("audit", path, options)

    def _audit_aws(self, names: tuple[str, ...], options: AccountOptions, secret: SecretOf) -> int:
        del secret
        return self._note("audit_aws", names, options)

    def _repair(self, options: RepairOptions, secret: SecretOf) -> Mapping[str, Any]:
        del secret
        self._note("repair", options)
        return {}

    def _bundle(self, path: Path) -> tuple[str, ...]:
        self._note("bundle", path)
        return ("report.md", "doctor.json")

    def _note(self, *call: object) -> int:
        if self.fault is not None:
            raise self.fault
        self.started.append(call)
        return self.code


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], home: Path) -> CommandLine:  # noqa: ARG001 - the home is set meanwhile
    """The command line."""
    return CommandLine(capsys)


@dataclass
class Instance:
    """A running instance as far as the command line sees it."""

    snapshot: Snapshot
    ring: LogRing
    seen: list[commands.Command] = field(default_factory=list)
    stop: Callable[[], None] = lambda: None
    on_logs: Callable[[], None] = lambda: None
    why: Why | None = None
    tests: tuple[ChannelTest, ...] | UsageError = ()
    late: CommandRefused | None = None
    """What opening the vault by the system's keychain is refused with."""

    async def answer(self, command: commands.Command) -> object:
        """Answer as the bus's handlers do."""
        self.seen.append(command)
        match command:
            case commands.ReadStatus():
                return self.snapshot
            case commands.ReadLogs():
                lines = self.ring.after(command.after, command.limit)
                self.on_logs()
                return lines
            case commands.ReadWhy():
                return self.why and replace(self.why, project=command.project, nodeid=command.nodeid)
            case commands.Pause(agent="nobody"):
                raise CommandRefused("There is no agent 'nobody'.", "There is: tests.")
            case commands.Pause() | commands.Resume() | commands.LeaveSafeMode():
                return ("tests",)
            case commands.Stop():
                self.stop()
            case commands.UnlockVault() | commands.CopySecret():
                return self._of_the_vault(command)
            case commands.TestAlerts() if isinstance(self.tests, UsageError):
                raise self.tests
        return self.tests if isinstance(command, commands.TestAlerts) else None

    def _of_the_vault(self, command: commands.UnlockVault | commands.CopySecret) -> object:
        if isinstance(command, commands.UnlockVault):
            if self.late is not None:
                raise self.late
            return self.snapshot.vault.state
        if command.name == "NO_SUCH":
            raise SecretMissing("The vault holds no secret 'NO_SUCH'.", "See them with: watchkeeper keys list")
        return 30.0


def snapshot_with_a_red_test() -> Snapshot:
    """A project with one red test among three, one agent, and a notice."""
    cause = Cause(CauseKind.SAVE, ("src/app.py",))
    tests = {
        name: TestState(name, outcome, 0.1, NOW - 120, cause, "r1")
        for name, outcome in {
            "t.py::a": Outcome.PASSED,
            "t.py::b\x1b[31m": Outcome.FAILED,
            "t.py::c": Outcome.SKIPPED,
        }.items()
    }
    last = RunView("r1", cause, NOW - 120, NOW - 118, 3, Counts(1, 1, skipped=1), verdict=Verdict.RED, duration_s=2.0)
    project = ProjectView("/src/demo", "demo", "/usr/bin/python", ".venv", None, last, MappingProxyType(tests))
    return Snapshot(
        NOW - 1000,
        projects=MappingProxyType({project.root: project}),
        agents=MappingProxyType({"tests": AgentView("tests", AgentState.RUNNING, beat_at=NOW - 5)}),
        notices=MappingProxyType({"k": Notice("k", NOW, "Polling is used.", "Raise the limit.")}),
    )


@pytest.fixture
def instance(places: Places) -> Iterator[Instance]:
    """An instance that listens on the socket under the home, in a thread of its own."""
    ready = threading.Event()
    made = Instance(snapshot_with_a_red_test(), LogRing())

    async def main() -> None:
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        made.stop = lambda: loop.call_soon_threadsafe(stopped.set) and None  # type: ignore[func-returns-value] # ends it
        async with ControlServer(places, made.answer):
            ready.set()
            await stopped.wait()

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    assert ready.wait(20)
    yield made
    if thread.is_alive():
        made.stop()
    thread.join(20)
    assert not thread.is_alive()
