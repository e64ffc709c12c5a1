"""watchkeeper.exe, compiled: one for windows, and one for the command line."""

import os
import shutil
from pathlib import Path

from provision.console import Stop
from provision.system import Need
from release.windows import cpython, payload
from release.work import Work

SOURCES = Path(__file__).parent
_PREFIX = "x86_64-w64-mingw32-"
_FLAGS = (
    *("-std=c17", "-O2", "-Wall", "-Wextra", "-Werror", "-municode", "-s"),
    # The linker would write the time of the build into the file.
    *("-Wl,--no-insert-timestamp", "-Wl,--dynamicbase", "-Wl,--nxcompat", "-Wl,--high-entropy-va"),
)


def _found(program: str) -> str | None:
    """Gives the path of a tool. On Windows itself it goes by its bare name too, and elsewhere that is another one."""
    bare = program.removeprefix(_PREFIX)
    return shutil.which(program) or (shutil.which(bare) if os.name == "nt" else None)


def _is_there(program: str) -> bool:
    return _found(program) is not None


_PACKAGES = {
    "apt-get": "gcc-mingw-w64-x86-64-win32",
    "dnf": "mingw64-gcc",
    "pacman": "mingw-w64-gcc",
    "zypper": "mingw64-cross-gcc",
}
COMPILER = tuple(Need(_PREFIX + name, _is_there, _PACKAGES) for name in ("gcc", "windres"))


def compile_into(folder: Path, scratch: Path, work: Work, *, testing: bool) -> tuple[Path, Path]:
    """Compiles both.

    Args:
        folder: that of the payload, which holds the icon.
        scratch: for what is in between.
        work: the build.
        testing: whether they are to say that they are not for release.

    Returns:
        Their paths: that for windows, that for the command line.
    """
    (scratch / "version.h").write_text(header(work.version, testing=testing), "ascii")
    for name in ("launcher.c", "launcher.rc", "launcher.manifest"):
        shutil.copyfile(SOURCES / name, scratch / name)
    shutil.copyfile(folder / payload.ICON, scratch / payload.ICON)
    resources = ("-O", "coff", "launcher.rc", "launcher.res")
    work.console.run("Compiling the icon", (_tool("windres"), *resources), env=work.tool_environ, cwd=scratch)
    made = []
    for name, kind in ((payload.LAUNCHER, ("-mwindows",)), (payload.COMMAND, ("-mconsole", "-DCONSOLE"))):
        target = folder / name
        target.parent.mkdir(exist_ok=True)
        library = f'-DPYTHON_LIBRARY=L"{cpython.library()}"'
        words = (*_FLAGS, *kind, library, "-o", str(target), "launcher.c", "launcher.res", "-lshell32")
        work.console.run(f"Compiling {name}", (_tool("gcc"), *words), env=work.tool_environ, cwd=scratch)
        made.append(target)
    return made[0], made[1]


def header(version: str, *, testing: bool) -> str:
    """Gives the C header that tells the resources the version.

    Args:
        version: three numbers.
        testing: whether it is to say that it is not for release.
    """
    numbers = ",".join((*version.split("."), "0"))
    text = f"{version}, not for release" if testing else version
    flags = "VS_FF_PRERELEASE" if testing else "0"
    return f'#define VERSION_NUMBERS {numbers}\n#define VERSION_TEXT "{text}\\0"\n#define VERSION_FLAGS {flags}\n'


def _tool(name: str) -> str:
    found = _found(_PREFIX + name)
    if found is None:
        message = f"There is no {_PREFIX}{name} on PATH."
        raise Stop(message, 3)
    return found
