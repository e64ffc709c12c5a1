"""Reading requirement files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from app.agents.auditing.checks.dependencies.requirements import Requirements

if TYPE_CHECKING:
    from app.agents.auditing.checks.dependencies.pins import Listed


def read(**files: str) -> Listed:
    by_path = {name.replace("__", "/") + ".txt": text for name, text in files.items()}

    def text(path: str) -> str:
        if path not in by_path:
            raise FileNotFoundError(2, "No such file or directory", path)
        return by_path[path]

    return Requirements(text).file(next(iter(by_path)))


def pinned(listed: Listed) -> dict[str, str]:
    return {pin.name: pin.version for pin in listed.pins}


def test_exact_versions_are_pins() -> None:
    """Names are normalized, and extras, markers, hashes and comments change nothing of the version."""
    text = """\
# a comment
Jinja2 == 2.10   # why
Foo_Bar.baz[a,b]==1.0; python_version < "3.12"
six===1.16.0 --hash=sha256:00 --hash=sha256:11
certifi==2024.2.2 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
torch==2.1.0+cu118
"""

    listed = read(requirements=text)

    assert pinned(listed) == {
        "jinja2": "2.10",
        "foo-bar-baz": "1.0",
        "six": "1.16.0",
        "certifi": "2024.2.2",
        "torch": "2.1.0+cu118",
    }
    assert [pin.line for pin in listed.pins] == [2, 3, 4, 5, 8]
    assert not listed.troubles


def test_other_versions_are_unpinned() -> None:
    """A range, a wildcard and a bare name leave the version to whoever installs."""
    listed = read(requirements="a>=1\nb==1.*\nc\nd~=2.0\ne>=1,==1.5\n")

    assert listed.unpinned == ["a", "b", "c", "d"]
    assert pinned(listed) == {"e": "1.5"}


def test_included_files_are_read_once() -> None:
    """-r and -c lead to other files from where they stand, once, also when they include one another."""
    listed = read(
        requirements="-r sub/more.txt\n-c constraints.txt\nflask\n",
        sub__more="--requirement=../requirements.txt\nmore==1\n",
        constraints="Flask==2.0\n",
    )

    assert {(pin.name, pin.path) for pin in listed.pins} == {("more", "sub/more.txt"), ("flask", "constraints.txt")}
    assert listed.unpinned == []
    assert listed.troubles == []


def test_files_elsewhere_are_not_read() -> None:
    """What lies outside the project, in the network or nowhere is told with its line."""
    listed = read(requirements="-r ../other.txt\n-r https://example.org/r.txt\n-c /etc/passwd\n-r gone.txt\n")

    assert [each.partition(" ")[0] for each in listed.troubles] == [
        "requirements.txt:1",
        "requirements.txt:2",
        "requirements.txt:3",
        "gone.txt",
    ]


def test_sources_that_no_registry_knows() -> None:
    """What comes from git or an address is from elsewhere; a folder here is the project's own."""
    text = (
        "git+https://example.org/a.git\nb @ https://example.org/b.whl\n-e .\n./c\n-e git+ssh://example.org/d\n.[test]\n"
    )

    listed = read(requirements=text)

    assert listed.elsewhere == ["git+https://example.org/a.git", "b", "git+ssh://example.org/d"]
    assert listed.troubles == []


def test_options_say_nothing() -> None:
    """Where packages are looked for is not what is looked for."""
    listed = read(requirements="-i https://example.org/simple\n--extra-index-url=https://x\n--no-binary :all:\na==1\n")

    assert pinned(listed) == {"a": "1"}
    assert listed.troubles == []


def test_nonsense_is_told() -> None:
    """A line that is no requirement is named, and the rest is read."""
    listed = read(requirements="a==1\n<<<<<<< HEAD\nb==2\n")

    assert listed.troubles == ["requirements.txt:2 is no requirement that could be read"]
    assert pinned(listed) == {"a": "1", "b": "2"}


@given(st.text(max_size=200))
def test_any_text_can_be_read(text: str) -> None:
    """Whatever a file holds, reading it ends without an error."""
    listed = read(requirements=text)

    assert all(0 < pin.line <= len(text.splitlines()) for pin in listed.pins)


names = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)
versions = st.lists(st.integers(0, 99), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))


@given(st.dictionaries(names, versions, max_size=8), st.sampled_from(["\n", "\r\n", "\n\n# c\n"]))
def test_what_is_frozen_is_read(frozen: dict[str, str], newline: str) -> None:
    """What `pip freeze` writes is read as it was."""
    text = newline.join(f"{name}=={version}" for name, version in frozen.items())

    assert pinned(read(requirements=text)) == frozen
