"""Memory that was freed goes back to the system. Each case has a process of its own: the allocator is the process's."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from app.system.allocator import keep_no_spare_memory

ON_GLIBC = pytest.mark.skipif(sys.platform != "linux", reason="glibc is Linux's; its figures are read there alone")

_THREADS = """
import ctypes, io, json, os, re, sys, tempfile, threading
from app.system.allocator import keep_no_spare_memory

done = keep_no_spare_memory({}) if sys.argv[1] == "kept" else False
both = threading.Barrier(8)
held = []


def work():
    both.wait()
    held.append([bytes(2000) for _ in range(50)])
    both.wait()


threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
with tempfile.NamedTemporaryFile() as told:
    stream = ctypes.c_void_p(libc.fopen(told.name.encode(), b"w"))
    libc.malloc_info(0, stream)
    libc.fclose(stream)
    print(json.dumps({"done": done, "arenas": len(re.findall(rb"<heap ", told.read()))}))
"""

_BLOCKS = """
import json, sys
from app.system.allocator import keep_no_spare_memory
from app.system.vitals import rss_bytes

done = keep_no_spare_memory({}) if sys.argv[1] == "kept" else False
del (large := [bytearray(16 << 20)])[:]
before = rss_bytes()
blocks, between = [], []
for _ in range(24):
    blocks.append(bytearray(b"x" * (1 << 20)))
    between.append(bytes(5000))
del blocks
print(json.dumps({"done": done, "kept": rss_bytes() - before}))
"""


def _run(code: str, how: str) -> Any:
    ran = subprocess.run([sys.executable, "-c", code, how], capture_output=True, text=True, timeout=30, check=True)
    return json.loads(ran.stdout)


@ON_GLIBC
def test_threads_share_one_arena() -> None:
    """Eight threads that allocate at once take memory from one arena, where they had several before."""
    kept, usual = _run(_THREADS, "kept"), _run(_THREADS, "usual")

    assert kept == {"done": True, "arenas": 1}
    assert usual["arenas"] > 1


@ON_GLIBC
def test_blocks_that_were_freed_are_given_back() -> None:
    """After a block of 16 MiB was freed, those of one MiB go back as well, whatever small ones lie between them."""
    kept, usual = _run(_BLOCKS, "kept"), _run(_BLOCKS, "usual")

    assert kept["done"] is True
    assert kept["kept"] < 4 << 20
    assert usual["kept"] > 16 << 20


@pytest.mark.parametrize(
    "environ", [{"MALLOC_ARENA_MAX": "4"}, {"GLIBC_TUNABLES": "glibc.malloc.arena_max=4"}], ids=["variable", "tunables"]
)
def test_what_a_person_has_tuned_holds(environ: dict[str, str]) -> None:
    """Where the environment tunes the allocator nothing is set."""
    done = keep_no_spare_memory(environ)

    assert done is False
