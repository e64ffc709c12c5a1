"""The file `copyright` of a Linux package: whose work is in it, and under which terms.

Its form is Debian's "Machine-readable debian/copyright file", version 1.0; what it tells of the packages within comes
from their own metadata (Core Metadata, PEP 639 and before).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from pathlib import Path, PurePosixPath

from provision.console import Stop

_COMMON = Path("/usr/share/common-licenses")
_FORMAT = "https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/"
_SOURCE = "The project's own git repository, from which installer/build.py made this package."
_LINE = re.compile(r"^\W*(?:copyright\b|\(c\) *\d|©)", re.IGNORECASE)
_NAMED = re.compile(r"\d{4}|\bby\b|\(c\)", re.IGNORECASE)
_NOBODY = re.compile(r"<copyright holders>|\[name of|Free Software Foundation", re.IGNORECASE)
"""A form that nobody filled in, or the licence's own author."""
_CLASSIFIER = "License :: OSI Approved :: "

_APACHE = re.compile(r" *Apache License\s+Version 2\.0, January 2004.*?END OF TERMS AND CONDITIONS", re.DOTALL)
_IN_DEBIAN = "The Apache License, Version 2.0: its text is in /usr/share/common-licenses/Apache-2.0."
"""Debian wants this text told by reference (Policy, 12.5)."""
_BY_REFERENCE = {"pyside6-essentials": ("LGPL-3", "GPL-3", "GPL-2"), "shiboken6": ("LGPL-3", "GPL-3", "GPL-2")}
"""Whose wheels hold no text of their licence: the texts that apply, as Debian calls them."""

_BESIDE = {"cffi": ("_cffi_backend.*",), "watchkeeper": ("app",)}
"""What is not called like its package."""

_QT_NOTE = (
    "Qt, PySide6 and shiboken6 are those of the wheels, unchanged, as libraries of their own that anybody may replace."
    " The source of each version is at download.qt.io/official_releases/QtForPython. Qt itself holds works of others,"
    " which doc.qt.io/qt-6/licenses-used-in-qt.html lists, and the wheels hold ICU (the Unicode licence)."
)


@dataclass(frozen=True, slots=True)
class Licensed:
    """One package that goes along.

    Args:
        name: its name, normalised.
        version: its version.
        terms: what its metadata says of its licence, in a line.
        holders: the lines that say whose it is.
        texts: the whole licences.
        files: its top folders and files in `site-packages`.
    """

    name: str
    version: str
    terms: str
    holders: tuple[str, ...]
    texts: tuple[str, ...]
    files: tuple[str, ...]


def licensed(packages: Path) -> tuple[Licensed, ...]:
    """Reads what the packages of a folder say of themselves, sorted by name.

    Args:
        packages: the folder `site-packages`.

    Raises:
        Stop: one of them says nothing of its licence or has no text of it, or a file belongs to none.
    """
    found = tuple(_read(folder) for folder in sorted(packages.glob("*.dist-info")))
    silent = [one.name for one in found if not one.terms or not (one.texts or one.name in _BY_REFERENCE)]
    if silent:
        message = f"No licence is known of {', '.join(silent)}: it cannot be given on.\nLook at its metadata."
        raise Stop(message)
    known = {name.partition("/")[0] for one in found for name in one.files}
    stray = sorted(path.name for path in packages.iterdir() if path.name not in known)
    if stray:
        message = f"Nothing tells whose {', '.join(stray)} in {packages} is, and so under which licence."
        raise Stop(message)
    return tuple(sorted(found, key=lambda one: one.name))


def copyright_file(root: Path, packages: Sequence[Licensed], prefix: str) -> str:
    """Gives the text of `copyright`.

    Args:
        root: the checkout, whose LICENSE is the program's.
        packages: what goes along.
        prefix: where `site-packages` lies in the package, without a slash at its beginning or end.
    """
    own = (root / "LICENSE").read_text("utf-8")
    parts = [
        f"Format: {_FORMAT}\nUpstream-Name: Watchkeeper\nSource: {_SOURCE}\nComment:{_body(_QT_NOTE)}",
        f"Files: *\nCopyright:{_block(_holders(own))}\nLicense: Expat{_body(_terms_of(own))}".rstrip(),
    ]
    for one in packages:
        if one.name == "watchkeeper":
            continue
        files = "\n".join(f" {prefix}/{name}" for name in one.files)
        parts.append(f"Files:\n{files}\nCopyright:{_block(one.holders)}\nLicense: {_short(one)}{_whole(one)}".rstrip())
    return "\n\n".join(parts) + "\n"


def licences_file(root: Path, packages: Sequence[Licensed]) -> str:
    """Gives all licences in one text, for where Debian's own texts are not at hand.

    Args:
        root: the checkout.
        packages: what goes along.

    Raises:
        Stop: this machine lacks the texts of the GNU licences, which Debian and Ubuntu keep.
    """
    own = (root / "LICENSE").read_text("utf-8")
    parts = [f"Watchkeeper\n\n{own}", _QT_NOTE]
    for one in packages:
        if one.name != "watchkeeper":
            texts = one.texts or tuple(f"See {name} at the end." for name in _BY_REFERENCE[one.name])
            parts.append(f"{one.name} {one.version}: {one.terms}\n\n" + "\n\n".join(texts))
    names = sorted({name for one in packages if not one.texts for name in _BY_REFERENCE.get(one.name, ())})
    try:
        parts += [f"{name}\n\n{(_COMMON / name).read_text('utf-8')}" for name in names]
    except OSError as error:
        message = f"The text of a licence is missing ({error}). Debian and Ubuntu have it: build there."
        raise Stop(message, 3) from error
    return f"\n\n{'=' * 80}\n\n".join(part.strip() for part in parts) + "\n"


def _read(folder: Path) -> Licensed:
    told = message_from_bytes((folder / "METADATA").read_bytes())
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and _is_licence(path, told)]
    texts = tuple(path.read_text("utf-8", "replace").strip() for path in paths)
    holders = tuple(dict.fromkeys(line for text in texts for line in _holders(text)))
    author = told.get("Author") or told.get("Author-email") or told.get("Maintainer-email") or "its authors"
    name = re.sub(r"[-_.]+", "-", told["Name"]).lower()
    return Licensed(
        name=name,
        version=told["Version"],
        terms=_terms(told),
        holders=holders or (" ".join(str(author).split()),),
        texts=texts,
        files=(*_tops(name, folder.parent), f"{folder.name}/*"),
    )


def _is_licence(path: Path, told: Message) -> bool:
    named = {PurePosixPath(name).name for name in told.get_all("License-File", [])}
    return path.name in named or bool(re.match(r"(licen[cs]e|copying|notice)", path.name, re.IGNORECASE))


def _terms(told: Message) -> str:
    said = told.get("License-Expression") or told.get("License") or ""
    # Some put the whole text there; what it is called stands in a classifier then.
    if said and "\n" not in said and said.upper() != "UNKNOWN":
        return said.strip()
    classes = [name.removeprefix(_CLASSIFIER) for name in told.get_all("Classifier", []) if _CLASSIFIER in name]
    return " and ".join(classes)


def _tops(name: str, packages: Path) -> tuple[str, ...]:
    """Gives a package's folders and files in `site-packages`, by its name: nothing there lists them any more."""
    lying = {path.name.removesuffix(".py").lower(): path for path in packages.iterdir()}
    whole, first, last = name.replace("-", "_"), name.partition("-")[0], name.rpartition("-")[2]
    own = next((lying[each] for each in (whole, first, last) if each in lying), None)
    found = [own] if own else []
    found += [path for pattern in _BESIDE.get(name, ()) for path in packages.glob(pattern)]
    return tuple(f"{path.name}/*" if path.is_dir() else path.name for path in sorted(found))


def _holders(text: str) -> tuple[str, ...]:
    lines = (line.strip(" \t#*-/.") for line in text.splitlines() if _LINE.match(line.strip()))
    return tuple(line for line in lines if _NAMED.search(line) and not _NOBODY.search(line))


def _terms_of(text: str) -> str:
    """Gives a licence without its heading and the line that says whose the work is."""
    return "\n".join(line for line in text.splitlines()[1:] if not _LINE.match(line.strip())).strip()


def _short(one: Licensed) -> str:
    """Gives the licence's short name, of one word for each package: the texts differ in their small print."""
    return re.sub(r"[^A-Za-z0-9.+-]+", "-", f"{one.name}-{one.terms}").strip("-")


def _whole(one: Licensed) -> str:
    if not one.texts:
        common = ", ".join(f"/usr/share/common-licenses/{name}" for name in _BY_REFERENCE[one.name])
        return _body(f"{one.terms}\n\nThe texts are in {common}.")
    return _body("\n\n".join(_APACHE.sub(_IN_DEBIAN, text) for text in one.texts))


def _block(lines: Sequence[str]) -> str:
    return "".join(f"\n {line}" for line in lines)


def _body(text: str) -> str:
    """Gives a text as the body of a field: a space before each line, a full stop where one is empty."""
    return "".join(f"\n {line}" for line in _lines(text))


def _lines(text: str) -> Iterator[str]:
    for line in text.strip().splitlines():
        yield line.rstrip().expandtabs() if line.strip() else "."
