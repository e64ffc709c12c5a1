"""Texts of the Linux packages, with `@NAME@` where something is put in."""

import re
from pathlib import Path

_FOLDER = Path(__file__).parent
_PLACE = re.compile(r"@([A-Z_]+)@")


def filled(name: str, **values: str) -> str:
    """Gives a text with its places filled.

    Args:
        name: the file beside this one.
        values: what stands in each place; one that is not named is a KeyError.
    """
    return _PLACE.sub(lambda place: values[place[1]], (_FOLDER / name).read_text("utf-8"))
