"""What `doctor` looks at of the search for newer releases; nobody is asked for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from app.cli.doctor.check import Check, Level, Look
from app.domain import updatewords, words

if TYPE_CHECKING:
    from app.agents.settings import Settings
    from app.cli.doctor.check import Scene
    from app.engine.places import Places
    from app.system.installed import Installation

_NAME: Final = "updates"
_SILENT_S: Final = 30 * 86_400.0
"""Somebody who keeps newer releases from a person begins by keeping the answers away."""


def looks(scene: Scene) -> list[Look]:
    """Return the check."""
    from app.system.installed import installation

    places, settings = scene.places, scene.settings
    return [Look(_NAME, lambda: updates(places, settings, installation(), time.time()))]


def updates(places: Places, settings: Settings | None, installed: Installation, now: float) -> Check:
    """Tell whether it is looked for newer releases, and what came of it.

    Args:
        places: Where it is remembered.
        settings: The person's settings; None while their file has a mistake.
        installed: How the program got here.
        now: The wall-clock time.
    """
    from app.agents.updates.memory import Memory

    if installed.feed is None:
        return Check(_NAME, Level.OK, "not offered by this build: it does not come from a package of a release")
    told = Memory(places).read()
    if told.refused:
        return Check(_NAME, Level.WARN, told.refused, told.hint)
    if settings is None or not settings.updates.enabled:
        return Check(_NAME, Level.OK, f"off; have it asked with: {updatewords.SWITCH_ON}")
    if not told.asked_at:
        return Check(_NAME, Level.OK, "on, and not asked yet")
    asked = f"asked {words.ago(now - told.asked_at)}"
    if told.trouble and now - told.answered_at > _SILENT_S:
        since = f"no answer since {words.moment(told.answered_at, now)}" if told.answered_at else "no answer so far"
        return Check(_NAME, Level.WARN, f"{asked}, {since}: {told.trouble}", "Try it: watchkeeper update check")
    return Check(_NAME, Level.OK, f"{asked}, without an answer: {told.trouble}" if told.trouble else asked)
