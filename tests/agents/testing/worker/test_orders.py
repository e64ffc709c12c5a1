"""Where a worker waits, what it tells there, and what it does when it is told to go on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from app.agents.testing.running.launch import worker_argv

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_the_rest_runs_at_low_priority(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """From its beginning on; what comes before runs at the priority that was ordered."""
    ordered = os.nice(0) + 3
    write(
        tmp_path,
        test_a=f"import os\ndef test_a(): assert os.nice(0) == {ordered}\n",
        test_b=f"import os\ndef test_b(): assert os.nice(0) == {max(10, ordered)}\n",
    )

    told = work(tmp_path, orders=run_order("test_a.py", nice=ordered))

    assert told.outcomes == {"test_a": "passed", "test_b": "passed"}


def test_without_chunks_the_priority_stays(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """A whole run is what people wait for."""
    write(tmp_path, test_a=f"import os\ndef test_a(): assert os.nice(0) == {os.nice(0)}\n")

    told = work(tmp_path, orders=run_order())

    assert told.outcomes == {"test_a": "passed"}
    assert told.all("stage") == []


def test_it_ends_when_nobody_is_there_to_give_an_order(tmp_path: Path, work: Callable[..., Any]) -> None:
    """The end of the orders is the end of the worker, wherever it waits, and without a word."""
    ends = [work(tmp_path, orders=orders) for orders in ([], [{"do": "warm"}], [{"do": "warm"}, {"do": "load"}])]

    assert [told.kinds for told in ends] == [[], ["ready"], ["ready", "session", "loaded"]]
    assert [told.code for told in ends] == [0, 0, 0]


def test_what_a_waiting_worker_knows_of_the_project_is_told(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """A spare is stale once a file of these has changed."""
    write(
        tmp_path,
        plugged="import json\n",
        conftest="import helper\nopen('data.txt').close()\n",
        helper="",
        test_a="def test_a(): pass",
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p plugged\n")
    (tmp_path / "data.txt").write_text("")

    told = work(tmp_path, orders=run_order("test_a.py"))

    assert told.one("ready")["files"] == ["plugged.py"]
    assert told.one("ready")["read"] == ["pytest.ini"]
    assert told.one("loaded")["files"] == ["conftest.py", "helper.py", "plugged.py"]
    assert set(told.one("loaded")["read"]) == {"data.txt", "pytest.ini"}


def test_modules_are_imported_ahead(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """Before any conftest; one that cannot be imported, or wants to end the process, is passed over."""
    outside = tmp_path / "outside"
    inside = tmp_path / "inside"
    write(outside, exits="raise SystemExit(3)", warns="import warnings\nwarnings.warn('x')\n", plain="import sys\n")
    write(
        inside,
        conftest="import sys\nassert 'plain' in sys.modules\nassert 'colorsys' in sys.modules\n",
        test_a="def test_a(): pass",
    )
    orders = run_order("test_a.py")
    orders[0]["preload"] = ["exits", "absent_module", "warns", "plain", "colorsys", "a..b", ""]

    told = work(inside, orders=orders, PYTHONPATH=str(outside))

    ready = told.one("ready")
    assert told.outcomes == {"test_a": "passed"}
    assert ready["warned"] == ["warns"]
    assert 10_000_000 < ready["rss"] < 500_000_000
    assert ready["modules"] > 100


def test_plugins_of_the_environment_are_rewritten_before_anything_is_imported_ahead(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """Pytest warns of a plugin's module that was imported too early, and could not rewrite its assertions."""
    write(tmp_path, plugged="import plugged_too\n", plugged_too="", test_a="def test_a(): pass")
    orders = run_order("test_a.py")
    orders[0]["preload"] = ["plugged", "plugged_too"]

    told = work(tmp_path, "-p", "plugged", "-W", "error", orders=orders)

    assert told.outcomes == {"test_a": "passed"}


def test_orders_do_not_reach_what_tests_start(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any], run_order: Callable[..., Any]
) -> None:
    """Neither the variable nor the descriptor."""
    write(
        tmp_path,
        test_a="""
        import os, subprocess, sys
        def test_a():
            code = "import os; print(os.listdir('/proc/self/fd')); print([k for k in os.environ if 'WATCHKEEPER' in k])"
            out = subprocess.run([sys.executable, "-c", code], close_fds=False, capture_output=True, text=True).stdout
            listed, named = out.splitlines()
            assert len(eval(listed)) <= 4 and named == "[]"
        """,
    )

    told = work(tmp_path, "-s", orders=run_order("test_a.py"))

    assert told.outcomes == {"test_a": "passed"}


def test_a_result_does_not_wait_for_the_next_file(
    tmp_path: Path, write: Callable[..., None], run_order: Callable[..., Any]
) -> None:
    """The last end of a chunk is told before the next file is read: here that one never ends by itself."""
    write(tmp_path, test_a="def test_a(): pass", test_b="import time\ntime.sleep(60)\n")
    reading, writing = os.pipe()
    taking, giving = os.pipe()
    env = {**os.environ, "WATCHKEEPER_RESULTS_FD": str(writing), "WATCHKEEPER_ORDERS_FD": str(taking)}
    os.write(giving, b"".join(json.dumps(order).encode() + b"\n" for order in run_order("test_a.py", "test_b.py")))

    process = subprocess.Popen(
        worker_argv(sys.executable, ["-p", "no:cacheprovider"]),
        cwd=tmp_path,
        env=env,
        stdout=subprocess.DEVNULL,
        pass_fds=(writing, taking),
    )
    os.close(writing)
    os.close(taking)
    try:
        with os.fdopen(reading, "rb") as results:
            told = next(line for line in results if json.loads(line)["kind"] == "end")
    finally:
        process.kill()
        process.wait()
        os.close(giving)

    assert json.loads(told)["id"] == "test_a.py::test_a"
