"""Reads of a compiled file what it asks of the system: System V ABI, chapter 5, "Dynamic Section"."""

import struct
from dataclasses import dataclass
from pathlib import Path

from provision.console import Stop

_MAGIC = b"\x7fELF"
_64_BIT_LITTLE_ENDIAN = b"\x02\x01"
_LOAD, _DYNAMIC = 1, 2
_NEEDED, _STRINGS, _OWN_NAME = 1, 5, 14


@dataclass(frozen=True, slots=True)
class Linked:
    """What a compiled file is linked against.

    Args:
        name: its own soname; empty where it has none.
        needed: the sonames of the libraries that the loader must find for it.
    """

    name: str
    needed: tuple[str, ...]


def linked(path: Path) -> Linked | None:
    """Reads one file.

    Args:
        path: any file.

    Returns:
        What it is linked against; None where it is no ELF file, or asks the loader for nothing.

    Raises:
        Stop: it is an ELF file that is damaged, or for another kind of processor.
    """
    with path.open("rb") as file:
        if file.read(4) != _MAGIC:
            return None
    data = path.read_bytes()
    try:
        return _read(data, path)
    except (struct.error, StopIteration, ValueError) as error:
        message = f"{path} is no whole ELF file. Delete what was downloaded, and build again."
        raise Stop(message) from error


def _read(data: bytes, path: Path) -> Linked | None:
    if data[4:6] != _64_BIT_LITTLE_ENDIAN:
        message = f"{path} is for another kind of processor than x86-64."
        raise Stop(message)
    (at,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    headers = [struct.unpack_from("<IIQQQQQQ", data, at + size * number) for number in range(count)]
    dynamic = next((header for header in headers if header[0] == _DYNAMIC), None)
    if dynamic is None:
        return None
    _, _, begin, _, _, length, _, _ = dynamic
    entries = [struct.unpack_from("<qQ", data, place) for place in range(begin, begin + length, 16)]
    # The table of strings is named by where it will lie in memory.
    address = next(value for tag, value in entries if tag == _STRINGS)
    strings = next(
        address - memory + offset
        for kind, _, offset, memory, _, in_file, _, _ in headers
        if kind == _LOAD and memory <= address < memory + in_file
    )

    def text(offset: int) -> str:
        return data[strings + offset : data.index(b"\0", strings + offset)].decode()

    names = [text(value) for tag, value in entries if tag == _OWN_NAME]
    return Linked(names[0] if names else "", tuple(text(value) for tag, value in entries if tag == _NEEDED))
