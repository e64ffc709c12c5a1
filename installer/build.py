"""Builds what people install: `python3 installer/build.py windows`.

This file is the gate: it must parse on Python 3.6, so that an old interpreter can still say what is missing. It sets up
the checkout's own `.venv` from installer/locks/build.txt; all the work is in the package `release` beside it.
"""

import sys

from bootstrap import with_newer_python


def main() -> int:
    """Hands over to `release`, with a Python that is new enough.

    Returns:
        The exit code: 0 done, 1 failed, 2 wrong usage, 3 something is missing that only the person can install.
    """
    code = with_newer_python(__file__, "Building Watchkeeper")
    if code is not None:
        return code
    from release.commands import main as build  # noqa: PLC0415 - newer syntax than an old Python can parse

    return build(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
