"""One settings file: typed, checked with words a person can act on, edited with its comments kept.

The sections are declared elsewhere, as pydantic models on `Section`; this module knows none of them. pydantic-settings
was measured and left out: it costs 0.3 s at import, and of what it adds only reading TOML would be used.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import tomllib
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from app.domain.errors import CannotError, SettingsError
from app.engine import tomltext
from app.engine.files import write_atomic
from app.engine.places import make_private

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pydantic.fields import FieldInfo

_log = structlog.get_logger(__name__)

_MISTAKES_TOLD = 5
_LONGEST_VALUE_TOLD = 80


class Section(BaseModel):
    """Base of every section, and of the whole: unknown keys and look-alike types (`"3"` for 3) are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


S = TypeVar("S", bound=Section)


def validate(model: type[S], document: dict[str, Any], *, path: Path, text: str, prefix: tuple[str, ...] = ()) -> S:
    """Check a parsed document against its declaration.

    Args:
        model: The declaration.
        document: Plain values as `tomltext.parse` gives them.
        path: The file, for the message.
        text: The file's text, in which lines are looked up; may be empty.
        prefix: Where in the file the document stands: `("tool", "watchkeeper")`.

    Raises:
        SettingsError: Names file, line, key, value and what is allowed, for each of the first few mistakes.
    """
    try:
        # Strict in pydantic's JSON mode: a list is a tuple there, and nothing else is taken for what it is not.
        return model.model_validate_json(json.dumps(document, default=str))
    except ValidationError as error:
        found = error.errors(include_url=False)
        lines = [_mistake(model, each, path=path, text=text, prefix=prefix) for each in found[:_MISTAKES_TOLD]]
        if len(found) > _MISTAKES_TOLD:
            lines.append(f"... and {len(found) - _MISTAKES_TOLD} more.")
        raise SettingsError("\n".join(lines), "`watchkeeper config show` lists every key and its value.") from error


def fields(model: type[Section], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield each setting of a declaration with its dotted name: `tests.hang_seconds`."""
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, Section):
            yield from fields(info.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name, info


class SettingsFile(Generic[S]):
    """The settings file of one program, and the last good state of it.

    Not for use from several threads at once; reading and writing are blocking and short.

    Args:
        model: The declaration of the whole file; every setting in it has a default.
        path: The file. It need not exist.
        last_good: Where a copy is kept of the file as it was when it last had no mistake.
    """

    def __init__(self, model: type[S], path: Path, *, last_good: Path) -> None:
        self.path = path
        self._model = model
        self._last_good = last_good
        self._current = model()
        self._trouble: SettingsError | None = None

    @property
    def current(self) -> S:
        """The settings in force: the last good ones; the defaults before anything was loaded."""
        return self._current

    @property
    def trouble(self) -> SettingsError | None:
        """What is wrong with the file, and so not in force; None when it is good."""
        return self._trouble

    def load(self) -> S:
        """Read the file at the start of the program, and return the settings in force. Never fails.

        With a file that has a mistake, the copy of the last good one is used, or else the defaults; `trouble` says so.
        """
        try:
            return self.reload()
        except SettingsError as error:
            settings, source = self._fallback()
            self._current = settings
            self._trouble = SettingsError(error.message, f"{error.hint} Until it is mended, {source} in force.")
            _log.warning("the settings file has a mistake", problem=error.message, fallback=source)
            return settings

    def reload(self) -> S:
        """Read the file again.

        Raises:
            SettingsError: It has a mistake; the settings in force stay what they were.
        """
        try:
            settings, text = self.check()
        except SettingsError as error:
            self._trouble = error
            raise
        self._current, self._trouble = settings, None
        self._remember(text)
        return settings

    def check(self) -> tuple[S, str]:
        """Read and check the file without putting it in force; returns settings and text (empty without a file).

        Raises:
            SettingsError: It has a mistake.
        """
        text = tomltext.read_text(self.path) or ""
        return validate(self._model, tomltext.parse(text, self.path), path=self.path, text=text), text

    def set(self, key: str, values: Sequence[str]) -> S:
        """Change one setting in the file, keep its comments and order, and put it in force.

        Args:
            key: The dotted name: `tests.hang_seconds`.
            values: The value as TOML, or as plain words: one for text, any number for a list.

        Raises:
            SettingsError: The file has a mistake already, the key is unknown or the value is not allowed.
            CannotError: The file cannot be written. It is as it was then.
        """
        _, text = self.check()
        known = dict(fields(self._model))
        if key not in known:
            raise SettingsError(f"There is no setting {key!r}.{_did_you_mean(key, known)}", _SEE_ALL)
        refused: SettingsError | None = None
        for value in _readings(values, known[key]):
            changed = _edited(text, key.split("."), value)
            try:
                settings = validate(self._model, tomltext.parse(changed, self.path), path=self.path, text="")
            except SettingsError as error:
                refused = refused or error
                continue
            self._write(changed)
            self._current, self._trouble = settings, None
            self._remember(changed)
            return settings
        raise refused or SettingsError(f"{key} needs a value.", "Write it behind the key.")

    def _write(self, text: str) -> None:
        try:
            make_private(self.path.parent)
            write_atomic(self.path, text.encode("utf-8"))
        except OSError as error:
            raise CannotError(
                f"{self.path} cannot be written: {error.strerror or error}.",
                "It is as it was. Check the rights of its folder and the space on its disk.",
            ) from error

    def _remember(self, text: str) -> None:
        try:
            if text != (tomltext.read_text(self._last_good) or ""):
                make_private(self._last_good.parent)
                write_atomic(self._last_good, text.encode("utf-8"))
        except (OSError, SettingsError) as error:
            _log.warning("no copy of the good settings could be kept", file=str(self._last_good), problem=str(error))

    def _fallback(self) -> tuple[S, str]:
        try:
            text = tomltext.read_text(self._last_good)
            if text is not None:
                document = tomltext.parse(text, self._last_good)
                settings = validate(self._model, document, path=self._last_good, text=text)
                return settings, "the last good settings are"
        except SettingsError:
            _log.warning("the copy of the last good settings has a mistake too", file=str(self._last_good))
        return self._model(), "the defaults are"


_SEE_ALL = "`watchkeeper config show` lists them all."


def _edited(text: str, path: Sequence[str], value: object) -> str:
    import tomlkit  # noqa: PLC0415 - only editing needs it, and it costs as much as all else here
    from tomlkit.items import AbstractTable  # noqa: PLC0415

    document = tomlkit.parse(text)
    table: Any = document
    for part in path[:-1]:
        if not isinstance(table.get(part), AbstractTable | dict):
            table[part] = tomlkit.table()
        table = table[part]
    table[path[-1]] = value  # a comment behind the old value stays, which is tomlkit's doing
    return tomlkit.dumps(document)


def _readings(values: Sequence[str], info: FieldInfo) -> Iterator[object]:
    """Yield what the words may mean, the likeliest first: TOML, then plain text, then items of a list."""
    takes_list = tuple in (info.annotation, getattr(info.annotation, "__origin__", None))
    if len(values) == 1:
        with contextlib.suppress(tomllib.TOMLDecodeError, RecursionError):
            yield tomllib.loads(f"v = {values[0]}")["v"]
        if not takes_list:
            yield values[0]
    if takes_list:
        with contextlib.suppress(tomllib.TOMLDecodeError, RecursionError):
            yield [tomllib.loads(f"v = {value}")["v"] for value in values]
        yield list(values)
    elif len(values) > 1:
        yield " ".join(values)


def _mistake(model: type[Section], error: Any, *, path: Path, text: str, prefix: tuple[str, ...]) -> str:  # noqa: ANN401 - pydantic's own error record
    where = error["loc"]
    line = tomltext.line_of(text, (*prefix, *where)) if text else None
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where).lstrip(".")
    place = f"{path}, line {line}: " if line else f"{path}: "
    if error["type"] == "extra_forbidden":
        return f"{place}{key} is not a setting.{_did_you_mean(key, dict(fields(model)))}"
    value = json.dumps(error["input"], default=str, ensure_ascii=False)
    if len(value) > _LONGEST_VALUE_TOLD:
        value = value[: _LONGEST_VALUE_TOLD - 3] + "..."
    return f"{place}{key} = {value} is not allowed: it must be {_allowed(error)}."


def _allowed(error: Any) -> str:  # noqa: ANN401 - pydantic's own error record
    kind, context = error["type"], error.get("ctx", {})
    figures = {"greater_than_equal": ("ge", "or more"), "less_than_equal": ("le", "or less")}
    if kind in figures:
        name, words = figures[kind]
        return f"{context[name]:g} {words}"
    if kind == "literal_error":
        return f"one of {context['expected']}".replace("'", '"')
    plain = {
        "bool_type": "true or false",
        "int_type": "a whole number",
        "int_from_float": "a whole number",
        "float_type": "a number",
        "finite_number": "a finite number",
        "string_type": 'text in quotes: "..."',
        "tuple_type": 'a list: ["...", "..."]',
        "model_type": "a section with keys of its own",
    }
    said = str(context["error"]) if kind == "value_error" else str(error["msg"])
    return plain.get(kind, said[:1].lower() + said[1:])


def _did_you_mean(key: str, known: dict[str, FieldInfo]) -> str:
    by_last: dict[str, str] = {}
    for name in known:
        by_last.setdefault(name.rpartition(".")[2], name)
    sections = {name.partition(".")[0]: name.partition(".")[0] for name in known}
    if key in by_last:
        return f" Did you mean {by_last[key]}?"
    near = difflib.get_close_matches(key, [*known, *sections], n=1, cutoff=0.7)
    if near:
        return f" Did you mean {near[0]}?"
    nearest = difflib.get_close_matches(key.rpartition(".")[2], list(by_last), n=1, cutoff=0.7)
    return f" Did you mean {by_last[nearest[0]]}?" if nearest else ""
