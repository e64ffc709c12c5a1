"""The picture at the side of setup's first and last page, in place of NSIS' own."""

import struct
from collections.abc import Sequence

WIDTH, HEIGHT = 164, 314
"""Pixels, as Modern UI lays its pages out."""
ICON = 96
"""The side of the program's icon in it."""
_GROUND = (0xDB, 0xE7, 0xFF)
"""Red, green and blue: what is selected in the program's window has this colour (`selection` in `app/ui/theme.py`)."""
_BYTES = 4


def banner(icon: Sequence[bytes]) -> bytes:
    """Gives the picture as a bitmap file of 24 bits.

    Args:
        icon: the icon's rows from the top, ICON of them; red, green, blue and alpha of each pixel.
    """
    left, top = (WIDTH - ICON) // 2, (HEIGHT - ICON) // 2
    plain = [_GROUND] * WIDTH
    rows = [plain] * top
    rows += [plain[:left] + _over(row) + plain[left + ICON :] for row in icon]
    rows += [plain] * (HEIGHT - len(rows))
    # From the bottom, blue first, and each row filled up to four bytes.
    fill = bytes(-3 * WIDTH % 4)
    body = b"".join(b"".join(bytes(reversed(pixel)) for pixel in row) + fill for row in reversed(rows))
    head = struct.pack("<IiiHHIIiiII", 40, WIDTH, HEIGHT, 1, 24, 0, len(body), 0, 0, 0, 0)
    return struct.pack("<2sIHHI", b"BM", 14 + len(head) + len(body), 0, 0, 14 + len(head)) + head + body


def _over(row: bytes) -> list[tuple[int, int, int]]:
    """Lays a row of the icon over the ground."""
    pixels = []
    for at in range(0, len(row), _BYTES):
        alpha = row[at + 3]
        mixed = [(row[at + place] * alpha + under * (255 - alpha) + 127) // 255 for place, under in enumerate(_GROUND)]
        pixels.append((mixed[0], mixed[1], mixed[2]))
    return pixels
