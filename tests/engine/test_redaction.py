"""Secrets leave no trace in any text that passes the redactor."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.redaction import REDACTED, Redactor, is_sensitive_name

CANARY = "c4n4ry-Zx9/+=é secret"

SHAPES = [
    "sk-proj-Abcdefghijklmnop1234",
    "sk-ant-api03-Abcdefghijklmnop1234",
    "AKIAABCDEFGHIJKLMNOP",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "github_pat_11ABCDEFG0abcdefghijklmnop",
    "glpat-abcdefghijklmnop1234",
    "xoxb-1234567890-abcdefghij",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-DEF_123",
    "AIzaSyA1234567890abcdefghijklmnopqrstuv",
]


@pytest.mark.parametrize("secret", SHAPES)
@pytest.mark.parametrize("around", ["{}", "key {} failed", '{{"a": "{}"}}', "x={}&y=1", "({})", "'{}',"])
def test_keys_are_known_by_their_looks(secret: str, around: str) -> None:
    """A key of a known shape is taken out wherever it stands."""
    text = Redactor().redact(around.format(secret))

    assert secret not in text
    assert REDACTED in text


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("postgresql://me:hunter2@db/x", "hunter2"),
        ("postgresql+psycopg://me:hun/ter@2@db/x", "hun/ter@2"),
        ("redis://:hunter2@localhost", "hunter2"),
        ("Authorization: Bearer abc.def-ghi", "abc.def-ghi"),
        ("'authorization': 'Basic bWU6aHVudGVyMg=='", "bWU6aHVudGVyMg"),
        ("got Bearer abcdefgh1234 back", "abcdefgh1234"),
        ("OPENAI_API_KEY=hunter2", "hunter2"),
        ("export MY_KEY='hunter two'", "hunter two"),
        ("password=hunter2 next", "hunter2"),
        ("Password: hunter2", "hunter2"),
        ('{"password": "hunter two", "a": 1}', "hunter two"),
        ('{\\"password\\": \\"hunter two\\", \\"a\\": 1}', "hunter two"),
        ("{'token': b'hunter2'}", "hunter2"),
        ("token=hunter2&x=1", "hunter2"),
        ("client_secret = hunter2", "hunter2"),
        ("token      = 'hunter2'", "hunter2"),
        ('password: str = "hunter2"', "hunter2"),
        ('assert settings.password == "hunter2"', "hunter2"),
        ('password = SecretStr("hunter2")', "hunter2"),
        ('app.config["SECRET_KEY"] = "hunter2"', "hunter2"),
        ("-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----", "hunter2"),
        ("-----BEGIN PRIVATE KEY-----\\nhunter2 and no end", "hunter2"),
    ],
)
def test_values_are_known_by_the_name_before_them(text: str, secret: str) -> None:
    """What stands behind a telling name, in a URL or in a header, is taken out."""
    assert secret not in Redactor().redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "run finished  project=/home/me/flask verdict=green duration_s=1.5",
        "tests/test_token.py::test_password_is_hashed FAILED",
        "max_tokens=500 key=tests.python",
        "see https://docs.pytest.org/en/stable/ and http://127.0.0.1:8080/a",
        "mail to someone@example.org",
        "basic functionality works",
    ],
)
def test_ordinary_lines_stay_as_they_are(text: str) -> None:
    """A log that hides too much helps nobody."""
    assert Redactor().redact(text) == text


def test_a_live_value_is_found_in_each_form_it_travels_in() -> None:
    """Raw, URL-quoted, JSON, repr, hexadecimal, and base64 at each offset within something longer."""
    redactor = Redactor()
    redactor.register(CANARY)
    raw = CANARY.encode()
    forms = [CANARY, quote(CANARY), quote(CANARY, safe=""), quote_plus(CANARY), raw.hex(), repr(CANARY)[1:-1]]
    forms += [json.dumps(CANARY)[1:-1], json.dumps(CANARY, ensure_ascii=False)[1:-1]]

    for form in forms:
        assert redactor.redact(f"<{form}>") == f"<{REDACTED}>"
    for before in ("", "u", "us", "use"):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            whole = encode(f"{before}{CANARY}:tail".encode()).decode()
            text = redactor.redact(whole)
            assert REDACTED in text
            assert len(text) - len(REDACTED) <= len(whole) - len(raw)


@given(st.text(min_size=6, max_size=30), st.text(max_size=20), st.text(max_size=20))
def test_no_registered_value_survives(secret: str, before: str, after: str) -> None:
    """Whatever a live value looks like and wherever it stands, it is not in the redacted text."""
    redactor = Redactor()
    redactor.register(secret)

    text = redactor.redact(before + secret + after)

    assert secret not in text.replace(REDACTED, "\0")


def test_a_short_value_is_not_looked_for() -> None:
    """A value that is in every other word changes no text."""
    redactor = Redactor()
    redactor.register("abc")

    assert redactor.redact("abc and abcdef") == "abc and abcdef"


@given(st.text(max_size=300))
def test_any_text_can_be_redacted_twice(text: str) -> None:
    """Redaction never fails, and what was redacted stays so."""
    once = Redactor().redact(text)

    assert REDACTED not in text or REDACTED in once


def test_names_of_fields_that_hold_secrets_are_known() -> None:
    """`password`, `api_key` and `token` are such names; `key` and `max_tokens` are not."""
    sensitive = ["password", "PASSWORD", "api_key", "apikey", "OPENAI_API_KEY", "token", "access_token", "secret"]

    assert all(is_sensitive_name(name) for name in sensitive)
    assert not any(is_sensitive_name(name) for name in ["key", "max_tokens", "nodeid", "project", "monkey"])


def test_another_redactor_knows_more_and_leaves_the_first_as_it_was() -> None:
    """Values of one project are taken out of its texts alone."""
    first = Redactor()
    first.register("zebra-crossing")

    other = first.with_values(["quiet-harbour"])

    assert other.redact("zebra-crossing quiet-harbour") == f"{REDACTED} {REDACTED}"
    assert first.redact("zebra-crossing quiet-harbour") == f"{REDACTED} quiet-harbour"
