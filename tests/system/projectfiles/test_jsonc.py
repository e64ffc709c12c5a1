"""JSON with comments: read as VS Code reads it, and changed in one place alone."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import CannotError
from app.system.projectfiles.jsonc import JsoncError, parse
from app.system.projectfiles.vscode import LABEL, add_task, task, with_task

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = ('/opt/my "wk"/watchkeeper',)

blanks = st.text(st.sampled_from(" \t\n"), max_size=3)
remarks = st.one_of(
    blanks,
    st.builds(
        lambda text: f" // {text}\n", st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=8)
    ),
    st.builds(lambda text: f"/*{text}*/", st.text(st.sampled_from('a "{[]},:/\n'), max_size=8)),
)


@st.composite
def documents(draw: st.DrawFn, value: object) -> str:
    """Write a JSON value with comments and trailing commas in all places that have room for one."""
    gap = draw(remarks)
    if isinstance(value, dict) and value:
        inner = ",".join(
            f"{draw(remarks)}{json.dumps(name)}{draw(remarks)}:{draw(documents(each))}{draw(remarks)}"
            for name, each in value.items()
        )
        return f"{gap}{{{inner}{draw(st.sampled_from(['', ',', ', ']))}{draw(remarks)}}}{draw(remarks)}"
    if isinstance(value, list) and value:
        inner = ",".join(f"{draw(documents(each))}{draw(remarks)}" for each in value)
        return f"{gap}[{inner}{draw(st.sampled_from(['', ',']))}{draw(remarks)}]{draw(remarks)}"
    if value in ({}, []):
        opening, closing = json.dumps(value)
        return f"{gap}{opening}{draw(remarks)}{closing}{draw(remarks)}"
    return f"{gap}{json.dumps(value, ensure_ascii=draw(st.booleans()))}{draw(remarks)}"


leaves = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6)
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
tasks = st.lists(st.dictionaries(st.text(max_size=5), leaves, max_size=3) | leaves, max_size=3)
files = st.one_of(
    st.dictionaries(st.text(max_size=5).filter(lambda name: name != "tasks"), values, max_size=3),
    st.builds(
        lambda before, found, after: {**before, "tasks": found, **{f"z{name}": each for name, each in after.items()}},
        st.dictionaries(st.text(max_size=4), leaves, max_size=2),
        tasks,
        st.dictionaries(st.text(max_size=4), leaves, max_size=2),
    ),
)


def plain_json(text: str) -> object:
    """Read JSON with comments in another way: take the comments and last commas out, and leave the rest to json."""
    out, at = [], 0
    while at < len(text):
        if text[at] == '"':
            end = at + 1
            while text[end] != '"':
                end += 2 if text[end] == "\\" else 1
            out.append(text[at : end + 1])
            at = end + 1
        elif text.startswith("//", at):
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
        elif text.startswith("/*", at):
            at = text.index("*/", at + 2) + 2
        else:
            if text[at] in "]}":
                while out and (out[-1].isspace() or out[-1] == ","):
                    out.pop()
            out.append(text[at])
            at += 1
    return json.loads("".join(out).lstrip("\ufeff"))


@settings(max_examples=40)
@given(files.flatmap(lambda value: st.tuples(st.just(value), documents(value))))
def test_places_are_those_of_the_values(case: tuple[dict[str, object], str]) -> None:
    """The scanner finds each name, and the text at its value's place stands for that value."""
    value, text = case

    root = parse(text)

    assert list(root.keys) == list(value)
    for name, item in zip(root.keys, root.items, strict=True):
        assert plain_json(text[item.start : item.end]) == value[name]


@settings(max_examples=60)
@given(files.flatmap(lambda value: st.tuples(st.just(value), documents(value))), st.sampled_from(["\n", "\r\n"]))
def test_a_task_is_put_in_and_every_other_byte_stays(case: tuple[dict[str, object], str], newline: str) -> None:
    """The old text is what is left when the new characters are taken out, and a reader finds one task more."""
    value, text = case
    text = text.replace("\n", newline)

    after = with_task(text, task(PROGRAM))

    assert _is_left(text, after)
    assert plain_json(after) == {**value, "tasks": [*value.get("tasks", []), task(PROGRAM)]}  # type: ignore[misc]


@given(st.text(st.sampled_from('{}[]",:/* \n\\atnu01-.e'), max_size=25))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing but our own error comes of a text, and what is taken is taken by another reader as well."""
    root = None
    with suppress(JsoncError):
        root = parse(text)

    assert root is None or json.dumps(plain_json(text)) == json.dumps(plain_json(text[root.start : root.end]))


@pytest.mark.parametrize(
    "text",
    [
        "{", "{]", '{"a" 1}', '{"a": 1 "b": 2}', "[1 2]", "{,}", "[,]", "[1,,]", "{'a': 1}", "{a: 1}", '{"a": 01}',
        '{"a": .5}', '{"a": 1.}', '{"a": "\t"}', '{"a": "\\x"}', '{"a": tru}', "/* {", "{} {}", "{} x", "", "NaN",
        '"\\u12"', "[" * 200 + "]" * 200,
    ],
)  # fmt: skip
def test_what_is_no_json_is_refused_with_its_place(text: str) -> None:
    """A file with a mistake is for its person to mend."""
    with pytest.raises(JsoncError, match=r"Line \d+, column \d+"):
        parse(text)


def _is_left(old: str, new: str) -> bool:
    """Whether the old text is what is left of the new one when at most two pieces are cut out of it."""
    start = 0
    while start < len(old) and old[start] == new[start]:
        start += 1
    end = 0
    while end < len(old) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    middle = old[start : len(old) - end]
    return middle in new[start : len(new) - end]


def test_unreadable_is_left_alone(tmp_path: Path) -> None:
    """The message names the file, the place, and what to do."""
    file = tmp_path / ".vscode" / "tasks.json"
    file.parent.mkdir()
    file.write_text('{\n  "tasks": [\n    {"label": "a" "b"}\n  ]\n}\n')
    before = file.read_bytes()

    with pytest.raises(CannotError, match="left alone: Line 3, column 19: a comma is expected") as refused:
        add_task(tmp_path, PROGRAM)

    assert str(file) in refused.value.message
    assert refused.value.hint
    assert file.read_bytes() == before
    assert LABEL not in file.read_text()
