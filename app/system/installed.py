"""How this program got onto the machine. Whoever packs it says so in a file inside the package.

The file is `installed.json` beside `app/__init__.py`; `installer/build.py` writes it, and no checkout has one:

    {"channel": "setup", "program": "../../../watchkeeper.exe", "feed": {"url": "https://...", "keys": ["..."]}}

`program` is what a person, a login or a parent starts, relative to the folder of the package, with forward slashes;
without it the program is started by its interpreter. `feed` tells where new releases are announced, and `keys` are the
Ed25519 public keys (RFC 8032, 32 bytes, base64) of which one must have signed what is found there.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

PACKAGE: Final = Path(__file__).resolve().parents[1]
NAME: Final = "installed.json"
KEY_BYTES: Final = 32
_VERSION: Final = re.compile(rb'^__version__ = "([0-9A-Za-z.+-]{1,64})"$', re.MULTILINE)
_LARGEST_INIT: Final = 65_536


class Channel(StrEnum):
    """What brought the program here, and so what brings a newer one."""

    SOURCE = "source"
    """A checkout, or a wheel that pip, pipx or uv installed without saying anything."""
    WHEEL = "wheel"
    """A wheel of a release."""
    SETUP = "setup"
    """Windows' setup.exe."""
    DEB = "deb"
    """The Debian package."""
    PORTABLE = "portable"
    """The archive that is unpacked anywhere on Linux."""
    APP = "app"
    """The bundle for macOS."""


@dataclass(frozen=True, slots=True)
class Feed:
    """Where new releases are announced.

    Attributes:
        url: An https address; its signature lies at the same address with `.sig` behind it.
        keys: Ed25519 public keys, 32 bytes each; never empty.
    """

    url: str
    keys: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Installation:
    """How it got here.

    Attributes:
        channel: What brought it.
        program: What starts it, absolute; None where its interpreter does.
        feed: Where new releases are announced; None where nobody does.
    """

    channel: Channel = Channel.SOURCE
    program: Path | None = None
    feed: Feed | None = None


def installation(package: Path = PACKAGE) -> Installation:
    """Return how the program got here; one that nobody packed, or whose file is damaged, counts as source.

    Args:
        package: The folder of the package `app`.
    """
    try:
        told = json.loads((package / NAME).read_bytes())
        return _read(told, package)
    except FileNotFoundError:
        return Installation()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        import structlog  # noqa: PLC0415 - the parent of a kept program asks too, and is to stay small

        log = structlog.get_logger(__name__)
        log.warning("the note of how this program was installed cannot be read", file=NAME, error=repr(error))
        return Installation()


def release_on_disk(package: Path = PACKAGE) -> str:
    """Return the version that lies in the program's place by now; empty where that cannot be read. Blocks.

    Package tools lay a newer release over one that runs, and nobody tells that one.

    Args:
        package: The folder of the package `app`.
    """
    from app.engine.regular import read_regular  # noqa: PLC0415 - as above

    try:
        found = _VERSION.search(read_regular(package / "__init__.py", _LARGEST_INIT))
    except OSError:
        return ""
    return found[1].decode() if found else ""


def _read(told: dict[str, Any], package: Path) -> Installation:
    program = package.joinpath(*told["program"].split("/")).resolve() if told.get("program") else None
    return Installation(Channel(told["channel"]), program, _feed(told["feed"]) if told.get("feed") else None)


def _feed(told: dict[str, Any]) -> Feed:
    keys = tuple(_key(text) for text in told["keys"])
    if not keys or not str(told["url"]).startswith("https://"):
        message = "a feed needs an https address and a key"
        raise ValueError(message)
    return Feed(str(told["url"]), keys)


def _key(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error
    if len(key) != KEY_BYTES:
        message = f"an Ed25519 key has {KEY_BYTES} bytes, not {len(key)}"
        raise ValueError(message)
    return key
