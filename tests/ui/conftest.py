"""What the tests of the tray and the window share: a story to render, snapshots of any kind, and a bus to ask."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import strategies as st

from app.domain import commands, events
from app.domain.agents import AgentState
from app.domain.analysis import (
    AnalysisView,
    BreakerState,
    ConversationRecord,
    Explained,
    ExplainStage,
    Explanation,
    ProviderView,
    Reply,
    When,
)
from app.domain.coverage import ChangedLines, Coverage, FileCoverage
from app.domain.history import LogLine, TestDetail, TestMoment, Why
from app.domain.keys import SecretView, SlotView, VaultState, VaultView
from app.domain.reduce import reduce
from app.domain.snapshot import Snapshot
from app.domain.verdicts import Cause, CauseKind, Check, Outcome, Stage, TestResult, TestState, Verdict
from app.engine.bus import Bus
from app.ui.icons import Icons
from tests.ui.firststart import FarSide, maker, where_all_goes_well
from tests.ui.models import RECORDS, answer_about_models

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from PySide6.QtWidgets import QApplication
    from pytestqt.qtbot import QtBot

    from app.ui.wizard.wizard import Wizard

NOW = 1_700_000_000.0
FLASK, HTTPX = "/home/ada/src/flask", "/home/ada/src/httpx"
SAVE = Cause(CauseKind.SAVE, ("src/flask/app.py",))


COVERAGE = Coverage(
    tuple(
        FileCoverage(
            f"src/flask/{name}.py", statements, tuple(range(40, 40 + missing)) + ((300, 417) if missing else ())
        )
        for name, statements, missing in (
            ("__init__", 0, 0),
            ("app", 411, 31),
            ("blueprints", 216, 3),
            ("cli", 395, 96),
            ("config", 103, 0),
            ("ctx", 170, 2),
            ("debughelpers", 84, 20),
            ("globals", 17, 0),
            ("helpers", 124, 9),
            ("json/provider", 74, 4),
            ("logging", 25, 0),
            ("scaffold", 254, 11),
            ("sessions", 139, 6),
            ("views", 41, 0),
        )
    )
)


DAY = 86_400
SECRETS = (
    SecretView(
        "DEEPSEEK_API_KEY",
        group="DEEPSEEK_API_KEY",
        notes="the team account",
        renewed=int(NOW) - 120 * DAY,
        due=int(NOW) - 3 * DAY,
        read_at=NOW - 140,
        read_by="tests agent",
    ),
    SecretView(
        "DEEPSEEK_API_KEY_1",
        group="DEEPSEEK_API_KEY",
        notes="spare",
        renewed=int(NOW) - 20 * DAY,
        due=int(NOW) + 9 * DAY + 60,
        read_at=NOW - 4000,
        read_by="watchkeeper keys run",
    ),
    SecretView("AWS_SECRET_ACCESS_KEY", notes="deploys of the shop", renewed=int(NOW) - 400 * DAY),
    SecretView("SENTRY_DSN", created=int(NOW) - 2 * DAY, due=int(NOW) + 88 * DAY + 60),
)
VAULTS = {
    "none": VaultView(),
    "opening": VaultView(VaultState.OPENING, offers=("keychain", "recovery")),
    "waiting": VaultView(VaultState.WAITING, offers=("keychain", "passphrase", "recovery")),
    "locked": VaultView(
        VaultState.LOCKED,
        "The system keychain is locked.",
        "Unlock it, or open the vault in another way.",
        ("keychain", "passphrase", "recovery"),
    ),
    "trouble": VaultView(
        VaultState.TROUBLE, "The vault's file is not what was written.", "Put a backup in place.", ("recovery",)
    ),
    "open": VaultView(
        VaultState.OPEN,
        secrets=SECRETS,
        slots=(SlotView("a", "keychain"), SlotView("b", "recovery")),
        rotated=int(NOW) - 12 * DAY,
        rotation_due=int(NOW) + 18 * DAY + 60,
    ),
    "empty": VaultView(VaultState.OPEN),
}


def fold(snapshot: Snapshot, *happened: events.Event) -> Snapshot:
    for event in happened:
        snapshot = reduce(snapshot, event)
    return snapshot


def results(reds: dict[int, Outcome] | None = None, count: int = 484) -> tuple[TestResult, ...]:
    files = ("test_basic", "test_blueprints", "test_cli", "test_config", "test_json")
    made = []
    for number in range(count):
        name = f"test_{('routing', 'url_for', 'session', 'teardown', 'dispatch')[number % 5]}_{number}"
        name = f"TestRoutes::{name}[GET-/a::b]" if number % 9 == 0 else name
        usual = Outcome.SKIPPED if number % 23 == 7 else Outcome.PASSED
        made.append(
            TestResult(
                f"tests/{files[number * 5 // count]}.py::{name}",
                (reds or {}).get(number, usual),
                0.002 + number * 37 % 100 / 400,
            )
        )
    return tuple(made)


@dataclass(frozen=True)
class Story:
    """Snapshots of two projects as a day goes by, all made by the reducer."""

    now: float
    flask: str
    httpx: str
    empty: Snapshot
    waiting: Snapshot
    green: Snapshot
    red: Snapshot
    running: Snapshot
    confirming: Snapshot
    checked: Snapshot
    paused: Snapshot
    trouble: Snapshot
    failed: Snapshot
    vaults: dict[str, Snapshot]

    def all(self) -> dict[str, Snapshot]:
        """Each snapshot by its name."""
        names = ("empty", "waiting", "green", "red", "running", "confirming", "checked", "paused", "trouble", "failed")
        vaults = {f"vault-{name}": snapshot for name, snapshot in self.vaults.items()}
        return {**{name: getattr(self, name) for name in names}, **vaults}


def _run(project: str, run_id: str, cause: Cause, at: float, ran: tuple[TestResult, ...]) -> list[events.Event]:
    red = any(result.outcome.is_red for result in ran)
    return [
        events.RunStarted(at=at, project=project, run_id=run_id, cause=cause),
        events.RunCollected(at=at + 1, project=project, run_id=run_id, total=len(ran)),
        events.TestsRan(at=at + 2, project=project, run_id=run_id, results=ran),
        events.RunFinished(
            at=at + 4, project=project, run_id=run_id, verdict=Verdict.RED if red else Verdict.GREEN, duration_s=4.2
        ),
    ]


@pytest.fixture(scope="session")
def story() -> Story:
    """Snapshots of two watched projects: waiting, green, red, running, paused, in trouble, with a failed agent."""
    start = Cause(CauseKind.START)
    empty = Snapshot(started_at=NOW - 4000)
    waiting = fold(
        empty,
        events.ProjectWatched(at=NOW - 4000, project=FLASK, name="flask"),
        events.ProjectWatched(at=NOW - 4000, project=HTTPX, name="httpx"),
        events.InterpreterFound(at=NOW - 3999, project=FLASK, interpreter=f"{FLASK}/.venv/bin/python", source=".venv"),
        events.AgentChanged(at=NOW - 3999, agent="tests", state=AgentState.RUNNING),
        events.AgentBeat(at=NOW - 1, agent="tests", progress=7),
    )
    green = fold(
        waiting,
        *_run(HTTPX, "h1", start, NOW - 700, results(count=120)),
        *_run(FLASK, "f1", start, NOW - 340, results()),
    )
    reds = {3: Outcome.FAILED, 12: Outcome.FAILED, 13: Outcome.ERROR, 260: Outcome.FAILED, 401: Outcome.CRASHED}
    red = fold(green, *_run(FLASK, "f2", SAVE, NOW - 130, results({**reds, 402: Outcome.HUNG})))
    running = fold(
        red,
        events.RunStarted(at=NOW - 3, project=FLASK, run_id="f3", cause=SAVE),
        events.RunCollected(at=NOW - 2, project=FLASK, run_id="f3", total=484),
        events.TestsRan(
            at=NOW - 1,
            project=FLASK,
            run_id="f3",
            results=results(reds)[:240],
            running="tests/test_blueprints.py::TestRoutes::test_dotted_name_not_allowed[GET-/a::b]",
        ),
        events.NoticeRaised(
            at=NOW,
            key="polling",
            text="flask is watched by polling: the limit of file watches is reached.",
            hint="Raise it with: sudo sysctl fs.inotify.max_user_watches=524288",
        ),
    )
    lines = ChangedLines(7, 5, (("src/flask/app.py", (812, 813)),))
    covered = fold(
        green,
        events.CoverageMeasured(at=NOW - 200, project=FLASK, coverage=COVERAGE),
        events.RunStarted(at=NOW - 3, project=FLASK, run_id="f3", cause=SAVE),
        events.RunStaged(at=NOW - 3, project=FLASK, run_id="f3", stage=Stage.IMPACTED, tests=7),
    )
    confirming = fold(
        covered,
        events.TestsRan(at=NOW - 2, project=FLASK, run_id="f3", results=results()[:7]),
        events.RunStaged(at=NOW - 2, project=FLASK, run_id="f3", stage=Stage.REST, verdict=Verdict.GREEN),
        events.ChangeCovered(at=NOW - 2, project=FLASK, run_id="f3", lines=lines),
        events.RunCollected(at=NOW - 2, project=FLASK, run_id="f3", total=484),
        events.TestsRan(
            at=NOW - 1,
            project=FLASK,
            run_id="f3",
            results=results()[7:130],
            running="tests/test_blueprints.py::test_url_for_131",
        ),
    )
    nodeids = [test.nodeid for test in red.projects[FLASK].red]
    checks = (
        Check(Outcome.PASSED),
        Check(Outcome.FAILED, Outcome.PASSED),
        Check(Outcome.FAILED, Outcome.FAILED),
        Check(Outcome.FAILED),
    )
    checked = fold(
        red,
        events.CoverageMeasured(at=NOW - 200, project=FLASK, coverage=COVERAGE),
        events.ChangeCovered(at=NOW - 120, project=FLASK, run_id="f2", lines=lines),
        *(
            events.TestChecked(at=NOW - 100, project=FLASK, nodeid=nodeid, check=check)
            for nodeid, check in zip(nodeids, checks, strict=False)
        ),
    )
    paused = fold(green, events.AgentPaused(at=NOW, agent="tests", until=NOW + 1500))
    trouble = fold(
        green,
        events.RunStarted(at=NOW - 30, project=HTTPX, run_id="h2", cause=SAVE),
        events.RunFinished(
            at=NOW - 28,
            project=HTTPX,
            run_id="h2",
            verdict=Verdict.COLLECTION_ERROR,
            duration_s=0.8,
            message="tests/client/test_auth.py cannot be imported: SyntaxError in httpx/_client.py, line 88.",
            output="E   SyntaxError: invalid syntax\n" * 12,
        ),
    )
    failed = fold(
        green,
        events.AgentChanged(at=NOW - 60, agent="tests:httpx", state=AgentState.RUNNING),
        events.AgentBeat(at=NOW - 2, agent="tests:httpx", progress=3),
        events.AgentChanged(
            at=NOW - 20,
            agent="tests",
            state=AgentState.FAILED,
            reason="PermissionError: [Errno 13] Permission denied: '/home/ada/src/flask/tests'",
            restarts=5,
        ),
        events.LoopLagged(at=NOW - 10, lag_s=2.3, where="file.py:12 in slow"),
    )
    vaults = {name: fold(green, events.VaultChanged(at=NOW, vault=vault)) for name, vault in VAULTS.items()}
    return Story(
        NOW, FLASK, HTTPX, empty, waiting, green, red, running, confirming, checked, paused, trouble, failed, vaults
    )


@pytest.fixture(scope="session")
def icons(qapp: QApplication) -> Icons:
    """The program's own icons."""
    del qapp
    return Icons()


OUTPUT = """    def test_routing_3(app, client):
        rv = client.get("/foo")
>       assert rv.status_code == 200
E       assert 404 == 200
E        +  where 404 = <WrapperTestResponse streamed [404 NOT FOUND]>.status_code

tests/test_basic.py:112: AssertionError
"""


REASONS = (
    "It executes Flask.full_dispatch_request in src/flask/app.py, which changed.",
    "It executes Flask.finalize_request in src/flask/app.py, which changed.",
    "It was red in the last run.",
    "tests/conftest.py has a fixture that it uses.",
)
DEPENDS_ON = ("src/flask/app.py", "src/flask/ctx.py", "tests/conftest.py", "tests/templates/index.html")


@dataclass
class Desk:
    """A real bus whose handlers note what was asked, and a spawn that runs a coroutine to its end at once."""

    bus: Bus
    asked: list[commands.Command] = field(default_factory=list)
    lines: list[LogLine] = field(default_factory=list)
    refuse: Exception | None = None
    explanation: Explanation | None = None
    replies: dict[str, Reply] = field(default_factory=dict)
    records: tuple[ConversationRecord, ...] = RECORDS
    on_asked: Callable[[], None] = lambda: None

    def spawn(
        self,
        coro: Coroutine[object, object, None],
        /,
        *,
        name: str,
        on_error: Callable[[BaseException], None] | None = None,
    ) -> object:
        """Run a coroutine that waits for nothing."""
        assert name
        try:
            coro.send(None)
        except StopIteration:
            return None
        except Exception as error:
            if on_error is None:
                raise
            on_error(error)
            return None
        coro.close()
        raise AssertionError(f"{name} waits for something")

    def of(self, kind: type[commands.Command]) -> list[commands.Command]:
        """Return what was asked of this type."""
        return [command for command in self.asked if isinstance(command, kind)]


@pytest.fixture
def desk(fake_clock: object) -> Desk:
    """A bus that answers every command the window may send."""
    made = Desk(Bus(fake_clock))  # type: ignore[arg-type] # the fake keeps to the protocol, its type cannot be imported

    def note(command: commands.Command) -> object:
        made.asked.append(command)
        made.on_asked()
        if made.refuse is not None:
            raise made.refuse
        if isinstance(command, commands.ReadTest):
            moments = tuple(
                TestMoment(
                    f"r{i}", NOW - 120 * i, Outcome.FAILED if i in (0, 7, 8) else Outcome.PASSED, 0.1 + i / 90, SAVE
                )
                for i in range(34)
            )
            return TestDetail(command.project, command.nodeid, OUTPUT, moments)
        if isinstance(command, commands.ReadWhy):
            of = {"project": command.project, "nodeid": command.nodeid}
            return Why(
                **of, stage=Stage.IMPACTED, ran=True, cause=SAVE, reasons=REASONS, depends_on=DEPENDS_ON, functions=41
            )
        if isinstance(command, commands.ReadLogs):
            return tuple([line for line in made.lines if line.seq > command.after][: command.limit])
        return answer_about_models(made, command)

    for kind in (
        commands.AskForProject,
        commands.RunTests,
        commands.CancelRun,
        commands.Pause,
        commands.Resume,
        commands.ReadTest,
        commands.ReadWhy,
        commands.ReadLogs,
        commands.Explain,
        commands.ReadExplanation,
        commands.ReadPrompt,
        commands.SetConsent,
        commands.Ask,
        commands.ReadReply,
        commands.StopReply,
        commands.ReadConversations,
        commands.ReadConversation,
        commands.DeleteConversation,
    ):
        made.bus.handle(kind, note)
    return made


_text = st.text(max_size=40)
_at = st.floats(min_value=NOW - 10**7, max_value=NOW + 10**4)
_project = st.sampled_from(["/a", "/b"])
_run_id = st.sampled_from(["1", "2"])
_agent = st.sampled_from(["tests", "audits"])
_nodeid = st.one_of(
    st.builds(
        lambda f, c, t: "::".join(part for part in (f"tests/test_{f}.py", c, t) if part),
        st.integers(0, 3),
        st.sampled_from(["", "TestA", "TestB::TestC"]),
        st.one_of(st.just(""), st.builds("test_{}".format, st.integers(0, 9)), _text),
    ),
    _text,
)
_cause = st.builds(Cause, st.sampled_from(CauseKind), st.lists(_text, max_size=3).map(tuple))
_result = st.builds(TestResult, _nodeid, st.sampled_from(Outcome), st.floats(0, 5000), _text)
_state = st.builds(TestState, _nodeid, st.sampled_from(Outcome), st.floats(0, 50), _at, _cause, _run_id)
_outcome = st.none() | st.sampled_from(Outcome)
_lines = st.lists(st.integers(1, 500), max_size=5, unique=True).map(sorted).map(tuple)
_file = st.builds(FileCoverage, _text, st.integers(0, 500), _lines)
_times = st.integers(0, int(NOW) * 2)
_secret = st.builds(SecretView, _text, _text, _text, _times, _times, _times, _at, _text)
_vault = st.builds(
    VaultView,
    st.sampled_from(VaultState),
    _text,
    _text,
    st.lists(st.sampled_from(["keychain", "passphrase", "recovery", "aws-kms", "new"]), unique=True).map(tuple),
    st.lists(_secret, max_size=4, unique_by=lambda secret: secret.name).map(tuple),
    st.lists(st.builds(SlotView, _text, _text, _text, _times), max_size=3).map(tuple),
    _times,
    _times,
    _times,
)
_provider = st.builds(ProviderView, _text, _text, _text, st.sampled_from(BreakerState), _text)
_analysis = st.builds(
    AnalysisView,
    st.sampled_from(When),
    st.lists(_provider, max_size=3).map(tuple),
    st.integers(0, 10**9),
    st.integers(0, 10**6),
    st.floats(0, 10**6),
    st.floats(0, 10**3),
    st.lists(_text, max_size=2).map(tuple),
    st.integers(0, 5),
)
_event = st.one_of(
    st.builds(events.AnalysisChanged, at=_at, analysis=_analysis),
    st.builds(
        events.ExplanationChanged,
        at=_at,
        project=_project,
        explained=st.builds(Explained, _nodeid, st.sampled_from(ExplainStage), _text, _at),
    ),
    st.builds(events.VaultChanged, at=_at, vault=_vault),
    st.builds(
        events.RunStaged,
        at=_at,
        project=_project,
        run_id=_run_id,
        stage=st.sampled_from(Stage),
        tests=st.none() | st.integers(0, 10**6),
        verdict=st.sampled_from([None, Verdict.GREEN, Verdict.RED]),
    ),
    st.builds(events.TestChecked, at=_at, project=_project, nodeid=_nodeid, check=st.builds(Check, _outcome, _outcome)),
    st.builds(
        events.ChangeCovered,
        at=_at,
        project=_project,
        run_id=_run_id,
        lines=st.builds(
            ChangedLines,
            st.integers(0, 99),
            st.integers(0, 99),
            st.lists(st.tuples(_text, _lines), max_size=3).map(tuple),
        ),
    ),
    st.builds(
        events.CoverageMeasured,
        at=_at,
        project=_project,
        coverage=st.builds(Coverage, st.lists(_file, max_size=4).map(tuple)),
    ),
    st.builds(
        events.ProjectWatched, at=_at, project=_project, name=_text, known=st.lists(_state, max_size=6).map(tuple)
    ),
    st.builds(events.InterpreterFound, at=_at, project=_project, interpreter=_text, source=_text),
    st.builds(events.RunStarted, at=_at, project=_project, run_id=_run_id, cause=_cause),
    st.builds(events.RunCollected, at=_at, project=_project, run_id=_run_id, total=st.integers(0, 10**6)),
    st.builds(
        events.TestsRan,
        at=_at,
        project=_project,
        run_id=_run_id,
        results=st.lists(_result, max_size=12).map(tuple),
        running=_nodeid,
    ),
    st.builds(
        events.RunFinished,
        at=_at,
        project=_project,
        run_id=_run_id,
        verdict=st.sampled_from(Verdict),
        message=_text,
        duration_s=st.floats(0, 10**5),
        gone=st.lists(_nodeid, max_size=3).map(tuple),
        output=_text,
    ),
    st.builds(
        events.AgentChanged,
        at=_at,
        agent=_agent,
        state=st.sampled_from(AgentState),
        reason=_text,
        restarts=st.integers(0, 9),
    ),
    st.builds(events.AgentBeat, at=_at, agent=_agent, progress=st.integers(0, 99)),
    st.builds(events.AgentPaused, at=_at, agent=_agent, until=st.none() | _at),
    st.builds(events.AgentResumed, at=_at, agent=_agent),
    st.builds(events.NoticeRaised, at=_at, key=_text, text=_text, hint=_text),
    st.builds(events.NotificationsSnoozed, at=_at, until=_at),
    st.builds(events.LoopLagged, at=_at, lag_s=st.floats(0, 10**4), where=_text),
    st.builds(events.StopBegan, at=_at, reason=_text),
)


@pytest.fixture(scope="session")
def any_events() -> st.SearchStrategy[list[events.Event]]:
    """Lists of events of two projects and two agents, projects first so that most of them count."""
    return st.builds(
        lambda first, rest: [*first, *rest],
        st.lists(st.builds(events.ProjectWatched, at=_at, project=_project, name=_text), max_size=2),
        st.lists(_event, max_size=25),
    )


@pytest.fixture(scope="session")
def any_snapshot(any_events: st.SearchStrategy[list[events.Event]]) -> st.SearchStrategy[Snapshot]:
    """Snapshots that the reducer can make."""
    return any_events.map(lambda happened: fold(Snapshot(started_at=NOW), *happened))


@pytest.fixture
def far() -> Iterator[FarSide]:
    """A far side on which all goes well."""
    made = where_all_goes_well()
    yield made
    made.close()


@pytest.fixture
def make(qtbot: QtBot, far: FarSide, icons: Icons) -> Callable[..., Wizard]:
    """Makes a wizard that is shown."""
    return maker(qtbot, far, icons)


@pytest.fixture
def wizard(make: Callable[..., Wizard]) -> Wizard:
    """A wizard at its first step, in English."""
    return make()
