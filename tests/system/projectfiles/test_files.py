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
from tests.system.needed import needed

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
    ran = subprocess.run([needed("node"), *argv], capture_output=True, text=True, timeout=30, check=True)
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
    others = [
        add_task(tmp_path, ("/other/watchkeeper",)),
        add_task(tmp_path, (*PROGRAM, "more")),
        add_task(tmp_path, PROGRAM, "/home/ann/wk"),
    ]

    assert (same.changed, same.hint) == (False, "")
    assert "it starts the same" in same.text
    for other in others:
        assert not other.changed
        assert "starts something else" in other.text
        assert "remove the task Watchkeeper" in other.hint
    assert file.read_text("utf-8") == before


def test_the_task_has_the_home_and_says_what_is_of_this_machine(tmp_path: Path) -> None:
    """Teams share the file: each path in it that only this person has is told."""
    written = add_task(tmp_path, PROGRAM, "/home/ann/wk")

    (made,) = json.loads((tmp_path / ".vscode" / "tasks.json").read_text("utf-8"))["tasks"]
    assert made["options"] == {"env": {"WATCHKEEPER_HOME": "/home/ann/wk"}}
    assert str(tmp_path) not in json.dumps(made)
    assert f"{PROGRAM[0]} and /home/ann/wk" in written.hint
    assert "on PATH, its name alone" in written.hint
    assert "on this machine only" in add_task(_folder(tmp_path, "b"), ("C:\\wk\\pythonw.exe", "-m", "app.main")).hint
    assert add_task(_folder(tmp_path, "c"), ("watchkeeper",)).hint.endswith("needs it on PATH.")


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
    for words in ((("/opt/${env:HOME}/watchkeeper",), ""), (("watchkeeper",), "/home/${ann}")):
        with pytest.raises(CannotError, match="VS Code would replace"):
            add_task(tmp_path, *words)


def test_node_reads_the_ecosystem_file(tmp_path: Path) -> None:
    """It is JavaScript, its words are those meant, and its numbers are those of the table."""
    limits = Limits(stop_s=20, crashes_allowed=5, keeper_first_s=2, crash_window_s=60)
    project = tmp_path / "a \"b\" 'c' `d` ${e} \u2028 ж"
    project.mkdir()

    written = write_ecosystem(project, PROGRAM, "/home/ann/wk", limits)
    checked = subprocess.run([needed("node"), "--check", written.path], capture_output=True, check=False)
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


def test_a_block_that_is_there_is_not_shown_again(tmp_path: Path) -> None:
    """A second time says that it is there and the same; it is never added twice."""
    first = write_ecosystem(tmp_path, PROGRAM, "/home/ann/wk", Limits())
    before = first.path.read_bytes()

    second = write_ecosystem(tmp_path, PROGRAM, "/home/ann/wk", Limits())

    assert not second.changed
    assert "it is the same" in second.text
    assert second.hint == f"Start it with: pm2 start {first.path.name}"
    assert first.path.read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [
        None,
        "module.exports = {{ apps: [{{ name: '{name}', script: 'watchkeeper' }}] }};\n",
        'module.exports = {{ apps: [\n  {{\n    "name": "{name}", // ours\n    "watch": true,\n  }}]}};\n',
        "apps:\n  - name: {name}\n    script: watchkeeper\n",
    ],
    ids=["written for another home", "JavaScript", "JSON with comments", "YAML"],
)
def test_a_block_that_differs_is_said_to(tmp_path: Path, content: str | None) -> None:
    """What would be written now is shown, to be put in its place and not beside it."""
    if content is None:
        write_ecosystem(tmp_path, PROGRAM, "/home/ann/old", Limits())
    else:
        (tmp_path / "ecosystem.config.cjs").write_text(content.format(name=f"watchkeeper-{tmp_path.name}"))

    written = write_ecosystem(tmp_path, PROGRAM, "/home/ann/wk", Limits())

    assert not written.changed
    assert "differs from what would be written now" in written.text
    assert "in place of that block" in written.text
    assert json.loads(written.hint)["env"] == {"WATCHKEEPER_HOME": "/home/ann/wk"}


@pytest.mark.parametrize("content", [b"name: watchkeeper-other\n", b"\xff", b'{"name":' + b"[" * 9999])
def test_another_projects_block_is_not_ours(tmp_path: Path, content: bytes) -> None:
    """Then what to add is shown; a file that cannot be read for certain is left as it is too."""
    (tmp_path / "ecosystem.config.js").write_bytes(content)

    written = write_ecosystem(tmp_path, PROGRAM, "", Limits())

    assert "put this into its `apps`" in written.text
    assert (tmp_path / "ecosystem.config.js").read_bytes() == content


def _folder(parent: Path, name: str) -> Path:
    (parent / name).mkdir()
    return parent / name
