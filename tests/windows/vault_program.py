"""A program that has a vault, for Windows' Python: reads orders from stdin and answers each, one JSON line a time.

    python.exe vault_program.py CHECKOUT FOLDER

Several of them on one folder are several programs. It stands on nothing but the product and its libraries: DPAPI, the
Credential Manager, file locks and the end of a process are those of the system that it runs on.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, sys.argv[1])

import keyring.backends.Windows  # noqa: F401 - under Wine it may take longer than the keychain is waited for

from app.domain.errors import SlotClosed, VaultError
from app.engine.clock import SystemClock
from app.keys.keychain.anchor import Anchored, KeychainAnchor
from app.keys.keychain.keychain import Keychain
from app.keys.log.accesslog import LARGEST_PART, LONGEST_FIELD, AccessLog
from app.keys.log.chain import Access, Action
from app.keys.slots.dpapi import DpapiSlot
from app.keys.slots.keychain import KeychainSlot
from app.keys.slots.recovery import RecoveryCode, RecoverySlot
from app.keys.vault.document import from_base64, parse, to_base64
from app.keys.vault.vault import NewSlot, Vault
from app.keys.vault.vaultfile import VaultFile

MASTER = bytes(range(32))
BOUND = b"a vault's slot"


def tell(**told: object) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


class ToldAnchor:
    """The product's own anchor, whose writing is a step like those of the file."""

    def __init__(self, anchor: KeychainAnchor, on_step: Any) -> None:
        self._anchor = anchor
        self._on_step = on_step

    def read(self) -> Anchored | None:
        return self._anchor.read()

    def write(self, anchored: Anchored) -> None:
        self._on_step("anchor")
        self._anchor.write(anchored)

    def forget(self) -> None:
        self._anchor.forget()


class Program:
    """It; each method is an order."""

    def __init__(self, folder: Path) -> None:
        self._keychain = Keychain(attended=True)
        self._file = VaultFile(folder, on_step=self._stepped)
        self._log = AccessLog(folder, SystemClock(), program=f"program {os.getpid()}")
        self._anchor = ToldAnchor(KeychainAnchor(self._keychain, folder), self._stepped)
        self._vault = Vault(self._file, self._anchor, self._log, SystemClock())
        self._dies_at = ""
        self._steps: list[str] = []
        self._tried = 0
        self._held: dict[str, Any] = {}
        sys.addaudithook(self._audited)

    def _stepped(self, step: str) -> None:
        self._steps.append(step)
        if step == self._dies_at:
            kernel = ctypes.WinDLL("kernel32")
            kernel.GetCurrentProcess.restype = ctypes.c_void_p
            kernel.TerminateProcess.argtypes = (ctypes.c_void_p, ctypes.c_uint)
            kernel.TerminateProcess(kernel.GetCurrentProcess(), 9)

    def _audited(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "os.rename" and str(arguments[1]).endswith("vault.wkv"):
            self._tried += 1
            tell(tried=self._tried)

    def create(self, code: str) -> None:
        slots = (KeychainSlot(self._keychain), DpapiSlot(), RecoverySlot(RecoveryCode.read(code)))
        self._vault.create([NewSlot(slot) for slot in slots])

    def unlock(self, code: str = "", kind: str = "dpapi") -> str:
        if code:
            return self._vault.unlock([RecoverySlot(RecoveryCode.read(code))]).kind
        return self._vault.unlock([DpapiSlot() if kind == "dpapi" else KeychainSlot(self._keychain)]).kind

    def set(self, name: str, value: str, dies_at: str = "") -> list[str]:
        self._dies_at, self._steps = dies_at, []
        self._vault.change(Action.SET, name, lambda contents, now: contents.with_secret(name, value.encode(), now))
        return self._steps

    def get(self, name: str) -> str:
        return self._vault.get(name).decode()

    def rotate_master(self) -> None:
        """Put a new master key in the old one's place; what the keychain keeps for the old one goes."""
        ways = {"keychain": KeychainSlot(self._keychain), "dpapi": DpapiSlot(), "recovery": RecoverySlot()}
        before = self._vault.contents.document.slots
        self._vault.rotate_master({record.id: ways[record.kind] for record in before})
        for record in before:
            ways[record.kind].discard(record.body)

    def names(self) -> list[str]:
        return [about.name for about in self._vault.contents.abouts]

    def backups(self) -> list[str]:
        return [backup.path.name for backup in self._vault.backups]

    def anchored(self) -> int:
        found = self._anchor.read()
        return found.generation if found is not None else 0

    def append(self, count: int) -> int:
        """Tell of so many accesses, each by itself."""
        master = self._vault.contents.master
        for _ in range(count):
            self._log.append(Access(Action.USE), key_id=master.id, key=master.log_key)
        return os.getpid()

    def fill(self) -> int:
        """Tell of long accesses until the log's file is full, and return how many it took."""
        master, words, count = self._vault.contents.master, "\u20ac" * LONGEST_FIELD, 0
        while self._log.path.stat().st_size < LARGEST_PART:
            self._log.append(Access(Action.USE, words, words, words), key_id=master.id, key=master.log_key)
            count += 1
        return count

    def looks(self, times: int) -> list[int]:
        """Read the vault's file so often, one time right after the other, and return the generations that were seen."""
        return sorted({parse(self._file.read()).document.generation for _ in range(times)})

    def log(self) -> dict[str, Any]:
        report = self._log.verify(self._vault.log_keys(), self._vault.anchored())
        pids = Counter(line.pid for line in self._log.lines(10_000) if line.access.action is Action.USE)
        return {"problems": report.problems, "lines": report.lines, "uses": {str(pid): pids[pid] for pid in pids}}

    def hold(self, path: str) -> None:
        """Have a file open, as an indexer or a scanner has: it may be read, but neither replaced nor removed."""
        self._held[path] = Path(path).open("rb")  # noqa: SIM115 - held on purpose

    def let_go(self, path: str) -> None:
        self._held.pop(path).close()

    def wrap(self) -> dict[str, Any]:
        return DpapiSlot().wrap(MASTER, BOUND)

    def opens(self, body: dict[str, Any], bound: str = BOUND.decode()) -> bool:
        return DpapiSlot().open(body, bound.encode()) == MASTER

    def flipped(self, body: dict[str, Any]) -> dict[str, int]:
        """Try the record with each byte of it changed in turn, and return how often it ended how."""
        ends: Counter[str] = Counter()
        for name, value in body.items():
            content = from_base64(value)
            for at in range(len(content)):
                other = content[:at] + bytes([content[at] ^ 0x01]) + content[at + 1 :]
                try:
                    DpapiSlot().open({**body, name: to_base64(other)}, BOUND)
                    ends["opened"] += 1
                except SlotClosed as error:
                    ends[error.state] += 1
        return dict(ends)

    def remember(self, texts: dict[str, str]) -> None:
        """Keep texts in the Credential Manager, by account."""
        for account, text in texts.items():
            self._keychain.set(account, text)

    def remembered(self, accounts: list[str]) -> list[str | None]:
        return [self._keychain.get(account) for account in accounts]

    def forget(self, accounts: list[str] | None = None) -> None:
        """Take texts out of the Credential Manager; without accounts, all that the vault put there."""
        for account in accounts or ():
            self._keychain.delete(account)
        if accounts is None and self._file.exists:
            self._anchor.forget()
            for record in parse(self._file.read()).document.slots:
                if record.kind == "keychain":
                    KeychainSlot(self._keychain).discard(record.body)


def main() -> None:
    program = Program(Path(sys.argv[2]))
    tell(ready=os.getpid())
    for line in sys.stdin:
        order = json.loads(line)
        number, do = order.pop("number"), order.pop("do")
        begun = time.monotonic()
        try:
            answer = {"result": getattr(program, do)(**order)}
        except VaultError as error:
            reasons = [reason.state for reason in getattr(error, "reasons", ())]
            state = getattr(error, "state", "")
            answer = {"failed": type(error).__name__, "message": str(error), "state": state, "reasons": reasons}
        tell(number=number, seconds=time.monotonic() - begun, **answer)


main()
