"""SIGKILL in the middle of anything that the vault does: it opens as it was before or as it is after, never neither."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from app.domain.errors import VaultDamaged, VaultMissing
from app.keys.slots.passphrase import PassphraseSlot
from app.keys.slots.recovery import RecoverySlot
from app.keys.vault.contents import Contents
from app.keys.vault.document import parse
from app.keys.vault.opening import open_slots
from tests.faults.vaults import CODE, DAMAGE, PASSPHRASE, REPOSITORY, WEAK, Place, create, put, restore_whole

if TYPE_CHECKING:
    from pathlib import Path

    from app.keys.vault.vault import Vault

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="SIGKILL, fork and strace are Linux's")

FEW, MANY = 10, 100
BEFORE = {"A": b"second", "B": b"beta", "C": b"gamma"}
BACKUP = {"A": b"first", "B": b"beta", "C": b"gamma"}


@dataclass(frozen=True)
class State:
    """What a vault holds, and whether it is still under the keys of before."""

    values: tuple[tuple[str, bytes], ...]
    old_data_key: bool = True
    old_master: bool = True


def holding(values: dict[str, bytes], **keys: bool) -> State:
    return State(tuple(sorted(values.items())), **keys)


OLD = holding(BEFORE)
NEW = {
    "unlock": OLD,
    "save": holding(BEFORE | {"NEW": b"new"}),
    "data key": holding(BEFORE, old_data_key=False),
    "master key": holding(BEFORE, old_data_key=False, old_master=False),
    "restore": holding(BACKUP, old_data_key=False),
    "restore whole": holding(BACKUP),
    "get": OLD,
    "lock": OLD,
}
LEAST_STEPS = {"unlock": 3, "get": 3, "lock": 5}


def killed_at_each_step(name: str, folder: Path) -> list[str]:
    words = [sys.executable, "-m", "tests.faults.vaults", name, str(folder)]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, timeout=50, check=False)
    assert not done.stderr
    return [str(step) for step in json.loads(done.stdout)]


def state_of(vault: Vault, before: Contents | None = None) -> State:
    contents = vault.contents
    values = tuple((about.name, contents.value(about.name)) for about in contents.abouts)
    if before is None:
        return State(values)
    old = before.document
    return State(values, contents.document.data_key.id == old.data_key.id, contents.document.master == old.master)


def require_sound(place: Place) -> None:
    """Both slots open it, its backups open, its log holds, nothing lies about, and it can be written."""
    vault = place.vault()
    vault.unlock([PassphraseSlot(PASSPHRASE, WEAK)])
    vault = place.opened()
    for backup in vault.backups:
        read = parse(backup.path.read_bytes())
        Contents.of(read, open_slots(read, [RecoverySlot(CODE)])[1])
    put(vault, "AFTERWARDS", b"afterwards")
    assert place.opened().get("AFTERWARDS") == b"afterwards"
    assert place.log.verify(vault.log_keys(), vault.anchored()).problems == ()
    assert [path.name for path in place.folder.rglob(".wk-*")] == []


@pytest.mark.parametrize("name", NEW)
def test_row_45_killed_at_any_step_it_is_as_before_or_as_after(name: str, tmp_path: Path) -> None:
    """For each step: it opens with all old or all new values and keys, and everything around it is sound."""
    place = Place(tmp_path / "before")
    vault = place.make(**BACKUP)
    put(vault, "A", b"second")
    before = vault.contents
    if name == "restore whole":
        place.file.write_bytes(place.file.read_bytes()[:-DAMAGE])

    steps = killed_at_each_step(name, tmp_path)

    seen = set()
    for at, step in enumerate(steps, start=1):
        killed = Place(tmp_path / str(at))
        try:
            state = state_of(killed.opened(), before)
        except VaultDamaged:
            assert name == "restore whole"
            restore_whole(killed.vault())
            state = OLD
        assert state in {OLD, NEW[name]}, f"killed before step {at} of {len(steps)}: {step}"
        require_sound(killed)
        seen.add(state)
    assert seen == {OLD, NEW[name]}
    assert len(steps) >= LEAST_STEPS.get(name, 12), steps
    if name in {"save", "data key", "master key", "restore", "restore whole"}:
        assert {"create", "write", "sync", "replace", "sync folder", "anchor", "end"} <= set(steps)
        assert ("backup" in steps) == (name != "restore whole")


def test_killed_at_any_step_of_its_making_it_is_there_or_can_be_made(tmp_path: Path) -> None:
    """For each step of the first save: the vault opens, or there is none and one can be made."""
    (tmp_path / "before").mkdir()

    steps = killed_at_each_step("first save", tmp_path)

    found = []
    for at, _ in enumerate(steps, start=1):
        killed = Place(tmp_path / str(at))
        try:
            assert state_of(killed.opened()).values == ()
            found.append("there")
        except VaultMissing:
            create(killed.vault())
            found.append("made")
        require_sound(killed)
    assert set(found) == {"there", "made"}
    assert found == sorted(found), "once it is there, it stays"
    assert {"create", "write", "sync", "replace", "sync folder", "anchor", "end"} <= set(steps)


TORN = """
import os, resource, signal, sys
from pathlib import Path
from app.domain.errors import VaultIOError
from tests.faults.vaults import Place

place = Place(Path(sys.argv[1]))
vault = place.opened()
size = place.log.path.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    vault.get("A")
except VaultIOError:
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("written", [1, 50, 200])
def test_killed_within_a_line_of_the_log_the_line_goes_and_the_log_says_so(tmp_path: Path, written: int) -> None:
    """The kernel takes a part of the line and the program is killed: the next one takes the part away and tells it."""
    place = Place(tmp_path)
    place.make(A=b"value").lock()
    words = [sys.executable, "-c", TORN, str(tmp_path), str(written)]

    done = subprocess.run(words, cwd=REPOSITORY, timeout=30, check=False)

    assert done.returncode == -signal.SIGKILL
    assert len(place.log.path.read_bytes().rpartition(b"\n")[2]) == written
    vault = place.opened()
    assert "repair" in [line.access.action for line in place.log.lines(2)]
    assert place.log.verify(vault.log_keys(), vault.anchored()).problems == ()


SAVES = """
import itertools, sys
from pathlib import Path
from tests.faults.vaults import Place, put

vault = Place(Path(sys.argv[1])).opened()
for number in itertools.count(int(sys.argv[2])):
    put(vault, f"N{number}", str(number).encode())
    print(number, flush=True)
    if number % 7 == 6:
        vault.change("rotate", "", lambda contents, now: contents.with_new_data_key(now))
"""


@pytest.mark.parametrize("rounds", [FEW, pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
def test_killed_at_random_moments_no_save_that_was_answered_is_lost(tmp_path: Path, rounds: int) -> None:
    """A loop of saves and rotations is killed from outside: all that was answered is there, and one more at most."""
    moments = random.Random(17)  # noqa: S311 - moments, not secrets
    place = Place(tmp_path)
    place.make()
    answered = -1

    for _ in range(rounds):
        words = [sys.executable, "-c", SAVES, str(tmp_path), str(answered + 1)]
        with subprocess.Popen(words, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as saving:
            assert saving.stdout is not None
            first = saving.stdout.readline()
            time.sleep(moments.uniform(0, 0.1))
            saving.kill()
            last = ([first, *saving.stdout.read().splitlines()])[-1]
        names = {about.name for about in place.opened().contents.abouts}
        there = {f"N{number}" for number in range(int(last) + 1)}
        assert names in (there, there | {f"N{int(last) + 1}"})
        answered = len(names) - 1

    vault = place.opened()
    assert all(vault.contents.value(f"N{number}") == str(number).encode() for number in range(answered + 1))
    assert answered >= rounds - 1
    require_sound(place)


CALL = re.compile(r"^\d+ +(?P<call>\w+)\((?P<words>.*)\) += (?P<result>\d+)")
TRACED = "openat,write,fsync,rename,renameat,renameat2"
ONE_SAVE = """
import sys
from pathlib import Path
from tests.faults.vaults import Place, put

vault = Place(Path(sys.argv[1])).opened()
put(vault, "NEW", b"new")
"""
UNSYNCED = """
import sys
from pathlib import Path
from app.engine.files import write_atomic

write_atomic(Path(sys.argv[1]) / "keys" / "vault.wkv", b"new", sync=False)
"""


def traced(program: str, folder: Path) -> list[tuple[str, str]]:
    """Return the system calls that a program makes and that succeed, each with its arguments, paths spelt out."""
    trace = folder / "trace"
    words = ["strace", "-f", "-y", "-s", "0", "-e", f"trace={TRACED}", "-o", str(trace), sys.executable, "-c", program]
    done = subprocess.run(
        [*words, str(folder)], cwd=REPOSITORY, capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stderr
    return [(match["call"], match["words"]) for line in trace.read_text().splitlines() if (match := CALL.match(line))]


def replacements(calls: list[tuple[str, str]], name: str) -> list[list[str]]:
    """Return, for each file that was renamed to one of this name, what was done in which order to it and its folder."""
    found = []
    for at, (call, words) in enumerate(calls):
        paths = re.findall(r'"([^"]+)"', words)
        if not call.startswith("rename") or not re.search(name, paths[-1]):
            continue
        temporary, folder = paths[0], os.path.dirname(paths[-1])  # noqa: PTH120 - strace's text, not a path of ours
        before = [each for each, what in calls[:at] if temporary in what]
        after = [each for each, what in calls[at + 1 :] if f"<{folder}>" in what and each == "fsync"]
        found.append([*before, "rename", *after[:1]])
    return found


def test_a_save_reaches_the_disk_before_it_takes_the_old_ones_place(tmp_path: Path) -> None:
    """By the system calls of a real save: create, write, fsync, rename, fsync of the folder; the backup first."""
    place = Place(tmp_path)
    place.make(A=b"value")

    calls = traced(ONE_SAVE, tmp_path)

    order = [["openat", "write", "fsync", "rename", "fsync"]]
    assert replacements(calls, r"/keys/vault\.wkv$") == order
    assert replacements(calls, r"/backups/vault-\d{10}-[0-9a-f]{8}\.wkv$") == order
    renamed = [words for call, words in calls if call.startswith("rename") and "/keys/" in words]
    assert ["/backups/" in words for words in renamed] == [True, False]


def test_a_file_that_is_not_synced_is_told_from_one_that_is(tmp_path: Path) -> None:
    """The look at the system calls sees a write without its fsyncs."""
    (tmp_path / "keys").mkdir()

    calls = traced(UNSYNCED, tmp_path)

    assert replacements(calls, r"/keys/vault\.wkv$") == [["openat", "write", "rename"]]
