"""What an audit found, explained as people have it: in the terminal and in the window; the key itself stays here."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from kit.waiting import until

from app.engine.places import Places
from tests.ai.modelserver import ModelServer, slow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kit.program import Program
    from kit.project import Project
    from kit.reader import ScreenReader
    from kit.screen import Screen

SECRET = "AKIA" + "5KQ3VXWT7JZN2MPL"
LEAK = f'"""Deploys."""\n\nKEY = "{SECRET}"\n'
TABS = 7
"""From the search field over filters, findings and what is said of one to its button Explain."""
SAID = "Whoever has it can act as its owner."


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as listening:
        yield listening


def _set_up(program: Program, server: ModelServer) -> None:
    """Have the program ask this service, as its settings file says it."""
    settings = Places.find(program.environ).settings_file
    settings.write_text(
        f'{settings.read_text()}\n[analysis]\nproviders = ["custom"]\nlanguage = "English"\n\n[analysis.custom]\n'
        f'base_url = "{server.url}"\nmodel = "stand-in-1"\n'
    )


def _commit(project: Project) -> None:
    """Commit a file with a key in it."""
    (project.root / "shop" / "deploy.py").write_text(LEAK)
    who = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
    for words in (("add", "--all"), (*who, "commit", "--quiet", "-m", "deploy")):
        subprocess.run(["git", *words], cwd=project.root, check=True, capture_output=True, timeout=30)


async def test_a_committed_key_is_explained_and_does_not_leave(
    program: Program, project: Project, *, server: ModelServer, reader: ScreenReader, screen: Screen
) -> None:
    """The terminal asks once the person agreed, the window shows the same answer, and nobody is sent the key."""
    server.always(slow(SAID, 0.02))
    _set_up(program, server)
    _commit(project)
    program.start(str(project.root), "--window")
    await program.until_mood("green")
    await until(lambda: (program.snapshot() or {}).get("audits"), "the first look at the project")
    (project.root / "TASK_COMPLETE.md").write_text("# Done\n\nAll of it.\n")
    await program.until_mood("attention")
    found: dict[str, Any] = program.json("audit", str(project.root), "--only", "secrets")
    (which,) = (each["fingerprint"] for each in found["findings"] if each["check"] == "secrets")

    refused = program.run("explain", which[:8])
    asked_without = list(server.asked)
    shown = program.run("explain", which[:8], "--show-prompt")
    explained = program.run("explain", which[:8], "--allow")
    again = program.run("explain", which[:8])
    listed = program.run("conversations")
    await screen.until_window("Watchkeeper")
    screen.key("ctrl+4")
    await reader.until_seen("Explain the finding")
    screen.screenshot("finding")
    screen.key("ctrl+f", *["Tab"] * TABS, "space")
    await reader.until_seen(SAID)
    screen.screenshot("finding-explained")

    assert (refused.returncode, asked_without) == (3, [])
    assert "--allow" in refused.stderr
    assert "AWS access key" in shown.stdout
    assert explained.returncode == 0, explained.stderr
    assert SAID in explained.stdout
    assert SAID in again.stdout
    assert "AWS access key" in listed.stdout
    assert len(server.asked) == 1
    assert "shop/deploy.py:3" in server.asked[0].said
    assert SECRET not in server.everything
    said = "".join(each.stdout + each.stderr for each in (refused, shown, explained, again, listed))
    assert SECRET not in said
