"""What would be sent to a model, and the person's word on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from app.cli.ai.documents import of_document
from app.domain import commands
from app.domain.analysis import (
    ExplainStage,
    PromptPreview,
)
from app.domain.errors import ModelNotSetUp
from app.domain.snapshot import ProjectView
from tests.cli.ai.conftest import EXPLAINED, EXPLANATION, PREVIEW, ROOT, SHOP, TOTAL, snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.ai.conftest import Desk
    from tests.cli.conftest import CommandLine


def test_the_prompt_is_shown_whole_and_not_sent(cli: CommandLine, desk: Desk) -> None:
    """Each message on stdout; how much it is, of what, to whom and what was taken out on stderr."""
    ran = cli("explain", "--show-prompt")
    as_json = cli("explain", "--show-prompt", "--json")

    assert ran.code == 0
    assert ran.out.startswith("--- system ---\nYou explain failures.\n--- user ---\nassert 3 == 4\\x1b]0;owned\\x07")
    for words in (
        "About 900 of 6,000 tokens, to api.deepseek.com (deepseek-chat of deepseek):",
        "  failure: 100\n",
        "  source: 800 of 2,000\n",
        "3 secrets and personal details taken out.",
        "Nothing was sent.",
    ):
        assert words in ran.err
    assert of_document(PromptPreview, json.loads(as_json.out)["prompt"]) == PREVIEW
    assert desk.was_asked(commands.Explain) == []


def test_a_prompt_that_cannot_be_made_is_told(cli: CommandLine, desk: Desk) -> None:
    """The instance's own words, and exit code 3."""
    desk.on(commands.ReadPrompt, ModelNotSetUp("No model is set up.", "Name one."))

    ran = cli("explain", "--show-prompt")

    assert (ran.code, ran.err) == (3, "watchkeeper: No model is set up.\nName one.\n")


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_without_consent_nothing_is_sent(cli: CommandLine, desk: Desk, words: tuple[str, ...]) -> None:
    """A script is told what would go where and how to agree; the local explanation is there."""
    desk.on(commands.Explain, replace(EXPLANATION, stage=ExplainStage.LOCAL, needs_consent=("api.deepseek.com",)))

    ran = cli("explain", *words)

    assert ran.code == 3
    assert "AssertionError" in ran.out
    assert "would be sent to api.deepseek.com" in ran.err
    assert "About 900 of 6,000 tokens" in ran.err
    assert f"watchkeeper explain {TOTAL} --project {SHOP} --allow" in ran.err
    assert desk.was_asked(commands.SetConsent) == []
    assert len(desk.was_asked(commands.Explain)) == 1


def test_allow_agrees_and_goes_on(cli: CommandLine, desk: Desk) -> None:
    """The person's word reaches the instance before the question does."""
    ran = cli("explain", "--allow")

    assert ran.code == 0
    assert "You agree that parts of the source of /src/shop are sent to api.deepseek.com." in ran.err
    assert desk.seen[1:3] == [commands.SetConsent(project=SHOP), commands.Explain(project=SHOP, nodeid=TOTAL)]


def test_consent_is_given_and_taken_back_for_a_project_that_nobody_watches(
    cli: CommandLine, desk: Desk, tmp_path: Path
) -> None:
    """What an audit's report says to type works: audits need no watched project."""
    given = cli("explain", "--allow", "--project", str(tmp_path))
    told = cli("explain", "--allow", "--project", str(tmp_path), "--json")
    taken = cli("explain", "--forget-consent", "--project", str(tmp_path))

    assert (given.code, told.code, taken.code) == (0, 0, 0)
    assert f"explain --forget-consent --project {tmp_path}" in given.err
    assert json.loads(told.out) == {"schema": 1, "project": str(tmp_path), "consent": True}
    assert [(each.project, each.given) for each in desk.was_asked(commands.SetConsent)] == [
        (str(tmp_path), True),
        (str(tmp_path), True),
        (str(tmp_path), False),
    ]
    assert desk.was_asked(commands.Explain) == []


def test_consent_can_be_taken_back(cli: CommandLine, desk: Desk) -> None:
    """Also while nothing is red; no model is asked then, and of several projects one must be named."""
    desk.on(commands.ReadStatus, snapshot())
    ran = cli("explain", "--forget-consent", "--json")
    two = snapshot()
    other = ProjectView("/src/bank", "bank")
    desk.on(commands.ReadStatus, replace(two, projects=MappingProxyType({**two.projects, "/src/bank": other})))
    unclear = cli("explain", "--forget-consent")

    assert json.loads(ran.out) == {"schema": 1, "project": SHOP, "consent": False}
    assert desk.was_asked(commands.SetConsent) == [commands.SetConsent(project=SHOP, given=False)]
    assert unclear.code == 2
    assert "/src/bank" in unclear.err
    assert desk.was_asked(commands.Explain) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(("typed", "code"), [("yes", 0), ("no", 3)])
def test_at_a_terminal_the_person_is_asked(desk: Desk, typed: str, code: int) -> None:
    """Only a typed yes is one, and only then the question goes on."""
    import pty  # noqa: PLC0415 - not on Windows

    lacking = replace(EXPLANATION, stage=ExplainStage.LOCAL, needs_consent=("api.deepseek.com",))
    desk.on(commands.Explain, lacking, EXPLAINED)
    person, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "app.main", "explain"], cwd=ROOT, stdin=terminal, stdout=subprocess.PIPE, stderr=terminal
    ) as process:
        os.close(terminal)
        text = b""
        while b"Type yes: " not in text:
            text += os.read(person, 4096)
        os.write(person, f"{typed}\n".encode())
        assert process.stdout is not None
        out = process.stdout.read()
        assert process.wait(30) == code
    os.close(person)

    assert b"would be sent to api.deepseek.com" in text
    assert (b"A minus stands" in out) is (code == 0)
    assert len(desk.was_asked(commands.SetConsent)) == (1 if code == 0 else 0)
