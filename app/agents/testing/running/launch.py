"""How a worker is started in the user's own interpreter: `worker/` as a package of its own, without Watchkeeper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

WORKER = Path(__file__).parents[1] / "worker"

LAUNCH = (
    "import sys, importlib.util; "
    "spec = importlib.util.spec_from_file_location('watchkeeper_worker', sys.argv.pop(1) + '/__init__.py'); "
    "sys.modules[spec.name] = importlib.util.module_from_spec(spec); "
    "spec.loader.exec_module(sys.modules[spec.name]); "
    "from watchkeeper_worker import start; "
    "sys.exit(start.main(sys.argv[1:]))"
)
"""For `python -c`: sys.path then begins with the working folder, as it does for `python -m pytest`, and the package is
loaded from its folder in the ordinary way, so that its bytecode is cached."""


def worker_argv(interpreter: str, args: Sequence[str]) -> list[str]:
    """Return the command that starts a worker.

    Args:
        interpreter: The Python that runs the tests, CPython 3.8 or later.
        args: Arguments for pytest.
    """
    return [interpreter, "-c", LAUNCH, str(WORKER), *args]
