"""Wine 10 in a Debian 13 of its own, for programs that an older system's Wine is too old for.

    python tests/windows/box.py COMMAND ...

runs COMMAND with WATCHKEEPER_TEST_BOX naming the box's folder; `Box` starts programs in it. The exit code is the
command's, or 3 where something is missing. It needs root, as debootstrap, chroot and mounts do.

Everything happens in namespaces of this run's own (unshare(1)): what is mounted is seen by no other process and gone
with the last one of the run, and all processes in the box end with COMMAND, however that ends. So nothing is left
behind, and nothing of the machine can be reached through a mount when the box is removed.

The first time takes some minutes and 2 GB. What is made is kept, and made anew when a pin or this file changes: in the
folder that WATCHKEEPER_TEST_BOX_CACHE names, else beside pytest's cache. Two libraries of Windows that Qt asks for and
Wine lacks are made from stubs/, for tests alone. Standard library only, as it starts before the tests do.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit import FROM_LOCK, LOCK, ROOT, Kit, Missing, carried_out, cpython, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

VARIABLE = "WATCHKEEPER_TEST_BOX"
CACHE = "WATCHKEEPER_TEST_BOX_CACHE"
_INSIDE = "WATCHKEEPER_TEST_BOX_INSIDE"

HERE = Path(__file__).resolve().parent
STUBS = HERE / "stubs"
RELEASE = "trixie"
PACKAGES = ("wine", "wine64", "fonts-dejavu-core", "locales")
LANGUAGES = ("ru_RU",)
PERSON = "Jürgen Groß"
"""A user's folder with a space and letters beyond ASCII, as many have."""
NUMBER = 1000
COMPILER = "x86_64-w64-mingw32-gcc"
PROGRAMS = {
    "unshare": "util-linux",
    "debootstrap": "debootstrap",
    COMPILER: "gcc-mingw-w64-x86-64-win32",
}
"""What making and running it takes, and the Debian package that has it."""

# No .NET and no HTML (wineboot would offer to download them), no debugger that answers for a crash, no desktop menus.
OVERRIDES = "mscoree,mshtml,winedbg.exe,winemenubuilder.exe=;icuuc,mscms=n"
DISPLAYS = Path("/tmp/.X11-unix")  # noqa: S108 - where X servers listen
PREFIX = "/prefix"
HOME = "/home/person"
_MAKE_S = 600.0
_END_S = 60.0
_APT = ("apt-get", "-qq", "-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Options::=--force-unsafe-io")
_SILENT: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


class Box:
    """What is kept, and what runs in it. To be used in the namespaces that this script makes.

    Args:
        folder: Where it is kept.
        environ: The caller's environment: `DISPLAY` of it holds for the programs in the box.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._environ = environ
        self.root = folder / "debian"
        self._template = folder / "template"
        self._fresh = folder / "fresh"
        self._stamp = folder / "made-of"

    @property
    def prefix(self) -> Path:
        """The Wine prefix, seen from outside; `drive_c` in it is drive C."""
        return self.root / PREFIX.lstrip("/")

    def open(self) -> None:
        """Make what is missing or outdated, and mount what programs in it need. One killed half way begins anew.

        Raises:
            Missing: Something is still mounted in the old one.
            subprocess.CalledProcessError: A step failed; it has said why on stderr.
        """
        wanted = self._made_of()
        if self._stamp.is_file() and self._stamp.read_text("utf-8") == wanted:
            self._mount()
            return
        self._stamp.unlink(missing_ok=True)
        for old in (self.root, self._template, self._fresh):
            self._remove(old)
        say(f"Debian {RELEASE}: downloading ...")
        self._make_debian()
        self._mount()
        say("Windows' CPython: downloading ...")
        python = Kit(self._folder / "windows", self._environ)
        python.make_python()
        say("Wine: making its prefix ...")
        self._make_template(python.python.parent)
        self._stamp.write_text(wanted, "utf-8")

    @contextmanager
    def fresh(self) -> Iterator[Path]:
        """Have a prefix in which nothing was ever installed, and yield its drive C; one at a time.

        What is written lies in a layer of its own (overlayfs), which is removed at the end.
        """
        upper, work = self._fresh / "upper", self._fresh / "work"
        self._remove(self._fresh)
        for folder in (upper, work):
            folder.mkdir(parents=True)
            os.chown(folder, NUMBER, NUMBER)
        layers = f"lowerdir={self._template},upperdir={upper},workdir={work}"
        _run("mount", "-t", "overlay", "overlay", "-o", layers, str(self.prefix))
        try:
            yield self.prefix / "drive_c"
        finally:
            self.end_all()
            _run("umount", str(self.prefix))
            self._remove(self._fresh)

    def command(self, argv: Sequence[str], environ: Mapping[str, str] | None = None) -> list[str]:
        """Return the command that runs a program in the box as its person.

        Args:
            argv: The program, such as `wine`, and its arguments.
            environ: What is added to its environment.
        """
        env = {
            "HOME": HOME,
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin:/usr/lib/wine",
            "LC_ALL": "C.UTF-8",  # else Wine cannot name files beyond ASCII
            "TERM": "dumb",
            "WINEPREFIX": PREFIX,
            "WINEDEBUG": "-all",
            "WINEDLLOVERRIDES": OVERRIDES,
            **{name: self._environ[name] for name in ("DISPLAY",) if name in self._environ},
            **(environ or {}),
        }
        words = [f"{name}={value}" for name, value in env.items()]
        return ["chroot", f"--userspec={NUMBER}:{NUMBER}", str(self.root), "/usr/bin/env", "-i", *words, *argv]

    def end_all(self) -> None:
        """End everything under Wine, and Wine's own services."""
        for what in ("--kill", "--wait"):
            with suppress(subprocess.TimeoutExpired):
                subprocess.run(self.command(("wineserver", what)), check=False, timeout=_END_S, **_SILENT)

    def _made_of(self) -> str:
        files = (Path(__file__), HERE / "kit.py", Path(cpython.__file__), LOCK, *sorted(STUBS.iterdir()))
        parts = [file.read_bytes() for file in files]
        return hashlib.sha256(b"\0".join([*parts, *(name.encode() for name in FROM_LOCK)])).hexdigest() + "\n"

    def _remove(self, folder: Path) -> None:
        """Remove a folder in which nothing is mounted.

        Raises:
            Missing: Something is; it stays as it is.
        """
        inside = mounted_in(folder)
        if inside:
            raise Missing(f"{inside[0]} is mounted, so {folder} is not removed. Unmount it: umount {inside[0]}")
        if folder.exists():
            shutil.rmtree(folder)

    def _make_debian(self) -> None:
        # Its second half mounts /proc in there, which this run's own namespace forgets.
        _run("debootstrap", "--variant=minbase", RELEASE, str(self.root), *mirror())
        for point in reversed(mounted_in(self.root)):
            _run("umount", point)
        (self.root / "usr" / "sbin" / "policy-rc.d").write_text("#!/bin/sh\nexit 101\n", "utf-8")
        (self.root / "usr" / "sbin" / "policy-rc.d").chmod(0o755)
        for name in ("resolv.conf", "hosts"):
            with suppress(OSError):
                shutil.copyfile(f"/etc/{name}", self.root / "etc" / name)
        proxies = {name: value for name, value in self._environ.items() if name.lower().endswith("_proxy")}
        env = [f"{name}={value}" for name, value in {**proxies, "DEBIAN_FRONTEND": "noninteractive"}.items()]
        inside = ("chroot", str(self.root), "/usr/bin/env", *env)
        _run(*inside, *_APT, "update")
        _run(*inside, *_APT, "install", "-y", "--no-install-recommends", *PACKAGES)
        for language in LANGUAGES:
            _run(*inside, "localedef", "-i", language, "-f", "UTF-8", f"{language}.UTF-8")
        with (self.root / "etc" / "passwd").open("a", encoding="utf-8") as users:
            users.write(f"{PERSON}:x:{NUMBER}:{NUMBER}::{HOME}:/bin/sh\n")
        for name in (HOME, PREFIX):
            folder = self.root / name.lstrip("/")
            folder.mkdir()
            os.chown(folder, NUMBER, NUMBER)

    def _mount(self) -> None:
        DISPLAYS.mkdir(mode=0o1777, exist_ok=True)
        for point in (DISPLAYS, Path("/proc")):
            there = self.root / str(point).lstrip("/")
            there.mkdir(mode=0o1777, parents=True, exist_ok=True)
            _run("mount", "--bind", str(point), str(there))

    def _make_template(self, python: Path) -> None:
        self._template.mkdir()
        os.chown(self._template, NUMBER, NUMBER)
        _run("mount", "--bind", str(self._template), str(self.prefix))
        try:
            for command in (("wineboot", "--init"), ("wineserver", "--wait")):
                subprocess.run(self.command(command), check=True, timeout=_MAKE_S, **_SILENT)
            drive = self._template / "drive_c"
            for source in sorted(STUBS.glob("*.c")):
                made = drive / "windows" / "system32" / f"{source.stem}.dll"
                made.unlink(missing_ok=True)
                _run(COMPILER, "-O2", "-s", "-shared", "-o", str(made), str(source))
            shutil.copytree(python, drive / "Python312")
        finally:
            self.end_all()
            _run("umount", str(self.prefix))


def mounted_in(folder: Path) -> list[str]:
    """Return what is mounted at or below a folder, the outer ones first (proc(5), mountinfo)."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text("utf-8").splitlines()]
    plain = [re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), point) for point in points]
    return sorted(point for point in plain if Path(point).is_relative_to(folder.resolve()))


def mirror() -> tuple[str, ...]:
    """Return the mirror that this machine's own packages come from; none where it does not tell, or is no Debian."""
    sources = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    for source in sources:
        with suppress(OSError, UnicodeDecodeError):
            found = re.search(
                r"^(?:deb|URIs:)\s.*?(https?://\S+/debian/?)(?:\s|$)", source.read_text("utf-8"), re.MULTILINE
            )
            if found:
                return (found[1],)
    return ()


def _run(*argv: str) -> None:
    done = subprocess.run(
        argv, check=False, timeout=_MAKE_S, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        say(done.stdout.decode("utf-8", "replace")[-2000:])
        raise subprocess.CalledProcessError(done.returncode, argv)


def _require() -> None:
    """Raise Missing, with what to do, where no box can be had."""
    if sys.platform != "linux" or os.geteuid() != 0:
        raise Missing("A box needs Linux and root, for chroot and mounts. Run it with: sudo")
    missing = {name: package for name, package in PROGRAMS.items() if shutil.which(name) is None}
    if missing:
        install = "apt-get install " + " ".join(sorted(missing.values()))
        raise Missing(f"The box needs {', '.join(missing)}. On Debian and Ubuntu: {install}")


def _apart(arguments: Sequence[str], folder: Path) -> int:
    """Run this script again in namespaces of its own, and return its exit code."""
    namespaces = ("--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc")
    again = (sys.executable, str(Path(__file__).resolve()), *arguments)
    env = {**os.environ, _INSIDE: "1", CACHE: str(folder)}
    return subprocess.run(("unshare", *namespaces, *again), check=False, env=env).returncode


def _inside(arguments: Sequence[str], folder: Path) -> int:
    env = {name: value for name, value in os.environ.items() if name != _INSIDE}
    box = Box(folder, env)
    box.open()
    return subprocess.run(arguments, check=False, env={**env, VARIABLE: str(folder)}).returncode


def _with_box(arguments: Sequence[str]) -> int:
    named = os.environ.get(CACHE)
    folder = Path(named).resolve() if named else ROOT / ".pytest_cache" / "box"
    if os.environ.get(_INSIDE):
        return _inside(arguments, folder)
    _require()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _apart(arguments, folder)


if __name__ == "__main__":
    sys.exit(carried_out("box.py", sys.argv[1:], _with_box))
