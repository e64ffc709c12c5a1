"""Programs under guard: their results, their output, and above all their end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from app.domain.errors import CannotError, ProjectError
from app.engine import guarded
from app.engine.clock import SystemClock
from app.engine.processes import ProcessRunner

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from app.engine.processes import Ended, GuardedProcess

ROOT = Path(__file__).parents[2]

DAEMON = """
import os, sys, time
def daemonise(note):
    "Leave the group and the session as a daemon does, holding stdout, and note the process id."
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with open(note + ".part", "w") as file:
        file.write(str(os.getpid()))
    os.rename(note + ".part", note)
    time.sleep(600)
    os._exit(0)
def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.01)
"""


@pytest.fixture
def runner() -> ProcessRunner:
    """A runner on the machine's clock."""
    return ProcessRunner(clock=SystemClock())


def python(
    runner: ProcessRunner, code: str, *arguments: str, cwd: Path = ROOT, output_cap: int = guarded.OUTPUT_CAP
) -> AbstractAsyncContextManager[GuardedProcess]:
    """Start a Python program of a few lines."""
    argv = [sys.executable, "-S", "-c", textwrap.dedent(code), *arguments]
    return runner.start(argv, cwd=cwd, env=os.environ, output_cap=output_cap)


async def run(runner: ProcessRunner, code: str, *arguments: str) -> tuple[list[bytes], Ended]:
    """Run such a program to its end."""
    async with python(runner, code, *arguments) as process:
        lines = [line async for line in process.lines()]
        return lines, await process.wait()


async def until(condition: Callable[[], object]) -> None:
    """Wait until something holds that no event tells."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - another process's doing
            await asyncio.sleep(0.01)


def lives(pid: int) -> bool:
    """Return whether a process runs, stopped ones too."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def descriptors() -> int:
    return psutil.Process().num_fds()


async def test_results_and_output_come_apart(runner: ProcessRunner) -> None:
    """What the program writes to its results channel comes as lines, its stdout and stderr as output, in order."""
    lines, ended = await run(
        runner,
        """
        import os, sys
        results = int(os.environ["WATCHKEEPER_RESULTS_FD"])
        os.write(results, b'{"a": 1}\\n{"b"')
        os.write(results, b': 2}\\n')
        print("out", flush=True)
        print("err", file=sys.stderr, flush=True)
        sys.exit(3)
        """,
    )

    assert lines == [b'{"a": 1}', b'{"b": 2}']
    assert (ended.code, ended.signal, ended.output, ended.killed) == (3, None, b"out\nerr\n", False)


async def test_output_need_be_neither_lines_nor_utf_8(runner: ProcessRunner) -> None:
    """Output is bytes, kept as they are."""
    _, ended = await run(runner, r"import os; os.write(1, b'\xff\x00no newline')")

    assert ended.output == b"\xff\x00no newline"


async def test_a_signal_is_told_by_its_number(runner: ProcessRunner) -> None:
    """A program that a signal ended has no exit code."""
    _, ended = await run(runner, "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")

    assert (ended.code, ended.signal, ended.killed) == (None, signal.SIGSEGV, False)


async def test_half_a_line_is_not_told(runner: ProcessRunner) -> None:
    """A program that dies while it writes a result leaves no broken line, and its end is still told."""
    lines, ended = await run(
        runner,
        """
        import os, signal
        os.write(int(os.environ["WATCHKEEPER_RESULTS_FD"]), b'{"whole": 1}\\n{"half')
        os.kill(os.getpid(), signal.SIGKILL)
        """,
    )

    assert lines[0] == b'{"whole": 1}'
    assert ended.signal == signal.SIGKILL


async def test_the_program_starts_as_from_a_shell(runner: ProcessRunner) -> None:
    """It leads its own session, has an empty stdin, and Python's and the guard's signal settings do not reach it."""
    _, ended = await run(
        runner,
        """
        import os, signal, sys
        print(os.getsid(0) == os.getpid() == os.getpgid(0), repr(sys.stdin.read()))
        ignored = {signal.Signals(n).name for n in range(1, 32) if signal.getsignal(n) is signal.SIG_IGN}
        print(sorted(ignored - {"SIGPIPE", "SIGXFSZ"}), signal.pthread_sigmask(signal.SIG_BLOCK, []))
        """,
    )

    assert ended.output.decode().splitlines() == ["True ''", "[] set()"]


async def test_programs_of_the_program_do_not_get_the_channel(runner: ProcessRunner) -> None:
    """The guard's own pipes stay with the guard: a program has its three streams and the results channel."""
    _, ended = await run(runner, "import os; print(sorted(os.listdir('/proc/self/fd')))")

    # the fourth is the listing's own
    assert len(eval(ended.output)) == 5  # noqa: S307 - a list that the line above printed


async def test_a_gigabyte_of_output_is_bounded(runner: ProcessRunner) -> None:
    """The last part is kept, memory stays small, and the loop goes on with other work meanwhile."""
    before = psutil.Process().memory_info().rss
    turns = 0

    async def tick() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.01)
            turns += 1

    ticking = asyncio.create_task(tick())
    async with python(
        runner, "import os\nblock = bytes(1 << 16)\nfor _ in range(1 << 14): os.write(1, block)\nos.write(1, b'last')"
    ) as process:
        ended = await process.wait()
    ticking.cancel()

    assert len(ended.output) == guarded.OUTPUT_CAP
    assert ended.output.endswith(b"\x00last")
    assert psutil.Process().memory_info().rss - before < 32 << 20
    assert turns > 10


async def test_a_slow_reader_loses_nothing(runner: ProcessRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a bound the program waits for its reader; each line arrives, in order."""
    monkeypatch.setattr(guarded, "WAITING_LINES_CAP", 10_000)
    code = """
    import os
    with os.fdopen(int(os.environ["WATCHKEEPER_RESULTS_FD"]), "w") as results:
        for number in range(50_000):
            print(number, file=results)
    """
    most = 0

    numbers = []
    async with python(runner, code) as process:
        async for line in process.lines():
            numbers.append(int(line))
            most = max(most, process._channel._waiting)
            if len(numbers) % 5000 == 0:
                await asyncio.sleep(0.01)
        await process.wait()

    assert numbers == list(range(50_000))
    assert most < 500_000


async def test_a_line_without_end_is_dropped(runner: ProcessRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no line of ours does not fill the memory, and what comes after it is read."""
    monkeypatch.setattr(guarded, "LONGEST_LINE", 100_000)

    lines, _ = await run(
        runner,
        """
        import os
        results = int(os.environ["WATCHKEEPER_RESULTS_FD"])
        for _ in range(100):
            os.write(results, b"x" * 10_000)
        os.write(results, b"\\nafter\\n")
        """,
    )

    assert lines[-1] == b"after"
    assert sum(map(len, lines)) < 200_000


async def test_kill_ends_the_whole_group(runner: ProcessRunner) -> None:
    """Children that ignore SIGTERM die too, and kill says that it was us."""
    code = """
    import os, signal, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = os.fork()
    if child:
        os.write(int(os.environ["WATCHKEEPER_RESULTS_FD"]), b"%d\\n" % child)
    time.sleep(600)
    """

    async with python(runner, code) as process:
        child = int(await anext(process.lines()))
        async with asyncio.timeout(10):
            ended = await process.kill()

        assert ended.killed
        assert ended.signal == signal.SIGKILL
        assert not lives(child)
        assert not lives(process.pid)


async def test_kill_ends_what_is_stopped(runner: ProcessRunner) -> None:
    """A program that SIGSTOP halted cannot outlive its end."""
    code = """
    import os, signal
    os.write(int(os.environ["WATCHKEEPER_RESULTS_FD"]), b"here\\n")
    os.kill(os.getpid(), signal.SIGSTOP)
    """

    async with python(runner, code) as process:
        await anext(process.lines())
        await until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
        ended = await process.kill()

        assert ended.killed
        assert not lives(process.pid)


async def test_leaving_the_block_is_enough(runner: ProcessRunner) -> None:
    """A program that still runs when its block is left is ended."""
    async with python(runner, "import time; time.sleep(600)") as process:
        pid = process.pid

    assert not lives(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process adopt its orphans")
@pytest.mark.parametrize("end", ["by itself", "killed"])
async def test_a_daemon_that_left_the_session_is_found(runner: ProcessRunner, tmp_path: Path, end: str) -> None:
    """A daemon that a test left behind dies with the program, although it ignores SIGTERM and holds the pipes."""
    note = tmp_path / "daemon"
    code = DAEMON + f"daemonise({str(note)!r})\nwait_for({str(note)!r})\n"
    if end == "killed":
        code += "time.sleep(600)\n"

    async with python(runner, code) as process:
        await until(note.exists)
        daemon = int(note.read_text())
        ended = await (process.kill() if end == "killed" else process.wait())

        assert ended.killed == (end == "killed")
        assert not lives(daemon)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process adopt its orphans")
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_a_killed_watchkeeper(tmp_path: Path, ending: signal.Signals) -> None:
    """Kill -9 of the process that started it leaves neither guard, nor program, nor the program's daemon."""
    note, daemon_note = tmp_path / "program", tmp_path / "daemon"
    program = DAEMON + textwrap.dedent(f"""
        import signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        daemonise({str(daemon_note)!r})
        wait_for({str(daemon_note)!r})
        with open({str(note)!r} + ".part", "w") as file:
            file.write(f"{{os.getppid()}} {{os.getpid()}}")
        os.rename({str(note)!r} + ".part", {str(note)!r})
        time.sleep(600)
    """)
    tray = textwrap.dedent("""
        import asyncio, os, sys
        from pathlib import Path
        from app.engine.clock import SystemClock
        from app.engine.processes import ProcessRunner
        async def main():
            runner = ProcessRunner(clock=SystemClock())
            async with runner.start([sys.executable, "-c", sys.argv[1]], cwd=Path("/"), env=os.environ) as process:
                await process.wait()
        asyncio.run(main())
    """)

    started = subprocess.Popen([sys.executable, "-c", tray, program], cwd=ROOT)
    try:
        asyncio.run(until(note.exists))
        guarded = [*map(int, note.read_text().split()), int(daemon_note.read_text())]
        assert all(lives(pid) for pid in guarded)

        started.send_signal(ending)
        started.wait()

        asyncio.run(until(lambda: not any(lives(pid) for pid in guarded)))
    finally:
        started.kill()
        started.wait()


async def test_a_killed_guard_takes_the_program_along(runner: ProcessRunner) -> None:
    """When the guard itself is killed, the program dies and its end is told, as one that nobody saw."""
    async with python(runner, "import time; time.sleep(600)") as process:
        guard = psutil.Process(process.pid).parent()
        assert guard is not None

        guard.kill()
        async with asyncio.timeout(20):
            ended = await process.wait()

        assert (ended.code, ended.signal) == (None, None)
        await until(lambda: not lives(process.pid))


@pytest.mark.parametrize(("deaths", "said"), [(1, "1"), (2, "its guard ended at once")])
async def test_a_guard_that_is_killed_at_its_start_is_started_once_more(tmp_path: Path, deaths: int, said: str) -> None:
    """Its program had not begun, and nobody may be told that there is none; where it goes on, that is told."""
    mortal = tmp_path / "python"
    mortal.write_text(
        f"""\
        #!/bin/sh
        echo >> '{tmp_path}/starts'
        [ $(wc -l < '{tmp_path}/starts') -gt {deaths} ] || kill -9 $$
        exec '{sys.executable}' "$@"
    """.replace("        ", "")
    )
    mortal.chmod(0o755)

    try:
        async with python(ProcessRunner(clock=SystemClock(), python=str(mortal)), "print(1)") as process:
            told = (await process.wait()).output.decode().strip()
    except CannotError as error:
        told = str(error)

    assert said in told
    assert (tmp_path / "starts").read_text() == "\n" * 2


async def test_a_stopped_guard_does_not_hold_us(runner: ProcessRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guard that does not act is ended from here, and the program with it."""
    monkeypatch.setattr(guarded, "FORCE_AFTER_S", 0.1)
    async with python(runner, "import time; time.sleep(600)") as process:
        guard = psutil.Process(process.pid).parent()
        assert guard is not None
        guard.suspend()

        async with asyncio.timeout(20):
            ended = await process.kill()

        assert ended.killed
        await until(lambda: not lives(process.pid) and not lives(guard.pid))


async def test_a_daemon_that_got_away_does_not_hold_us(runner: ProcessRunner, tmp_path: Path) -> None:
    """When guard and program are gone, a process that still holds their pipes is not waited for."""
    note = tmp_path / "daemon"
    async with python(runner, DAEMON + f"daemonise({str(note)!r})\ntime.sleep(600)\n") as process:
        await until(note.exists)
        daemon = int(note.read_text())
        guard = psutil.Process(process.pid).parent()
        assert guard is not None
        try:
            guard.kill()

            async with asyncio.timeout(20):
                await process.wait()

            assert lives(daemon)
        finally:
            os.kill(daemon, signal.SIGKILL)


async def test_a_program_that_is_not_there_is_named(runner: ProcessRunner, tmp_path: Path) -> None:
    """The message names the program and the reason."""
    absent = str(tmp_path / "python")

    with pytest.raises(CannotError, match="python cannot be run: No such file") as caught:
        async with runner.start([absent], cwd=tmp_path, env={}):
            pytest.fail("started")

    assert caught.value.hint


async def test_a_folder_that_is_not_there_is_named(runner: ProcessRunner, tmp_path: Path) -> None:
    """The folder is the project's, so the error is about the project."""
    with pytest.raises(ProjectError, match="absent cannot be entered"):
        async with runner.start(["/bin/sh"], cwd=tmp_path / "absent", env={}):
            pytest.fail("started")


async def test_a_name_is_found_on_the_path_that_is_given(runner: ProcessRunner, tmp_path: Path) -> None:
    """A program may be named without its folder, and the PATH is the given environment's."""
    (tmp_path / "tool").write_text("#!/bin/sh\necho found\n")
    (tmp_path / "tool").chmod(0o700)

    async with runner.start(["tool"], cwd=ROOT, env={"PATH": f"{tmp_path}:/bin:/usr/bin"}) as process:
        ended = await process.wait()

    assert ended.output == b"found\n"


@pytest.mark.parametrize("turns", [0, 1, 2, 5, 20])
async def test_a_caller_cancelled_while_starting_leaves_nothing(runner: ProcessRunner, turns: int) -> None:
    """At whatever moment of the start a caller is cancelled, it ends as cancelled and no process stays."""

    async def start() -> None:
        async with python(runner, "import time; time.sleep(600)") as process:
            await process.wait()

    task = asyncio.create_task(start())
    for _ in range(turns):
        await asyncio.sleep(0)

    task.cancel()
    async with asyncio.timeout(20):
        await asyncio.wait({task})

    assert task.cancelled()
    assert [child for child in psutil.Process().children() if lives(child.pid)] == []


async def test_a_caller_cancelled_again_and_again_leaves_nothing(runner: ProcessRunner) -> None:
    """Cancelling a caller that is already on its way out does not leave its program behind."""
    began = asyncio.Event()
    pids = []

    async def start() -> None:
        async with python(runner, "import time; time.sleep(600)") as process:
            pids.append(process.pid)
            began.set()
            await process.wait()

    task = asyncio.create_task(start())
    await began.wait()
    while not task.done():
        task.cancel()
        await asyncio.sleep(0.01)

    assert task.cancelled()
    assert not lives(pids[0])


async def test_nothing_is_left_behind(runner: ProcessRunner) -> None:
    """Twenty programs later there are as many descriptors, tasks and children as before."""
    await run(runner, "print(1)")
    open_before, tasks_before = descriptors(), len(asyncio.all_tasks())

    for number in range(20):
        async with python(runner, "import time; time.sleep(0 if 'a' in __import__('sys').argv else 600)") as process:
            if number % 2:
                await process.kill()
    for _ in range(5):
        await run(runner, "print(1)")

    await until(lambda: descriptors() <= open_before)
    assert len(asyncio.all_tasks()) == tasks_before
    assert psutil.Process().children() == []


async def test_the_last_output_is_dated(runner: ProcessRunner) -> None:
    """A hang guard can tell since when a program is silent."""
    clock = SystemClock()
    async with python(runner, "import time\nwhile True:\n    print(1, flush=True); time.sleep(0.05)") as process:
        started = clock.monotonic()
        await until(lambda: process.last_output_at > started)

        assert process.last_output_at <= clock.monotonic()
