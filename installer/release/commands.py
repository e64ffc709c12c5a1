"""The commands of `build.py`, one for each kind of package."""

import argparse
import base64
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from provision.console import Console, Stop
from provision.environment import Environment
from provision.system import SystemPackages
from release.work import Announced, Work, time_of

ROOT = Path(__file__).resolve().parents[2]
_KEY_BYTES = 32
INSIDE = "WATCHKEEPER_BUILD_INSIDE"
"""Set where the build runs in the checkout's `.venv` already."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of package.

    Args:
        name: as one types it.
        help: what comes out, in a line.
        module: `release.` and this has `arguments(parser)` and `build(work, options)`, which returns what it made.
    """

    name: str
    help: str
    module: str


KINDS: tuple[Kind, ...] = (
    Kind("wheel", "the wheel, for pipx, uv and pip, the same to the last byte each time", "wheel"),
    Kind("deb", "the Debian package, for Debian 12, Ubuntu 24.04 and later", "linux.deb"),
    Kind("portable", "the archive that is unpacked anywhere on Linux", "linux.portable"),
    Kind("windows", "setup.exe, for one person on Windows 10 and 11, without an administrator", "windows.package"),
    Kind("macos", "the bundle for macOS, on a Mac only", "macos.bundle"),
    Kind("sign", "signed programs in the place of programs for Windows that are not", "signing"),
    Kind("checksums", "the list of SHA-256 digests of what was built, signed where a key is given", "checksums"),
    Kind("feed", "the signed feed that announces what was built, or the key that signs it", "feed"),
)


def main(arguments: Sequence[str], environ: Mapping[str, str] = os.environ, root: Path = ROOT) -> int:
    """Carries out one command.

    Args:
        arguments: the command line without the program's name.
        environ: the caller's environment.
        root: the checkout.

    Returns:
        The exit code: 0 done, 1 failed, 2 wrong usage, 3 something is missing that only the person can install.
    """
    console = Console(sys.stderr)
    try:
        if _asks_for_help(arguments) or environ.get(INSIDE):
            return _build(arguments, environ, root, console)
        environment = Environment(root, console, SystemPackages(console, environ), environ)
        environment.prepare("build")
        again = (str(environment.python), str(root / "installer" / "build.py"), *arguments)
        return subprocess.call(again, env={**environ, INSIDE: "1"})
    except Stop as stop:
        print(stop, file=sys.stderr)
        return stop.code
    except KeyboardInterrupt:
        print("\nStopped. What is half made lies in build/ and is made anew the next time.", file=sys.stderr)
        return 130


def version_of(root: Path) -> str:
    """Gives the version that the checkout is.

    Args:
        root: the checkout.

    Raises:
        Stop: app/__init__.py tells none.
    """
    found = re.search(
        r'^__version__ = "(\d+\.\d+\.\d+)"$', (root / "app" / "__init__.py").read_text("utf-8"), re.MULTILINE
    )
    if found is None:
        message = 'app/__init__.py has no line like __version__ = "1.2.3".'
        raise Stop(message)
    return found[1]


def _asks_for_help(arguments: Sequence[str]) -> bool:
    return not arguments or "-h" in arguments or "--help" in arguments


def _build(arguments: Sequence[str], environ: Mapping[str, str], root: Path, console: Console) -> int:
    options = _parser().parse_args(arguments)
    work = Work(
        root=root,
        out=options.out or root / "dist",
        scratch=root / "build",
        version=version_of(root),
        epoch=time_of(root, environ),
        python=Path(sys.executable),
        environ={key: value for key, value in environ.items() if key != INSIDE},
        console=console,
        packages=SystemPackages(console, environ),
        announced=_announced(options),
    )
    work.out.mkdir(parents=True, exist_ok=True)
    made: Sequence[Path] = options.build(work, options)
    for path in made:
        print(f"{path}  {path.stat().st_size / 1e6:.1f} MB")
    return 0


def _announced(options: argparse.Namespace) -> Announced:
    if bool(options.feed_url) != bool(options.feed_key):
        message = "--feed-url and --feed-key go together: where the feed lies, and whose signature is believed."
        raise Stop(message, 2)
    if options.feed_url and not options.feed_url.startswith("https://"):
        message = f"--feed-url is {options.feed_url!r}. It is an https address."
        raise Stop(message, 2)
    for key in options.feed_key:
        # A program that cannot read its note would take itself for a checkout.
        if not _is_public_key(key):
            message = (
                f"--feed-key {key!r} is no Ed25519 public key: 32 bytes in base64, as 'build.py feed --new-key' prints."
            )
            raise Stop(message, 2)
    return Announced(options.feed_url, tuple(options.feed_key))


def _is_public_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == _KEY_BYTES
    except ValueError:
        return False


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="build.py",
        description="Builds what people install, from this checkout into dist/. Built twice from the same commit, a"
        " package is the same to the last byte.",
        epilog="'build.py KIND --help' tells what a kind needs and takes.",
        allow_abbrev=False,
    )
    common = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    common.add_argument("--out", type=Path, metavar="FOLDER", help="where it goes (default: dist)")
    feed = common.add_argument_group("update check", "without both, the built program offers none")
    feed.add_argument("--feed-url", default="", metavar="URL", help="where new releases are announced, https")
    feed.add_argument(
        "--feed-key",
        action="append",
        default=[],
        metavar="KEY",
        help="an Ed25519 public key in base64 whose signature is believed; may be given twice, to change keys",
    )
    kinds = parser.add_subparsers(required=True, metavar="KIND")
    for kind in KINDS:
        part = kinds.add_parser(kind.name, help=kind.help, description=f"Builds {kind.help}.", parents=[common])
        module = import_module(f"release.{kind.module}")
        module.arguments(part)
        part.set_defaults(build=module.build)
    return parser
