"""`explain` and `ask` about what an audit found: which one is meant, what is asked, and what is shown again."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from app.domain import commands
from app.domain.analysis import AnalysisView, Conversation, Exchange, ProviderView, Subject, SubjectKind
from app.domain.errors import ConsentMissing, UsageError
from app.domain.findings import Finding, Severity, Standing, Standings
from app.domain.modelwords import finding_question, talk_title
from app.domain.verdicts import Outcome
from tests.cli.ai.conftest import HOSTILE, RECORD, SHOP, TOTAL, USAGE, is_harmless, pieces, red, snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.ai.conftest import Desk
    from tests.cli.conftest import CommandLine

PRINT = "3f9c0a51d2e8" + "77" * 6
FOUND = Standings(
    Finding(
        "security",
        "S602",
        "subprocess call with shell=True",
        Severity.HIGH,
        "src/shop.py",
        12,
        "run(line, shell=True)",
        "What is in `line` is read by a shell.",
        "Hand the words over as a list.",
        fingerprint=PRINT,
    ),
    Standing.KNOWN,
)
ABOUT = Subject(SubjectKind.FINDING, SHOP, PRINT)
TITLED = replace(RECORD, id="77aa01", subject=ABOUT, title=FOUND.finding.title)
TALK = Conversation(
    TITLED,
    (
        Exchange(1, 1.0, "What is the risk?", trouble="The service is busy."),
        Exchange(2, 2.0, "What is the risk?", "A shell reads it.", "deepseek", "deepseek-chat", USAGE),
    ),
)
QUESTION = finding_question("English")


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """It knows the finding in the audit of the shop, and no conversation about it."""
    desk.on(
        commands.ReadFinding,
        lambda asked: FOUND if asked.project == SHOP and PRINT.startswith(asked.fingerprint.lower()) else None,
    )
    desk.on(commands.Ask, "77aa01")
    return desk


def test_a_finding_is_explained(cli: CommandLine, desk: Desk) -> None:
    """What the audit says comes first, then the model's answer to the standard question, as it comes."""
    desk.on(commands.ReadReply, *pieces("A shell ", "reads it."))

    ran = cli("explain", "3f9c0a")

    order = [
        "subprocess call with shell=True\n",
        "src/shop.py:12, high, known, security S602",
        "  run(line, shell=True)",
        "  What is in `line` is read by a shell.",
        "  Hand the words over as a list.",
        "A shell reads it.\n",
    ]
    places = [ran.out.index(each) for each in order]
    assert places == sorted(places)
    assert ran.code == 0
    assert "deepseek-chat of deepseek: 1,240 tokens" in ran.err
    assert desk.was_asked(commands.Ask) == [commands.Ask(text=QUESTION, project=SHOP, finding=PRINT)]


def test_it_is_asked_in_the_language_of_the_settings(cli: CommandLine, desk: Desk) -> None:
    """Who reads Russian is asked and answered in it."""
    providers = (ProviderView("deepseek", "api.deepseek.com", "deepseek-chat"),)
    desk.on(commands.ReadStatus, replace(snapshot(), analysis=AnalysisView(providers=providers, language="Russian")))

    cli("explain", PRINT)

    (asked,) = desk.was_asked(commands.Ask)
    assert asked.text == finding_question("Russian") != QUESTION


def test_a_test_comes_first(cli: CommandLine, desk: Desk) -> None:
    """A word that may be a fingerprint and is a part of a test's id means the test."""
    nodeid = "t/test_shop.py::test_3f9c0a"
    desk.on(commands.ReadStatus, snapshot(red(nodeid, 5.0), red(TOTAL, 1.0, Outcome.PASSED)))

    cli("explain", "3f9c0a")

    assert [each.nodeid for each in desk.was_asked(commands.Explain)] == [nodeid]
    assert desk.was_asked(commands.ReadFinding) == []


def test_the_folder_that_one_is_in_counts_too(
    cli: CommandLine, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `watchkeeper audit .` has found is explained there, though nobody watches the project."""
    here = tmp_path.resolve()
    desk.on(commands.ReadFinding, lambda asked: FOUND if asked.project == str(here) else None)

    monkeypatch.chdir(here)

    ran = cli("explain", "3f9c0a")
    named = cli("explain", "3f9c0a", "--project", ".")

    assert (ran.code, named.code) == (0, 0)
    assert [each.project for each in desk.was_asked(commands.Ask)] == [str(here)] * 2


def test_a_finding_of_several_projects_must_be_named_with_its_project(cli: CommandLine, desk: Desk) -> None:
    """Both are told, and nothing is asked."""
    desk.on(commands.ReadFinding, FOUND)

    ran = cli("explain", "3f9c0a")

    assert ran.code == 2
    assert "may mean 2 findings" in ran.err
    assert "--project" in ran.err
    assert desk.was_asked(commands.Ask) == []


@pytest.mark.parametrize("said", ["c0ffee", "3f9c0", "3f9c0g"])
def test_what_is_neither_is_no_test(cli: CommandLine, desk: Desk, said: str) -> None:
    """Fewer than six digits, other signs, and what no audit knows are looked for among the tests."""
    ran = cli("explain", said)

    assert ran.code == 2
    assert f"No known test has {said!r} in its id." in ran.err
    assert desk.was_asked(commands.Ask) == []


@pytest.mark.parametrize("said", ["c0ffee", "d5"])
def test_what_may_be_a_finding_is_told_of_findings(cli: CommandLine, desk: Desk, tmp_path: Path, said: str) -> None:
    """Few digits, and those of another project: it is said how many it takes, and where they are looked for."""
    shop = cli("explain", said)
    elsewhere = cli("explain", said, "--project", str(tmp_path))

    assert "at least 6 of its digits, in the folder of its project or with --project FOLDER" in shop.err
    assert elsewhere.code == 2
    assert f"No audit of {tmp_path} knows a finding {said!r}." in elsewhere.err
    assert "not watched" not in elsewhere.err
    assert desk.was_asked(commands.Ask) == []


def test_the_answer_to_another_question_is_no_explanation(cli: CommandLine, desk: Desk) -> None:
    """After `ask --finding` the standard question is asked all the same, in a conversation of its own."""
    own = replace(TITLED, id="77aa02", title=talk_title(FOUND.finding.title, "Is it Perl?"))
    desk.on(commands.ReadConversations, (own, RECORD))

    ran = cli("explain", "3f9c0a")

    assert ran.code == 0
    assert desk.was_asked(commands.ReadConversation) == []
    assert desk.was_asked(commands.Ask) == [commands.Ask(text=QUESTION, project=SHOP, finding=PRINT)]


def test_a_later_question_is_not_shown_as_the_explanation(cli: CommandLine, desk: Desk) -> None:
    """Where the first question got no answer it is asked once more, whatever was answered after it."""
    failed, answered = TALK.exchanges
    desk.on(commands.ReadConversations, (TITLED,))
    desk.on(commands.ReadConversation, replace(TALK, exchanges=(failed, replace(answered, question="Is it Perl?"))))

    cli("explain", "3f9c0a")

    assert desk.was_asked(commands.Ask) == [commands.Ask(text=QUESTION, conversation="77aa01")]


def test_a_known_conversation_is_shown_in_place_of_asking(cli: CommandLine, desk: Desk) -> None:
    """It costs nothing; --again asks anew, in a conversation of its own."""
    desk.on(commands.ReadConversations, (RECORD, TITLED))
    desk.on(commands.ReadConversation, TALK)

    shown = cli("explain", "3f9c0a")
    asked_before = desk.was_asked(commands.Ask)
    again = cli("explain", "3f9c0a", "--again")

    assert (shown.code, again.code) == (0, 0)
    assert "A shell reads it." in shown.out
    assert "--again" in shown.err
    assert "watchkeeper ask --in 77aa01" in shown.err
    assert asked_before == []
    assert desk.was_asked(commands.ReadConversation) == [commands.ReadConversation(conversation="77aa01")]
    assert desk.was_asked(commands.Ask) == [commands.Ask(text=QUESTION, project=SHOP, finding=PRINT)]


def test_a_conversation_without_an_answer_is_gone_on_with(cli: CommandLine, desk: Desk) -> None:
    """What failed before is asked once more, in the same conversation."""
    desk.on(commands.ReadConversations, (TITLED,))
    desk.on(commands.ReadConversation, replace(TALK, exchanges=TALK.exchanges[:1]))

    ran = cli("explain", "3f9c0a")

    assert ran.code == 0
    assert desk.was_asked(commands.Ask) == [commands.Ask(text=QUESTION, conversation="77aa01")]


def test_json_is_one_document_whether_it_was_asked_before_or_not(cli: CommandLine, desk: Desk) -> None:
    """Finding, conversation, question and answer stand in both, and whether it is a repeat."""
    new = json.loads(cli("explain", "3f9c0a", "--json").out)
    desk.on(commands.ReadConversations, (TITLED,))
    desk.on(commands.ReadConversation, TALK)
    old = json.loads(cli("explain", "3f9c0a", "--json").out)

    assert new.keys() == old.keys()
    assert (new["is_repeat"], old["is_repeat"]) == (False, True)
    assert (new["answer"], old["answer"]) == ("Because.", "A shell reads it.")
    assert new["finding"]["fingerprint"] == old["finding"]["fingerprint"] == PRINT
    assert (new["question"], new["conversation"]) == (QUESTION, "77aa01")


def test_an_answer_that_is_not_whole_is_exit_3(cli: CommandLine, desk: Desk) -> None:
    """As `ask` does it: what came stays, and why it ends is told."""
    first, last = pieces("A shell ", "reads")
    desk.on(commands.ReadReply, first, replace(last, trouble="It was cut off."))

    ran = cli("explain", "3f9c0a")

    assert ran.code == 3
    assert ran.out.endswith("A shell reads\n")
    assert "It was cut off." in ran.err


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_without_consent_no_finding_is_sent(cli: CommandLine, desk: Desk, words: tuple[str, ...]) -> None:
    """It is said what would be sent where, and how to see it and to agree."""
    desk.on(commands.Ask, ConsentMissing("Parts of it would be sent.", "Agree."))

    ran = cli("explain", "3f9c0a", *words)

    assert ran.code == 3
    assert "would be sent to api.deepseek.com" in ran.err
    assert f"watchkeeper explain {PRINT} --project {SHOP} --allow" in ran.err
    assert desk.was_asked(commands.SetConsent) == []
    if words:
        assert json.loads(ran.out)["trouble"] == "Parts of it would be sent."


def test_allow_agrees_for_the_findings_project(cli: CommandLine, desk: Desk) -> None:
    """Then it is asked; --forget-consent takes it back and asks nothing."""
    cli("explain", "3f9c0a", "--allow")
    asked = len(desk.was_asked(commands.Ask))
    cli("explain", "3f9c0a", "--forget-consent")

    words = [(each.project, each.given) for each in desk.was_asked(commands.SetConsent)]
    assert words == [(SHOP, True), (SHOP, False)]
    assert (asked, len(desk.was_asked(commands.Ask))) == (1, 1)


def test_the_prompt_about_a_finding_is_shown_and_not_sent(cli: CommandLine, desk: Desk) -> None:
    """Exactly what would be sent, message by message."""
    ran = cli("explain", "3f9c0a", "--show-prompt")

    assert ran.code == 0
    assert "--- user ---" in ran.out
    assert desk.was_asked(commands.ReadPrompt) == [commands.ReadPrompt(project=SHOP, finding=PRINT)]
    assert desk.was_asked(commands.Ask) == []


def test_no_wait_leaves_the_answer_for_later(cli: CommandLine, desk: Desk) -> None:
    """It is begun, and the same command tells it."""
    ran = cli("explain", "3f9c0a", "--no-wait")

    assert ran.code == 0
    assert "A model is being asked." in ran.err
    assert desk.was_asked(commands.ReadReply) == []


def test_a_question_of_ones_own_about_a_finding(cli: CommandLine, desk: Desk) -> None:
    """`ask --finding` begins a conversation about it; what names none is refused."""
    ran = cli("ask", "Is that", "a risk here?", "--finding", "3F9C0A")
    unknown = cli("ask", "Why?", "--finding", "c0ffee")
    both = cli("ask", "Why?", "--finding", "3f9c0a", "--about", "test_total")

    assert (ran.code, ran.out) == (0, "Because.\n")
    assert desk.was_asked(commands.Ask) == [commands.Ask(text="Is that a risk here?", project=SHOP, finding=PRINT)]
    assert (unknown.code, both.code) == (2, 2)
    assert "No last audit knows a finding 'c0ffee'." in unknown.err


def test_what_the_instance_refuses_is_told(cli: CommandLine, desk: Desk) -> None:
    """Digits that several findings share are for the person to add to."""
    desk.on(commands.ReadFinding, UsageError("3f9c0a may be several findings.", "Give more of its digits."))

    ran = cli("explain", "3f9c0a")

    assert ran.code == 2
    assert "Give more of its digits." in ran.err


def test_conversations_show_the_findings_title(cli: CommandLine, desk: Desk) -> None:
    """With it stand the finding's first digits and its project."""
    desk.on(commands.ReadConversations, (TITLED,))

    ran = cli("conversations")

    assert "subprocess call with shell=True" in ran.out
    assert f"finding 3f9c0a51d2e8 in {SHOP}" in ran.out


def test_what_a_check_says_cannot_move_the_cursor(cli: CommandLine, desk: Desk) -> None:
    """Nothing of a finding is an escape sequence, in text or in JSON."""
    odd = replace(FOUND.finding, title=HOSTILE, path=HOSTILE, evidence=HOSTILE, detail=HOSTILE, remedy=HOSTILE)
    desk.on(commands.ReadFinding, lambda asked: replace(FOUND, finding=odd) if asked.project == SHOP else None)

    ran = cli("explain", "3f9c0a")
    told = cli("explain", "3f9c0a", "--json")

    assert is_harmless(ran.out + ran.err + told.out)
    assert json.loads(told.out)["finding"]["title"] == HOSTILE
