"""An instance that the commands can speak to, and what it has to tell: no model is asked."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

import app
from app.control.server import ControlServer
from app.domain import commands
from app.domain.analysis import (
    AnalysisView,
    Answer,
    Confidence,
    Conversation,
    ConversationRecord,
    Evidence,
    Exchange,
    ExplainStage,
    Explanation,
    LocalExplanation,
    PromptPreview,
    PromptSection,
    ProviderView,
    Reply,
    Subject,
    SubjectKind,
    Usage,
    When,
)
from app.domain.errors import WatchkeeperError
from app.domain.snapshot import ProjectView, Snapshot
from app.domain.verdicts import Cause, CauseKind, Outcome, TestState
from app.engine.bus import Bus
from app.engine.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.engine.places import Places


ROOT = Path(app.__file__).parents[1]
SHOP = "/src/shop"
TOTAL, ADD, PAY = "t/test_shop.py::test_total", "t/test_shop.py::test_add[1]", "t/test_shop.py::test_add[2]"
HOSTILE = "\x1b]0;owned\x07\u202egnp.\r\x9b31m"
USAGE = Usage(1200, 40, 0.004, 3.2)
LOCAL = LocalExplanation(
    "AssertionError: assert 3 == 4",
    Evidence("src/shop.py", 12, source="return a - b"),
    frames=(Evidence("src/app.py", 3, source="total(1, 3)"), Evidence("src/shop.py", 12, source="return a - b")),
    suspects=(Evidence("src/shop.py", 12, "the last change wrote it", "return a - b"),),
    changed=("src/shop.py",),
    diff="@@ -12 +12 @@\n-return a + b\n+return a - b\n",
    last_green=1.0,
    doubt="It is flaky.",
)
ANSWER = Answer(
    2.0,
    "deepseek",
    "deepseek-chat",
    USAGE,
    cause="A minus stands where a plus belongs.\nSee line 12.",
    confidence=Confidence.HIGH,
    evidence=(Evidence("src/shop.py", 12, "the minus", "return a - b"),),
    next_step="Put the plus back.",
    patch="--- a/src/shop.py\n+++ b/src/shop.py\n@@ -12 +12 @@\n-return a - b\n+return a + b\n",
    patch_note="It was not run.",
)
EXPLANATION = Explanation(SHOP, TOTAL, "f1", ExplainStage.ASKING, LOCAL)
EXPLAINED = replace(EXPLANATION, stage=ExplainStage.EXPLAINED, answer=ANSWER)
PREVIEW = PromptPreview(
    "deepseek",
    "api.deepseek.com",
    "deepseek-chat",
    (("system", "You explain failures."), ("user", f"assert 3 == 4{HOSTILE}")),
    900,
    6000,
    (PromptSection("failure", 100, 100), PromptSection("source", 2000, 800)),
    redacted=3,
)
RECORD = ConversationRecord(
    "3f2a99", Subject(SubjectKind.FAILURE, SHOP, TOTAL), "Why does it fail?", 1.0, 2.0, exchanges=2, cost=0.25
)
TALK = Conversation(
    RECORD,
    (
        Exchange(1, 1.0, "Why does it fail?", "Because of the minus.", "deepseek", "deepseek-chat", USAGE),
        Exchange(2, 2.0, "And now?", trouble="The service is busy."),
    ),
)


def red(nodeid: str, since: float, outcome: Outcome = Outcome.FAILED) -> TestState:
    return TestState(nodeid, outcome, 0.1, since, Cause(CauseKind.SAVE, ()), "r")


def snapshot(*tests: TestState, when: When = When.ASK, root: str = SHOP) -> Snapshot:
    view = ProjectView(root, "shop", tests=MappingProxyType({each.nodeid: each for each in tests}))
    analysis = AnalysisView(when, (ProviderView("deepseek", "api.deepseek.com", "deepseek-chat"),))
    return Snapshot(0.0, projects=MappingProxyType({root: view}), analysis=analysis)


@dataclass
class Desk:
    """A running instance: a real bus behind a real socket, and what it answers to each command."""

    answers: dict[type[commands.Command], Callable[[Any], object]] = field(default_factory=dict)
    seen: list[commands.Command] = field(default_factory=list)
    stop: Callable[[], None] = lambda: None
    heard: threading.Condition = field(default_factory=threading.Condition)

    def on(self, kind: type[commands.Command], *answers: object) -> None:
        """Answer with each in its turn, and with the last for ever; a callable is called, an error raised."""
        left = list(answers)

        def answer(command: commands.Command) -> object:
            found = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(found, WatchkeeperError):
                raise found
            return found(command) if callable(found) else found

        self.answers[kind] = answer

    def was_asked(self, kind: type[commands.Command]) -> list[Any]:
        """Return the commands of a kind that came."""
        return [each for each in self.seen if isinstance(each, kind)]

    def wait_for(self, kind: type[commands.Command]) -> bool:
        """Wait until a command of a kind has come."""
        with self.heard:
            return self.heard.wait_for(lambda: bool(self.was_asked(kind)), 20)

    async def answer(self, command: Any) -> object:
        """Answer one. In a thread: what a test gives may wait."""
        with self.heard:
            self.seen.append(command)
            self.heard.notify_all()
        return await asyncio.to_thread(self.answers[type(command)], command)


@pytest.fixture
def desk(places: Places) -> Iterator[Desk]:
    """An instance that watches a shop with a red test, has an answer for it, and knows one conversation."""
    made, ready = Desk(), threading.Event()
    made.on(commands.ReadStatus, snapshot(red(TOTAL, 5.0), red(ADD, 1.0, Outcome.PASSED)))
    made.on(commands.Explain, EXPLANATION)
    made.on(commands.ReadExplanation, EXPLANATION, EXPLAINED)
    made.on(commands.ReadPrompt, PREVIEW)
    made.on(commands.ReadFinding, None)
    made.on(commands.SetConsent, ("api.deepseek.com",))
    made.on(commands.Ask, "3f2a99")
    made.on(commands.ReadReply, pieces("Because.")[0])
    made.on(commands.StopReply, None)
    made.on(commands.ReadConversations, (RECORD, replace(RECORD, id="3f11", cost=0.0)))
    made.on(commands.ReadConversation, TALK)
    made.on(commands.DeleteConversation, None)

    async def main() -> None:
        stopped, loop, bus = asyncio.Event(), asyncio.get_running_loop(), Bus(SystemClock())
        made.stop = lambda: loop.call_soon_threadsafe(stopped.set) and None  # type: ignore[func-returns-value] # ends it
        for kind in made.answers:
            bus.handle(kind, made.answer)
        async with ControlServer(places, bus.send):
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


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.cli.ai.explaining.POLL_S", 0.001)


def started(*words: str, **more: Any) -> subprocess.Popen[bytes]:
    """Start a command line as a process of its own; WATCHKEEPER_HOME is set by the fixture."""
    argv = [sys.executable, "-m", "app.main", *words]
    return subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)


def pieces(*texts: str, seq: int = 1) -> list[Reply]:
    """Return the looks at an answer that comes in pieces."""
    lengths = [sum(len(text) for text in texts[: index + 1]) for index in range(len(texts))]
    found = [Reply("3f2a99", seq, text, length, is_done=False) for text, length in zip(texts, lengths, strict=True)]
    last = replace(found[-1], is_done=True, provider="deepseek", model="deepseek-chat", usage=USAGE)
    return [*found[:-1], last]


def is_harmless(text: str) -> bool:
    return all(sign.isprintable() or sign in "\n\t" for sign in text)
