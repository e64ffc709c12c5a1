"""What a worker holds or has been through before it runs a test must never change what the test says."""

from __future__ import annotations

import asyncio
import sys
import textwrap
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from app.domain.verdicts import Verdict
from tests.mutations.plain import run_plain
from tests.mutations.watched import LOOK_S, Watched, watching

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BYSTANDERS = "def test_bystander():\n    pass\n"

AHEAD_S = 6.0
"""A worker that loads the conftests ahead of a save has done so by then."""

CONFTEST = """
    import pytest

    with open({loads!r}, "a") as file:
        file.write("loaded\\n")

    {code}

    @pytest.fixture
    def value():
        return VALUE
"""

# What a conftest looks at, what is there at first (VALUE is 1), and the change after which VALUE is another.
SEEN_AHEAD: dict[str, tuple[str, Callable[[Path], object], Callable[[Path], object]]] = {
    "a module that fails": (
        "try:\n    from extra import VALUE\nexcept RuntimeError:\n    VALUE = 1",
        lambda root: (root / "extra.py").write_text("raise RuntimeError\n", encoding="utf-8"),
        lambda root: (root / "extra.py").write_text("VALUE = 2\n", encoding="utf-8"),
    ),
    "a module that is no Python": (
        "try:\n    from extra import VALUE\nexcept SyntaxError:\n    VALUE = 1",
        lambda root: (root / "extra.py").write_text("def (:\n", encoding="utf-8"),
        lambda root: (root / "extra.py").write_text("VALUE = 2\n", encoding="utf-8"),
    ),
    "a module that is not there": (
        "try:\n    from extra import VALUE\nexcept ImportError:\n    VALUE = 1",
        lambda _root: None,
        lambda root: (root / "extra.py").write_text("VALUE = 2\n", encoding="utf-8"),
    ),
    "a test module that is looked for": (
        "import importlib.util\nVALUE = 2 if importlib.util.find_spec('test_more') else 1",
        lambda _root: None,
        lambda root: (root / "test_more.py").write_text("", encoding="utf-8"),
    ),
    "a folder's content": (
        "import os\nVALUE = len(os.listdir('data'))",
        lambda root: (root / "data" / "one.txt").write_text("1", encoding="utf-8"),
        lambda root: (root / "data" / "two.txt").write_text("2", encoding="utf-8"),
    ),
    "files by a pattern": (
        "import pathlib\nVALUE = len(list(pathlib.Path(__file__).parent.glob('data/*.txt')))",
        lambda root: (root / "data" / "one.txt").write_text("1", encoding="utf-8"),
        lambda root: (root / "data" / "two.txt").write_text("2", encoding="utf-8"),
    ),
    "whether a file is there": (
        "import os\nVALUE = 2 if os.path.exists('flag.txt') else 1",
        lambda _root: None,
        lambda root: (root / "flag.txt").write_text("x", encoding="utf-8"),
    ),
    "whether a file is gone": (
        "import os\nVALUE = 1 if os.path.exists('flag.txt') else 2",
        lambda root: (root / "flag.txt").write_text("x", encoding="utf-8"),
        lambda root: (root / "flag.txt").unlink(),
    ),
    "a file's size": (
        "import os\nVALUE = os.path.getsize('flag.txt')",
        lambda root: (root / "flag.txt").write_text("1", encoding="utf-8"),
        lambda root: (root / "flag.txt").write_text("22", encoding="utf-8"),
    ),
    "a file behind a link": (
        "VALUE = int(open('link.txt').read())",
        lambda root: [
            (root / "flag.txt").write_text("1", encoding="utf-8"),
            (root / "link.txt").symlink_to("flag.txt"),
        ],
        lambda root: (root / "flag.txt").write_text("2", encoding="utf-8"),
    ),
    "a file below an open folder": (
        (
            "import os\nfolder = os.open('data', os.O_RDONLY)\n"
            "VALUE = int(os.read(os.open('one.txt', os.O_RDONLY, dir_fd=folder), 9))"
        ),
        lambda root: (root / "data" / "one.txt").write_text("1", encoding="utf-8"),
        lambda root: (root / "data" / "one.txt").write_text("2", encoding="utf-8"),
    ),
    "what another program reads": (
        (
            "import subprocess, sys\n"
            "VALUE = int(subprocess.check_output([sys.executable, '-c', 'print(open(\"flag.txt\").read())']))"
        ),
        lambda root: (root / "flag.txt").write_text("1", encoding="utf-8"),
        lambda root: (root / "flag.txt").write_text("2", encoding="utf-8"),
    ),
}

IN_SHORT = {"a module that fails", "a folder's content", "whether a file is there", "what another program reads"}


def put(root: Path, files: dict[str, str]) -> None:
    root.mkdir()
    for name, text in files.items():
        (root / name).write_text(textwrap.dedent(text), encoding="utf-8")


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def lines_of(file: Path) -> int:
    return len(file.read_text(encoding="utf-8").splitlines())


async def loaded_ahead(watched: Watched, loads: Path) -> None:
    """Wait until a worker has loaded the conftest without being asked to run anything, if one ever does."""
    await watched.quiet()
    runs = len(watched.verdicts)
    with suppress(TimeoutError):
        async with asyncio.timeout(AHEAD_S):
            while lines_of(loads) <= runs:  # noqa: ASYNC110 - a file tells, and no event
                await asyncio.sleep(LOOK_S)
    await watched.quiet()


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(seen, id=name, marks=[] if name in IN_SHORT else [pytest.mark.slow])
        for name, seen in SEEN_AHEAD.items()
    ],
)
async def test_what_a_conftest_saw_ahead_of_the_save_does_not_count(
    tmp_path: Path, seen: tuple[str, Callable[[Path], object], Callable[[Path], object]]
) -> None:
    """A worker that waits with the conftests loaded must not run tests that rest on what was there before."""
    code, arrange, change = seen
    root, loads = tmp_path / "proj", tmp_path / "loads.txt"
    indented = textwrap.indent(code, "    ").lstrip()
    put(
        root,
        {
            "conftest.py": CONFTEST.format(loads=str(loads), code=indented),
            "test_value.py": "def test_value(value):\n    assert value == 1\n",
            "test_bystander.py": BYSTANDERS,
        },
    )
    (root / "data").mkdir()
    arrange(root)

    async with watching(root, tmp_path / "home") as watched:
        await watched.ran(1)
        await watched.quiet()
        replace(root / "test_bystander.py", "pass", "assert True")
        await watched.ran(2)
        await loaded_ahead(watched, loads)
        change(root)
        await watched.ran(3)

    assert watched.verdicts == [Verdict.GREEN, Verdict.GREEN, Verdict.RED]
    assert watched.red == {"test_value.py::test_value"}


# What tests leave behind, and a file that looks at it when it is imported: a plain pytest imports it before.
LEFT_BEHIND = {
    "folder": ("os.chdir(tmp_path)", "VALUE = os.path.exists('ours.py')"),
    "environment": ("os.environ['LEFT'] = '1'", "VALUE = 'LEFT' not in os.environ"),
    "module": ("sys.modules['left'] = os", "VALUE = 'left' not in sys.modules"),
    "module_path": (
        "sys.path.insert(0, 'left/behind')",
        "VALUE = 'left/behind' not in sys.path",
    ),
}


async def test_what_a_test_leaves_behind_reaches_no_file_that_is_imported_later(tmp_path: Path) -> None:
    """The tests of a change run first; what they do to the process must not change what the others say."""
    root = tmp_path / "proj"
    looking = {
        f"test_aaa_{name}.py": f"import os, sys\n\n{looks}\n\ndef test_looks():\n    assert VALUE\n"
        for name, (_, looks) in LEFT_BEHIND.items()
    }
    leaving = "".join(
        f"def test_leaves_{name}(tmp_path):\n    {leaves}\n    assert ours.one()\n\n"
        for name, (leaves, _) in LEFT_BEHIND.items()
    )
    own = {"ours.py": "def one():\n    return 1\n", "test_zzz.py": f"import os, sys, ours\n\n{leaving}"}
    put(root, {**own, **looking})

    async with watching(root, tmp_path / "home") as watched:
        await watched.ran(1)
        await watched.quiet()
        replace(root / "ours.py", "return 1", "return 2")
        await watched.ran(2)
        plain = await run_plain(sys.executable, root, tmp_path / "told")

    assert plain.is_green
    assert watched.red == set()
    assert watched.verdicts == [Verdict.GREEN, Verdict.GREEN]
