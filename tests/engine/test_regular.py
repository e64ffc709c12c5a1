"""Small files that anybody may have put there are read up to a limit."""

from __future__ import annotations

import os
import sys
import tracemalloc
from pathlib import Path

import pytest

from app.engine.regular import NotRegular, read_regular

LIMIT = 16 << 20


@pytest.mark.parametrize(("size", "expected"), [(0, 0), (9, 9), (10, 10), (11, 11), (12, 11)])
def test_one_byte_beyond_the_limit_tells_that_there_is_more(tmp_path: Path, size: int, expected: int) -> None:
    """Up to the limit a file is whole, and of a larger one there is a single byte more than that."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * size)

    content = read_regular(path, 10)

    assert content == b"x" * expected


def test_a_small_file_takes_little_memory(tmp_path: Path) -> None:
    """Memory is taken for what is there, and not for what there might be."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)
    tracemalloc.start()
    try:
        content = read_regular(path, LIMIT)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert content == b"x" * 10
    assert most < LIMIT // 16


@pytest.mark.skipif(sys.platform != "linux", reason="reads a file of /proc, whose size is told as none")
def test_what_a_file_has_beyond_its_size_is_read() -> None:
    """A file that grew while it was read, or whose size is not told, is whole all the same."""
    path = Path("/proc/version")

    content = read_regular(path, LIMIT)

    assert content == path.read_bytes()
    assert read_regular(path, 10) == content[:11]
    assert path.stat().st_size == 0 < len(content)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no FIFOs in folders")
def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    """A FIFO whose other end nobody holds is refused at once."""
    path = tmp_path / "file"
    os.mkfifo(path)

    with pytest.raises(NotRegular):
        read_regular(path, LIMIT)
