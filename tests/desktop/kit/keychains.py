"""A real keychain of its own: gnome-keyring on a private bus, and far ends that never answer or that ask a person."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import secretstorage
from dbus_fast import Message, MessageType, NameFlag, RequestNameReply
from dbus_fast.aio import MessageBus
from session import BUS_CONFIG

if TYPE_CHECKING:
    from types import TracebackType

PASSWORD = "of the login keyring"  # noqa: S105 - it opens nothing but a test's keyring
SECRETS = "org.freedesktop.secrets"
SESSION_COLLECTION = "/org/freedesktop/secrets/collection/session"
PROMPTER = "org.gnome.keyring.SystemPrompter"
READY_S = 20.0
END_S = 5.0


@dataclass
class PrivateBus:
    """A session bus that starts nothing by itself; a context manager.

    Attributes:
        environ: For programs on it, whose home lies in `folder`.
    """

    folder: Path = Path()
    environ: dict[str, str] = field(default_factory=dict)
    _started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return self.environ["DBUS_SESSION_BUS_ADDRESS"]

    def __enter__(self) -> Self:
        """Start it."""
        self.folder = Path(tempfile.mkdtemp(prefix="watchkeeper-keychain-"))
        runtime, home, bus = self.folder / "runtime", self.folder / "home", self.folder / "bus"
        runtime.mkdir(mode=0o700)
        home.mkdir()
        config = self.folder / "bus.conf"
        config.write_text(BUS_CONFIG.format(folder=self.folder))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DBUS_", "GNOME_", "XDG_"))}
        own = {"HOME": home, "XDG_RUNTIME_DIR": runtime, "DBUS_SESSION_BUS_ADDRESS": f"unix:path={bus}"}
        self.environ = kept | {name: str(value) for name, value in own.items()}
        try:
            self.start("dbus-daemon", f"--config-file={config}", "--nofork")
            _wait(bus.exists, "the private bus")
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, and all that runs on it."""
        self.end()

    def start(self, *argv: str, given: bytes = b"") -> subprocess.Popen[bytes]:
        """Start a program on it."""
        program = subprocess.Popen(
            argv,
            env=self.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._started.append(program)
        assert program.stdin is not None
        program.stdin.write(given)
        program.stdin.close()
        return program

    def end(self) -> None:
        """End what was started, the last first."""
        while self._started:
            end(self._started.pop())
        shutil.rmtree(self.folder, ignore_errors=True)

    def has(self, name: str) -> bool:
        """Return True when somebody owns a name."""
        ask = ["--print-reply", "--dest=org.freedesktop.DBus", "/org/freedesktop/DBus"]
        argv = ["dbus-send", f"--bus={self.address}", *ask, "org.freedesktop.DBus.NameHasOwner", f"string:{name}"]
        return b"true" in subprocess.run(argv, capture_output=True, check=False).stdout


class GnomeKeyring:
    """gnome-keyring-daemon on a bus, its login keyring unlocked.

    Args:
        bus: The bus.
        unlocked: Whether there is a keyring at all, unlocked; without, the service has none yet.
    """

    def __init__(self, bus: PrivateBus, *, unlocked: bool = True) -> None:
        self._bus = bus
        argv = ["gnome-keyring-daemon", "--foreground", "--components=secrets", *(["--unlock"] if unlocked else [])]
        self.daemon = bus.start(*argv, given=PASSWORD.encode() if unlocked else b"")
        _wait(lambda: bus.has(SECRETS), "gnome-keyring")
        if unlocked:
            _wait(lambda: self._is_unlocked, "the login keyring")

    @property
    def _is_unlocked(self) -> bool:
        with closing(secretstorage.dbus_init()) as connection, suppress(secretstorage.SecretStorageException):
            return not secretstorage.get_collection_by_alias(connection, "default").is_locked()
        return False

    def lock(self) -> None:
        """Lock the login keyring, as a screen lock or the person does."""
        with closing(secretstorage.dbus_init()) as connection:
            secretstorage.get_collection_by_alias(connection, "default").lock()

    def shadow(self, account: str, value: bytes) -> None:
        """Put an entry beside what is there, as another program can; which is found first is the service's secret."""
        attributes = {"service": "watchkeeper", "username": account, "application": f"another program: {value!r}"}
        with closing(secretstorage.dbus_init()) as connection:
            collection = secretstorage.get_collection_by_alias(connection, "default")
            collection.create_item("another program's", attributes, value)

    def replace(self, account: str, value: bytes) -> None:
        """Put an entry in the place of what is there, as another program can."""
        self.remove(account)
        self.shadow(account, value)

    def remove(self, account: str) -> None:
        """Remove all that lies under an account, as a person does in the keychain's own window."""
        with closing(secretstorage.dbus_init()) as connection:
            collection = secretstorage.get_collection_by_alias(connection, "default")
            for item in list(collection.search_items({"service": "watchkeeper", "username": account})):
                item.delete()

    def forget_at_logout(self) -> None:
        """Make the collection that lives in memory the default one."""
        alias = ["--print-reply", f"--dest={SECRETS}", "/org/freedesktop/secrets"]
        asked = ["org.freedesktop.Secret.Service.SetAlias", "string:default", f"objpath:{SESSION_COLLECTION}"]
        argv = ["dbus-send", f"--bus={self._bus.address}", *alias, *asked]
        subprocess.run(argv, capture_output=True, check=True)

    def accounts(self) -> list[str]:
        """Return the accounts that have an entry of ours."""
        with closing(secretstorage.dbus_init()) as connection:
            collection = secretstorage.get_collection_by_alias(connection, "default")
            found = collection.search_items({"service": "watchkeeper"})
            return sorted(item.get_attributes()["username"] for item in found)

    def end(self) -> None:
        """End it in order: its files are whole then."""
        end(self.daemon)

    def kill(self) -> None:
        """End it without notice."""
        self.daemon.kill()
        self.daemon.wait()

    def hold(self) -> None:
        """Stop it: it owns its name and answers nothing."""
        self.daemon.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it answer again."""
        self.daemon.send_signal(signal.SIGCONT)


class Silent:
    """Owns a name on a bus, and never answers; an async context manager.

    Args:
        address: The bus's.
        name: The name.
        answers: The replies to those calls that do get one, by member, or by member and arguments with spaces between
            them: a signature and a body.

    Attributes:
        called: The members that were called.
    """

    def __init__(self, address: str, name: str, answers: dict[str, tuple[str, list[Any]]] | None = None) -> None:
        self._address = address
        self._name = name
        self._answers = answers or {}
        self._bus: MessageBus | None = None
        self.called: list[str] = []

    async def __aenter__(self) -> Self:
        """Own the name."""
        self._bus = await MessageBus(bus_address=self._address).connect()
        self._bus.add_message_handler(self._hear)
        taken = await self._bus.request_name(self._name, NameFlag.DO_NOT_QUEUE)
        assert taken is RequestNameReply.PRIMARY_OWNER
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the name up."""
        if self._bus is not None:
            self._bus.disconnect()
            await self._bus.wait_for_disconnect()

    def _hear(self, message: Message) -> Message | bool:
        if message.message_type is not MessageType.METHOD_CALL:
            return False
        self.called.append(str(message.member))
        asked = " ".join([str(message.member), *map(str, message.body)])
        answer = self._answers.get(asked) or self._answers.get(str(message.member))
        if answer is not None:
            return Message.new_method_return(message, *answer)
        return True  # "handled" keeps the library from answering


def end(program: subprocess.Popen[bytes]) -> None:
    """End a program by its own process id, also one that is stopped."""
    if program.poll() is None:
        program.send_signal(signal.SIGCONT)
        program.terminate()
    try:
        program.wait(END_S)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()


def _wait(ready: Any, what: str) -> None:
    due = time.monotonic() + READY_S
    while not ready():
        if time.monotonic() > due:
            raise AssertionError(f"{what} did not come up within {READY_S:g} s")
        time.sleep(0.02)
