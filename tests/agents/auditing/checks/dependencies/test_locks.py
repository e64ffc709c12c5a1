"""Reading pyproject.toml and lock files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.agents.auditing.checks.dependencies.nodelocks import package_lock, pnpm_lock, yarn_lock
from app.agents.auditing.checks.dependencies.pins import Listed, NotUnderstood
from app.agents.auditing.checks.dependencies.pythonlocks import packages_lock, pipfile_lock, pyproject

if TYPE_CHECKING:
    from collections.abc import Callable

READERS = [pyproject, packages_lock, pipfile_lock, package_lock, yarn_lock, pnpm_lock]

UV = """\
version = 1
requires-python = ">=3.11"

[[package]]
name = "shop"
version = "0.1.0"
source = { editable = "." }
dependencies = [
    { name = "jinja2" },
]

[[package]]
name = "Jinja2"
version = "2.10"
source = { registry = "https://example.org/simple" }

[[package]]
name = "forked"
version = "1.0"
source = { git = "https://example.org/forked?rev=1#abc" }
"""
POETRY = """\
[[package]]
name = "jinja2"
version = "2.10"
description = "templates"
optional = false
files = [
    {file = "Jinja2-2.10.tar.gz", hash = "sha256:00"},
]

[[package]]
name = "forked"
version = "1.0"

[package.source]
type = "git"
url = "https://example.org/forked"

[[package]]
name = "mirrored"
version = "3.0"

[package.source]
type = "legacy"
url = "https://example.org/simple"
reference = "mirror"

[[package]]
name = "here"
version = "1.0"

[package.source]
type = "directory"
url = "here"

[metadata]
lock-version = "2.0"
"""
PDM = """\
[metadata]
lock_version = "4.5.0"

[[package]]
name = "jinja2"
version = "2.10"
files = []

[[package]]
name = "forked"
version = "1.0"
git = "https://example.org/forked"
"""
PYLOCK = """\
lock-version = "1.0"
created-by = "a tool"

[[packages]]
name = "jinja2"
version = "2.10"
wheels = [{ name = "x", url = "https://example.org/x.whl", hashes = { sha256 = "00" } }]

[[packages]]
name = "forked"
vcs = { type = "git", url = "https://example.org/forked", commit-id = "abc" }

[[packages]]
name = "here"
directory = { path = "." }
"""


def told(listed: Listed) -> set[tuple[str, str, int]]:
    return {(pin.name, pin.version, pin.line) for pin in listed.pins}


@pytest.mark.parametrize(
    ("text", "line"), [(UV, 14), (POETRY, 3), (PDM, 6), (PYLOCK, 6)], ids=["uv", "Poetry", "pdm", "751"]
)
def test_locks_of_python(text: str, line: int) -> None:
    """A package of a registry is a pin with its line, one of git is from elsewhere, one here is none."""
    listed = packages_lock(text, "some.lock")

    assert ("jinja2", "2.10", line) in told(listed)
    assert {pin.name for pin in listed.pins} <= {"jinja2", "mirrored"}
    assert listed.elsewhere == ["forked"]


def test_a_header_in_a_string_misleads_nobody() -> None:
    """Where a string holds what looks like another package, no line is told rather than a wrong one."""
    text = 'note = """\n[[package]]\n"""\n[[package]]\nname = "a"\nversion = "1"\n'

    assert told(packages_lock(text, "uv.lock")) == {("a", "1", 0)}


def test_pipfile_lock() -> None:
    """Both sections of a Pipfile.lock are read."""
    text = json.dumps(
        {
            "_meta": {"sources": []},
            "default": {"jinja2": {"hashes": [], "version": "==2.10"}, "forked": {"git": "https://x", "ref": "a"}},
            "develop": {"six": {"version": "==1.16.0"}, "loose": {"version": "*"}},
        },
        indent=4,
    )

    listed = pipfile_lock(text, "Pipfile.lock")

    assert told(listed) == {("jinja2", "2.10", 8), ("six", "1.16.0", 17)}
    assert listed.elsewhere == ["forked"]
    assert listed.unpinned == ["loose"]


def test_pyproject() -> None:
    """Dependencies, extras, groups and Poetry's tables are read; what Poetry calls `1.2.3` is exact."""
    text = """\
[project]
name = "shop"
dependencies = [
    "jinja2==2.10",
    "httpx>=0.28",
    "forked @ git+https://example.org/forked",
]
[project.optional-dependencies]
six = ["six===1.16.0"]
[dependency-groups]
test = ["pytest==8.0.0", { include-group = "other" }]
other = []
[tool.poetry.dependencies]
python = "^3.11"
requests = "2.19.1"
flask = "^2.0"
local = { path = "../local" }
django = { version = "==4.2", extras = ["argon2"] }
[tool.poetry.group.dev.dependencies]
black = "=24.1.0"
"""

    listed = pyproject(text, "pyproject.toml")

    assert told(listed) == {
        ("jinja2", "2.10", 4),
        ("six", "1.16.0", 9),
        ("pytest", "8.0.0", 11),
        ("requests", "2.19.1", 15),
        ("django", "4.2", 18),
        ("black", "24.1.0", 20),
    }
    assert listed.unpinned == ["httpx", "flask"]
    assert listed.elsewhere == ["forked"]


def test_package_lock() -> None:
    """Nested packages, scopes and aliases of npm have their real names; links and git have no pin."""
    text = json.dumps(
        {
            "lockfileVersion": 3,
            "packages": {
                "": {"name": "shop", "version": "1.0.0"},
                "packages/own": {"version": "1.0.0"},
                "node_modules/own": {"version": "1.0.0", "link": True},
                "node_modules/lodash": {"version": "4.17.15", "resolved": "https://example.org/lodash-4.17.15.tgz"},
                "node_modules/@a/b/node_modules/@c/d": {"version": "1.0.0"},
                "node_modules/other": {"name": "real", "version": "2.0.0"},
                "node_modules/forked": {"version": "1.0.0", "resolved": "git+ssh://git@example.org/forked.git#abc"},
            },
        },
        indent=2,
    )

    listed = package_lock(text, "package-lock.json")

    assert told(listed) == {("lodash", "4.17.15", 16), ("@c/d", "1.0.0", 20), ("real", "2.0.0", 24)}
    assert listed.elsewhere == ["forked"]


def test_package_lock_of_npm_6() -> None:
    """The older form, which nests, is read in its whole depth."""
    inner = {"d": {"version": "1.0.0"}, "e": {"version": "npm:@real/e@2.0.0"}}
    document = {"lockfileVersion": 1, "dependencies": {"lodash": {"version": "4.17.15", "dependencies": inner}}}

    listed = package_lock(json.dumps(document), "package-lock.json")

    assert {(pin.name, pin.version) for pin in listed.pins} == {
        ("lodash", "4.17.15"),
        ("d", "1.0.0"),
        ("@real/e", "2.0.0"),
    }


def test_yarn_1() -> None:
    """The form of Yarn 1."""
    text = """\
# THIS IS AN AUTOGENERATED FILE. DO NOT EDIT THIS FILE DIRECTLY.
# yarn lockfile v1


"@babel/core@^7.0.0", "@babel/core@^7.1.0":
  version "7.1.0"
  resolved "https://example.org/@babel/core/-/core-7.1.0.tgz#abc"
  dependencies:
    lodash "^4.17.0"

lodash@^4.17.0:
  version "4.17.15"
  resolved "https://example.org/lodash/-/lodash-4.17.15.tgz#abc"

"other@npm:real@^1.0.0":
  version "1.0.0"
  resolved "https://example.org/real/-/real-1.0.0.tgz#abc"

"forked@git+https://example.org/forked.git":
  version "1.0.0"
  resolved "git+https://example.org/forked.git#abc"

"own@file:./own":
  version "1.0.0"
"""

    listed = yarn_lock(text, "yarn.lock")

    assert told(listed) == {("@babel/core", "7.1.0", 6), ("lodash", "4.17.15", 12), ("real", "1.0.0", 16)}
    assert listed.elsewhere == ["forked"]
    assert listed.troubles == []


def test_yarn_berry() -> None:
    """The form of Yarn 2 and later, in which the resolution has the real name."""
    text = """\
# This file is generated by running "yarn install" inside your project.

__metadata:
  version: 6
  cacheKey: 8

"@babel/core@npm:^7.0.0, @babel/core@npm:^7.1.0":
  version: 7.1.0
  resolution: "@babel/core@npm:7.1.0"
  dependencies:
    lodash: ^4.17.0
  languageName: node
  linkType: hard

"other@npm:real@^1.0.0":
  version: 1.0.0
  resolution: "real@npm:1.0.0"
  linkType: hard

"forked@https://example.org/forked.git":
  version: 1.0.0
  resolution: "forked@https://example.org/forked.git#commit=abc"

"shop@workspace:.":
  version: 0.0.0-use.local
  resolution: "shop@workspace:."
  linkType: soft
"""

    listed = yarn_lock(text, "yarn.lock")

    assert told(listed) == {("@babel/core", "7.1.0", 8), ("real", "1.0.0", 16)}
    assert listed.elsewhere == ["forked"]
    assert listed.troubles == []


@pytest.mark.parametrize(
    ("version", "keys"),
    [
        ("5.4", ["/lodash/4.17.15", "/@babel/core/7.1.0_abc@1.0.0"]),
        ("'6.0'", ["/lodash@4.17.15", "/@babel/core@7.1.0(react@18.0.0)"]),
        ("'9.0'", ["lodash@4.17.15", "'@babel/core@7.1.0'"]),
    ],
)
def test_pnpm(version: str, keys: list[str]) -> None:
    """The forms of pnpm 6 to 9; what peers a package was resolved with is no part of its version."""
    text = f"lockfileVersion: {version}\n\nimporters:\n\n  .:\n    dependencies: {{}}\n\npackages:\n"
    text += "".join(
        f"\n  {key}:\n    resolution: {{integrity: sha512-x}}\n    engines: {{node: '>=6'}}\n" for key in keys
    )
    text += (
        "\n  forked@https://codeload.example.org/tar.gz/abc:\n    version: 1.0.0\n\n  own@file:own:\n    name: own\n"
    )
    text += "\nsnapshots:\n\n  other@1.0.0: {}\n"

    listed = pnpm_lock(text, "pnpm-lock.yaml")

    assert told(listed) == {("lodash", "4.17.15", 10), ("@babel/core", "7.1.0", 14)}
    assert listed.elsewhere == ["forked@https://codeload.example.org/tar.gz/abc"]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "text", ["\0\1", "[1]", "null", "[" * 100_000, '{"packages": 1, "dependencies": []}', "[[package]]\n"]
)
def test_what_is_no_lock_file_is_refused(reader: Callable[[str, str], Listed], text: str) -> None:
    """Another file under the name of a lock file is refused, or holds no pin; there is no other error."""
    try:
        listed = reader(text, "a.lock")
    except NotUnderstood:
        return

    assert listed.pins == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["packages", "dependencies", "version", "name", "default", "source", "node_modules/a", "link"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from([pipfile_lock, package_lock]), json_values)
def test_any_document_can_be_read(reader: Callable[[str, str], Listed], document: object) -> None:
    """Whatever a JSON file holds, reading it ends with pins or with a refusal."""
    try:
        listed = reader(json.dumps(document), "a.lock")
    except NotUnderstood:
        return

    assert all(pin.name and pin.version for pin in listed.pins)


@given(st.sampled_from([yarn_lock, pnpm_lock]), st.text(alphabet="ab@/:^1. \"'\n(){}_-", max_size=120))
def test_any_lines_can_be_read(reader: Callable[[str, str], Listed], text: str) -> None:
    """Whatever lines follow a lock file's head, reading them ends without an error."""
    head = "__metadata:\n  version: 6\n\nlockfileVersion: 9\npackages:\n"

    listed = reader(head + text, "a.lock")

    assert all(pin.name and pin.version for pin in listed.pins)
