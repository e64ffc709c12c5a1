"""Whose work a Linux package holds is told, and nothing goes along of which that is not known."""

from pathlib import Path

import pytest

from provision.console import Stop
from release.linux import licences

MIT = "MIT License\n\nCopyright (c) 2020 Ada Lovelace\n\nPermission is hereby granted, free of charge.\n\nAs is.\n"
PLACE = "usr/lib/watchkeeper/lib/python3/site-packages"


def add(packages: Path, name: str, *, metadata: str = "License-Expression: MIT\n", text: str | None = MIT) -> None:
    """Lays out a package as the build does: its code, and a dist-info without a list of files."""
    told = packages / f"{name}-1.0.dist-info"
    (told / "licenses").mkdir(parents=True)
    written = f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\nAuthor: Charles Babbage\n{metadata}\n"
    (told / "METADATA").write_text(written, "utf-8")
    if text is not None:
        (told / "licenses" / "LICENSE").write_text(text, "utf-8")
    (packages / name.replace("-", "_")).mkdir()


def paragraphs(text: str) -> list[dict[str, str]]:
    """Reads a file of Debian's control form: a field goes on where a line begins with a space."""
    found = []
    for part in text.split("\n\n"):
        fields: dict[str, str] = {}
        name = ""
        for line in part.splitlines():
            if line.startswith(" "):
                fields[name] += line + "\n"
            else:
                name, _, value = line.partition(":")
                fields[name] = value.strip() + "\n"
        found.append(fields)
    return found


def test_each_package_has_holder_terms_and_text(tmp_path: Path, root: Path) -> None:
    """In the form that Debian's tools read; an empty line in a licence does not end its paragraph."""
    add(tmp_path, "engine")

    header, own, engine = paragraphs(licences.copyright_file(root, licences.licensed(tmp_path), PLACE))

    assert header["Format"].startswith("https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/")
    assert own["Files"] == "*\n"
    assert "The Watchkeeper developers" in own["Copyright"]
    assert own["License"].startswith("Expat\n")
    assert engine["Files"].split() == [f"{PLACE}/engine/*", f"{PLACE}/engine-1.0.dist-info/*"]
    assert engine["Copyright"].strip() == "Copyright (c) 2020 Ada Lovelace"
    assert engine["License"].startswith("engine-MIT\n")
    assert " .\n" in engine["License"]
    assert engine["License"].rstrip().endswith("As is.")


@pytest.mark.parametrize(
    "form",
    [
        "Copyright (c) 2026 <copyright holders>",
        "Copyright 2026 [name of copyright owner]",
        "Copyright (C) 2007 Free Software Foundation, Inc.",
        "(c) under Patent Claims infringed by Covered Software",
        "the copyright notice shall be kept",
    ],
)
def test_a_form_that_nobody_filled_in_names_nobody(tmp_path: Path, form: str) -> None:
    """Then the author counts, as the package's metadata tells."""
    add(tmp_path, "engine", text=f"A licence\n\n{form}\n")

    (engine,) = licences.licensed(tmp_path)

    assert engine.holders == ("Charles Babbage",)


@pytest.mark.parametrize(("metadata", "text"), [("", MIT), ("License-Expression: MIT\n", None)])
def test_a_package_without_terms_or_without_their_text_stops_the_build(
    tmp_path: Path, metadata: str, text: str | None
) -> None:
    """What nobody gave us the right to cannot be given on."""
    add(tmp_path, "engine", metadata=metadata, text=text)

    with pytest.raises(Stop, match="engine"):
        licences.licensed(tmp_path)


def test_a_file_that_belongs_to_no_package_stops_the_build(tmp_path: Path) -> None:
    """Else it would be taken for our own work."""
    add(tmp_path, "engine")
    (tmp_path / "stray.py").touch()

    with pytest.raises(Stop, match=r"stray\.py"):
        licences.licensed(tmp_path)


def test_terms_are_read_in_each_form_that_packages_use(tmp_path: Path) -> None:
    """An expression, a name, a classifier; a whole text in the place of a name is no name."""
    add(tmp_path, "a")
    add(tmp_path, "b", metadata="License: BSD-3-Clause\n")
    add(tmp_path, "c", metadata="Classifier: License :: OSI Approved :: Apache Software License\n")
    add(tmp_path, "d", metadata="License: One\n two\nClassifier: License :: OSI Approved :: ISC License (ISCL)\n")

    assert [one.terms for one in licences.licensed(tmp_path)] == [
        "MIT",
        "BSD-3-Clause",
        "Apache Software License",
        "ISC License (ISCL)",
    ]


def test_qt_is_told_by_reference_to_debians_own_texts(tmp_path: Path, root: Path) -> None:
    """Its wheels hold no text; where Debian's are not at hand they are in the archive."""
    add(tmp_path, "shiboken6", metadata="License: LGPL-3.0-only OR GPL-2.0-only\n", text=None)

    told = licences.copyright_file(root, licences.licensed(tmp_path), PLACE)

    assert "/usr/share/common-licenses/LGPL-3" in told
    assert "download.qt.io" in told


def test_the_archives_text_holds_every_licence(tmp_path: Path, root: Path) -> None:
    """Our own first, then that of each package."""
    add(tmp_path, "engine")

    told = licences.licences_file(root, licences.licensed(tmp_path))

    assert told.index("The Watchkeeper developers") < told.index("Ada Lovelace")
