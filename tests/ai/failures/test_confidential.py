"""Values of the environment and of `.env` files do not leave, whatever they are written like."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from app.ai.failures import dotenv

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import MakePrivacy

DSN = "postgresql://app:S3cr3tPw@db.internal/prod"


@pytest.mark.parametrize(
    ("name", "value", "printed"),
    [
        ("DATABASE_URL", DSN, "S3cr3tPw"),
        ("SQLALCHEMY_DATABASE_URI", DSN, "S3cr3tPw"),
        ("HTTPS_PROXY", "http://ivan:S3cr3tPw@proxy:3128", "S3cr3tPw"),
        ("ANYTHING", "amqp://u:S3cr3t%2FPw@h/", "S3cr3t/Pw"),
        ("DB_PASSWORD", "20241117", "20241117"),
        ("MY_TOKEN", "12345678", "12345678"),
        ("GH_PAT", "ab12cd34ef56", "ab12cd34ef56"),
        ("API_SECRET", "/Ab3xQ9zK+7", "/Ab3xQ9zK+7"),
        ("GCP_CREDENTIALS", json.dumps({"type": "account", "pw": ["Q7w8E9r0T1"]}), "Q7w8E9r0T1"),
        ("SERVICE", json.dumps({"client_secret": "Q7w8E9r0T1"}), "Q7w8E9r0T1"),
    ],
)
def test_values_by_their_variables(make_privacy: MakePrivacy, name: str, value: str, printed: str) -> None:
    """The password within an address, a number that is a password, and the members of a document go, too."""
    assert make_privacy({name: value}).clean(f"x = <{printed}>") == "x = <[secret-1]>"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NO_PROXY", "localhost,db.internal"),
        ("HTTP_PROXY", "http://proxy.internal:3128"),
        ("LOGIN_URI", "https://example.org/login"),
        ("AUTH_PORT", "543210"),
        ("DB_PASSWORD_FILE", "/run/secrets/db"),
        ("DATABASE_URL", "postgres://postgres:postgres@localhost/app"),
    ],
)
def test_values_that_are_no_secrets(make_privacy: MakePrivacy, name: str, value: str) -> None:
    """Places of servers and files are needed to understand a failure."""
    text = f"x = <{value.rpartition('@')[2]}> postgres"

    assert make_privacy({name: value}).clean(text) == text


def test_a_number_is_taken_whole(make_privacy: MakePrivacy) -> None:
    """A password of digits does not break longer numbers."""
    assert make_privacy({"DB_PASSWORD": "202411"}).clean("202411 12024110") == "[secret-1] 12024110"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("path", [".env", ".envrc", "config/prod.env", "a/b/c/d/.env.local", "deploy/prod/.ENV"])
def test_env_files_in_folders_and_encodings(make_privacy: MakePrivacy, project: Path, path: str, encoding: str) -> None:
    """The first line of a file that PowerShell or an editor wrote counts, and so do files in folders."""
    (project / path).parent.mkdir(parents=True, exist_ok=True)
    (project / path).write_bytes("FOO_TOKEN=abcQ12345\nB=1\n".encode(encoding))

    assert make_privacy(root=project).clean("x='abcQ12345'") == "x='[secret-1]'"


@pytest.mark.parametrize("folder", ["node_modules", ".venv", ".git", "mine", "a/b/c/d/e"])
def test_folders_that_are_left_out(project: Path, folder: str) -> None:
    """What others wrote is not looked through, and the way down has an end."""
    (project / folder).mkdir(parents=True)
    (project / folder / ".env").write_text("FOO_TOKEN=abcQ12345\n", encoding="utf-8")
    if folder == "mine":
        (project / folder / "pyvenv.cfg").touch()

    assert list(dotenv.settings_of(project)) == []


def test_many_and_large_files(make_privacy: MakePrivacy, project: Path) -> None:
    """The 41st file is read, and the end of a long one; the 201st file is not."""
    for number in range(dotenv.FILES_READ):
        (project / f"a{number:03}").mkdir()
        (project / f"a{number:03}/.env").write_text(f"A_TOKEN=abcQ{number:05}\n", encoding="utf-8")
    (project / "b").mkdir()
    (project / "b/.env").write_text("A_TOKEN=abcQ99999\n", encoding="utf-8")
    (project / "a000/.env").write_text("#" * 300_000 + "\nA_TOKEN=abcQ00000\n", encoding="utf-8")

    cleaned = make_privacy(root=project).clean("abcQ00000 abcQ00041 abcQ00199 abcQ99999")

    assert cleaned == "[secret-1] [secret-2] [secret-3] abcQ99999"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('A="abc\\"Q1"', ['abc\\"Q1', 'abc"Q1']),
        ("A='x y' # why", ["x y"]),
        ("A=x#y # why", ["x#y # why", "x#y"]),
        ('A="one\ntwo"\nB=3', ["one\ntwo", "3", "3"]),
        ("A=\"open\nB='x'\nC=2", ["open", "x", "2", "2"]),
        ("A = 1", ["1", "1"]),
        ("export A='1'\n$env:B=\"2\"\nset C=3", ["1", "2", "3", "3"]),
    ],
)
def test_lines_of_env_files(text: str, values: list[str]) -> None:
    """Quotes may be escaped, go over lines, or never be closed: then the lines below count as such."""
    assert [value for _, value in dotenv.assignments(text)] == values


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("x = 'Zz9Yy8Xx7Ww...'", "x = '[secret-1]...'"),
        ("x = '...Xx7Ww6Vv5Uu4'", "x = '...[secret-1]'"),
        ("Xx7Ww6Vv5Uu4' is", "[secret-1]' is"),
        ("it is 'Zz9Yy8Xx7", "it is '[secret-1]"),
        ("x = 'Zz9Yy8Xx\u2026'", "x = '[secret-1]\u2026'"),
        ("x = 'Zz9Yy8...'", "x = 'Zz9Yy8...'"),
        ("x = 'Zz9Yy8Xx7Ww' + 1", "x = 'Zz9Yy8Xx7Ww' + 1"),
        ("Zz9... and https://... and postgres", "Zz9... and https://... and postgres"),
        ("... Zz9Yy8Xx7Ww6Vv5Uu4 ...", "... [secret-1] ..."),
    ],
)
def test_halves(make_privacy: MakePrivacy, text: str, cleaned: str) -> None:
    """What is left of a secret beside three dots, or where a text begins or ends, is one."""
    assert (
        make_privacy({"API_SECRET": "Zz9Yy8Xx7Ww6Vv5Uu4", "A_KEY": "https://u:x@h", "B_KEY": "postgres://u"}).clean(
            text
        )
        == cleaned
    )
