"""Reads of a compiled file what it loads: Mach-O, as <mach-o/loader.h> and <mach-o/fat.h> lay it out."""

import struct
from pathlib import Path

_64_BIT = b"\xcf\xfa\xed\xfe"
_FAT = b"\xca\xfe\xba\xbe"
# A Java class begins like a fat file; its version stands where the number of architectures would.
_MOST_ARCHITECTURES = 16
_HEADER = 32
# LC_LOAD_DYLIB, LC_LOAD_WEAK_DYLIB, LC_REEXPORT_DYLIB
_LOADS = frozenset({0x0C, 0x80000018, 0x8000001F})


def is_macho(path: Path) -> bool:
    """Says whether a file is a program or library for macOS."""
    with path.open("rb") as file:
        begin = file.read(8)
    if begin[:4] == _FAT and len(begin) == 8:  # noqa: PLR2004 - a fat header's length
        return 0 < struct.unpack(">I", begin[4:])[0] <= _MOST_ARCHITECTURES
    return begin[:4] == _64_BIT


def loaded(path: Path) -> frozenset[str]:
    """Gives the names of the libraries that a file loads, as they stand in it: `@rpath/QtCore.framework/...`.

    Args:
        path: any file; one that is not Mach-O loads nothing.
    """
    if not is_macho(path):
        return frozenset()
    data = path.read_bytes()
    found: set[str] = set()
    for begin in _slices(data):
        found |= _loaded(data, begin)
    return frozenset(found)


def _slices(data: bytes) -> list[int]:
    if data[:4] != _FAT:
        return [0]
    (count,) = struct.unpack_from(">I", data, 4)
    # Each architecture: kind, subkind, offset, size, alignment.
    return [struct.unpack_from(">5I", data, 8 + 20 * number)[2] for number in range(count)]


def _loaded(data: bytes, begin: int) -> set[str]:
    found: set[str] = set()
    if data[begin : begin + 4] != _64_BIT:
        return found
    (count,) = struct.unpack_from("<I", data, begin + 16)
    at = begin + _HEADER
    for _ in range(count):
        command, size = struct.unpack_from("<2I", data, at)
        if command in _LOADS:
            (offset,) = struct.unpack_from("<I", data, at + 8)
            found.add(data[at + offset : at + size].partition(b"\0")[0].decode())
        at += size
    return found
