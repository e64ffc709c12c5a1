"""Notice of a loop's end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

from app.engine import lifeline as lifeline_module
from app.engine.lifeline import Lifeline

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def test_the_close_of_the_loop_is_told_at_once(new_loop: LoopFactory) -> None:
    """Closing the loop calls back, once, without anybody running anything."""
    told: list[str] = []
    loop = new_loop()
    lifeline = Lifeline(loop, lambda: told.append("closed"))
    loop.run_until_complete(asyncio.sleep(0))
    before = list(told)

    loop.close()
    del lifeline

    assert before == []
    assert told == ["closed"]


def test_it_holds_over_renewals(new_loop: LoopFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The timer that carries it is renewed before it rings for nothing."""
    monkeypatch.setattr(lifeline_module, "RENEWAL_S", 0.001)
    told: list[str] = []
    loop = new_loop()
    lifeline = Lifeline(loop, lambda: told.append("closed"))

    loop.run_until_complete(asyncio.sleep(0.02))
    before = list(told)
    loop.close()

    assert before == []
    assert told == ["closed"]
    assert lifeline is not None


def test_once_cut_it_is_silent(new_loop: LoopFactory) -> None:
    """Who closed orderly is not told, and no timer stays behind."""
    told: list[str] = []
    loop = new_loop()
    lifeline = Lifeline(loop, lambda: told.append("closed"))

    lifeline.cut()
    loop.close()

    assert told == []


def test_the_end_of_the_interpreter_is_told_before_threads_are_joined() -> None:
    """A thread that waits for the notice does not keep the interpreter from ending."""
    program = """
        import asyncio, threading
        from app.engine.lifeline import Lifeline
        ended = threading.Event()
        lifeline = Lifeline(asyncio.new_event_loop(), ended.set)
        threading.Thread(target=lambda: (ended.wait(), print("told"))).start()
    """

    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=20, check=False
    )

    assert run.stdout == "told\n"
    assert run.returncode == 0
