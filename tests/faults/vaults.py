"""A vault that other processes open too: what a test kills, crowds, or lets run into a full disk.

Run as a program, `python -m tests.faults.vaults OPERATION FOLDER` does one thing to copies of a vault, one copy after
another, and kills itself with SIGKILL at the first step, the second, and so on until none is left. Steps are what
`on_step` names, and each call by which Python opens for writing, renames, removes, truncates or locks in the folder.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.engine.clock import SystemClock
from app.engine.files import write_atomic
from app.keys.derive import Stretching
from app.keys.keychain.anchor import Anchored
from app.keys.log.accesslog import AccessLog
from app.keys.log.chain import Action
from app.keys.slots.passphrase import PassphraseSlot
from app.keys.slots.recovery import RecoveryCode, RecoverySlot
from app.keys.vault.vault import NewSlot, Vault
from app.keys.vault.vaultfile import VaultFile

if TYPE_CHECKING:
    from collections.abc import Callable

REPOSITORY = Path(__file__).parents[2]
CODE = RecoveryCode(bytes(range(32)))
PASSPHRASE = "correct horse battery staple"  # noqa: S105 - it opens nothing but a test's vault
WEAK = Stretching(passes=1, memory_kib=8 * 1024, lanes=1)
"""The least that is allowed, since a test is not attacked."""

DAMAGE = 9
"""Bytes that are cut off a file that is to be damaged."""

_RANDOM = re.compile(r"\.wk-\d+-[0-9a-f]{12}\.tmp")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def untold(_step: str) -> None:
    return


class FileAnchor:
    """The keychain's far end, as other processes see it too: a file outside the vault's folder."""

    def __init__(self, path: Path, on_step: Callable[[str], None] = untold) -> None:
        self._path = path
        self._on_step = on_step

    def read(self) -> Anchored | None:
        return Anchored.load(self._path.read_text()) if self._path.exists() else None

    def write(self, anchored: Anchored) -> None:
        self._on_step("anchor")
        write_atomic(self._path, anchored.dump().encode(), sync=False)
        self._on_step("anchored")


@dataclass(frozen=True)
class Place:
    """A vault's folder, with its anchor beside it."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root / "keys"

    @property
    def file(self) -> Path:
        return self.folder / "vault.wkv"

    @property
    def anchor(self) -> FileAnchor:
        return FileAnchor(self.root / "anchor.json")

    @property
    def log(self) -> AccessLog:
        return AccessLog(self.folder, SystemClock(), program="a test")

    def vault(self, on_step: Callable[[str], None] = untold) -> Vault:
        """Another program's view of it, locked."""
        anchor = FileAnchor(self.root / "anchor.json", on_step)
        return Vault(VaultFile(self.folder, on_step=on_step), anchor, self.log, SystemClock())

    def opened(self) -> Vault:
        vault = self.vault()
        vault.unlock([RecoverySlot(CODE)])
        return vault

    def make(self, **values: bytes) -> Vault:
        """Create a vault that holds these, and return it open."""
        vault = self.vault()
        create(vault)
        for name, value in values.items():
            put(vault, name, value)
        return vault


def create(vault: Vault) -> None:
    vault.create([NewSlot(PassphraseSlot(PASSPHRASE, WEAK)), NewSlot(RecoverySlot(CODE))])


def put(vault: Vault, name: str, value: bytes) -> None:
    vault.change(Action.SET, name, lambda contents, now: contents.with_secret(name, value, now))


def rotate(vault: Vault) -> None:
    vault.change(Action.ROTATE, "", lambda contents, now: contents.with_new_data_key(now))


def rotate_master(vault: Vault) -> None:
    makers = {"passphrase": PassphraseSlot(PASSPHRASE, WEAK), "recovery": RecoverySlot()}
    vault.rotate_master({record.id: makers[record.kind] for record in vault.contents.document.slots})


def restore_whole(vault: Vault) -> None:
    vault.restore_whole(vault.backups[0], [RecoverySlot(CODE)])


@dataclass(frozen=True)
class Operation:
    """What is done to a vault; `opens` says that it is unlocked before."""

    act: Callable[[Vault], object]
    opens: bool = True


OPERATIONS = {
    "first save": Operation(create, opens=False),
    "unlock": Operation(lambda vault: vault.unlock([RecoverySlot(CODE)]), opens=False),
    "save": Operation(lambda vault: put(vault, "NEW", b"new")),
    "data key": Operation(rotate),
    "master key": Operation(rotate_master),
    "restore": Operation(lambda vault: vault.restore(vault.backups[0])),
    "restore whole": Operation(restore_whole, opens=False),
    "get": Operation(lambda vault: vault.get("A")),
    "lock": Operation(Vault.lock),
}


class Fuse:
    """Kills this process at a step, and says before which one in a file."""

    def __init__(self, root: Path, at: int) -> None:
        self._root = root
        self._left = at
        self._armed = False
        sys.addaudithook(self._heard)

    def arm(self) -> None:
        self._armed = True

    def step(self, name: str) -> None:
        if not self._armed:
            return
        self._left -= 1
        if self._left == 0:
            self._armed = False
            (self._root / "step").write_text(name)
            os.kill(os.getpid(), signal.SIGKILL)

    def _heard(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self._armed:
            return
        if event == "fcntl.flock":
            self.step("lock")
        elif event in {"os.rename", "os.remove", "os.truncate", "os.mkdir"}:
            self._touched(event.removeprefix("os."), arguments[0])
        elif event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING:
            self._touched("open", arguments[0])

    def _touched(self, what: str, path: object) -> None:
        if isinstance(path, (str, Path)) and Path(path).is_relative_to(self._root):
            self.step(f"{what} {_RANDOM.sub('temporary', Path(path).name)}")


def kill_at_each_step(name: str, folder: Path) -> list[str]:
    """Do an operation to copies of `folder`/before, each killed one step later, and return the steps' names."""
    steps: list[str] = []
    for at in itertools.count(1):
        root = folder / str(at)
        shutil.copytree(folder / "before", root)
        if os.waitstatus_to_exitcode(os.waitpid(_forked(name, root, at), 0)[1]) != -signal.SIGKILL:
            return steps
        steps.append((root / "step").read_text())
    raise AssertionError


def _forked(name: str, root: Path, at: int) -> int:
    child = os.fork()
    if child:
        return child
    operation, place, fuse = OPERATIONS[name], Place(root), Fuse(root, at)
    vault = place.vault(fuse.step)
    if operation.opens:
        vault.unlock([RecoverySlot(CODE)])
    fuse.arm()
    operation.act(vault)
    fuse.step("end")
    os._exit(0)


def main() -> None:
    print(json.dumps(kill_at_each_step(sys.argv[1], Path(sys.argv[2]))))  # noqa: T201 - it is a program


if __name__ == "__main__":
    main()
