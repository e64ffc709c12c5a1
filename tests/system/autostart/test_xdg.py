"""The autostart entry: what desktops read in it is what was meant, whatever the folders are called."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.system.autostart.entries import MODULE, Start
from app.system.autostart.xdg import XdgAutostart, desktop_entry, exec_value, exec_words
from tests.system.needed import needed

ODD = Start(
    ("/opt/my tools/O'Brien's \"best\" $HOME=1/watchkeeper",),
    ("/home/ann/100 % sure", "/home/ann/Вüßж", "/home/ann/a\\b`c`;&#~*?<>|()", "/u\u2028\u00a0"),
    "/home/ann/of %U watch",
)
PLAIN = Start(("/opt/watchkeeper/bin/watchkeeper",))
SHOWS_ITS_WORDS = """#!{python}
import json, os, sys
with open({out!r}, "w") as file:
    json.dump([sys.argv, dict(os.environ)], file)
"""
GENERATOR = Path("/usr/lib/systemd/user-generators/systemd-xdg-autostart-generator")

words = st.lists(
    st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=20), min_size=1, max_size=5
)


def as_glib_reads(value: str) -> list[str]:
    """Take an Exec value apart in GLib's order: key file escapes, then field codes, then the shell's quotes."""
    escapes = {"s": " ", "n": "\n", "t": "\t", "r": "\r", "\\": "\\"}
    text = re.sub(r"\\([sntr\\])", lambda found: escapes[found[1]], value.strip())
    text = re.sub(r"%(.)", lambda found: "%" if found[1] == "%" else "", text)
    found, word, quoted, at = [], "", False, 0
    has_word = False
    while at < len(text):
        character = text[at]
        if character == '"':
            quoted, has_word = not quoted, True
        elif character == "\\" and (not quoted or text[at + 1 : at + 2] in tuple('"`$\\')):
            at += 1
            word, has_word = word + text[at], True
        elif character == " " and not quoted:
            found += [word] if has_word else []
            word, has_word = "", False
        else:
            word, has_word = word + character, True
        at += 1
    return [*found, word] if has_word else found


@given(words)
@example(["/a\u2028b", "\u00a0", " ", "\u3000x\u00a0"])
def test_what_glib_reads_is_what_was_meant(meant: list[str]) -> None:
    """Quoting and GLib's unquoting, written after its documentation, undo each other."""
    value = exec_value(meant)

    assert as_glib_reads(value) == meant
    assert exec_words(value) == tuple(meant)


@settings(max_examples=200)
@given(st.text(st.sampled_from("a \"\\`$%'=;"), max_size=12))
def test_any_value_is_read_or_refused(value: str) -> None:
    """A person's own Exec line never raises, and what is understood can be written again."""
    found = exec_words(value)

    assert found is None or exec_words(exec_value(found)) == found


@pytest.mark.parametrize(
    "start", [PLAIN, ODD, Start((sys.executable, *MODULE), ("/a",))], ids=["plain", "odd", "module"]
)
def test_an_entry_is_valid_and_read_back(tmp_path: Path, start: Start) -> None:
    """desktop-file-validate has nothing to say about it, and reading it gives what was written."""
    autostart = XdgAutostart(tmp_path)
    autostart.write(start)

    said = subprocess.run(
        [needed("desktop-file-validate"), autostart.path], capture_output=True, text=True, check=False
    )
    entry = autostart.read()

    assert (said.returncode, said.stdout + said.stderr) == (0, "")
    assert entry is not None
    assert (entry.start, entry.is_on, entry.where) == (start, True, str(autostart.path))


def test_gio_starts_exactly_these_words(tmp_path: Path) -> None:
    """GLib itself, which GNOME, Xfce and others use, starts the program with its words and its home."""
    start, out = _program(tmp_path)
    entry = tmp_path / "watchkeeper.desktop"
    entry.write_text(desktop_entry(start), "utf-8")

    subprocess.run([needed("gio"), "launch", entry], check=True, capture_output=True, timeout=20)
    argv, environ = _shown(out)

    assert argv == list(start.words(keeps=False))
    assert environ["WATCHKEEPER_HOME"] == start.home


def test_dex_starts_exactly_these_words(tmp_path: Path) -> None:
    """So does dex, which people with a window manager alone use. It knows no escapes, so the names are not as odd."""
    start, out = _program(tmp_path, "my täst", Start((), ("/home/ann/a & b", "/home/ann/Вüßж"), "/home/ann/my wk"))
    entry = tmp_path / "watchkeeper.desktop"
    entry.write_text(desktop_entry(start), "utf-8")

    subprocess.run([needed("dex"), entry], check=True, capture_output=True, timeout=20)
    argv, environ = _shown(out)

    assert argv == list(start.words(keeps=False))
    assert environ["WATCHKEEPER_HOME"] == start.home


def test_systemd_takes_the_entry_over(tmp_path: Path) -> None:
    """The generator by which newer KDE and GNOME sessions start autostart entries makes a service of it."""
    start, _ = _program(tmp_path)
    XdgAutostart(tmp_path).write(start)
    out = tmp_path / "units"
    out.mkdir()
    environ = {"XDG_CONFIG_HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path / "none"), "HOME": str(tmp_path)}

    subprocess.run([needed(str(GENERATOR)), out, out, out], env=environ, check=True, capture_output=True, timeout=20)

    (unit,) = out.glob("app-watchkeeper@autostart.service")
    assert "--keep" in unit.read_text("utf-8")


@pytest.mark.parametrize("line", ["Hidden=true", "X-GNOME-Autostart-enabled=false"])
def test_what_the_desktop_switched_off_is_off_and_stays_off(tmp_path: Path, line: str) -> None:
    """Moving an entry changes what it starts, and no other line; writing it switches it on."""
    autostart = XdgAutostart(tmp_path)
    autostart.write(PLAIN)
    text = autostart.path.read_text("utf-8").replace("X-GNOME-Autostart-enabled=true\n", "")
    autostart.path.write_text(f"{text}{line}\nIcon=eye\n[Desktop Action Other]\nExec=other\n", "utf-8")

    autostart.move(ODD)
    moved, content = autostart.read(), autostart.path.read_text("utf-8")
    autostart.write(ODD)
    written = autostart.read()

    assert moved is not None
    assert (moved.start, moved.is_on) == (ODD, False)
    assert content.endswith(f"{line}\nIcon=eye\n[Desktop Action Other]\nExec=other\n")
    assert written is not None
    assert written.is_on


@pytest.mark.parametrize(
    "value",
    ['sh -c "sleep 5; watchkeeper"', "watchkeeper --window", "other", '"unfinished', "", "watchkeeper %U"],
)
def test_what_a_person_wrote_is_not_taken_for_ours(tmp_path: Path, value: str) -> None:
    """Another command line is nothing that Watchkeeper would repair."""
    autostart = XdgAutostart(tmp_path)
    autostart.write(PLAIN)
    text = re.sub("^Exec=.*$", f"Exec={value}", autostart.path.read_text("utf-8"), flags=re.MULTILINE)
    autostart.path.write_text(text, "utf-8")

    entry = autostart.read()

    assert entry is not None
    assert entry.start is None


def _program(folder: Path, name: str = "O'Brien's \"best\" my %k = $x", like: Start = ODD) -> tuple[Start, Path]:
    """Return a start of a program that notes its words, in a folder of this name, and where it notes them."""
    out = folder / "shown.json"
    home = folder / name
    home.mkdir(parents=True)
    program = home / "watchkeeper"
    program.write_text(SHOWS_ITS_WORDS.format(python=sys.executable, out=str(out)), "utf-8")
    program.chmod(0o755)
    return Start((str(program),), like.projects, like.home), out


def _shown(out: Path) -> tuple[list[str], dict[str, str]]:
    deadline = time.monotonic() + 20
    while True:
        try:
            argv, environ = json.loads(out.read_text("utf-8"))
        except (OSError, ValueError):
            assert time.monotonic() < deadline, f"{out.name} was not written, of {out.parent}"
            time.sleep(0.02)
        else:
            return argv, environ
