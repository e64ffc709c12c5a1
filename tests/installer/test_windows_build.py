"""What goes into setup.exe's making: Python from where it was pinned, the icon, the list of files, the words."""

import argparse
import hashlib
import os
import re
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from app.system.notifications import APP_NAME
from app.ui.icons import Icons
from app.ui.theme import LIGHT
from provision.console import Stop
from release.windows import banner, cpython, icon, launchers, nsis, package

CYRILLIC = re.compile(r"[\u0400-\u04ff]")
STRING = re.compile(r'^LangString (\w+) \$\{LANG_(ENGLISH|RUSSIAN)\} "(.*)"$', re.MULTILINE)
NSIS_OWN = frozenset({"INSTDIR", "TEMP", "Installed"})


@pytest.fixture
def scripts(root: Path) -> Path:
    return root / "installer" / "release" / "windows"


def embeddable(path: Path, *, without: str = "", version: bytes = b"3.12.10") -> str:
    """Writes an archive as python.org has it, but for what is in the files, and gives its SHA-256."""
    names = {"python312.dll", "python.exe", "pythonw.exe", "python312.zip", "_ssl.pyd"} - {without}
    with zipfile.ZipFile(path, "w") as archive:
        for name in sorted(names):
            archive.writestr(name, b"MZ 3.1 \0" + version + b"\0 3.12.99")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_pythons_known_by_name_bring_their_own_digest() -> None:
    """The official one is for release, the one for tests says that it is not, and each is pinned."""
    official, testing = cpython.source_of("official", ""), cpython.source_of("testing", "")

    assert (official.testing, testing.testing) == (False, True)
    assert official.sha256 != testing.sha256
    assert official.file is testing.file is None


@pytest.mark.parametrize(
    ("named", "digest"),
    [("official", "0" * 64), ("testing", "0" * 64), ("a.zip", ""), ("a.zip", "0" * 63), ("a.zip", "g" * 64)],
)
def test_a_python_that_nobody_pinned_is_refused(named: str, digest: str) -> None:
    """A file of one's own needs its digest, and a known one takes none."""
    with pytest.raises(Stop, match="--python-sha256") as refused:
        cpython.source_of(named, digest)

    assert refused.value.code == 2


def test_a_python_of_ones_own_is_laid_out_and_tells_its_version(tmp_path: Path) -> None:
    """An archive with the digest that was named is unpacked whole, and its library says which release it is."""
    digest = embeddable(tmp_path / "embed.zip")
    source = cpython.source_of(str(tmp_path / "embed.zip"), digest.upper())

    version = cpython.fetch(source, tmp_path / "python", Path(sys.executable), {})

    assert version == "3.12.10"
    assert (tmp_path / "python" / "_ssl.pyd").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["embed.zip", "python"]


def test_a_python_with_another_digest_is_not_used(tmp_path: Path) -> None:
    """One changed byte, and nothing is unpacked; the message names both digests."""
    digest = embeddable(tmp_path / "embed.zip")
    content = bytearray((tmp_path / "embed.zip").read_bytes())
    content[40] ^= 1
    (tmp_path / "embed.zip").write_bytes(content)
    source = cpython.source_of(str(tmp_path / "embed.zip"), digest)

    with pytest.raises(Stop, match="nothing of it is used") as refused:
        cpython.fetch(source, tmp_path / "python", Path(sys.executable), {})

    assert digest in str(refused.value)
    assert hashlib.sha256(content).hexdigest() in str(refused.value)
    assert not (tmp_path / "python").exists()


@pytest.mark.parametrize("without", ["python312.dll", "pythonw.exe", "python312.zip"])
def test_what_is_no_such_python_is_told(tmp_path: Path, without: str) -> None:
    """An archive of another version, or of another kind, is refused by what it lacks."""
    digest = embeddable(tmp_path / "embed.zip", without=without)

    with pytest.raises(Stop, match=re.escape(without)):
        cpython.fetch(cpython.source_of(str(tmp_path / "embed.zip"), digest), tmp_path / "python", Path("python"), {})


def test_the_icon_holds_each_picture_as_it_was_drawn() -> None:
    """Small ones are bitmaps from the bottom up, blue before green before red; the largest is the PNG itself."""
    icons = Icons()
    pictures = {size: icons.app_png(size) for size in (16, 256)}

    content = icon.icon(pictures)

    entries = [struct.unpack_from("<BBBBHHII", content, 6 + 16 * each) for each in range(2)]
    small, large = (content[begin : begin + size] for *_, size, begin in entries)
    rows = icon.pixels(pictures[16])
    assert content[:6] == struct.pack("<HHH", 0, 1, 2)
    assert [entry[:2] for entry in entries] == [(16, 16), (0, 0)]
    assert large == pictures[256]
    assert struct.unpack_from("<IiiHH", small) == (40, 16, 32, 1, 32)
    assert len(small) == 40 + 16 * 16 * 4 + 16 * 4
    red, green, blue, alpha = rows[8][32:36]
    assert alpha
    assert small[40 + 7 * 64 + 32 :][:4] == bytes((blue, green, red, alpha))


def test_the_picture_of_setup_is_the_icon_on_one_colour() -> None:
    """A bitmap of the size that Modern UI shows, as Qt reads it: the ground at its edges, the icon in its middle."""
    from PySide6.QtGui import QColor, QImage  # noqa: PLC0415 - as below

    png = Icons().app_png(banner.ICON)
    icon_there = QImage.fromData(png, "PNG")

    image = QImage.fromData(banner.banner(icon.pixels(png)), "BMP")

    middle = QColor(icon_there.pixel(banner.ICON // 2, banner.ICON // 2))
    corners = [QColor(image.pixel(x, y)).name() for x in (0, banner.WIDTH - 1) for y in (0, banner.HEIGHT - 1)]
    assert (image.width(), image.height()) == (164, 314)
    assert corners == [LIGHT.selection] * 4
    assert QColor(image.pixel(banner.WIDTH // 2, banner.HEIGHT // 2)) == middle
    assert middle.name() != LIGHT.selection


def test_pixels_are_those_that_qt_wrote() -> None:
    """Each filter that a PNG's lines may have is undone: the same pixels as Qt itself reads."""
    from PySide6.QtGui import QImage  # noqa: PLC0415 - of this test alone

    png = Icons().app_png(64)

    image = QImage.fromData(png, "PNG").convertToFormat(QImage.Format.Format_RGBA8888)

    assert b"".join(icon.pixels(png)) == bytes(image.constBits())
    with pytest.raises(ValueError, match="no PNG"):
        icon.pixels(png[:8] + struct.pack(">I4sIIBBBBBI", 13, b"IHDR", 1, 1, 8, 2, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("testing", "text", "flags"), [(False, "1.2.3", "0"), (True, "1.2.3, not for release", "VS_FF_PRERELEASE")]
)
def test_a_launcher_tells_its_version_and_whom_it_is_for(testing: bool, text: str, flags: str) -> None:  # noqa: FBT001 - a parameter
    """What Explorer shows of watchkeeper.exe says so where it was built for tests."""
    header = launchers.header("1.2.3", testing=testing)

    assert "#define VERSION_NUMBERS 1,2,3,0\n" in header
    assert f'#define VERSION_TEXT "{text}\\0"\n' in header
    assert f"#define VERSION_FLAGS {flags}\n" in header


def test_the_list_of_files_is_the_same_whatever_order_the_disk_has(tmp_path: Path) -> None:
    """A folder's own files come before those of its folders, each folder once, and a dollar is a dollar."""
    names = ("z.txt", "lib/b/c.py", "lib/B.py", "lib/a$b.py", "a.exe", "lib-2/x")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("", "utf-8")

    listed = nsis.file_list({name: tmp_path / name for name in names}).splitlines()

    def file(name: str) -> str:
        return f'File "/oname={Path(name).name}" "{tmp_path / name}"'.replace("$", "$$")

    assert listed == [
        r'SetOutPath "$INSTDIR\program.new"',
        file("a.exe"),
        file("z.txt"),
        r'SetOutPath "$INSTDIR\program.new\lib"',
        file("lib/B.py"),
        file("lib/a$b.py"),
        r'SetOutPath "$INSTDIR\program.new\lib-2"',
        file("lib-2/x"),
        r'SetOutPath "$INSTDIR\program.new\lib\b"',
        file("lib/b/c.py"),
    ]


@pytest.mark.skipif(os.name == "nt", reason="there the system's shell is another one")
def test_the_command_that_signs_goes_through_a_shell_unharmed(tmp_path: Path) -> None:
    """NSIS hands one line to the shell: blanks, quotes and dollars in a path stay what they are."""
    odd = ("a b", 'c"d', "$HOME", "`e`", "f\\g")
    script = tmp_path / "show.py"
    script.write_text("import sys; print(sys.argv[1:])", "utf-8")

    line = nsis.command_line((sys.executable, str(script), *odd))

    said = subprocess.run(line, shell=True, capture_output=True, text=True, check=True, timeout=50)  # noqa: S602 - a shell is what it is about
    assert said.stdout.strip() == str(list(odd))


def test_every_text_of_the_setup_is_there_in_both_languages(scripts: Path) -> None:
    """What is said in English is said in Russian, with the same names in it, and the script says nothing by itself."""
    texts: dict[str, dict[str, str]] = {}
    for name, language, text in STRING.findall((scripts / "strings.nsh").read_text("utf-8")):
        assert language not in texts.setdefault(name, {}), name
        texts[name][language] = text
    script = (scripts / "setup.nsi").read_text("utf-8")
    used = set(re.findall(r"\$\((\w+)\)", script))

    for name, both in texts.items():
        assert set(both) == {"ENGLISH", "RUSSIAN"}, name
        assert CYRILLIC.search(both["RUSSIAN"]) or both["RUSSIAN"] == both["ENGLISH"] == "Watchkeeper", name
        assert not CYRILLIC.search(both["ENGLISH"]), name
        assert re.findall(r"\$\w+", both["ENGLISH"]) == re.findall(r"\$\w+", both["RUSSIAN"]), name
        assert {each for each in re.findall(r"\$(\w+)", both["ENGLISH"]) if each not in "rn"} <= NSIS_OWN, name
    assert used == set(texts)
    for box in re.findall(r'MessageBox \S+ "([^"]*)"', script):
        assert re.fullmatch(r"\$\(\w+\)|\$Why", box), box


def test_every_message_of_the_setup_has_an_answer_for_silence(scripts: Path) -> None:
    """Nobody sees a message of a silent setup, so each says what is answered; one page alone is for people only."""
    boxes = [line for line in (scripts / "setup.nsi").read_text("utf-8").splitlines() if "MessageBox" in line]

    silent = [line for line in boxes if "/SD ID" in line]

    assert len(boxes) >= 8
    assert [line.strip() for line in boxes if line not in silent] == ['MessageBox MB_ICONEXCLAMATION|MB_OK "$Why"']


def test_windows_knows_shortcut_process_and_notifications_by_one_name(root: Path, scripts: Path) -> None:
    """The AppUserModelID of setup.exe is what notifications are sent under, and the script has no other."""
    script = (scripts / "setup.nsi").read_text("utf-8")

    assert package.app_id(root) == APP_NAME
    assert '\'shortcut "${SHORTCUT}" "${APP_ID}"\'' in script
    assert r'"Software\Classes\AppUserModelId\${APP_ID}"' in script
    assert not re.search(r"!define APP_ID", script)


def test_a_program_without_that_name_stops_the_build(tmp_path: Path) -> None:
    """Where the notifications' name has gone, nothing is built that Windows would not know."""
    (tmp_path / "app" / "system").mkdir(parents=True)
    (tmp_path / "app" / "system" / "notifications.py").write_text("APP = 'Watchkeeper'\n", "utf-8")

    with pytest.raises(Stop, match="APP_NAME"):
        package.app_id(tmp_path)


def test_nothing_is_installed_before_the_options_are_right(tmp_path: Path) -> None:
    """A wrong word on the command line is told at once."""
    parser = argparse.ArgumentParser()
    package.arguments(parser)
    options = parser.parse_args(["--python", "mine.zip"])

    with pytest.raises(Stop, match=r"mine\.zip needs --python-sha256"):
        package.build(None, options)  # type: ignore[arg-type] # nothing of the build is asked for yet

    assert not list(tmp_path.iterdir())
