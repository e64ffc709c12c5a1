"""What is kept of a tree when it is trimmed: some files, and the libraries that these load."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path


def with_libraries(
    roots: Iterable[Path], lying: Mapping[str, Path], needs: Callable[[Path], Iterable[str]]
) -> set[Path]:
    """Gives the libraries that some files need, and what those need in turn.

    Args:
        roots: the files.
        lying: the libraries that are there, by name.
        needs: gives the names that a file asks for; one that does not lie there is the system's.
    """
    found: set[Path] = set()
    waiting = list(roots)
    while waiting:
        new = {lying[name] for name in needs(waiting.pop()) if name in lying} - found
        found |= new
        waiting += new
    return found


def keep_only(kept: Iterable[Path], folder: Path) -> None:
    """Removes all other files of a folder, and the folders in it that are empty then.

    Args:
        kept: the files that stay.
        folder: the folder.
    """
    keep = set(kept)
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in keep:
            path.unlink()
