"""Names, homes and addresses do not leave, in whichever way programs write them."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path
from urllib.parse import quote

import pytest

from app.ai.failures.privacy import Privacy
from app.engine.redaction import Redactor


def cleaned(text: str, *, user: str = "ivanov", home: str = "/home/ivanov") -> str:
    """Clean a text of one who is called so."""
    return Privacy(
        Redactor(), home=Path(home), user=user, host="workbox.lan", environ={}, root=Path("/srv/shop")
    ).clean(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/tmp/pytest-of-ivanov/pytest-3/test_x0", "/tmp/pytest-of-[user]/pytest-3/test_x0"),  # noqa: S108
        ("/tmp/pytest-of-petrov/x", "/tmp/pytest-of-[user-1]/x"),  # noqa: S108
        ("/x/-home-ivanov-work/y", "/x/-home-[user]-work/y"),
        ("cache_ivanov ivanov_work .ivanov", "cache_[user] [user]_work .[user]"),
        ("User(ivanov(1000))", "User([user](1000))"),
        ("ivanov2 ivanova", "ivanov2 ivanova"),
        ("ivan.petrov\\u0040example.com", "[email-1]"),
        (
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB ivan.petrov@macbook",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB [email-1]",
        ),
        ("connect to 2a02:6b8:0:1::feed:0ff", "connect to [ip-1]"),
        ("[2001:4860:4860::8888]:443", "[[ip-1]]:443"),
        (
            "::1 fe80::1 2001:db8::1 12:30:45 a::b std::map 2024:10",
            "::1 fe80::1 2001:db8::1 12:30:45 a::b std::map 2024:10",
        ),
        ("ether 3c:22:fb:9a:1b:2c 3C-22-FB-9A-1B-2C", "ether [mac-1] [mac-1]"),
        ("00:00:00:00:00:00", "00:00:00:00:00:00"),
        ("/Users/Ivan Petrov/x.py", "/Users/[user-1]/x.py"),
        ("/home/\u0418\u0432\u0430\u043d \u041f\u0435\u0442\u0440\u043e\u0432/x.py", "/home/[user-1]/x.py"),
        ("C:/Users/\u0418\u0432\u0430\u043d \u041f\u0435\u0442\u0440\u043e\u0432/x.py", "C:/Users/[user-1]/x.py"),
        ("cwd: C:\\Users\\\u0418\u0432\u0430\u043d \u041f\u0435\u0442\u0440\u043e\u0432", "cwd: C:\\Users\\[user-1]"),
        ("/Users/Ivan%20Petrov/x", "/Users/[user-1]/x"),
        ("/home/\\u0418\\u0432/x", "/home/[user-1]/x"),
        ("/home/\\320\\230/x", "/home/[user-1]/x"),
        ("in /home/petrov and /home/sidorov/x", "in /home/[user-1] and /home/[user-2]/x"),
        ("\\\\srv\\Users$\\Petrov\\x", "\\\\srv\\Users$\\[user-1]\\x"),
    ],
)
def test_details(text: str, expected: str) -> None:
    """What tells of a person is taken out; versions, times and addresses that lead nowhere stay."""
    assert cleaned(text) == expected


@pytest.mark.parametrize(
    "user", ["\u0418\u0432\u0430\u043d", "\u0410\u043d\u0434\u0440\u0435\u0439", "Ren\u00e9", "Ivan Petrov"]
)
def test_a_home_in_each_spelling(user: str) -> None:
    """Percent, JSON, Python's and git's escapes, bytes, composed and decomposed letters: it is the same folder."""
    home = f"/home/{user}"
    raw = home.encode()
    octal = "".join(chr(byte) if byte < 0x80 else f"\\{byte:03o}" for byte in raw)
    spellings = [
        home,
        quote(home),
        re.sub(r"%..", lambda found: found[0].lower(), quote(home, safe="")),
        json.dumps(home)[1:-1],
        json.dumps(json.dumps(home))[3:-3],
        ascii(home)[1:-1],
        repr(raw)[2:-1],
        octal,
        unicodedata.normalize("NFC", home),
        unicodedata.normalize("NFD", home),
    ]

    for spelling in spellings:
        assert cleaned(f"in {spelling}/x.py", user=user, home=home) == "in ~/x.py", spelling
        name = spelling.rsplit("/", 1)[-1].rsplit("%2f", 1)[-1]
        assert cleaned(f"by {name}.", user=user, home="/var/none") == "by [user].", spelling


def test_a_common_name_goes_with_the_test_folder() -> None:
    """One who is called like a word of source keeps the word, and loses the folder's name."""
    assert cleaned("max(1) /tmp/pytest-of-max/x", user="max", home="/home/max") == "max(1) /tmp/pytest-of-[user]/x"
