"""From the JSON documents of the socket back to the domain's values: the inverse of app.control.protocol.dump."""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from app.control.protocol import OTHER_RELEASE
from app.domain.errors import InstanceUnreachable

_Value = TypeVar("_Value")


def of_document(kind: type[_Value], told: object) -> _Value:
    """Return a value of the domain, checked against its declaration.

    What is told beyond the declaration is left out, and what is missing has its default: the instance may be of
    another release.

    Args:
        kind: A dataclass of the domain whose fields are texts, numbers, booleans, enums, tuples, dataclasses, or None.
        told: Its document.

    Raises:
        InstanceUnreachable: It is no such document.
    """
    try:
        found: _Value = _value(kind, told)
    except (TypeError, ValueError) as error:
        raise InstanceUnreachable(
            f"The running Watchkeeper told of a {kind.__name__} in a way that is not understood: {error}.",
            OTHER_RELEASE,
        ) from error
    return found


def _value(hint: Any, told: object) -> Any:  # noqa: ANN401 - a type as typing gives it, and a value of it
    origin, args = get_origin(hint), get_args(hint)
    if origin is tuple:
        return _tuple(args, told)
    if NoneType in args:
        return None if told is None else _value(next(each for each in args if each is not NoneType), told)
    if is_dataclass(hint):
        return _dataclass(hint, told)
    if issubclass(hint, Enum):
        return hint(told)
    if hint is float and type(told) is int:
        return float(told)
    if type(told) is not hint:
        raise TypeError(f"{hint.__name__} was expected, and {type(told).__name__} came")
    return told


def _tuple(args: tuple[Any, ...], told: object) -> tuple[Any, ...]:
    if not isinstance(told, list):
        raise TypeError(f"a list was expected, and {type(told).__name__} came")
    if args[-1] is Ellipsis:
        return tuple(_value(args[0], each) for each in told)
    return tuple(_value(hint, each) for hint, each in zip(args, told, strict=True))


def _dataclass(kind: Any, told: object) -> Any:  # noqa: ANN401 - any dataclass
    if not isinstance(told, dict):
        raise TypeError(f"an object was expected, and {type(told).__name__} came")
    values = {}
    for field in fields(kind):
        if field.name in told:
            values[field.name] = _value(_hints(kind)[field.name], told[field.name])
        elif field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"{field.name!r} is missing")
    return kind(**values)


@cache
def _hints(kind: Any) -> dict[str, Any]:  # noqa: ANN401 - any dataclass
    return get_type_hints(kind)
