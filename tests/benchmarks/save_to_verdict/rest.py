"""What we use at rest, and what many saves in a row come to."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from editors import SAVES
from sides import RUN_S

if TYPE_CHECKING:
    from sides import HouseSide
    from subjects import Edit

REST_S = 60.0
STORM_SAVES, STORM_S = 50, 10.0
MIB = 2**20


def at_rest(side: HouseSide, seconds: float = REST_S) -> str:
    """Return in words the memory (of all processes, the spares among them) and the processor's share while idle."""
    assert side.tree is not None
    count, resident, unique = side.tree.memory()
    used, began = side.tree.cpu_s(), time.monotonic()
    time.sleep(seconds)
    share = (side.tree.cpu_s() - used) / (time.monotonic() - began)
    memory = f"{resident / MIB:.0f} MiB resident, {unique / MIB:.0f} MiB unique"
    return f"{side.checkout.root.name}: {count} processes, {memory}; idle for {seconds:g} s: {share:.2%} of a core"


def storm(
    side: HouseSide, edit: Edit, expected: frozenset[str], saves: int = STORM_SAVES, over_s: float = STORM_S
) -> str:
    """Save good and broken in turn, the last one broken, in each editor's way, and return in words what came of it."""
    path = side.checkout.root / edit.path
    texts = side.checkout.texts(edit)
    began = saved = time.monotonic()
    for number in range(saves):
        side.pause(max(0.0, began + number * over_s / saves - time.monotonic()))
        is_broken = (saves - number) % 2 == 1
        saved = list(SAVES.values())[number % len(SAVES)](path, texts[is_broken])
    side.begin(expected)
    marks = side.marks_of_break()
    quiet = side.tree is not None and side.tree.until_quiet(1.0, RUN_S)
    side.mend(lambda: SAVES["vim"](path, texts[0]))
    after = "no verdict" if marks.end is None else f"the last verdict {marks.end - saved:.2f} s after the last save"
    right = "right" if marks.red == len(expected) else f"wrong ({marks.red} red, {len(expected)} expected)"
    rest = "quiet again" if quiet else "not quiet"
    return f"{side.checkout.root.name}: {saves} saves in {over_s:g} s: {after}, {right}; {rest}"
