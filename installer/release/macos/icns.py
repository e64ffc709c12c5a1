"""Packs pictures into macOS' icon file, so that no Mac is needed to look at what comes out."""

import struct
from collections.abc import Mapping

_TYPES = {
    b"ic11": 32,
    b"ic12": 64,
    b"ic07": 128,
    b"ic13": 256,
    b"ic08": 256,
    b"ic14": 512,
    b"ic09": 512,
    b"ic10": 1024,
}
"""What each element holds, with its edge in pixels: PNG files, some of them for screens of twice the density."""
SIZES = tuple(sorted(set(_TYPES.values())))


def icns(pictures: Mapping[int, bytes]) -> bytes:
    """Gives the file: a length and a type before each picture, and before the whole.

    Args:
        pictures: a PNG for each of `SIZES`.
    """
    elements = b"".join(_element(name, pictures[size]) for name, size in _TYPES.items())
    return _element(b"icns", elements)


def _element(name: bytes, content: bytes) -> bytes:
    return name + struct.pack(">I", len(content) + 8) + content
