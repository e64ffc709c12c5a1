"""The command `audit`, as people run it: over a real repository, with no instance."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

KEY = "AKIA" + "QWJ4ZT7XKLM2RBVD"
"""Looks like an access key, and is none."""
OTHER_KEY = "AKIA" + "ZLM7QW3RTX5KPB2N"


@dataclass
class Command:
    """The command line, in a project."""

    root: Path
    environ: dict[str, str]

    def __call__(self, *words: str, code: int) -> subprocess.CompletedProcess[str]:
        """Run `watchkeeper audit`, and see that it ends with this code."""
        done = subprocess.run(
            [sys.executable, "-m", "app.main", "audit", *words],
            cwd=self.root,
            env=self.environ,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def document(self, *words: str, code: int) -> Any:
        """Run it, and return the report."""
        return json.loads(self("--format", "json", *words, code=code).stdout)


@pytest.fixture
def audit(tmp_path: Path) -> Command:
    """A repository with a key in it."""
    root = tmp_path / "shop"
    root.mkdir()
    (root / "deploy.py").write_text(f'KEY = "{KEY}"\n', encoding="utf-8")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "DATABASE_"))}
    environ |= {"WATCHKEEPER_HOME": str(tmp_path / "home"), "GIT_CONFIG_GLOBAL": os.devnull}
    for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "x"]):
        subprocess.run(["git", *words], cwd=root, env=environ, check=True)
    return Command(root, environ)


def test_a_finding_is_told_once_muted_and_told_again(audit: Command) -> None:
    """New, then known; muted by the digits that the text shows, it weighs no more; told again, it does."""
    only = ("--only", "secrets")
    text = audit(*only, code=1).stdout
    known = audit.document(*only, code=1)
    (finding,) = known["findings"]
    digits = finding["fingerprint"][:12]
    audit("--mute", digits, "--reason", "a key of the test server", code=0)
    muted = audit.document(*only, code=0)
    listed = audit("--mutes", code=0).stdout
    audit("--unmute", digits, code=0)
    again = audit.document(*only, code=1)

    assert digits in text
    assert KEY not in text
    assert finding["standing"] == "known"
    assert [each["standing"] for each in muted["findings"]] == ["muted"]
    assert "a key of the test server" in listed
    assert [each["standing"] for each in again["findings"]] == ["known"]


def test_a_baseline_accepts_what_is_there(audit: Command) -> None:
    """What is there now weighs no more, what comes later does."""
    audit("--only", "secrets", "--baseline", code=0)
    accepted = audit.document("--only", "secrets", code=0)
    (audit.root / "more.py").write_text(f'KEY = "{OTHER_KEY}"\n', encoding="utf-8")
    later = audit.document("--only", "secrets", code=1)

    assert [each["standing"] for each in accepted["findings"]] == ["muted"]
    assert {each["path"] for each in later["findings"] if each["standing"] == "new"} == {"more.py"}


def test_wrong_use_says_what_to_do(audit: Command) -> None:
    """No such check, no reason, no such finding: exit 2, a sentence, no traceback."""
    for words in (["--only", "nosuch"], ["--mute", "aaaaaaaaaaaa", "--reason", "x"], ["--unmute", "aaaaaaaaaaaa"],
                  ["--reason", "x"], ["--marker", "NOSUCH.md"]):  # fmt: skip
        done = audit(*words, code=2)
        assert "Traceback" not in done.stderr
        assert len(done.stderr.strip().splitlines()) <= 4
