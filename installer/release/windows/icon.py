"""The program's icon as Windows has it: one file with a picture for each size."""

import struct
import zlib
from collections.abc import Mapping

SIZES = (16, 20, 24, 32, 40, 48, 64, 128, 256)
"""Pixels: those that Explorer, the taskbar and the tray ask for at 100 to 250 per cent."""
_AS_PNG = 256
"""Only the largest is a PNG, as since Windows Vista: what draws smaller ones need not read that."""
_BYTES = 4
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGBA = (8, 6, 0, 0, 0)
"""Eight bits for each of red, green, blue and alpha, and lines in their order (RFC 2083, 4.1.1)."""


def icon(pictures: Mapping[int, bytes]) -> bytes:
    """Gives an icon file.

    Args:
        pictures: PNG files by their side in pixels.
    """
    images = {size: png if size == _AS_PNG else bitmap(pixels(png), size) for size, png in pictures.items()}
    head, entries, body = struct.pack("<HHH", 0, 1, len(images)), b"", b""
    begin = len(head) + 16 * len(images)
    for size, image in sorted(images.items()):
        side = size % 256  # 0 stands for 256
        entries += struct.pack("<BBBBHHII", side, side, 0, 0, 1, 32, len(image), begin + len(body))
        body += image
    return head + entries + body


def bitmap(rows: list[bytes], size: int) -> bytes:
    """Gives one picture as icon files hold it: a bitmap without a file header, upside down, and an empty mask.

    Args:
        rows: from the top; red, green, blue and alpha of each pixel.
        size: the side, in pixels.
    """
    body = b"".join(_as_bgra(row) for row in reversed(rows))
    # The mask is for what knows no alpha. Each of its rows is filled up to four bytes.
    mask = bytes((size + 31) // 32 * 4 * size)
    return struct.pack("<IiiHHIIiiII", 40, size, size * 2, 1, 32, 0, len(body) + len(mask), 0, 0, 0, 0) + body + mask


def pixels(png: bytes) -> list[bytes]:
    """Gives the rows of a PNG file, red, green, blue and alpha of each pixel (RFC 2083).

    Args:
        png: a file as Qt writes it for a picture with alpha.

    Raises:
        ValueError: it is of another form.
    """
    chunks = dict.fromkeys((b"IHDR", b"IDAT"), b"")
    at = len(_SIGNATURE)
    while at < len(png):
        size, kind = struct.unpack_from(">I4s", png, at)
        chunks[kind] = chunks.get(kind, b"") + png[at + 8 : at + 8 + size]
        at += size + 12
    width, height, *form = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    if png[: len(_SIGNATURE)] != _SIGNATURE or tuple(form) != _RGBA:
        raise ValueError("this is no PNG of eight bits with alpha")
    content = zlib.decompress(chunks[b"IDAT"])
    rows, before, stride = [], bytes(width * _BYTES), width * _BYTES + 1
    for line in range(height):
        filtered = content[line * stride : (line + 1) * stride]
        before = _unfiltered(filtered[0], filtered[1:], before)
        rows.append(before)
    return rows


def _unfiltered(kind: int, line: bytes, above: bytes) -> bytes:
    """Undoes the filter of a line: RFC 2083, 6."""
    row = bytearray(line)
    for at in range(len(row)):
        left = row[at - _BYTES] if at >= _BYTES else 0
        corner = above[at - _BYTES] if at >= _BYTES else 0
        match kind:
            case 0:
                guess = 0
            case 1:
                guess = left
            case 2:
                guess = above[at]
            case 3:
                guess = (left + above[at]) // 2
            case _:
                guess = _paeth(left, above[at], corner)
        row[at] = (row[at] + guess) % 256
    return bytes(row)


def _paeth(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    return min((left, above, corner), key=lambda each: abs(guess - each))


def _as_bgra(row: bytes) -> bytes:
    turned = bytearray(row)
    turned[0::_BYTES], turned[2::_BYTES] = row[2::_BYTES], row[0::_BYTES]
    return bytes(turned)
