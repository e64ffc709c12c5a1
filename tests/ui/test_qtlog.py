"""Qt's own messages: in the log, redacted, and not on standard error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import qCritical, qWarning

from app.engine.logs import LogRing, configure
from app.engine.places import Places
from app.ui.qtlog import qt_messages_logged

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_what_qt_says_is_logged_without_secrets(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Level and text come through, a secret in it does not, and after the block Qt speaks as before."""
    places, ring = Places.find({"WATCHKEEPER_HOME": str(tmp_path)}), LogRing()
    places.create()

    with configure(places, "info", ring=ring) as log, qt_messages_logged():
        log.redactor.register("canary-value")
        qWarning("it holds canary-value")
        qCritical("worse")
    lines = ring.after(0, 10)

    assert [line.level for line in lines] == ["warning", "error"]
    assert "it holds [redacted]" in lines[0].text
    assert "canary" not in (places.logs / "watchkeeper.log").read_text()
    assert capfd.readouterr().err == ""
