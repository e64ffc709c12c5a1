"""Marks, debugging, conflicts, silenced tools and swallowed exceptions are found in added lines alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.agents.auditing.checks.leftovers.marks import marks_in
from app.domain.findings import Severity

if TYPE_CHECKING:
    from conftest import Project

FOUND = [
    ("a.py", "x = 1  # TODO: more", "todo", Severity.INFO),
    ("a.py", "# FIXME", "todo", Severity.INFO),
    ("a.js", "let a = 1; // HACK around it", "todo", Severity.INFO),
    ("a.c", "/* XXX why */", "todo", Severity.INFO),
    ("a.yml", "# TODO name it", "todo", Severity.INFO),
    ("a.py", "breakpoint()", "debug", Severity.LOW),
    ("a.py", "import pdb", "debug", Severity.LOW),
    ("a.py", "pdb.set_trace()", "debug", Severity.LOW),
    ("a.py", "print(f'{x=}')", "debug", Severity.LOW),
    ("a.py", "print('DEBUG', x)", "debug", Severity.LOW),
    ("a.py", "print('here')", "debug", Severity.LOW),
    ("a.py", "print('x:', x)", "debug", Severity.LOW),
    ("a.py", "print(type(x))", "debug", Severity.LOW),
    ("a.py", "print(locals())", "debug", Severity.LOW),
    ("src/a.ts", "  console.log(x)", "debug", Severity.LOW),
    ("src/a.js", "  debugger;", "debug", Severity.LOW),
    ("a.rs", "let a = dbg!(b);", "debug", Severity.LOW),
    ("a.rb", "  binding.pry", "debug", Severity.LOW),
    ("a.py", "import x  # type: ignore", "suppression", Severity.LOW),
    ("a.py", "import x  # noqa: F401", "suppression", Severity.LOW),
    ("a.py", "import x  # noqa: F401 - it registers itself", "suppression", Severity.INFO),
    ("a.py", "import x  # noqa: S603 - git, with words of our own", "suppression", Severity.INFO),
    ("a.py", "def f(): ...  # pragma: no cover", "suppression", Severity.LOW),
    ("a.ts", "// @ts-ignore", "suppression", Severity.LOW),
    ("a.py", "try:\n    f()\nexcept:\n    pass", "swallowed", Severity.MEDIUM),
    ("a.py", "try:\n    f()\nexcept Exception:\n    pass", "swallowed", Severity.MEDIUM),
    ("a.py", "while 1:\n try:\n  f()\n except (OSError, Exception):\n  continue", "swallowed", Severity.MEDIUM),
    ("a.js", "<<<<<<< HEAD\na\n=======\nb\n>>>>>>> other", "conflict", Severity.HIGH),
    ("a.py", "<<<<<<< HEAD\na = 1\n=======\na = 2\n>>>>>>> other", "conflict", Severity.HIGH),
    ("README.md", "text\n>>>>>>> other", "conflict", Severity.HIGH),
    ("a.test.ts", "it.only('adds', () => {})", "skipped", Severity.MEDIUM),
    ("a.spec.js", "  xit('adds', () => {})", "skipped", Severity.MEDIUM),
    ("pytest.ini", "addopts = --ignore=tests/slow", "tests-ignored", Severity.MEDIUM),
    ("conftest.py", "collect_ignore = ['test_a.py']", "tests-ignored", Severity.MEDIUM),
]  # fmt: skip


@pytest.mark.parametrize(("path", "text", "rule", "severity"), FOUND)
def test_what_is_found(project: Project, path: str, text: str, rule: str, severity: Severity) -> None:
    """Each mark is found once, with a line that exists and holds it."""
    told = project.after({"other.txt": "a\n"}, {path: f"\n{text}\n"})

    assert [(each.rule, each.severity, each.path) for each in told] == [(rule, severity, path)]
    assert told[0].evidence == f"\n{text}\n".splitlines()[told[0].line - 1].strip()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.py", "x = 'TODO'"),
        ("a.py", "x = '# TODO: more'"),
        ("a.py", "todo = 1  # the todo list"),
        ("a.py", "print('Hello')"),
        ("a.py", "print(f'{count} files were read')"),
        ("a.py", "print(total)"),
        ("a.py", "print('done', file=sys.stderr)"),
        ("tools/a.py", "print('debug', x)"),
        ("a.py", "x = 'breakpoint()'"),
        ("a.py", "cursor.set_trace()"),
        ("cli.js", "console.log('done')"),
        ("a.js", "console.error('no')"),
        ("a.js", "// console.log(x)"),
        ("a.py", "x = '# noqa'"),
        ("a.py", "try:\n    f()\nexcept FileNotFoundError:\n    pass"),
        ("a.py", "try:\n    f()\nexcept Exception:\n    log()"),
        ("a.rst", "Title\n======="),
        ("a.py", "TEXT = '''\n<<<<<<< HEAD\n>>>>>>> other\n'''"),
        ("NOTES.md", "TODO: more"),
        ("a.js", "let only = it.only"),
    ],
)
def test_what_is_left_alone(project: Project, path: str, text: str) -> None:
    """Words in strings, output for people, named exceptions and documents are no leftovers."""
    assert project.after({"other.txt": "a\n"}, {path: text + "\n"}) == []


def test_only_added_lines_count(project: Project) -> None:
    """What was there before is not told again, also when it was moved to another place or file."""
    old = "# TODO: one\nx = 1\nbreakpoint()\n"
    since = project.commit({"a.py": old, "b.py": "y = 1\n"})

    project.write({"a.py": old + "\n# TODO: two\n"})
    added = project.rules(since)
    project.write({"a.py": "x = 1\n", "b.py": "y = 1\n# TODO: one\nbreakpoint()\n"})

    assert added == [("todo", "a.py", 5)]
    assert project.rules(since) == []


def test_committed_staged_and_untracked_lines_all_count(project: Project) -> None:
    """The change reaches from the last audit to the working tree."""
    since = project.commit({"a.py": "a = 1\n"})
    project.commit({"a.py": "a = 1\n# TODO: one\n"})
    project.write({"b.py": "# TODO: two\n"})
    project.git("add", "b.py")
    project.write({"c d.py": "# TODO: three\n", "\u0444.py": "# TODO: four\n"})

    assert project.rules(since) == [
        ("todo", "a.py", 2), ("todo", "b.py", 1), ("todo", "c d.py", 1), ("todo", "\u0444.py", 1)
    ]  # fmt: skip


@given(st.text(max_size=300), st.sampled_from(["a.py", "a.js", "a.md", "a.rb", "pytest.ini", "a.test.ts"]))
def test_any_text_is_read(text: str, path: str) -> None:
    """Whatever a file holds, reading it ends, and each mark lies in an added line."""
    added = dict(enumerate(text.split("\n"), 1))

    assert all(mark.line in added for mark in marks_in(path, added, lambda: text))
