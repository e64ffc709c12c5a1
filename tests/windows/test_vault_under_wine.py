"""The vault, executed by Windows CPython under Wine: DPAPI, the Credential Manager, held files, locks, killed programs.

What this does not show, as Wine's are not Windows' own: how DPAPI answers another user or a reset password, the limits
of a credential, access lists, and what a power cut leaves.
"""

from __future__ import annotations

import itertools
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app.engine.files import RETRY_FOR_S
from app.keys.slots.recovery import RecoveryCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("vault_program.py")

STEPS = ("backup", "create", "write", "sync", "replace", "sync folder", "prune", "anchor")


class There:
    """A program under Wine that has the vault."""

    def __init__(self, program: Any) -> None:
        self._program = program
        self._numbers = itertools.count()
        self.pid = program.until()["ready"]

    def order(self, do: str, **order: Any) -> int:
        """Have it do something, and return the number that its answer has."""
        number = next(self._numbers)
        self._program.send({"number": number, "do": do, **order})
        return number

    def answer(self, number: int) -> dict[str, Any]:
        return self._program.until(number=number)

    def ask(self, do: str, **order: Any) -> Any:
        """Have it do something that it can, and return the result."""
        answer = self.answer(self.order(do, **order))
        assert "failed" not in answer, answer
        return answer["result"]

    def fails(self, do: str, **order: Any) -> dict[str, Any]:
        """Have it do something that it cannot, and return what it says."""
        answer = self.answer(self.order(do, **order))
        assert "failed" in answer, answer
        return answer

    def until(self, **told: Any) -> None:
        self._program.until(**told)

    def end(self) -> None:
        self._program.end()

    def has_ended(self) -> None:
        """Wait until it has."""
        self._program.wait()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    # With a name that was never used before: what was remembered of a folder may outlive a test that is killed.
    return tmp_path / f"Schl\u00fcssel {secrets.token_hex(4)}"


@pytest.fixture
def start(windows: Any, folder: Path) -> Iterator[Callable[[], There]]:
    """Starts a program; each has the one folder. What the Credential Manager was given is taken back at the end."""
    there: list[There] = []

    def started() -> There:
        paths = [windows.path(path) for path in (PROGRAM, ROOT, folder)]
        there.append(There(windows.run("-X", "utf8", *paths)))
        return there[-1]

    yield started
    there[-1].ask("forget")
    for each in there:
        each.end()


@pytest.fixture
def code() -> str:
    return str(RecoveryCode.new())


@pytest.fixture
def made(start: Callable[[], There], code: str) -> There:
    """A program that has made a vault, and put one secret into it."""
    there = start()
    there.ask("create", code=code)
    there.ask("set", name="A", value="first")
    return there


def test_dpapi_gives_the_key_back_to_another_process(start: Callable[[], There]) -> None:
    """What one process wrapped, another one of the same user opens."""
    body = start().ask("wrap")

    opened = start().ask("opens", body=body)

    assert opened is True


def test_dpapi_refuses_another_entropy_and_every_changed_byte(start: Callable[[], There]) -> None:
    """The record of another slot, and one with any byte changed, is told as damaged; none opens."""
    there = start()
    body = there.ask("wrap")

    other = there.fails("opens", body=body, bound="another vault's slot")
    ends = there.ask("flipped", body=body)

    assert (other["failed"], other["state"]) == ("SlotClosed", "damaged")
    assert set(ends) == {"damaged"}
    assert ends["damaged"] > 200


def test_a_vault_is_made_changed_and_opened_by_other_processes(
    start: Callable[[], There], made: There, code: str
) -> None:
    """Each slot opens it by itself, and a change of one program is seen by the others, which have it open."""
    by_dpapi, by_keychain, by_code = start(), start(), start()

    opened = [by_dpapi.ask("unlock"), by_keychain.ask("unlock", kind="keychain"), by_code.ask("unlock", code=code)]
    by_dpapi.ask("set", name="B", value="second")

    assert opened == ["dpapi", "keychain", "recovery"]
    assert by_keychain.ask("get", name="A") == "first"
    assert by_code.ask("get", name="A") == "first"
    assert by_code.ask("get", name="B") == "second"
    assert made.ask("names") == ["A", "B"]
    assert by_code.ask("log")["problems"] == []


def test_each_slot_opens_it_after_a_new_master_key(start: Callable[[], There], made: There, code: str) -> None:
    """Windows wraps the new master key as well; the one that had the old key open opens the vault again."""
    other = start()
    other.ask("unlock")
    made.ask("rotate_master")

    refused = other.fails("get", name="A")
    opened = [other.ask("unlock", **way) for way in ({"kind": "dpapi"}, {"kind": "keychain"}, {"code": code})]

    assert refused["failed"] == "VaultLocked"
    assert opened == ["dpapi", "keychain", "recovery"]
    assert other.ask("get", name="A") == "first"


def test_a_code_of_another_vault_is_refused(start: Callable[[], There], made: There) -> None:
    """As elsewhere, and the vault stays as it is."""
    other = start().fails("unlock", code=str(RecoveryCode.new()))

    assert (other["failed"], other["reasons"]) == ("VaultLocked", ["refused"])
    assert made.ask("get", name="A") == "first"


def test_the_credential_manager_keeps_the_anchor(start: Callable[[], There], made: There, folder: Path) -> None:
    """The anchor outlives the process that wrote it, so that an older file in the vault's place is refused."""
    older = (folder / "vault.wkv").read_bytes()
    made.ask("set", name="A", value="second")
    generation = made.ask("anchored")
    made.end()
    (folder / "vault.wkv").write_bytes(older)
    there = start()

    refused = there.fails("unlock")

    assert there.ask("anchored") == generation == 2
    assert refused["failed"] == "VaultRolledBack"
    assert "older" in refused["message"]


def test_credentials_outlive_a_process(start: Callable[[], There]) -> None:
    """An anchor and a slot's key both come back in another process, whichever was written last, and go when removed."""
    mark = secrets.token_hex(4)
    anchor, slot = f"anchor/{mark}", f"slot/{mark}"
    first = start()
    first.ask("remember", texts={anchor: "an anchor", slot: "a key"})
    first.ask("remember", texts={anchor: "a later anchor"})
    first.end()
    second = start()

    found = second.ask("remembered", accounts=[anchor, slot])
    second.ask("forget", accounts=[anchor, slot])

    assert found == ["a later anchor", "a key"]
    assert second.ask("remembered", accounts=[anchor, slot]) == [None, None]


def test_programs_that_write_credentials_at_once_lose_none(start: Callable[[], There]) -> None:
    """The library loses entries of one service when two programs write them; so each of ours has its own."""
    mark = secrets.token_hex(4)
    there = [start(), start()]
    texts = [{f"slot/{mark}/{who}/{number}": f"{who}" for number in range(40)} for who in range(2)]

    numbers = [each.order("remember", texts=own) for each, own in zip(there, texts, strict=True)]
    answers = [each.answer(number) for each, number in zip(there, numbers, strict=True)]
    found = [there[0].ask("remembered", accounts=list(own)) for own in texts]
    for own in texts:
        there[0].ask("forget", accounts=list(own))

    assert [answer for answer in answers if "failed" in answer] == []
    assert found == [["0"] * 40, ["1"] * 40]


def test_a_save_fails_clearly_while_another_program_holds_the_file(
    start: Callable[[], There], made: There, folder: Path, windows: Any
) -> None:
    """It is tried for two seconds; then the error names the file, which is as it was, and nothing is left beside it."""
    file = folder / "vault.wkv"
    before = file.read_bytes()
    start().ask("hold", path=windows.path(file))

    refused = made.fails("set", name="A", value="second")

    assert refused["failed"] == "VaultIOError"
    assert "vault.wkv cannot be written" in refused["message"]
    assert refused["seconds"] >= RETRY_FOR_S
    assert file.read_bytes() == before
    assert not list(folder.glob("*.tmp"))
    assert made.ask("get", name="A") == "first"


def test_a_save_succeeds_when_the_file_is_let_go_in_time(
    start: Callable[[], There], made: There, folder: Path, windows: Any
) -> None:
    """What Windows refuses at first is tried again, and the save is whole."""
    path = windows.path(folder / "vault.wkv")
    holder = start()
    holder.ask("hold", path=path)

    number = made.order("set", name="A", value="second")
    made.until(tried=4)  # 1 and 2 made the vault; 3 was refused
    holder.ask("let_go", path=path)
    answer = made.answer(number)

    assert "failed" not in answer
    assert holder.ask("unlock") == "dpapi"
    assert holder.ask("get", name="A") == "second"


def test_a_save_is_one_though_an_old_backup_cannot_be_removed(
    start: Callable[[], There], made: There, folder: Path, windows: Any
) -> None:
    """A backup that is held open stays until it is let go; the save that would have removed it is no failure."""
    for value in range(4):
        made.ask("set", name="A", value=str(value))
    oldest = made.ask("backups")[-1]
    path = windows.path(folder / "backups" / oldest)
    holder = start()
    holder.ask("hold", path=path)

    made.ask("set", name="A", value="held")
    kept = made.ask("backups")
    holder.ask("let_go", path=path)
    made.ask("set", name="A", value="let go")

    assert (len(kept), kept[-1]) == (6, oldest)
    assert len(made.ask("backups")) == 5
    assert oldest not in made.ask("backups")
    assert made.ask("get", name="A") == "let go"


def test_a_program_reads_while_another_saves(start: Callable[[], There], made: There) -> None:
    """No look at the file fails because it is being replaced just then, and no save because it is being looked at."""
    reader = start()
    reader.ask("unlock")

    answers = []
    for value in range(25):
        looking = reader.order("looks", times=40)
        saving = made.order("set", name="A", value=str(value))
        answers += [made.answer(saving), reader.answer(looking)]

    assert [answer for answer in answers if "failed" in answer] == []
    assert any(len(answer["result"]) == 2 for answer in answers[1::2])  # the file was replaced while it was looked at
    assert made.ask("get", name="A") == "24"


@pytest.mark.parametrize("step", STEPS)
def test_a_program_that_is_killed_leaves_the_old_vault_or_the_new_one(
    start: Callable[[], There], made: There, step: str
) -> None:
    """TerminateProcess at any step of a save: the next program opens it, finds one of the two, and can save."""
    killed = start()
    killed.ask("unlock")
    after = STEPS.index(step) > STEPS.index("replace")

    killed.order("set", name="A", value="second", dies_at=step)
    killed.has_ended()
    there = start()

    assert there.ask("unlock") == "dpapi"
    assert there.ask("get", name="A") == ("second" if after else "first")
    there.ask("set", name="A", value="third")
    assert made.ask("get", name="A") == "third"
    assert made.ask("log")["problems"] == []


def test_the_steps_at_which_it_is_killed_are_all_there_are(made: There) -> None:
    """A step that is added to a save is seen here."""
    steps = made.ask("set", name="A", value="second")

    assert tuple(steps) == STEPS


def test_four_programs_write_one_chain(start: Callable[[], There], made: There) -> None:
    """Each tells of 25 accesses at the same time as the others; no line is lost, torn, or out of the chain."""
    there = [start() for _ in range(4)]
    for each in there:
        each.ask("unlock")

    numbers = [each.order("append", count=25) for each in there]
    pids = [each.answer(number)["result"] for each, number in zip(there, numbers, strict=True)]

    log = made.ask("log")
    assert log["problems"] == []
    assert log["uses"] == {str(pid): 25 for pid in pids}
    assert log["lines"] == 4 * 25 + 4 + 2  # they, four that opened the vault, one that made it, one secret set


def test_the_log_goes_on_while_its_files_are_held(
    start: Callable[[], There], made: There, folder: Path, windows: Any
) -> None:
    """A full log that is open elsewhere cannot be renamed: it is written on, and divided when it is let go."""
    path = windows.path(folder / "access.log")
    holder = start()
    lines = made.ask("fill")
    holder.ask("hold", path=path)

    made.ask("append", count=2)
    whole = sorted(each.name for each in folder.glob("access*.log"))
    holder.ask("let_go", path=path)
    made.ask("append", count=2)

    assert whole == ["access.log"]
    assert len(list(folder.glob("access-*.log"))) == 1
    log = made.ask("log")
    assert (log["problems"], log["lines"]) == ([], 2 + lines + 4)
