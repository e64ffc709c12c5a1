"""The steps that setup.exe hands to the program's own Python, as far as they can be seen from elsewhere."""

import importlib.util
import json
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

LINK_CLASS = bytes.fromhex("0114020000000000c000000000000046")
APP_USER_MODEL = bytes.fromhex("55284c9f799f394ba8d0e1d42de1d5f3")
OTHER_FORMAT = bytes(range(16))
HERE = r"C:\Users\Аня\AppData\Local\Programs\Watchkeeper\program\bin"

Old = Callable[[str], Path]


@pytest.fixture(scope="module")
def steps(root: Path) -> ModuleType:
    """The module as it lies in the installed tree, where its folder is on the path."""
    file = root / "installer" / "release" / "windows" / "inside" / "watchkeeper_setup.py"
    spec = importlib.util.spec_from_file_location("watchkeeper_setup", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def old(tmp_path: Path) -> Old:
    """Gives an installed program whose command line answers as a script says: `old("echo hello")`."""

    def write(script: str) -> Path:
        folder = tmp_path / "old"
        (folder / "bin").mkdir(parents=True)
        command = folder / "bin" / "watchkeeper.exe"
        command.write_text(f'#!/bin/sh\necho "$*" >> "{tmp_path}/asked"\n{script}\n', "utf-8")
        command.chmod(0o755)
        return folder

    return write


def sized(content: bytes) -> bytes:
    return struct.pack("<I", len(content) + 4) + content


def store(*storages: bytes) -> bytes:
    """A shortcut's block of properties."""
    return sized(struct.pack("<I", 0xA0000009) + b"".join(storages) + bytes(4))


def storage(form: bytes, value: bytes = b"v" * 9) -> bytes:
    return sized(struct.pack("<I", 0x53505331) + form + value + bytes(4))


def link(*blocks: bytes, flags: int = 0x80 | 0x1 | 0x2 | 0x4 | 0x20) -> bytes:
    """A shortcut with a target in both forms, a name and arguments, and the blocks behind them."""
    head = struct.pack("<I", 0x4C) + LINK_CLASS + struct.pack("<I", flags)
    parts = struct.pack("<H", 6) + b"target" if flags & 0x1 else b""
    parts += sized(b"information") if flags & 0x2 else b""
    for flag, text in ((0x4, "Имя"), (0x20, "--keep --window")):
        encoded = text.encode("utf-16-le") if flags & 0x80 else text.encode("ascii", "replace")
        parts += struct.pack("<H", len(text)) + encoded if flags & flag else b""
    return head.ljust(0x4C, b"\0") + parts + b"".join(blocks) + bytes(4)


def blocks_of(content: bytes, begin: int) -> list[bytes]:
    """The blocks at the end of a shortcut, which must be whole."""
    found = []
    while (size := struct.unpack_from("<I", content, begin)[0]) >= 4:
        found.append(content[begin : begin + size])
        begin += size
    assert content[begin:] == bytes(4)
    return found


@pytest.mark.parametrize("flags", [0x80 | 0x1 | 0x2 | 0x4 | 0x20, 0x80, 0x2 | 0x4, 0x1 | 0x80 | 0x20])
def test_a_shortcut_gets_an_app_id_and_keeps_all_else(steps: ModuleType, flags: int) -> None:
    """Behind whatever target and texts a shortcut has stands one block, which is System.AppUserModel.ID."""
    before = link(flags=flags)

    after = steps.with_app_id(before, "Watchkeeper")

    begin = len(before) - 4
    (block,) = blocks_of(after, begin)
    value = struct.pack("<IBHHI", 5, 0, 0x1F, 0, 12) + "Watchkeeper\0".encode("utf-16-le")
    assert after[:begin] == before[:begin]
    assert block == store(storage(APP_USER_MODEL, sized(value)))


def test_a_name_of_any_length_is_filled_up_to_four_bytes(steps: ModuleType) -> None:
    """[MS-OLEPS] counts texts in whole double words: a name of four letters and its end are ten bytes, so twelve."""
    after = steps.with_app_id(link(), "Four")

    (block,) = blocks_of(after, len(link()) - 4)
    value = struct.pack("<IBHHI", 5, 0, 0x1F, 0, 5) + "Four\0\0".encode("utf-16-le")
    assert block == store(storage(APP_USER_MODEL, sized(value)))


def test_what_else_a_shortcut_tells_of_itself_stays(steps: ModuleType) -> None:
    """Blocks of other kinds, and properties of other formats, are kept; an app id of before is not."""
    tracker = sized(struct.pack("<I", 0xA0000003) + b"tracker")
    before = link(tracker, store(storage(OTHER_FORMAT), storage(APP_USER_MODEL)))

    once = steps.with_app_id(before, "Watchkeeper")
    twice = steps.with_app_id(once, "Watchkeeper")

    first, second = blocks_of(once, len(link()) - 4)
    assert twice == once
    assert first == tracker
    assert storage(OTHER_FORMAT) in second
    assert second.count(APP_USER_MODEL) == 1
    assert "Watchkeeper\0".encode("utf-16-le") in second


@pytest.mark.parametrize("content", [b"", b"MZ" + bytes(200), link()[:90], link(store(storage(OTHER_FORMAT)))[:-20]])
def test_what_is_no_shortcut_stays_as_it_is(steps: ModuleType, tmp_path: Path, content: bytes) -> None:
    """A damaged file is refused before anything is written."""
    file = tmp_path / "Watchkeeper.lnk"
    file.write_bytes(content)

    assert steps.main(("shortcut", str(file), "Watchkeeper")) == steps.FAILED
    assert file.read_bytes() == content


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", HERE),
        (r"C:\Tools;%USERPROFILE%\bin", rf"C:\Tools;%USERPROFILE%\bin;{HERE}"),
        ("C:\\Tools;", f"C:\\Tools;{HERE}"),
        (HERE.upper() + "\\;C:\\Tools", HERE.upper() + "\\;C:\\Tools"),
        (f'C:\\Tools;"{HERE}"', f'C:\\Tools;"{HERE}"'),
        ("C:\\" + "long" * 2000, "C:\\" + "long" * 2000 + f";{HERE}"),
    ],
    ids=["none", "some", "open end", "other case", "in quotes", "longer than NSIS could hold"],
)
def test_the_command_comes_on_the_path_once(steps: ModuleType, before: str, after: str) -> None:
    """At the end, behind what the person has, each character of which stays."""
    assert steps.with_folder(before, HERE) == after
    assert steps.with_folder(after, HERE) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (HERE, ""),
        (rf"C:\Tools;{HERE.lower()};%USERPROFILE%\bin", r"C:\Tools;%USERPROFILE%\bin"),
        ("C:\\Tools;;D:\\;", "C:\\Tools;;D:\\;"),
        (f"{HERE}-other", f"{HERE}-other"),
    ],
)
def test_the_command_is_taken_off_the_path_and_nothing_else(steps: ModuleType, before: str, after: str) -> None:
    """Empty entries, doubled semicolons and folders of a similar name are the person's own."""
    assert steps.without_folder(before, HERE) == after


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")
def test_what_runs_is_asked_to_end_and_remembered(steps: ModuleType, old: Old, tmp_path: Path) -> None:
    """The program that is installed asks the one that runs; its projects are kept for the start after the upgrade."""
    projects = ["C:\\a b", "D:\\проект"]
    told = json.dumps({"schema": 1, "mood": "red", "projects": projects})
    (tmp_path / "told").write_text(told, "utf-8")
    folder = old(f'if [ $1 = status ]; then cat "{tmp_path}/told"; exit 1; fi')

    code = steps.main(("leave", str(folder), str(tmp_path / "again.json")))

    assert code == 0
    assert (tmp_path / "asked").read_text("utf-8").splitlines() == ["status --json", "stop"]
    assert json.loads((tmp_path / "again.json").read_text("utf-8")) == ["--keep", *projects]


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")
@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("""echo '{"schema": 1, "error": {"exit_code": 3}}'; exit 3""", (10, False)),
        ("""[ $1 = stop ] && exit 3; echo '{"mood": "green", "projects": []}'""", (11, True)),
    ],
    ids=["nothing runs", "it does not end"],
)
def test_what_does_not_run_or_end_is_told_by_its_own_code(
    steps: ModuleType, old: Old, tmp_path: Path, script: str, expected: tuple[int, bool]
) -> None:
    """Where nothing ran nothing is started afterwards; what ends late, and not when it was asked, is."""
    folder = old(script)

    code = steps.main(("leave", str(folder), str(tmp_path / "again.json")))

    assert (code, (tmp_path / "again.json").exists()) == expected


def test_a_program_that_is_gone_is_no_traceback(steps: ModuleType, tmp_path: Path) -> None:
    """A step that cannot do its work ends with a code, and says why in the log."""
    assert steps.main(("leave", str(tmp_path / "gone"), str(tmp_path / "again.json"))) == steps.FAILED


def test_deleting_the_persons_things_touches_nothing_beside_them(
    steps: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a home of one's own the program's folders go, and what somebody else put there stays."""
    home = tmp_path / "home"
    for name in ("settings", "data/keys", "cache", "logs", "theirs"):
        (home / name).mkdir(parents=True)
        (home / name / "file").write_text("", "utf-8")
    monkeypatch.setenv("WATCHKEEPER_HOME", str(home))

    assert steps.forget() == 0

    assert [path.name for path in home.iterdir()] == ["theirs"]
    assert (home / "theirs" / "file").exists()
