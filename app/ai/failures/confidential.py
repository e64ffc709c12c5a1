"""What must not leave: values of the environment and of `.env` files that are secret by their names."""

from __future__ import annotations

import builtins
import keyword
import re
from typing import TYPE_CHECKING

from app.engine.regular import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SHORTEST = 6
"""Characters: a shorter value is found in every other word."""
SHORTEST_LINE = 16
"""Characters of a line of a value that goes over several lines, such as a private key."""
LARGEST_FILE = 256 * 1024
FILES_READ = 40

_NAME = re.compile(
    r"KEY|TOKEN|SECRET|PASS|PWD|AUTH|CRED|DSN|COOKIE|SESSION|PRIVATE|SALT|WEBHOOK|CONNECTION|CONN_STR|SIGNATURE|SIGNING"
    r"|ENCRYPT|CERT|LICEN[CS]E|BEARER|JWT|OTP|PIN$|SEED|MNEMONIC|ACCOUNT|SID$|DATABASE_URL|REDIS_URL|MONGO|AMQP|BROKER"
)
_NAME_OF_THE_DESK = re.compile(
    r"^(?:XDG_|DESKTOP_SESSION|GDMSESSION|SESSION_MANAGER|DBUS_SESSION_BUS|KEYBOARD|PWD$|OLDPWD$)"
)
_WORDS = frozenset(
    [
        *(
            "true",
            "false",
            "none",
            "null",
            "undefined",
            "default",
            "enabled",
            "disabled",
            "always",
            "never",
            "optional",
        ),
        *("localhost", "development", "production", "staging", "testing", "test", "tests", "local", "debug", "release"),
        *("changeme", "example", "password", "secret", "string", "number", "integer", "boolean", "object", "public"),
        *(
            "private",
            "session",
            "cookie",
            "cookies",
            "basic",
            "bearer",
            "digest",
            "oauth2",
            "sha256",
            "sha512",
            "sqlite",
        ),
        *("postgres", "postgresql", "redis", "memory", "database", "django", "python", "config", "settings", "admin"),
    ]
)
_NUMBER = re.compile(r"[\d.,:\-+_ ]*")
_PATH = re.compile(r"(?:~|\.{1,2}|[A-Za-z]:)?[/\\][\w.@+~ /\\:\-]*|unix:.*")
_DOTTED = re.compile(r"[a-z_]{1,60}(?:\.[A-Za-z_]{1,60}){1,8}")
_ONE_WORD = re.compile(r"[a-z]+|[A-Z]+|[A-Z][a-z]+")
_HOST = re.compile(r"(?:https?://)?(?:localhost|127\.0\.0\.1|0\.0\.0\.0)(?::\d{1,5})?/?")
_ASSIGNED = re.compile(r"^\s{0,40}(?:export\s{1,8})?(?P<name>[A-Za-z_][\w.\-]{0,200})\s{0,8}[=:]\s{0,8}(?P<value>.*)$")
_COMMON_NAMES = frozenset(
    [
        *("root", "user", "users", "username", "admin", "administrator", "test", "tests", "runner", "dev", "developer"),
        *(
            "ubuntu",
            "debian",
            "fedora",
            "vagrant",
            "docker",
            "app",
            "apps",
            "web",
            "www",
            "node",
            "git",
            "build",
            "jenkins",
        ),
        *(
            "guest",
            "nobody",
            "host",
            "localhost",
            "local",
            "secret",
            "email",
            "home",
            "server",
            "python",
            "main",
            "data",
        ),
        *("name", "default", "client", "service", "system", "work", "code", "src", "desktop", "laptop", "computer"),
    ]
)


def sensitive_values(environ: Mapping[str, str], root: Path | None) -> list[str]:
    """Return the values that must not leave; none that is a common word, a number, a path, or very short.

    Args:
        environ: The environment: values count whose names sound like a secret.
        root: The project, whose `.env*` files are read; of their values, also those count that look like no words.
    """
    found: dict[str, None] = {}
    for name, value in environ.items():
        if _is_sensitive(name) and not _is_trivial(value):
            found.update(dict.fromkeys(_parts(value)))
    for name, value in _dotenv_values(root) if root is not None else ():
        if not _is_trivial(value) and (_is_sensitive(name) or not _is_plain(value)):
            found.update(dict.fromkeys(_parts(value)))
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


def _is_sensitive(name: str) -> bool:
    upper = name.upper()
    return _NAME.search(upper) is not None and not _NAME_OF_THE_DESK.match(upper)


def _is_trivial(value: str) -> bool:
    value = value.strip()
    return (
        len(value) < SHORTEST
        or value.lower() in _WORDS
        or _NUMBER.fullmatch(value) is not None
        or _PATH.fullmatch(value) is not None
        or _HOST.fullmatch(value) is not None
    )


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


def _dotenv_values(root: Path) -> Iterator[tuple[str, str]]:
    try:
        files = sorted([*root.glob(".env*"), *root.glob("*/.env*"), *root.glob("*.env")])[:FILES_READ]
    except OSError:
        return
    for file in files:
        try:
            text = read_regular(file, LARGEST_FILE).decode("utf-8", "replace")
        except OSError:
            continue
        yield from _assignments(text)


def _assignments(text: str) -> Iterator[tuple[str, str]]:
    """Read NAME=VALUE lines; a value in quotes may go over several lines."""
    lines = iter(text.splitlines())
    for line in lines:
        found = _ASSIGNED.match(line)
        if found is None:
            continue
        name, value = found["name"], found["value"].strip()
        quote = value[:1]
        if quote not in ("'", '"'):
            yield name, value
            yield name, re.split(r"\s#", value, maxsplit=1)[0].strip()
            continue
        value = value[1:]
        while quote not in value and (more := next(lines, None)) is not None and len(value) < LARGEST_FILE:
            value += "\n" + more
        yield name, value.partition(quote)[0]
