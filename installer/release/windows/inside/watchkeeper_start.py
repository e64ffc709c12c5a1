"""What watchkeeper.exe runs, in its own process. It lies beside the packages of the installed program."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run Watchkeeper in this process, and return the exit code."""
    # The program runs parts of itself in processes of their own, which take an interpreter's switches.
    sys.executable = sys._base_executable = os.path.join(sys.prefix, "python.exe")  # type: ignore[attr-defined] # noqa: SLF001, PTH118 - venv and multiprocessing read it; pathlib would cost each start time
    from app.main import main as program  # noqa: PLC0415 - what it imports may keep the above

    return program()


if __name__ == "__main__":
    sys.exit(main())
