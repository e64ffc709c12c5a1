"""kill -9 at each step of a migration: every secret stays readable, and a second run ends as an undisturbed one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from cryptography.fernet import Fernet

from app.engine.clock import SystemClock
from app.keys.derive import Stretching
from app.keys.incoming.envfile import read_env
from app.keys.incoming.intake import Remedy
from app.keys.incoming.oldsecrets import OldSecrets, old_key
from app.keys.keychain.anchor import NoAnchor
from app.keys.log.accesslog import AccessLog
from app.keys.slots.passphrase import PassphraseSlot
from app.keys.slots.recovery import RecoveryCode, RecoverySlot
from app.keys.vault.vault import NewSlot, Vault
from app.keys.vault.vaultfile import VaultFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PASSWORD = "an old key of a test"  # noqa: S105 - it opens nothing but a test's file
SECRETS = {f"PROVIDER_{number // 9}_API_KEY_{number % 9 + 1}": f"sk-{number:03}-value" for number in range(100)}

STEPS = (
    *("read", "verify", "judge", "save"),
    *("vault: backup", "vault: create", "vault: write", "vault: sync", "vault: replace"),
    *("vault: sync folder", "vault: prune", "reopen", "compare"),
    *("look again", "reserve", "rename", "sync", "done"),
)

CHILD = """
import os, signal, sys
sys.path[:0] = sys.argv[1:3]
from pathlib import Path
import test_migration_kills as kills

def step(name):
    print(name, flush=True)
    if name == sys.argv[4]:
        os.kill(os.getpid(), signal.SIGKILL)

kills.migrate(Path(sys.argv[3]), step)
step("done")
"""


def opened(folder: Path, step: Callable[[str], None]) -> tuple[Vault, VaultFile]:
    """Return the folder's vault, made where there is none, and open."""
    file = VaultFile(folder / "keys", on_step=lambda name: step(f"vault: {name}"))
    clock = SystemClock()
    vault = Vault(file, NoAnchor(), AccessLog(folder / "keys", clock, program="a test"), clock)
    passphrase = PassphraseSlot("correct horse battery", Stretching(passes=1, memory_kib=8 * 1024, lanes=1))
    if file.exists:
        vault.unlock([passphrase])
    else:
        vault.create([NewSlot(passphrase), NewSlot(RecoverySlot(RecoveryCode.new()))])
    return vault, file


def migrate(folder: Path, step: Callable[[str], None]) -> list[Remedy]:
    """Migrate the folder's old file as a program does, and return what a person would be told."""
    vault, file = opened(folder, step)
    old = OldSecrets(folder / "encrypted_secrets.json", read_env(folder / ".env"), vault, file, on_step=step)
    return [advice.remedy for advice in old.apply(old.plan()).advice]


def held(folder: Path) -> dict[str, str]:
    """Return what the vault's file holds for a program that opens it now."""
    contents = opened(folder, lambda _name: None)[0].contents
    return {about.name: contents.value(about.name).decode() for about in contents.abouts}


@pytest.fixture
def old_file(tmp_path: Path) -> bytes:
    """A project with a hundred old secrets, and a vault with one backup that holds none of them."""
    fernet = Fernet(old_key(PASSWORD))
    content = json.dumps({name: fernet.encrypt(value.encode()).decode() for name, value in SECRETS.items()}).encode()
    (tmp_path / "encrypted_secrets.json").write_bytes(content)
    (tmp_path / ".env").write_text(f"ENCRYPTION_KEY={PASSWORD}\n", encoding="utf-8")
    opened(tmp_path, lambda _name: None)
    return content


def run(folder: Path, killed_at: str) -> subprocess.CompletedProcess[str]:
    from pathlib import Path  # noqa: PLC0415 - beside its one use

    here = Path(__file__)
    words = [sys.executable, "-c", CHILD, str(here.parents[2]), str(here.parent), str(folder), killed_at]
    return subprocess.run(words, capture_output=True, text=True, timeout=50, check=False)


def test_the_steps_are_all_there_are(tmp_path: Path, old_file: bytes) -> None:
    """An undisturbed migration takes these steps in this order, so none is left out below."""
    done = run(tmp_path, "never")

    assert (done.returncode, done.stderr) == (0, "")
    assert tuple(done.stdout.splitlines()) == STEPS
    assert (tmp_path / "encrypted_secrets.json.migrated").read_bytes() == old_file


@pytest.mark.parametrize("step", STEPS)
def test_row_34_killed_there_and_repeated_it_ends_the_same(tmp_path: Path, old_file: bytes, step: str) -> None:
    """The vault holds all or none, the old file is whole under one of its names, and a second run does the rest."""
    old, migrated = tmp_path / "encrypted_secrets.json", tmp_path / "encrypted_secrets.json.migrated"

    killed = run(tmp_path, step)

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert killed.stdout.splitlines()[-1] == step
    assert old.exists() != (step in {"sync", "done"})
    assert (old if old.exists() else migrated).read_bytes() == old_file
    is_saved = STEPS.index(step) > STEPS.index("vault: replace")
    assert held(tmp_path) == (SECRETS if is_saved else {})

    told = migrate(tmp_path, lambda _name: None)

    assert held(tmp_path) == SECRETS
    assert told == [Remedy.REMOVE_LINES, Remedy.RENEW]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".env", "encrypted_secrets.json.migrated", "keys"]
    assert migrated.read_bytes() == old_file
    assert not list((tmp_path / "keys").rglob("*.tmp"))
    generation = opened(tmp_path, lambda _name: None)[0].contents.document.generation
    migrate(tmp_path, lambda _name: None)
    assert opened(tmp_path, lambda _name: None)[0].contents.document.generation == generation
