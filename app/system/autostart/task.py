r"""A task of Windows' Task Scheduler with the person's own logon as its trigger, made through `schtasks`.

The elements are those of the Task Scheduler Schema 1.3. A person without an administrator's rights may have it, since
the trigger names nobody else. `%NAME%` and `$(Arg0)` are replaced in a task's command and cannot be escaped there.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tempfile
from pathlib import Path
from subprocess import list2cmdline
from typing import TYPE_CHECKING, Any, ClassVar
from xml.etree import ElementTree as ET

from app.domain.errors import CannotError
from app.system.autostart.entries import KEEP, Entry, Method, Start
from app.system.autostart.files import changing
from app.system.autostart.windows_words import split_command_line, start_of_words, start_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.engine.limits import Limits
    from app.system.autostart.programs import Answer, Ask

TASK = "Watchkeeper"
NAMESPACE = "http://schemas.microsoft.com/windows/2004/02/mit/task"
LONGEST_COMMAND = 260
"""The schema's pathType."""

_REPLACED = re.compile(r"%[^%]+%|\$\(")
_SHORTEST_INTERVAL_S = 60.0
"""The schema's restartType."""
_USUAL_PRIORITY = "5"
"""Of a program that a person starts; the schema's 7 is below that of all others, for the disk as well."""


class ScheduledTask:
    """The task `Watchkeeper`.

    It starts the small parent too: a task counts as failed when it cannot be started, not when its program ends with
    another code than 0, so that RestartOnFailure alone would not bring back a program that crashed.

    Args:
        limits: The times and counts that it is written by.
        ask: Runs a program of the system.
        environ: The process's environment: it names the person.
    """

    name: ClassVar[Method] = Method.TASK
    keeps: ClassVar[bool] = False

    def __init__(self, limits: Limits, ask: Ask, environ: Mapping[str, str]) -> None:
        self._limits = limits
        self._ask = ask
        domain, user = environ.get("USERDOMAIN", ""), environ.get("USERNAME", "")
        self._user = f"{domain}\\{user}" if domain else user

    def read(self) -> Entry | None:
        """Return what there is; None too where the scheduler does not answer."""
        answer = self._ask(("schtasks", "/Query", "/TN", TASK, "/XML"))
        if not answer.is_good or b"<" not in answer.out:
            return None
        return entry_of(_decoded(answer.out), self._limits)

    def write(self, start: Start) -> None:
        """Create the task anew.

        Raises:
            CannotError: It cannot be expressed, or the scheduler refuses it.
        """
        self._create(start, is_on=True)

    def move(self, start: Start) -> None:
        """Create the task anew, disabled where it was.

        Raises:
            CannotError: As for `write`.
        """
        before = self.read()
        self._create(start, is_on=before is None or before.is_on)

    def remove(self) -> None:
        """Remove the task.

        Raises:
            CannotError: The scheduler refuses.
        """
        if self._ask(("schtasks", "/Query", "/TN", TASK)).is_good:
            self._must(self._ask(("schtasks", "/Delete", "/TN", TASK, "/F")))

    def _create(self, start: Start, *, is_on: bool) -> None:
        content = task_xml(start, self._limits, self._user, is_on=is_on)
        with tempfile.TemporaryDirectory(prefix="watchkeeper-") as folder:
            file = Path(folder, "task.xml")
            with changing(file):
                file.write_bytes(content)
            self._must(self._ask(("schtasks", "/Create", "/TN", TASK, "/XML", str(file), "/F")))

    @staticmethod
    def _must(answer: Answer) -> None:
        if not answer.is_good:
            said = " ".join(_decoded(answer.err or answer.out).split())[:300]
            raise CannotError(
                f"The Task Scheduler refuses the task: {said or 'it does not say why'}",
                "Leave out --method, or use: watchkeeper autostart enable --method run",
            )


def task_xml(start: Start, limits: Limits, user: str, *, is_on: bool = True) -> bytes:
    r"""Return the whole task, in UTF-16 as schtasks wants it.

    Args:
        start: What to start.
        limits: The times and counts.
        user: The person, as `DOMAIN\NAME`.
        is_on: Whether the task is enabled.

    Raises:
        CannotError: The scheduler would not start exactly this.
    """
    command, *arguments = start_words(start, keeps=ScheduledTask.keeps)
    line = list2cmdline(arguments)
    if _REPLACED.search(command) or _REPLACED.search(line) or len(command) > LONGEST_COMMAND:
        raise CannotError(
            "The Task Scheduler cannot start this: it replaces %NAME% and $( in a command, and takes no longer path "
            f"than {LONGEST_COMMAND} characters.",
            "Use: watchkeeper autostart enable --method run",
        )
    tree = _tree(command, line, limits, user, is_on=is_on)
    tree["RegistrationInfo"]["Documentation"] = _note(start, limits)
    root = ET.Element("Task", {"version": "1.3", "xmlns": NAMESPACE})
    _grow(root, tree)
    root.find("Principals/Principal").set("id", "Author")  # type: ignore[union-attr] # made above
    root.find("Actions").set("Context", "Author")  # type: ignore[union-attr] # likewise
    ET.indent(root)
    text = '<?xml version="1.0" encoding="UTF-16"?>\n' + ET.tostring(root, "unicode") + "\n"
    return b"\xff\xfe" + text.encode("utf-16-le")


def _tree(command: str, line: str, limits: Limits, user: str, *, is_on: bool) -> dict[str, Any]:
    interval = round(max(_SHORTEST_INTERVAL_S, limits.keeper_first_s))
    return {
        "RegistrationInfo": {"Description": "Keeps watch over your projects' tests."},
        "Triggers": {"LogonTrigger": {"Enabled": "true", "UserId": user}},
        "Principals": {
            "Principal": {"UserId": user, "LogonType": "InteractiveToken", "RunLevel": "LeastPrivilege"},
        },
        "Settings": {
            "MultipleInstancesPolicy": "IgnoreNew",
            "DisallowStartIfOnBatteries": "false",
            "StopIfGoingOnBatteries": "false",
            "AllowHardTerminate": "true",
            "StartWhenAvailable": "true",
            "RunOnlyIfNetworkAvailable": "false",
            "RestartOnFailure": {"Interval": f"PT{interval}S", "Count": str(limits.crashes_allowed)},
            "IdleSettings": {"StopOnIdleEnd": "false", "RestartOnIdle": "false"},
            "Enabled": "true" if is_on else "false",
            "Hidden": "false",
            "ExecutionTimeLimit": "PT0S",
            "Priority": _USUAL_PRIORITY,
        },
        "Actions": {"Exec": {"Command": command, "Arguments": line}},
    }


def entry_of(text: str, limits: Limits) -> Entry:
    """Return what a task starts, from its XML as schtasks shows it.

    What schtasks prints goes through the console's code page, which loses letters. The task therefore tells once more
    what it starts, in ASCII; that is believed as long as the command is the same but for such letters. It tells as well
    by which form it was written, since the scheduler shows a task otherwise than it was given.

    Args:
        text: The XML.
        limits: The times and counts that it would be written by now.
    """
    entry = Entry(Method.TASK, f"Task Scheduler, task {TASK}", None)
    try:
        root = ET.fromstring(text[text.index("<") :])  # noqa: S314 - the system's own scheduler wrote it
    except (ET.ParseError, ValueError):
        return entry
    command, arguments = _text(root, "Actions/Exec/Command"), _text(root, "Actions/Exec/Arguments")
    words = (command.strip('"'), *split_command_line(f"- {arguments}")[1:])
    start = start_of_words(words)
    told, form = _told(_text(root, "RegistrationInfo/Documentation"))
    if told is not None:
        meant = start_words(told, keeps=ScheduledTask.keeps)
        if _alike(meant[0], words[0]) and _alike(list2cmdline(meant[1:]), arguments):
            start = told
    is_on = _text(root, "Settings/Enabled") != "false" and _text(root, "Triggers/LogonTrigger/Enabled") != "false"
    is_older = start is not None and (form != _form(limits) or not _keeps(arguments))
    return Entry(entry.method, entry.where, start, is_on=is_on, is_older=is_older)


def _note(start: Start, limits: Limits) -> str:
    return json.dumps({"program": start.program, "projects": start.projects, "home": start.home, "form": _form(limits)})


def _form(limits: Limits) -> str:
    """Return a short text that is another one as soon as tasks are written otherwise."""
    content = json.dumps(_tree("", "", limits, "", is_on=True))
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def _keeps(arguments: str) -> bool:
    return KEEP in split_command_line(f"- {arguments}")


def _told(note: str) -> tuple[Start | None, str]:
    try:
        found = json.loads(note)
        start = Start(tuple(map(str, found["program"])), tuple(map(str, found["projects"])), str(found["home"]))
        return start, str(found.get("form", ""))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None, ""


def _alike(meant: str, shown: str) -> bool:
    """Whether a text is shown, but for letters beyond ASCII: each may have become another, several, or none."""
    pattern = "".join(re.escape(each) if each.isascii() else ".{0,4}" for each in meant)
    return re.fullmatch(pattern, shown, re.DOTALL) is not None


def _grow(parent: ET.Element, tree: Mapping[str, Any]) -> None:
    for name, content in tree.items():
        child = ET.SubElement(parent, name)
        if isinstance(content, str):
            child.text = content
        else:
            _grow(child, content)


def _text(root: ET.Element, path: str) -> str:
    found = root.find("/".join(f"{{{NAMESPACE}}}{each}" for each in path.split("/")))
    return "" if found is None else found.text or ""


def _decoded(said: bytes) -> str:
    if b"\0" in said[:4]:
        return said.decode("utf-16", "replace")
    return said.decode("oem" if sys.platform == "win32" else "utf-8", "replace")
