"""The workflows only run commands that there are, may do as little as they need, and take nothing unpinned."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from provision import checks
from provision.commands import USAGE
from release import commands

NAMES = ("ci.yml", "release.yml")
PINNED = re.compile(r"uses: [a-z-]+/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


@pytest.fixture(scope="module")
def texts(root: Path) -> dict[str, str]:
    return {name: (root / ".github" / "workflows" / name).read_text("utf-8") for name in NAMES}


@pytest.fixture(scope="module")
def workflows(texts: dict[str, str]) -> dict[str, Any]:
    return {name: yaml.safe_load(text) for name, text in texts.items()}


def jobs(workflows: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for workflow in workflows.values():
        yield from workflow["jobs"].items()


def steps(workflows: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for _, job in jobs(workflows):
        yield from job["steps"]


def calls(workflows: dict[str, Any], program: str) -> Iterator[list[str]]:
    """The words behind a program in each script, with those of the arrays that it puts together before."""
    for step in steps(workflows):
        script = step.get("run", "")
        gathered = {
            name: shlex.split(" ".join(re.findall(rf"\b{name}\+?=\((.*?)\)", script))) for name in ("more", "feed")
        }
        for line in script.splitlines():
            if program not in line:
                continue
            words = shlex.split(line)
            words = words[next(at for at, word in enumerate(words) if word.endswith(program)) + 1 :]
            arrays = {f"${{{name}[@]}}": found for name, found in gathered.items()}
            yield [each for word in words for each in arrays.get(word, [word])]


def test_every_package_is_built_by_a_command_that_there_is(workflows: dict[str, Any]) -> None:
    """build.py understands each call with all its options, and every kind that goes out is built."""
    parser = commands._parser()

    built = [words[0] for words in calls(workflows, "installer/build.py") if parser.parse_args(words)]

    assert set(built) == {kind.name for kind in commands.KINDS} - {"sign"}


def test_every_test_is_run_by_a_command_that_there_is(root: Path, workflows: dict[str, Any]) -> None:
    """bootstrap.py has the command and its options, and what runs all tests may be run."""
    found = list(calls(workflows, "installer/bootstrap.py"))

    assert found
    for command, *words in found:
        assert f"\n  {command} " in USAGE
        checks._parser().parse_args(words)
    assert [step for step in steps(workflows) if step.get("run") == ".ci/run"]
    assert (root / ".ci" / "run").stat().st_mode & 0o100


def test_no_action_can_be_changed_under_its_name(texts: dict[str, str]) -> None:
    """Each action is one of GitHub's own, by the digest of its commit, with its version for people to read."""
    used = [line.strip().removeprefix("- ") for text in texts.values() for line in text.splitlines() if "uses:" in line]

    assert used
    assert [line for line in used if not PINNED.fullmatch(line)] == []
    assert [line for line in used if not line.startswith("uses: actions/")] == []


def test_only_one_job_may_write_and_it_runs_nothing_of_ours(workflows: dict[str, Any]) -> None:
    """What was downloaded to build with never runs where a release could be changed."""
    writing = [(name, job) for name, job in jobs(workflows) if "permissions" in job]

    ((name, job),) = writing
    assert [each["permissions"] for each in workflows.values()] == [{"contents": "read"}, {"contents": "read"}]
    assert (name, job["permissions"]) == ("draft", {"contents": "write"})
    assert not [step for step in job["steps"] if "checkout" in step.get("uses", "") or ".py" in step.get("run", "")]


def test_nothing_from_outside_becomes_part_of_a_script(workflows: dict[str, Any]) -> None:
    """Names of branches, secrets and variables reach a script by its environment, where they stay one word."""
    assert [step["run"] for step in steps(workflows) if "${{" in step.get("run", "")] == []


def test_no_strangers_pull_request_sees_a_secret(texts: dict[str, str], workflows: dict[str, Any]) -> None:
    """Secrets are in the workflow of tags alone, and no checkout leaves a token behind."""
    checkouts = [step for step in steps(workflows) if "checkout" in step.get("uses", "")]

    assert "secrets." not in texts["ci.yml"]
    assert "pull_request_target" not in "".join(texts.values())
    # YAML 1.1 reads the key "on" as true.
    assert list(workflows["release.yml"][True]) == ["push"]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_no_job_runs_for_ever(workflows: dict[str, Any]) -> None:
    """A hang ends after minutes, not after GitHub's six hours."""
    assert [name for name, job in jobs(workflows) if not 0 < job.get("timeout-minutes", 0) <= 60] == []


def test_each_script_is_whole(workflows: dict[str, Any]) -> None:
    """The shell reads each of them to its end without a complaint."""
    scripts = [step["run"] for step in steps(workflows) if "run" in step and step.get("shell") != "pwsh"]

    told = [
        subprocess.run(("bash", "-n"), input=script, capture_output=True, text=True, check=False) for script in scripts
    ]

    assert scripts
    assert [each.stderr for each in told if each.returncode or each.stderr] == []


def test_a_job_waits_only_for_jobs_that_there_are(workflows: dict[str, Any]) -> None:
    """Every kind of package is there before digests are made of them, and the digests before the draft."""
    release = workflows["release.yml"]["jobs"]

    assert set(release["digests"]["needs"]) == {"linux", "windows", "macos"} <= set(release)
    assert release["draft"]["needs"] == "digests"
