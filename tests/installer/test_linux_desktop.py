"""What a Linux package tells a desktop is valid, and is what the program says of itself."""

import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from provision.console import Stop
from release.linux import desktop

EPOCH = 1_767_225_600  # 2026-01-01
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="its reader is Linux' own")
def test_the_menu_entry_is_valid(tmp_path: Path) -> None:
    """By the reader of the desktops' own project, without a warning."""
    entry = tmp_path / f"{desktop.NAME}.desktop"
    entry.write_text(desktop.entry("watchkeeper"), "utf-8")

    done = subprocess.run(("desktop-file-validate", entry), capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_menu_entry_starts_it_kept() -> None:
    """As a start at login does: it comes back after a crash."""
    keys = dict(line.split("=", 1) for line in desktop.entry("watchkeeper").splitlines() if "=" in line)

    assert (keys["Exec"], keys["TryExec"]) == ("watchkeeper --keep", "watchkeeper")
    assert keys["Icon"] == desktop.NAME


def test_the_window_says_that_it_belongs_to_the_entry(root: Path) -> None:
    """By that name a desktop gives it the icon, and groups its windows."""
    assert f'setDesktopFileName("{desktop.NAME}")' in (root / "app" / "house" / "tray.py").read_text("utf-8")
    assert f"StartupWMClass={desktop.NAME}" in desktop.entry("watchkeeper")


def test_software_centres_are_told_version_day_and_entry() -> None:
    """The metainfo is whole XML, names the menu entry, and bears the day of the commit."""
    component = ET.fromstring(desktop.metainfo("1.2.3", EPOCH))  # noqa: S314 - our own

    release = component.find("releases/release")
    assert release is not None
    assert (release.get("version"), release.get("date")) == ("1.2.3", "2026-01-01")
    assert component.findtext("launchable") == f"{desktop.NAME}.desktop"
    assert component.findtext("id") == desktop.ID


def test_what_is_said_in_english_is_said_in_russian() -> None:
    """Each text has its twin: one that is new in one language is missed in the other."""
    component = ET.fromstring(desktop.metainfo("1.2.3", EPOCH))  # noqa: S314 - our own
    language = "{http://www.w3.org/XML/1998/namespace}lang"
    texts = [part for part in component.iter() if part.tag in {"summary", "p", "li"}]
    keys = [line.partition("=")[0] for line in desktop.entry("watchkeeper").splitlines()]

    assert [part.get(language) for part in texts] == [None, "ru"] * (len(texts) // 2)
    assert {"GenericName[ru]", "Comment[ru]", "Keywords[ru]"} <= set(keys)


def test_the_drawing_is_the_programs_icon_alone(root: Path) -> None:
    """Of the sheet of all icons: one element, in a frame of its own, with the colours that it names."""
    drawing = ET.fromstring(desktop.svg(root))  # noqa: S314 - our own

    assert drawing.get("viewBox") == "0 0 64 64"
    assert [part.get("id") for part in drawing if part.tag == f"{SVG}g"] == ["app"]
    assert [part.get("id") for part in drawing.iter(f"{SVG}linearGradient")] == ["night"]


def test_a_sheet_without_the_icon_stops_the_build(root: Path, tmp_path: Path) -> None:
    """An icon that was renamed is told by the build, not by an empty place in a menu."""
    shutil.copytree(root / "resources" / "icons", tmp_path / "resources" / "icons")
    sheet = tmp_path / "resources" / "icons" / "watchkeeper.svg"
    sheet.write_text(sheet.read_text("utf-8").replace('id="app"', 'id="program"'), "utf-8")

    with pytest.raises(Stop, match='"app"'):
        desktop.svg(tmp_path)
