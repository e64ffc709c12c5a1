"""Stands between Watchkeeper and a program that it starts, so that nothing of that program outlives Watchkeeper.

`stand_guard` runs in a Python of its own, one for each program, started with -I, -S and -E; it must start fast, so it
imports little, and nothing else of Watchkeeper. Its three standard streams are the whole protocol:

- stdin: when it ends, Watchkeeper is gone or wants the program gone, and everything the program started is killed.
  What comes before that is orders for the program: unchanged, they go into a pipe that the program inherits as the
  descriptor (on Windows: the handle) that WATCHKEEPER_ORDERS_FD names, if it was started with one. The program sees
  the end of its orders when stdin ends and when the guard dies, as nobody else holds the pipe's other end;
- stdout: the results channel. The program inherits it as the descriptor (on Windows: the handle) that the variable
  WATCHKEEPER_RESULTS_FD names. The guard's own lines in it begin with `{"guard":`, the last of them says how the
  program ended, and it comes after everything that the program left behind is dead;
- stderr: the program's stdout and stderr.

On POSIX the program leads a session of its own. On Linux the guard is also the reaper of its orphans (prctl(2),
PR_SET_CHILD_SUBREAPER), so that a daemon which left the session is found too, and the program dies with the guard
(PR_SET_PDEATHSIG). On Windows guard and program share a job that ends with the guard's last handle.
"""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from .windows import stand_guard
else:
    from .posix import stand_guard

__all__ = ["stand_guard"]
