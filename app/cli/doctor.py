"""The command `doctor`: what on this machine keeps Watchkeeper from working, and what to do about it."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli.exits import EXIT_GOOD, EXIT_RED
from app.cli.terminal import plain
from app.domain import modelwords
from app.domain.errors import NoInstance, SettingsError, WatchkeeperError

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.cli.context import Context

_FEWEST_WATCHES = 65_536
"""Below this a checkout with its virtual environment may not fit; kernels since 5.11 give more by themselves."""
_FEWEST_INSTANCES = 128
_DBUS_TIMEOUT_S = 3.0
_LAST_RESORT = "Start Watchkeeper, which mends what it can; `watchkeeper logs` tells what it did."


class Level(StrEnum):
    """What a check found."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `hint` says what to do, where there is something."""

    name: str
    level: Level
    text: str
    hint: str = ""


_COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red", Level.UNKNOWN: "dim"}


def doctor(context: Context) -> int:
    """Look at everything, and tell it in a table. Exit 1 when something fails."""
    with context.logging():
        snapshot, instance = _instance(context)
        checks = [_python(), _pyside(), _display(context), _tray(snapshot), _guarded("notifications", _notifications)]
        checks += [*_inotify(), _folders(context), _guarded("settings", lambda: _settings(context))]
        checks.append(_models(context, snapshot))
        checks += [_guarded("history", lambda: _database(context)), instance]
    good = all(check.level is not Level.FAIL for check in checks)
    if context.as_json:
        context.terminal.document({"good": good, "checks": [asdict(check) for check in checks]})
    else:
        _write(context, checks)
    return EXIT_GOOD if good else EXIT_RED


def _write(context: Context, checks: list[Check]) -> None:
    width = max(len(check.name) for check in checks)
    for check in checks:
        level = context.terminal.paint(f"{check.level.value:<7}", _COLOURS[check.level])
        first, *rest = [*plain(check.text).splitlines(), *plain(check.hint).splitlines()]
        context.terminal.say(f"{level}  {check.name:<{width}}  {first}")
        for line in rest:
            context.terminal.say(f"{'':7}  {'':{width}}  {line}")


def _guarded(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except WatchkeeperError as error:
        return Check(name, Level.FAIL, error.message, error.hint or _LAST_RESORT)


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("python", Level.OK, f"{version}, {sys.executable}")


def _pyside() -> Check:
    from importlib import metadata

    again = "Install Watchkeeper again, with the versions that it names."
    try:
        found = metadata.version("PySide6-Essentials")
    except metadata.PackageNotFoundError:
        return Check("pyside6", Level.FAIL, "It is not installed, so there is no tray and no window.", again)
    numbers = tuple(int(part) for part in found.split(".")[:2] if part.isdigit())
    if numbers >= (6, 12) and sys.version_info < (3, 12):
        text = f"{found} ends the process on Python below 3.12 after some minutes."
        return Check("pyside6", Level.FAIL, text, f"{again} It wants PySide6-Essentials below 6.12 here.")
    return Check("pyside6", Level.OK, found)


def _display(context: Context) -> Check:
    from app.system.display import display_trouble

    trouble = display_trouble(context.environ)
    if trouble:
        hint = "Without one: watchkeeper run PATH --headless"
        return Check("display", Level.WARN, f"{trouble} So no tray can be shown.", hint)
    found = context.environ.get("WAYLAND_DISPLAY") or context.environ.get("DISPLAY")
    return Check("display", Level.OK, found or "the desktop's own")


def _tray(snapshot: dict[str, Any] | None) -> Check:
    if snapshot is None:
        return Check("tray", Level.UNKNOWN, "The running instance would know, and none runs.")
    for key, notice in snapshot["notices"].items():
        if key.startswith("tray"):
            return Check("tray", Level.WARN, notice["text"], notice["hint"])
    return Check("tray", Level.OK, "the running instance reports no trouble with it")


def _notifications() -> Check:
    if sys.platform in {"win32", "darwin"}:
        return Check("notifications", Level.OK, "the desktop's own")
    import asyncio

    hint = "Start a notification service (dunst, mako, or a desktop's own); until then the window tells."
    try:
        known = asyncio.run(asyncio.wait_for(_bus_names(), _DBUS_TIMEOUT_S))
    except Exception as error:  # noqa: BLE001 - dbus-fast tells of a missing bus in a dozen ways, and all mean this
        why = str(error) or type(error).__name__
        return Check("notifications", Level.WARN, f"The session's D-Bus is out of reach: {why}.", hint)
    if "org.freedesktop.Notifications" in known:
        return Check("notifications", Level.OK, "a notification service is there")
    return Check("notifications", Level.WARN, "No notification service is on the session's D-Bus.", hint)


async def _bus_names() -> set[str]:
    from dbus_fast import Message
    from dbus_fast.aio import MessageBus

    bus = await MessageBus().connect()
    try:
        names: set[str] = set()
        for question in ("ListNames", "ListActivatableNames"):
            reply = await bus.call(
                Message(
                    destination="org.freedesktop.DBus",
                    path="/org/freedesktop/DBus",
                    interface="org.freedesktop.DBus",
                    member=question,
                )
            )
            names.update(reply.body[0] if reply.body else ())
        return names
    finally:
        bus.disconnect()


def _inotify(proc: Path = Path("/proc/sys/fs/inotify")) -> list[Check]:
    checks = []
    for name, least in (("max_user_watches", _FEWEST_WATCHES), ("max_user_instances", _FEWEST_INSTANCES)):
        try:
            found = int((proc / name).read_text())
        except (OSError, ValueError):
            continue
        enough = found >= least
        hint = "" if enough else f"Larger projects are then polled. Raise it: sudo sysctl fs.inotify.{name}={least * 8}"
        checks.append(
            Check(f"inotify {name.removeprefix('max_user_')}", Level.OK if enough else Level.WARN, f"{found}", hint)
        )
    return checks


def _folders(context: Context) -> Check:
    bad = [str(folder) for folder in context.places.all() if not _can_write(folder)]
    if bad:
        hint = "Give yourself the right to write there, or set WATCHKEEPER_HOME to another folder."
        return Check("folders", Level.FAIL, f"Not writable: {', '.join(bad)}", hint)
    return Check("folders", Level.OK, f"writable; history in {context.places.data}")


def _can_write(folder: Path) -> bool:
    nearest = next((each for each in (folder, *folder.parents) if each.exists()), folder)
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)


def _settings(context: Context) -> Check:
    from app.cli.config import settings_file

    file = settings_file(context)
    file.check()
    there = "" if file.path.exists() else " (there is none: the defaults hold)"
    return Check("settings", Level.OK, f"{file.path}{there}")


def _models(context: Context, snapshot: dict[str, Any] | None) -> Check:
    """Look at who would be asked, by the settings and by what the running instance knows; nobody is asked for it."""
    from app.agents.analysis.asking import providers_of
    from app.cli.config import settings_file

    try:
        settings = settings_file(context).check()[0].analysis
    except SettingsError:
        return Check("models", Level.UNKNOWN, "The settings would tell, and they are not good.")
    if settings.when == "never":
        return Check("models", Level.OK, "none is asked: that is what the settings say")
    providers, trouble, hint = providers_of(settings)
    if trouble:
        return Check("models", Level.FAIL, trouble, hint)
    if not providers:
        hint = "Name one: watchkeeper config set analysis.providers deepseek"
        return Check("models", Level.WARN, "No provider is set up, so failures are explained without one.", hint)
    named = ", then ".join(f"{each.name} ({each.model} at {each.host})" for each in providers)
    when = {"ask": "when you ask", "always": "by itself"}[settings.when]
    for view in (snapshot or {}).get("analysis", {}).get("providers", ()):
        if view["reason"]:
            text = f"{when}: {named}. Not now: {view['name']}: {view['reason']}"
            return Check(
                "models",
                Level.WARN,
                text,
                "A missing key: watchkeeper keys set NAME. Of all else, `watchkeeper logs` tells more.",
            )
    unpriced = [each.name for each in providers if each.price is None]
    unlimited = modelwords.unlimited(unpriced) if settings.dollars_per_day else ""
    level = Level.WARN if unlimited else Level.OK
    return Check("models", level, f"{when}: {named}", f"{unlimited[:1].upper()}{unlimited[1:]}")


def _database(context: Context) -> Check:
    from app.store import doctor as store
    from app.store.location import history_url

    state = store.current(history_url(context.environ, context.places.data))
    if state.position is store.Position.NEWER:
        hint = "Install the newer Watchkeeper again, or use another WATCHKEEPER_HOME."
        return Check("history", Level.FAIL, f"{state}: it was written by a newer Watchkeeper.", hint)
    return Check("history", Level.OK, str(state))


def _instance(context: Context) -> tuple[dict[str, Any] | None, Check]:
    from app.domain.commands import ReadStatus

    try:
        with context.client() as client:
            snapshot = client.send(ReadStatus())
    except NoInstance:
        return None, Check("instance", Level.OK, "none is running")
    except WatchkeeperError as error:
        return None, Check("instance", Level.FAIL, error.message, error.hint)
    watched = ", ".join(snapshot["projects"]) or "nothing yet"
    return snapshot, Check("instance", Level.OK, f"running, watches {watched}")
