"""What stands behind a telling name is taken out, however it is written, and source without a secret stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import MakePrivacy

S = "hunter2Zx9"

NAMED = [
    f"token      = '{S}'",
    f"api_key    = '{S}'",
    f"E       secret     = '{S}'",
    f'password        = "{S}"',
    f'password: str = "{S}"',
    f'def connect(host, password: str | None = "{S}", port: int = 1):',
    f'assert cfg.password == "{S}"',
    f'if token != "{S}":',
    f'(password := "{S}")',
    f'password = SecretStr("{S}")',
    f"password = f'{S}'",
    f"password = u'{S}'",
    f'password = ("{S}")',
    f'password = """{S}"""',
    f'password = os.getenv("DB_PASSWORD", "{S}")',
    f'app.config["SECRET_KEY"] = "{S}"',
    f'os.environ["DB_PASSWORD"] = "{S}"',
    f'monkeypatch.setenv("API_KEY", "{S}")',
    f'assert check(password, "{S}")',
    f'user.set_password("{S}")',
    'password = "swordfish"',
    f"DB_PASS={S}",
    "DB_PASS=swordfish",
    f"db_pass: {S}",
    f"pass: {S}",
    "  password: swordfish",
    f'"accessToken": "{S}"',
    f"authToken: '{S}'",
    f'secretKey = "{S}"',
    f'"privateKey": "{S}"',
    f'encryptionKey="{S}"',
    f"dbPassword={S}",
    f"SECRET_KEY_BASE={S}",
    f":password => '{S}'",
    f"<password>{S}</password>",
    "<Password>swordfish</Password>",
    f"CREATE USER app WITH PASSWORD '{S}'",
    f"mysql --password {S} -h db",
    f"curl -u admin:{S} https://h/",
    f"curl --user 'admin:{S}' https://h/",
    f"machine h login u password {S}",
    f"  password {S}",
    f"'Authorization', 'Basic {S}=='",
    f"got Basic {S}== back",
    f"Cookie: sessionid={S}; Path=/",
    f"'Cookie': 'a=bcde; sessionid={S}'",
    f'auth=("admin", "{S}")',
    f'HTTPBasicAuth("admin", "{S}")',
    f'{{\\"password\\": \\"{S}\\"}}',
    f'x = \'{{"password": "{S}"}}\'',
    f"E  +  where '{S}' = <shop.App object at 0x7f00aabbccdd>.db_password",
    f"password = '{S} and no end",
    f"Server=h;User Id=u;Password={S};",
    f"X-API-Key: {S}",
]


@pytest.mark.parametrize("text", NAMED)
def test_values_behind_telling_names(make_privacy: MakePrivacy, text: str) -> None:
    """A secret of no known shape is known by the name before it."""
    cleaned = make_privacy().clean(text)

    assert S not in cleaned
    assert "swordfish" not in cleaned
    assert "[secret-1]" in cleaned


@pytest.mark.parametrize(
    "text",
    [
        "key = row.key",
        "token = tokens[0]",
        "token = next(tokens)",
        "token = self.peek()",
        "password = user.password",
        "password = request.form['password']",
        "password: str",
        "def login(self, username: str, password: SecretStr | None = None) -> Token:",
        "return hash_password(password, salt=salt)",
        'password = os.environ["DB_PASSWORD"]',
        'token = payload.get("access_token")',
        'password = ask("New passphrase: ", instead="Run it in a terminal.")',
        'raise ValueError("the password is too short")',
        'if token.kind == "STRING" and text == "two words 9":',
        'assert token == "while"',
        'assert tokens == ["def", "f1oo", "("]',
        "if not token: return None",
        "lambda password: password.lower()",
        "login(password=password, token=TOKEN)",
        'sort_key = "name_2"',
        'cache_key = f"{user}:{day}"',
        'primary_key = "order-7"',
        "test_password_is_hashed = True",
        "bypass = 'route-66'",
        "secret = password.encode('utf-8')",
        "E   KeyError: 'password'",
        "tests/test_token.py::test_password[user-1] FAILED",
        "password = $DB_PASSWORD",
        "password: ${DB_PASSWORD}",
        'password = "{password}"',
        'assert token == "[secret-1]"',
        'type="password"',
        "docker run -u 1000:1000 image",
        "the user's token isn't 'new'",
        "max_tokens = 12345",
        "key=lambda each: each.name",
    ],
)
def test_source_stays_readable(make_privacy: MakePrivacy, text: str) -> None:
    """Expressions, words, names, placeholders and prose are no secrets."""
    assert make_privacy().clean(text) == text


def test_entries_beside_a_secret_stay(make_privacy: MakePrivacy) -> None:
    """In a dictionary or a call only the secret goes."""
    cleaned = make_privacy().clean(f"{{'password': '{S}', 'note': 'order 66'}} f(password='{S}', note='order 66')")

    assert cleaned == "{'password': '[secret-1]', 'note': 'order 66'} f(password='[secret-1]', note='order 66')"


def test_a_named_secret_is_known_elsewhere(make_privacy: MakePrivacy) -> None:
    """Once its name told it, a secret also goes where none stands before it: in that text, and in later ones."""
    privacy = make_privacy()

    first = privacy.clean(f"E  - {S}\n  api_key = '{S}'\nx{S}")
    later = privacy.clean(f"got {S}")

    assert first == f"E  - [secret-1]\n  api_key = '[secret-1]'\nx{S}"
    assert later == "got [secret-1]"


def test_what_is_compared_with_a_secret_is_one(make_privacy: MakePrivacy) -> None:
    """The other side of a comparison with a secret has no name before it."""
    cleaned = make_privacy().clean(
        f"> assert cfg.password == '{S}'\nE AssertionError: assert 'Other7Xv' == '{S}'\nE + Other7Xv"
    )

    assert cleaned == (
        "> assert cfg.password == '[secret-1]'\nE AssertionError: assert '[secret-2]' == '[secret-1]'\nE + [secret-2]"
    )


def test_what_is_learnt_is_known(make_privacy: MakePrivacy) -> None:
    """A text that is read first tells of secrets in the one that is sent first."""
    privacy = make_privacy()

    privacy.learn(f'password = "{S}"')

    assert privacy.clean(f"assert 1 == '{S}'") == "assert 1 == '[secret-1]'"


@pytest.mark.parametrize(
    "text", ["password", "password='", "token: ", '"', "\\'", "key=[", "password = (", "--password "]
)
def test_a_long_line_of_names(make_privacy: MakePrivacy, text: str) -> None:
    """A line of nothing but names and quotes is read to its end, and a secret behind it is found."""
    cleaned = make_privacy().clean(text * 20_000 + f"\nmy_password = '{S}'\n")

    assert S not in cleaned
    assert cleaned.endswith("'[secret-1]'\n") or "secret-" in cleaned.rsplit("\n", 2)[1]
