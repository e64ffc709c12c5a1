"""Tells what a package is made of: a CycloneDX 1.6 document beside it, which is the same each time it is built.

Packages of Python are found by their dist-info in what was laid out, and libraries that are compiled into them by the
versions that they bear. What lies there without either, the caller names: the interpreter, say.
"""

import datetime as dt
import hashlib
import importlib.metadata
import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from release import layout
from release.work import Work

if TYPE_CHECKING:
    from cyclonedx.model import ExternalReference
    from cyclonedx.model.component import Component
    from cyclonedx.model.license import License

_PROJECT = "watchkeeper"
_DIGEST = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_PIN = re.compile(r"([a-z0-9-]+)==([^ ;\\]+)")
_LONGEST_NAME = 80
"""Some packages have their licence's whole text where its name belongs."""

# What a package says where it gives no SPDX expression; "BSD License" alone does not say which of them.
_CLASSIFIED = {
    "Apache Software License": "Apache-2.0",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}


@dataclass(frozen=True, slots=True)
class Part:
    """Something in a package that no dist-info tells.

    Args:
        name: what it is called.
        version: its version.
        licence: an SPDX expression.
        cpe: what the lists of vulnerabilities call it, without version: `a:python:python`.
        sha256: the digest of the archive that it came in; empty where it came in another part.
        inside: the path of the file that it is compiled into, relative to the laid out folder; empty where it is not.
    """

    name: str
    version: str
    licence: str
    cpe: str
    sha256: str = ""
    inside: str = ""

    @property
    def reference(self) -> str:
        """Its package URL, which is another one for each file that it is compiled into."""
        return f"pkg:generic/{self.name.lower()}@{self.version}" + (f"#{self.inside}" if self.inside else "")


@dataclass(frozen=True, slots=True)
class Package:
    """A package of Python.

    Args:
        name: as it calls itself.
        version: its version.
        licences: SPDX expressions, or else names of licences.
        needs: the names of the packages that it needs, as packages are compared by name.
        locked: the SHA-256 digests that the lock has for this version.
        own: the lists that it brings of what it is made of itself (PEP 770): (path in the laid out folder, SHA-256).
    """

    name: str
    version: str
    licences: tuple[str, ...]
    needs: frozenset[str]
    locked: tuple[str, ...]
    own: tuple[tuple[str, str], ...] = ()

    @property
    def reference(self) -> str:
        """Its package URL."""
        return f"pkg:pypi/{layout.name_of(self.name)}@{quote(self.version, safe='')}"


@dataclass(frozen=True, slots=True)
class _Embedded:
    """A library that others compile into theirs, and how it is found there."""

    files: tuple[str, ...]
    says: re.Pattern[bytes]
    name: str
    licence: str
    cpe: str


_EMBEDDED = (
    _Embedded(
        ("PySide6/**/Qt6Core.dll", "PySide6/**/libQt6Core.so.6", "PySide6/**/QtCore.framework/Versions/A/QtCore"),
        re.compile(rb"\bQt (6\.\d+\.\d+) \("),
        "Qt",
        "LGPL-3.0-only OR GPL-2.0-only OR GPL-3.0-only",
        "a:qt:qt",
    ),
    _Embedded(
        (
            "cryptography/hazmat/bindings/_rust*.pyd",
            "cryptography/hazmat/bindings/_rust*.so",
            "**/libcrypto-*.dll",
            "**/libcrypto.*.dylib",
        ),
        re.compile(rb"\bOpenSSL (\d+\.\d+\.\d+) \d{1,2} [A-Z][a-z]{2} \d{4}"),
        "OpenSSL",
        "Apache-2.0",
        "a:openssl:openssl",
    ),
    # What Windows' CPython brings: there each lies in a file of its own, or says who it is.
    _Embedded(
        ("sqlite3.dll",),
        re.compile(rb"(?<![\d.])(3\.\d{1,2}\.\d{1,2})\0"),
        "SQLite",
        "blessing",
        "a:sqlite:sqlite",
    ),
    _Embedded(
        ("pyexpat.pyd",),
        re.compile(rb"\bexpat_(\d+\.\d+\.\d+)"),
        "Expat",
        "MIT",
        "a:libexpat_project:libexpat",
    ),
    _Embedded(
        ("python3[0-9]*.dll",),
        re.compile(rb"\0(1\.[2-9]\.\d+)\0"),
        "zlib",
        "Zlib",
        "a:zlib:zlib",
    ),
)


def cpython(version: str, sha256: str) -> Part:
    """Gives the part that an interpreter is.

    Args:
        version: such as `3.12.10`.
        sha256: the digest of the archive that it came in.
    """
    return Part("CPython", version, "PSF-2.0", "a:python:python", sha256)


def name(kind: str, work: Work) -> str:
    """Gives the file's name.

    Args:
        kind: the package's, such as `deb`.
        work: the build.
    """
    return f"{_PROJECT}-{work.version}-{kind}.cdx.json"


def write(kind: str, work: Work, artifact: Path, folders: Sequence[Path] = (), parts: Sequence[Part] = ()) -> Path:
    """Writes what a package is made of to `work.out`.

    Args:
        kind: the package's, such as `deb`.
        work: the build.
        artifact: the package, finished and signed: the document tells its digest.
        folders: where its Python packages were laid out; none: it brings none, and asks for those of the lock.
        parts: what else is in it.

    Returns:
        The document's path.
    """
    locked = dict(pins(layout.run_requirements(work.root)))
    packages = [each for folder in folders for each in _laid_out(folder, locked)]
    if not folders:
        # Of packages that come only later, and for some systems only, nothing but the lock is known everywhere.
        packages = [Package(name, version, (), frozenset(), digests) for (name, version), digests in locked.items()]
    once = {each.reference: each for each in packages}
    found = {each.reference: each for folder in folders for each in _embedded(folder)}
    found |= {each.reference: each for each in parts}
    path = work.out / name(kind, work)
    text = _document(
        kind, work, artifact, sorted(once.values(), key=_reference), sorted(found.values(), key=_reference)
    )
    path.write_text(text, "utf-8", newline="\n")
    return path


def pins(lock: str) -> Iterator[tuple[tuple[str, str], tuple[str, ...]]]:
    """Reads a lock.

    Args:
        lock: its text.

    Yields:
        ((name, version), SHA-256 digests in hex).
    """
    for block in re.split(r"(?<!\\)\n", lock):
        found = _PIN.match(block)
        if found:
            yield (found[1], found[2]), tuple(sorted(_DIGEST.findall(block)))


def _reference(each: Package | Part) -> str:
    return each.reference


def _laid_out(folder: Path, locked: dict[tuple[str, str], tuple[str, ...]]) -> Iterator[Package]:
    for each in importlib.metadata.distributions(path=[str(folder)]):
        needs = frozenset(layout.name_of(need) for need in each.requires or () if "extra ==" not in need)
        digests = locked.get((layout.name_of(each.name), each.version), ())
        yield Package(each.name, each.version, tuple(_licences(each)), needs, digests, tuple(_own(folder, each)))


def _own(folder: Path, each: importlib.metadata.Distribution) -> Iterator[tuple[str, str]]:
    for info in folder.glob(f"*-{each.version}.dist-info"):
        if layout.name_of(info.name.removesuffix(f"-{each.version}.dist-info")) == layout.name_of(each.name):
            for path in sorted((info / "sboms").glob("*.json")):
                yield path.relative_to(folder).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()


def _licences(each: importlib.metadata.Distribution) -> Iterator[str]:
    from cyclonedx.spdx import fixup_id, is_expression  # noqa: PLC0415 - third party

    told = each.metadata.get("License-Expression") or each.metadata.get("License") or ""
    if told and (fixup_id(told) or is_expression(told)):
        yield fixup_id(told) or told
        return
    classified = [
        line.rpartition(" :: ")[2]
        for line in each.metadata.get_all("Classifier") or ()
        if line.startswith("License :: ")
    ]
    if classified:
        yield from (_CLASSIFIED.get(line, line) for line in classified)
    elif told and "\n" not in told and len(told) <= _LONGEST_NAME:
        yield told


def _embedded(folder: Path) -> Iterator[Part]:
    for library in _EMBEDDED:
        for path in sorted({path for pattern in library.files for path in folder.glob(pattern)}):
            versions = sorted({found.decode() for found in library.says.findall(path.read_bytes())})
            inside = path.relative_to(folder).as_posix()
            yield from (Part(library.name, each, library.licence, library.cpe, inside=inside) for each in versions)


def _document(kind: str, work: Work, artifact: Path, packages: Sequence[Package], parts: Sequence[Part]) -> str:
    from cyclonedx.model import HashAlgorithm, HashType, Property  # noqa: PLC0415 - third party
    from cyclonedx.model.bom import Bom  # noqa: PLC0415 - likewise
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415 - likewise
    from cyclonedx.output.json import JsonV1Dot6  # noqa: PLC0415 - likewise

    digest = hashlib.sha256(artifact.read_bytes()).hexdigest()
    whole = Component(
        name=_PROJECT,
        version=work.version,
        type=ComponentType.APPLICATION,
        bom_ref=_PROJECT,
        licenses=_licensed(("MIT",)),
        hashes=(HashType(alg=HashAlgorithm.SHA_256, content=digest),),
        properties=(
            Property(name="watchkeeper:kind", value=kind),
            Property(name="watchkeeper:file", value=artifact.name),
        ),
    )
    others = [each for each in packages if layout.name_of(each.name) != _PROJECT]
    components = {each.reference: _component_of(each) for each in (*others, *parts)}
    bom = Bom(components=components.values())
    bom.metadata.component = whole
    bom.metadata.timestamp = dt.datetime.fromtimestamp(work.epoch, dt.UTC)
    needs = {layout.name_of(each.name): each.needs for each in packages}
    # What is known of no package's needs, the whole needs.
    known = needs.get(_PROJECT, frozenset(needs))
    direct = (*(each for each in others if layout.name_of(each.name) in known), *parts)
    bom.register_dependency(whole, [components[each.reference] for each in direct])
    for each in others:
        needed = [other for other in others if layout.name_of(other.name) in each.needs]
        bom.register_dependency(components[each.reference], [components[other.reference] for other in needed])
    # A number for each content, and no other: so it comes from the content.
    bom.serial_number = uuid.UUID(int=0)
    content = JsonV1Dot6(bom).output_as_string(indent=1)
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_OID, content)
    return JsonV1Dot6(bom).output_as_string(indent=1) + "\n"


def _component_of(each: Package | Part) -> "Component":
    from cyclonedx.model import HashAlgorithm, HashType, Property  # noqa: PLC0415 - third party
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415 - likewise
    from packageurl import PackageURL  # noqa: PLC0415 - likewise

    if isinstance(each, Package):
        return Component(
            name=each.name,
            version=each.version,
            type=ComponentType.LIBRARY,
            bom_ref=each.reference,
            purl=PackageURL.from_string(each.reference),
            licenses=_licensed(each.licences),
            external_references=_came_with(each),
        )
    return Component(
        name=each.name,
        version=each.version,
        type=ComponentType.PLATFORM if each.sha256 else ComponentType.LIBRARY,
        bom_ref=each.reference,
        purl=PackageURL.from_string(each.reference),
        cpe=f"cpe:2.3:{each.cpe}:{each.version}:*:*:*:*:*:*:*",
        licenses=_licensed((each.licence,)),
        hashes=(HashType(alg=HashAlgorithm.SHA_256, content=each.sha256),) if each.sha256 else (),
        properties=(Property(name="watchkeeper:inside", value=each.inside),) if each.inside else (),
    )


def _licensed(told: Iterable[str]) -> "list[License]":
    from cyclonedx.contrib.license.factories import LicenseFactory  # noqa: PLC0415 - third party
    from cyclonedx.model.license import LicenseAcknowledgement  # noqa: PLC0415 - likewise

    make = LicenseFactory().make_from_string
    return [make(each, license_acknowledgement=LicenseAcknowledgement.DECLARED) for each in told]


def _came_with(each: Package) -> "list[ExternalReference]":
    from cyclonedx.model import (  # noqa: PLC0415 - third party
        ExternalReference,
        ExternalReferenceType,
        HashAlgorithm,
        HashType,
        XsUri,
    )

    found = [
        ExternalReference(
            type=ExternalReferenceType.BOM,
            url=XsUri(path),
            comment="What it is made of itself, as its makers tell.",
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
        )
        for path, digest in each.own
    ]
    if each.locked:
        found.append(
            ExternalReference(
                type=ExternalReferenceType.DISTRIBUTION,
                url=XsUri(each.reference),
                comment="It came in an archive with one of these digests, all of which the lock has.",
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in each.locked],
            )
        )
    return found
