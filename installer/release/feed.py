"""The feed of releases: what a program that looks for a newer one reads, and the signature by which it believes it.

    {"schema": 1, "published": RFC 3339, "expires": RFC 3339, "releases": [
        {"version": "1.2.3", "published": RFC 3339, "notes": {"en": text, "ru": text}, "page": URL,
         "files": [{"channel": "setup", "name": ..., "url": ..., "size": bytes, "sha256": hex}]}]}

The newest release comes first. `releases.json.sig` holds in base64 the Ed25519 signature over `SIGNED_BEFORE` and the
exact bytes of the feed. `app.domain.releases` reads it, and what that refuses is not signed.
"""

import argparse
import datetime as dt
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from provision.console import Stop
from release import keys
from release.checksums import digest, released
from release.work import Work, time_of

NAME = "releases.json"
SCHEMA = 1
SIGNED_BEFORE = b"watchkeeper release feed v1\n"
_LASTS_DAYS = 90
_KEPT = 10
_CHANNELS = {
    "setup": r"watchkeeper-{version}-setup\.exe",
    "deb": r"watchkeeper_{version}(-\d+)?_amd64\.deb",
    "portable": r"watchkeeper-{version}-linux-x86_64\.tar\.gz",
    "wheel": r"watchkeeper-{version}-py3-none-any\.whl",
    "app": r"watchkeeper-{version}-macos-arm64\.zip",
}
"""Values of `app.system.installed.Channel`, and the names of what goes through them."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `build.py feed` takes besides what every kind does."""
    key = parser.add_mutually_exclusive_group(required=True)
    key.add_argument("--key", type=Path, metavar="FILE", help="the private key of the releases, PEM")
    key.add_argument("--new-key", type=Path, metavar="FILE", help="make a key instead, and print its public half")
    keys.declare_password(parser)
    parser.add_argument("--base-url", default="", metavar="URL", help="the folder that the packages lie in, https")
    parser.add_argument("--page", default="", metavar="URL", help="what a person reads of it (default: the base URL)")
    parser.add_argument(
        "--notes",
        type=Path,
        metavar="FILE",
        help="what is new, in English: plain text, UTF-8; of a changelog, the part under '## VERSION'",
    )
    parser.add_argument("--notes-ru", type=Path, metavar="FILE", help="the same in Russian")
    parser.add_argument(
        "--earlier",
        type=Path,
        metavar="FILE",
        help=f"the feed before, its signature beside it: its {_KEPT - 1} newest releases are kept",
    )
    parser.add_argument(
        "--valid-days",
        type=int,
        default=_LASTS_DAYS,
        metavar="DAYS",
        help=f"how long it is believed (default: {_LASTS_DAYS}); sign it anew before",
    )


def build(work: Work, options: argparse.Namespace) -> Sequence[Path]:
    """Writes and signs the feed of what was built, or makes a key.

    Args:
        work: the build.
        options: the command line.

    Returns:
        The feed's path and its signature's, or the key's.

    Raises:
        Stop: something that the feed tells is missing, or the key cannot be used.
    """
    if options.new_key:
        made = keys.new(options.new_key, work, options)
        work.console.say(f"Build with --feed-key {keys.public_of(made)}, and keep a copy of the key and its password.")
        return (options.new_key,)
    key = keys.load(options.key, work, options)
    public = keys.public_of(key)
    if work.announced.keys and public not in work.announced.keys:
        message = f"The key {options.key} is none that --feed-key names, so no program would believe the feed."
        raise Stop(message, 2)
    content = document(work, options, believed=(public, *work.announced.keys))
    path = work.out / NAME
    beside = work.out / f"{NAME}.sig"
    beside.unlink(missing_ok=True)
    path.write_bytes(content)
    beside.write_text(keys.signature(key, SIGNED_BEFORE + content), "ascii", newline="\n")
    work.console.say(f"Signed by {public}.")
    return path, beside


def document(work: Work, options: argparse.Namespace, believed: Sequence[str]) -> bytes:
    """Gives the feed's exact bytes.

    Args:
        work: the build.
        options: the command line.
        believed: public keys in base64, of which one has signed an earlier feed.

    Raises:
        Stop: something that it tells is missing or too long.
    """
    base = _https(options.base_url, "--base-url")
    page = _https(options.page, "--page") if options.page else base
    if options.valid_days < 1:
        message = f"--valid-days is {options.valid_days}: the feed would never be believed."
        raise Stop(message, 2)
    published = _now(work)
    expires = published + dt.timedelta(days=options.valid_days)
    earlier = _earlier(options.earlier, believed) if options.earlier else []
    same = [each for each in earlier if each["version"] == work.version]
    release = {
        "version": work.version,
        # Signed anew, a release is as old as it was.
        "published": same[0]["published"] if same else _rfc3339(published),
        "notes": _notes(options, work.version),
        "page": page,
        "files": _files(work, base),
    }
    others = sorted((each for each in earlier if each["version"] != work.version), key=_order, reverse=True)
    newest_first = sorted((release, *others[: _KEPT - 1]), key=_order, reverse=True)
    feed = {
        "schema": SCHEMA,
        "published": _rfc3339(published),
        "expires": _rfc3339(expires),
        "releases": newest_first,
    }
    content = (json.dumps(feed, ensure_ascii=False, indent=1) + "\n").encode()
    _read_as_a_program_does(content)
    return content


def _read_as_a_program_does(content: bytes) -> None:
    # What the programs that are out there would refuse is not signed.
    from app.domain.errors import UpdateRefused  # noqa: PLC0415 - the program's own, of which only this needs a part
    from app.domain.releases import parse_feed  # noqa: PLC0415 - likewise

    try:
        parse_feed(content)
    except UpdateRefused as refused:
        message = f"No program would take this feed, so it is not signed. It would say:\n{refused}"
        raise Stop(message) from refused


def _files(work: Work, base: str) -> list[dict[str, object]]:
    found = []
    lying = released(work)
    for channel, pattern in _CHANNELS.items():
        fitting = [
            path
            for path in lying
            if re.fullmatch(pattern.format(version=re.escape(work.version)), path.name) is not None
        ]
        if len(fitting) > 1:
            message = f"{fitting[0].name} and {fitting[1].name} both go to who has '{channel}'. Delete one of them."
            raise Stop(message)
        found += [
            {
                "channel": channel,
                "name": path.name,
                "url": f"{base}/{quote(path.name)}",
                "size": path.stat().st_size,
                "sha256": digest(path),
            }
            for path in fitting
        ]
    if not found:
        message = f"Nothing of version {work.version} that people install lies in {work.out}. Build it first."
        raise Stop(message)
    return found


def _notes(options: argparse.Namespace, version: str) -> dict[str, str]:
    if options.notes is None:
        message = "A release has notes: name them by --notes FILE."
        raise Stop(message, 2)
    told = {"en": options.notes, "ru": options.notes_ru}
    return {language: _text(path, version) for language, path in told.items() if path}


def _text(path: Path, version: str) -> str:
    from app.domain.releases import LONGEST_NOTES  # noqa: PLC0415 - as above

    try:
        text = path.read_text("utf-8").strip()
    except OSError as error:
        message = f"The notes {path} cannot be read: {error.strerror}."
        raise Stop(message, 2) from error
    except UnicodeDecodeError as error:
        message = f"The notes {path} are not UTF-8. Save them as UTF-8."
        raise Stop(message, 2) from error
    if not text:
        message = f"The notes {path} are empty."
        raise Stop(message, 2)
    part = re.search(rf"^## {re.escape(version)}\b[^\n]*\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if part:
        return _cut(part[1].strip(), LONGEST_NOTES)
    if len(text) > LONGEST_NOTES:
        message = f"The notes {path} have {len(text)} characters, and a person is shown {LONGEST_NOTES}. Shorten them."
        raise Stop(message, 2)
    return text


def _cut(text: str, longest: int) -> str:
    # Nobody wrote a changelog for this place: what is too much there, the page has.
    return text if len(text) <= longest else f"{text[: longest - 2].rpartition(chr(10))[0]}\n…"


def _earlier(path: Path, believed: Sequence[str]) -> list[dict[str, Any]]:
    beside = path.with_name(path.name + ".sig")
    try:
        content, signature = path.read_bytes(), beside.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        message = f"The earlier feed {path} and its signature {beside.name} cannot both be read: {error}."
        raise Stop(message, 2) from error
    # It comes from where others may write, and this key is about to vouch for it.
    if not any(keys.holds(public, signature, SIGNED_BEFORE + content) for public in believed):
        message = f"The earlier feed {path} was not signed by this key or one of --feed-key. Nothing of it is taken."
        raise Stop(message)
    releases: list[dict[str, Any]] = json.loads(content)["releases"]
    return releases


def _order(release: dict[str, Any]) -> tuple[int, ...]:
    return tuple(map(int, release["version"].split(".")))


def _https(url: str, option: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.netloc or parts.query or parts.fragment:
        message = f"{option} is {url!r}. It is an https address, such as https://example.org/downloads."
        raise Stop(message, 2)
    return url.rstrip("/")


def _now(work: Work) -> dt.datetime:
    # Not the commit's time: a feed that takes back a release is newer than it, though no commit is.
    if "SOURCE_DATE_EPOCH" in work.environ:
        return dt.datetime.fromtimestamp(time_of(work.root, work.environ), dt.UTC)
    return dt.datetime.now(dt.UTC)


def _rfc3339(time: dt.datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
