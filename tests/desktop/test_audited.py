"""Finished work audited as people and coding agents have it: by a marker, its answer, a notification, the window."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from kit.waiting import until

if TYPE_CHECKING:
    from kit.notifications import Dunst, NotificationMonitor
    from kit.program import Program
    from kit.project import Project
    from kit.reader import ScreenReader
    from kit.screen import Screen

SECRET = "AKIA" + "5KQ3VXWT7JZN2MPL"
LEAK = f'"""Deploys."""\n\nKEY = "{SECRET}"\n'
MARKER = "# Done\n\nAll of it.\n"


async def test_a_marker_is_answered_told_and_shown(
    program: Program,
    project: Project,
    *,
    notifications: NotificationMonitor,
    dunst: Dunst,
    reader: ScreenReader,
    screen: Screen,
) -> None:
    """The answer lies beside the marker, a notification names the finding, and Open shows it; its value is nowhere."""
    program.start(str(project.root))
    await program.until_mood("green")
    # What lay there before the first look is no news.
    await until(lambda: (program.snapshot() or {}).get("audits"), "the first look at the project")

    (project.root / "shop" / "deploy.py").write_text(LEAK)
    (project.root / "TASK_COMPLETE.md").write_text(MARKER)
    answer = project.root / "TASK_COMPLETE.audit.json"
    await until(answer.is_file, "the answer beside the marker")
    told = await notifications.until_count(1)
    await program.until_mood("attention")
    status = program.run("status")
    dunst.press("Open")
    await screen.until_window("Watchkeeper")
    await reader.until_seen("shop/deploy.py:3")
    await reader.until_seen("Secrets: fail")

    said = answer.read_text() + (project.root / "TASK_COMPLETE.audit.md").read_text() + told.title + told.body
    assert told.title == "1 new finding in shop: critical"
    assert told.body.startswith("AWS access key id")
    assert "shop/deploy.py:3" in told.body
    assert told.buttons == ("Open", "Snooze")
    assert json.loads(answer.read_text())["verdict"] == "fail"
    assert "audit: " in status.stdout
    assert SECRET not in said + status.stdout

    (project.root / "TASK_COMPLETE.md").write_text(f"{MARKER}\nReally.\n")
    await until(lambda: "0 new" in answer.read_text() or '"known"' in answer.read_text(), "the second answer")
    assert len(notifications.sent) == 1
