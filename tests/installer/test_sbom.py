"""The list of what a package is made of is whole, valid, and the same each time."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from release import layout, sbom
from release.work import Work

LESSER = "Classifier: License :: OSI Approved :: GNU Lesser General Public License v3 or later (LGPLv3+)"
QT = b"\0Qt 6.11.3 (x86_64-little_endian-lp64 shared (dynamic) release build; by GCC)\0"
OPENSSL = b"\0OpenSSL 4.0.3 29 Sep 2026\0"


@pytest.fixture
def artifact(work: Work) -> Path:
    path = work.out / "watchkeeper_1.2.3_amd64.deb"
    path.write_bytes(b"a package")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "site-packages"
    path.mkdir()
    return path


@pytest.fixture
def install(folder: Path) -> Callable[..., None]:
    """Lays a package's dist-info out: `install("httpx", "0.28.1", "License-Expression: BSD-3-Clause")`."""

    def lay(name: str, version: str, *lines: str) -> None:
        info = folder / f"{name}-{version}.dist-info"
        info.mkdir()
        text = "\n".join(("Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", *lines, ""))
        (info / "METADATA").write_text(text, "utf-8")

    return lay


def read(path: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(path.read_bytes())
    return told


def component(told: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in told["components"] if each["name"] == name)
    return found


def pinned(root: Path, name: str) -> tuple[str, tuple[str, ...]]:
    """The version of a package in the lock, and its digests."""
    locked = sbom.pins(layout.run_requirements(root))
    return next((version, digests) for (each, version), digests in locked if each == name)


def test_it_is_valid_by_the_standards_own_schema(
    work: Work, artifact: Path, folder: Path, install: Callable[..., None]
) -> None:
    """CycloneDX's own strict schema finds nothing wrong where packages, libraries and an interpreter are told."""
    install("watchkeeper", "1.2.3", "Requires-Dist: httpx>=0.28")
    install("httpx", "0.28.1", "License: BSD-3-Clause")
    install("odd", "1", "License: as you like", "Classifier: License :: OSI Approved :: BSD License")
    library = folder / "PySide6" / "Qt" / "lib" / "libQt6Core.so.6"
    library.parent.mkdir(parents=True)
    library.write_bytes(QT)

    path = sbom.write("deb", work, artifact, (folder,), (sbom.cpython("3.12.10", "a" * 64),))

    wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(path.read_text("utf-8"), all_errors=True)
    assert path.name == "watchkeeper-1.2.3-deb.cdx.json"
    assert list(wrong or ()) == []


def test_it_is_the_same_each_time(work: Work, artifact: Path, folder: Path, install: Callable[..., None]) -> None:
    """Written twice it is the same to the last byte, and with something else in it another one by its number too."""
    install("httpx", "0.28.1")
    first = sbom.write("deb", work, artifact, (folder,)).read_bytes()
    second = sbom.write("deb", work, artifact, (folder,)).read_bytes()
    install("anyio", "4.16.0")

    other = sbom.write("deb", work, artifact, (folder,)).read_bytes()

    assert first == second
    assert json.loads(first)["serialNumber"] != json.loads(other)["serialNumber"]


def test_it_tells_which_file_it_is_of(work: Work, artifact: Path, folder: Path) -> None:
    """The digest of the package is in it, with the time of the commit."""
    path = sbom.write("deb", work, artifact, (folder,))

    metadata = read(path)["metadata"]
    assert metadata["component"]["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(b"a package").hexdigest()}]
    assert metadata["timestamp"] == "2026-01-01T00:00:00+00:00"


def test_a_package_bears_the_locks_digests(
    root: Path, work: Work, artifact: Path, folder: Path, install: Callable[..., None]
) -> None:
    """What was laid out is told with its version, its name for other tools, and the digests that were compared."""
    version, digests = pinned(root, "httpx")
    install("httpx", version, "License-Expression: BSD-3-Clause")

    path = sbom.write("deb", work, artifact, (folder,))

    found = component(read(path), "httpx")
    (came,) = found["externalReferences"]
    assert found["purl"] == f"pkg:pypi/httpx@{version}"
    assert digests
    assert tuple(each["content"] for each in came["hashes"]) == digests


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (("License-Expression: MIT",), [{"license": {"id": "MIT"}}]),
        (("License-Expression: MIT OR Apache-2.0",), [{"expression": "MIT OR Apache-2.0"}]),
        (
            ("License: MIT OR Apache-2.0", "Classifier: License :: OSI Approved :: MIT License"),
            [{"expression": "MIT OR Apache-2.0"}],
        ),
        (("License: Apache-2.0",), [{"license": {"id": "Apache-2.0"}}]),
        (
            (
                "License: LGPLv3+",
                LESSER,
            ),
            [{"license": {"id": "LGPL-3.0-or-later"}}],
        ),
        (("Classifier: License :: OSI Approved :: BSD License",), [{"license": {"name": "BSD License"}}]),
        (("License: as you like",), [{"license": {"name": "as you like"}}]),
        (("License: " + "the whole text of it " * 10,), None),
        ((), None),
    ],
)
def test_a_licence_is_told_as_exactly_as_it_is_known(
    work: Work, folder: Path, install: Callable[..., None], lines: tuple[str, ...], told: object
) -> None:
    """An SPDX expression where the package gives one or it is plain, else the name that it uses, else nothing."""
    artifact = work.out / "watchkeeper_1.2.3_amd64.deb"
    artifact.write_bytes(b"a package")
    install("some", "1.0", *lines)

    path = sbom.write("deb", work, artifact, (folder,))

    licences = component(read(path), "some").get("licenses")
    for each in licences or ():
        each.pop("acknowledgement", None)
        each.get("license", {}).pop("acknowledgement", None)
    assert licences == told


def test_it_tells_what_needs_what(work: Work, artifact: Path, folder: Path, install: Callable[..., None]) -> None:
    """The program's needs and theirs are there, without what only an extra or another system asks for."""
    install("watchkeeper", "1.2.3", "Requires-Dist: httpx>=0.28", "Requires-Dist: absent; sys_platform == 'win32'")
    install("httpx", "0.28.1", "Requires-Dist: any.io", "Requires-Dist: h2; extra == 'http2'")
    install("any-io", "4.0")
    install("h2", "1.0")

    path = sbom.write("deb", work, artifact, (folder,))

    needs = {each["ref"]: each.get("dependsOn", []) for each in read(path)["dependencies"]}
    assert needs["watchkeeper"] == ["pkg:pypi/httpx@0.28.1"]
    assert needs["pkg:pypi/httpx@0.28.1"] == ["pkg:pypi/any-io@4.0"]


def test_libraries_that_are_compiled_in_are_found(work: Work, artifact: Path, folder: Path) -> None:
    """Qt, and an OpenSSL in somebody's module, are told by the version that the file itself bears."""
    core = folder / "PySide6" / "Qt6Core.dll"
    rust = folder / "cryptography" / "hazmat" / "bindings" / "_rust.pyd"
    for path, content in ((core, QT), (rust, OPENSSL)):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"MZ" + content)

    told = read(sbom.write("windows", work, artifact, (folder,)))

    qt, openssl = component(told, "Qt"), component(told, "OpenSSL")
    assert (qt["version"], openssl["version"]) == ("6.11.3", "4.0.3")
    assert openssl["cpe"] == "cpe:2.3:a:openssl:openssl:4.0.3:*:*:*:*:*:*:*"
    assert openssl["properties"] == [{"name": "watchkeeper:inside", "value": "cryptography/hazmat/bindings/_rust.pyd"}]


def test_the_libraries_of_windows_python_are_found(work: Work, artifact: Path, folder: Path) -> None:
    """SQLite, Expat and zlib come with the interpreter, and each has vulnerabilities of its own."""
    (folder / "sqlite3.dll").write_bytes(b"MZ@@3.45.3\0\0 13.45.3\0")
    (folder / "pyexpat.pyd").write_bytes(b"MZ\0expat_2.6.4\0")
    (folder / "python312.dll").write_bytes(b"MZ\0003.12.9\0001.3.1\0")

    told = read(sbom.write("windows", work, artifact, (folder,)))

    found = {each["name"]: each["version"] for each in told["components"]}
    assert found == {"SQLite": "3.45.3", "Expat": "2.6.4", "zlib": "1.3.1"}


def test_what_a_packages_makers_tell_of_it_is_named(
    work: Work, artifact: Path, folder: Path, install: Callable[..., None]
) -> None:
    """Where a wheel brings a list of its own parts, as those in Rust do, it is there to be found, with its digest."""
    install("pydantic_core", "2.50.4")
    own = folder / "pydantic_core-2.50.4.dist-info" / "sboms" / "core.cdx.json"
    own.parent.mkdir()
    own.write_bytes(b"{}")

    found = component(read(sbom.write("deb", work, artifact, (folder,))), "pydantic_core")

    (told,) = (each for each in found["externalReferences"] if each["type"] == "bom")
    assert told["url"] == "pydantic_core-2.50.4.dist-info/sboms/core.cdx.json"
    assert told["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(b"{}").hexdigest()}]


def test_the_interpreter_is_told_with_its_archive(work: Work, artifact: Path, folder: Path) -> None:
    """CPython is there as the lists of vulnerabilities call it, with the digest of what it came in."""
    told = read(sbom.write("windows", work, artifact, (folder,), (sbom.cpython("3.12.10", "b" * 64),)))

    python = component(told, "CPython")
    assert python["cpe"].startswith("cpe:2.3:a:python:python:3.12.10:")
    assert python["hashes"] == [{"alg": "SHA-256", "content": "b" * 64}]
    assert python["licenses"][0]["license"]["id"] == "PSF-2.0"


def test_a_wheel_lists_what_the_lock_has_for_every_system(root: Path, work: Work, artifact: Path) -> None:
    """A wheel brings nothing along: its list is the lock's, the same wherever it is built, without what only builds."""
    told = read(sbom.write("wheel", work, artifact))

    listed = {each["purl"] for each in told["components"]}
    locked = dict(sbom.pins(layout.run_requirements(root)))
    assert listed == {f"pkg:pypi/{name}@{quote(version, safe='')}" for name, version in locked}
    assert not any("hatchling" in each for each in listed)
    assert any("pywin32-ctypes" in each for each in listed)


def test_another_time_is_all_that_another_commit_changes(work: Work, artifact: Path, folder: Path) -> None:
    """The time of the commit is the only time in it."""
    later = replace(work, epoch=work.epoch + 60)

    first, second = (read(sbom.write("deb", each, artifact, (folder,))) for each in (work, later))

    for each in (first, second):
        del each["serialNumber"], each["metadata"]["timestamp"]
    assert first == second
