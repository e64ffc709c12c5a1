"""The check of static security, over projects with dangerous and with hostile files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.auditing.checks.security import Security
from app.agents.auditing.checks.securityrules import RULES
from app.agents.auditing.context import LARGEST_FILE, Context
from app.agents.auditing.plugin import Finding, NotKnown, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SHELL = "import subprocess\n\n\ndef run(what):\n    subprocess.run(what, shell=True)\n"


def left(cache: Path) -> list[Path]:
    """Return what was left in the cache."""
    return list(cache.iterdir())


async def scanned(root: Path, **options: Any) -> tuple[list[Finding], list[str]]:
    """Return what is found, and what is not known."""
    cache = root.parent / "cache"
    cache.mkdir(exist_ok=True)
    told = [each async for each in Security().scan(Context(root, cache=cache, options=options))]
    assert not any(left(cache))
    findings = [each for each in told if isinstance(each, Finding)]
    return findings, [each.reason for each in told if isinstance(each, NotKnown)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty project."""
    root = tmp_path / "shop"
    root.mkdir()
    return root


def written(root: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


async def test_a_finding_says_all(root: Path) -> None:
    """A finding has its rule, file, line, the source line, how bad it is, and what to do."""
    written(root, {"sub folder/@a.py": SHELL})

    findings, unknown = await scanned(root)

    assert unknown == []
    assert [(each.rule, each.path, each.line, each.evidence, each.severity) for each in findings] == [
        ("S602", "sub folder/@a.py", 5, "subprocess.run(what, shell=True)", Severity.HIGH)
    ]
    assert findings[0].remedy == RULES["S602"].remedy


async def test_a_fixed_command_matters_less(root: Path) -> None:
    """A shell whose command is a literal is a low finding."""
    written(root, {"a.py": 'import subprocess\nsubprocess.run("/bin/ls -l", shell=True)\n'})

    findings, _ = await scanned(root)

    assert [(each.rule, each.severity) for each in findings] == [("S602", Severity.LOW)]


async def test_tests_may_assert_and_make_up_passwords(root: Path) -> None:
    """What is right in tests is no finding there; a shell is one there too."""
    code = f'password = "secret-of-nobody"\nassert password\n{SHELL}'
    written(root, {"tests/a.py": code, "src/test_b.py": code, "src/tests/sub/c.py": code, "src/d.py": code})

    findings, _ = await scanned(root)

    assert Counter((each.path, each.rule) for each in findings) == {
        ("tests/a.py", "S602"): 1,
        ("src/test_b.py", "S602"): 1,
        ("src/tests/sub/c.py", "S602"): 1,
        ("src/d.py", "S602"): 1,
        ("src/d.py", "S101"): 1,
        ("src/d.py", "S105"): 1,
    }


@pytest.mark.parametrize(
    "line",
    [
        'password = "hunter2-hunter2"',
        "password = 'hunter2\\'hunter2'",
        'password = """hunter2',
        'login(password="hunter2")',
    ],
)
async def test_a_password_is_masked(root: Path, line: str) -> None:
    """The value of what looks like a password is in no part of the finding."""
    written(root, {"a.py": line + ('\n"""\n' if '"""' in line else "\n")})

    findings, _ = await scanned(root)

    assert len(findings) == 1
    assert "hunter2" not in repr(findings)
    assert "***" in findings[0].evidence


async def test_what_only_informs_is_told_once_for_a_file(root: Path) -> None:
    """However many assertions a file has, it is one finding, with all lines."""
    written(root, {"a.py": "assert 1\nassert 2\nassert 3\n", "b.py": "assert 1\n"})

    findings, _ = await scanned(root)

    assert [(each.path, each.line, each.severity) for each in findings] == [
        ("a.py", 1, Severity.INFO),
        ("b.py", 1, Severity.INFO),
    ]
    assert "Likewise in lines 2, 3." in findings[0].detail


async def test_people_may_silence_a_rule_and_it_is_told(root: Path) -> None:
    """`noqa`, `ignore` and `per-file-ignores` count; what settings silence is told. The rest is nothing to us."""
    settings = """\
[tool.ruff]
line-length = "nonsense"
required-version = "==0.0.1"
exclude = ["*.py"]
[tool.ruff.lint]
ignore = ["S324", "E501", "S9", "S"]
per-file-ignores = { "scripts/*" = ["S602", "T201"], "**/*.py" = ["ALL"] }
"""
    code = f'import hashlib\nhashlib.md5(b"")\n{SHELL}'
    quiet = SHELL.replace("shell=True)", "shell=True)  # noqa: S602 - what is fixed")
    written(root, {"pyproject.toml": settings, "scripts/a.py": code, "b.py": code, "c.py": quiet})

    findings, unknown = await scanned(root)

    assert unknown == []
    assert [(each.rule, each.path) for each in findings] == [("silenced-rules", "pyproject.toml"), ("S602", "b.py")]
    assert findings[0].evidence == "everywhere: S324; scripts/*: S602"
    assert findings[0].severity is Severity.INFO


async def test_files_that_cannot_be_read_are_named(root: Path, tmp_path: Path) -> None:
    """Broken syntax, another encoding, NUL bytes, size, and links to elsewhere are not known; the rest is looked at."""
    (tmp_path / "outside.py").write_text(SHELL)
    (root / "a-link.py").symlink_to(tmp_path / "outside.py")
    (root / "b-loop.py").symlink_to(root / "b-loop.py")
    (root / "c-large.py").write_bytes(b"#" * (LARGEST_FILE + 1))
    (root / "d-syntax.py").write_text("def f(:\n")
    (root / "e-latin.py").write_bytes(b"# caf\xe9\n")
    (root / "f-nul.py").write_bytes(b"x = \0\n")
    (root / "g-fine.py").write_text(SHELL)
    (root / "h-inner.py").symlink_to(root / "g-fine.py")
    (root / "i\nline.py").write_text(SHELL)

    findings, unknown = await scanned(root)

    assert [each.path for each in findings] == ["g-fine.py"]
    assert any(each.startswith("d-syntax.py") and each.endswith("in line 1") for each in unknown)
    assert sorted(each.partition(" could not be")[0] for each in unknown) == [
        "'i\\nline.py'",
        "a-link.py",
        "b-loop.py",
        "c-large.py",
        "d-syntax.py",
        "e-latin.py",
        "f-nul.py",
    ]


async def test_many_unreadable_files_are_counted(root: Path) -> None:
    """Ten are told by name, the others by their number."""
    written(root, {f"a{number:02}.py": "def f(:\n" for number in range(15)})

    _, unknown = await scanned(root)

    assert len(unknown) == 11
    assert unknown[-1] == "5 more files could not be looked at"


async def test_what_git_ignores_is_not_looked_at(root: Path) -> None:
    """Only what git knows, or would take, is the project's own."""
    written(root, {"a.py": SHELL, "build/b.py": SHELL, ".gitignore": "build/\n"})
    subprocess.run(["git", "init", "-q", root], check=True)  # noqa: ASYNC221 - before anything else

    findings, _ = await scanned(root)

    assert [each.path for each in findings] == ["a.py"]


async def test_patterns_that_are_left_out(root: Path) -> None:
    """The option `exclude` leaves files out."""
    written(root, {"a.py": SHELL, "samples/b.py": "def f(:\n"})

    findings, unknown = await scanned(root, exclude=["samples/*"])

    assert [each.path for each in findings] == ["a.py"]
    assert unknown == []


async def test_a_project_without_python(root: Path) -> None:
    """Nothing to look at is nothing found."""
    assert await scanned(root) == ([], [])


def test_each_rule_is_one_of_ruff() -> None:
    """The table names no rule that ruff has not, and all of its stable ones."""
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select=S", "--show-settings"]
    said = subprocess.run(command, capture_output=True, check=True)
    there = set(re.findall(r"\((S\d{3})\)", said.stdout.decode()))

    assert there == set(RULES)


async def test_a_file_in_the_encoding_that_it_says_is_looked_at(root: Path) -> None:
    """Python reads it, and so it is looked at, as what it is named and where it lies; one that lies is not known."""
    latin = f"# -*- coding: latin-1 -*-\n# caf\u00e9\n{SHELL}".encode("latin-1")
    (root / "sub").mkdir()
    (root / "sub/latin.py").write_bytes(latin)
    (root / "tests").mkdir()
    (root / "tests/test_a.py").write_bytes(latin + b"\nassert run\n")
    (root / "odd.py").write_bytes(b"# caf\xe9\n")

    findings, unknown = await scanned(root)

    assert [(each.rule, each.path, each.line, each.evidence) for each in findings] == [
        ("S602", "sub/latin.py", 7, "subprocess.run(what, shell=True)"),
        ("S602", "tests/test_a.py", 7, "subprocess.run(what, shell=True)"),
    ]
    assert len(unknown) == 1
    assert unknown[0].startswith("odd.py could not be looked at: ")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
async def test_a_name_in_no_encoding_is_shown_readable(root: Path) -> None:
    """What is no UTF-8 in a name is replaced, and a sign that cannot be seen is escaped."""
    written(root, {os.fsdecode(b"bad\xff\xfename.py"): "", "a\nb.py": ""})

    _, unknown = await scanned(root)

    assert [each.partition(" could not")[0] for each in unknown] == ["'a\\nb.py'", "bad\ufffd\ufffdname.py"]
