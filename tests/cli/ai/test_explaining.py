"""`explain`: what is known at once, what a model says, and what is told when it says nothing."""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from app.cli.ai.documents import of_document
from app.domain import commands
from app.domain.analysis import (
    ExplainStage,
    Explanation,
    When,
)
from app.domain.errors import ModelNotSetUp
from app.domain.verdicts import Outcome
from tests.cli.ai.conftest import ADD, EXPLAINED, EXPLANATION, PAY, SHOP, TOTAL, red, snapshot, started

if TYPE_CHECKING:
    from tests.cli.ai.conftest import Desk
    from tests.cli.conftest import CommandLine


def test_explain_tells_what_is_known_at_once_and_then_what_the_model_says(cli: CommandLine, desk: Desk) -> None:
    """The local explanation comes first; cause, evidence, next step, patch and cost follow; a pipe sees no progress."""
    ran = cli("explain", "test_total")

    order = [
        f"{TOTAL}  {SHOP}",
        "  AssertionError: assert 3 == 4",
        "  at src/shop.py:12  return a - b",
        "    src/app.py:3  total(1, 3)",
        "    src/shop.py:12  return a - b  (the last change wrote it)",
        "changed since: src/shop.py",
        "    +return a - b",
        "  It is flaky.",
        "cause, high confidence",
        "  A minus stands where a plus belongs.\n  See line 12.",
        "evidence",
        "  src/shop.py:12  return a - b  (the minus)",
        "next step",
        "  Put the plus back.",
        "patch, to read",
        "    +return a + b",
        "  It was not run.",
        "deepseek-chat of deepseek: 1,240 tokens, 0.4 cents, 3.20 s",
    ]
    places = [ran.out.index(each) for each in order]
    assert places == sorted(places)
    assert (ran.code, ran.err) == (0, "")
    assert desk.was_asked(commands.Explain) == [commands.Explain(project=SHOP, nodeid=TOTAL)]
    assert len(desk.was_asked(commands.ReadExplanation)) == 2


def test_explain_without_a_name_takes_the_test_that_went_red_last(cli: CommandLine, desk: Desk) -> None:
    """Not one that went red before it, and not one that turned green later."""
    desk.on(commands.ReadStatus, snapshot(red(ADD, 1.0), red(TOTAL, 5.0), red(PAY, 3.0), red("x", 9.0, Outcome.PASSED)))

    ran = cli("explain")

    assert ran.code == 0
    assert [each.nodeid for each in desk.was_asked(commands.Explain)] == [TOTAL]


def test_explain_rather_means_a_red_test(cli: CommandLine, desk: Desk) -> None:
    """Where a name fits several tests and one of them is red, that one is meant; of several red ones none is."""
    desk.on(commands.ReadStatus, snapshot(red(ADD, 1.0, Outcome.PASSED), red(PAY, 3.0)))
    one = cli("explain", "test_add", "--no-wait")
    desk.on(commands.ReadStatus, snapshot(red(ADD, 1.0), red(PAY, 3.0)))
    two = cli("explain", "test_add", "--no-wait")

    assert (one.code, two.code) == (0, 2)
    assert [each.nodeid for each in desk.was_asked(commands.Explain)] == [PAY]
    assert "may mean 2 tests" in two.err


def test_nothing_red_is_nothing_to_explain(cli: CommandLine, desk: Desk) -> None:
    """That is good news, and said so."""
    desk.on(commands.ReadStatus, snapshot(red(ADD, 1.0, Outcome.PASSED)))

    ran = cli("explain")
    as_json = cli("explain", "--json")

    assert (ran.code, ran.out) == (0, "No test is red, so there is nothing to explain.\n")
    assert (as_json.code, json.loads(as_json.out)) == (0, {"schema": 1, "explanation": None})
    assert desk.was_asked(commands.Explain) == []


def test_an_answer_from_the_journal_costs_nothing(cli: CommandLine, desk: Desk) -> None:
    """It says so, nothing is waited for, and `--again` has a model asked all the same."""
    desk.on(commands.Explain, replace(EXPLAINED, is_repeat=True), EXPLAINED)

    ran = cli("explain")
    again = cli("explain", "--again")

    assert "an answer from before, of " in ran.out
    assert "deepseek-chat of deepseek: from before, at no cost" in ran.out
    assert "from before" not in again.out
    assert [each.again for each in desk.was_asked(commands.Explain)] == [False, True]
    assert desk.was_asked(commands.ReadExplanation) == []


def test_no_answer_is_told_and_the_local_explanation_stays(cli: CommandLine, desk: Desk) -> None:
    """Exit code 3, with why and what to do; what is known without a model is printed all the same."""
    none = replace(EXPLANATION, stage=ExplainStage.UNANSWERED, trouble="The service is busy.", hint="Wait a minute.")
    desk.on(commands.ReadExplanation, none)

    ran = cli("explain")

    assert ran.code == 3
    assert "AssertionError: assert 3 == 4" in ran.out
    assert ran.err == "The service is busy.\nWait a minute.\n"


def test_local_only_by_setting_is_good(cli: CommandLine, desk: Desk) -> None:
    """Whoever switched models off has what they wanted, and is not asked to agree to anything."""
    desk.on(commands.ReadStatus, snapshot(red(TOTAL, 5.0), when=When.NEVER))
    switched_off = "Models are switched off by the setting analysis.when."
    desk.on(commands.Explain, replace(EXPLANATION, stage=ExplainStage.LOCAL, trouble=switched_off))

    ran = cli("explain")
    again = cli("explain", "--again")

    assert (ran.code, again.code) == (0, 3)
    assert "AssertionError" in ran.out
    assert ran.err == again.err == f"{switched_off}\n"


def test_an_answer_that_does_not_come_is_not_waited_for_without_end(
    cli: CommandLine, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its time the command ends with 3, and tells how to see a late answer."""
    monkeypatch.setattr("app.cli.ai.explaining.PATIENCE_S", 0.05)
    desk.on(commands.ReadExplanation, EXPLANATION)

    ran = cli("explain")

    assert ran.code == 3
    assert "No answer came within 0.05 s" in ran.err
    assert "AssertionError" in ran.out


def test_a_script_need_not_wait(cli: CommandLine, desk: Desk) -> None:
    """`--no-wait` tells what is known now."""
    ran = cli("explain", "--no-wait")

    assert ran.code == 0
    assert "AssertionError" in ran.out
    assert "The same command tells its answer" in ran.err
    assert desk.was_asked(commands.ReadExplanation) == []


def test_explain_as_json_is_the_explanation(cli: CommandLine, desk: Desk) -> None:
    """One document on stdout, as it stands at the end."""
    ran = cli("explain", "--json")

    told = json.loads(ran.out)
    assert (ran.code, ran.err, told["schema"]) == (0, "", 1)
    assert of_document(Explanation, told["explanation"]) == EXPLAINED
    assert desk.was_asked(commands.Explain) != []


@pytest.mark.skipif(sys.platform == "win32", reason="a process there gets no SIGINT of its own")
def test_ctrl_c_leaves_an_explanation_cleanly(desk: Desk) -> None:
    """What is known stays, that the question goes on is said, and the exit code is the one of an interrupt."""
    desk.on(commands.ReadExplanation, EXPLANATION)
    process = started("explain")

    assert desk.wait_for(commands.ReadExplanation)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)

    assert process.returncode == 130
    assert b"AssertionError" in out
    assert err.splitlines() == [b"Not waited for any more. The question goes on: the same command tells its answer."]


def test_again_without_consent_asks_for_it_and_marks_the_old_answer(cli: CommandLine, desk: Desk) -> None:
    """An answer of before is no answer to `--again`: how to agree is said, the exit code is 3, and it stands as old."""
    old = replace(EXPLAINED, is_repeat=True, needs_consent=("api.deepseek.com",))
    desk.on(commands.Explain, old)

    again = cli("explain", "--again")
    plain = cli("explain")

    assert (again.code, plain.code) == (3, 0)
    assert "would be sent to api.deepseek.com" in again.err
    assert "--allow" in again.err
    assert "an answer from before" in again.out
    assert plain.err == ""


def test_again_that_fails_marks_the_old_answer(cli: CommandLine, desk: Desk) -> None:
    """Why it failed is said, with exit code 3, and the answer that is shown is not taken for a new one."""
    failed = replace(EXPLAINED, stage=ExplainStage.UNANSWERED, is_repeat=True, trouble="The service is busy.")
    desk.on(commands.ReadExplanation, failed)

    ran = cli("explain", "--again")

    assert ran.code == 3
    assert "an answer from before, of " in ran.out
    assert ran.err == "The service is busy.\n"


def test_nobody_to_ask_is_nothing_to_agree_to(cli: CommandLine, desk: Desk) -> None:
    """Where what would be sent cannot be told, why is said, and consent is not asked for."""
    desk.on(commands.Explain, replace(EXPLANATION, stage=ExplainStage.LOCAL, needs_consent=("api.deepseek.com",)))
    desk.on(commands.ReadPrompt, ModelNotSetUp("The address of the provider custom is none.", "Change it."))

    ran = cli("explain")

    assert ran.code == 3
    assert "The address of the provider custom is none.\nChange it.\n" in ran.err
    assert "--allow" not in ran.err
