"""The settings file: typed, told in words when wrong, edited with its comments kept."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field

from app.domain.errors import SettingsError
from app.engine import tomltext
from app.engine.settings import Section, SettingsFile, fields


class Inner(Section):
    """A section as a room declares it."""

    word: str = ""
    words: tuple[str, ...] = ()
    seconds: float = Field(default=300.0, ge=1, le=1000)
    number: int = Field(default=5, ge=0)
    flag: bool = True
    level: Literal["low", "high"] = "low"
    figures: tuple[float, ...] = ()


class Whole(Section):
    """A whole file."""

    projects: tuple[str, ...] = ()
    tests: Inner = Inner()
    other: Inner = Inner()


@pytest.fixture
def file(tmp_path: Path) -> SettingsFile[Whole]:
    return SettingsFile(Whole, tmp_path / "settings.toml", last_good=tmp_path / "cache" / "good.toml")


def refused(file: SettingsFile[Whole], text: str) -> SettingsError:
    file.path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        file.reload()
    return caught.value


def test_without_a_file_the_defaults_hold(file: SettingsFile[Whole]) -> None:
    """A missing file is no mistake."""
    loaded = file.load()

    assert loaded == Whole()
    assert file.trouble is None


def test_values_are_read_by_their_types(file: SettingsFile[Whole]) -> None:
    """What stands in the file is what holds, a whole number serving for a number."""
    file.path.write_text('projects = ["/a", "/b"]\n[tests]\nseconds = 60\nflag = false\nlevel = "high"\n')

    loaded = file.load()

    assert loaded.projects == ("/a", "/b")
    assert (loaded.tests.seconds, loaded.tests.flag, loaded.tests.level) == (60.0, False, "high")
    assert loaded.other == Inner()


def test_a_file_from_a_windows_editor_is_read(file: SettingsFile[Whole]) -> None:
    """A byte order mark and CRLF do not matter."""
    file.path.write_bytes(b"\xef\xbb\xbf[tests]\r\nnumber = 7\r\n")

    assert file.load().tests.number == 7


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[tests]\n\nnumber = 3\nseconds = 0\n", ["line 4", "tests.seconds", "= 0", "1 or more"]),
        ("[tests]\nseconds = 5000", ["line 2", "1000 or less"]),
        ('[tests]\nnumber = "3"', ["line 2", "tests.number", '"3"', "a whole number"]),
        ("[tests]\nflag = 1", ["line 2", "true or false"]),
        ('[tests]\nwords = "-x"', ["line 2", "a list"]),
        ("projects = [\n  'a',\n  4,\n]", ["line 1", "projects[1]", "= 4", "text in quotes"]),
        ('[tests]\nlevel = "medium"', ["line 2", 'one of "low" or "high"']),
        ("tests = 3", ["line 1", "tests = 3", "a section"]),
        ("[tests]\nseconds = nan", ["line 2", "tests.seconds"]),
        ("[tests]\nsecnds = 3", ["line 2", "tests.secnds is not a setting", "Did you mean tests.seconds?"]),
        ("[tets]\nseconds = 3", ["line 1", "tets is not a setting", "Did you mean tests?"]),
        ("seconds = 3", ["line 1", "Did you mean tests.seconds?"]),
        ("[tests]\nseconds = = 3", ["line 2", "not TOML"]),
        ("[tests]\nnumber = 2026-01-01", ["line 2", "tests.number"]),
    ],
)
def test_a_mistake_is_told_with_all_that_mends_it(file: SettingsFile[Whole], text: str, words: list[str]) -> None:
    """The message names file, line, key, value and what is allowed, and there is a hint."""
    error = refused(file, text)

    for word in (*words, str(file.path)):
        assert word in error.message
    assert error.hint


def test_several_mistakes_are_told_at_once(file: SettingsFile[Whole]) -> None:
    """Each of the first mistakes has a line of its own, and the rest is counted."""
    text = "[tests]\nseconds = 0\nnumber = -1\nflag = 1\na = 1\nb = 1\nc = 1\nd = 1\n"

    lines = refused(file, text).message.splitlines()

    assert len(lines) == 6
    assert "2 more" in lines[-1]


def test_the_last_good_settings_stay_in_force(file: SettingsFile[Whole]) -> None:
    """A file that turned bad changes nothing, and the mistake is told until it is mended."""
    file.path.write_text("[tests]\nnumber = 7\n")
    file.load()

    refused(file, "[tests]\nnumber = -7\n")
    kept, trouble = file.current.tests.number, file.trouble
    file.path.write_text("[tests]\nnumber = 8\n")
    file.reload()

    assert kept == 7
    assert trouble is not None
    assert (file.current.tests.number, file.trouble) == (8, None)


def test_a_start_with_a_broken_file_uses_the_last_good_copy(file: SettingsFile[Whole]) -> None:
    """What held at the last start holds again, and the message says so."""
    file.path.write_text("[tests]\nnumber = 7\n")
    file.load()
    file.path.write_text("[tests\n")
    again = SettingsFile(Whole, file.path, last_good=file.path.parent / "cache" / "good.toml")

    loaded = again.load()

    assert loaded.tests.number == 7
    assert again.trouble is not None
    assert "line 1" in again.trouble.message
    assert "last good settings" in again.trouble.hint


@pytest.mark.parametrize("copy", [None, b"[[[", b"\xff\xfe", b"[tests]\nnumber = -4"])
def test_a_start_with_nothing_good_uses_the_defaults(file: SettingsFile[Whole], copy: bytes | None) -> None:
    """With file and copy broken the program starts all the same."""
    file.path.write_text("[tests\n")
    good = file.path.parent / "cache" / "good.toml"
    if copy is not None:
        good.parent.mkdir()
        good.write_bytes(copy)

    loaded = file.load()

    assert loaded == Whole()
    assert file.trouble is not None
    assert "defaults" in file.trouble.hint


def test_what_is_no_settings_file_is_told_and_never_waited_for(file: SettingsFile[Whole]) -> None:
    """A FIFO, a folder, a huge or a binary file each give a message."""
    path = file.path
    messages = []

    for make in (path.mkdir, lambda: os.mkfifo(path), lambda: path.write_bytes(b"#" * 2_000_000)):
        make()
        with pytest.raises(SettingsError) as caught:
            file.reload()
        messages.append(caught.value.message)
        path.rmdir() if path.is_dir() else path.unlink()
    path.write_bytes(b"a = 1\nb = '\xff'\n")
    with pytest.raises(SettingsError, match="line 2: this is not UTF-8"):
        file.reload()

    assert "regular file" in messages[0]
    assert "regular file" in messages[1]
    assert "larger" in messages[2]


def test_setting_a_value_keeps_comments_and_order(file: SettingsFile[Whole]) -> None:
    """Only the one value changes in the file."""
    text = "# mine\nprojects = [\n  '/a',  # first\n]\n\n[tests]\nseconds = 60  # enough\nflag = true\n"
    file.path.write_text(text)

    file.set("tests.seconds", ["90"])

    assert file.path.read_text() == text.replace("60", "90")
    assert file.current.tests.seconds == 90


@pytest.mark.parametrize(
    ("key", "values", "expected"),
    [
        ("tests.word", ["python3.12"], "python3.12"),
        ("tests.word", ['"quoted"'], "quoted"),
        ("tests.word", ["3"], "3"),
        ("tests.word", ["two", "words"], "two words"),
        ("tests.words", ["-x", "-q"], ("-x", "-q")),
        ("tests.words", ["-x"], ("-x",)),
        ("tests.words", ['["-m", "not slow"]'], ("-m", "not slow")),
        ("tests.words", [], ()),
        ("tests.words", ["5", "6"], ("5", "6")),
        ("tests.figures", ["0.27", "1"], (0.27, 1.0)),
        ("tests.figures", ["0.27"], (0.27,)),
        ("tests.flag", ["false"], False),
        ("tests.level", ["high"], "high"),
        ("projects", ["/a"], ("/a",)),
    ],
)
def test_plain_words_are_taken_for_what_they_must_be(
    file: SettingsFile[Whole], key: str, values: list[str], expected: object
) -> None:
    """A value may be written as TOML or, where that is clear, as plain words."""
    found: Any = file.set(key, values)

    for part in key.split("."):
        found = getattr(found, part)
    assert found == expected


@pytest.mark.parametrize(
    ("key", "values", "words"),
    [
        ("tests.seconds", ["soon"], "a number"),
        ("tests.seconds", ["0"], "1 or more"),
        ("tests.seconds", [], "needs a value"),
        ("tests.flag", ["maybe"], "true or false"),
        ("tests.secods", ["3"], "Did you mean tests.seconds"),
        ("tests", ["3"], "no setting"),
        ("tests.seconds.x", ["3"], "no setting"),
    ],
)
def test_a_bad_value_is_refused_before_anything_is_written(
    file: SettingsFile[Whole], key: str, values: list[str], words: str
) -> None:
    """A refused change leaves the file byte for byte."""
    file.path.write_text("[tests]\nseconds = 60  # enough\n")
    before = file.path.read_bytes()

    with pytest.raises(SettingsError, match=words):
        file.set(key, values)

    assert file.path.read_bytes() == before


def test_a_linked_settings_file_stays_a_link(file: SettingsFile[Whole], tmp_path: Path) -> None:
    """Settings kept in a folder of dotfiles are changed there."""
    real = tmp_path / "dotfiles.toml"
    real.write_text("[tests]\nnumber = 1\n")
    file.path.symlink_to(real)

    file.set("tests.number", ["2"])

    assert file.path.is_symlink()
    assert "number = 2" in real.read_text()


text_values = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
settable = st.one_of(
    st.tuples(st.just("word"), text_values),
    st.tuples(st.just("words"), st.lists(text_values, max_size=5).map(tuple)),
    st.tuples(st.just("seconds"), st.floats(1, 1000)),
    st.tuples(st.just("number"), st.integers(0, 2**62)),
    st.tuples(st.just("flag"), st.booleans()),
    st.tuples(st.just("level"), st.sampled_from(["low", "high"])),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(changes=st.lists(st.tuples(st.sampled_from(["tests", "other"]), settable), min_size=1, max_size=4))
def test_what_is_set_is_what_is_read(file: SettingsFile[Whole], changes: list[tuple[str, tuple[str, Any]]]) -> None:
    """Any allowed value comes back from the file as it was set, and the comment in it is still there."""
    import tomlkit  # noqa: PLC0415 - only to write values as TOML

    file.path.write_text("# a word of mine\n[other]  # and one more\n")
    expected: dict[tuple[str, str], Any] = {}

    for section, (name, value) in changes:
        toml = tomlkit.item(list(value) if isinstance(value, tuple) else value).as_string()
        file.set(f"{section}.{name}", [toml])
        expected[section, name] = value

    loaded = SettingsFile(Whole, file.path, last_good=file.path.with_name("good")).load()
    for (section, name), value in expected.items():
        assert getattr(getattr(loaded, section), name) == value
    assert "# a word of mine" in file.path.read_text()
    assert "# and one more" in file.path.read_text()


keys = st.text("abc-_", min_size=1, max_size=3)
scalars = st.sampled_from(["1", '"a = 1"', "'''\na = 1\n[b]\n'''", '["x",\n "a",\n]', "{ }"])
statements = st.one_of(
    st.builds("{} = {}\n".format, keys, scalars),
    st.builds("[{}]\n".format, keys),
    st.sampled_from(["\n", "# a = 1\n", "# [b]\n"]),
)


@given(st.lists(statements, max_size=8).map("".join))
def test_a_line_that_is_named_is_the_line_that_sets_the_key(text: str) -> None:
    """For every key of a valid document, its line is found, and the key's name stands there."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return

    lines = text.splitlines()
    for key, value in document.items():
        for path in [(key,), *((key, inner) for inner in (value if isinstance(value, dict) else ()))]:
            number = tomltext.line_of(text, path)
            assert number is not None
            assert path[-1] in lines[number - 1]
            assert not lines[number - 1].startswith("#")
            assert number == 1 or tomltext.line_of("\n".join(lines[: number - 1]), path) is None


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reading(content: bytes) -> None:
    """Whatever stands in the file, it is read or refused with a message."""
    path = Path("settings.toml")

    try:
        text = content.decode()
        document = tomltext.parse(text, path)
    except (UnicodeDecodeError, SettingsError):
        return

    assert isinstance(document, dict)


def test_every_setting_is_listed_once_with_its_dotted_name() -> None:
    """The list behind the command line and the window has each setting of each section."""
    names = [name for name, _ in fields(Whole)]

    assert names[:3] == ["projects", "tests.word", "tests.words"]
    assert len(names) == len(set(names)) == 15
