"""The words on the local socket: one JSON document a line, with a version.

    {"v":1,"id":7,"command":"Pause","args":{"agent":"tests","seconds":1800.0}}
    {"v":1,"id":7,"ok":true,"answer":["tests"]}
    {"v":1,"id":7,"ok":false,"error":{"kind":"CommandRefused","title":"...","message":"...","hint":"...","exit_code":3}}

A line holds at most `LONGEST_REQUEST` bytes on the way in; an answer may be longer (a snapshot of 10,000 tests is a few
MiB). What a command may be is the domain's own table of `Command` classes: nothing else can be called.
"""

from __future__ import annotations

import json
import math
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from os import PathLike, fspath
from types import NoneType
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from app.domain import commands, errors
from app.domain.errors import UsageError, WatchkeeperError

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = 1

LONGEST_REQUEST = 1024 * 1024
LONGEST_ANSWER = 64 * 1024 * 1024

CONNECT_TIMEOUT_S = 2.0
ANSWER_TIMEOUT_S = 30.0
"""How long a command may take in the running instance."""
IDLE_TIMEOUT_S = 60.0
"""How long a connection may say nothing (a line that does not come to its end says nothing)."""
WRITE_TIMEOUT_S = 10.0
"""How long a client may leave its answer unread."""
HELLO_TIMEOUT_S = 5.0
"""How long a client on TCP may take to show its token."""
CLOSE_TIMEOUT_S = 0.5
"""How long commands that are being carried out keep a server from closing."""

OTHER_RELEASE = "Stop the running Watchkeeper and start it again, so that both sides are of one release."
_ONE_OBJECT = f'A request is one line: {{"v": {VERSION}, "id": 1, "command": "ReadStatus", "args": {{}}}}.'

DERIVED: Mapping[str, tuple[str, ...]] = {
    "Snapshot": ("mood", "red_count"),
    "RunView": ("is_confirming",),
    "Check": ("blame",),
    "Coverage": ("percent",),
    "FileCoverage": ("percent",),
}
"""Properties that are told with a value of this type, so that no client has to know how they follow from the rest."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request: `id` is chosen by the client and comes back with the answer."""

    id: int
    command: commands.Command


class Refused(UsageError):
    """A line that is no valid request; `id` is the request's where that could be read, else None."""

    def __init__(self, message: str, hint: str = "", *, request_id: int | None = None) -> None:
        super().__init__(message, hint)
        self.id = request_id


def too_long() -> Refused:
    """Return the error for a request of more than `LONGEST_REQUEST` bytes."""
    return Refused(f"A request of more than {LONGEST_REQUEST} bytes is not read.", "Ask in smaller requests.")


def no_secrets() -> errors.CommandRefused:
    """Return the refusal of a command that holds a secret, on a transport where the other side is not known."""
    return errors.CommandRefused(
        "No passphrase is sent to the running Watchkeeper on this system.", "Type it on the Keys page of its window."
    )


def encode_request(request: Request) -> bytes:
    """Return the line, with its end."""
    command = request.command
    args = {field.name: getattr(command, field.name) for field in fields(command)}
    head = {"v": VERSION, "id": request.id, "command": type(command).__name__, "args": args}
    return json.dumps(head).encode("ascii") + b"\n"


def decode_request(line: bytes) -> Request:
    """Return what a line asks for, checked against the command's own declaration.

    Raises:
        Refused: It is not JSON, of another version, or not a command with its arguments. Nothing else is raised,
            whatever the bytes are.
    """
    if len(line) > LONGEST_REQUEST:
        raise too_long()
    found = None
    is_json = True
    try:
        found = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        is_json = False
    if not is_json:  # said out here, since the error above holds the line, and the line may hold a passphrase
        raise Refused("The request is not JSON.", _ONE_OBJECT)
    if not isinstance(found, dict):
        raise Refused("The request is not a JSON object.", _ONE_OBJECT)
    request_id = found.get("id")
    if type(request_id) is not int:
        raise Refused("The request has no whole number as its `id`.", _ONE_OBJECT)
    check_version(found, request_id)
    kind = _COMMANDS.get(found["command"]) if isinstance(found.get("command"), str) else None
    if kind is None:
        raise Refused(
            f"{_shown(found.get('command'))} is not a command of this version.",
            f"Known are: {', '.join(_COMMANDS)}.",
            request_id=request_id,
        )
    args = found.get("args", {})
    if not isinstance(args, dict):
        raise Refused(f"The `args` of {kind.__name__} are no JSON object.", _takes(kind), request_id=request_id)
    return Request(request_id, _command(kind, args, request_id))


def holds_secret(command: commands.Command) -> bool:
    """True for a command with a field that its repr leaves out: no line, value or fault of it may be told or logged."""
    return any(not field.repr for field in fields(command))


def check_version(document: Mapping[str, Any], request_id: int | None = None) -> None:
    """Refuse a document of another version.

    Raises:
        Refused: Says both versions and what to do.
    """
    if document.get("v") != VERSION or type(document.get("v")) is not int:
        raise Refused(
            f"Version {VERSION} of the protocol is spoken here, and {_shown(document.get('v'))} there.",
            OTHER_RELEASE,
            request_id=request_id,
        )


def encode_answer(request_id: int, answer: object) -> bytes:
    """Return the line that answers a request. Slow for a large snapshot, so call it in a thread then."""
    return f'{{"v":{VERSION},"id":{request_id},"ok":true,"answer":{dump(answer)}}}\n'.encode("ascii")


def encode_error(request_id: int | None, error: WatchkeeperError) -> bytes:
    """Return the line that refuses a request."""
    told = {
        "kind": type(error).__name__,
        "title": error.title,
        "message": error.message,
        "hint": error.hint,
        "exit_code": error.exit_code,
    }
    return json.dumps({"v": VERSION, "id": request_id, "ok": False, "error": told}).encode("ascii") + b"\n"


def decode_error(told: object) -> WatchkeeperError:
    """Return the error that an answer tells of, as the class of the error tree that it names."""
    if not isinstance(told, dict):
        return errors.InstanceUnreachable(
            "The running Watchkeeper answered with an error that cannot be read.", OTHER_RELEASE
        )
    kind = getattr(errors, str(told.get("kind")), None)
    if not (isinstance(kind, type) and issubclass(kind, WatchkeeperError)):
        by_code = {2: UsageError, 4: errors.InternalError}
        code = told.get("exit_code")
        kind = by_code.get(code, errors.CommandRefused) if isinstance(code, int) else errors.CommandRefused
    if issubclass(kind, errors.SlotClosed | errors.KeychainError):  # their state for programs does not travel
        kind = errors.VaultError
    return kind(str(told.get("message", "")), str(told.get("hint", "")))


def dump(value: object) -> str:
    """Return a domain value as JSON text: dataclasses and mappings as objects, enums by value, NaN as null.

    Written out piece by piece on purpose: the C encoder holds the interpreter for the whole of a large snapshot, and
    the event loop with it; this lets go between two pieces when it runs in a thread.

    Raises:
        TypeError: A value of another type.
    """
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else "null"
    if value is None or isinstance(value, bool | str | int):
        return json.dumps(value)
    if is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value)] + list(DERIVED.get(type(value).__name__, ()))
        return "{" + ",".join([f'"{name}":{dump(getattr(value, name))}' for name in names]) + "}"
    # An agreed set of containers; a generator or a dict view here would be a mistake of the handler.
    if isinstance(value, list | tuple | set | frozenset):
        return "[" + ",".join([dump(each) for each in value]) + "]"
    if hasattr(value, "items"):
        return "{" + ",".join([f"{json.dumps(str(key))}:{dump(each)}" for key, each in value.items()]) + "}"
    if isinstance(value, PathLike):
        return json.dumps(fspath(value))
    raise TypeError(f"{type(value).__name__} has no form in JSON")


# A private command holds a secret, and so is unknown here; see UnlockWithPassphrase for the one that is known.
# Not __subclasses__(): a slotted dataclass leaves a second class of its name there until it is collected.
_COMMANDS = {
    name: kind
    for name, kind in vars(commands).items()
    if isinstance(kind, type)
    and issubclass(kind, commands.Command)
    and not issubclass(kind, commands.PrivateCommand)
    and kind is not commands.Command
}


def _command(kind: type[commands.Command], args: dict[str, Any], request_id: int) -> commands.Command:
    hints = get_type_hints(kind)
    known = {field.name: field for field in fields(kind)}
    for name in args:
        if name not in known:
            raise Refused(f"{kind.__name__} takes no argument {_shown(name)}.", _takes(kind), request_id=request_id)
    values = {}
    for name, field in known.items():
        if name in args:
            shown = _shown(args[name]) if field.repr else "what was given"
            values[name] = _checked(kind, name, args[name], hints[name], request_id, shown=shown)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise Refused(f"{kind.__name__} needs the argument {name!r}.", _takes(kind), request_id=request_id)
    return kind(**values)


def _checked(
    kind: type[commands.Command],
    name: str,
    value: object,
    hint: Any,  # noqa: ANN401 - a type as typing gives it
    request_id: int,
    *,
    shown: str,
) -> object:
    allowed = get_args(hint) or (hint,)
    if float in allowed and type(value) is int and abs(value) <= 2**53:
        value = float(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise Refused(f"{name!r} of {kind.__name__} is not finite.", _takes(kind), request_id=request_id)
    if type(value) not in allowed:
        raise Refused(
            f"{name!r} of {kind.__name__} must be {_types(hint)}, and {shown} is not.",
            _takes(kind),
            request_id=request_id,
        )
    return value


def _takes(kind: type[commands.Command]) -> str:
    """Return which arguments a command takes: `Pause takes: agent (str or null), seconds (float or null).`."""
    hints = get_type_hints(kind)
    told = [f"{field.name} ({_types(hints[field.name])})" for field in fields(kind)]
    return f"{kind.__name__} takes: {', '.join(told) or 'nothing'}."


def _types(hint: Any) -> str:  # noqa: ANN401 - a type as typing gives it
    return " or ".join("null" if each is NoneType else each.__name__ for each in get_args(hint) or (hint,))


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."  # noqa: PLR2004 - a line of a message


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
