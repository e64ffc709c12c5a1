"""The migration of an old file of Fernet tokens: what is taken, what is refused, and that nothing is ever lost."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from filelock import FileLock, Timeout

from app.domain.errors import CannotError, SecretError, UsageError, VaultDamaged, VaultLocked
from app.keys.incoming.envfile import Lines, read_env
from app.keys.incoming.intake import Remedy, Verdict
from app.keys.incoming.oldsecrets import LARGEST_OLD, OldSecrets, old_key
from app.keys.log.chain import Action
from app.keys.vault.vaultfile import VaultFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.keys.vault.vault import Vault

PASSWORD = "kX3Zr1m0nq8T4v7yB2cD5eF6gH9jK0lM1nP2qR3sT4u="  # noqa: S105 - it opens nothing but a test's file


def the_old_programs(password: str) -> Fernet:
    """What the old program encrypted with, made here by another implementation than the one under test."""
    import base64  # noqa: PLC0415 - beside its one use

    secret = password.encode("utf-8")
    salt = (secret[:16] + b"0" * 16)[:16]
    return Fernet(base64.urlsafe_b64encode(PBKDF2HMAC(SHA256(), 32, salt, 100_000).derive(secret)))


@dataclass
class Old:
    """A project's folder as the old program left it, and an open vault."""

    folder: Path
    vault: Vault
    file: VaultFile

    @property
    def path(self) -> Path:
        return self.folder / "encrypted_secrets.json"

    @property
    def env(self) -> Path:
        return self.folder / ".env"

    @property
    def migrated(self) -> Path:
        return self.folder / "encrypted_secrets.json.migrated"

    def token(self, value: str | bytes, password: str = PASSWORD) -> str:
        content = value.encode("utf-8") if isinstance(value, str) else value
        return the_old_programs(password).encrypt(content).decode("ascii")

    def write(self, **values: str) -> None:
        fernet = the_old_programs(PASSWORD)
        self.tokens({name: fernet.encrypt(value.encode()).decode() for name, value in values.items()})

    def tokens(self, found: Any) -> None:
        self.path.write_text(json.dumps(found), encoding="utf-8")

    def migration(self, **words: Any) -> OldSecrets:
        return OldSecrets(self.path, read_env(self.env), self.vault, self.file, **words)

    def planned(self, **words: Any) -> dict[str, Verdict]:
        return {item.source: item.verdict for item in self.migration(**words).plan().items}

    def migrate(self, *, partial: bool = False, replacing: tuple[str, ...] = (), **words: Any) -> Any:
        migration = self.migration(**words)
        return migration.apply(migration.plan(), partial=partial, replacing=replacing)

    def put(self, name: str, value: bytes, **words: Any) -> None:
        self.vault.change(Action.SET, name, lambda contents, now: contents.with_secret(name, value, now, **words))

    @property
    def held(self) -> dict[str, bytes]:
        contents = self.vault.contents
        return {about.name: contents.value(about.name) for about in contents.abouts}


@pytest.fixture
def old(tmp_path: Path, setting: Any) -> Old:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / ".env").write_text(f"DEBUG=1\nENCRYPTION_KEY={PASSWORD}\n", encoding="utf-8")
    return Old(folder, setting.made(), VaultFile(setting.folder))


@pytest.mark.parametrize(
    ("password", "key"),
    [
        pytest.param("short", b"KUw6xvn15M2GPOXUjuJC6AsTl3g8JfiFdzKx6aYCukc=", id="shorter than a salt"),
        pytest.param("a-key-of-more-than-sixteen-bytes", b"pzyGpFZYUw7yU7tGQj2YfyImNsrtALT-a1k8u91afdE=", id="longer"),
        pytest.param("пароль-ключа", b"WFdjn4UgZqmMEV028d5xX0I0WF85vm-dQf_EOx80hzE=", id="a letter cut in two"),
    ],
)
def test_the_old_key_is_what_openssl_makes_of_it(password: str, key: bytes) -> None:
    """The Fernet key comes of PBKDF2 with the password's own first bytes as salt, padded with the digit zero."""
    assert old_key(password) == key


def test_all_secrets_are_in_the_vault_and_the_old_file_has_another_name(old: Old) -> None:
    """Values come over to the byte, one save is made, and the old file is kept as it was under its new name."""
    old.write(DEEPSEEK_API_KEY="sk-zero", DEEPSEEK_API_KEY_1="sk-one", **{"TELEGRAM.bot": " ключ\n"})
    content = old.path.read_bytes()
    generation = old.vault.contents.document.generation

    done = old.migrate()

    assert old.held == {
        "DEEPSEEK_API_KEY": b"sk-zero",
        "DEEPSEEK_API_KEY_1": b"sk-one",
        "TELEGRAM.bot": " ключ\n".encode(),
    }
    assert old.vault.contents.group("DEEPSEEK_API_KEY") == ("DEEPSEEK_API_KEY", "DEEPSEEK_API_KEY_1")
    assert old.vault.contents.document.generation == generation + 1
    assert (done.renamed, done.stays, old.path.exists()) == (old.migrated, "", False)
    assert old.migrated.read_bytes() == content


def test_the_time_is_the_vaults_and_the_log_tells_of_it(old: Old, setting: Any) -> None:
    """Secrets are as old as the vault's clock says, and one line of the access log says where they came from."""
    old.write(A="value")
    setting.clock.advance(5_000)

    old.migrate()

    about = old.vault.contents.about("A")
    assert about.created == about.renewed == int(setting.clock.wall())
    line = old.vault._access.lines(1)[0]
    assert (line.access.action, line.access.why) == (Action.MIGRATE, "1 of encrypted_secrets.json")


def test_a_plan_tells_each_ones_fate_changes_nothing_and_holds_no_value(old: Old) -> None:
    """New, same, differing, empty and unreadable ones are told apart, and the files stay as they are."""
    old.put("SAME", b"canary-same")
    old.put("DIFFERS", b"canary-vault")
    tokens = {name: old.token(f"canary-{name.lower()}") for name in ("NEW", "SAME", "DIFFERS")}
    old.tokens({**tokens, "EMPTY": old.token(""), "BARE": "", "NUMBER": 7})
    before = {path: path.read_bytes() for path in (old.path, old.env, old.file.path)}

    plan = old.migration().plan()

    assert {item.source: item.verdict for item in plan.items} == {
        "NEW": Verdict.NEW,
        "SAME": Verdict.SAME,
        "DIFFERS": Verdict.DIFFERS,
        "EMPTY": Verdict.LEFT_OUT,
        "BARE": Verdict.LEFT_OUT,
        "NUMBER": Verdict.UNREADABLE,
    }
    assert "canary" not in repr(plan)
    assert before == {path: path.read_bytes() for path in before}


def odd_tokens(old: Old) -> dict[str, object]:
    good = old.token("value")
    return {
        "another key": old.token("value", "another password"),
        "changed": good[:-6] + ("A" if good[-6] != "A" else "B") + good[-5:],
        "cut": good[:-8],
        "cut to nothing": good[:4],
        "plain text": "sk-canary-in-plain",
        "not ASCII": "ключ",
        "half a character": "\ud800",
        "a number": 7,
        "nothing": None,
        "a list": [good],
        "an object": {"token": good},
        "too large": old.token(b"x" * (64 * 1024 + 1)),
    }


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("another key", "another ENCRYPTION_KEY"),
        ("changed", "another ENCRYPTION_KEY"),
        ("cut", "It was cut"),
        ("cut to nothing", "It was cut"),
        ("plain text", "no encrypted value"),
        ("not ASCII", "no encrypted value"),
        ("half a character", "no encrypted value"),
        ("a number", "no text"),
        ("nothing", "no text"),
        ("a list", "no text"),
        ("an object", "no text"),
        ("too large", "65,537 bytes"),
    ],
)
def test_one_that_cannot_be_taken_stops_all(old: Old, kind: str, reason: str) -> None:
    """The plan says why it cannot be read; nothing is written for its sake, and no error shows a value."""
    old.tokens({"GOOD": old.token("canary-good"), "ODD": odd_tokens(old)[kind]})
    before = old.file.path.read_bytes()
    plan = old.migration().plan()

    with pytest.raises(CannotError) as told:
        old.migration().apply(plan)

    [item] = plan.of(Verdict.UNREADABLE)
    assert item.source == "ODD"
    assert reason in item.why
    assert item.why in told.value.message
    assert "canary" not in str(told.value)
    assert (old.file.path.read_bytes(), old.path.exists()) == (before, True)


def test_a_part_is_taken_when_that_is_asked_for(old: Old) -> None:
    """What can be read comes over; the old file keeps its name, and so its key must stay, while something is left."""
    old.tokens({"GOOD": old.token("value"), "ODD": "cut"})

    done = old.migrate(partial=True)

    assert old.held == {"GOOD": b"value"}
    assert [item.source for item in done.taken.left] == ["ODD"]
    assert (done.renamed, done.advice, old.path.exists()) == (None, (), True)
    assert "1 of its secrets" in done.stays


@pytest.mark.parametrize("how", ["refused", "partial", "replacing"])
def test_another_value_in_the_vault_is_replaced_only_by_name(old: Old, how: str) -> None:
    """A value that differs stops the migration, stays in a partial one, and gives way where it is named."""
    old.put("A", b"newer", notes="mine")
    old.write(A="older", B="value")

    if how == "refused":
        with pytest.raises(CannotError, match="other values of A"):
            old.migrate()
        expected = {"A": b"newer"}
    elif how == "partial":
        assert old.migrate(partial=True).renamed is None
        expected = {"A": b"newer", "B": b"value"}
    else:
        assert old.migrate(replacing=("A",)).taken.replaced == ("A",)
        expected = {"A": b"older", "B": b"value"}

    assert old.held == expected
    assert old.vault.contents.about("A").notes == "mine"


def test_a_value_that_came_to_differ_since_the_plan_is_not_replaced(old: Old, setting: Any) -> None:
    """Another program sets the name between plan and apply: nobody agreed to replace that one."""
    old.write(A="older")
    migration = old.migration()
    plan = migration.plan()
    another = setting.opened("another")
    another.change(Action.SET, "A", lambda contents, now: contents.with_secret("A", b"newer", now))

    with pytest.raises(CannotError, match="other values of A"):
        migration.apply(plan)

    assert (old.held, old.path.exists()) == ({"A": b"newer"}, True)


def test_a_value_set_by_another_program_during_the_save_is_not_replaced(old: Old, setting: Any) -> None:
    """It is judged once more with the vault's lock held."""
    old.write(A="older")
    another = setting.opened("another")

    def step(name: str) -> None:
        if name == "save":
            another.change(Action.SET, "A", lambda contents, now: contents.with_secret("A", b"newer", now))

    with pytest.raises(CannotError, match="other values of A"):
        old.migrate(on_step=step)

    assert old.held == {"A": b"newer"}


def test_what_another_program_changes_after_the_save_keeps_the_old_file(old: Old, setting: Any) -> None:
    """The file read back from the disk does not hold what was taken, so the old one is not renamed."""
    old.write(A="older")
    another = setting.opened("another")

    def step(name: str) -> None:
        if name == "reopen":
            another.change(Action.SET, "A", lambda contents, now: contents.with_secret("A", b"newer", now))

    with pytest.raises(CannotError, match="does not hold A"):
        old.migrate(on_step=step)

    assert old.path.exists()


def test_it_is_the_disk_that_is_compared(old: Old, tmp_path: Path) -> None:
    """A save that the vault believes in, but that did not reach the disk that is read again, keeps the old file."""
    old.write(A="value")
    lost = VaultFile(tmp_path / "as it was")
    lost.path.parent.mkdir()
    lost.path.write_bytes(old.file.path.read_bytes())
    migration = OldSecrets(old.path, read_env(old.env), old.vault, lost)
    plan = migration.plan()

    with pytest.raises(CannotError, match="does not hold A"):
        migration.apply(plan)

    assert old.path.exists()


def test_a_damaged_vault_file_keeps_the_old_one(old: Old) -> None:
    """A byte that the vault's file lost right after the save is found before the old file gets its new name."""
    old.write(A="value")

    def step(name: str) -> None:
        if name == "reopen":
            content = bytearray(old.file.path.read_bytes())
            content[len(content) // 2] ^= 1
            old.file.path.write_bytes(content)

    with pytest.raises(VaultDamaged):
        old.migrate(on_step=step)

    assert old.path.exists()


def test_done_again_it_does_nothing(old: Old) -> None:
    """A second migration finds the first: no save is made, no backup pushed out, and the advice is given again."""
    old.write(A="value")
    old.migrate()
    before = old.file.path.read_bytes()
    migration = old.migration()

    plan = migration.plan()
    done = migration.apply(plan)

    assert (plan.done, plan.items) == (old.migrated, ())
    assert (done.renamed, done.stays) == (old.migrated, "")
    assert [advice.remedy for advice in done.advice] == [Remedy.REMOVE_LINES, Remedy.RENEW]
    assert old.file.path.read_bytes() == before


def test_one_plan_applied_twice_is_done_once(old: Old) -> None:
    """The second time the migrated file is recognised by its content."""
    old.write(A="value")
    migration = old.migration()
    plan = migration.plan()
    migration.apply(plan)

    done = migration.apply(plan)

    assert done.renamed == old.migrated
    assert [path.name for path in old.folder.glob("encrypted*")] == ["encrypted_secrets.json.migrated"]


def test_what_the_vault_holds_already_is_not_saved_again(old: Old) -> None:
    """Where all is there, only the old file's name changes."""
    old.write(A="value")
    old.put("A", b"value")
    before = old.file.path.read_bytes()

    done = old.migrate()

    assert (done.taken.same, done.renamed) == (("A",), old.migrated)
    assert old.file.path.read_bytes() == before


def test_two_programs_at_once_end_as_one(old: Old) -> None:
    """Another program finishes the same migration before this one renames: this one finds it done."""
    old.write(A="value")
    another = old.migration()

    def step(name: str) -> None:
        if name == "look again":
            another.apply(another.plan())

    done = old.migrate(on_step=step)

    assert (done.renamed, done.taken.names) == (old.migrated, ("A",))
    assert [path.name for path in old.folder.glob("encrypted*")] == ["encrypted_secrets.json.migrated"]


def test_while_it_renames_no_other_program_is_at_it(old: Old, setting: Any) -> None:
    """The vault's own lock is held from the last look at the old file to its new name."""
    old.write(A="value")
    tried = []

    def step(name: str) -> None:
        if name in {"reserve", "rename"}:
            with pytest.raises(Timeout):
                FileLock(setting.folder / "vault.lock").acquire(timeout=0)
            tried.append(name)

    old.migrate(on_step=step)

    assert tried == ["reserve", "rename"]


def test_a_rename_that_fails_leaves_no_empty_file(old: Old) -> None:
    """The name that was reserved is given back: an empty file there would look like a migration that was done."""
    old.write(A="value")

    def step(name: str) -> None:
        if name == "rename":
            old.path.rename(old.folder / "moved.json")
            old.path.mkdir()  # no system puts a folder in the place of a file

    done = old.migrate(on_step=step)

    assert "cannot be renamed" in done.stays
    assert not old.migrated.exists()


def test_other_files_of_that_name_are_never_overwritten(old: Old) -> None:
    """The old file is numbered past a file, a link and a folder; an empty one that a killed rename left is used."""
    old.write(A="value")
    content = old.path.read_bytes()
    old.migrated.write_text("theirs", encoding="utf-8")
    second, third, fourth = (old.folder / f"{old.migrated.name}.{number}" for number in (2, 3, 4))
    second.symlink_to(old.folder / "nowhere")
    third.mkdir()
    fourth.touch()

    done = old.migrate()

    assert done.renamed == fourth
    assert (fourth.read_bytes(), old.migrated.read_text(encoding="utf-8")) == (content, "theirs")
    assert second.is_symlink()


@pytest.mark.parametrize("when", ["before apply", "after the save", "gone"])
def test_an_old_file_that_changes_keeps_its_name(old: Old, when: str) -> None:
    """The old program still writes: what it wrote since is not lost behind another name."""
    old.write(A="value")
    changed = json.dumps({"A": old.token("value"), "B": old.token("since")})
    at = "look again" if when == "after the save" else "read"

    def step(name: str) -> None:
        if name == at and when == "gone":
            old.path.unlink()
        elif name == at:
            old.path.write_text(changed, encoding="utf-8")

    with pytest.raises(CannotError, match="has changed since"):
        old.migrate(on_step=step)

    assert not old.migrated.exists()
    assert old.path.exists() == (when != "gone")
    assert old.held == ({"A": b"value"} if when == "after the save" else {})


def test_afterwards_a_person_is_told_what_no_program_can_do(old: Old) -> None:
    """Which lines of .env must go, and which credentials are to be renewed, as data and in words."""
    old.env.write_text(f"ENCRYPTION_KEY=older\n\n# new\nENCRYPTION_KEY='{PASSWORD}'\n", encoding="utf-8")
    old.write(A="value", B="value")

    lines, unset, renew = old.migrate(passwords=("typed",)).advice

    assert (lines.remedy, lines.path, lines.lines) == (Remedy.REMOVE_LINES, old.env, (Lines(1, 1), Lines(4, 4)))
    assert unset.remedy is Remedy.UNSET
    assert (renew.remedy, renew.names) == (Remedy.RENEW, ("A", "B"))
    assert "backups" in renew.text
    assert PASSWORD not in repr((lines, unset, renew))


@pytest.mark.parametrize(
    "line",
    [
        f'export ENCRYPTION_KEY="{PASSWORD}"  # generated',
        f"ENCRYPTION_KEY='{PASSWORD}'",
        f"ENCRYPTION_KEY = {PASSWORD}   ",
        f"ENCRYPTION_KEY=\nENCRYPTION_KEY={PASSWORD}\nENCRYPTION_KEY=newer-and-wrong",
    ],
)
def test_the_key_is_read_as_the_old_program_read_it(old: Old, line: str) -> None:
    """Quoted, exported, with a comment behind it, or with others of its name, which are tried as well."""
    old.env.write_text(line, encoding="utf-8")
    old.write(A="value")

    assert old.planned() == {"A": Verdict.NEW}


@pytest.mark.parametrize("line", ["", "ENCRYPTION_KEY=", "ENCRYPTION_KEY"])
def test_without_a_key_it_says_which_is_missing(old: Old, line: str) -> None:
    """No ENCRYPTION_KEY, or an empty one: the hint says where to put it, and one from elsewhere does as well."""
    old.env.write_text(line, encoding="utf-8")
    old.write(A="value")

    with pytest.raises(CannotError, match="no ENCRYPTION_KEY"):
        old.migration().plan()

    without_env = OldSecrets(old.path, None, old.vault, old.file, passwords=(PASSWORD,))
    assert [item.verdict for item in without_env.plan().items] == [Verdict.NEW]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON"),
        (b'{"A": "gAAAA', "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"A": ' + b"9" * 5_000 + b"}", "not JSON"),
        (b"[]", "no names with values"),
        (b'"text"', "no names with values"),
        (b"null", "no names with values"),
    ],
)
def test_a_damaged_file_is_refused_and_left(old: Old, content: bytes, message: str) -> None:
    """What is no JSON object of names says so, without showing any of it, and stays as it is."""
    old.path.write_bytes(content)

    with pytest.raises(CannotError, match=message) as told:
        old.migration().plan()

    assert told.value.__cause__ is None
    assert "gAAAA" not in str(told.value)
    assert old.path.read_bytes() == content


def test_a_huge_file_is_not_read_to_its_end(old: Old) -> None:
    """100 MB under the old file's name are refused by their size."""
    with old.path.open("wb") as file:
        file.truncate(100_000_000)

    with pytest.raises(CannotError, match=f"more than {LARGEST_OLD // 1024} KiB"):
        old.migration().plan()


def test_an_empty_old_file_is_done_at_once(old: Old) -> None:
    """An object without names needs no key and no save, and is set aside; a byte order mark is no fault."""
    old.env.write_text("", encoding="utf-8")
    old.path.write_bytes(b"\xef\xbb\xbf{}")

    done = old.migrate()

    assert (done.taken.names, done.renamed) == ((), old.migrated)


@pytest.mark.parametrize("same", [True, False])
def test_a_name_that_stands_twice_is_taken_only_if_its_values_agree(old: Old, same: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """JSON readers would take the last one silently; which of two is right only a person knows."""
    tokens = [old.token("one"), old.token("one" if same else "two")]
    old.path.write_text("{" + ", ".join(f'"A": "{token}"' for token in tokens) + "}", encoding="utf-8")

    assert old.planned() == {"A": Verdict.NEW if same else Verdict.UNREADABLE}


def test_names_that_the_vault_does_not_take_are_mapped_or_asked_for(old: Old) -> None:
    """Odd ASCII becomes an underscore where nothing else has that name; the rest is refused until it is named."""
    found = ["my key", "a:b", "a b", "a_b", "ключ", "", "!!!", "x" * 129, "bell\a", "\ud800", ".dot"]
    token = old.token("value")
    old.tokens(dict.fromkeys(found, token))

    names = {item.source: item.name for item in old.migration().plan().items}

    expected = dict.fromkeys(found, "") | {"my key": "my_key", "a_b": "a_b"}
    assert names == expected


def test_a_name_can_be_given(old: Old) -> None:
    """A given name is taken, and the old one kept in its notes."""
    old.write(**{"ключ": "value", "my key": "other"})

    done = old.migrate(names={"ключ": "KEY"})

    assert old.held == {"KEY": b"value", "my_key": b"other"}
    assert old.vault.contents.about("KEY").notes == "Was called 'ключ' before."
    assert done.renamed is not None


@pytest.mark.parametrize(("names", "error"), [({"A": "no name"}, SecretError), ({"B": "GOOD"}, UsageError)])
def test_a_bad_given_name_is_an_error(old: Old, names: dict[str, str], error: type[Exception]) -> None:
    """One that the vault does not take, and one for what the file does not hold."""
    old.write(A="value")

    with pytest.raises(error):
        old.migration(names=names).plan()


def test_a_given_name_that_another_has_is_refused(old: Old) -> None:
    """The one that has the name in the file keeps it."""
    old.write(A="one", B="two")

    assert old.planned(names={"B": "A"}) == {"A": Verdict.NEW, "B": Verdict.UNREADABLE}


def test_a_foreign_name_is_fit_for_a_terminal(old: Old) -> None:
    """Escapes and lone surrogates of a name are spelled out, and its length is bounded."""
    old.tokens({"\x1b[31mred": "x", "\ud800": "x", "n" * 500: "x"})

    shown = [item.shown for item in old.migration().plan().items]

    assert shown == ["'\\x1b[31mred'", "'\\ud800'", "n" * 128]


def a_link(path: Path) -> None:
    path.symlink_to(path.with_name("elsewhere.json"))
    path.with_name("elsewhere.json").write_text("{}", encoding="utf-8")


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        pytest.param(lambda path: path.mkdir(), "not a regular file|rights", id="a folder"),
        pytest.param(a_link, "is a link to .*elsewhere.json", id="a link"),
        pytest.param(lambda path: path.symlink_to(path.with_name("gone")), "There is no", id="a link to nothing"),
        pytest.param(lambda _path: None, "There is no", id="nothing"),
        pytest.param(
            a_pipe,
            "not a regular file",
            id="a pipe",
            marks=pytest.mark.skipif(sys.platform == "win32", reason="Windows has no FIFOs in folders"),
        ),
    ],
)
def test_what_is_no_file_of_its_own_is_refused_at_once(old: Old, made: Callable[[Path], None], message: str) -> None:
    """A folder, a pipe and a link are named as such; nothing waits for a writer."""
    made(old.path)

    with pytest.raises(CannotError, match=message):
        old.migration().plan()


def test_a_read_only_file_is_migrated(old: Old) -> None:
    """Its content is not changed, so its own rights do not matter."""
    old.write(A="value")
    old.path.chmod(0o400)

    assert old.migrate().renamed == old.migrated


def test_where_it_cannot_be_renamed_the_secrets_are_safe_and_that_is_said(old: Old) -> None:
    """Every name that it could get stands in a folder that is gone: the vault holds all, and nothing is deleted."""
    old.write(A="value")
    moved = old.folder.with_name("moved")

    def step(name: str) -> None:
        if name == "reserve":
            old.folder.rename(moved)
            old.folder.touch()  # what its parent folder's rights would do to anybody but root

    done = old.migrate(on_step=step)

    assert (old.held, done.renamed) == ({"A": b"value"}, None)
    assert "cannot be renamed" in done.stays
    assert (moved / old.path.name).exists()


def test_a_locked_vault_takes_nothing(old: Old) -> None:
    """Without an open vault there is not even a plan."""
    old.write(A="value")
    old.vault.lock()

    with pytest.raises(VaultLocked):
        old.migration().plan()


def test_a_vault_that_cannot_be_written_leaves_the_old_file(old: Old) -> None:
    """Killed by an error in the middle of the save: vault and old file are as they were."""
    old.write(A="value")
    plan = old.migration().plan()
    old.file.path.with_name("backups").write_text("in the way", encoding="utf-8")

    with pytest.raises(CannotError):
        old.migration().apply(plan)

    assert (old.held, old.path.exists()) == ({}, True)
