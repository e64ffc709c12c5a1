"""The steps of setup.exe and of the uninstaller that their own language has no safe way for.

    pythonw.exe -I -m watchkeeper_setup STEP [ARGUMENT...]

It lies beside the packages of the installed program. Each step ends with 0, or with a code that the installer's script
knows; what went wrong is told in `watchkeeper-setup.log` in the folder for temporary files.
"""

from __future__ import annotations

import compileall
import ctypes
import io
import json
import ntpath
import os
import py_compile
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
from contextlib import redirect_stderr, redirect_stdout, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HERE = Path(__file__).resolve().parent
PROGRAM = HERE.parent
"""The folder of this program: of the new one, before it takes its place."""

NEEDED = (
    *("app.main", "app.cli.entry", "app.house.keeper", "app.house.tray", "app.ui.loop", "app.ui.window"),
    *("app.keys.manager", "desktop_notifier", "sqlalchemy.dialects.sqlite", "ssl"),
)
"""What a start of the tray imports, and what it would miss later; a library that is missing or kept back shows here."""

ARCHIVE = HERE / "packages.tar.xz"

FAILED = 1
NOT_RUNNING = 10
STILL_RUNS = 11
NOT_WRITTEN = 12
ANSWERS_S = 60.0
"""A computer that is busy, or scans what was just put there, takes its time for a first start."""

_NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)
_ENVIRONMENT = "Environment"
_BROADCAST, _SETTING_CHANGE, _ABORT_IF_HUNG, _WAITS_MS = 0xFFFF, 0x1A, 0x2, 2000

# [MS-SHLLINK]: Shell Link Binary File Format, and [MS-PROPSTORE]: Property Store Binary File Format.
_HEADER_SIZE = 0x4C
_HAS_ID_LIST, _HAS_LINK_INFO, _IS_UNICODE = 0x1, 0x2, 0x80
_STRINGS = (0x4, 0x8, 0x10, 0x20, 0x40)
"""The flags that say which texts follow: name, relative path, working folder, arguments, icon."""
_PROPERTY_STORE = 0xA0000009
_STORAGE_VERSION = 0x53505331
_APP_USER_MODEL = bytes.fromhex("55284c9f799f394ba8d0e1d42de1d5f3")
"""{9F4C2855-9F79-4B39-A8D0-E1D42DE1D5F3} as files have it: System.AppUserModel.ID is the fifth property of it."""
_ID = 5
_TEXT = 0x1F
_SMALLEST_BLOCK = 4
"""A smaller size than that of its own field is the end."""


def main(words: Sequence[str]) -> int:
    """Carry out one step, and return the exit code."""
    try:
        return STEPS[words[0]](*words[1:])
    except Exception as error:  # noqa: BLE001 - the installer goes by the code; what happened is for the log
        _log(f"{' '.join(words)}: {type(error).__name__}: {error}")
        return FAILED


def prepare() -> int:
    """Unpack the packages, see that the program starts on this computer, and compile it, so that it starts fast.

    By an unchecked digest (PEP 552): no file of it is ever changed in place.
    """
    if not unpacked(ARCHIVE):
        return NOT_WRITTEN
    for name in NEEDED:
        import_module(name)
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(HERE / "app", quiet=2, invalidation_mode=mode)
    return 0


def unpacked(archive: Path) -> bool:
    """Unpack the packages beside their archive, and remove that; return whether there was room for them."""
    if not archive.exists():
        return True
    # The first Pythons 3.11 have no filters yet, and later ones ask for one.
    filtered = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    try:
        with tarfile.open(archive) as packed:
            packed.extractall(archive.parent, **filtered)  # noqa: S202 - it came within this program
        archive.unlink()
    except OSError as error:
        _log(f"unpacking: {error}")
        return False
    return True


def leave(old: str, kept: str) -> int:
    """Have the program that runs end, and remember how it is started again.

    Args:
        old: The folder of the program that is installed.
        kept: The file for `again`; not written where nothing ran.
    """
    asked = _asked(old, "status", "--json")
    told = _document(asked.stdout)
    words = None
    if told is not None and told.get("mood"):
        words = ["--keep", *map(str, told.get("projects", ()))]
    if asked.returncode == 3 and words is None:  # noqa: PLR2004 - "cannot", as the command line says it: nothing runs
        return NOT_RUNNING
    if words is not None:
        Path(kept).write_text(json.dumps(words), "utf-8")
    stopped = _asked(old, "stop")
    if stopped.returncode:
        # It may end all the same, only later: whoever asked looks at the files themselves.
        _log(f"stop: {stopped.returncode} {stopped.stderr.decode('utf-8', 'replace')}")
        return STILL_RUNS
    return 0


def again(kept: str) -> int:
    """Start the program as it was started before `leave`."""
    words = json.loads(Path(kept).read_text("utf-8"))
    subprocess.Popen([PROGRAM / "watchkeeper.exe", *words], cwd=PROGRAM, close_fds=True)
    return 0


def autostart(what: str) -> int:
    """Have it start at login, or not, as its own command does it; `what` is `enable` or `disable`."""
    import watchkeeper_start  # noqa: PLC0415 - it brings the program, which other steps are to do without

    sys.argv = ["watchkeeper", "autostart", what]
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        code: int = watchkeeper_start.main()
    if code:
        _log(f"autostart {what}: {code} {said.getvalue()}")
    # 1 tells that something is in its way, which the program itself says later.
    return 0 if code == 1 else code


def path(what: str) -> int:
    """Put the folder of the command line on this person's PATH, or take it off; `what` is `add` or `remove`."""
    import winreg  # noqa: PLC0415 - of Windows only

    folder = str(PROGRAM / "bin")
    with winreg.CreateKeyEx(
        winreg.HKEY_CURRENT_USER, _ENVIRONMENT, 0, winreg.KEY_QUERY_VALUE | winreg.KEY_SET_VALUE
    ) as key:
        try:
            before, kind = winreg.QueryValueEx(key, "Path")
        except FileNotFoundError:
            before, kind = "", winreg.REG_EXPAND_SZ
        after = with_folder(before, folder) if what == "add" else without_folder(before, folder)
        if after == before:
            return 0
        if after:
            winreg.SetValueEx(key, "Path", 0, kind, after)
        else:
            winreg.DeleteValue(key, "Path")
    # Whoever shows folders and starts programs reads it anew; a terminal that is open does not.
    ctypes.windll.user32.SendMessageTimeoutW(
        _BROADCAST, _SETTING_CHANGE, 0, _ENVIRONMENT, _ABORT_IF_HUNG, _WAITS_MS, None
    )
    return 0


def with_folder(path: str, folder: str) -> str:
    """Return a PATH with a folder at its end; as it is where it has it."""
    if any(_same(each, folder) for each in path.split(";")):
        return path
    return f"{path.rstrip(';')};{folder}" if path.strip(";") else folder


def without_folder(path: str, folder: str) -> str:
    """Return a PATH without a folder, all else as it is."""
    parts = path.split(";")
    kept = [each for each in parts if not _same(each, folder)]
    return path if len(kept) == len(parts) else ";".join(kept)


def shortcut(file: str, app_id: str) -> int:
    """Have a shortcut name its program's AppUserModelID: by it Windows knows whose a notification or a window is."""
    link = Path(file)
    link.write_bytes(with_app_id(link.read_bytes(), app_id))
    return 0


def with_app_id(link: bytes, app_id: str) -> bytes:
    """Return a shortcut that names an AppUserModelID.

    Args:
        link: The .lnk file.
        app_id: The AppUserModelID.

    Raises:
        ValueError: This is no shortcut, or it is damaged.
    """
    begin = at = _extra_data(link)
    others, storages = b"", b""
    while (size := _number(link, at)) >= _SMALLEST_BLOCK:
        block = link[at : at + size]
        if len(block) != size:
            raise ValueError("the shortcut is cut short")
        at += size
        if _number(block, 4) == _PROPERTY_STORE:
            storages += _storages_but(block[8:], _APP_USER_MODEL)
        else:
            others += block
    text = (app_id + "\0").encode("utf-16-le")
    value = struct.pack("<IBHHI", _ID, 0, _TEXT, 0, len(text) // 2) + text + bytes(-len(text) % 4)
    ours = struct.pack("<I", _STORAGE_VERSION) + _APP_USER_MODEL + _sized(value) + bytes(4)
    store = struct.pack("<I", _PROPERTY_STORE) + storages + _sized(ours) + bytes(4)
    return link[:begin] + others + _sized(store) + bytes(4)


def forget() -> int:
    """Delete the person's own things: settings, history, vault, logs, and the vault's keys in Windows' own store."""
    from app.engine.places import Places  # noqa: PLC0415 - of the program, which other steps are to do without

    home = os.environ.get("WATCHKEEPER_HOME", "")
    folders = Places.find(os.environ).all()
    for folder in sorted(folders, key=lambda each: len(each.parts), reverse=True):
        shutil.rmtree(folder, ignore_errors=True)
    if home:
        with suppress(OSError):
            Path(home).expanduser().rmdir()  # where nothing else lies in it
    _forget_credentials()
    left = [str(folder) for folder in folders if folder.exists()]
    if left:
        _log(f"forget: left are {', '.join(left)}")
    return FAILED if left else 0


def _asked(program: str, *words: str) -> subprocess.CompletedProcess[bytes]:
    command = (Path(program, "bin", "watchkeeper.exe"), *words)
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=ANSWERS_S, check=False, creationflags=_NO_WINDOW
    )


def _document(said: bytes) -> Mapping[str, object] | None:
    try:
        told = json.loads(said)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


def _same(one: str, other: str) -> bool:
    """Whether two entries of PATH are one folder; an entry may stand in quotes."""
    return ntpath.normcase(ntpath.normpath(one.strip().strip('"'))) == ntpath.normcase(ntpath.normpath(other))


def _extra_data(link: bytes) -> int:
    """Return where a shortcut's last part begins, behind its target and its texts: [MS-SHLLINK] 2.1 to 2.4."""
    if _number(link, 0) != _HEADER_SIZE:
        raise ValueError("this is no shortcut")
    flags, at = _number(link, 20), _HEADER_SIZE
    if flags & _HAS_ID_LIST:
        at += 2 + _number(link, at, 2)
    if flags & _HAS_LINK_INFO:
        at += _number(link, at)
    for flag in _STRINGS:
        if flags & flag:
            at += 2 + _number(link, at, 2) * (2 if flags & _IS_UNICODE else 1)
    if at > len(link):
        raise ValueError("the shortcut is cut short")
    return at


def _storages_but(store: bytes, form: bytes) -> bytes:
    """Return the storages of a property store but those of one format: [MS-PROPSTORE] 2.1 and 2.2."""
    kept, at = b"", 0
    while size := _number(store, at):
        storage = store[at : at + size]
        if storage[8:24] != form:
            kept += storage
        at += size
    return kept


def _sized(content: bytes) -> bytes:
    """Return a part with its own size before it, as each part of these formats has it."""
    return struct.pack("<I", len(content) + 4) + content


def _number(content: bytes, at: int, size: int = 4) -> int:
    return int.from_bytes(content[at : at + size], "little")


def _forget_credentials() -> None:
    """Delete what the vault keeps in Windows' Credential Manager.

    An entry is called `watchkeeper/ACCOUNT`; what keyring puts aside to write it again has `ACCOUNT@` before that.
    """
    if sys.platform != "win32":
        return

    class Credential(ctypes.Structure):
        _fields_ = (("flags", ctypes.c_uint32), ("type", ctypes.c_uint32), ("name", ctypes.c_wchar_p))

    library = ctypes.WinDLL("advapi32", use_last_error=True)
    count, found = ctypes.c_uint32(), ctypes.POINTER(ctypes.POINTER(Credential))()
    if not library.CredEnumerateW(None, 0, ctypes.byref(count), ctypes.byref(found)):
        return  # there is none
    for each in range(count.value):
        credential = found[each].contents
        if credential.name.rpartition("@")[2].startswith("watchkeeper/"):
            library.CredDeleteW(credential.name, credential.type, 0)
    library.CredFree(found)


def _log(line: str) -> None:
    with suppress(OSError), Path(tempfile.gettempdir(), "watchkeeper-setup.log").open("a", encoding="utf-8") as file:
        file.write(line + "\n")


STEPS = {
    "prepare": prepare,
    "leave": leave,
    "again": again,
    "autostart": autostart,
    "path": path,
    "shortcut": shortcut,
    "forget": forget,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
