"""How long a command waits for the running instance, and what a person sees meanwhile."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from app.cli.terminal import Terminal
    from app.control.client import ControlClient
    from app.domain.commands import Command
    from app.system.instance import SingleInstance

PATIENCE_S = 5.0
"""An instance that does not answer a short question for so long is stuck, as far as people care."""
COMES_UP_S = 20.0
"""How long an instance may take from its lock to its socket, on a machine that is busy."""
FRESH_S = 30.0
"""How old a lock may be whose holder counts as coming up."""
LOOK_EVERY_S = 0.05
WORD_AFTER_S = 1.0
"""A terminal that shows nothing for longer seems to hang itself."""


@contextmanager
def patiently(terminal: Terminal) -> Iterator[None]:
    """Say on stderr that an answer is waited for, if that takes longer than a second and somebody watches."""
    said = threading.Timer(WORD_AFTER_S, terminal.progress, ["Waiting for the running Watchkeeper to answer ..."])
    said.daemon = True
    said.start()
    try:
        yield
    finally:
        said.cancel()
        said.join()  # it must not write after this
        terminal.progress("")


def send_when_up(client: ControlClient, command: Command, is_coming_up: Callable[[], bool]) -> Any:  # noqa: ANN401 - a JSON document
    """Send a command to the instance, and return its answer. One that has its lock and no socket yet is waited for.

    Args:
        client: The way to it.
        command: What is asked.
        is_coming_up: Whether there is one whose socket can be waited for.

    Raises:
        NoInstance: Nothing runs.
        InstanceUnreachable: It takes too long to come up.
        WatchkeeperError: As `ControlClient.send`.
    """
    from app.domain.errors import InstanceUnreachable, NoInstance

    deadline = time.monotonic() + COMES_UP_S
    while True:
        try:
            return client.send(command)
        except NoInstance:
            if not is_coming_up():
                raise
        if time.monotonic() >= deadline:
            raise InstanceUnreachable(
                f"The Watchkeeper that was started does not answer after {COMES_UP_S:g} s.",
                "It may be busy or stuck: try again in a minute. `watchkeeper doctor` tells more.",
            )
        time.sleep(LOOK_EVERY_S)


def holds_fresh(lock: SingleInstance) -> bool:
    """Return whether someone took the lock a moment ago and lives; what a killed one left is older soon."""
    owner = lock.owner()
    if owner is None or abs(time.time() - owner.started_at) >= FRESH_S:
        return False
    from app.cli.lastlife import is_alive

    return is_alive(owner.pid) is not False
