"""How long a command waits for the running instance, and what a person sees meanwhile."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.cli.terminal import Terminal

PATIENCE_S = 5.0
"""An instance that does not answer a short question for so long is stuck, as far as people care."""
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
