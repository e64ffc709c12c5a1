"""The list of digests by which a person sees that a download is whole, and, when it is signed, that it is ours."""

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path

from provision.console import Stop
from release import keys
from release.work import Work

NAME = "SHA256SUMS"
TESTING = "-testing-"
"""In the name of what must never reach a person."""
_BLOCK = 1 << 20


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `build.py checksums` takes besides what every kind does."""
    parser.add_argument(
        "--key", type=Path, metavar="FILE", help="the private key of the releases, to sign the list too"
    )
    keys.declare_password(parser)


def build(work: Work, options: argparse.Namespace) -> Sequence[Path]:
    """Writes the digests of what was built, as `sha256sum --check` reads them.

    Args:
        work: the build.
        options: the command line.

    Returns:
        The list's path, and its signature's.

    Raises:
        Stop: nothing was built yet, or the key cannot be used.
    """
    listed = released(work)
    if not listed:
        message = f"Nothing of version {work.version} lies in {work.out}. Build the packages first."
        raise Stop(message)
    key = keys.load(options.key, work, options) if options.key else None
    text = "".join(f"{digest(path)}  {path.name}\n" for path in listed).encode()
    path, beside = work.out / NAME, work.out / f"{NAME}.sig"
    # An older signature would be one of another list.
    beside.unlink(missing_ok=True)
    path.write_bytes(text)
    if key is None:
        return (path,)
    beside.write_text(keys.signature(key, text), "ascii", newline="\n")
    return path, beside


def released(work: Work) -> list[Path]:
    """Lists what was built of this version for people, sorted by name.

    Args:
        work: the build.
    """
    begin = (f"watchkeeper-{work.version}-", f"watchkeeper_{work.version}")
    found = sorted(path for path in work.out.glob("watchkeeper*") if path.is_file() and path.name.startswith(begin))
    for path in found:
        if TESTING in path.name:
            work.console.say(f"{path.name} is left out: it is for tests.")
    return [path for path in found if TESTING not in path.name]


def digest(path: Path) -> str:
    """Gives a file's SHA-256 in hex."""
    whole = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            whole.update(block)
    return whole.hexdigest()
