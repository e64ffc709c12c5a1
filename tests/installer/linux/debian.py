"""A small Debian of its own, in which packages are installed and removed without a trace on this machine.

It needs root, as debootstrap, chroot and mounts do. All happens in a mount namespace of its own (unshare(1)), which one
process keeps: what is mounted there is seen by no other process and gone with that one, so nothing can be reached
through a mount when the folder is removed. What a test changes lies in a layer (overlayfs) above what debootstrap made.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from box import mirror, mounted_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

PERSON = "person"
NUMBER = 1000
HOME = f"/home/{PERSON}"
APT = ("apt-get", "-q", "-o", "DPkg::Lock::Timeout=120", "-o", "Dpkg::Use-Pty=0")
MADE_S = 900.0
LIMIT_S = 1500.0
_NAMESPACE = ("unshare", "--mount", "--propagation", "private")

_MOUNT = """
set -e
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/whole"
mount -t proc proc "$2/whole/proc"
mount --rbind /dev "$2/whole/dev"
echo mounted
exec sleep infinity
"""


class Debian:
    """One, as it was just after its installation; a context manager.

    Args:
        release: Its name, such as `bookworm`.
        cache: Where what debootstrap made is kept.
        layer: Where all that happens to it lies; empty.
    """

    def __init__(self, release: str, cache: Path, layer: Path) -> None:
        self.release = release
        self._base = cache / release
        self._layer = layer
        self._keeper: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        """Make it if need be, and mount it."""
        self.make()
        for name in ("upper", "work", "whole"):
            (self._layer / name).mkdir()
        words = ("bash", "-c", _MOUNT, "bash", str(self._base), str(self._layer))
        self._keeper = subprocess.Popen((*_NAMESPACE, *words), stdout=subprocess.PIPE, text=True)
        assert self._keeper.stdout is not None
        assert self._keeper.stdout.readline() == "mounted\n", "nothing can be mounted here"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process that keeps what is mounted."""
        if self._keeper is not None:
            self._keeper.kill()
            self._keeper.communicate()

    def make(self) -> None:
        """Have debootstrap make it, if that was not done before; one that broke off begins anew."""
        done = self._base.with_suffix(".done")
        if done.exists():
            return
        assert not mounted_in(self._base), f"something is mounted in {self._base}"
        shutil.rmtree(self._base, ignore_errors=True)
        self._base.parent.mkdir(parents=True, exist_ok=True)
        # In a namespace too: its second half mounts /proc in there.
        command = ("debootstrap", "--variant=minbase", self.release, str(self._base), *mirror())
        subprocess.run((*_NAMESPACE, *command), check=True, timeout=MADE_S, capture_output=True)
        policy = self._base / "usr" / "sbin" / "policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n", "utf-8")
        policy.chmod(0o755)
        # It need not outlive a power cut: each package is unpacked in a tenth of the time.
        (self._base / "etc" / "dpkg" / "dpkg.cfg.d" / "unsafe-io").write_text("force-unsafe-io\n", "utf-8")
        for name in ("resolv.conf", "hosts"):
            with suppress(OSError):
                shutil.copyfile(f"/etc/{name}", self._base / "etc" / name)
        with (self._base / "etc" / "passwd").open("a", encoding="utf-8") as users:
            users.write(f"{PERSON}:x:{NUMBER}:{NUMBER}::{HOME}:/bin/sh\n")
        home = self._base / HOME.lstrip("/")
        home.mkdir()
        os.chown(home, NUMBER, NUMBER)
        done.touch()

    def command(
        self, argv: Sequence[str], *, as_root: bool = False, environ: Mapping[str, str] | None = None
    ) -> list[str]:
        """Return the command that runs a program in there, which takes the place of all that leads to it.

        Args:
            argv: Program and arguments.
            as_root: Whether it may change the system; else the person runs it.
            environ: What is added to its environment.
        """
        proxies = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
        env = {
            "HOME": "/root" if as_root else HOME,
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C.UTF-8",
            **({"DEBIAN_FRONTEND": "noninteractive", **proxies} if as_root else {}),
            **(environ or {}),
        }
        user = "--userspec=0:0" if as_root else f"--userspec={NUMBER}:{NUMBER}"
        words = [f"{name}={value}" for name, value in env.items()]
        assert self._keeper is not None
        inside = ("chroot", user, str(self._layer / "whole"), "/usr/bin/env", "-i", *words, *argv)
        return ["nsenter", f"--mount=/proc/{self._keeper.pid}/ns/mnt", *inside]

    def run(
        self, *argv: str, as_root: bool = False, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in there to its end, whatever its exit code."""
        return subprocess.run(
            self.command(argv, as_root=as_root, environ=environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=LIMIT_S,
        )

    def apt(self, *words: str) -> None:
        """Have apt do something; a failure fails the test with what it said."""
        done = self.run(*APT, *words, as_root=True)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    def put(self, source: Path, target: str) -> None:
        """Copy a file into it, or the content of a folder, which is the person's then.

        Args:
            source: Here.
            target: There, absolute.
        """
        if source.is_dir():
            packed = subprocess.run(("tar", "-C", source, "-c", "."), check=True, capture_output=True).stdout
            words = ("sh", "-c", 'mkdir -p "$1" && tar -x --no-same-owner -C "$1"', "sh", target)
        else:
            packed = source.read_bytes()
            words = ("sh", "-c", 'cat > "$1"', "sh", target)
        subprocess.run(self.command(words), input=packed, check=True, timeout=LIMIT_S)

    def files(self) -> set[str]:
        """Return every path in it, but for what the kernel shows."""
        done = self.run("find", "/", "-xdev", "-path", "/dev", "-prune", "-o", "-print", as_root=True)
        assert done.returncode == 0, done.stderr
        return set(done.stdout.splitlines())
