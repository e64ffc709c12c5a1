"""Reads of a program or library for Windows what it asks of others: Microsoft's "PE Format"."""

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from provision.console import Stop

SUFFIXES = frozenset({".dll", ".exe", ".pyd"})
BROUGHT = ("qt6", "pyside6", "shiboken6", "python3", "msvcp", "vcruntime", "concrt", "libcrypto", "libssl", "libffi")
"""How the names of libraries begin that no Windows has, so that they must come along."""

_OPTIONAL_64 = 0x20B
_IMPORTS, _DELAYED = 1, 13
_ENTRY = {_IMPORTS: (20, 12), _DELAYED: (32, 4)}
"""Of each table: the size of an entry, and where in it the address of the library's name stands."""


def unmet(files: Iterable[Path]) -> dict[str, str]:
    """Gives the libraries that are missing among some files, each with the name of one that asks for it.

    Args:
        files: all that is shipped.
    """
    programs = [path for path in files if path.suffix.lower() in SUFFIXES]
    there = {path.name.lower() for path in programs}
    missing = {}
    for path in sorted(programs):
        for name in imported(path.read_bytes(), path.name):
            if name.lower().startswith(BROUGHT) and name.lower() not in there:
                missing[name] = path.name
    return missing


def unlinked(files: Iterable[Path], among: tuple[str, ...]) -> list[Path]:
    """Gives the libraries that nothing else among some files asks for.

    Args:
        files: all that is shipped.
        among: how the names of those begin that are asked about.
    """
    programs = [path for path in files if path.suffix.lower() in SUFFIXES]
    left = [path for path in programs if path.name.lower().startswith(among)]
    asked = {path: {name.lower() for name in imported(path.read_bytes(), path.name)} for path in programs}
    while True:
        idle = [path for path in left if not any(path.name.lower() in asked[each] for each in asked if each != path)]
        if not idle:
            return sorted(set(programs) - set(asked))
        for path in idle:
            left.remove(path)
            del asked[path]


def imported(content: bytes, name: str) -> tuple[str, ...]:
    """Gives the names of the libraries that a file is linked against, those that are loaded late too.

    Args:
        content: the whole file.
        name: its name, for the message.

    Raises:
        Stop: it is no program for 64 bits, or damaged.
    """
    try:
        return tuple(_imported(content))
    except (struct.error, ValueError, IndexError) as error:
        message = f"{name} is no program or library for Windows on 64 bits: {error}."
        raise Stop(message) from error


def _imported(content: bytes) -> Iterator[str]:
    (header,) = struct.unpack_from("<I", content, 0x3C)
    if content[:2] != b"MZ" or content[header : header + 4] != b"PE\0\0":
        raise ValueError("its first bytes are those of something else")
    sections, optional = struct.unpack_from("<H12xH", content, header + 6)
    if struct.unpack_from("<H", content, header + 24) != (_OPTIONAL_64,):
        raise ValueError("it is for another kind of processor")
    table = header + 24 + optional
    mapped = [struct.unpack_from("<4I", content, table + 40 * each + 8) for each in range(sections)]

    def place(address: int) -> int:
        for size, start, held, begins in mapped:
            if start <= address < start + max(size, held):
                return address - start + begins
        raise ValueError(f"the address {address:#x} is in none of its parts")

    for directory, (size, field) in _ENTRY.items():
        (address,) = struct.unpack_from("<I", content, header + 24 + 112 + 8 * directory)
        if not address:
            continue
        at = place(address)
        while (named := struct.unpack_from("<I", content, at + field)[0]) != 0:
            begin = place(named)
            yield content[begin : content.index(b"\0", begin)].decode("ascii")
            at += size
