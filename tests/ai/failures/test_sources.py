"""A project's files are read safely, and functions are found in them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from app.ai.failures.sources import LARGEST, Sources

if TYPE_CHECKING:
    from pathlib import Path

HIDDEN = "do not tell\n"


def test_a_path_is_named_as_in_the_project(project: Path) -> None:
    """Absolute, relative and roundabout paths of one file have one name."""
    sources = Sources(project)

    names = {
        sources.own(str(project / "shop/price.py")),
        sources.own("./shop/price.py"),
        sources.own("shop/../shop/price.py"),
        sources.own("price.py", beside="shop/other.py"),
    }

    assert names == {"shop/price.py"}


@pytest.mark.parametrize(
    "name",
    [
        ".env",
        ".env.local",
        "shop/.env",
        "server.pem",
        "tls.key",
        "id_rsa",
        "id_ed25519",
        ".netrc",
        ".npmrc",
        ".pypirc",
        "credentials",
        "credentials.json",
        "secrets.toml",
        ".ssh/config",
        ".git/config",
        ".venv/lib/a.py",
        "node_modules/a/index.js",
    ],
)
def test_what_may_hold_secrets_is_not_read(project: Path, name: str) -> None:
    """A file whose name speaks of secrets, or that is not the project's own, has no lines."""
    file = project / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(HIDDEN, encoding="utf-8")

    assert Sources(project).lines(name) == ()


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_links_do_not_lead_out(project: Path, tmp_path: Path) -> None:
    """A link to what lies outside, or to a secret inside, is not followed; one to a plain file inside is."""
    (tmp_path / "outside.py").write_text(HIDDEN, encoding="utf-8")
    (project / ".env").write_text(HIDDEN, encoding="utf-8")
    (project / "out.py").symlink_to(tmp_path / "outside.py")
    (project / "env.py").symlink_to(project / ".env")
    (project / "folder").symlink_to(tmp_path)
    (project / "fine.py").symlink_to(project / "shop/price.py")
    sources = Sources(project)

    assert [sources.lines(name) for name in ("out.py", "env.py", "folder/outside.py", "../outside.py")] == [()] * 4
    assert sources.own("fine.py") == "shop/price.py"


@pytest.mark.skipif(os.name == "nt", reason="there are no FIFOs")
def test_only_regular_files_are_read(project: Path) -> None:
    """A FIFO is never waited for, and a folder has no lines."""
    os.mkfifo(project / "pipe.py")
    sources = Sources(project)

    assert sources.lines("pipe.py") == ()
    assert sources.lines("shop") == ()


def test_a_large_file_is_read_in_part(project: Path) -> None:
    """Of a file that is very large, only the beginning is read; of one that is no text, nothing."""
    (project / "large.py").write_text("x = 1\n" * LARGEST, encoding="utf-8")
    (project / "binary.py").write_bytes(b"x\0y")
    sources = Sources(project)

    assert len(sources.lines("large.py")) < LARGEST / 5
    assert sources.lines("binary.py") == ()


def test_functions_are_found(project: Path) -> None:
    """A line's function is the innermost one, from its decorators on."""
    text = "class A:\n    @staticmethod\n    def f():\n        def g():\n            return 1\n        return g\n"
    (project / "a.py").write_text(text, encoding="utf-8")
    sources = Sources(project)

    inner, outer = sources.function_at("a.py", 5), sources.function_at("a.py", 2)

    assert inner is not None
    assert outer is not None
    assert (inner.name, inner.first, inner.last) == ("A.f.g", 4, 5)
    assert (outer.name, outer.first, outer.last) == ("A.f", 2, 6)
    assert sources.function_at("a.py", 1) is None


@pytest.mark.parametrize("text", ["def f(:\n", "(" * 5000, "x = '\\d'\n\0"])
def test_what_cannot_be_parsed_has_no_functions(project: Path, text: str) -> None:
    """A file that Python cannot read has lines, or none, but no functions."""
    (project / "a.py").write_text(text, encoding="utf-8")

    assert Sources(project).functions("a.py") == ()


def test_a_tests_source_is_found(project: Path) -> None:
    """A test's source is its function; of another language, the lines around where it failed or is named."""
    (project / "a.test.js").write_text("\n" * 40 + "test('adds', () => {\n  expect(1)\n})\n", encoding="utf-8")
    sources = Sources(project)

    python = sources.test("tests/test_price.py::test_total[1]")
    javascript = sources.test("a.test.js::adds")
    missing = sources.test("tests/test_price.py::test_none")

    assert python is not None
    assert python.lines == ("def test_total():", "    assert total([10, 5], 0.2) == 18")
    assert javascript is not None
    assert "test('adds', () => {" in javascript.lines
    assert missing is None
