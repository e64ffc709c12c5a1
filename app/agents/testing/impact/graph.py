"""Which files of a project reach which others through their imports. Pure.

Edges come from import statements, wherever in a file they stand, and from the rule that the `__init__.py` of the
packages around a module runs before it. What no statement shows (plugins, `import_module`) is named by whoever builds
the graph: such files are reached from everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from app.agents.testing.impact.source import Import

_INIT = "__init__.py"


class ImportGraph:
    """The imports of a project's files; all paths are relative to its root, with forward slashes.

    Attributes:
        files: Path by module name, of the project's own modules that were loaded.
        imports: What each file imports.
        everywhere: Files that any test may reach in ways that no import statement shows.
    """

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.imports: dict[str, tuple[Import, ...]] = {}
        self.everywhere: set[str] = set()
        self._names: dict[str, list[str]] = {}
        self._importers: dict[str, set[str]] | None = None

    def learn(
        self, files: Mapping[str, str], imports: Mapping[str, tuple[Import, ...]], unseen: Iterable[str] = ()
    ) -> None:
        """Take in modules that were loaded, what files import, and files that were imported by no statement."""
        for name, path in files.items():
            if self.files.get(name) != path:
                self.files[name] = path
                self._names.setdefault(path, []).append(name)
        self.imports.update(imports)
        self.everywhere.update(unseen)
        self._importers = None

    def forget(self, paths: Collection[str]) -> None:
        """Forget what files imported that are gone; who imports them still reaches them."""
        for path in paths:
            self.imports.pop(path, None)
        self._importers = None

    def reached_from(self, paths: Iterable[str]) -> set[str]:
        """Return these files and all that they import, directly or not."""
        return _closure(paths, self._imported_by)

    def reaching(self, paths: Iterable[str]) -> set[str]:
        """Return these files and all that import one of them, directly or not."""
        if self._importers is None:
            importers: dict[str, set[str]] = {}
            for importer in {*self.imports, *self._names}:
                for imported in self._imported_by(importer):
                    importers.setdefault(imported, set()).add(importer)
            self._importers = importers
        found = self._importers
        return _closure(paths, lambda path: found.get(path, ()))

    def _imported_by(self, path: str) -> set[str]:
        wanted = list(self._names.get(path, ()))  # for the packages around the file itself
        for statement in self.imports.get(path, ()):
            for module in self._meant(path, statement):
                wanted.append(module)
                wanted += [f"{module}.{name}" for name in statement.names]
        return {found for name in wanted for found in self._run_by(name)} - {path}

    def _meant(self, path: str, statement: Import) -> list[str]:
        """Return the modules that a statement may mean: a file can be loaded under several names."""
        if not statement.level:
            return [statement.module]
        found = []
        for name in self._names.get(path) or [path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")]:
            package = name.split(".") if path.rpartition("/")[2] == _INIT else name.split(".")[:-1]
            base = package[: len(package) - statement.level + 1]
            found.append(".".join([*base, statement.module] if statement.module else base))
        return [name for name in found if name]

    def _run_by(self, name: str) -> list[str]:
        """Return the files that run when this name is imported: the packages around it, and itself."""
        parts = name.split(".")
        names = (".".join(parts[:count]) for count in range(1, len(parts) + 1))
        return [self.files[each] for each in names if each in self.files]


def _closure(paths: Iterable[str], following: Callable[[str], Iterable[str]]) -> set[str]:
    waiting = list(paths)
    found = set(waiting)
    while waiting:
        for path in following(waiting.pop()):
            if path not in found:
                found.add(path)
                waiting.append(path)
    return found
