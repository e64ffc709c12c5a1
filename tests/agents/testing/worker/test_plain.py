"""The worker by itself, in real pytest: that it is `python -m pytest`, and what it tells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_long_text_is_cut_in_its_middle(tmp_path: Path, write: Callable[..., None], work: Callable[..., Any]) -> None:
    """The beginning and the end of a failure tell most."""
    write(tmp_path, test_a="def test_a():\n    print('begin', 'x' * 200_000, 'end')\n    assert 0\n")

    told = work(tmp_path)

    text = told.one("end")["text"]
    assert len(text) < 70_000
    assert "characters left out" in text
    assert text.rstrip().endswith("end")


def test_it_looks_like_python_m_pytest(tmp_path: Path, write: Callable[..., None], work: Callable[..., Any]) -> None:
    """What a test sees of its interpreter is the same under both."""
    write(
        tmp_path,
        test_a="""
        import json, os, sys
        def test_a():
            main = sys.modules["__main__"]
            own = ("PYTEST_CURRENT_TEST", "PYTEST_VERSION", "_")
            seen = {
                "argv": sys.argv,
                "path": sys.path,
                "main": [main.__file__, main.__spec__.name, main.__package__],
                "environment": {k: v for k, v in os.environ.items() if k not in own},
                "flags": str(sys.flags),
            }
            with open(os.environ["SEEN"], "w") as file:
                json.dump(seen, file)
        """,
    )
    seen = [tmp_path / "worker.json", tmp_path / "pytest.json"]
    arguments = ["-q", "-p", "no:cacheprovider"]

    work(tmp_path, *arguments, SEEN=str(seen[0]))
    env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "SEEN": str(seen[1])}
    subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=tmp_path, env=env, check=True, capture_output=True)

    under_worker, under_pytest = (json.loads(path.read_text()) for path in seen)
    under_worker["environment"].pop("SEEN")
    under_pytest["environment"].pop("SEEN")
    assert under_worker == under_pytest


def test_the_working_folder_is_not_imported_from_when_python_is_told_so(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any]
) -> None:
    """PYTHONSAFEPATH holds, as it does for `python -m pytest`."""
    write(tmp_path, test_a="import sys, os\ndef test_a(): assert os.getcwd() not in sys.path\n")

    told = work(tmp_path, "--import-mode=importlib", PYTHONSAFEPATH="1")

    assert told.outcomes == {"test_a": "passed"}


def test_multiprocessing_does_not_run_it_again(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any]
) -> None:
    """A spawned process imports the main module, which must not start pytest a second time."""
    write(
        tmp_path,
        test_a="""
        import multiprocessing
        def double(x): return 2 * x
        def test_a():
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                assert pool.map(double, [21]) == [42]
        """,
    )

    told = work(tmp_path)

    assert told.outcomes == {"test_a": "passed"}
    assert told.kinds.count("session") == 1


def test_forked_tests_do_not_speak(tmp_path: Path, write: Callable[..., None], work: Callable[..., Any]) -> None:
    """A child that a test forks and that runs on into pytest's own code tells nothing."""
    write(
        tmp_path,
        test_a="""
        import os, pytest
        def test_a(request):
            pid = os.fork()
            if not pid:
                request.config.hook.pytest_runtest_logstart(nodeid="from the child", location=("", 0, ""))
                os._exit(0)
            os.waitpid(pid, 0)
        """,
    )

    told = work(tmp_path, "-W", "ignore")

    assert [line["id"] for line in told.all("start")] == ["test_a.py::test_a"]


def test_programs_that_tests_start_do_not_hold_the_channel(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any]
) -> None:
    """A test's program that lives on, started without closing descriptors, does not keep the channel open."""
    write(
        tmp_path,
        test_a="""
        import os, subprocess, sys
        def test_a():
            code = "import os; print(os.listdir('/proc/self/fd')); print('WATCHKEEPER_RESULTS_FD' in os.environ)"
            out = subprocess.run([sys.executable, "-c", code], close_fds=False, capture_output=True, text=True).stdout
            listed, named = out.splitlines()
            assert len(eval(listed)) <= 4 and named == "False"
        """,
    )

    assert work(tmp_path, "-s").outcomes == {"test_a": "passed"}


def test_a_descriptor_that_a_test_closed_is_not_written_to(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any]
) -> None:
    """When a test closes all descriptors, and its own file gets our number, that file stays clean."""
    write(
        tmp_path,
        test_a="""
        import os, fcntl
        def test_a():
            os.closerange(100, 200)
            file = os.open("own.txt", os.O_WRONLY | os.O_CREAT)
            fcntl.fcntl(file, fcntl.F_DUPFD, 100)
        """,
    )

    told = work(tmp_path, "-s")

    assert (tmp_path / "own.txt").read_bytes() == b""
    assert told.all("finish") == []


def test_fakes_of_the_system_do_not_reach_it(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any]
) -> None:
    """A suite that replaces functions of `os` for its whole session (pyfakefs does) loses no result."""
    write(
        tmp_path,
        conftest="""
        import os, sys, pytest
        def broken(*arguments): raise OSError("fake")
        @pytest.fixture(scope="session", autouse=True)
        def fake():
            with pytest.MonkeyPatch.context() as patch:
                for name in ("write", "fstat", "getpid"):
                    patch.setattr(os, name, broken)
                yield
        """,
        test_a="def test_1(): pass\ndef test_2(): assert 0\n",
    )

    told = work(tmp_path, "-s")

    assert told.outcomes == {"test_1": "passed", "test_2": "failed"}


def test_a_file_that_cannot_be_imported_is_told(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any]
) -> None:
    """Its node id is the file's, its text is the traceback, and the rest is collected."""
    write(tmp_path, test_bad="import absent_module", test_good="def test_a(): pass", test_syntax="def (:")

    told = work(tmp_path)

    errors = {line["id"]: line["text"] for line in told.all("collect-error")}
    assert set(errors) == {"test_bad.py", "test_syntax.py"}
    assert "absent_module" in errors["test_bad.py"]
    assert "SyntaxError" in errors["test_syntax.py"]
    assert told.one("collected")["count"] == 1
    assert told.one("finish")["exit"] == 2


@pytest.mark.parametrize("folder", ["", "sub__"])
def test_a_conftest_that_cannot_be_imported_is_told(
    tmp_path: Path, folder: str, write: Callable[..., None], work: Callable[..., Any]
) -> None:
    """pytest calls the one at the root a usage error; a person wants to see the import."""  # noqa: D403 - its name
    write(tmp_path, **{f"{folder}conftest": "import absent_module", f"{folder}test_a": "def test_a(): pass"})

    told = work(tmp_path)

    text = told.one("collect-error")["text"]
    assert "absent_module" in text
    assert "conftest.py" in text
    assert told.one("finish")["exit"] in (2, 4)


def test_what_tests_write_into_the_project_is_told(
    tmp_path: Path, write: Callable[..., None], work: Callable[..., Any]
) -> None:
    """Each file once, before it is written; what is only read or lies elsewhere is not told."""
    outside = tmp_path / "outside"
    inside = tmp_path / "project"
    outside.mkdir()
    write(
        inside,
        test_a="""
        import os, pathlib, sqlite3
        def test_a(tmp_path):
            os.makedirs("made", exist_ok=True)
            for _ in range(3):
                open("made/opened.txt", "w").close()
            pathlib.Path("made/moved.txt").write_text("x")
            os.rename("made/moved.txt", "made/to.txt")
            sqlite3.connect("base.db").close()
            open("test_a.py").close()
            (tmp_path / "elsewhere.txt").write_text("x")
            os.chdir(tmp_path)
            open("also-elsewhere.txt", "w").close()
        """,
    )

    told = work(inside, "-p", "no:cacheprovider", f"--basetemp={outside}")

    assert [line["path"] for line in told.all("wrote")] == [
        "made/opened.txt",
        "made/moved.txt",
        "made/to.txt",
        "base.db",
    ]


def test_names_that_are_no_text_pass(tmp_path: Path, write: Callable[..., None], work: Callable[..., Any]) -> None:
    """Lone surrogates in ids and output reach the other side as JSON."""
    write(
        tmp_path,
        test_a=r"""
        import pytest
        @pytest.mark.parametrize("x", [1], ids=["\udcff"])
        def test_a(x):
            assert "\udcff" == 1
        """,
    )

    told = work(tmp_path)

    assert told.one("end")["outcome"] == "failed"


def test_a_missing_pytest_is_told(tmp_path: Path, work: Callable[..., Any]) -> None:
    """A bare interpreter has none; nothing else is told."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)

    told = work(tmp_path, python=str(tmp_path / "bare" / "bin" / "python"))

    assert told.kinds == ["no-pytest"]
    assert told.one("no-pytest")["name"] == "pytest"
    assert told.code == 4


def test_a_file_that_hides_pytest_is_told(tmp_path: Path, write: Callable[..., None], work: Callable[..., Any]) -> None:
    """A project's own pytest.py is imported in pytest's place, as it would be by python -m pytest."""
    write(tmp_path, pytest="")

    assert work(tmp_path).kinds == ["no-pytest"]


def test_an_early_stop_is_told(tmp_path: Path, write: Callable[..., None], work: Callable[..., Any]) -> None:
    """With -x in the project's configuration, the rest did not run."""
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -x\n")
    write(tmp_path, test_a="def test_1(): assert 0\ndef test_2(): pass\n")

    told = work(tmp_path)

    assert "stopping after 1 failures" in told.one("stopped")["why"]
    assert len(told.all("end")) == 1


def test_the_users_options_hold(tmp_path: Path, write: Callable[..., None], work: Callable[..., Any]) -> None:
    """PYTEST_ADDOPTS, the configuration and our arguments add up, as they do for python -m pytest."""
    write(tmp_path, test_a="def test_1(): pass\ndef test_2(): pass\ndef test_3(): pass\n")

    told = work(tmp_path, "-k", "not 1", PYTEST_ADDOPTS="--deselect test_a.py::test_2")

    assert told.outcomes == {"test_3": "passed"}


def test_nothing_is_left_in_the_project(tmp_path: Path, write: Callable[..., None], work: Callable[..., Any]) -> None:
    """What lies in the project afterwards is what pytest itself leaves."""
    write(tmp_path, test_a="def test_a(): pass\n")

    work(tmp_path)

    assert {each.name for each in tmp_path.iterdir()} <= {"test_a.py", ".pytest_cache", "__pycache__"}
