"""Finds a project's requirement and lock files, and reads each by its kind."""

from __future__ import annotations

import codecs
from fnmatch import fnmatchcase
from posixpath import basename, dirname
from typing import TYPE_CHECKING

from app.agents.auditing.checks.dependencies import nodelocks, pythonlocks
from app.agents.auditing.checks.dependencies.pins import Listed, NotUnderstood, normalized
from app.agents.auditing.checks.dependencies.requirements import Requirements
from app.engine.regular import read_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.agents.auditing.context import Context

LARGEST_LOCK = 32 * 1024 * 1024
"""Bytes of a lock file that are read: those of large repositories have some ten MiB."""

_READERS: dict[str, Callable[[str, str], Listed]] = {
    "pyproject.toml": pythonlocks.pyproject,
    "poetry.lock": pythonlocks.packages_lock,
    "uv.lock": pythonlocks.packages_lock,
    "pdm.lock": pythonlocks.packages_lock,
    "pylock.toml": pythonlocks.packages_lock,
    "pylock.*.toml": pythonlocks.packages_lock,
    "Pipfile.lock": pythonlocks.pipfile_lock,
    "package-lock.json": nodelocks.package_lock,
    "npm-shrinkwrap.json": nodelocks.package_lock,
    "yarn.lock": nodelocks.yarn_lock,
    "pnpm-lock.yaml": nodelocks.pnpm_lock,
}
_REQUIREMENTS = (
    "requirements*.txt",
    "*requirements.txt",
    "requirements/*.txt",
    "*/requirements/*.txt",
    "constraints*.txt",
)
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
"""Windows' PowerShell writes UTF-16 where `pip freeze` is sent to a file."""


def listed_files(context: Context, exclude: tuple[str, ...] = ()) -> Iterator[tuple[str, Listed]]:
    """Yield each file that lists dependencies, with what it lists. Bad ones are among the troubles.

    Args:
        context: The project.
        exclude: Path patterns that are left out.
    """

    def read(path: str) -> str:
        return _text(context, path)

    requirements = Requirements(read)
    for path in context.files(*_REQUIREMENTS, *_READERS):
        if any(fnmatchcase(path, each) for each in exclude):
            continue
        reader = next((each for pattern, each in _READERS.items() if fnmatchcase(basename(path), pattern)), None)
        if reader is None:
            yield path, requirements.file(path)
            continue
        try:
            yield path, reader(read(path), path)
        except (NotUnderstood, OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            yield path, Listed(troubles=[f"{path} could not be read: {why}"])


def without_locked(files: list[tuple[str, Listed]]) -> None:
    """Take from the unpinned names of each file those that another file of the same folder pins: a lock, say."""
    pinned: dict[str, set[str]] = {}
    for path, listed in files:
        pinned.setdefault(dirname(path), set()).update(pin.name for pin in listed.pins)
    for path, listed in files:
        known = pinned[dirname(path)]
        listed.unpinned = [name for name in listed.unpinned if normalized(name) not in known]


def _text(context: Context, path: str) -> str:
    """Return a file's text.

    Raises:
        OSError: It cannot be read, is no regular file, or lies outside the project.
        ValueError: It is too large, or no text.
    """
    whole = context.root / path
    try:
        is_inside = whole.resolve().is_relative_to(context.root.resolve())
    except RuntimeError:  # links that lead to one another
        is_inside = False
    if not is_inside:
        raise ValueError("it is a link to a file outside the project")
    content = read_regular(whole, LARGEST_LOCK)
    if len(content) > LARGEST_LOCK:
        raise ValueError("it is too large")
    encoding = next((encoding for mark, encoding in _MARKS if content.startswith(mark)), "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        raise ValueError("it is no text of UTF-8") from None
