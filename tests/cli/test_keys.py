"""The `keys` commands as a person types them: real processes on a real terminal, and pipes where scripts stand."""

from __future__ import annotations

import json
import os
import re
import select
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.headless import Headless, a_shop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Answer = str | Callable[[str], str]

if sys.platform == "win32":
    pytest.skip("needs a pseudo-terminal", allow_module_level=True)

import pty

PASSPHRASE = "correct horse battery"  # noqa: S105 - of a test's vault
VALUE = "sk-canary-abcdefghijklmnopqrstuvwxyz"
WITHIN_S = 40.0


@dataclass
class Ran:
    """How a command ended, and all that stood on the terminal."""

    code: int
    text: str


@dataclass
class Person:
    """Somebody at a terminal of their own, with a home of their own and no system keychain."""

    home: Path
    code: str = ""

    @property
    def environ(self) -> dict[str, str]:
        left_out = {"DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR"}
        kept = {name: value for name, value in os.environ.items() if name not in left_out}
        nowhere = f"unix:path={self.home}/no-bus"
        return {**kept, "WATCHKEEPER_HOME": str(self.home), "DBUS_SESSION_BUS_ADDRESS": nowhere, "NO_COLOR": "1"}

    def types(self, *words: str, answers: tuple[tuple[str, Answer], ...] = ()) -> Ran:
        """Run `watchkeeper keys WORDS`, and answer each question in its turn."""
        return self._at_a_terminal([sys.executable, "-m", "app.main", "keys", *words], answers)

    def shell(self, line: str, *, answers: tuple[tuple[str, Answer], ...] = ()) -> Ran:
        """Run a line of the shell, and answer each question in its turn."""
        return self._at_a_terminal(["/bin/sh", "-c", line], answers)

    def _at_a_terminal(self, argv: list[str], answers: tuple[tuple[str, Answer], ...]) -> Ran:
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(argv[0], argv, self.environ)  # noqa: S606 - the program itself
        text, seen, left = "", 0, list(answers)
        deadline = time.monotonic() + WITHIN_S
        while time.monotonic() < deadline:
            if not select.select([terminal], [], [], 0.2)[0]:
                continue
            try:
                piece = os.read(terminal, 65536)
            except OSError:  # how Linux tells of the other end's close
                break
            if not piece:
                break
            text += piece.decode().replace("\r", "")
            while left and (match := re.search(left[0][0], text[seen:])):
                seen += match.end()
                answer = left.pop(0)[1]
                os.write(terminal, f"{answer if isinstance(answer, str) else answer(text)}\n".encode())
        os.close(terminal)
        _, status = os.waitpid(pid, 0)
        return Ran(os.waitstatus_to_exitcode(status), text)

    def opens(self, *words: str, answers: tuple[tuple[str, Answer], ...] = ()) -> Ran:
        """Run a command that asks for the passphrase first."""
        return self.types(*words, answers=(("Passphrase of the vault: ", PASSPHRASE), *answers))

    def pipes(self, *words: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run `watchkeeper keys WORDS` without a terminal."""
        argv = [sys.executable, "-m", "app.main", "keys", *words]
        return subprocess.run(
            argv,
            input=given,
            capture_output=True,
            env=self.environ,
            timeout=WITHIN_S,
            check=False,
            start_new_session=True,
        )

    def retypes(self, text: str) -> str:
        """Copy the recovery code down, and type the groups that are asked for."""
        groups = "-".join(re.findall(r"(?m)^ {4}([A-Z2-7-]+)$", text)).split("-")
        self.code = "-".join(groups)
        asked = re.findall(r"groups (\d+) and (\d+)", text)[-1]
        return " ".join(groups[int(number) - 1] for number in asked)

    def makes_a_vault(self) -> Ran:
        asked = ("New passphrase: ", PASSPHRASE), ("again: ", PASSPHRASE), ("of it again: ", self.retypes)
        return self.types("init", "--no-keychain", "--passphrase", answers=asked)

    def sets(self, name: str, value: str, *words: str) -> Ran:
        return self.opens("set", name, *words, answers=(("Value of ", value), ("again: ", value)))


@pytest.fixture
def person(home: Path) -> Person:
    return Person(home)


@pytest.fixture(scope="module")
def first() -> Iterator[Person]:
    """Whoever made the vault of which others have a copy."""
    folder = Path(tempfile.mkdtemp(prefix="wk-"))
    person = Person(folder)
    assert person.makes_a_vault().code == 0
    assert person.sets("A_TOKEN", VALUE).code == 0
    yield person
    shutil.rmtree(folder)


@pytest.fixture
def owner(person: Person, first: Person) -> Person:
    """Somebody with a vault that holds A_TOKEN: to make one takes seconds, to copy one does not."""
    shutil.copytree(first.home, person.home, dirs_exist_ok=True)
    person.code = first.code
    return person


def test_a_vault_is_made_and_used_at_a_terminal(person: Person) -> None:
    """Made, filled, listed, read, given to a program and proved; a value is shown only where that is asked for."""
    made = person.makes_a_vault()
    kept = person.sets("DEEPSEEK_API_KEY", VALUE, "--due", "90d", "--notes", "the team's")
    listed = person.opens("list")
    hidden = person.opens("get", "DEEPSEEK_API_KEY")
    shown = person.opens("get", "DEEPSEEK_API_KEY", "--show")
    used = person.opens("run", "--only", "K=DEEPSEEK_API_KEY", "--", "sh", "-c", "echo it is $K, ${#K} long; exit 7")
    proved = person.opens("verify")

    assert (made.code, kept.code, listed.code, hidden.code, shown.code) == (0, 0, 0, 0, 0)
    assert "due in 90 days" in listed.text
    assert "the team's" in listed.text
    assert VALUE in shown.text
    assert all(VALUE not in ran.text for ran in (made, kept, listed, hidden, used))
    assert (used.code, f"it is ***, {len(VALUE)} long" in used.text) == (7, True)
    assert (proved.code, "Nothing is wrong" in proved.text) == (0, True)


def test_the_recovery_code_opens_what_the_passphrase_no_longer_does(owner: Person) -> None:
    """A forgotten passphrase is replaced by whoever has the code; the secrets are there."""
    asked = (
        ("Recovery code: ", owner.code.lower()),
        ("New passphrase: ", "another long one"),
        ("again: ", "another long one"),
    )

    forgotten = owner.types("list", answers=(("Passphrase of the vault: ", "what was it?"),))
    recovered = owner.types("recover", "--passphrase", answers=asked)
    old = owner.opens("list")
    new = owner.types("get", "A_TOKEN", "--show", answers=(("Passphrase of the vault: ", "another long one"),))

    assert (forgotten.code, "recovery code" in forgotten.text) == (3, True)
    assert recovered.code == 0
    assert old.code == 3
    assert VALUE in new.text


def test_a_code_that_was_not_written_down_makes_no_vault(person: Person) -> None:
    """Who cannot type parts of it again has no vault, and no half of one."""
    asked = [("New passphrase: ", PASSPHRASE), ("again: ", PASSPHRASE), *[("of it again: ", "AAAA BBBB")] * 3]

    made = person.types("init", "--no-keychain", "--passphrase", answers=tuple(asked))

    assert made.code == 2
    assert "Nothing was made" in made.text
    assert not (person.home / "data" / "keys" / "vault.wkv").exists()


def test_a_second_vault_is_not_made_beside_the_first(owner: Person) -> None:
    """`init` says where the vault is, and asks for nothing."""
    again = owner.types("init", "--no-keychain", "--passphrase")

    assert (again.code, "There is a vault already" in again.text) == (3, True)


def test_keys_are_rotated_and_a_backup_comes_back(person: Person) -> None:
    """Data key, master key, then the backup from before both."""
    person.makes_a_vault()
    person.sets("A_TOKEN", "the old value")
    person.sets("A_TOKEN", VALUE)
    rotated = person.opens("rotate")
    master = person.opens("rotate", "--master", answers=(("Passphrase of the vault: ", PASSPHRASE),))
    backups = json.loads(person.pipes("restore", "--json").stdout)["backups"]

    restored = person.opens("restore", "3")

    assert (rotated.code, master.code, restored.code) == (0, 0, 0)
    assert len(backups) == 4
    assert "the old value" in person.opens("get", "A_TOKEN", "--show").text


def test_an_exported_vault_opens_elsewhere_by_its_code(owner: Person, tmp_path: Path) -> None:
    """On another machine without a vault, file and recovery code bring everything back."""
    exported = owner.pipes("export", str(tmp_path / "copy.wkv"))
    elsewhere = Person(tmp_path / "elsewhere")

    restored = elsewhere.types(
        "restore", str(tmp_path / "copy.wkv"), "--recovery", answers=(("Recovery code: ", owner.code),)
    )

    assert (exported.returncode, restored.code) == (0, 0)
    assert VALUE.encode() not in (tmp_path / "copy.wkv").read_bytes()
    assert VALUE in elsewhere.opens("get", "A_TOKEN", "--show").text


def test_secrets_come_from_a_env_file_and_go_as_one(person: Person, tmp_path: Path) -> None:
    """Shown first, taken when told to; what is exported in plain comes in again as it was."""
    odd = 'quote " dollar $HOME back\\slash'
    (tmp_path / ".env").write_text(f"DEBUG=1\nAPI_KEY={VALUE}\nOTHER_TOKEN='{odd}'\n")
    person.makes_a_vault()

    planned = person.opens("import", str(tmp_path / ".env"))
    empty = person.opens("list")
    taken = person.opens("import", str(tmp_path / ".env"), "--apply")
    plain = person.opens("export", str(tmp_path / "plain.env"), "--plain", "--yes")
    again = person.opens("import", str(tmp_path / "plain.env"))

    assert (planned.code, taken.code, plain.code) == (0, 0, 0)
    assert "left out" in planned.text
    assert "The vault is empty" in empty.text
    assert "2 secrets in the vault: API_KEY, OTHER_TOKEN" in taken.text
    assert again.text.count("there already") == 2
    assert (tmp_path / "plain.env").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("list",), 3, "There is no vault"),
        (("init",), 3, "no system keychain"),
        (("init", "--no-keychain", "--passphrase"), 2, "asked for at a terminal"),
        (("set", "two words"), 2, "is no name"),
        (("set", "A", "--due", "soon"), 2, "90d"),
        (("log", "-n", "0"), 2, "is no number of lines"),
        (("run", "--only", "A"), 2, "No program is named"),
        (("run", "--only", "a-b", "--", "true"), 2, "no name of a variable"),
        (("export", "copy.wkv"), 3, "There is no vault"),
        (("restore", "7"), 2, "There is no backup 7"),
        (("migrate", "no-such.json"), 3, "There is no vault"),
    ],
)
def test_what_cannot_be_done_is_told_with_what_to_do(
    person: Person, words: tuple[str, ...], code: int, said: str
) -> None:
    """One sentence, a hint and the exit code; no traceback."""
    ran = person.pipes(*words)

    assert ran.returncode == code
    assert said in ran.stderr.decode()
    assert "Traceback" not in ran.stderr.decode()


def test_a_value_is_never_in_a_file_or_a_log(person: Person) -> None:
    """After all that was done with it, the value stands in no file under the home."""
    person.makes_a_vault()
    person.sets("CANARY_TOKEN", VALUE)
    person.opens("run", "--only", "CANARY_TOKEN", "--", "sh", "-c", "echo $CANARY_TOKEN")
    person.opens("get", "NO_SUCH", "--show")
    person.opens("rm", "CANARY_TOKEN", "--yes")

    files = [path for path in person.home.rglob("*") if path.is_file()]
    found = [path for path in files if VALUE.encode() in path.read_bytes()]

    assert files
    assert found == []


def test_a_slip_of_the_finger_does_not_become_the_new_passphrase(owner: Person) -> None:
    """A master-key rotation asks for the passphrase that there is; another one is refused, and nothing has changed."""
    refused = owner.opens("rotate", "--master", answers=(("Passphrase of the vault: ", "corect horse battery"),))

    assert (refused.code, "does not open the vault" in refused.text) == (3, True)
    assert owner.opens("list").code == 0


def test_a_vault_from_elsewhere_takes_the_place_of_one_that_is_set_aside(owner: Person, tmp_path: Path) -> None:
    """On a machine that has a vault of its own, an exported one comes in by its code; the other is kept."""
    owner.pipes("export", str(tmp_path / "copy.wkv"))
    elsewhere = Person(tmp_path / "elsewhere")
    elsewhere.makes_a_vault()

    without = elsewhere.pipes("restore", str(tmp_path / "copy.wkv"))
    restored = elsewhere.types(
        "restore", str(tmp_path / "copy.wkv"), "--recovery", answers=(("Recovery code: ", owner.code),)
    )

    assert (without.returncode, b"--recovery" in without.stderr) == (3, True)
    assert restored.code == 0
    assert VALUE in elsewhere.opens("get", "A_TOKEN", "--show").text
    assert list((elsewhere.home / "data" / "keys").glob("vault-set-aside-*.wkv"))


def test_nothing_typed_is_no_fault_of_the_program(owner: Person) -> None:
    """Ctrl+D at a hidden question ends with a sentence."""
    ended = owner.types("list", answers=(("Passphrase of the vault: ", "\x04"),))

    assert ended.code in (2, 3)
    assert "Watchkeeper failed" not in ended.text


def test_a_reader_that_leaves_ends_the_program_that_is_run(owner: Person) -> None:
    """`keys run ... | head -1` ends: what it runs hears that nobody reads any more."""
    line = f"{sys.executable} -m app.main keys run --only A_TOKEN -- yes | head -1"

    ran = owner.shell(line, answers=(("Passphrase of the vault: ", PASSPHRASE),))

    assert ran.code == 0
    assert ran.text.splitlines()[-1] == "y"


@pytest.mark.parametrize("masked", [(), ("--no-mask",)], ids=["masked", "as it is"])
def test_what_tells_it_to_end_is_handed_on_to_the_program_that_is_run(owner: Person, masked: tuple[str, ...]) -> None:
    """A SIGTERM for `keys run` ends what it runs, which says with which code; also one that comes at its very start."""
    child = "trap 'exit 9' TERM; kill -TERM $PPID; while :; do sleep 0.01; done"

    ran = owner.opens("run", *masked, "--only", "A_TOKEN", "--", "sh", "-c", child)

    assert ran.code == 9


def test_a_control_c_is_left_to_the_program_that_is_run(owner: Person) -> None:
    """It may answer it as it likes, and `keys run` ends after it, and as it does."""
    child = "trap 'echo asked; exit 9' INT; echo ready; while :; do sleep 0.01; done"

    ran = owner.opens("run", "--only", "A_TOKEN", "--", "sh", "-c", child, answers=(("ready", "\x03"),))

    assert (ran.code, ran.text.split()[-1]) == (9, "asked")


@pytest.mark.parametrize("name", ["HUP", "INT"])
def test_what_is_ignored_stays_so_in_the_program_that_is_run(owner: Person, name: str) -> None:
    """One that is started under nohup outlives its terminal, with secrets as without."""
    child = f"kill -{name} $$; kill -{name} $PPID; exit 7"
    keys = f"{shlex.quote(sys.executable)} -m app.main keys"
    line = f"trap '' {name}; exec {keys} run --only A_TOKEN -- sh -c {shlex.quote(child)}"

    ran = owner.shell(line, answers=(("Passphrase of the vault: ", PASSPHRASE),))

    assert ran.code == 7


@pytest.fixture
def running(owner: Person, tmp_path: Path) -> Iterator[Headless]:
    """A Watchkeeper without a window, whose vault a passphrase alone opens, and which has found it locked."""
    nowhere = {"DBUS_SESSION_BUS_ADDRESS": owner.environ["DBUS_SESSION_BUS_ADDRESS"]}
    with Headless(a_shop(tmp_path / "shop"), owner.home, environ=nowhere) as found:
        found.until(lambda event: event["event"] == "VaultChanged" and event["vault"]["state"] == "locked")
        yield found


def test_a_running_instance_is_unlocked_by_the_passphrase_from_a_terminal(owner: Person, running: Headless) -> None:
    """It is asked for again when it is wrong; the access log tells of it, and it is in no file, log or answer."""
    slip = "corect horse battery"
    asked = ("Passphrase of the vault: ", slip), ("does not open(?s:.*)Passphrase of the vault: ", PASSPHRASE)

    unlocked = owner.types("unlock", answers=asked)

    assert (unlocked.code, "has opened the vault" in unlocked.text) == (0, True)
    running.until(lambda event: event["event"] == "VaultChanged" and event["vault"]["state"] == "open")
    lines = json.loads(owner.pipes("log", "--all", "--json").stdout)["lines"]
    opened = next(line for line in lines if line["access"]["why"])
    assert (opened["pid"], opened["access"]["action"]) == (running.process.pid, "unlock")
    assert (opened["access"]["result"], opened["access"]["why"]) == ("passphrase", "by keys unlock")
    kept = [path.read_bytes() for path in owner.home.rglob("*") if path.is_file()]
    kept += [json.dumps(running.events).encode(), unlocked.text.encode()]
    assert [text for text in kept if PASSPHRASE.encode() in text or slip.encode() in text] == []


def test_three_wrong_passphrases_leave_a_running_instance_locked(owner: Person, running: Headless) -> None:
    """Then it ends with 3; a pipe has one try, and one that gives nothing is told what would help."""
    asked = (("Passphrase of the vault: ", "corect horse battery"),) * 3

    wrong = owner.types("unlock", answers=asked)
    piped = owner.pipes("unlock", given=b"corect horse battery\n")
    no_text = owner.pipes("unlock", given=b"\xff\xfe-not-text\n")
    nothing = owner.pipes("unlock")

    assert (wrong.code, wrong.text.count("Passphrase of the vault: ")) == (3, 3)
    assert [ran.returncode for ran in (piped, no_text, nothing)] == [3, 3, 3]
    assert b"does not open the vault" in piped.stderr
    assert b"are no text" in no_text.stderr
    assert b"watchkeeper keys unlock" in nothing.stderr
    assert not any(event["event"] == "VaultChanged" and event["vault"]["state"] == "open" for event in running.events)


def test_a_pipe_unlocks_a_running_instance(owner: Person, running: Headless) -> None:
    """As after each start of a server: one line, with the line end that `echo` adds."""
    unlocked = owner.pipes("unlock", "--json", given=f"{PASSPHRASE}\n".encode())

    assert (unlocked.returncode, json.loads(unlocked.stdout)["vault"]) == (0, "open"), unlocked.stderr
    assert running.process.poll() is None
    assert owner.pipes("unlock").returncode == 0
