"""Windows' two ways, as far as they can be seen from elsewhere: the command line, the value and the task's XML."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.errors import CannotError
from app.engine.limits import Limits
from app.system.autostart.entries import MODULE, Start
from app.system.autostart.programs import Answer
from app.system.autostart.run_key import APPROVED, RUN, VALUE, RunKey
from app.system.autostart.task import NAMESPACE, TASK, ScheduledTask, entry_of, task_xml
from app.system.autostart.windows_words import command_line, split_command_line
from tests.system.needed import needed

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = (r"C:\Program Files\Wächter Вахта\pythonw.exe", *MODULE)
PLAIN = Start(PROGRAM)
ODD = Start(PROGRAM, ("C:\\src\\a b\\", r"D:\100% & more"), r"C:\Users\Аня\wk home")
USER = r"DESK\Аня"
SCHEMA = Path(__file__).with_name("task.xsd")

names = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=20)


@dataclass
class Values:
    """A registry of values alone, as app.system.autostart.run_key.Registry."""

    held: dict[tuple[str, str], str | bytes] = field(default_factory=dict)
    refuses: bool = False

    def read(self, key: str, name: str) -> str | bytes | None:
        return self.held.get((key, name))

    def write(self, key: str, name: str, value: str) -> None:
        if self.refuses:
            raise PermissionError(13, "Access is denied")
        self.held[key, name] = value

    def delete(self, key: str, name: str) -> None:
        self.held.pop((key, name), None)


@dataclass
class Scheduler:
    """schtasks with one task, which it shows in the console's code page."""

    page: str = "cp437"
    xml: bytes = b""
    refuses: str = ""

    def __call__(self, argv: Sequence[str]) -> Answer:
        assert tuple(argv[2:4]) == ("/TN", TASK)
        if self.refuses:
            return Answer(1, err=self.refuses.encode("cp437"))
        if argv[1] == "/Create":
            self.xml = Path(argv[argv.index("/XML") + 1]).read_bytes()
        elif argv[1] == "/Delete":
            self.xml = b""
        elif not self.xml:
            return Answer(1, err=b"ERROR: The system cannot find the file specified.")
        elif "/XML" in argv:
            return Answer(0, self.xml.decode("utf-16").encode(self.page, "replace"))
        return Answer(0)


@example("C:\\\u00a0", ["\u00a0", " ", "x\u2028"])
@given(names.filter(lambda name: '"' not in name), st.lists(names | st.sampled_from(['"', "\\", '\\"', "a\\\\ "])))
def test_windows_takes_apart_what_was_put_together(program: str, rest: list[str]) -> None:
    """The rules of CommandLineToArgvW give back each word."""
    assert split_command_line(command_line((program, *rest))) == (program, *rest)


@given(st.text(st.sampled_from('a \\"\t'), max_size=15))
def test_any_value_is_taken_apart(text: str) -> None:
    """A person's own value never raises, and its words can be put together again."""
    found = split_command_line(text)

    assert not found or '"' in found[0] or split_command_line(command_line(found)) == found


@pytest.mark.parametrize("start", [PLAIN, ODD], ids=["plain", "odd"])
def test_the_value_is_read_back_and_removed(start: Start) -> None:
    """Run: what is written is what is found; removed, nothing is left."""
    registry = Values()
    run = RunKey(registry)

    run.write(start)
    entry = run.read()
    value = registry.held[RUN, VALUE]
    run.remove()

    assert entry is not None
    assert (entry.start, entry.is_on) == (start, True)
    assert str(value).startswith(f'"{PROGRAM[0]}" -P ')
    assert "--keep" in str(value)
    assert registry.held == {}


@pytest.mark.parametrize(("first", "is_on"), [(b"\x02", True), (b"\x03", False), (b"\x06", True), (b"\x07", False)])
def test_what_the_task_manager_switched_off_is_off_and_stays_off(first: bytes, is_on: bool) -> None:  # noqa: FBT001 - a parameter
    """A moved program is written without a change to that; a person's `enable` forgets it."""
    registry = Values()
    run = RunKey(registry)
    run.write(PLAIN)
    registry.held[APPROVED, VALUE] = first + bytes(11)

    run.move(ODD)
    moved = run.read()
    run.write(ODD)
    written = run.read()

    assert moved is not None
    assert (moved.start, moved.is_on) == (ODD, is_on)
    assert written is not None
    assert written.is_on


@pytest.mark.parametrize("value", [b"\x00", "", '"C:\\other.exe" --keep', 'cmd /c "watchkeeper"'])
def test_another_value_is_not_taken_for_ours(value: str | bytes) -> None:
    """What a person wrote under our name is told of and left alone."""
    entry = RunKey(Values({(RUN, VALUE): value})).read()

    assert entry is not None
    assert entry.start is None


def test_a_value_that_windows_would_cut_is_refused() -> None:
    """Windows starts nothing of more than 260 characters from there: the task takes more."""
    registry = Values()

    with pytest.raises(CannotError, match="260") as refused:
        RunKey(registry).write(Start(PROGRAM, tuple(rf"C:\src\project-{number}" for number in range(20))))

    assert "--method task" in refused.value.hint
    assert registry.held == {}


def test_a_registry_that_refuses_is_told() -> None:
    """A policy may keep programs out: that is an error for people, and no OSError."""
    with pytest.raises(CannotError, match="Access is denied"):
        RunKey(Values(refuses=True)).write(PLAIN)


@pytest.mark.parametrize("start", [PLAIN, ODD], ids=["plain", "odd"])
def test_the_task_is_valid(tmp_path: Path, start: Start) -> None:
    """xmllint, by the schema's parts that are used, finds nothing wrong with the file that schtasks gets."""
    file = tmp_path / "task.xml"
    file.write_bytes(task_xml(start, Limits(), USER))

    said = subprocess.run(
        [needed("xmllint"), "--noout", "--schema", SCHEMA, file], capture_output=True, text=True, check=False
    )

    assert (said.returncode, said.stderr.strip()) == (0, f"{file} validates")
    assert file.read_bytes()[:2] == b"\xff\xfe"


@pytest.mark.parametrize(
    ("was", "by"),
    [
        ("PT60S", "PT6S"),
        ("<Count>3", "<Count>0"),
        ('Context="Author"', 'Context="Nobody"'),
        ("<Hidden>false", "<Hidden>no"),
    ],
)
def test_the_schema_would_find_a_mistake(tmp_path: Path, was: str, by: str) -> None:
    """Intervals below a minute, no restarts, a principal that is none: so the silence above means something."""
    file = tmp_path / "task.xml"
    file.write_bytes(task_xml(PLAIN, Limits(), USER).decode("utf-16").replace(was, by).encode("utf-16"))

    said = subprocess.run([needed("xmllint"), "--noout", "--schema", SCHEMA, file], capture_output=True, check=False)

    assert said.returncode == 3


def test_the_task_is_of_the_person_alone_and_starts_what_was_meant() -> None:
    """No rights of an administrator, no end after three days, on a battery too, at the usual priority."""
    root = ET.fromstring(task_xml(ODD, Limits(crashes_allowed=7), USER).decode("utf-16"))  # noqa: S314 - our own

    texts = {element.tag.rpartition("}")[2]: element.text for element in root.iter()}

    assert texts["RunLevel"] == "LeastPrivilege"
    assert [element.text for element in root.iter(f"{{{NAMESPACE}}}UserId")] == [USER, USER]
    assert texts["ExecutionTimeLimit"] == "PT0S"
    assert texts["DisallowStartIfOnBatteries"] == texts["StopIfGoingOnBatteries"] == "false"
    assert texts["Count"] == "7"
    assert texts["Command"] == PROGRAM[0]
    assert split_command_line(f"- {texts['Arguments']}")[-4:] == (ODD.home, "--keep", *ODD.projects)


@pytest.mark.parametrize("page", ["utf-16", "cp437", "cp866", "ascii", "utf-8"])
@pytest.mark.parametrize("start", [PLAIN, ODD], ids=["plain", "odd"])
def test_a_task_is_read_back_through_any_code_page(page: str, start: Start) -> None:
    """A task is shown in the console's letters, and what those lack is not lost."""
    task = ScheduledTask(Limits(), Scheduler(page), {"USERDOMAIN": "DESK", "USERNAME": "Аня"})
    assert task.read() is None

    task.write(start)
    entry = task.read()
    task.remove()
    task.remove()

    assert entry is not None
    assert (entry.start, entry.is_on) == (start, True)
    assert task.read() is None


def test_a_command_that_was_changed_counts_and_not_what_the_task_tells() -> None:
    """Whoever edits the task in Windows' own window changes what it starts."""
    text = task_xml(PLAIN, Limits(), USER).decode("utf-16")

    other = entry_of(text.replace("-m app.main", "-m other"), Limits())
    with_project = entry_of(text.replace("--keep</A", "--keep C:\\src</A"), Limits())

    assert other.start is None
    assert with_project.start == Start(PROGRAM, (r"C:\src",))


def test_a_disabled_task_stays_disabled_when_the_program_moved() -> None:
    """What was switched off in Windows' own window is respected until a person says `enable`."""
    scheduler = Scheduler()
    task = ScheduledTask(Limits(), scheduler, {"USERNAME": "ann"})
    scheduler.xml = task_xml(PLAIN, Limits(), "ann", is_on=False)

    task.move(ODD)
    moved = task.read()
    task.write(ODD)
    written = task.read()

    assert moved is not None
    assert (moved.start, moved.is_on) == (ODD, False)
    assert written is not None
    assert written.is_on


@pytest.mark.parametrize("project", [r"C:\%TEMP%\x", r"C:\$(Arg0)"])
def test_what_the_scheduler_would_replace_is_refused(project: str) -> None:
    """It cannot be escaped there; the Run key has no such rule."""
    with pytest.raises(CannotError, match="replaces") as refused:
        task_xml(Start(PROGRAM, (project,)), Limits(), USER)

    assert "--method run" in refused.value.hint


def test_a_scheduler_that_refuses_is_told() -> None:
    """What schtasks says reaches the person, with another way."""
    task = ScheduledTask(Limits(), Scheduler(refuses="ERROR: Access is denied."), {"USERNAME": "ann"})

    with pytest.raises(CannotError, match=r"ERROR: Access is denied\.") as refused:
        task.write(PLAIN)

    assert "--method run" in refused.value.hint


@pytest.mark.parametrize("start", [PLAIN, ODD], ids=["plain", "odd"])
def test_a_value_of_an_older_release_is_noticed(start: Start) -> None:
    """One that would not bring it back after a crash is; moved, it is as it would be written now."""
    registry = Values()
    run = RunKey(registry)
    run.write(start)
    now = run.read()
    registry.held[RUN, VALUE] = str(registry.held[RUN, VALUE]).replace(" --keep", "")
    old = run.read()
    run.move(start)
    moved = run.read()

    assert now is not None
    assert old is not None
    assert moved is not None
    assert (now.is_older, old.is_older, moved.is_older) == (False, True, False)
    assert old.start == start


def test_a_task_of_an_older_release_is_noticed() -> None:
    """By the form that it notes, since the scheduler shows settings otherwise than they were written."""
    text = task_xml(PLAIN, Limits(), USER).decode("utf-16")
    without_note = re.sub("<Documentation>.*</Documentation>", "", text)
    shown_otherwise = text.replace("<Hidden>false</Hidden>", "").replace("PT60S", "PT1M").replace(USER, "S-1-5-21")

    assert not entry_of(text, Limits()).is_older
    assert not entry_of(shown_otherwise, Limits()).is_older
    assert not entry_of(task_xml(ODD, Limits(), "ann", is_on=False).decode("utf-16"), Limits()).is_older
    assert entry_of(text, Limits(crashes_allowed=9)).is_older
    assert entry_of(without_note, Limits()).is_older
    assert entry_of(text.replace("--keep", ""), Limits()).is_older
    assert entry_of(without_note, Limits()).start == PLAIN
    assert not entry_of(text.replace("app.main", "other"), Limits()).is_older
