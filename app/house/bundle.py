"""The crash bundle: one file for whoever looks for a fault of the program itself, without secrets.

It is made from what lies on disk, so it can be made when nothing runs, and what a running instance tells is added. What
goes in is named one by one. Nothing of a project goes in: no source, no test's output, no environment. Nothing of the
vault does.
"""

from __future__ import annotations

import asyncio
import io
import json
import platform
import socket
import sys
import time
import zipfile
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.domain.errors import CannotError
from app.engine.regular import read_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from app.cli.doctor.check import Check
    from app.domain.commands import SaveBundle
    from app.engine.places import Places
    from app.engine.redaction import Redactor
    from app.house.ground import Ground
    from app.house.scrubbing import Scrub

LARGEST = 5 * 1024 * 1024
"""Bytes of the whole file: what a mail still takes."""
LOG_LINES = 2_000
COMMAND_LINES = 200
"""Lines of the log of commands, which are other processes with a log of their own."""
_LARGEST_PART = 1024 * 1024
_LARGEST_LOG = 4 * 1024 * 1024
_OLDER_LOGS = 4
_METRICS_S = 1.0
_PATIENCE_S = 25.0
"""How long the running program takes at most: who asks over the socket waits for thirty seconds."""
_TOLD_ENVIRONMENT = ("XDG_CURRENT_DESKTOP", "XDG_SESSION_TYPE", "LANG", "LC_ALL", "QT_QPA_PLATFORM", "WSL_DISTRO_NAME")
_NO_SECRETS = frozenset({"PWD", "OLDPWD"})
"""Names in the environment that look as if they held a password, and hold a folder."""
_PACKAGES = ("PySide6-Essentials", "qasync", "SQLAlchemy", "httpx", "keyring", "cryptography", "watchdog", "pydantic")

_README = """What this file holds, and what it does not

It was made on your machine, and nothing was sent anywhere. Look at it before you hand it on. It holds versions, the
checks of `watchkeeper doctor`, how earlier lives of the program ended with the stacks of its own threads, its settings
without texts of yours, the end of its log, and the last heartbeats of its agents.

Names are replaced, each by the same throughout. The watched projects are written as [project 1] and so on, their files
as file-1.py, their tests as test-1: paths, Python files, and names that begin with test_. Another name without a path,
in the midst of a sentence, is not known to be one. Your home folder is written as ~; what else lies in it keeps its
name. Any other path is written as [elsewhere]/file-2.txt, unless it is of Watchkeeper, of Python, or a command or
device of the system. Your name is written as [user] and the machine's as [host].

It does not hold: keys and passwords, the vault, source code, the output of tests, the environment.
"""


def save_bundle(
    places: Places,
    environ: Mapping[str, str],
    path: Path,
    *,
    argv: Sequence[str] = (),
    redactor: Redactor | None = None,
    replace: bool = False,
) -> tuple[str, ...]:
    """Write the bundle, readable by this user alone, and return the names of what it holds. Blocks for some seconds.

    Args:
        places: The program's folders.
        environ: The process's environment; what it holds that is secret is looked for and taken out.
        path: The file, absolute.
        argv: The command line, looked through likewise.
        redactor: Knows more secrets: the running program's.
        replace: Whether a file that is there is replaced.

    Raises:
        CannotError: It is there already, or cannot be written.
    """
    from app.engine.files import write_atomic

    if not path.is_absolute() or (path.exists() and not replace):
        why = "is there already" if path.is_absolute() else "is not the whole path of a file"
        raise CannotError(f"{path} {why}.", "Name another file: watchkeeper doctor bundle FILE")
    if not path.parent.is_dir():
        raise CannotError(f"{path} cannot be written: its folder is not there.", "Choose another folder.")
    parts = _parts(places, environ, argv, redactor)
    content = _packed(parts)
    try:
        write_atomic(path, content)
    except OSError as error:
        raise CannotError(f"{path} cannot be written: {error.strerror or error}.", "Choose another folder.") from error
    return tuple(parts)


def answer_bundles(ground: Ground) -> Callable[[], None]:
    """Answer `SaveBundle` until what is returned is called."""
    import os

    from app.domain.commands import SaveBundle

    def write(named: str) -> str:
        path, redactor = Path(named).expanduser(), ground.log.redactor
        save_bundle(ground.places, os.environ, path, argv=sys.argv, redactor=redactor, replace=True)
        return str(path)

    async def save(asked: SaveBundle) -> str:
        try:
            return await asyncio.wait_for(asyncio.to_thread(write, asked.path), _PATIENCE_S)
        except TimeoutError:
            hint = "A folder may hang. Try from a terminal: watchkeeper doctor bundle"
            raise CannotError("The crash bundle could not be made in time.", hint) from None

    return ground.bus.handle(SaveBundle, save)


def _parts(
    places: Places, environ: Mapping[str, str], argv: Sequence[str], redactor: Redactor | None
) -> dict[str, bytes]:
    from app.cli.doctor.looking import ask_instance, examine

    snapshot, _ = ask_instance(places)
    settings, projects = _settings(places)
    projects += [root for root in (snapshot or {}).get("projects", ()) if root not in projects]
    scrub = _scrub(places, environ, argv, redactor, projects)
    checks = [_without_values(check) for check in examine(places, environ)]
    parts = {
        "README.txt": _README,
        "report.md": scrub.text(_report(places, environ, checks, snapshot)),
        "doctor.json": json.dumps(scrub.value([asdict(check) for check in checks]), indent=1, ensure_ascii=False),
        "settings.json": json.dumps(scrub.value(settings), indent=1, ensure_ascii=False),
    }
    for name, path, lines in (("log.jsonl", "watchkeeper", LOG_LINES), ("commands.jsonl", "command", COMMAND_LINES)):
        said = [scrub.log_line(line) for line in _last_lines(places.log_file(path), lines)]
        if said:
            parts[name] = "\n".join(said) + "\n"
    heartbeats = _read(places.runtime / "heartbeats.json")
    if heartbeats:
        parts["heartbeats.json"] = scrub.json_text(heartbeats)
    parts |= {f"lives/{name}": scrub.json_text(content) for name, content in _lives(places)}
    if snapshot is not None:
        told = {name: snapshot.get(name) for name in ("started_at", "agents", "health", "notices", "loop_lag_where")}
        parts["instance.json"] = json.dumps(scrub.value(told), indent=1, ensure_ascii=False)
        metrics = _metrics(places, str((snapshot.get("health") or {}).get("metrics", "")))
        if metrics:
            parts["metrics.txt"] = scrub.text(metrics)
    return {name: text.encode("utf-8", "replace") for name, text in parts.items()}


def _scrub(
    places: Places,
    environ: Mapping[str, str],
    argv: Sequence[str],
    redactor: Redactor | None,
    projects: Sequence[str],
) -> Scrub:
    from app.engine.redaction import Redactor
    from app.house.scrubbing import Scrub, telling_values, telling_words
    from app.store.location import secrets_of

    url = environ.get("DATABASE_URL", "")
    named = {name: value for name, value in environ.items() if name not in _NO_SECRETS}
    secrets = [url, *secrets_of(url), *telling_values(named), *telling_words(argv), *_telling_settings(places)]
    for name in ("control.json", "metrics.token"):
        content = _read(places.runtime / name).strip()
        with suppress(ValueError):
            content = str(json.loads(content)["token"]) if content.startswith("{") else content
        secrets.append(content)
    home = Path.home()
    homes = {str(home), environ.get("HOME", ""), environ.get("USERPROFILE", "")} - {""}
    with suppress(OSError):
        homes.add(str(home.resolve()))
    persons = {environ.get(name, "") for name in ("USER", "LOGNAME", "USERNAME")} | {home.name}
    host = socket.gethostname()
    return Scrub(
        (redactor or Redactor()).with_values(secrets),
        homes=homes,
        projects=projects,
        known=[*map(str, places.all()), environ.get("WATCHKEEPER_HOME", "")],
        persons=persons,
        hosts={host, host.partition(".")[0], platform.node(), environ.get("HOSTNAME", "")},
    )


def _telling_settings(places: Places) -> list[str]:
    """Return what stands in the settings under telling names, wherever in the file, also when it has a mistake."""
    import tomllib

    from app.agents.settings import Settings
    from app.house.scrubbing import telling_values

    try:
        told = telling_values(tomllib.loads(_read(places.settings_file)))
    except (ValueError, RecursionError):
        return []
    usual = set(telling_values(Settings().model_dump()))
    return [each for each in told if each not in usual]


def _settings(places: Places) -> tuple[dict[str, Any], list[str]]:
    """Return the settings as far as they are no texts of the person's own, and the folders of the projects.

    Numbers, switches and what is chosen from a list are told. Of any other text only that it was set: it may be a
    host, an address, a command, or a secret in the wrong place.
    """
    from app.agents.settings import Settings
    from app.domain.errors import SettingsError
    from app.engine.settings import SettingsFile, fields

    file = SettingsFile(Settings, places.settings_file, last_good=places.last_good_settings)
    try:
        settings, _ = file.check()
    except SettingsError:
        return {"trouble": "The settings file has a mistake: doctor.json says where."}, []
    told: dict[str, Any] = {}
    default = Settings()
    for key, info in fields(Settings):
        value: Any = settings
        usual: Any = default
        for part in key.split("."):
            value, usual = getattr(value, part), getattr(usual, part)
        is_choice = "Literal" in str(info.annotation)
        told[key] = value if value == usual or is_choice else _shown(value)
    return told, [str(Path(each).expanduser()) for each in settings.projects]


def _shown(value: object) -> object:
    if isinstance(value, bool | int | float):
        return value
    return f"[{len(value)} set]" if isinstance(value, tuple) else "[set]"


def _without_values(check: Check) -> Check:
    """Return a check without the value that a mistake in the settings names."""
    import re
    from dataclasses import replace

    if check.name.startswith("project "):
        return replace(check, name="project")
    if check.name != "settings":
        return check
    return replace(
        check, text=re.sub(r" = .*? is not allowed", " = [value] is not allowed", check.text, flags=re.DOTALL)
    )


def _report(
    places: Places, environ: Mapping[str, str], checks: Sequence[Check], snapshot: Mapping[str, Any] | None
) -> str:
    from app import __version__
    from app.cli.lastlife import last_word, read_heartbeats
    from app.domain import healthwords
    from app.engine.lives import known_ends

    now = time.time()
    lines = [
        f"# Watchkeeper {__version__}",
        "",
        f"Made {time.strftime('%Y-%m-%d %H:%M %z', time.localtime(now))}. Nothing was sent anywhere.",
        "",
        "## System",
        "",
        f"- {platform.system()} {platform.release()}, {platform.machine()}",
        f"- Python {platform.python_version()} ({platform.python_implementation()})",
        *(f"- {name} {version}" for name, version in _versions()),
        *(f"- {name}={environ[name]}" for name in _TOLD_ENVIRONMENT if environ.get(name)),
        f"- {'WATCHKEEPER_HOME is set' if environ.get('WATCHKEEPER_HOME') else 'the system folders are used'}",
        "",
        "## How lives ended",
        "",
    ]
    beats = read_heartbeats(places)
    word = last_word(beats, now) if beats is not None and snapshot is None else ""
    lines += [f"- {word}"] if word else []
    lines += [
        f"- {time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(end.at))} UTC: {healthwords.ended(end)}"
        for end in known_ends(places)
    ] or ["- No bad end is known."]
    lines += ["", "## Now", "", f"- An instance {'runs and answers' if snapshot is not None else 'does not answer'}."]
    lines += [f"- Agent {name}: {agent['state']}. {agent['reason']}".rstrip() for name, agent in _agents(snapshot)]
    lines += ["", "## Checks that did not pass", ""]
    lines += [f"- {each.level.upper()} {each.name}: {each.text}" for each in checks if each.level != "ok"] or [
        "- None."
    ]
    return "\n".join(lines) + "\n"


def _agents(snapshot: Mapping[str, Any] | None) -> list[tuple[str, Mapping[str, Any]]]:
    return list((snapshot or {}).get("agents", {}).items())


def _versions() -> Iterator[tuple[str, str]]:
    from importlib import metadata

    for name in _PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            yield name, metadata.version(name)


def _lives(places: Places) -> Iterator[tuple[str, str]]:
    from app.engine.lives import files_of_lives

    for path in files_of_lives(places):
        content = _read(path)
        if content:
            yield path.name, content


def _last_lines(path: Path, count: int) -> list[str]:
    """Return the last lines of a log file and of those before it, oldest first."""
    lines: list[str] = []
    size = 0
    for number in range(_OLDER_LOGS + 1):
        content = _read(path if not number else path.with_name(f"{path.name}.{number}"), 4 * _LARGEST_PART)
        lines = [*content.splitlines()[-(count - len(lines)) :], *lines]
        size += len(content)
        if len(lines) >= count or size >= _LARGEST_LOG:
            break
    while lines and sum(map(len, lines)) > _LARGEST_LOG:
        del lines[: max(1, len(lines) // 10)]
    return lines


def _read(path: Path, limit: int = _LARGEST_PART) -> str:
    try:
        return read_regular(path, limit)[:limit].decode("utf-8", "replace")
    except OSError:
        return ""


def _metrics(places: Places, address: str) -> str:
    """Return what is served, of this machine alone; nothing where by now something else answers there."""
    import http.client
    import urllib.request

    if not address.startswith("http://127.0.0.1:"):
        return ""
    token = _read(places.runtime / "metrics.token").strip()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(address, headers=headers)  # noqa: S310 - its scheme and host are checked above
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with suppress(OSError, ValueError, http.client.HTTPException), opener.open(request, timeout=_METRICS_S) as answer:
        content: bytes = answer.read(_LARGEST_PART)
        return content.decode("utf-8", "replace")
    return ""


def _packed(parts: dict[str, bytes], largest: int = LARGEST) -> bytes:
    """Return the archive; where it is too large, the largest part loses half: a log its older one, others their end."""
    while True:
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in parts.items():
                entry = zipfile.ZipInfo(name, time.localtime()[:6])
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o600 << 16
                archive.writestr(entry, content)
        if len(held.getvalue()) <= largest:
            return held.getvalue()
        name = max(parts, key=lambda each: len(parts[each]))
        half = len(parts[name]) // 2
        parts[name] = parts[name][half:] if name.endswith(".jsonl") else parts[name][:half]
