"""What must not leave: values of the environment and of `.env` files that are secret by their names."""

from __future__ import annotations

import builtins
import json
import keyword
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from app.ai.failures.dotenv import settings_of
from app.ai.failures.namewords import word_set

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SHORTEST = 6
"""Characters: a shorter value is found in every other word."""
SHORTEST_LINE = 16
"""Characters of a line of a value that goes over several lines, such as a private key."""
LARGEST_DOCUMENT = 64 * 1024
"""Characters of a value that is looked through as JSON."""

_NAME = re.compile(
    r"KEY|TOKEN|SECRET|PASS|PWD|AUTH|CRED|DSN|COOKIE|SESSION|PRIVATE|SALT|WEBHOOK|CONNECTION|CONN_STR|SIGNATURE|SIGNING"
    r"|ENCRYPT|CERT|LICEN[CS]E|BEARER|JWT|OTP|PIN$|SEED|MNEMONIC|ACCOUNT|SID$|DATABASE_URL|REDIS_URL|MONGO|AMQP|BROKER|URI|PROXY|(?:^|_)PAT$"
)
_SURE_NAME = re.compile(r"PASS|PWD|SECRET|TOKEN")
"""Whatever stands there is one, even a number."""
_NAME_OF_THE_DESK = re.compile(
    r"^(?:XDG_|DESKTOP_SESSION|GDMSESSION|SESSION_MANAGER|DBUS_SESSION_BUS|KEYBOARD|PWD$|OLDPWD$)"
)
_WORDS = word_set(
    """
    true false none null undefined default enabled disabled always never optional localhost development
    production staging testing test tests local debug release changeme example password secret string number
    integer boolean object public private session cookie cookies basic bearer digest oauth2 sha256 sha512 sqlite
    postgres postgresql redis memory database django python config settings admin
    """
)
_NUMBER = re.compile(r"[\d.,:\-+_ ]*")
_PATH = re.compile(r"(?:~|\.{1,2}|[A-Za-z]:)?[/\\][\w.@+~ /\\:\-]*|unix:.*")
_DOTTED = re.compile(r"[a-z_]{1,60}(?:\.[A-Za-z_]{1,60}){1,8}")
_ONE_WORD = re.compile(r"[a-z]+|[A-Z]+|[A-Z][a-z]+")
_HOST = re.compile(r"(?:https?://)?(?:localhost|127\.0\.0\.1|0\.0\.0\.0)(?::\d{1,5})?/?")
_ADDRESS_NAME = re.compile(r"URI|URL|PROXY|BROKER")
_PLAIN_ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.\-]{0,20}://)?[\w.\-]*(?::\d{1,5})?(?:[/,][\w.\-/:,]*)?")
_USER_INFO = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]{0,20}://[^\s/:@]{0,200}:(?P<password>[^\s]{1,500})@")
_COMMON_NAMES = word_set(
    """
    root user users username admin administrator test tests runner dev developer ubuntu debian fedora vagrant
    docker app apps web www node git build jenkins guest nobody host localhost local secret email home server
    python main data name default client service system work code src desktop laptop computer
    """
)


def sensitive_values(environ: Mapping[str, str], root: Path | None) -> list[str]:
    """Return the values that must not leave; none that is a common word, a number, a path, or very short.

    Args:
        environ: The environment: values count whose names sound like a secret.
        root: The project, whose `.env*` files are read; of their values, also those count that look like no words.
    """
    found: dict[str, None] = {}
    for name, value in environ.items():
        found.update(dict.fromkeys(_secrets_in(name, value, is_plain_told=False)))
    for name, value in settings_of(root) if root is not None else ():
        found.update(dict.fromkeys(_secrets_in(name, value, is_plain_told=True)))
    return list(found)


def is_trivial_name(name: str) -> bool:
    """True for a user's or a machine's name that is a common word of source code: to take it out would only harm."""
    low = name.lower()
    return len(name) < 3 or low in _COMMON_NAMES or low in dir(builtins) or keyword.iskeyword(low) or low.isdigit()  # noqa: PLR2004 - names of two letters are everywhere


def names_in_paths(path: Path) -> set[str]:
    """Return how a folder may be named besides: where links lead."""
    try:
        return {str(path), str(path.resolve())}
    except (OSError, RuntimeError):
        return {str(path)}


def _secrets_in(name: str, value: str, *, is_plain_told: bool) -> Iterator[str]:
    """Return what is secret of one variable: its value, a password within it, members of a document.

    Args:
        name: The variable's name, or a member's.
        value: Its value.
        is_plain_told: A value that looks like no words is secret whatever its name: it stands in a file of settings.
    """
    if len(value.strip()) < SHORTEST:
        return
    if not _is_trivial(name, value) and (_is_sensitive(name) or (is_plain_told and not _is_plain(value))):
        yield from _parts(value)
    for found in _USER_INFO.finditer(value):
        for password in (found["password"], unquote(found["password"])):
            if not _is_trivial("PASSWORD", password):
                yield password
    if value.strip()[:1] in ("{", "[") and len(value) <= LARGEST_DOCUMENT:
        for member, inside in _members(value):
            yield from _secrets_in(member or name, inside, is_plain_told=is_plain_told or _is_sensitive(name))


def _members(document: str) -> Iterator[tuple[str, str]]:
    """Return the names and texts in a JSON document, whatever it is made of."""
    try:
        left: list[tuple[str, object]] = [("", json.loads(document))]
    except (ValueError, RecursionError):
        return
    while left:
        name, value = left.pop()
        if isinstance(value, dict):
            left += [(str(key), member) for key, member in value.items()]
        elif isinstance(value, list):
            left += [(name, member) for member in value]
        elif isinstance(value, str):
            yield name, value


def _is_sensitive(name: str) -> bool:
    upper = name.upper()
    return _NAME.search(upper) is not None and not _NAME_OF_THE_DESK.match(upper)


def _is_trivial(name: str, value: str) -> bool:
    value, upper = value.strip(), name.upper()
    if len(value) < SHORTEST or value.lower() in _WORDS or _HOST.fullmatch(value) is not None:
        return True
    if _SURE_NAME.search(upper) is not None and not _NAME_OF_THE_DESK.match(upper):
        return _is_a_file(name, value)
    return (
        _NUMBER.fullmatch(value) is not None
        or _PATH.fullmatch(value) is not None
        or (_ADDRESS_NAME.search(upper) is not None and _PLAIN_ADDRESS.fullmatch(value) is not None)
    )


def _is_a_file(name: str, value: str) -> bool:
    """True for a path by a name that says so: what lies there is the secret."""
    return re.search(r"(?:FILE|PATH|DIR|STORE)$", name.upper()) is not None and _PATH.fullmatch(value) is not None


def _is_plain(value: str) -> bool:
    """True for a value that is a word, a module, or several words."""
    return all(_ONE_WORD.fullmatch(word) or _DOTTED.fullmatch(word) for word in re.split(r"[\s,_\-]+", value) if word)


def _parts(value: str) -> Iterator[str]:
    """Return a value, without the space around it, and the lines of a long one: others print them one by one."""
    yield value
    yield value.strip()
    if "\\n" in value:
        value = value.replace("\\n", "\n")
        yield value
    if "\n" in value:
        yield from (line.strip() for line in value.split("\n") if len(line.strip()) >= SHORTEST_LINE)
