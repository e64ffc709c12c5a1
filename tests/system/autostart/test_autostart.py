"""Start at login as a whole: one method and no second, what is wrong is told, and what was moved is found again."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from app.domain.errors import CannotError, UsageError
from app.system.autostart.entries import MODULE, Start
from app.system.autostart.here import autostart_here, home_of, program_by_name, program_here
from app.system.autostart.programs import Answer, ask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from app.system.autostart.autostart import Autostart


@dataclass
class Machine:
    """A person's home on a Linux that systemd runs, and a Watchkeeper in it."""

    home: Path

    def program(self, name: str) -> Path:
        """Install a Watchkeeper; return its script."""
        folder = self.home / name / "bin"
        folder.mkdir(parents=True)
        for each in ("python", "watchkeeper"):
            (folder / each).write_text("#!/bin/sh\n")
            (folder / each).chmod(0o755)
        return folder / "watchkeeper"

    def autostart(self, program: Path, *, home: str = "") -> Autostart:
        """Return the start at login as this Watchkeeper sees it."""
        environ = {"HOME": str(self.home), "WATCHKEEPER_HOME": home}
        booted = self.home / "booted"
        booted.mkdir(exist_ok=True)
        executable = str(program.with_name("python"))
        return autostart_here(environ, executable=executable, platform="linux", ask=active, booted=booted)

    @property
    def xdg(self) -> Path:
        """The desktop's entry."""
        return self.home / ".config" / "autostart" / "watchkeeper.desktop"

    @property
    def unit(self) -> Path:
        """The unit."""
        return self.home / ".config" / "systemd" / "user" / "watchkeeper.service"


def active(argv: Sequence[str]) -> Answer:
    """Answer for a user manager whose session is there."""
    return Answer(0, b"active" if "is-active" in argv else b"")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_at_first_nothing_is_started_and_nothing_is_wrong(machine: Machine) -> None:
    """Nobody has asked for it."""
    status = machine.autostart(machine.program("a")).status()

    assert (status.entries, status.troubles, status.is_right) == ((), (), False)


@pytest.mark.parametrize("first", ["xdg", "systemd"])
@pytest.mark.parametrize("second", ["xdg", "systemd"])
def test_exactly_one_method_is_in_use(machine: Machine, first: str, second: str) -> None:
    """Enabling one disables the other, and disabling leaves none."""
    autostart = machine.autostart(machine.program("a"))
    autostart.enable((), first)

    status = autostart.enable([machine.home], second)
    found = (machine.xdg.exists(), machine.unit.exists())
    gone = autostart.disable()

    assert [entry.method for entry in status.entries] == [second]
    assert status.entries[0].start == Start((str(machine.home / "a/bin/watchkeeper"),), (str(machine.home),))
    assert status.is_right
    assert found == (second == "xdg", second == "systemd")
    assert [entry.method for entry in gone] == [second]
    assert autostart.status().entries == ()


def test_two_that_were_made_by_hand_are_told(machine: Machine) -> None:
    """Which of them is wanted, Watchkeeper cannot know: it says how to keep one."""
    autostart = machine.autostart(machine.program("a"))
    autostart.enable((), "systemd")
    saved = machine.unit.read_bytes(), machine.unit.parent / "graphical-session.target.wants" / machine.unit.name
    autostart.enable((), "xdg")
    machine.unit.write_bytes(saved[0])
    saved[1].symlink_to(machine.unit)

    status = autostart.status()

    assert not status.is_right
    assert "xdg and systemd" in status.troubles[0].text
    assert autostart.enable((), "systemd").is_right


def test_a_failing_change_leaves_all_as_it_was(machine: Machine) -> None:
    """When the old method cannot be removed, the new one is taken back: never two, never none."""
    autostart = machine.autostart(machine.program("a"))
    autostart.enable((), "systemd")
    link = machine.unit.parent / "graphical-session.target.wants" / machine.unit.name
    link.unlink()
    (link / "in the way").mkdir(parents=True)

    with pytest.raises(CannotError):
        autostart.enable((), "xdg")

    assert [entry.method for entry in autostart.status().entries] == ["systemd"]


def test_an_entry_of_somebody_else_is_never_touched(machine: Machine) -> None:
    """Neither enable nor disable, repair or a start of the program changes what a person wrote."""
    autostart = machine.autostart(machine.program("a"))
    machine.xdg.parent.mkdir(parents=True)
    machine.xdg.write_text("[Desktop Entry]\nType=Application\nName=W\nExec=sh -c 'sleep 9; watchkeeper'\n")
    before = machine.xdg.read_bytes()

    for change in (lambda: autostart.enable(()), lambda: autostart.enable((), "systemd"), autostart.disable):
        with pytest.raises(CannotError, match="left alone"):
            change()
    repaired, mended = autostart.repair(), autostart.mend_if_moved()

    assert (repaired, mended) == ((), "")
    assert "left alone" in autostart.status().troubles[0].text
    assert machine.xdg.read_bytes() == before
    assert not machine.unit.exists()


@pytest.mark.parametrize("method", ["xdg", "systemd"])
@pytest.mark.parametrize("mend", ["repair", "mend_if_moved"])
def test_a_moved_program_is_found_again(machine: Machine, method: str, mend: str) -> None:
    """Method, projects and home stay; what is started is the program that runs now."""
    old = machine.program("old")
    home = str(machine.home / "wk")
    machine.autostart(old, home=home).enable([machine.home], method)
    shutil.rmtree(old.parent)
    new = machine.program("new")
    autostart = machine.autostart(new, home=home)
    told = autostart.status()

    said = getattr(autostart, mend)()

    (entry,) = autostart.status().entries
    assert not told.is_right
    assert str(old) in told.troubles[0].text
    assert "repair" in told.troubles[0].hint
    assert said
    assert (entry.method, entry.start) == (method, Start((str(new),), (str(machine.home),), home))
    assert autostart.status().is_right
    assert (autostart.repair(), autostart.mend_if_moved()) == ((), "")


def test_one_that_is_still_there_is_replaced_only_when_asked(machine: Machine) -> None:
    """A second installation that is started for once does not take the start at login over by itself."""
    old, new = machine.program("old"), machine.program("new")
    machine.autostart(old).enable(())
    autostart = machine.autostart(new)

    by_itself = autostart.mend_if_moved()
    told = autostart.status()
    autostart.repair()

    assert by_itself == ""
    assert "not the Watchkeeper that you asked" in told.troubles[0].text
    assert autostart.status().is_right


def test_that_of_another_home_is_left_to_its_owner(machine: Machine) -> None:
    """With another WATCHKEEPER_HOME it is another Watchkeeper, which is told but not mended by itself."""
    old = machine.program("old")
    machine.autostart(old, home="/srv/one").enable(())
    shutil.rmtree(old.parent)
    autostart = machine.autostart(machine.program("new"), home="/srv/two")

    said = autostart.mend_if_moved()
    texts = [trouble.text for trouble in autostart.status().troubles]

    assert said == ""
    assert any("/srv/one" in text and "/srv/two" in text for text in texts)


def test_switched_off_it_stays_off_through_a_repair(machine: Machine) -> None:
    """The desktop's own switch is the person's word; `enable` is a newer one."""
    old = machine.program("old")
    machine.autostart(old).enable(())
    machine.xdg.write_text(machine.xdg.read_text().replace("enabled=true", "enabled=false"))
    shutil.rmtree(old.parent)
    autostart = machine.autostart(machine.program("new"))

    autostart.repair()
    repaired = autostart.status()
    enabled = autostart.enable(())

    assert not repaired.active
    assert ["switched off" in trouble.text for trouble in repaired.troubles] == [True]
    assert enabled.is_right


def test_a_project_that_is_gone_is_told(machine: Machine) -> None:
    """It would be watched no more, and nobody would know."""
    autostart = machine.autostart(machine.program("a"))
    gone = machine.home / "gone"

    status = autostart.enable([gone])

    assert str(gone) in status.troubles[0].text


def test_a_repair_that_fails_is_a_sentence(machine: Machine) -> None:
    """The start of the program must not fail by it."""
    old = machine.program("old")
    machine.autostart(old).enable(())
    shutil.rmtree(old.parent)
    odd = machine.program("two\nlines")

    said = machine.autostart(odd).mend_if_moved()

    assert "could not be repaired" in said


@pytest.mark.parametrize("name", ["two\nlines", "bell\a", "caf\udce9"])
def test_names_that_no_entry_can_hold_are_refused(machine: Machine, name: str) -> None:
    """Control characters, and bytes that are no UTF-8, would be another name when read back."""
    autostart = machine.autostart(machine.program("a"))

    with pytest.raises(UsageError, match="control character"):
        autostart.enable([machine.home / name])

    assert autostart.status().entries == ()


def test_a_method_of_another_system_is_refused(machine: Machine) -> None:
    """What there is, is named."""
    with pytest.raises(UsageError, match="'run'") as refused:
        machine.autostart(machine.program("a")).enable((), "run")

    assert "xdg, systemd" in refused.value.hint


def test_the_program_is_the_script_or_its_module(machine: Machine) -> None:
    """Beside the interpreter where it is there, else by the interpreter; on Windows by the one without a console."""
    script = machine.program("a")
    python = str(script.with_name("python"))
    quiet = script.with_name("pythonw.exe")
    usual = program_here(python, "linux")
    loud = program_here(python, "win32")
    quiet.touch()
    script.unlink()

    assert usual == (str(script),)
    assert loud == (python, *MODULE)
    assert program_here(python, "win32") == (str(quiet), *MODULE)
    assert program_here(python, "linux") == (python, *MODULE)


@pytest.mark.parametrize(
    ("method", "was", "by"),
    [
        ("xdg", " --keep", ""),
        ("xdg", "TryExec=", "X-Was="),
        ("xdg", "Terminal=false", "Terminal=true"),
        ("systemd", "OOMPolicy=continue\n", ""),
        ("systemd", "WatchdogSec=180s", "WatchdogSec=30s"),
    ],
)
def test_one_of_an_older_release_is_told_and_written_anew(machine: Machine, method: str, was: str, by: str) -> None:
    """What stands in it otherwise than it would now is noticed; by itself, nothing changes it."""
    program = machine.program("a")
    autostart = machine.autostart(program)
    autostart.enable([machine.home], method)
    file = machine.xdg if method == "xdg" else machine.unit
    file.write_text(file.read_text().replace(was, by))

    told, by_itself = autostart.status(), autostart.mend_if_moved()
    repaired = autostart.repair()

    assert ["older Watchkeeper" in trouble.text for trouble in told.troubles] == [True]
    assert told.troubles[0].hint.endswith("watchkeeper autostart repair")
    assert told.entries[0].start == Start((str(program),), (str(machine.home),))
    assert by_itself == ""
    assert [entry.method for entry in repaired] == [method]
    assert autostart.status().is_right
    assert autostart.repair() == ()


@pytest.mark.parametrize(
    ("method", "was", "by"),
    [
        ("xdg", "Comment=", "Comment=Mine: "),
        ("xdg", "Terminal=false", "Icon=eye\nTerminal=false"),
        ("systemd", "Type=notify", "# mine\nNice=5\nType=notify"),
    ],
)
def test_what_a_person_put_in_is_no_sign_of_age(machine: Machine, method: str, was: str, by: str) -> None:
    """Lines besides those that start it are theirs."""
    autostart = machine.autostart(machine.program("a"))
    autostart.enable((), method)
    file = machine.xdg if method == "xdg" else machine.unit
    file.write_text(file.read_text().replace(was, by))

    status, repaired = autostart.status(), autostart.repair()

    assert status.is_right
    assert repaired == ()
    assert by in file.read_text()


def test_an_entry_of_somebody_else_is_no_second_method(machine: Machine) -> None:
    """To keep one of the two could not be done: what is said is that it is not ours, and how it is removed."""
    autostart = machine.autostart(machine.program("a"))
    autostart.enable((), "systemd")
    machine.xdg.parent.mkdir(parents=True, exist_ok=True)
    machine.xdg.write_text("[Desktop Entry]\nExec=other\n")

    (trouble,) = autostart.status().troubles

    assert f"{machine.xdg} is not Watchkeeper's" in trouble.text
    assert f"remove {machine.xdg} yourself" in trouble.hint


def test_a_unit_of_somebody_else_is_called_that_on_any_machine(machine: Machine) -> None:
    """Where systemd does not run the machine, another method is no way out: while the unit is there, it is refused."""
    autostart = machine.autostart(machine.program("a"))
    (machine.home / "booted").rmdir()
    machine.unit.parent.mkdir(parents=True)
    machine.unit.write_text("[Service]\nExecStart=/bin/other\n")

    (trouble,) = autostart.status().troubles

    assert f"remove {machine.unit} yourself" in trouble.hint


def test_a_masked_unit_is_unmasked_first(machine: Machine) -> None:
    """Whoever masked it is told how that is undone, in `status` and by a refused `enable`."""
    autostart = machine.autostart(machine.program("a"))
    machine.unit.parent.mkdir(parents=True)
    machine.unit.symlink_to("/dev/null")

    (trouble,) = autostart.status().troubles
    with pytest.raises(CannotError, match="The unit is masked") as refused:
        autostart.enable(())

    assert "systemctl --user unmask" in trouble.hint
    assert refused.value.hint == trouble.hint


def test_a_program_has_its_name_where_path_means_it(machine: Machine) -> None:
    """Under another's name it would be another program; without one, its path is all there is."""
    one, other = machine.program("one"), machine.program("other")
    usual, module = (str(one),), (str(one.with_name("python")), *MODULE)
    linked = machine.home / "links"
    linked.mkdir()
    (linked / "watchkeeper").symlink_to(one)

    for folder, found in ((one.parent, True), (linked, True), (other.parent, False), (machine.home, False)):
        assert program_by_name(usual, {"PATH": str(folder)}) == (("watchkeeper",) if found else usual)
    assert program_by_name(module, {"PATH": str(one.parent)}) == ("watchkeeper",)
    assert program_by_name(module, {"PATH": str(other.parent)}) == module
    assert program_by_name(usual, {}) == usual
    assert program_by_name((str(machine.home / "gone"),), {"PATH": str(linked)}) == (str(machine.home / "gone"),)


def test_on_macos_there_is_the_agent(machine: Machine) -> None:
    """It lies in the person's Library."""
    script = machine.program("a")
    environ = {"HOME": str(machine.home)}
    autostart = autostart_here(environ, executable=str(script.with_name("python")), platform="darwin", ask=active)

    status = autostart.enable(())

    assert status.is_right
    assert status.entries[0].where == str(machine.home / "Library/LaunchAgents/app.watchkeeper.plist")


def test_a_relative_home_is_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """At login, the current folder is another one."""
    monkeypatch.chdir(tmp_path)

    assert home_of({"WATCHKEEPER_HOME": "wk"}) == str(tmp_path / "wk")
    assert home_of({}) == ""


@pytest.mark.parametrize(
    ("argv", "good"), [(("true",), True), (("false",), False), (("/no/such/program",), False)], ids=["0", "1", "none"]
)
def test_a_program_of_the_system_is_asked(argv: tuple[str, ...], good: bool) -> None:  # noqa: FBT001 - a parameter
    """One that is not there is no exception."""
    assert ask(argv).is_good is good


def test_an_unreadable_entry_is_an_error_for_people(machine: Machine) -> None:
    """A folder in the entry's place is told with its path."""
    machine.xdg.mkdir(parents=True)
    looks: Callable[[], object] = machine.autostart(machine.program("a")).status

    with pytest.raises(CannotError, match=r"watchkeeper\.desktop"):
        looks()
