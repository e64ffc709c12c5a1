"""The import of a `.env` file: its dialect, what counts as a secret, and which lines are to go."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import CannotError, UsageError
from app.keys.incoming.dotenv import DotEnv, looks_secret
from app.keys.incoming.envfile import LARGEST_ENV, Lines, read_env
from app.keys.incoming.intake import Remedy, Verdict
from app.keys.log.chain import Action
from app.keys.vault.vaultfile import VaultFile

if TYPE_CHECKING:
    from pathlib import Path

    from app.keys.vault.vault import Vault


@dataclass
class Env:
    """A `.env` file, and an open vault."""

    path: Path
    vault: Vault
    file: VaultFile

    def write(self, content: str | bytes) -> None:
        self.path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)

    def intake(self, **words: Any) -> DotEnv:
        return DotEnv(self.path, self.vault, self.file, **words)

    def planned(self, **words: Any) -> dict[str, Verdict]:
        return {item.source: item.verdict for item in self.intake(**words).plan().items}

    def take(self, *, partial: bool = False, replacing: tuple[str, ...] = (), **words: Any) -> Any:
        intake = self.intake(**words)
        return intake.apply(intake.plan(), partial=partial, replacing=replacing)

    def put(self, name: str, value: bytes) -> None:
        self.vault.change(Action.SET, name, lambda contents, now: contents.with_secret(name, value, now))

    @property
    def held(self) -> dict[str, bytes]:
        contents = self.vault.contents
        return {about.name: contents.value(about.name) for about in contents.abouts}


@pytest.fixture
def env(tmp_path: Path, setting: Any) -> Env:
    return Env(tmp_path / ".env", setting.made(), VaultFile(setting.folder))


def settings(path: Path, content: str | bytes) -> list[tuple[str, str | None, tuple[int, int]]]:
    """Write a `.env` file, and return what is read of it: name, value, first and last line."""
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return [(each.name, each.value, (each.lines.first, each.lines.last)) for each in read_env(path).settings]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("A=1", [("A", "1", (1, 1))]),
        ("A=1\r\nB=2\r\n", [("A", "1", (1, 1)), ("B", "2", (2, 2))]),
        ("A=1\rB=2\r", [("A", "1", (1, 1)), ("B", "2", (2, 2))]),
        (b"\xef\xbb\xbfA=1\n", [("A", "1", (1, 1))]),
        ("export A=1\n", [("A", "1", (1, 1))]),
        ("# A=1\n\n  # B\nC = 3  # c\n", [("C", "3", (4, 4))]),
        ("A=a#b #c", [("A", "a#b", (1, 1))]),
        ("A= # only a comment", [("A", "", (1, 1))]),
        ("A='a b # c' # d", [("A", "a b # c", (1, 1))]),
        (r"A='it\'s'", [("A", "it's", (1, 1))]),
        (r"A='\n'", [("A", r"\n", (1, 1))]),
        (r'A="a\"b\\c\nd\te"', [("A", 'a"b\\c\nd\te', (1, 1))]),
        ('\n\nA="one\r\ntwo"\r\n\nB=2', [("A", "one\ntwo", (3, 4)), ("B", "2", (6, 6))]),
        ("A=${B}$C", [("A", "${B}$C", (1, 1))]),
        ("A=\nB\n", [("A", "", (1, 1)), ("B", None, (2, 2))]),
        ("A=x=y==", [("A", "x=y==", (1, 1))]),
        ("A=1\nA=2", [("A", "1", (1, 1)), ("A", "2", (2, 2))]),
        ('A="open\nB=2\n', [("", None, (1, 1)), ("B", "2", (2, 2))]),
        ('\nA="a\nb" junk\nB=2', [("", None, (2, 3)), ("B", "2", (4, 4))]),
        ("", []),
    ],
)
def test_the_usual_dialect_is_read(tmp_path: Path, content: str | bytes, expected: list[Any]) -> None:
    """Quotes, escapes, comments, several lines, every line end and a byte order mark; each with its lines."""
    assert settings(tmp_path / ".env", content) == expected


@given(text=st.text(alphabet=st.sampled_from("AB='\"\\# \t\n\r$x\ufeffé"), max_size=60))
def test_whatever_stands_there_is_read_or_named_by_its_line(text: str, tmp_path_factory: Any) -> None:
    """No content makes it fail; lines are in the file, in order, and no two settings share one."""
    path = tmp_path_factory.getbasetemp() / "any.env"

    found = settings(path, text)

    lines = [number for _, _, (first, last) in found for number in range(first, last + 1)]
    assert lines == sorted(set(lines))
    assert all(1 <= number <= len(text.splitlines()) for number in lines)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("A=1\n".encode("utf-16"), "is not UTF-8"),
        ("A=ключ".encode("cp1251"), "is not UTF-8"),
        (b"#" * (LARGEST_ENV + 1), "more than 256 KiB"),
        (b"A=1\nB=x" + b" " * 250_000 + b"canary", "Line 2 .* 200 blanks"),
    ],
)
def test_what_is_no_env_file_is_refused_at_once(tmp_path: Path, content: bytes, message: str) -> None:
    """Another encoding, too much of it, or blanks that would keep the parser busy for minutes; none of it is shown."""
    path = tmp_path / ".env"
    path.write_bytes(content)
    started = time.process_time()

    with pytest.raises(CannotError, match=message) as told:
        read_env(path)

    assert time.process_time() - started < 5
    assert told.value.__cause__ is None
    assert "canary" not in str(told.value)


def test_the_worst_file_that_is_allowed_is_read_in_time(tmp_path: Path) -> None:
    """Runs of blanks just short of the bound, over the whole file, cost seconds at most."""
    path = tmp_path / ".env"
    path.write_bytes((b"A=x" + (b" " * 199 + b"y") * (LARGEST_ENV // 200))[:LARGEST_ENV])
    started = time.process_time()

    read_env(path)

    assert time.process_time() - started < 5


def test_a_missing_file_a_folder_and_a_pipe_are_named(tmp_path: Path) -> None:
    """Nothing waits for a writer."""
    pipe, folder = tmp_path / "pipe", tmp_path / "folder"
    os.mkfifo(pipe)
    folder.mkdir()

    for path, message in ((pipe, "not a regular file"), (folder, "cannot be read"), (tmp_path / "no", "There is no")):
        with pytest.raises(CannotError, match=message):
            read_env(path)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("DEEPSEEK_API_KEY", "x", True),
        ("DEEPSEEK_API_KEY_2", "x", True),
        ("DEEPSEEK_API_KEY12", "x", True),
        ("telegram_token", "x", True),
        ("DB_PASSWORD", "x", True),
        ("AWS_ACCESS_KEY_ID", "AKIA" + "A" * 16, True),
        ("LLM", "sk-" + "a" * 20, True),
        ("DATABASE_URL", "postgresql://user:word@host/db", True),
        ("DATABASE_URL", "postgresql://host/db", False),
        ("SIGNED", "-----BEGIN RSA PRIVATE KEY-----\nabc\n", True),
        ("DEBUG", "1", False),
        ("MAX_TOKENS", "4096", False),
        ("MONKEY", "x", False),
        ("PORT_1", "8080", False),
    ],
)
def test_a_secret_is_told_by_its_name_or_by_its_looks(name: str, value: str, *, expected: bool) -> None:
    """Numbered names count as their group; a known provider's key counts under any name."""
    assert looks_secret(name, value) is expected


def test_secrets_are_taken_and_the_file_is_not_changed(env: Env, setting: Any) -> None:
    """Numbered keys are in their group, by the vault's clock, in one save; the log tells of it."""
    env.write("DEBUG=1\nDEEPSEEK_API_KEY=sk-zero\nexport DEEPSEEK_API_KEY_1='sk one'\n")
    content, generation = env.path.read_bytes(), env.vault.contents.document.generation
    setting.clock.advance(5_000)

    env.take()

    contents = env.vault.contents
    assert env.held == {"DEEPSEEK_API_KEY": b"sk-zero", "DEEPSEEK_API_KEY_1": b"sk one"}
    assert contents.group("DEEPSEEK_API_KEY") == ("DEEPSEEK_API_KEY", "DEEPSEEK_API_KEY_1")
    assert contents.about("DEEPSEEK_API_KEY").renewed == int(setting.clock.wall())
    assert contents.document.generation == generation + 1
    assert env.path.read_bytes() == content
    line = env.vault._access.lines(1)[0]
    assert (line.access.action, line.access.why) == (Action.IMPORT, "2 of .env")


def test_a_plan_tells_each_ones_fate_changes_nothing_and_holds_no_value(env: Env) -> None:
    """New, same, differing, left out and unreadable ones are told apart, each with its lines."""
    env.put("SAME_KEY", b"canary-same")
    env.put("OTHER_KEY", b"canary-vault")
    env.write(
        "NEW_KEY=canary-new\nSAME_KEY=canary-same\nOTHER_KEY=canary-env\nDEBUG=canary\nEMPTY_KEY=\nBARE_KEY\n"
        "USER_KEY=${canary}\nENCRYPTION_KEY=canary-old\nTORN_KEY='canary\n"
    )
    before = {path: path.read_bytes() for path in (env.path, env.file.path)}

    plan = env.intake().plan()

    assert [(item.source, item.verdict) for item in plan.items] == [
        ("NEW_KEY", Verdict.NEW),
        ("SAME_KEY", Verdict.SAME),
        ("OTHER_KEY", Verdict.DIFFERS),
        ("DEBUG", Verdict.LEFT_OUT),
        ("EMPTY_KEY", Verdict.LEFT_OUT),
        ("BARE_KEY", Verdict.LEFT_OUT),
        ("USER_KEY", Verdict.UNREADABLE),
        ("ENCRYPTION_KEY", Verdict.LEFT_OUT),
        ("", Verdict.UNREADABLE),
    ]
    assert [item.lines for item in plan.items] == [(Lines(number, number),) for number in range(1, 10)]
    assert "canary" not in repr(plan)
    assert before == {path: path.read_bytes() for path in before}


def test_a_line_that_cannot_be_read_stops_all_but_a_partial_import(env: Env) -> None:
    """It may have been a secret: so the line is named, nothing is taken, and a part only where that is asked for."""
    env.write("A_KEY=canary\nB_KEY='open\n")

    with pytest.raises(CannotError, match="Line 2 is no setting") as told:
        env.take()

    assert env.held == {}
    assert "canary" not in str(told.value)
    assert env.take(partial=True).taken.new == ("A_KEY",)


def test_a_setting_that_refers_to_another_is_not_taken_as_it_stands(env: Env) -> None:
    """The text `${...}` would be a wrong secret; where such a setting is none, it is no matter."""
    env.write("API_KEY=${OTHER}-x\nGREETING=${OTHER}\n")

    with pytest.raises(CannotError, match="refers to another setting"):
        env.take()

    assert env.take(leave=("API_KEY",)).taken.names == ()


def test_names_can_be_added_left_and_changed(env: Env) -> None:
    """A person knows better what is a secret, and what it is to be called; ENCRYPTION_KEY too is taken when named."""
    env.write("CHANNEL=private\nPUBLIC_KEY=open\nA:TOKEN=value\nENCRYPTION_KEY=old\n")

    done = env.take(take=("ENCRYPTION_KEY",), leave=("PUBLIC_KEY",), names={"CHANNEL": "TELEGRAM"})

    assert env.held == {"TELEGRAM": b"private", "A_TOKEN": b"value", "ENCRYPTION_KEY": b"old"}
    assert done.advice[0].names == ("CHANNEL", "A:TOKEN", "ENCRYPTION_KEY")


@pytest.mark.parametrize("words", [{"take": ("NO",)}, {"leave": ("NO",)}, {"names": {"NO": "A"}}])
def test_a_name_that_is_not_there_is_an_error(env: Env, words: dict[str, Any]) -> None:
    """A slip of the pen does not pass for an empty answer."""
    env.write("A_KEY=value")

    with pytest.raises(UsageError, match="holds no NO"):
        env.intake(**words).plan()


def test_the_lines_to_remove_are_those_of_what_the_vault_holds(env: Env) -> None:
    """All lines of a name that stands there twice, a value of several lines, and none of what was left."""
    env.put("KEPT_KEY", b"newer")
    env.write('A_KEY=1\nDEBUG=1\n\nPEM_KEY="a\nb\nc"\nKEPT_KEY=older\nA_KEY=2\n')

    [advice] = env.take(partial=True).advice

    assert (advice.remedy, advice.path) == (Remedy.REMOVE_LINES, env.path)
    assert advice.names == ("A_KEY", "PEM_KEY")
    assert advice.lines == (Lines(1, 1), Lines(4, 6), Lines(8, 8))
    assert env.held == {"A_KEY": b"2", "PEM_KEY": b"a\nb\nc", "KEPT_KEY": b"newer"}


def test_done_again_it_saves_nothing_and_advises_the_same(env: Env) -> None:
    """A repeated import finds all there."""
    env.write("A_KEY=1\n")
    first = env.take()
    before = env.file.path.read_bytes()

    again = env.take()

    assert (first.taken.new, again.taken.same) == (("A_KEY",), ("A_KEY",))
    assert again.advice == first.advice
    assert env.file.path.read_bytes() == before


def test_another_value_in_the_vault_is_replaced_only_by_name(env: Env) -> None:
    """Otherwise it stops the import."""
    env.put("A_KEY", b"newer")
    env.write("A_KEY=older\n")

    with pytest.raises(CannotError, match="other values of A_KEY"):
        env.take()

    assert env.held == {"A_KEY": b"newer"}
    assert env.take(replacing=("A_KEY",)).taken.replaced == ("A_KEY",)
    assert env.held == {"A_KEY": b"older"}


def test_a_file_that_has_changed_since_the_plan_is_looked_at_again(env: Env) -> None:
    """What is taken is what was shown, and the lines are those of the file that is there."""
    env.write("A_KEY=1\n")
    intake = env.intake()
    plan = intake.plan()
    env.write("\nA_KEY=2\n")

    with pytest.raises(CannotError, match="has changed since"):
        intake.apply(plan)

    assert env.held == {}
