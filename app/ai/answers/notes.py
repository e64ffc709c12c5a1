"""What a person should know of a patch before they take it: that it loosens tests, or changes what runs by itself."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.ai.answers.patches import FilePatch

TESTS = "It changes tests."
TEST_SETTINGS = "It changes how tests are run."
UNASKED = "It changes what is run without being asked, by a build, an editor or a commit for example."
DELETES = "It deletes a file."

_TEST_FOLDERS = frozenset({"test", "tests", "__tests__", "spec", "testing"})
_TEST_SETTINGS = frozenset(
    {"pytest.ini", ".pytest.ini", "pytest.toml", "tox.ini", "tox.toml", "setup.cfg", "pyproject.toml", "noxfile.py"}
)
# Editors, development containers, build services, hooks and coding agents run what lies in theirs.
_UNASKED_FOLDERS = frozenset(
    {
        ".buildkite", ".cargo", ".circleci", ".claude", ".cursor", ".devcontainer", ".forgejo", ".fleet", ".gitea",
        ".githooks", ".github", ".hooks", ".husky", ".idea", ".mvn", ".run", ".vim", ".vs", ".vscode", ".woodpecker",
        ".yarn", ".zed", "hooks",
    }
)  # fmt: skip
_UNASKED_FILES = (
    # this program, and Python as it starts
    ".watchkeeper.toml", "sitecustomize.py", "usercustomize.py", "*.pth", "pyvenv.cfg",
    # the runners of tests, and what tools of the source load as plugins
    "conftest.py", "noxfile.py", "pytest.ini", ".pytest.ini", "pytest.toml", "tox.ini", "tox.toml", "mypy.ini",
    ".mypy.ini", ".pylintrc", "pylintrc", ".flake8", ".coveragerc", ".pdbrc", ".gdbinit", ".lldbinit",
    # installations
    "setup.py", "setup.cfg", "pyproject.toml", "requirements*.txt", "constraints*.txt", "pipfile", "pip.conf",
    "pip.ini", "package.json", ".npmrc", ".yarnrc", ".yarnrc.yml", ".pnpmfile.cjs", "build.rs", "gemfile",
    # builds
    "makefile", "gnumakefile", "bsdmakefile", "*.mk", "justfile", ".justfile", "taskfile*.yml", "taskfile*.yaml",
    "rakefile", "cmakelists.txt", "meson.build", "sconstruct", "build.gradle", "build.gradle.kts", "gulpfile*",
    "gruntfile*", "dodo.py", "tasks.py", "fabfile.py", "procfile",
    # containers and machines
    "dockerfile*", "*.dockerfile", "containerfile*", "docker-compose*", "compose.yml", "compose.yaml",
    "compose.*.yml", "compose.*.yaml", "vagrantfile",
    # a shell that comes into the folder, an editor, git
    ".envrc", ".mise.toml", "mise.toml", ".tool-versions", "*.code-workspace", ".exrc", ".nvimrc", ".nvim.lua",
    ".dir-locals.el", ".gitattributes", ".gitconfig",
    # commits and build services
    ".pre-commit-config.y*ml", "lefthook*", ".lefthook*", ".gitlab-ci.yml", "azure-pipelines*.yml", "jenkinsfile*",
    ".travis.yml", "appveyor.yml", ".appveyor.yml", ".drone.yml", ".cirrus.yml", "bitbucket-pipelines.yml",
    # coding agents obey these, or start what they name
    "agents.md", "claude.md", "gemini.md", ".cursorrules", ".mcp.json",
)  # fmt: skip


def notes(files: Iterable[FilePatch]) -> str:
    """Return what to know of a patch, in sentences; empty when there is nothing.

    Args:
        files: What it does, file by file.
    """
    files = list(files)
    paths = [_parts(each.path) for each in files]
    told = {
        TESTS: any(map(_is_test, paths)),
        TEST_SETTINGS: any(path[-1] in _TEST_SETTINGS for path in paths),
        UNASKED: any(map(_runs_unasked, paths)),
        DELETES: any(each.is_deleted for each in files),
    }
    return " ".join(note for note, holds in told.items() if holds)


def _parts(path: str) -> tuple[str, ...]:
    """Return a path's names as a file system takes them that knows no case, and no dot or space at a name's end."""
    return tuple(name.casefold().rstrip(". ") for name in PurePosixPath(path).parts) or ("",)


def _is_test(path: tuple[str, ...]) -> bool:
    *folders, name = path
    stem = name.split(".")[0]
    return (
        not _TEST_FOLDERS.isdisjoint(folders)
        or stem in {"conftest", "test", "tests"}
        or stem.startswith("test_")
        or stem.endswith(("_test", "_tests", "_spec"))
        or ".test." in name
        or ".spec." in name
    )


def _runs_unasked(path: tuple[str, ...]) -> bool:
    *folders, name = path
    return not _UNASKED_FOLDERS.isdisjoint(folders) or any(fnmatchcase(name, each) for each in _UNASKED_FILES)
