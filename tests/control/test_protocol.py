"""The words on the socket: what goes in comes out, and nothing else is let in."""

from __future__ import annotations

import json
import typing
from dataclasses import MISSING, fields
from pathlib import Path
from types import MappingProxyType, NoneType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.control import protocol
from app.control.protocol import Refused, Request, decode_request, dump, encode_request
from app.domain import commands, errors
from app.domain.agents import AgentState
from app.domain.coverage import ChangedLines, Coverage, FileCoverage
from app.domain.history import Why
from app.domain.snapshot import AgentView, ProjectView, RunView, Snapshot
from app.domain.verdicts import Cause, CauseKind, Check, Outcome, Stage, TestState, Verdict

ALL_COMMANDS = [
    kind
    for name, kind in vars(commands).items()
    if isinstance(kind, type)
    and issubclass(kind, commands.Command)
    and kind is not commands.Command
    and not issubclass(kind, commands.PrivateCommand)
]

BY_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    str: st.text(st.characters()),
    int: st.integers(-(2**63), 2**63),
    float: st.floats(allow_nan=False, allow_infinity=False),
    NoneType: st.none(),
}


def arguments(kind: type[commands.Command]) -> st.SearchStrategy[Any]:
    hints = typing.get_type_hints(kind)
    each = {
        field.name: st.one_of(*(BY_TYPE[one] for one in typing.get_args(hints[field.name]) or (hints[field.name],)))
        for field in fields(kind)
    }
    optional = {field.name for field in fields(kind) if field.default is not MISSING}
    required = {name: strategy for name, strategy in each.items() if name not in optional}
    return st.fixed_dictionaries(required, optional={name: each[name] for name in optional}).map(lambda kw: kind(**kw))


every_command = st.sampled_from(ALL_COMMANDS).flatmap(arguments)


@given(every_command, st.integers(0, 2**31))
def test_every_command_comes_back_as_it_was(command: commands.Command, request_id: int) -> None:
    """Decoding an encoded request gives the same command, in one line of ASCII."""
    line = encode_request(Request(request_id, command))

    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert line.isascii()
    assert decode_request(line) == Request(request_id, command)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
near_requests = st.fixed_dictionaries(
    {},
    optional={
        "v": st.just(1) | json_values,
        "id": st.integers() | json_values,
        "command": st.sampled_from([kind.__name__ for kind in ALL_COMMANDS]) | json_values,
        "args": st.dictionaries(st.sampled_from(["agent", "seconds", "project", "limit", "x"]), json_values)
        | json_values,
    },
)


@given(st.binary(max_size=300) | near_requests.map(lambda found: json.dumps(found).encode()))
def test_any_bytes_are_a_command_or_are_refused(line: bytes) -> None:
    """Nothing but a well-formed request becomes a command, and a refusal can always be told."""
    refusal = None
    try:
        request = decode_request(line)
    except Refused as error:
        refusal = error

    if refusal is not None:
        assert refusal.message
        assert refusal.hint
        assert json.loads(protocol.encode_error(refusal.id, refusal))["ok"] is False
        return
    assert type(request.command) in ALL_COMMANDS
    hints = typing.get_type_hints(type(request.command))
    for field in fields(request.command):
        value, hint = getattr(request.command, field.name), hints[field.name]
        assert type(value) in (typing.get_args(hint) or (hint,))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b"[" * 100_000, "not JSON"),
        (b'{"v":1,"id":' + b"9" * 10_000 + b"}", "not JSON"),
        (b'{"v":1,"command":"Stop"}', "`id`"),
        (b'{"v":1,"id":true,"command":"Stop"}', "`id`"),
        (b'{"v":2,"id":1,"command":"Stop"}', "Version 1 .* and 2 there"),
        (b'{"v":true,"id":1,"command":"Stop"}', "Version 1"),
        (b'{"id":1,"command":"Stop"}', "Version 1"),
        (b'{"v":1,"id":1,"command":"Command"}', "'Command' is not a command"),
        (b'{"v":1,"id":1,"command":"__class__"}', "is not a command"),
        (b'{"v":1,"id":1,"command":["Stop"]}', "is not a command"),
        (b'{"v":1,"id":1,"command":"Stop","args":[]}', "no JSON object"),
        (b'{"v":1,"id":1,"command":"Stop","args":{"x":1}}', "no argument 'x'"),
        (b'{"v":1,"id":1,"command":"Stop","args":{"reason":1}}', "'reason' of Stop must be str, and 1 is not"),
        (b'{"v":1,"id":1,"command":"Pause","args":{"seconds":"1"}}', "must be float or null"),
        (b'{"v":1,"id":1,"command":"Pause","args":{"seconds":NaN}}', "not JSON"),
        (b'{"v":1,"id":1,"command":"Pause","args":{"seconds":1e999}}', "not finite"),
        (b'{"v":1,"id":1,"command":"ReadLogs","args":{"limit":true}}', "must be int, and True"),
        (b'{"v":1,"id":1,"command":"Snooze"}', "needs the argument 'seconds'"),
        (b" " * (protocol.LONGEST_REQUEST + 1), "is not read"),
    ],
)
def test_what_is_refused_is_told_why(line: bytes, words: str) -> None:
    """Each sort of mistake has its own message, and what to do is said."""
    with pytest.raises(Refused, match=words) as caught:
        decode_request(line)

    assert caught.value.hint


def test_a_wrong_argument_is_told_with_those_that_there_are() -> None:
    """Who writes requests by hand learns names and types from the refusal."""
    with pytest.raises(Refused) as caught:
        decode_request(b'{"v":1,"id":1,"command":"Snooze","args":{"minutes":60}}')

    assert caught.value.hint == "Snooze takes: seconds (float)."


def test_a_whole_number_serves_for_a_number_of_seconds() -> None:
    """A person who writes JSON by hand need not write 60.0."""
    request = decode_request(b'{"v":1,"id":1,"command":"Snooze","args":{"seconds":60}}')

    assert request.command == commands.Snooze(seconds=60.0)


def test_a_snapshot_is_told_with_what_follows_from_it() -> None:
    """Nested dataclasses, mappings, enums and tuples become plain JSON; mood and number of red tests come along."""
    test = TestState("a.py::t", Outcome.FAILED, 0.5, 1.0, Cause(CauseKind.SAVE, ("a.py",)), "r1")
    view = ProjectView("/p", "p", tests=MappingProxyType({test.nodeid: test}))
    agents = MappingProxyType({"tests": AgentView("tests", AgentState.RUNNING)})
    snapshot = Snapshot(0.0, projects=MappingProxyType({"/p": view}), agents=agents, loop_lag_s=float("inf"))

    told = json.loads(dump(snapshot))

    assert (told["mood"], told["red_count"], told["loop_lag_s"]) == ("red", 1, None)
    assert told["projects"]["/p"]["tests"]["a.py::t"]["cause"] == {"kind": "save", "paths": ["a.py"]}
    assert told["agents"]["tests"]["state"] == "running"


def test_answers_about_impact_and_coverage_travel() -> None:
    """With the enums by value, tuples as lists, and what follows from the rest beside it."""
    check = Check(Outcome.PASSED, Outcome.FAILED)
    test = TestState("a.py::t", Outcome.FAILED, 0.5, 1.0, Cause(CauseKind.START), "r1", check)
    run = RunView(
        "r1",
        Cause(CauseKind.START),
        1.0,
        stage=Stage.REST,
        impacted=2,
        impacted_verdict=Verdict.GREEN,
        changed_lines=ChangedLines(2, 1, (("a.py", (3,)),)),
    )
    coverage = Coverage((FileCoverage("a.py", 4, (3,)),))
    view = ProjectView("/p", "p", current=run, tests=MappingProxyType({test.nodeid: test}), coverage=coverage)
    why = Why("/p", "a.py::t", Stage.IMPACTED, True, Cause(CauseKind.SAVE, ("a.py",)), ("it reads it",), ("a.py",), 1)  # noqa: FBT003 - in the order of its fields

    told = json.loads(dump(view))
    reasons = json.loads(dump(why))

    current = told["current"]
    assert (current["stage"], current["impacted_verdict"], current["is_confirming"]) == ("rest", "green", True)
    assert current["changed_lines"] == {"total": 2, "covered": 1, "uncovered": [["a.py", [3]]]}
    assert told["tests"]["a.py::t"]["check"] == {"alone": "passed", "before": "failed", "blame": "flaky"}
    assert told["coverage"] == {
        "files": [{"path": "a.py", "statements": 4, "missing": [3], "percent": 75.0}],
        "percent": 75.0,
    }
    assert (reasons["stage"], reasons["ran"], reasons["depends_on"]) == ("impacted", True, ["a.py"])


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    )
)
def test_plain_values_are_written_as_json_writes_them(value: Any) -> None:
    """The writer that lets the loop run in between agrees with the standard library's."""
    assert json.loads(dump(value)) == json.loads(json.dumps(value))


def test_a_path_is_text_and_an_unknown_type_is_a_mistake_of_ours() -> None:
    """What has no form in JSON is refused, not written as its repr."""
    assert dump(Path("/a")) == '"/a"'
    with pytest.raises(TypeError, match="object"):
        dump(object())


@pytest.mark.parametrize("kind", [errors.ProjectError, errors.CommandRefused, errors.StoreError, errors.InternalError])
def test_an_error_comes_back_as_the_class_it_was(kind: type[errors.WatchkeeperError]) -> None:
    """So its title and its exit code are the same on both sides."""
    told = json.loads(protocol.encode_error(4, kind("what", "do this")))

    error = protocol.decode_error(told["error"])

    assert type(error) is kind
    assert (error.message, error.hint) == ("what", "do this")


@pytest.mark.parametrize("kind", ["SlotClosed", "KeychainError"])
def test_an_error_of_a_slot_or_keychain_keeps_its_words(kind: str) -> None:
    """These are made with a state besides, which is not told: they come back as an error of the vault."""
    told = {"kind": kind, "message": "what", "hint": "do this", "exit_code": 3}

    error = protocol.decode_error(told)

    assert type(error) is errors.VaultError
    assert (error.message, error.hint) == ("what", "do this")


@given(json_values)
def test_any_error_document_becomes_an_error(told: Any) -> None:
    """A newer or broken instance cannot make a client fail while it reads an error."""
    assert isinstance(protocol.decode_error(told), errors.WatchkeeperError)


@pytest.mark.parametrize(
    ("code", "kind"), [(2, errors.UsageError), (3, errors.CommandRefused), (4, errors.InternalError)]
)
def test_an_error_of_an_unknown_class_keeps_its_exit_code(code: int, kind: type[errors.WatchkeeperError]) -> None:
    """An error that this release does not know is told as the nearest that it does."""
    error = protocol.decode_error({"kind": "FromTheFuture", "message": "what", "exit_code": code})

    assert type(error) is kind


@pytest.mark.parametrize("given", [["a-canary"], {"a-canary": "a-canary"}])
def test_a_passphrase_that_is_refused_is_not_told_again(given: Any) -> None:
    """Neither in the refusal nor in what stands behind it."""
    asked = {"v": 1, "id": 1, "command": "UnlockWithPassphrase", "args": {"passphrase": given}}
    whole = json.dumps(asked).encode()

    for line in (whole, whole[:-2]):
        with pytest.raises(Refused) as caught:
            decode_request(line)

        error = caught.value
        assert "a-canary" not in f"{error.message} {error.hint}"
        assert (error.__cause__, error.__context__) == (None, None)


def test_a_command_that_holds_a_secret_is_known_by_its_repr() -> None:
    """One alone of those on the socket does, and its repr leaves it out."""
    command = commands.UnlockWithPassphrase(passphrase="a-canary")  # noqa: S106 - a test's

    holding = [kind for kind in ALL_COMMANDS if any(not field.repr for field in fields(kind))]

    assert holding == [commands.UnlockWithPassphrase]
    assert protocol.holds_secret(command)
    assert not protocol.holds_secret(commands.UnlockVault())
    assert "a-canary" not in repr(command)


PRIVATE = [
    kind
    for kind in vars(commands).values()
    if isinstance(kind, type) and issubclass(kind, commands.PrivateCommand) and kind is not commands.PrivateCommand
]


@pytest.mark.parametrize("kind", [*PRIVATE, commands.PrivateCommand])
def test_what_holds_a_secret_is_not_known_on_the_socket(kind: type[commands.Command]) -> None:
    """A private command is refused by its name, so that no value of a secret goes over the socket."""
    line = json.dumps({"v": 1, "id": 1, "command": kind.__name__, "args": {}}).encode()

    with pytest.raises(Refused, match="is not a command"):
        decode_request(line)
