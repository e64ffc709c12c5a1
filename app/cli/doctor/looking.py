"""All checks of `doctor`, side by side, each with the time that is left: no check holds up another, nor the answer."""

from __future__ import annotations

import time
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any

from app.cli.doctor.check import LAST_RESORT, Check, Level, Look, Scene
from app.domain.errors import NoInstance, SettingsError, WatchkeeperError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.agents.settings import Settings
    from app.engine.places import Places

DEADLINE_S = 2.6
"""For all checks together, so that the command answers within three seconds."""
_INSTANCE_S = 1.2
_THREADS = 16

ORDER = (
    "python", "pyside6", "version", "instance", "ends", "autostart", "settings", "home", "folders", "disk", "lock",
    "history", "display", "tray", "notifications", "inotify watches", "inotify instances", "descriptors", "clock",
    "locale", "git", "keychain", "vault", "models", "alerts", "metrics", "updates",
)  # fmt: skip
"""How they are told; projects come last."""

_Running = list[tuple[Look, "Future[Check | list[Check]]"]]


def examine(places: Places, environ: Mapping[str, str], *, deadline_s: float = DEADLINE_S) -> list[Check]:
    """Look at everything, and return what was found, in a fixed order. Raises nothing, whatever is wrong.

    Args:
        places: The program's folders.
        environ: The process's environment.
        deadline_s: How long it may take; what has not answered by then is told as such.
    """
    from app.cli.doctor import folders, machine, program, projects, secrets, updates
    from app.engine.workers import WorkerPool

    due = time.monotonic() + deadline_s
    pool = WorkerPool(_THREADS, name="doctor")
    asked = pool.submit(ask_instance, places)
    scene = Scene(places, environ)
    running = _begin(pool, (*machine.looks(scene), *folders.looks(scene), *secrets.looks(scene)))
    settings, told = _settings(places)
    wait([asked], timeout=max(0.0, min(_INSTANCE_S + 0.3, due - time.monotonic())))
    snapshot, instance = asked.result() if asked.done() else (None, _HUNG)
    scene = Scene(places, environ, settings, snapshot)
    running += _begin(pool, (*program.looks(scene), *updates.looks(scene), *projects.looks(scene)))
    wait([future for _, future in running], timeout=max(0.0, due - time.monotonic()))
    checks = [instance, told]
    for look, future in running:
        checks += _told(look, future)
    pool.shutdown(wait=False, cancel_futures=True)
    places_of = {name: place for place, name in enumerate(ORDER)}
    return sorted(checks, key=lambda check: places_of.get(check.name, len(ORDER)))


def _begin(pool: Any, looks: Iterable[Look]) -> _Running:  # noqa: ANN401 - a pool, imported late
    return [(look, pool.submit(look.look)) for look in looks]


def _told(look: Look, future: Future[Check | list[Check]]) -> list[Check]:
    if not future.done():
        return [Check(look.name, Level.WARN, look.late, look.late_hint)]
    try:
        found = future.result()
    except WatchkeeperError as error:
        return [Check(look.name, Level.FAIL, error.message, error.hint or LAST_RESORT)]
    except Exception as error:  # noqa: BLE001 - a check that fails says nothing of what it was to look at
        why = f"It could not be looked at: {type(error).__name__}."
        return [Check(look.name, Level.UNKNOWN, why, LAST_RESORT)]
    return found if isinstance(found, list) else [found]


def _settings(places: Places) -> tuple[Settings | None, Check]:
    from app.agents.settings import Settings
    from app.engine.settings import SettingsFile

    file = SettingsFile(Settings, places.settings_file, last_good=places.last_good_settings)
    try:
        settings, _ = file.check()
    except SettingsError as error:
        return None, Check("settings", Level.FAIL, error.message, error.hint or "Mend it: watchkeeper config edit")
    there = "" if file.path.exists() else " (there is none: the defaults hold)"
    return settings, Check("settings", Level.OK, f"{file.path}{there}")


def ask_instance(places: Places) -> tuple[Mapping[str, Any] | None, Check]:
    """Return what the running instance sees, None where none answers in time, and the check that says which."""
    from app.control.client import ControlClient
    from app.domain.commands import ReadStatus

    try:
        with ControlClient(places, timeout_s=_INSTANCE_S) as client:
            snapshot = client.send(ReadStatus())
    except NoInstance:
        return None, Check("instance", Level.OK, "none is running")
    except WatchkeeperError as error:
        return None, Check("instance", Level.FAIL, error.message, error.hint or LAST_RESORT)
    watched = ", ".join(snapshot["projects"]) or "nothing yet"
    return snapshot, Check("instance", Level.OK, f"running, watches {watched}")


_HUNG = Check(
    "instance",
    Level.FAIL,
    "The running Watchkeeper did not answer in time.",
    "See what it does: watchkeeper logs. If it stays so, end it: watchkeeper stop",
)
