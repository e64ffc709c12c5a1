"""Files for VS Code and PM2: what is there stays, and what is written is read by the programs that it is for."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from app.domain.errors import CannotError
from app.engine.limits import ORDERLY_CODES, Limits
from app.system.projectfiles.pm2 import write_ecosystem
from app.system.projectfiles.vscode import add_task, task

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = ('/opt/my "wk" `x` ${y} \u2028/watchkeeper'.replace(" ${y}", ""),)

EXISTING = """\
{
\t// See the documentation of tasks.json, https://example.org/"tasks"
\t"version": "2.0.0",
\t"tasks": [
\t\t{ "label": "build", "command": "make" }, // the usual one
\t\t{
\t\t\t"label": "test", /* "tasks": [] */
\t\t\t"command": "make test",
\t\t}, // and this
\t\t// none below
\t],
\t"inputs": [],
}
"""

READS_JSONC = """
const text = require("fs").readFileSync(process.argv[1], "utf8").replace(/^\\uFEFF/, "");
const token = /("(?:\\\\.|[^"\\\\])*")|\\/\\/[^\\n]*|\\/\\*[^]*?\\*\\//g;
const bare = text.replace(token, (_, string) => string ?? "");
const strict = bare.replace(/("(?:\\\\.|[^"\\\\])*")|,(?=\\s*[\\]}])/g, (_, string) => string ?? "");
process.stdout.write(JSON.stringify(JSON.parse(strict)));
"""


def by_node(*argv: str | Path) -> object:
    ran = subprocess.run(["node", *argv], capture_output=True, text=True, timeout=30, check=True)
    return json.loads(ran.stdout)


def test_a_task_joins_those_that_are_there(tmp_path: Path) -> None:
    """Comments, tabs, order and last commas stay where they were, and JavaScript reads one task more."""
    file = tmp_path / ".vscode" / "tasks.json"
    file.parent.mkdir()
    file.write_text(EXISTING, "utf-8")
    file.chmod(0o664)

    add_task(tmp_path, PROGRAM)

    head, _, rest = EXISTING.partition("\t\t// none below\n")
    text = file.read_text("utf-8")
    assert text.startswith(f'{head}\t\t{{\n\t\t\t"label": "Watchkeeper",\n')
    assert text.endswith(f"\t\t}},\n\t\t// none below\n{rest}")
    found = by_node("-e", READS_JSONC, file)
    assert isinstance(found, dict)
    assert [each["label"] for each in found["tasks"]] == ["build", "test", "Watchkeeper"]
    assert found["tasks"][2] == task(PROGRAM)
    assert file.stat().st_mode & 0o777 == 0o664


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, '{\n  "version"'),
        ("", '{\n  "version"'),
        ("{}", '{\n  "tasks"'),
        ("{\r\n}\r\n", '{\r\n  "tasks"'),
        ('\ufeff{"tasks": []}', '\ufeff{"tasks": [\n    {'),
        ('{"tasks": [ /* none */ ]}', '{"tasks": [ /* none */\n    {'),
        ('{"tasks": [{"label": "a"}]}', '{"tasks": [{"label": "a"},\n    {'),
        ('{"tasks": [1 // one\n]}', '{"tasks": [1, // one\n    {'),
    ],
)
def test_any_beginning_becomes_a_file_that_node_reads(tmp_path: Path, before: str | None, after: str) -> None:
    """Also no file at all, an empty one, and one that begins with a byte order mark."""
    file = tmp_path / ".vscode" / "tasks.json"
    if before is not None:
        file.parent.mkdir()
        file.write_bytes(before.encode())

    add_task(tmp_path, PROGRAM)

    assert file.read_bytes().decode().startswith(after)
    found = by_node("-e", READS_JSONC, file)
    assert isinstance(found, dict)
    assert found["tasks"][-1] == task(PROGRAM)


def test_a_task_of_ours_is_left_as_its_person_changed_it(tmp_path: Path) -> None:
    """It is there already; one of another program is said to be."""
    file = tmp_path / ".vscode" / "tasks.json"
    add_task(tmp_path, PROGRAM)
    before = file.read_text("utf-8").replace("silent", "never")
    file.write_text(before, "utf-8")

    same = add_task(tmp_path, PROGRAM)
    other = add_task(tmp_path, ("/other/watchkeeper",))

    assert (same.changed, same.hint, other.changed) == (False, "", False)
    assert "another program" in other.hint
    assert file.read_text("utf-8") == before


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"[]", "object"),
        (b'{"tasks": {}}', "no array"),
        (b'{"tasks": [], "tasks": []}', "2 times"),
        (b'{"tasks": [{"label": "a", "label": "b"}]}', "2 times"),
        (b'{"tasks": [\xff]}', "UTF-8"),
        (b"//" + b" " * (1 << 20), "megabyte"),
    ],
)
def test_what_cannot_be_changed_for_certain_is_left_alone(tmp_path: Path, content: bytes, why: str) -> None:
    """Each says why, and the file keeps every byte."""
    file = tmp_path / ".vscode" / "tasks.json"
    file.parent.mkdir()
    file.write_bytes(content)

    with pytest.raises(CannotError, match=f"left alone: .*{why}"):
        add_task(tmp_path, PROGRAM)

    assert file.read_bytes() == content


def test_a_folder_in_the_files_place_is_told(tmp_path: Path) -> None:
    """It is no file that could be read."""
    (tmp_path / ".vscode" / "tasks.json").mkdir(parents=True)

    with pytest.raises(CannotError, match="left alone"):
        add_task(tmp_path, PROGRAM)


def test_a_path_that_vs_code_would_replace_is_refused(tmp_path: Path) -> None:
    """There is no way to escape it."""
    with pytest.raises(CannotError, match="VS Code would replace"):
        add_task(tmp_path, ("/opt/${env:HOME}/watchkeeper",))


def test_node_reads_the_ecosystem_file(tmp_path: Path) -> None:
    """It is JavaScript, its words are those meant, and its numbers are those of the table."""
    limits = Limits(stop_s=20, crashes_allowed=5, keeper_first_s=2, crash_window_s=60)
    project = tmp_path / "a \"b\" 'c' `d` ${e} \u2028 ж"
    project.mkdir()

    written = write_ecosystem(project, PROGRAM, "/home/ann/wk", limits)
    checked = subprocess.run(["node", "--check", written.path], capture_output=True, check=False)
    found = by_node("-e", "process.stdout.write(JSON.stringify(require(process.argv[1])))", written.path)

    assert checked.returncode == 0
    assert written.changed
    assert isinstance(found, dict)
    (app,) = found["apps"]
    assert app["script"] == PROGRAM[0]
    assert app["args"] == ["run", str(project), "--headless"]
    assert app["interpreter"] == "none"
    assert app["env"] == {"WATCHKEEPER_HOME": "/home/ann/wk"}
    assert (app["kill_timeout"], app["max_restarts"], app["exp_backoff_restart_delay"]) == (30_000, 6, 2_000)
    assert (app["min_uptime"], app["stop_exit_codes"], app["watch"]) == (60_000, list(ORDERLY_CODES), False)


@pytest.mark.parametrize("name", ["ecosystem.config.cjs", "ecosystem.config.js", "ecosystem.json"])
def test_an_ecosystem_file_that_is_there_is_never_changed(tmp_path: Path, name: str) -> None:
    """What to paste into it is shown, and is an object that JavaScript reads."""
    (tmp_path / name).write_text("module.exports = {};\n")

    written = write_ecosystem(tmp_path, PROGRAM, "", Limits())
    shown = by_node("-e", "process.stdout.write(JSON.stringify(eval(`(${process.argv[1]})`)))", "--", written.hint)

    assert not written.changed
    assert name in written.text
    assert isinstance(shown, dict)
    assert shown["args"][0] == "run"
    assert [each.name for each in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "module.exports = {};\n"
