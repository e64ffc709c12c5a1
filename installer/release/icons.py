"""Draws the program's icon from resources/icons/watchkeeper.svg, as the program itself draws it."""

from collections.abc import Sequence

from provision.system import qt_needs
from release.work import Work

_DRAW = """
import sys
from pathlib import Path
from app.ui.icons import Icons
icons = Icons()
for size in map(int, sys.argv[2:]):
    Path(sys.argv[1], f"{size}.png").write_bytes(icons.app_png(size))
"""


def drawn(sizes: Sequence[int], work: Work) -> dict[int, bytes]:
    """Draws the icon.

    Args:
        sizes: edges in pixels.
        work: the build.

    Returns:
        The PNG of each size.

    Raises:
        Stop: Qt cannot draw here.
    """
    work.packages.ensure(qt_needs({}), "Drawing the icons needs")
    with work.folder("icons") as scratch:
        # A process of its own: what builds needs no Qt, and Qt asks for its platform once only.
        command = (str(work.python), "-P", "-c", _DRAW, str(scratch), *map(str, sizes))
        work.console.run("Drawing the icons", command, env={**work.tool_environ, "QT_QPA_PLATFORM": "offscreen"})
        return {size: (scratch / f"{size}.png").read_bytes() for size in sizes}
