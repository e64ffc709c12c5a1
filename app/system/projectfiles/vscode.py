"""A task in a project's `.vscode/tasks.json` that starts the watch when the folder is opened in VS Code.

The form is that of VS Code's "Tasks" appendix, schema version 2.0.0. VS Code asks the person once whether a folder may
run tasks by itself. What is in the file already stays byte for byte.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from app.domain.errors import CannotError
from app.system.projectfiles.files import left_alone, read_text, write_text
from app.system.projectfiles.jsonc import JsoncError, Node, insert_item, parse

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LABEL = "Watchkeeper"
FOLDER = "${workspaceFolder}"
_VERSION = "2.0.0"
_HOME = "WATCHKEEPER_HOME"
_UNIT = "  "


@dataclass(frozen=True, slots=True)
class Written:
    """What came of a request: the file, whether it was changed, and what else there is to say."""

    path: Path
    changed: bool
    text: str
    hint: str = ""


def add_task(project: Path, program: Sequence[str], home: str = "") -> Written:
    """Put the task into a project's tasks file, which is made where there is none; a second time changes nothing.

    Args:
        project: The project's folder.
        program: How Watchkeeper is started; best by a name that is on everybody's PATH, since teams share the file.
        home: Its WATCHKEEPER_HOME; may be empty.

    Raises:
        CannotError: The file cannot be read for certain, or cannot be written; it is as it was.
    """
    path = project / ".vscode" / "tasks.json"
    for word in (*program, home):
        if "${" in word:
            raise CannotError(f"VS Code would replace the ${{...}} in {word}.", "Move it to a folder of another name.")
    wanted, hint = task(program, home), _personal(program, home)
    text = read_text(path)
    if text is None or not text.strip("\ufeff \t\r\n"):
        fresh = json.dumps({"version": _VERSION, "tasks": [wanted]}, indent=_UNIT, ensure_ascii=False)
        write_text(path, fresh + "\n")
        text = f"{path} is written: VS Code starts the watch with this folder."
        return Written(path, changed=True, text=text, hint=hint)
    try:
        tasks = _tasks(parse(text))
        there = None if tasks is None else _ours(tasks)
        if there is not None:
            return _already(path, there, wanted)
        merged = with_task(text, wanted)
    except JsoncError as error:
        raise left_alone(path, error.message) from error
    write_text(path, merged)
    return Written(path, changed=True, text=f"The task {LABEL} is added to {path}.", hint=hint)


def task(program: Sequence[str], home: str = "") -> dict[str, object]:
    """Return the task, for a program and its WATCHKEEPER_HOME. It needs no shell, so that nothing is quoted."""
    return {
        "label": LABEL,
        "detail": "Keeps watch over this project's tests",
        "type": "process",
        "command": program[0],
        "args": [*program[1:], FOLDER],
        **({"options": {"env": {_HOME: home}}} if home else {}),
        "isBackground": True,
        "problemMatcher": [],
        "presentation": {"reveal": "silent", "panel": "dedicated"},
        "runOptions": {"runOn": "folderOpen"},
    }


def _tasks(root: Node) -> Node | None:
    if root.kind != "object":
        raise JsoncError("It does not hold an object")
    tasks = root.get("tasks")
    if tasks is not None and tasks.kind != "array":
        raise JsoncError('Its "tasks" is no array')
    return tasks


def _ours(tasks: Node) -> Node | None:
    for each in tasks.items:
        label = each.get("label") if each.kind == "object" else None
        if label is not None and label.value == LABEL:
            return each
    return None


def _already(path: Path, there: Node, wanted: dict[str, object]) -> Written:
    """Tell whether the task that is there starts the same; how it is shown is the person's to change."""
    meant = parse(json.dumps(wanted))
    if _starts(there) == _starts(meant):
        return Written(path, changed=False, text=f"{path} has the task {LABEL} already, and it starts the same.")
    text = f"{path} has the task {LABEL} already, and it starts something else than would be written now."
    hint = f"It is left as it is. To have it written anew, remove the task {LABEL} from the file, and try again."
    return Written(path, changed=False, text=text, hint=hint)


def _starts(task: Node) -> tuple[str | None, tuple[str | None, ...], str | None]:
    command, words = task.get("command"), task.get("args")
    home: Node | None = task
    for name in ("options", "env", _HOME):
        home = None if home is None else home.get(name)
    return (
        None if command is None else command.value,
        () if words is None else tuple(word.value for word in words.items),
        None if home is None else home.value,
    )


def _personal(program: Sequence[str], home: str) -> str:
    """Return what the task holds that is of this machine alone, or needs to be on others, as a sentence."""
    paths = [each for each in (program[0], home) if PurePosixPath(each).is_absolute() or PureWindowsPath(each).drive]
    if not paths:
        return f"It starts {program[0]} by its name: whoever opens the folder needs it on PATH."
    told = f"It names what is on this machine only, so it is not for a file that others share: {' and '.join(paths)}."
    return f"{told} With this Watchkeeper on PATH, its name alone is written." if program[0] in paths else told


def with_task(text: str, wanted: dict[str, object]) -> str:
    """Return the text of a tasks file with the wanted task put in; every other character stays.

    Raises:
        JsoncError: The text is no such file.
    """
    root = parse(text)
    tasks = _tasks(root)
    newline = "\r\n" if "\r\n" in text else "\n"
    outer = _indent(text, root, _UNIT)
    unit = outer or _UNIT
    if tasks is None:
        body = _json([wanted], newline, outer, unit)
        merged = insert_item(text, root, f'"tasks": {body}', newline=newline, indent=outer, closing="")
    else:
        inner = _indent(text, tasks, outer + unit)
        item = _json(wanted, newline, inner, unit)
        merged = insert_item(text, tasks, item, newline=newline, indent=inner, closing=outer)
    # What was put in must be what a reader finds: any doubt, and the file stays as it was.
    added = _tasks(parse(merged))
    if added is None or _ours(added) is None:
        raise JsoncError("The task cannot be put in for certain")
    return merged


def _json(content: object, newline: str, indent: str, unit: str) -> str:
    """Return JSON whose lines behind the first one are indented by `indent`."""
    return json.dumps(content, indent=unit, ensure_ascii=False).replace("\n", newline + indent)


def _indent(text: str, node: Node, usual: str) -> str:
    """Return the white space before the last item of an object or array; `usual` where that is not on its own line."""
    at = node.items[-1].start if node.items else node.start
    start = text.rfind("\n", node.start, at) + 1
    if not start:
        return usual
    found = re.compile(r"[ \t]*").match(text, start)
    return usual if found is None else found[0]
