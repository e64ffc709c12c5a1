"""Where the files that come with the program lie."""

from __future__ import annotations

from pathlib import Path

from app.domain.errors import InternalError

_INSTALLED = Path(__file__).resolve().parent.parent / "resources"
_CHECKOUT = _INSTALLED.parent.parent / "resources"


def resource(name: str) -> Path:
    """Return the path of a file that comes with the program.

    Args:
        name: Its path under the resources folder, with forward slashes, as `icons/watchkeeper.svg`.

    Raises:
        InternalError: It is neither in the installed package nor in the checkout.
    """
    for folder in (_INSTALLED, _CHECKOUT):
        path = folder / name
        if path.is_file():
            return path
    raise InternalError(f"The file {name} that belongs to Watchkeeper is missing.", "Install Watchkeeper again.")
