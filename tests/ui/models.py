"""What the tests of the window share about models: explanations, conversations, and who answers about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain import commands
from app.domain.analysis import (
    AnalysisView,
    Answer,
    Confidence,
    Conversation,
    ConversationRecord,
    Evidence,
    Exchange,
    LocalExplanation,
    PromptPreview,
    PromptSection,
    ProviderView,
    Reply,
    Subject,
    SubjectKind,
    Usage,
)
from app.domain.errors import UsageError

if TYPE_CHECKING:
    from app.domain.analysis import Explanation
    from tests.ui.conftest import Desk

NOW = 1_700_000_000.0
FLASK = "/home/ada/src/flask"
HOSTILE = (
    "<b>bold</b> <img src='file:///etc/hostname'> <a href='https://example.org'>link</a> \u202egnirts "
    "[x](file:///etc/passwd) ![y](https://example.org/p.png) <javascript:alert(1)>"
)
"""What a model or a test may say to be more than text."""
PATCH = "--- a/src/flask/app.py\n+++ b/src/flask/app.py\n@@ -812 +812 @@\n-    return a + b\n+    return a - b\n"
LOCAL = LocalExplanation(
    "AssertionError: assert 404 == 200",
    Evidence("tests/test_basic.py", 112, "", "assert rv.status_code == 200"),
    suspects=(Evidence("src/flask/app.py", 812, "", "return a - b"),),
    changed=("src/flask/app.py",),
    last_green=NOW - 300,
    doubt="It is flaky: it was green when it ran again alone.",
)
ANSWER = Answer(
    NOW - 125,
    "deepseek",
    "deepseek-chat",
    Usage(3210, 412, 0.004, 3.2),
    cause="The route no longer matches.",
    confidence=Confidence.HIGH,
    evidence=(Evidence("src/flask/app.py", 812, "The redirect is off.", "return a - b"),),
    next_step="Put the redirect back.",
    patch=PATCH,
    patch_note="It changes src/flask/app.py only.",
)
PROVIDER = ProviderView("deepseek", "api.deepseek.com", "deepseek-chat")
ANALYSIS = AnalysisView(
    providers=(PROVIDER,), tokens_today=12_400, tokens_limit=200_000, cost_today=0.02, cost_limit=1.0
)
PREVIEW = PromptPreview(
    "deepseek",
    "api.deepseek.com",
    "deepseek-chat",
    (("system", "You explain why a test fails."), ("user", "assert 404 == 200")),
    3210,
    8000,
    (PromptSection("output", 300, 300), PromptSection("source", 900, 200)),
    2,
    ("api.deepseek.com",),
)
RECORDS = (
    ConversationRecord(
        "one",
        Subject(SubjectKind.FAILURE, FLASK, "tests/test_basic.py::test_teardown_3"),
        "Why did it break?",
        NOW - 900,
        NOW - 60,
        2,
        0.004,
    ),
    ConversationRecord("two", Subject(SubjectKind.FREE, FLASK), "How do I share a fixture?", NOW - 9000, NOW - 8000, 1),
)
EXCHANGES = (
    Exchange(
        1, NOW - 900, "Why did it break?", "The route is gone.", "deepseek", "deepseek-chat", Usage(90, 10, 0.004, 2.4)
    ),
    Exchange(
        2,
        NOW - 60,
        "И что дальше?",
        "Верните маршрут:\n\n```python\nreturn a - b\n```\n",
        "deepseek",
        "deepseek-chat",
        Usage(200, 40, 0.0045, 3.2),
    ),
)


def answer_about_models(desk: Desk, command: commands.Command) -> object:
    """Answer as the agent does that asks models, from what the desk was given."""
    answer: object = None
    match command:
        case commands.ReadExplanation() | commands.Explain():
            answer = _explanation(desk)
        case commands.ReadPrompt():
            answer = PREVIEW
        case commands.ReadConversations():
            answer = tuple(each for each in desk.records if command.query.casefold() in each.title.casefold())
        case commands.ReadConversation():
            record = next((each for each in desk.records if each.id == command.conversation), None)
            if record is None:
                raise UsageError("There is no such conversation.")
            answer = Conversation(record, EXCHANGES[: record.exchanges])
        case commands.ReadReply():
            answer = desk.replies.get(command.conversation, Reply(command.conversation, 0, "", 0, is_done=True))
        case commands.Ask():
            answer = command.conversation or "new"
        case commands.SetConsent():
            answer = ("api.deepseek.com",)
    return answer


def _explanation(desk: Desk) -> Explanation:
    if desk.explanation is None:
        raise UsageError("No failure of this test is known.")
    return desk.explanation
