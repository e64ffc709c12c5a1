"""A picture of the medians: for each project and edit, when each side names the first and knows the last red test."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from sides import OURS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from figures import Cell

LABEL_W, PLOT_W, RIGHT = 190, 560, 30
LINE_H, TITLE_H, TOP, BOTTOM = 18, 26, 70, 30
TICKS_S = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
OURS_COLOUR, PEER_COLOUR, GRID, INK = "#0b6e4f", "#8a8f98", "#d9dce1", "#22262b"


def picture(of: Sequence[Cell]) -> str:
    """Return an SVG with a logarithmic axis of seconds.

    A filled circle is the median of the first red test named, the thin line its smallest and largest, a tick where
    pytest's first sign came before it, and a ring the end of the run (for us, the last red test in the snapshot).
    """
    groups: dict[str, list[Cell]] = {}
    for cell in of:
        groups.setdefault(f"{cell.project} {cell.edit}", []).append(cell)
    low, high = _range(of)
    height = TOP + BOTTOM + sum(TITLE_H + LINE_H * len(group) for group in groups.values())
    width = LABEL_W + PLOT_W + RIGHT

    def x_of(seconds: float) -> float:
        return LABEL_W + PLOT_W * math.log(seconds / low) / math.log(high / low)

    parts = [
        _svg(width, height),
        f'<rect width="{width}" height="{height}" fill="white"/>',
        _text(12, 22, "From a save to the verdict (seconds, logarithmic)", size=15, weight="bold"),
        _text(12, 42, "filled: first red test named (line: min to max)   tick: first sign   ring: last", size=11),
    ]
    for tick in TICKS_S:
        if low <= tick <= high:
            x = x_of(tick)
            parts.append(f'<line x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{height - BOTTOM}" stroke="{GRID}"/>')
            parts.append(_text(x, TOP - 12, f"{tick:g}", anchor="middle", size=10))
    y = float(TOP)
    for title, group in groups.items():
        y += TITLE_H
        parts.append(_text(12, y - 6, title, weight="bold"))
        for cell in group:
            y += LINE_H
            parts += _line(cell, y - 5, x_of)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _svg(width: int, height: int) -> str:
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'


def _line(cell: Cell, y: float, x_of: object) -> list[str]:
    assert callable(x_of)
    colour = OURS_COLOUR if cell.side == OURS else PEER_COLOUR
    parts = [_text(LABEL_W - 10, y + 4, cell.side, anchor="end", weight="bold" if cell.side == OURS else "normal")]
    named, values = cell.median("named"), cell.values("named")
    sign, last = cell.median("sign"), cell.median("last_sign" if cell.side == OURS else "end")
    if values:
        start, end = x_of(min(values)), x_of(max(values))
        parts.append(f'<line x1="{start:.1f}" y1="{y}" x2="{end:.1f}" y2="{y}" stroke="{colour}" stroke-width="2"/>')
    if sign is not None:
        x = x_of(sign)
        parts.append(f'<line x1="{x:.1f}" y1="{y - 5}" x2="{x:.1f}" y2="{y + 5}" stroke="{colour}"/>')
    if last is not None:
        parts.append(f'<circle cx="{x_of(last):.1f}" cy="{y}" r="5" fill="none" stroke="{colour}" stroke-width="1.5"/>')
    if named is not None:
        parts.append(f'<circle cx="{x_of(named):.1f}" cy="{y}" r="4" fill="{colour}"/>')
    return parts


def _text(  # noqa: PLR0913, RUF100 - an SVG text has these
    x: float, y: float, words: str, *, anchor: str = "start", size: int = 12, weight: str = "normal"
) -> str:
    style = f'text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" fill="{INK}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(words)}</text>'


def _range(of: Sequence[Cell]) -> tuple[float, float]:
    """Return the ends of the axis: the ticks around all times."""
    times = [value for cell in of for what in ("sign", "named", "end") for value in cell.values(what)] or [1.0]
    low = max((tick for tick in TICKS_S if tick <= min(times)), default=TICKS_S[0])
    high = min((tick for tick in TICKS_S if tick >= max(times)), default=max(times))
    return (min(low, *times), high) if high > low else (low, low * 2)
