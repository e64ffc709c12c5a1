"""What the tray shows, as a plain value made from a snapshot: tested without Qt and without a screen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.domain import healthwords, updatewords, words
from app.domain.auditwords import auditing, grave
from app.domain.commands import (
    AskForProject,
    DownloadUpdate,
    InstallUpdate,
    LeaveSafeMode,
    Pause,
    RaiseWindow,
    Resume,
    RunTests,
    StartAudit,
    Stop,
)
from app.ui.headline import agents_on_duty, failed_agents, headline, project_state

if TYPE_CHECKING:
    from app.domain.commands import Command
    from app.domain.releases import UpdateView
    from app.domain.snapshot import Mood, Snapshot

TOOLTIP_LIMIT = 127
"""Windows cuts a tooltip off here (NOTIFYICONDATA.szTip holds 128 with its end), so no tray is given more."""
RED_ENTRIES = 5
AUDIT_ENTRIES = 5
"""Projects that can be audited from the menu: the window has all of them."""
ENTRY_LIMIT = 72
PAUSE_S = 30 * 60.0


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """One entry of the tray's menu.

    Attributes:
        key: What it stands for: an entry of the same key is the same entry with another text.
        section: Entries of one section stand together, with a line between sections.
        text: What it says.
        command: What is asked for when it is chosen; None for an entry that only tells.
        tooltip: The whole of what `text` had to shorten; else empty.
    """

    key: str
    section: str
    text: str
    command: Command | None = None
    tooltip: str = ""


@dataclass(frozen=True, slots=True)
class TrayView:
    """All that the tray shows.

    Attributes:
        mood: Which icon.
        count: How many tests are red.
        tooltip: At most `TOOLTIP_LIMIT` UTF-16 units.
        entries: The menu, from the top.
    """

    mood: Mood
    count: int
    tooltip: str
    entries: tuple[MenuEntry, ...]


def tray_view(snapshot: Snapshot, now: float) -> TrayView:
    """Return what the tray shows at the wall-clock time `now`."""
    return TrayView(
        mood=snapshot.mood,
        count=snapshot.red_count,
        tooltip=_tooltip(snapshot, now),
        entries=_entries(snapshot, now),
    )


def is_busy(snapshot: Snapshot) -> bool:
    """Return whether tests run, so that quitting is asked about first."""
    return any(p.current for p in snapshot.projects.values())


def _tooltip(snapshot: Snapshot, now: float) -> str:
    agents = agents_on_duty(snapshot)
    parts = [headline(snapshot, now).line]
    if len(snapshot.projects) > 1:
        parts += [f"{p.name}: {project_state(p)}" for p in snapshot.projects.values()]
    ended = [p.last.finished_at for p in snapshot.projects.values() if p.last and p.last.finished_at is not None]
    tail = [words.ago(now - max(ended))] if ended else []
    if agents:
        tail.append(f"{sum(a.state.is_alive for a in agents)} of {words.plural(len(agents), 'agent', 'agents')} alive")
    vault = words.vault_word(snapshot.vault.state)
    tail += [vault] if vault else []
    end = " \u00b7 ".join(["", *tail]) if tail else ""
    return words.clip(words.clip(words.one_line(" \u00b7 ".join(parts)), TOOLTIP_LIMIT - len(end)) + end, TOOLTIP_LIMIT)


def _entries(snapshot: Snapshot, now: float) -> tuple[MenuEntry, ...]:
    agents = agents_on_duty(snapshot)
    entries = [_entry("headline", "verdict", headline(snapshot, now).line, RaiseWindow())]
    entries += _red_entries(snapshot)
    entries += _audit_entries(snapshot)
    vault = words.vault(snapshot.vault)
    entries += (
        [_entry("vault", "vault", vault, RaiseWindow(page="keys"), vault if len(vault) > ENTRY_LIMIT else "")]
        if vault
        else []
    )
    entries += _life_entries(snapshot, now)
    entries += [
        _entry(
            f"agent:{agent.name}",
            "agents",
            f"{words.agent_name(agent.name)}: {words.agent_state(agent, now)}, {words.heartbeat(agent, now)}",
            RaiseWindow(page="health"),
        )
        for agent in agents
    ]
    entries.append(_entry("run", "work", "Run tests", RunTests() if snapshot.projects else None))
    several = len(snapshot.projects) > 1
    entries += [
        _entry(
            f"audit:{root}", "work", f"Audit {project.name} now" if several else "Audit now", StartAudit(project=root)
        )
        for root, project in tuple(snapshot.projects.items())[:AUDIT_ENTRIES]
    ]
    if any(not agent.paused for agent in agents):
        entries.append(_entry("pause-for", "work", "Pause for 30 minutes", Pause(seconds=PAUSE_S)))
        entries.append(_entry("pause", "work", "Pause until resumed", Pause()))
    if any(agent.paused for agent in agents):
        entries.append(_entry("resume", "work", "Resume", Resume()))
    entries += [
        _entry(f"resume:{agent.name}", "work", f"Resume: {words.agent_name(agent.name)}", Resume(agent=agent.name))
        for agent in failed_agents(snapshot)
    ]
    entries += _update_entries(snapshot.updates)
    entries.append(_entry("add", "program", "Add a project\u2026", AskForProject()))
    entries.append(_entry("open", "program", "Open window", RaiseWindow()))
    entries.append(_entry("quit", "program", "Quit", Stop(reason="quit from the tray")))
    return tuple(entries)


def _red_entries(snapshot: Snapshot) -> list[MenuEntry]:
    reds = [(project, test) for project in snapshot.projects.values() for test in project.red]
    several = len(snapshot.projects) > 1
    entries = []
    for place, (project, test) in enumerate(reds[:RED_ENTRIES]):
        name = words.test_name(test.nodeid)
        text = f"{project.name}: {name}" if several else name
        entries.append(
            _entry(f"red:{place}", "red", text, RaiseWindow(project=project.root, nodeid=test.nodeid), test.nodeid)
        )
    if len(reds) > RED_ENTRIES:
        entries.append(_entry("more", "red", f"and {len(reds) - RED_ENTRIES:,} more", RaiseWindow()))
    return entries


def _life_entries(snapshot: Snapshot, now: float) -> list[MenuEntry]:
    """Return lines for safe mode, with the way out of it, and for a start after a life that ended badly."""
    health, opens = snapshot.health, RaiseWindow(page="health")
    entries = []
    if health.safe_mode:
        why = f"Safe mode: {health.safe_mode}"
        entries.append(_entry("safe-mode", "agents", why, opens, why if len(why) > ENTRY_LIMIT else ""))
        entries.append(_entry("leave-safe-mode", "agents", "Start the agents", LeaveSafeMode()))
    again = healthwords.started_again(health, snapshot.started_at, now)
    if again:
        entries.append(_entry("started-again", "agents", again, opens, again if len(again) > ENTRY_LIMIT else ""))
    return entries


def _update_entries(view: UpdateView) -> list[MenuEntry]:
    """Return the next step towards a newer release, while one is known that the person wants to hear of."""
    release = view.shown
    if release is None:
        return []
    name, file = f"Watchkeeper {release.version}", view.file
    if view.fetched is not None:
        return [_entry("update", "program", f"Downloading {name}: {updatewords.progress(view)}", None)]
    if file is not None and not view.ready:
        size = healthwords.size(file.size)
        return [_entry("update", "program", f"Download {name} ({size})", DownloadUpdate())]
    if view.ready and view.channel == updatewords.STARTED_HERE:
        return [_entry("update", "program", f"Install {name}", InstallUpdate())]
    how, opens = updatewords.how_to_install(view), RaiseWindow(page="health")
    return [_entry("update", "program", updatewords.fetched_title(release.version), opens, how)]


def _audit_entries(snapshot: Snapshot) -> list[MenuEntry]:
    """Return a line for each audit that is on its way, and for each project or account with grave findings."""
    entries = []
    for name, audit in snapshot.audited:
        root = audit.project
        opens = RaiseWindow(page="audits", project=root)
        if audit.running:
            entries.append(_entry(f"auditing:{root}", "audits", f"{name}: {auditing(audit)}", opens))
        if audit.grave:
            entries.append(_entry(f"found:{root}", "audits", f"{name}: {grave([audit])}", opens))
    return entries


def _entry(key: str, section: str, text: str, command: Command | None, tooltip: str = "") -> MenuEntry:
    return MenuEntry(key, section, words.elide_middle(words.one_line(text), ENTRY_LIMIT), command, tooltip)
