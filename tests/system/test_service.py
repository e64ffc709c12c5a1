"""The service manager: what it is told, and whether there is one."""

from __future__ import annotations

import os
import socket
import sys
import uuid
from typing import TYPE_CHECKING

import pytest

from app.domain.health import Exit, KeptBy
from app.system.service import KEPT_BY, LAST_EXIT, Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sd_notify speaks over Unix datagrams")

OWN = str(os.getpid())


class Listener:
    """The manager's end: a datagram socket under a path or in the abstract namespace."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.settimeout(5)

    def heard(self) -> str:
        """Return the next message."""
        return self._socket.recv(4096).decode()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listener]:
    if request.param == "abstract" and sys.platform != "linux":
        pytest.fail("run the abstract form on Linux")
    name = str(tmp_path / "n") if request.param == "path" else f"@watchkeeper-{uuid.uuid4().hex}"
    listener = Listener(name)
    yield listener
    listener.close()


def test_the_manager_hears_of_start_status_life_and_end(manager: Listener) -> None:
    """Each is one datagram, as sd_notify(3) has it; a status is one line."""
    service = Service.take({"NOTIFY_SOCKET": manager.address})

    service.ready()
    service.status("3 tests\nREADY=0")
    service.alive()
    service.stopping()

    told = [manager.heard() for _ in range(4)]
    assert told == ["READY=1", "STATUS=3 tests READY=0", "WATCHDOG=1", "STOPPING=1"]
    assert service.listens


def test_without_a_manager_nothing_happens() -> None:
    """Started by hand, there is nobody to tell."""
    service = Service.take({})

    service.ready()

    assert (service.listens, service.watchdog_s, service.kept_by) == (False, None, KeptBy.NOBODY)


def test_a_manager_that_is_gone_is_no_fault(tmp_path: Path) -> None:
    """A socket that does not exist, or that nobody reads, is the manager's business."""
    absent = Service.take({"NOTIFY_SOCKET": str(tmp_path / "absent")})
    full = Listener(str(tmp_path / "full"))
    deaf = Service.take({"NOTIFY_SOCKET": full.address})

    absent.ready()
    for _ in range(2000):  # far more than a socket's queue takes
        deaf.alive()

    assert full.heard() == "WATCHDOG=1"
    full.close()


@pytest.mark.parametrize(
    ("environ", "kept_by", "watchdog_s"),
    [
        ({"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "180000000"}, KeptBy.SYSTEMD, 180.0),
        ({"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "2000000", "WATCHDOG_PID": OWN}, KeptBy.SYSTEMD, 2.0),
        ({"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}, KeptBy.SYSTEMD, None),
        ({"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "soon"}, KeptBy.SYSTEMD, None),
        ({"NOTIFY_SOCKET": "/run/n", "SYSTEMD_EXEC_PID": "1"}, KeptBy.NOBODY, None),
        ({"SYSTEMD_EXEC_PID": OWN, "INVOCATION_ID": "7"}, KeptBy.SYSTEMD, None),
        ({"SYSTEMD_EXEC_PID": "1", "INVOCATION_ID": "7"}, KeptBy.NOBODY, None),
        ({"XPC_SERVICE_NAME": "org.example.watchkeeper"}, KeptBy.LAUNCHD, None),
        ({"XPC_SERVICE_NAME": "application.com.apple.Terminal.1"}, KeptBy.NOBODY, None),
        ({"XPC_SERVICE_NAME": "0"}, KeptBy.NOBODY, None),
        ({KEPT_BY: str(os.getppid())}, KeptBy.PARENT, None),
        ({KEPT_BY: "1234567"}, KeptBy.NOBODY, None),
        ({KEPT_BY: "x"}, KeptBy.NOBODY, None),
    ],
)
def test_the_environment_tells_who_keeps_the_program(
    environ: dict[str, str], kept_by: KeptBy, watchdog_s: float | None
) -> None:
    """What was said to another process, such as the terminal that this one runs in, is not believed."""
    service = Service.take(environ)

    assert (service.kept_by, service.watchdog_s) == (kept_by, watchdog_s)


@pytest.mark.parametrize(
    ("told", "seen"),
    [
        ("7 -9 1700000000.250", Exit(7, -9, 1_700_000_000.25)),
        ("0 3221225477 1700000000", Exit(0, 3_221_225_477, 1_700_000_000.0)),
        ("7 -9 nan", None),
        ("7 -9", None),
        ("", None),
    ],
)
def test_the_keeper_tells_how_the_last_life_ended(told: str, seen: Exit | None) -> None:
    """Only what keeps this process is believed, and only what it writes."""
    kept, other = str(os.getppid()), "1234567"

    assert Service.take({KEPT_BY: kept, LAST_EXIT: told}).last_exit == seen
    assert Service.take({KEPT_BY: other, LAST_EXIT: told}).last_exit is None


def test_what_was_said_to_us_is_not_handed_on() -> None:
    """A test that is run here must not tell our manager that it is ready."""
    environ = {
        "NOTIFY_SOCKET": "/run/n",
        "WATCHDOG_USEC": "1",
        "WATCHDOG_PID": OWN,
        KEPT_BY: "1",
        LAST_EXIT: "7 -9 1700000000.0",
        "HOME": "/home/a",
    }

    Service.take(environ)

    assert environ == {"HOME": "/home/a"}


def test_a_keeper_that_is_gone_is_noticed() -> None:
    """The parent's number is no longer that of the process that kept us."""
    kept = Service(kept_by=KeptBy.PARENT, keeper=os.getppid())
    orphan = Service(kept_by=KeptBy.PARENT, keeper=1234567)

    assert (kept.has_lost_keeper, orphan.has_lost_keeper, Service().has_lost_keeper) == (False, True, False)
