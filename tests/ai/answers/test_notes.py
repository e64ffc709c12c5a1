"""Which files a patch is not shown for without a word."""

from __future__ import annotations

import pytest

from app.ai.answers.notes import DELETES, TEST_SETTINGS, TESTS, UNASKED, notes
from app.ai.answers.patches import FilePatch

RUN_UNASKED = [
    ".watchkeeper.toml",
    "Makefile",
    "makefile",
    "GNUmakefile",
    "rules.mk",
    "justfile",
    ".justfile",
    "Justfile",
    "Taskfile.yml",
    "Taskfile.dist.yaml",
    "noxfile.py",
    "tox.ini",
    "setup.py",
    "setup.cfg",
    "pyproject.toml",
    "package.json",
    "sitecustomize.py",
    "usercustomize.py",
    "lib/evil.pth",
    "conftest.py",
    "sub/conftest.py",
    ".vscode/tasks.json",
    ".vscode/deep/x.json",
    ".idea/workspace.xml",
    ".devcontainer/devcontainer.json",
    ".devcontainer/x/Dockerfile",
    "Dockerfile",
    "Dockerfile.dev",
    "api.Dockerfile",
    "Containerfile",
    "docker-compose.yml",
    "docker-compose.override.yml",
    "compose.yaml",
    ".gitattributes",
    "sub/.gitattributes",
    ".envrc",
    ".pre-commit-config.yaml",
    ".github/workflows/ci.yml",
    ".gitlab-ci.yml",
    ".husky/pre-commit",
    "hooks/pre-commit",
    "Jenkinsfile",
    "requirements-dev.txt",
    ".claude/settings.json",
    ".mcp.json",
    "AGENTS.md",
    "my.code-workspace",
    ".cargo/config.toml",
    "build.rs",
    "MAKEFILE",
    "Setup.Py",
    "packages/web/Package.json",
    ".VSCode/tasks.json",
    "setup.py.",
    ".vscode./tasks.json",
]
HARMLESS = [
    "src/core.py",
    "README.md",
    "docs/makefile.md",
    "src/setup_page.py",
    "package.json.md",
    "src/my_dockerfiles.py",
    "vscode/tasks.py.txt",
    "idea/x.py",
    "composer.py",
    "evil.pth.txt",
    ".gitignore",
    "src/webhooks/x.py",
]


@pytest.mark.parametrize("path", RUN_UNASKED)
def test_what_runs_by_itself_is_said(path: str) -> None:
    """Files that a tool runs or obeys without being asked are named, in any spelling a file system takes for them."""
    assert UNASKED in notes([FilePatch("src/core.py"), FilePatch(path)])


@pytest.mark.parametrize("path", HARMLESS)
def test_ordinary_source_has_no_note(path: str) -> None:
    """A word that is said of everything is read of nothing."""
    assert notes([FilePatch(path)]) == ""


def test_all_that_holds_is_said_once() -> None:
    """A patch of several files has each note once."""
    files = [FilePatch("conftest.py"), FilePatch("tests/test_a.py", is_deleted=True), FilePatch("tox.ini")]

    assert notes(files) == f"{TESTS} {TEST_SETTINGS} {UNASKED} {DELETES}"
