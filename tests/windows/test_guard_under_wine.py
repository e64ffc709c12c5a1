"""The guard under Windows' CPython: its job, the handles that it hands on, and the end of all that it started."""

from __future__ import annotations

import errno
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

TREE_ENDS_S = 3.0
"""What `app.engine.processes` promises of an end."""

# A parent like the guard, without the job that ends the worker: it forwards the results, ends the orders when told to,
# and tells the worker's exit code.
PARENT = """
import msvcrt, os, subprocess, sys, threading
ours, results = os.pipe()
orders, theirs = os.pipe()
handles = [msvcrt.get_osfhandle(descriptor) for descriptor in (results, orders)]
for handle in handles:
    os.set_handle_inheritable(handle, True)
env = dict(os.environ, WATCHKEEPER_RESULTS_FD=str(handles[0]), WATCHKEEPER_ORDERS_FD=str(handles[1]))
startup = subprocess.STARTUPINFO(lpAttributeList={"handle_list": handles})
program = subprocess.Popen(
    sys.argv[2:], cwd=sys.argv[1], env=env, stdin=subprocess.DEVNULL, stdout=2, stderr=2, startupinfo=startup
)
os.close(results)
os.close(orders)

def end_orders():
    while content := os.read(0, 65536):
        os.write(theirs, content)
    os.close(theirs)

threading.Thread(target=end_orders, daemon=True).start()
while content := os.read(ours, 65536):
    os.write(1, content)
os.write(1, b'{"exit": %d}\\n' % program.wait())
os._exit(0)
"""

# What a virtual environment's python.exe is on Windows: it starts the real one, which inherits what it inherited.
REDIRECTOR = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:], close_fds=False))"


def test_the_end_of_watchkeeper_ends_the_whole_tree(windows: Any, tmp_path: Path) -> None:
    """When the guard's stdin closes, worker, hanging test and the test's own child are gone within 3 s."""
    before = windows.programs()
    windows.write(
        tmp_path,
        {
            "test_hangs.py": """
            import subprocess
            import sys
            import time

            def test_hangs():
                subprocess.Popen([sys.executable, "-c", "import time; open('child-runs', 'w'); time.sleep(600)"])
                time.sleep(600)
            """
        },
    )
    worker = windows.worker(tmp_path)
    worker.run_all()
    worker.until(kind="start")
    windows.seconds_until(lambda programs: len(programs - before) == 3 and (tmp_path / "child-runs").exists())
    running = windows.programs() - before

    worker.close_stdin()
    seconds = windows.seconds_until(lambda programs: not programs & running)

    assert len(running) == 3
    assert seconds < TREE_ENDS_S
    assert worker.until(guard="ended")["code"] != 0
    worker.wait()


def test_the_end_of_the_guard_ends_the_whole_tree(windows: Any, tmp_path: Path) -> None:
    """A guard that is killed takes what it guards with it: nothing of a run is left behind."""
    before = windows.programs()
    worker = windows.worker(tmp_path)
    worker.send({"do": "warm"})
    worker.until(kind="ready")
    running = windows.programs() - before

    worker.kill()
    seconds = windows.seconds_until(lambda programs: not programs & running)

    assert len(running) == 2
    assert seconds < TREE_ENDS_S


@pytest.mark.parametrize("waits_for", ["ready", "loaded"])
def test_a_spare_ends_when_its_orders_do(windows: Any, tmp_path: Path, waits_for: str) -> None:
    """A spare that waits, before the conftests or before the tests, ends by itself when nobody can tell it more."""
    spare = windows.run("-c", PARENT, windows.path(tmp_path), *windows.worker_argv())
    spare.send({"do": "warm"}, *([{"do": "load"}] if waits_for == "loaded" else []))
    spare.until(kind=waits_for)

    spare.close_stdin()

    assert spare.until(exit=0)
    spare.wait()
    assert spare.all("finish") == []


def test_a_program_that_a_test_leaves_behind_holds_no_channel(windows: Any, tmp_path: Path) -> None:
    """Not even one that inherits every handle it can: the results end with the worker."""
    windows.write(
        tmp_path,
        {
            "test_leaves.py": """
            import subprocess
            import sys

            def test_leaves():
                held = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
                subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], close_fds=False, **held)
            """
        },
    )
    before = windows.programs()
    worker = windows.run("-c", PARENT, windows.path(tmp_path), *windows.worker_argv("-p", "no:unraisableexception"))

    worker.run_all()
    worker.until(exit=0)
    windows.seconds_until(lambda programs: len(programs - before) == 1)
    left = windows.programs() - before
    for pid in left:
        os.kill(pid, signal.SIGKILL)

    assert len(left) == 1
    assert worker.outcomes() == {"test_leaves.py::test_leaves": "passed"}
    worker.wait()


def test_it_works_behind_the_python_of_a_virtual_environment(windows: Any, tmp_path: Path) -> None:
    """The two handles go through a python.exe that only starts another one, and the orders reach that one."""
    windows.write(tmp_path, {"test_one.py": "def test_one():\n    pass\n"})
    worker = windows.guard(tmp_path, [windows.python, "-c", REDIRECTOR, *windows.worker_argv()])

    worker.run_all()

    assert worker.until(guard="ended")["code"] == 0
    assert worker.outcomes() == {"test_one.py::test_one": "passed"}
    worker.wait()


@pytest.mark.parametrize(
    ("folder", "program", "what"), [("", "no-such-python.exe", "program"), ("no-such-folder", "", "folder")]
)
def test_the_guard_says_what_cannot_be_started(
    windows: Any, tmp_path: Path, folder: str, program: str, what: str
) -> None:
    """A Python that is gone and a folder that is gone are told apart, as Windows' own errors are one and the same."""
    guard = windows.guard(tmp_path / folder, [program or windows.python])

    failed = guard.until(guard="failed")

    assert failed["what"] == what
    assert failed["errno"] in {errno.ENOENT, errno.ENOTDIR}
    guard.wait()


def test_orders_longer_than_a_pipe_arrive_whole(windows: Any, tmp_path: Path) -> None:
    """An order that names thousands of tests comes while the worker is still starting, and nothing of it is lost."""
    names = [f"test_{number:05}" for number in range(5000)]
    body = "\n".join(f"def {name}(): pass" for name in names[:3])
    windows.write(tmp_path, {"test_many.py": body + "\n"})
    chunk = {"path": "test_many.py", "only": [f"test_many.py::{name}" for name in names[2:]], "leave": [], "probe": []}
    worker = windows.worker(tmp_path)

    worker.run_all(chunks=[chunk], rest=False)

    assert worker.until(guard="ended")["code"] == 0
    assert worker.outcomes() == {"test_many.py::test_00002": "passed"}
    worker.wait()
