"""Where a path that a model named leads: to a file of the project that may be read, or nowhere."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from app.domain.secretfiles import is_secret_file


class NoPlace(Exception):
    """A path leads nowhere that may be looked at; its text says why, as the end of a sentence with its subject `it`."""


def is_of_git(path: str) -> bool:
    """True for a path into a repository's own folder, in any spelling that a file system takes for it."""
    names = [part.casefold().rstrip(". ").split(":")[0] for part in PurePosixPath(path).parts]
    return any(name in {".git", ".gitmodules"} or name.startswith("git~") for name in names)


def resolve(root: Path, named: str, *, absolute: bool, must_exist: bool = True) -> PurePosixPath:
    """Return the path relative to the root of the file that a name leads to, all links followed. Blocks.

    Args:
        root: The project's root.
        named: A path, relative to the root or absolute; backslashes separate as well.
        absolute: Whether an absolute one is taken, when it lies inside the root.
        must_exist: False to take one where there is nothing.

    Raises:
        NoPlace: It leads out of the project, into its repository's own folder, to a file that may hold secrets, or to
            nothing, or cannot be followed.
    """
    try:
        top = root.resolve(strict=True)
        relative = _relative(root, top, named, absolute=absolute)
        _refuse_names(relative)
        real = (top / relative).resolve(strict=must_exist)
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links is a RuntimeError before Python 3.13
        raise NoPlace("it touches a file that does not exist") from error
    if real == top or not real.is_relative_to(top):
        raise NoPlace("it touches files outside the project")
    found = PurePosixPath(real.relative_to(top).as_posix())
    _refuse_names(str(found))
    return found


def _refuse_names(path: str) -> None:
    if is_of_git(path):
        raise NoPlace("it touches the repository's own files")
    if is_secret_file(path):
        raise NoPlace("it touches a file that may hold secrets")


def _relative(root: Path, top: Path, named: str, *, absolute: bool) -> str:
    path = named.replace("\\", "/")
    if Path(path).is_absolute():
        for base in (root, top) if absolute else ():
            if Path(path).is_relative_to(base):
                path = Path(path).relative_to(base).as_posix()
                break
        else:
            raise NoPlace("it touches files outside the project")
    # a drive without a slash, or a stream of NTFS, is no path of a project
    if ".." in path.split("/") or path.startswith(("/", "~")) or ":" in path:
        raise NoPlace("it touches files outside the project")
    return PurePosixPath(path).as_posix()
