"""The log: ordered, bounded, private, free of secrets, and nothing escapes it."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import stat
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from app.engine import logs
from app.engine.logs import LogRing, configure
from app.engine.places import Places

if TYPE_CHECKING:
    from collections.abc import Iterator

CANARY = "canary-4711-secret"
KEY = "sk-proj-Abcdefghijklmnop1234"


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(*(tmp_path / name for name in ("settings", "data", "cache", "logs", "runtime")))


@pytest.fixture
def ring() -> LogRing:
    return LogRing()


@pytest.fixture
def log(places: Places, ring: LogRing) -> Iterator[logs.Logging]:
    with configure(places, "info", ring=ring) as session:
        session.redactor.register(CANARY)
        yield session


def texts(ring: LogRing) -> list[str]:
    return [line.text for line in ring.after(0)]


def records(places: Places) -> list[dict[str, Any]]:
    return [json.loads(line) for line in places.log_file("watchkeeper").read_text().splitlines()]


@pytest.mark.usefixtures("log")
def test_a_line_reaches_ring_and_file(ring: LogRing, places: Places) -> None:
    """What is said in plain words with values is kept in both, with its level and where it came from."""
    structlog.get_logger("app.some.room").info("run finished", project="/a b", count=3)

    (line,) = ring.after(0)
    (record,) = records(places)
    assert (line.seq, line.level, line.logger) == (1, "info", "app.some.room")
    assert line.text == "run finished  project='/a b' count=3"
    assert record["event"] == "run finished"
    assert (record["level"], record["logger"], record["project"]) == ("info", "app.some.room", "/a b")
    assert record["at"] == line.at


@pytest.mark.usefixtures("log")
def test_the_level_counts_for_our_own_loggers_and_warnings_for_all(ring: LogRing) -> None:
    """A library's chatter is left out, its warnings are kept, and our own debug lines follow the setting."""
    structlog.get_logger("app.room").debug("hidden")
    logging.getLogger("watchdog.observers").info("hidden")
    logging.getLogger("asyncio").warning("took %s", "long")
    logging.getLogger("alembic").error("hm")
    structlog.get_logger("app.room").info("shown")

    assert texts(ring) == ["took long", "hm", "shown"]


def test_the_level_can_be_changed_on_the_way(log: logs.Logging, ring: LogRing) -> None:
    """The log begins before the settings are read, and follows them from then on."""
    room = structlog.get_logger("app.room")

    room.debug("hidden")
    log.set_level("debug")
    room.debug("shown")
    log.set_level("error")
    room.warning("hidden")
    logging.getLogger("library").warning("hidden")

    assert texts(ring) == ["shown"]


@pytest.mark.usefixtures("log")
def test_a_failed_task_of_asyncio_is_logged_with_its_traceback(ring: LogRing) -> None:
    """What only the loop's exception handler learns of is in the log."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_exception_handler({"message": "Task exception was never retrieved", "exception": ValueError("boo")})

    asyncio.run(main())

    assert "never retrieved" in texts(ring)[0]
    assert "ValueError: boo" in texts(ring)[0]


@pytest.mark.usefixtures("log")
def test_a_traceback_is_in_both(ring: LogRing, places: Places) -> None:
    """An exception is kept with where it came from."""
    try:
        raise RuntimeError("no good")  # noqa: TRY301 - it is caught to be logged
    except RuntimeError:
        structlog.get_logger("app.room").exception("it failed")
        logging.getLogger("library").exception("it failed too")

    for text, record in zip(texts(ring), records(places), strict=True):
        assert "it failed" in text
        assert "RuntimeError: no good" in text
        assert "RuntimeError: no good" in record["traceback"]
        assert text.count("Traceback") == 1


@pytest.mark.usefixtures("log")
def test_lines_of_one_level_share_its_name(ring: LogRing) -> None:
    """Two thousand lines in memory do not each hold a text of their own for their level and their logger."""
    for number in range(2):
        structlog.get_logger("app.room").warning("line", number=number)

    first, second = ring.after(0)
    assert first.level == "warning"
    assert first.level is second.level
    assert first.logger is second.logger


def leak(secret: str) -> None:
    log = structlog.get_logger("app.room")
    log.info(f"value {secret}")  # noqa: G004 - how a careless line looks
    log.info("in a value", value={"a": [secret]}, password=f"x{secret[:3]}", token=12345)
    log.info("bytes", value=secret.encode())
    logging.getLogger("library").warning("arg %s", secret)
    try:
        raise ValueError(secret)  # noqa: TRY301 - it is caught to be logged
    except ValueError:
        log.exception("raised")
        logging.getLogger("library").exception("raised")
    warnings.showwarning(f"about {secret}", UserWarning, "file.py", 3)
    thread = threading.Thread(target=lambda: (_ for _ in ()).throw(ValueError(secret)))
    thread.start()
    thread.join()
    sys.excepthook(ValueError, ValueError(secret), None)
    sys.unraisablehook(_Unraisable(secret))  # type: ignore[arg-type]
    structlog.get_logger("app.room").info("x" * (2 * logs.LONGEST_LINE - 30) + secret + "y" * 100)


class _Unraisable:
    err_msg = "ignored"
    object = None
    exc_traceback = None
    exc_type = ValueError

    def __init__(self, secret: str) -> None:
        self.exc_value = ValueError(secret)


@pytest.mark.parametrize("secret", [CANARY, KEY])
def test_no_canary_is_in_any_file_ring_or_stream(
    places: Places, ring: LogRing, tmp_path: Path, capfd: pytest.CaptureFixture[str], secret: str
) -> None:
    """Whatever way a secret takes into the log, no byte of it comes out, and the file stays JSON."""
    stream = io.StringIO()
    with configure(places, "debug", ring=ring, stream=stream) as session:
        session.redactor.register(CANARY)

        leak(secret)

    assert len(ring.after(0)) == 11
    everything = "\n".join(texts(ring)) + stream.getvalue() + "".join(capfd.readouterr())
    everything += "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert "value [redacted]" in everything
    assert secret not in everything
    assert secret[4:] not in everything
    assert "12345" not in everything
    assert len(records(places)) == 11


@pytest.mark.usefixtures("log")
def test_what_nobody_catches_is_logged_and_not_printed(ring: LogRing, capfd: pytest.CaptureFixture[str]) -> None:
    """Exceptions of threads and of the main thread, those in `__del__`, and warnings end up in the log."""
    leak("nothing of note")

    found = "\n".join(texts(ring))
    for words in ("nobody caught", "ended a thread", "ignored", "UserWarning"):
        assert words in found
    assert capfd.readouterr() == ("", "")


def test_everything_is_given_back_at_the_end(places: Places, ring: LogRing) -> None:
    """After the log is closed, hooks, loggers and structlog are as before."""
    before = (sys.excepthook, threading.excepthook, sys.unraisablehook, warnings.showwarning)
    root = (logging.getLogger().level, list(logging.getLogger().handlers))

    with configure(places, "info", ring=ring):
        pass

    assert (sys.excepthook, threading.excepthook, sys.unraisablehook, warnings.showwarning) == before
    assert (logging.getLogger().level, list(logging.getLogger().handlers)) == root
    assert not structlog.is_configured()


def test_files_are_private_and_bounded(places: Places, ring: LogRing, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log rotates within its bounds, and no file of it may be read by others."""
    monkeypatch.setattr(logs, "FILE_BYTES", 20_000)
    with configure(places, "info", ring=ring):
        for number in range(3000):
            structlog.get_logger("app.room").info("a line", number=number)

    files = list(places.logs.iterdir())
    assert len(files) == logs.FILES
    assert all(path.stat().st_size <= 20_000 for path in files)
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE(places.logs.stat().st_mode) == 0o700


def test_without_a_place_for_files_the_ring_goes_on(places: Places, ring: LogRing) -> None:
    """A folder that cannot be made is told, in the log itself too."""
    places.logs.touch()

    with configure(places, "info", ring=ring) as session:
        structlog.get_logger("app.room").info("goes on")

    assert str(places.logs) in session.trouble
    assert texts(ring)[-1] == "goes on"
    assert "no log file" in texts(ring)[0]


def test_a_full_disk_raises_nothing(
    log: logs.Logging, ring: LogRing, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A line that cannot be written is in the ring, and the code that logs goes on."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    (file,) = (each for each in log._handlers if isinstance(each, logging.FileHandler))
    monkeypatch.setattr(file.stream, "write", full, raising=False)

    structlog.get_logger("app.room").info("still here")
    told = log.trouble
    monkeypatch.undo()
    structlog.get_logger("app.room").info("room again")

    assert texts(ring) == ["still here", "room again"]
    assert capfd.readouterr() == ("", "")
    assert told.endswith("No space left on device.")
    assert log.trouble == log.lost == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no file that is always full")
def test_a_log_on_a_full_disk_is_closed_all_the_same(places: Places, ring: LogRing) -> None:
    """Closing writes what waits, and cannot: the program ends as it would have, and what is lost is told."""
    places.logs.mkdir()
    places.log_file("watchkeeper").touch()
    with configure(places, "info", ring=ring) as log:
        (file,) = (each for each in log._handlers if isinstance(each, logging.FileHandler))
        before = file.setStream(Path("/dev/full").open("a", encoding="utf-8"))  # noqa: SIM115 - the handler closes it
        assert before is not None
        before.close()
        structlog.get_logger("app.room").info("the last line")

    assert log.lost == f"The log cannot be written in {places.logs}: No space left on device."
    assert texts(ring) == ["the last line"]


@pytest.mark.usefixtures("log")
def test_a_value_that_cannot_be_shown_loses_no_line(
    ring: LogRing, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failing `__repr__`, a wrong number of arguments, NaN and surrogates are survived, and the file stays JSON."""

    class Broken:
        def __repr__(self) -> str:
            raise ValueError("no repr")

    for handler in list(logging.getLogger().handlers):
        if type(handler).__module__.startswith("_pytest"):
            monkeypatch.setattr(handler, "emit", id)  # they are stricter than ours
    log = structlog.get_logger("app.room")
    log.info("broken", value=Broken(), many=float("nan"))
    log.info("name \udcff and \x1b[31m", path=Path("/a"))
    logging.getLogger("library").warning("%s %s", "one")  # noqa: PLE1206 - as a library may have it

    assert len(ring.after(0)) == 3
    assert len(records(places)) == 3
    assert "whose repr fails" in texts(ring)[0]


@pytest.mark.usefixtures("log")
def test_a_huge_record_is_cut(ring: LogRing, places: Places) -> None:
    """One line of 5 MB costs no more than the longest line, and says what was cut."""
    structlog.get_logger("app.room").info("x" * 5_000_000)

    assert len(texts(ring)[0]) < logs.LONGEST_LINE + 100
    assert "more)" in texts(ring)[0]
    assert places.log_file("watchkeeper").stat().st_size < 3 * logs.LONGEST_LINE
    assert records(places)[0]["event"].startswith("{")


def test_the_ring_is_ordered_by_number_whatever_the_clock_does() -> None:
    """Numbers grow by one, also when the wall clock goes back."""
    ring = LogRing()

    for at in (100.0, 50.0, 75.0):
        ring.append(at, "info", "app", f"{at}")

    assert [line.seq for line in ring.after(0)] == [1, 2, 3]
    assert [line.at for line in ring.after(1)] == [50.0, 75.0]


def test_the_ring_keeps_the_newest_and_a_reader_misses_nothing() -> None:
    """A reader gets the newest lines first, and then each further one in order, in pieces of its choice."""
    ring = LogRing(10)
    for number in range(1, 26):
        ring.append(0.0, "info", "app", str(number))

    newest = ring.after(0, 3)
    behind = ring.after(18, 4)

    assert [line.seq for line in newest] == [23, 24, 25]
    assert [line.seq for line in behind] == [19, 20, 21, 22]
    assert [line.seq for line in ring.after(2, 100)] == list(range(16, 26))
    assert ring.after(25) == ring.after(99) == ring.after(0, 0) == ()


def test_many_threads_share_the_ring() -> None:
    """Eight threads lose no line and no number."""
    ring = LogRing(10_000)
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        for _ in range(500):
            ring.append(0.0, "info", "app", "x")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [line.seq for line in ring.after(1, 10_000)] == list(range(2, 4001))


def test_an_interrupt_is_no_fault(places: Places) -> None:
    """Ctrl-C goes to Python's own hook, and is not logged as a fault."""
    program = f"""
import pathlib
from app.engine.logs import LogRing, configure
from app.engine.places import Places
ring = LogRing()
configure(Places(*[pathlib.Path({str(places.logs)!r})] * 5), "info", ring=ring)
raise {{}}
"""
    ends = [
        subprocess.run([sys.executable, "-c", program.format(name)], capture_output=True, text=True, check=False)
        for name in ("KeyboardInterrupt", "ValueError('boo')")
    ]

    assert "KeyboardInterrupt" in ends[0].stderr
    assert ends[1].stderr == ""
    assert ends[1].returncode == 1
    assert "boo" in places.log_file("watchkeeper").read_text()
    assert "KeyboardInterrupt" not in places.log_file("watchkeeper").read_text()
