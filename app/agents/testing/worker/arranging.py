"""What was ordered, applied to what pytest collected; and who besides pytest has a say in the collection."""

# What pytest hands over has other classes in each of its versions (ANN401).
# ruff: noqa: ANN401, PTH100, PTH118 - pathlib behaves differently over Python's versions
from __future__ import annotations

import os

TYPE_CHECKING = False  # typing need not be imported for this
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Any

COLLECTION_HOOKS = (
    "pytest_collection",
    "pytest_collection_modifyitems",
    "pytest_collection_finish",
    "pytest_runtestloop",
)

LOOK_AT_SINGLE_TESTS = frozenset(
    (
        "watchkeeper_worker",
        "_hypothesis_pytestplugin",
        "_pytest",
        "anyio",
        "faker",
        "hypothesis",
        "pluggy",
        "pytest_aiohttp",
        "pytest_asyncio",
        "pytest_cov",
        "pytest_django",
        "pytest_flask",
        "pytest_instafail",
        "pytest_mock",
        "pytest_randomly",
        "pytest_rerunfailures",
        "pytest_subtests",
        "pytest_sugar",
        "pytest_timeout",
        "pytest_trio",
        "pytestqt",
        "syrupy",
        "trio",
        "xdist",
    )
)
"""Packages whose hooks treat each test by itself, mark it or shuffle it, so that a part of the collection will do."""

COUNT_ON_THE_ORDER = frozenset(
    (
        "pytest_dependency",
        "pytest_depends",
        "pytest_incremental",
        "pytest_order",
        "pytest_ordering",
        "pytest_reorder",
        "pytest_steps",
    )
)

NEED_THE_WHOLE = (
    "lf",
    "failedfirst",
    "newfirst",
    "stepwise",
    "collectonly",
    "keepduplicates",
    "pyargs",
    "doctestmodules",
)
"""Options by which a test's fate depends on the other ones, or its name on the arguments; and --doctest-modules, which
imports each conftest.py under a name that it may share with others, so that it matters which comes first."""


class Wanted:
    """One `run` order.

    Args:
        order: The order, as it came.
        roots: The folders that its paths may be relative to, the first in which there is such a file: the working
            folder, and pytest's own rootdir, which node ids are relative to.
    """

    def __init__(self, order: dict[str, Any], roots: Sequence[str]) -> None:
        self.chunks: list[dict[str, Any]] = list(order.get("chunks", ()))
        self.rest = bool(order.get("rest", True))
        self.is_streamed = bool(order.get("stream", True))
        self._roots = roots
        self.ran: set[str] = set()
        """The node ids of what was handed out so far."""

    def path(self, chunk: dict[str, Any]) -> str:
        """Return a chunk's file as it is called: in another case Windows opens it too, but then it is called so."""
        paths = [os.path.abspath(os.path.join(root, chunk["path"])) for root in self._roots]
        return next(filter(os.path.isfile, paths), paths[0])

    def of_chunk(self, chunk: dict[str, Any], items: Sequence[Any]) -> list[Any]:
        """Return which of a file's tests run now, in their order, and count them as run."""
        only, leave = chunk.get("only"), set(chunk.get("leave", ()))
        kept = None if only is None else set(only)
        chosen = [
            item
            for item in items
            if item.nodeid not in self.ran and item.nodeid not in leave and (kept is None or item.nodeid in kept)
        ]
        places = {nodeid: place for place, nodeid in reversed(list(enumerate(chunk.get("probe", ()))))}
        chosen.sort(key=lambda item: places.get(item.nodeid, len(places)))
        self.ran.update(item.nodeid for item in chosen)
        return chosen

    def of_chunks(self, chunks: Sequence[dict[str, Any]], items: Sequence[Any]) -> list[Any]:
        """Return which tests of a whole collection run first."""
        by_file: dict[str, list[Any]] = {}
        for item in items:
            by_file.setdefault(file_of(item), []).append(item)
        return [
            item
            for chunk in chunks
            for item in self.of_chunk(chunk, by_file.get(os.path.normcase(self.path(chunk)), ()))
        ]

    def of_rest(self, items: Sequence[Any]) -> list[Any]:
        """Return what did not run yet."""
        return [item for item in items if item.nodeid not in self.ran]


def file_of(item: Any) -> str:
    """Return an item's file, in a form that can be compared."""
    return os.path.normcase(str(getattr(item, "path", None) or item.fspath))


def takes_part(hook: Any) -> bool:
    """Return whether anyone wants to see the whole collection: a conftest.py, or a plugin that is not known."""
    return any(
        _package(implementation.function) not in LOOK_AT_SINGLE_TESTS
        for name in COLLECTION_HOOKS
        for implementation in getattr(hook, name).get_hookimpls()
    )


def counts_on_the_order(plugins: Collection[Any]) -> bool:
    """Return whether a plugin is there that lets tests depend on each other."""
    names = (getattr(plugin, "__name__", None) or type(plugin).__module__ for plugin in plugins)
    return any(str(name).partition(".")[0] in COUNT_ON_THE_ORDER for name in names)


def needs_the_whole(config: Any) -> bool:
    """Return whether an option or an argument makes the collection more than the sum of its files."""
    option = config.option
    folder = str(config.invocation_params.dir)
    return any(getattr(option, name, False) for name in NEED_THE_WHOLE) or not all(
        "::" not in str(arg) and "[" not in str(arg) and os.path.exists(os.path.join(folder, str(arg)))  # noqa: PTH110
        for arg in config.args
    )


def own_paths(config: Any) -> list[str]:
    """Return the files and folders that the session was told to collect from."""
    folder = str(config.invocation_params.dir)
    return [os.path.abspath(os.path.join(folder, str(arg))) for arg in config.args]


def _package(function: Any) -> str:
    return str(getattr(function, "__module__", "")).partition(".")[0]
