"""Coverage of a whole run by coverage.py, where the user's environment has it."""

# What coverage.py hands over is typed in no version alike (ANN401); it is imported only when asked for (PLC0415).
# ruff: noqa: ANN401, PLC0415
from __future__ import annotations

TYPE_CHECKING = False  # typing need not be imported for this
if TYPE_CHECKING:
    from typing import Any

    from .project import Project
    from .results import Results


class Measure:
    """Measures from `start` to `tell`, by the project's own configuration of coverage.py; nothing is written."""

    def __init__(self, project: Project, results: Results) -> None:
        self._project = project
        self._results = results
        self._coverage: Any = None
        self._error = ""
        self._is_wanted = False

    def start(self, config: Any) -> None:
        """Begin, unless the project's own options do it already."""
        self._is_wanted = True
        options = config.known_args_namespace
        if getattr(options, "cov_source", None) and not getattr(options, "no_cov", False):
            self._error = "The project's own options measure it already, by pytest-cov."
            return
        try:
            import coverage  # type: ignore[import-not-found,unused-ignore] # of the user, if at all

            if coverage.Coverage.current() is not None:
                self._error = "Something else measures it already."
                return
            measuring = coverage.Coverage(data_file=None)
            measuring.start()
            self._coverage = measuring
        except ImportError:
            self._error = "coverage.py is not installed there."
        except Exception as error:  # noqa: BLE001 - whatever it says of the configuration
            self._error = "{}: {}".format(type(error).__name__, error)

    def tell(self) -> None:
        """End it, and tell what was found."""
        if not self._is_wanted:
            return
        if self._coverage is not None:
            try:
                self._coverage.stop()
                self._results.tell("coverage", files=self._files())
            except Exception as error:  # noqa: BLE001 - as above
                self._error = "{}: {}".format(type(error).__name__, error)
        if self._error:
            self._results.tell("coverage", error=self._error)

    def _files(self) -> list[dict[str, object]]:
        files: list[dict[str, object]] = []
        for path in sorted(self._coverage.get_data().measured_files()):
            name = self._project.code_name(path)
            if name:
                try:
                    _, statements, _, missing, _ = self._coverage.analysis2(path)
                except Exception:  # noqa: BLE001, S112 - a file that is gone, or no Python any more
                    continue
                files.append({"path": name, "statements": len(statements), "missing": list(missing)})
        return files
