"""Windows' own CPython under Wine, for the time of a test run; no package of it comes from outside the locks.

    python tests/windows/kit.py COMMAND ...

runs COMMAND with WATCHKEEPER_TEST_WINDOWS naming the kit's folder and Wine's variables set, so that it can start
`wine FOLDER/python/python.exe`. The exit code is the command's, or 3 where Wine is missing.

The first time takes a minute: CPython comes as the tree that python.org calls "embeddable", from where a setup.exe for
tests has it (installer/release/windows/cpython.py); its packages are those of installer/locks/test.txt. pip compares
every download with its SHA-256. When that of the tree was taken, each program and library in it bore a valid signature
of the Python Software Foundation (Authenticode), apart from the two of Visual C++'s runtime, which were not checked.

What is made is kept, and made anew when a pin, Wine or this file changes: in the folder that
WATCHKEEPER_TEST_WINDOWS_CACHE names, else beside pytest's cache. It takes 800 MB, most of it Wine's copy of itself.
Standard library only, as it starts before the tests do. A second run waits for the first to end.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import struct
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "installer"))

from provision.console import Stop  # noqa: E402 - found by the line above
from release.windows import cpython  # noqa: E402 - likewise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import FrameType

VARIABLE = "WATCHKEEPER_TEST_WINDOWS"
CACHE = "WATCHKEEPER_TEST_WINDOWS_CACHE"
USAGE_EXIT = 2
MISSING_EXIT = 3

LOCK = ROOT / "installer" / "locks" / "test.txt"
FROM_LOCK = (
    *("pytest", "pluggy", "iniconfig", "packaging", "pygments", "colorama"),
    *("cryptography", "cffi", "pycparser", "filelock", "structlog"),
    *("keyring", "jaraco-classes", "jaraco-context", "jaraco-functools", "more-itertools", "pywin32-ctypes"),
)
"""What a worker runs on, and what the vault does."""
TREE = "cp312"
"""CPython 3.12.9 for 64 bits: the first whose tests are traced by sys.monitoring."""

# No .NET and no HTML (wineboot would offer to download them), no debugger that answers for a crash, no desktop menus.
_OFF = "mscoree,mshtml,winedbg.exe,winemenubuilder.exe="
_UNCHECKED_HASH = 0b01
_PREFIX_S = 300.0
_END_S = 60.0


class Missing(RuntimeError):
    """What it takes is not here; the text says what to install."""


class Kit:
    """What is kept.

    Args:
        folder: Where.
        environ: The caller's environment; pip's own settings in it (index, certificates, proxy) stay in force.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._environ = environ
        self._prefix = folder / "prefix"
        self._home = folder / "home"
        self._stamp = folder / "made-of"
        self.python = folder / "python" / "python.exe"

    @property
    def wine_environ(self) -> dict[str, str]:
        """The environment for programs under Wine, which see no screen."""
        left_out = {"DISPLAY", "WAYLAND_DISPLAY", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHOME"}
        env = {name: value for name, value in self._environ.items() if name not in left_out}
        return {
            **env,
            "LC_ALL": "C.UTF-8",  # else Wine cannot name files beyond ASCII
            "WINEPREFIX": str(self._prefix),
            "WINEARCH": "win64",
            "WINEDEBUG": "-all",
            "WINEDLLOVERRIDES": _OFF,
        }

    def make(self) -> None:
        """Make what is missing or outdated. A run that was killed half way begins anew.

        Raises:
            Missing: There is no Wine.
            subprocess.CalledProcessError: A step failed; it has said why on stderr.
        """
        wanted = self._made_of()
        if self._stamp.is_file() and self._stamp.read_text("utf-8") == wanted:
            return
        self._stamp.unlink(missing_ok=True)
        # By name: the folder may be one that a person has other things in.
        for name in (self._home.name, self._prefix.name):
            shutil.rmtree(self._folder / name, ignore_errors=True)
        self._home.mkdir()
        say("Windows' CPython: downloading ...")
        self.make_python()
        say("Wine: making its prefix ...")
        self._make_prefix()
        self._stamp.write_text(wanted, "utf-8")

    def make_python(self) -> None:
        """Make Windows' Python with its packages alone, for who has another Wine.

        Raises:
            Stop: CPython cannot be fetched.
            subprocess.CalledProcessError: A step failed; it has said why on stderr.
        """
        for name in (TREE, self.python.parent.name):
            shutil.rmtree(self._folder / name, ignore_errors=True)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._make_python()
        self._install_packages()

    @contextmanager
    def session(self) -> Iterator[None]:
        """Keep Wine's own services running, whose start takes seconds; end everything under Wine at the end."""
        holder = subprocess.Popen(
            ("wine", str(self.python), "-c", "import sys; print(flush=True); sys.stdin.read()"),
            env=self.wine_environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            if holder.stdout is None or not holder.stdout.readline():
                raise Missing("Windows' Python does not start under Wine here.")
            yield
        finally:
            # Wine's server ends all that runs in this prefix, and nothing else.
            self._wineserver("--kill")
            self._wineserver("--wait")
            holder.communicate(timeout=_END_S)

    def _wineserver(self, what: str) -> None:
        subprocess.run(("wineserver", what), env=self.wine_environ, check=False, timeout=_END_S, **_SILENT)

    def _made_of(self) -> str:
        if shutil.which("wine") is None:
            raise Missing("There is no Wine here. Run: apt-get install --no-install-recommends wine")
        version = subprocess.run(("wine", "--version"), env=self.wine_environ, check=True, capture_output=True)
        code = [Path(file).read_bytes() for file in (__file__, cpython.__file__)]
        parts = (*code, self._requirements().encode(), version.stdout, str(self._folder).encode())
        return hashlib.sha256(b"\0".join(parts)).hexdigest() + "\n"

    def _make_python(self) -> None:
        """Lay CPython out as its installer does: so it is not in the isolated mode that a ._pth file brings."""
        tree, home = self._folder / TREE, self.python.parent
        cpython.fetch(cpython.source_of(cpython.TESTING, ""), tree, Path(sys.executable), self._environ)
        libraries = home / "Lib"
        (libraries / "site-packages").mkdir(parents=True)
        (home / "DLLs").mkdir()
        for file in tree.iterdir():
            beside = file.name.startswith(("python", "vcruntime")) and file.suffix in {".exe", ".dll"}
            if beside or file.suffix in {".dll", ".pyd"}:
                file.rename((home if beside else home / "DLLs") / file.name)
        # Wine's answer to it ends the process; without it, `platform` asks elsewhere.
        (home / "DLLs" / "_wmi.pyd").unlink()
        shutil.unpack_archive(tree / cpython.zipped(), libraries, "zip")
        for compiled in list(libraries.rglob("*.pyc")):
            _name_source(compiled)
        shutil.rmtree(tree)

    def _install_packages(self) -> None:
        target = ("--target", str(self.python.parent / "Lib" / "site-packages"))
        windows = ("--platform", "win_amd64", "--python-version", "3.12", "--only-binary=:all:")
        self._pip(
            "install", self._listed("packages", self._requirements()), "--no-deps", "--no-compile", *windows, *target
        )

    def _make_prefix(self) -> None:
        # A new prefix would link its Documents, Desktop and so on to those of the person's home.
        env = {**self.wine_environ, "HOME": str(self._home)}
        # CPython 3.12 needs Windows 8.1; the version that an older Wine shows at first is below it.
        version = ("HKCU\\Software\\Wine", "/v", "Version", "/d", "win10", "/f")
        for command in (("wineboot", "--init"), ("reg", "add", *version)):
            subprocess.run(("wine", *command), env=env, check=True, timeout=_PREFIX_S, **_SILENT)
        self._wineserver("--wait")
        # Rust's library, and so cryptography's wheel, draws random bytes from this one, which came with Wine 9.
        library = self._prefix / "drive_c" / "windows" / "system32" / "bcryptprimitives.dll"
        if not library.exists():
            library.write_bytes(forwarding_library(library.name, "ProcessPrng", "advapi32.SystemFunction036"))

    def _requirements(self) -> str:
        """Return the lock's lines for what Windows' Python needs.

        Without their markers: pip would ask those of the system that it runs on.
        """
        found = {}
        for line in LOCK.read_text("utf-8").replace("\\\n", "").splitlines():
            requirement, *hashes = line.split("--hash=")
            pinned = requirement.partition(";")[0].strip()
            found[pinned.partition("==")[0]] = " ".join((pinned, *(f"--hash={each.strip()}" for each in hashes)))
        return "".join(found[name] + "\n" for name in FROM_LOCK)

    def _listed(self, name: str, requirements: str) -> Path:
        file = self._folder / f"{name}.txt"
        file.write_text(requirements, "utf-8")
        return file

    def _pip(self, command: str, requirements: Path, *arguments: str) -> None:
        quiet = ("--quiet", "--disable-pip-version-check", "--no-input", "--require-hashes", "-r", str(requirements))
        env = {**self._environ, "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
        for name in ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PYTHONPATH", "PYTHONHOME"):
            env.pop(name, None)
        subprocess.run((sys.executable, "-m", "pip", command, *quiet, *arguments), env=env, check=True)


_SILENT = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
"""Never a terminal, nor a regular file: Wine would take it for a console, or for a stream that can be read ahead."""


def forwarding_library(name: str, function: str, target: str) -> bytes:
    """Return a DLL for 64 bits that holds no code: its one function is that of another library ("forwarder").

    As in Microsoft's "PE Format": headers, and one section with the export directory.

    Args:
        name: The library's file name.
        function: What it exports.
        target: The other library without its suffix, a dot, and its function: of a kind that can stand in.
    """
    start, section, alignment = 0x1000, 0x200, 0x200
    texts = [text.encode("ascii") + b"\0" for text in (name, function, target)]
    tables = start + 40
    name_at = tables + 10  # behind the address (4 bytes), the name's address (4) and the ordinal (2)
    function_at = name_at + len(texts[0])
    target_at = function_at + len(texts[1])
    directory = struct.pack("<IIHHIIIIIII", 0, 0, 0, 0, name_at, 1, 1, 1, tables, tables + 4, tables + 8)
    exports = directory + struct.pack("<IIH", target_at, function_at, 0) + b"".join(texts)
    dos = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64)
    machine_amd64, dll = 0x8664, 0x2022
    file = b"PE\0\0" + struct.pack("<HHIIIHH", machine_amd64, 1, 0, 0, 0, 240, dll)
    optional = struct.pack("<HBBIIIII", 0x20B, 0, 0, 0, alignment, 0, 0, start)
    optional += struct.pack(
        "<QIIHHHHHHIIIIHH", 0x180000000, 0x1000, alignment, 6, 0, 0, 0, 6, 0, 0, 0x2000, section, 0, 2, 0x140
    )
    optional += struct.pack("<QQQQII", 0x100000, 0x1000, 0x100000, 0x1000, 0, 16)
    optional += struct.pack("<II", start, len(exports)) + bytes(15 * 8)
    readable_data = 0x40000040
    table = b".edata\0\0" + struct.pack(
        "<IIIIIIHHI", len(exports), start, alignment, section, 0, 0, 0, 0, readable_data
    )
    return (dos + file + optional + table).ljust(section, b"\0") + exports.ljust(alignment, b"\0")


def _name_source(compiled: Path) -> None:
    """Have the interpreter take a library's bytecode for that of a source file, as where Python is installed.

    The tree has bytecode only, which calls its functions' file `ast.py`, without a folder: as if the project had it.
    Bytecode that names no date but an unchecked hash (PEP 552) needs a source file that is there, and no more.
    """
    source = compiled.with_suffix(".py")
    source.write_text("The source does not come with this Python.\n", "ascii")
    cached = source.parent / "__pycache__" / f"{source.stem}.cpython-312.pyc"
    cached.parent.mkdir(exist_ok=True)
    content = compiled.read_bytes()
    cached.write_bytes(content[:4] + _UNCHECKED_HASH.to_bytes(4, "little") + bytes(8) + content[16:])
    compiled.unlink()


def say(text: str) -> None:
    """Say something to who started this."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def carried_out(name: str, arguments: Sequence[str], work: Callable[[Sequence[str]], int]) -> int:
    """Run a command with something beside it, for a script of this folder; return the exit code.

    Args:
        name: The script.
        arguments: The command.
        work: Brings what is to be beside it, runs it, and returns its exit code.
    """
    if not arguments:
        say(f"usage: {name} COMMAND [ARGUMENT...]")
        return USAGE_EXIT
    signal.signal(signal.SIGTERM, _leave)
    try:
        return work(arguments)
    except Missing as missing:
        say(str(missing))
        return MISSING_EXIT
    except Stop as stop:
        say(str(stop))
        return stop.code
    except subprocess.CalledProcessError as failed:
        say(f"{name} could not make it: {' '.join(failed.cmd)} ended with code {failed.returncode}.")
        return 1


def _leave(number: int, frame: FrameType | None) -> None:
    del frame
    raise SystemExit(128 + number)


def _with_kit(arguments: Sequence[str]) -> int:
    named = os.environ.get(CACHE)
    folder = Path(named).resolve() if named else ROOT / ".pytest_cache" / "windows"
    folder.mkdir(parents=True, exist_ok=True)
    kit = Kit(folder, os.environ)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kit.make()
        with kit.session():
            env = {**kit.wine_environ, VARIABLE: str(folder)}
            return subprocess.run(arguments, check=False, env=env).returncode


if __name__ == "__main__":
    sys.exit(carried_out("kit.py", sys.argv[1:], _with_kit))
