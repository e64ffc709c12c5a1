"""What people read of newer releases, in one place for all faces. Pure, in English."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from app.domain import healthwords, words

if TYPE_CHECKING:
    from app.domain.releases import UpdateView

NOT_OFFERED: Final = (
    "This Watchkeeper offers no search for newer releases: it does not come from a package of a release."
)
NOT_OFFERED_HINT: Final = "Bring it up to date the way it came here: git pull, say, and installer/bootstrap.py again."
SWITCH_ON: Final = "watchkeeper config set updates.enabled true"


REFUSED_TITLE: Final = "What is told of new releases of Watchkeeper is not to be trusted"
STARTED_HERE: Final = "setup"
"""The channel whose file is a program that installs the release by itself."""


def how_to_install(view: UpdateView) -> str:
    """Return what a person does to have the release that is offered, as a line with the exact command; or nothing."""
    if view.newer is None:
        return ""
    if not view.ready:
        return "Fetch it: watchkeeper update download"
    quoted = shlex.quote(view.ready)
    return {
        STARTED_HERE: f"Install it in the window (page Health) or in the tray's menu; or start {view.ready}",
        "wheel": f"Install it: pipx install --force {quoted} (or: uv tool install --force {quoted})",
        "deb": f"Install it: sudo apt install {quoted}",
        "portable": f"Unpack it beside the one you have, and start it: {_unpack(view)}",
        "app": f"Open it, and move Watchkeeper into your applications: open {quoted}",
    }.get(view.channel, f"It lies here: {view.ready}")


def _unpack(view: UpdateView) -> str:
    """Return the command that unpacks the archive and starts what is in it: a folder that is called as it is."""
    beside = view.beside or "."
    name = view.file.name.removesuffix(".tar.gz") if view.file is not None else ""
    into = beside.rstrip("/")
    return f"tar -xf {shlex.quote(view.ready)} -C {shlex.quote(beside)} && {shlex.quote(f'{into}/{name}/watchkeeper')}"


def found_title(version: str) -> str:
    """Return in one line that a release is there."""
    return f"Watchkeeper {version} is there"


def fetched_title(version: str) -> str:
    """Return in one line that a release was fetched."""
    return f"Watchkeeper {version} is here, and can be installed"


def progress(view: UpdateView) -> str:
    """Return how much of the file has come, while it is fetched: `43 % of 28.7 MiB`; empty else."""
    file = view.file
    if view.fetched is None or file is None:
        return ""
    return f"{100 * min(view.fetched, file.size) // file.size} % of {healthwords.size(file.size)}"


def state(view: UpdateView, now: float) -> str:
    """Return how the search stands, in one line at the wall-clock time `now`."""
    if not view.offered:
        return "not offered by this build"
    if view.refused:
        return f"refused: {words.one_line(view.refused)}"
    parts = [_known(view)]
    if view.asked_at is None:
        parts.append("not asked yet")
    elif view.trouble:
        parts.append(f"no answer {words.ago(now - view.asked_at)}: {words.one_line(view.trouble)}")
    else:
        parts.append(f"asked {words.ago(now - view.asked_at)}")
    off = "" if view.is_on else "; asking by itself is switched off"
    return ", ".join(part for part in parts if part) + off


def _known(view: UpdateView) -> str:
    if view.newer is None:
        return f"{view.current} is the newest" if view.answered_at is not None else ""
    if view.fetched is not None:
        return f"{view.newer.version} is being fetched ({progress(view)})"
    if view.ready:
        return f"{view.newer.version} is here, and can be installed"
    return f"{view.newer.version} is there" + (", and you want to hear no more of it" if view.is_skipped else "")
