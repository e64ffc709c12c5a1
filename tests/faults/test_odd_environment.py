"""Environments that are set up for something else must not keep the watch from starting."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def test_a_malformed_database_url_is_told_and_the_watch_begins(tmp_path: Path) -> None:
    """The variable is often another program's; what is wrong with it is said without its password."""
    project = tmp_path / "project"
    project.mkdir()
    odd = {"DATABASE_URL": "postgres://[ann:canary@127.0.0.1:1", "WATCHKEEPER_HOME": str(tmp_path / "home")}
    words = [sys.executable, "-m", "app.main", "run", str(project), "--headless", "--json"]

    with subprocess.Popen(
        words, env=os.environ | odd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        seen: list[str] = []
        for line in process.stdout:
            seen.append(line)
            if {"ProjectWatched", "NoticeRaised"} <= {json.loads(each)["event"] for each in seen}:
                break
        process.terminate()
        rest, errors = process.communicate(timeout=20)

    assert process.returncode == 0
    assert not errors
    assert "canary" not in "".join(seen) + rest
