"""What one run's worker told of what its tests executed, read and imported. Pure: fed with the worker's lines.

The lines' kinds and fields stand in `worker/__init__.py`. A line that is not as it should be raises, and whoever feeds
the trace passes it over: the tests it spoke of are then simply not known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Place = tuple[str, int]
"""Where a function begins: file, relative with forward slashes, and line."""


@dataclass(frozen=True, slots=True)
class Touched:
    """What one test, or everything outside of tests, touched of the project.

    Attributes:
        places: The functions that were executed.
        read: The files that were opened for reading, Python sources left out.
        listed: The folders whose content was listed.
        opaque: True when another process was started, of which nothing is known.
    """

    places: frozenset[Place] = frozenset()
    read: frozenset[str] = frozenset()
    listed: frozenset[str] = frozenset()
    opaque: bool = False


@dataclass(slots=True)
class Trace:
    """What was told so far.

    Attributes:
        tests: By node id, what each traced test touched, with the fixtures that it uses.
        imported: What was touched outside of tests and fixtures.
        modules: Path by name of the project's modules that were loaded.
        unseen: Files that were imported in ways that no import statement shows.
        thirdparty: Names of other modules that were loaded, in order.
        warned: Those of them that warn when they are imported: ahead of the tests, no test would see it.
    """

    tests: dict[str, Touched] = field(default_factory=dict)
    imported: Touched = field(default_factory=Touched)
    modules: dict[str, str] = field(default_factory=dict)
    unseen: tuple[str, ...] = ()
    thirdparty: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()
    _codes: dict[int, Place] = field(default_factory=dict)

    def take(self, kind: str, said: Mapping[str, object]) -> None:
        """Note one line; of other kinds, nothing.

        Raises:
            KeyError, TypeError, ValueError: The line is not as it should be.
        """
        match kind:
            case "codes":
                for index, path, line, _name in cast("list[tuple[int, str, int, str]]", said["add"]):
                    self._codes[int(index)] = (_text(path), int(line))
            case "deps":
                self.tests[_text(said["id"])] = self._touched(said)
            case "imported":
                self.imported = self._touched(said)
            case "ready":
                self.warned = _texts(said.get("warned", ()))
            case "modules":
                files = cast("dict[str, str]", said["files"])
                self.modules = {_text(name): _text(path) for name, path in files.items()}
                self.unseen = _texts(said["lazy"])
                self.thirdparty = _texts(said["thirdparty"])

    def _touched(self, said: Mapping[str, object]) -> Touched:
        codes = cast("list[int]", said["codes"])
        return Touched(
            frozenset(self._codes[index] for index in codes),
            frozenset(_texts(said["read"])),
            frozenset(_texts(said["listed"])),
            bool(said.get("opaque", False)),
        )


def _texts(values: object) -> tuple[str, ...]:
    return tuple(_text(each) for each in cast("Iterable[object]", values))


def _text(value: object) -> str:
    """Return a string that any store can take: a lone surrogate becomes its escape."""
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")
