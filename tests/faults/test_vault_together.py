"""Many programs and many threads change one vault at once: nothing is lost, and their log is one chain."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from app.keys.log.chain import Action
from tests.faults.vaults import REPOSITORY, Place, put

if TYPE_CHECKING:
    from pathlib import Path

PROCESSES, WRITES = 8, 25
READERS, READS = 4, 500

WRITER = """
import sys
from pathlib import Path
from tests.faults.vaults import Place, put

vault = Place(Path(sys.argv[1])).opened()
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    put(vault, f"P{sys.argv[2]}_N{number}", f"{sys.argv[2]}/{number}".encode())
vault.lock()
"""

READER = """
import sys
from pathlib import Path
from tests.faults.vaults import Place

vault = Place(Path(sys.argv[1])).opened()
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[3])):
    assert vault.get("A") == b"value"
"""


def at_once(program: str, place: Place, processes: int, rounds: int) -> list[tuple[int, str]]:
    """Have programs begin together when all are ready, and return the code and the errors that each ended with."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(place.root), str(number), str(rounds)],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    for each in started:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    for each in started:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    errors = [each.communicate(timeout=50)[1] for each in started]
    return [(each.returncode, error) for each, error in zip(started, errors, strict=True)]


def test_eight_programs_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    """All 200 values are there, each save is one generation, and the log has a line for each, in a chain that holds."""
    place = Place(tmp_path)
    vault = place.make()
    before = vault.contents.document.generation

    ended = at_once(WRITER, place, PROCESSES, WRITES)

    contents = place.opened().contents
    assert ended == [(0, "")] * PROCESSES
    assert {about.name: contents.value(about.name) for about in contents.abouts} == {
        f"P{process}_N{number}": f"{process}/{number}".encode()
        for process in range(PROCESSES)
        for number in range(WRITES)
    }
    assert contents.document.generation == before + PROCESSES * WRITES
    assert vault.get("P0_N0") == b"0/0"
    report = place.log.verify(vault.log_keys(), vault.anchored())
    told = [line.access.name for line in place.log.lines(10_000) if line.access.action is Action.SET]
    assert report.problems == ()
    assert sorted(told) == sorted(about.name for about in contents.abouts)
    assert vault.anchored() is not None


def test_programs_that_read_at_once_have_each_their_lines_in_one_chain(tmp_path: Path) -> None:
    """No read waits for the vault's own lock, and still each has its line, in a chain that holds."""
    place = Place(tmp_path)
    vault = place.make(A=b"value")

    ended = at_once(READER, place, READERS, READS)

    assert ended == [(0, "")] * READERS
    assert place.log.verify(vault.log_keys(), vault.anchored()).problems == ()
    told = [line for line in place.log.lines(100_000) if line.access.action is Action.GET]
    assert len(told) == READERS * READS


def test_threads_that_write_read_and_lock_at_once_neither_hang_nor_lose(tmp_path: Path) -> None:
    """One vault shared by threads that set, get and look at the log, while another program saves, comes to an end."""
    place = Place(tmp_path)
    shared, other = place.make(A=b"value"), place.opened()
    troubles: list[BaseException] = []

    def repeated(act: object) -> None:
        try:
            for number in range(15):
                act(number)  # type: ignore[operator]
        except BaseException as error:  # noqa: BLE001 - told below
            troubles.append(error)

    acts = (
        lambda number: put(shared, f"S{number}", b"value"),
        lambda number: put(other, f"O{number}", b"value"),
        lambda _: shared.get("A"),
        lambda _: shared.anchor_log(),
        lambda _: place.log.verify(shared.log_keys(), None),
    )
    threads = [threading.Thread(target=repeated, args=(act,), daemon=True) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(40)

    assert troubles == []
    assert not any(thread.is_alive() for thread in threads)
    names = {about.name for about in place.opened().contents.abouts}
    assert names == {"A", *(f"{letter}{number}" for letter in "SO" for number in range(15))}
    assert place.log.verify(shared.log_keys(), shared.anchored()).problems == ()
