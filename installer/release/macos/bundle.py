"""`build.py macos`: makes the bundle on a Mac. What is in it any system can lay out; compiling and signing it cannot.

None of this was ever run on a Mac by those who wrote it: see installer/README.md.
"""

import argparse
import plistlib
import stat
import subprocess
import sys
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

from provision.console import Stop
from release import layout, sbom
from release.macos.macho import is_macho
from release.macos.tree import ARCHITECTURE, NAME, OLDEST, PYTHON, assemble, checked, packages_in
from release.work import Work

_HERE = Path(__file__).parent
_AD_HOC = "-"
# For a runtime that is hardened: ctypes makes small functions while it runs, and Qt's libraries were built by others.
_ENTITLEMENTS = {
    "com.apple.security.cs.allow-unsigned-executable-memory": True,
    "com.apple.security.cs.disable-library-validation": True,
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `build.py macos` takes besides what every kind does."""
    parser.add_argument(
        "--python",
        type=Path,
        metavar="FILE",
        help=f"CPython {PYTHON} for macOS on {ARCHITECTURE}: an 'install_only' archive of python-build-standalone",
    )
    parser.add_argument("--python-sha256", default="", metavar="HEX", help="its SHA-256, from where it is published")
    parser.add_argument(
        "--codesign",
        default=_AD_HOC,
        metavar="IDENTITY",
        help="a 'Developer ID Application' in the keychain (default: none, which each Mac asks its person about)",
    )
    parser.add_argument(
        "--notarize",
        default="",
        metavar="PROFILE",
        help="what 'xcrun notarytool store-credentials' was told to call it",
    )


def build(work: Work, options: argparse.Namespace) -> Sequence[Path]:
    """Makes the bundle and packs it.

    Args:
        work: the build.
        options: the command line.

    Returns:
        The paths of the archive and of the list of what it is made of.

    Raises:
        Stop: this is no Mac, or a step failed.
    """
    on_a_mac(sys.platform)
    if not options.python or not options.python_sha256:
        message = "Name the interpreter that goes into the bundle: --python FILE --python-sha256 HEX."
        raise Stop(message, 2)
    archive = checked(options.python, options.python_sha256)
    with work.folder("macos") as folder:
        bundle = assemble(folder, archive, work)
        python = bundle / "Contents" / "Resources" / "python"
        interpreter = python / "bin" / f"python{PYTHON}"
        compile_all(interpreter, python / "lib" / f"python{PYTHON}", work)
        compile_launcher(bundle, work)
        layout.settle(bundle, work.epoch)
        sign(bundle, folder, work, options.codesign)
        path = work.out / f"watchkeeper-{work.version}-macos-{ARCHITECTURE}.zip"
        pack(bundle, path, work.epoch)
        if options.notarize:
            notarize(bundle, path, work, options.notarize)
        version = _version_of(interpreter)
        parts = (sbom.cpython(version, options.python_sha256.lower()),)
        return path, sbom.write("macos", work, path, (packages_in(bundle),), parts)


def on_a_mac(platform: str) -> None:
    """Says that a Mac is needed.

    Args:
        platform: as `sys.platform`.

    Raises:
        Stop: this is none.
    """
    if platform != "darwin":
        message = (
            "The bundle for macOS needs a Mac: only there are its compiler and codesign.\n"
            "Start this on a Mac with Xcode's command line tools, or let the workflow 'release' do it."
        )
        raise Stop(message, 3)


def compile_all(interpreter: Path, folder: Path, work: Work) -> None:
    """Compiles all bytecode, by the bundle's own Python: written later, it would break the bundle's seal.

    Args:
        interpreter: the bundle's.
        folder: its standard library, with the packages in it.
        work: the build.
    """
    command = (
        *(str(interpreter), "-I", "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"),
        *("-s", str(folder), str(folder)),
    )
    work.console.run("Compiling the bytecode", command, env=work.tool_environ)


def compile_launcher(bundle: Path, work: Work) -> None:
    """Compiles what macOS starts.

    Args:
        bundle: the bundle.
        work: the build.
    """
    target = bundle / "Contents" / "MacOS" / NAME
    command = (
        *("clang", "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-arch", ARCHITECTURE),
        *(f"-mmacosx-version-min={OLDEST}", f'-DPYTHON="{PYTHON}"', "-o", str(target), str(_HERE / "launcher.c")),
    )
    work.console.run("Compiling the launcher", command, env=work.tool_environ)


def sign(bundle: Path, folder: Path, work: Work, identity: str) -> None:
    """Signs each program and library in the bundle, then the bundle around them.

    Args:
        bundle: the bundle.
        folder: where files of its own may lie.
        work: the build.
        identity: whose signature; `-` for that of nobody, which says only that nothing was changed since.
    """
    entitlements = folder / "entitlements.plist"
    entitlements.write_bytes(plistlib.dumps(_ENTITLEMENTS))
    known = ("--options", "runtime", "--timestamp") if identity != _AD_HOC else ()
    command = ("codesign", "--force", "--sign", identity, *known, "--entitlements", str(entitlements))
    launcher = bundle / "Contents" / "MacOS" / NAME
    inner = [
        str(path)
        for path in sorted(bundle.rglob("*"))
        if path.is_file() and not path.is_symlink() and path != launcher and is_macho(path)
    ]
    work.console.run(f"Signing {len(inner)} programs and libraries", (*command, *inner), env=work.tool_environ)
    work.console.run("Signing the bundle", (*command, str(bundle)), env=work.tool_environ)
    verify = ("codesign", "--verify", "--deep", "--strict", str(bundle))
    work.console.run("Verifying the signature", verify, env=work.tool_environ)


def notarize(bundle: Path, path: Path, work: Work, profile: str) -> None:
    """Has Apple look at the archive, and puts its ticket into the bundle.

    Args:
        bundle: the bundle.
        path: the archive, which is written anew.
        work: the build.
        profile: the credentials' name in the keychain.
    """
    submit = ("xcrun", "notarytool", "submit", str(path), "--keychain-profile", profile, "--wait")
    work.console.run("Waiting for Apple's notary", submit, env=work.tool_environ)
    work.console.run("Stapling the ticket", ("xcrun", "stapler", "staple", str(bundle)), env=work.tool_environ)
    pack(bundle, path, work.epoch)


def pack(bundle: Path, path: Path, epoch: int) -> None:
    """Packs the bundle into a zip archive that Finder unpacks, the same each time: links stay links.

    Args:
        bundle: the bundle.
        path: the archive.
        epoch: the time of each file, in seconds since 1970.
    """
    when = time.gmtime(epoch)[:6]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for each in (bundle, *sorted(bundle.rglob("*"))):
            name = each.relative_to(bundle.parent).as_posix()
            is_folder = each.is_dir() and not each.is_symlink()
            entry = zipfile.ZipInfo(f"{name}/" if is_folder else name, when)
            entry.create_system = 3
            if each.is_symlink():
                entry.external_attr = (stat.S_IFLNK | 0o755) << 16
                archive.writestr(entry, str(each.readlink()))
            elif is_folder:
                entry.external_attr = (stat.S_IFDIR | 0o755) << 16
                archive.writestr(entry, b"")
            else:
                runs = each.stat().st_mode & 0o100
                entry.external_attr = (stat.S_IFREG | (0o755 if runs else 0o644)) << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, each.read_bytes())


def _version_of(interpreter: Path) -> str:
    command = (str(interpreter), "-I", "-c", "import platform; print(platform.python_version())")
    return subprocess.check_output(command, text=True).strip()
