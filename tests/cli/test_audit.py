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
CANNOT = 3
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


def test_an_audit_of_some_checks_is_not_the_last_one(audit: Command) -> None:
    """It says to what it was limited, and is not among the audits before."""
    limited = audit("--only", "tests", code=CANNOT).stdout
    told = audit.document("--only", "secrets", code=1)
    whole = audit.document("--only", "tests", code=CANNOT)

    assert ", only tests" in limited
    assert told["only"] == ["secrets"]
    assert (told["history"], whole["history"]) == ([], [])


def test_a_baseline_of_some_checks_keeps_the_rest(audit: Command) -> None:
    """What other checks found stays accepted, and one finding is told in the singular."""
    (audit.root / "shop.py").write_text("import pickle\n\n\ndef load(text):\n    return eval(text)\n", encoding="utf-8")
    audit("--only", "security", "--baseline", code=0)
    before = json.loads((audit.root / ".watchkeeper-baseline.json").read_text("utf-8"))["accepted"]

    said = audit("--only", "secrets", "--baseline", code=0).stderr
    after = json.loads((audit.root / ".watchkeeper-baseline.json").read_text("utf-8"))["accepted"]

    assert before
    assert before.items() <= after.items()
    assert len(after) == len(before) + 1
    assert f"{len(after)} findings are accepted" in said


def test_a_setting_that_names_no_check_is_told(audit: Command) -> None:
    """Who misspelt a check in the settings hears of it with each audit."""
    found = subprocess.run(
        [sys.executable, "-m", "app.main", "config", "set", "audits.off", "nosuch"],
        env=audit.environ,
        capture_output=True,
        text=True,
        check=True,
    )

    said = audit("--only", "secrets", code=1).stderr

    assert "nosuch" in found.stderr
    assert "The setting audits.off names nosuch, and there is no such check." in said


def test_one_accepted_finding_is_one(audit: Command) -> None:
    """The sentence fits the number."""
    said = audit("--only", "secrets", "--baseline", code=0).stderr

    assert "1 finding is accepted in" in said


def test_a_part_of_a_repository_stands_for_all_of_it(audit: Command) -> None:
    """In a folder below the top the whole is audited, and that is said; the marker above is a part of it."""
    (audit.root / "docs").mkdir()
    (audit.root / "A_COMPLETE.md").write_text("Created `nothing.py`.\n", encoding="utf-8")
    there = Command(audit.root / "docs", audit.environ)

    told = there("--format", "json", "--only", "secrets", code=1)
    there("--only", "claims", "--marker", "../A_COMPLETE.md", "--fail-on", "low", code=1)

    assert json.loads(told.stdout)["project"] == str(audit.root)
    assert f"docs is a part of the repository {audit.root}: all of that is audited." in told.stderr


def test_a_package_within_a_repository_stands_for_itself(audit: Command) -> None:
    """A folder with a manifest is a project of its own, and it is said that there is more around it."""
    (audit.root / "package").mkdir()
    (audit.root / "package" / "pyproject.toml").write_text('[project]\nname = "a"\n', encoding="utf-8")

    told = audit("package", "--format", "json", "--only", "secrets", code=0)

    assert json.loads(told.stdout)["project"] == str(audit.root / "package")
    assert f"which may hold more: watchkeeper audit {audit.root}" in told.stderr


def test_a_failing_audit_with_the_exit_code_0_says_why(audit: Command) -> None:
    """The last line tells which findings would make it 1."""
    high = audit("--only", "secrets", "--fail-on", "never", code=0).stderr.splitlines()[-1]
    swallows = "import os\n\n\ndef f():\n    try:\n        os.sync()\n    except Exception:\n        pass\n"
    (audit.root / "deploy.py").write_text(swallows, encoding="utf-8")
    low = audit("--only", "security", code=0).stderr.splitlines()[-1]

    assert high == "The exit code is 0: as you asked (--fail-on never)."
    assert low == "The exit code is 0: nothing that counts is high or above (--fail-on high)."


@pytest.mark.parametrize(("name", "begins"), [("a.html", "<!doctype html>"), ("a.json", "{"), ("a.MD", "# Audit of")])
def test_the_form_is_as_the_output_is_called(audit: Command, name: str, begins: str) -> None:
    """A page for `a.html`, without --format."""
    audit("--only", "secrets", "--output", name, code=1)

    assert (audit.root / name).read_text("utf-8").lower().startswith(begins.lower())
