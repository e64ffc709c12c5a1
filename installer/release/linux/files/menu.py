"""Gives the Watchkeeper of a folder its entry in the person's menu, its icons and its command, and takes them back."""

import os
import shutil
import sys
from pathlib import Path

from app.system.autostart.xdg import exec_value

USAGE = """usage: watchkeeper-install [--remove]

Gives this Watchkeeper an entry in your menu, and you the command `watchkeeper`. Nothing outside your home is changed,
and the program stays where it is. --remove takes them back; your settings and what Watchkeeper knows of your projects
stay.
"""
MARK = "X-Watchkeeper-Portable=true"
NAME = "watchkeeper"


def main() -> int:
    """Return the exit code: 0 done, 1 failed, 2 wrong usage."""
    here, *words = sys.argv[1:]
    if words not in ([], ["--remove"]):
        asked = words in (["-h"], ["--help"])
        print(USAGE, end="", file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 2
    home = Path.home()
    named = Path(os.environ.get("XDG_DATA_HOME", ""))
    data = named if named.is_absolute() else home / ".local" / "share"
    try:
        if words:
            remove(data, home / ".local" / "bin" / NAME)
        else:
            install(Path(here), data, home / ".local" / "bin" / NAME)
    except OSError as error:
        print(f"{error.filename} cannot be changed: {error.strerror}.", file=sys.stderr)
        return 1
    return 0


def install(here: Path, data: Path, command: Path) -> None:
    """Add entry, icons and command.

    Args:
        here: The program's folder.
        data: The person's folder for data: XDG_DATA_HOME.
        command: Where the command shall be.
    """
    program, entry = here / NAME, entry_in(data)
    if entry.exists() and not is_ours(entry):
        print(f"{entry} is there already and was not made by this program: it stays as it is.")
    else:
        entry.parent.mkdir(parents=True, exist_ok=True)
        text = (here / "share" / "applications" / f"{NAME}.desktop").read_text("utf-8")
        lines = [line for line in text.splitlines() if not line.startswith(("Exec=", "TryExec="))]
        started = exec_value((str(program), "--keep"))
        written = str(program).replace("\\", "\\\\")
        entry.write_text("\n".join([*lines, f"Exec={started}", f"TryExec={written}", MARK, ""]), "utf-8")
        theme = here / "share" / "icons" / "hicolor"
        for icon in theme.rglob(f"{NAME}.*"):
            target = data / "icons" / "hicolor" / icon.relative_to(theme)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(icon, target)
        seen(data)
        print("Watchkeeper is in your menu now.")
    if (command.exists() or command.is_symlink()) and not leads_here(command):
        print(f"{command} is another program: it stays as it is.")
        return
    command.parent.mkdir(parents=True, exist_ok=True)
    command.unlink(missing_ok=True)
    command.symlink_to(program)
    folders = os.environ.get("PATH", "").split(os.pathsep)
    also = "" if str(command.parent) in folders else f" once {command.parent} is on your PATH: log out and in again"
    print(f"In a terminal it is called `{NAME}`{also}.")


def remove(data: Path, command: Path) -> None:
    """Remove what `install` added, of this folder or of another one.

    Args:
        data: The person's folder for data.
        command: Where the command is.
    """
    entry = entry_in(data)
    if entry.exists() and is_ours(entry):
        entry.unlink()
        for icon in (data / "icons" / "hicolor").glob(f"*/apps/{NAME}.*"):
            icon.unlink()
        seen(data)
    if command.is_symlink() and leads_here(command):
        command.unlink()
    print("Menu entry, icons and command are gone. To remove the program as well, delete its folder.")


def entry_in(data: Path) -> Path:
    """Return where the entry lies."""
    return data / "applications" / f"{NAME}.desktop"


def is_ours(entry: Path) -> bool:
    """Return whether an entry was made here."""
    return MARK in entry.read_text("utf-8", "replace").splitlines()


def leads_here(command: Path) -> bool:
    """Return whether a command is a link to such a folder as this, which may be gone."""
    if not command.is_symlink():
        return False
    target = Path(os.path.realpath(command))
    return target.name == NAME and (not target.exists() or (target.parent / "lib" / "menu.py").exists())


def seen(data: Path) -> None:
    """Have desktops look at the icons again: they go by the time of the theme's folder."""
    theme = data / "icons" / "hicolor"
    if theme.is_dir():
        os.utime(theme)


if __name__ == "__main__":
    sys.exit(main())
