"""What has the program appear among a desktop's own: menu entry, icons, and a page in software centres.

From the Desktop Entry Specification 1.5, the Icon Theme Specification 0.13 and AppStream 1.0.
"""

import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path

from provision.console import Stop
from release import icons
from release.linux.files import filled
from release.work import Work

ID = "app.watchkeeper.watchkeeper"
NAME = "watchkeeper"
"""Of the entry and the icons; the window says that it belongs to this one (`setDesktopFileName`)."""
SIZES = (16, 22, 24, 32, 48, 64, 128, 256)

_SVG = "{http://www.w3.org/2000/svg}"
_CELL = 64


def entry(command: str) -> str:
    """Gives the desktop entry.

    Args:
        command: the program as the entry starts it: a name on PATH, or a path without characters that need quotes.
    """
    return filled("watchkeeper.desktop", COMMAND=command, NAME=NAME)


def metainfo(version: str, epoch: int) -> str:
    """Gives the AppStream metainfo.

    Args:
        version: the program's.
        epoch: the release's day, in seconds since 1970.
    """
    day = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d")
    return filled("metainfo.xml", ID=ID, NAME=NAME, VERSION=version, DAY=day)


def svg(root: Path) -> str:
    """Gives the program's icon as a drawing of its own, cut out of the sheet of all icons.

    Args:
        root: the checkout.

    Raises:
        Stop: the sheet has no such element.
    """
    ET.register_namespace("", _SVG.strip("{}"))
    sheet = ET.parse(root / "resources" / "icons" / "watchkeeper.svg").getroot()  # noqa: S314 - the checkout's own
    icon = ET.Element(f"{_SVG}svg", {"viewBox": f"0 0 {_CELL} {_CELL}", "width": "256", "height": "256"})
    parts = [part for part in sheet if part.tag == f"{_SVG}defs" or part.get("id") == "app"]
    if not any(part.get("id") == "app" for part in parts):
        message = 'resources/icons/watchkeeper.svg has no element of the id "app" any more.'
        raise Stop(message)
    icon.extend(parts)
    ET.indent(icon)
    return re.sub(r"\s+\n", "\n", ET.tostring(icon, "unicode")) + "\n"


def add_icons(theme: Path, work: Work) -> None:
    """Draws the icons into a theme's folder, such as `share/icons/hicolor`.

    Args:
        theme: the folder.
        work: the build.

    Raises:
        Stop: Qt cannot draw here.
    """
    for size, png in icons.drawn(SIZES, work).items():
        target = theme / f"{size}x{size}" / "apps" / f"{NAME}.png"
        target.parent.mkdir(parents=True)
        target.write_bytes(png)
    scalable = theme / "scalable" / "apps"
    scalable.mkdir(parents=True)
    (scalable / f"{NAME}.svg").write_text(svg(work.root), "utf-8", newline="\n")
