"""How the interpreter is made to say which functions it executes."""

# What it is asked with has no types in all versions (ANN401); what not each version has is imported late (PLC0415).
# ruff: noqa: ANN401, PLC0415
from __future__ import annotations

import sys
import threading

from .touches import FUNCTIONS_THAT_START, MULTIPROCESSING

TYPE_CHECKING = False  # typing need not be imported for this
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any

    from .audit import Audit
    from .project import Project
    from .touches import Codes, Touched, Touches

IS_CHEAP = sys.version_info >= (3, 12)
"""sys.monitoring (PEP 669) calls back once for each function and test, not for each call."""


class Monitoring:
    """Sees the project's functions start, in all threads, by sys.monitoring.

    Only the project's own code is looked at, as it is executed first: the rest runs as fast as ever, which for most
    tests is all but a few functions. Code that is made of other code is not met in that way; with the first such of
    the project's, everything is looked at.
    """

    def __init__(self, touches: Touches, codes: Codes, project: Project, audit: Audit) -> None:
        monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore] # Python 3.12
        self._monitoring = monitoring
        self._starts = monitoring.events.PY_START
        self._touches = touches
        self._codes = codes
        self._project = project
        self._tool = -1
        self._met: list[CodeType] = []
        self._is_over = False
        self._is_total = False
        audit.on(("exec",), self._executed)
        audit.on(("code.__new__",), self._made)

    def start(self) -> bool:
        """Begin to note everything; returns False when both free tool numbers are taken."""
        monitoring = self._monitoring
        for tool in (4, 3):  # those that no kind of tool has reserved (sys.monitoring, the library's documentation)
            if monitoring.get_tool(tool) is None:
                monitoring.use_tool_id(tool, "watchkeeper")
                monitoring.register_callback(tool, self._starts, self._callback())
                self._tool = tool
                break
        else:
            return False
        met, self._met = self._met, []
        for code in met:
            self._look_at(code)
        for name in ("multiprocessing.util", "multiprocessing.forkserver"):
            for value in list(vars(sys.modules.get(name, sys)).values()):
                if getattr(value, "__name__", "") in FUNCTIONS_THAT_START:
                    self._look_at(value.__code__)
        if self._is_total:
            monitoring.set_events(self._tool, self._starts)
        return True

    def stop(self) -> None:
        """Note nothing any more."""
        if self._tool >= 0:
            self._monitoring.set_events(self._tool, 0)
            self._monitoring.register_callback(self._tool, self._starts, None)
            self._monitoring.free_tool_id(self._tool)
            self._tool = -1
        self._is_over = True
        self._met = []

    def _executed(self, args: tuple[Any, ...]) -> None:
        """A module is executed, or whatever else was compiled."""
        code = args[0]
        filename = getattr(code, "co_filename", "")
        if not self._is_over and (self._project.code_name(filename) or MULTIPROCESSING in filename):
            if self._tool >= 0:
                self._look_at(code)
            else:
                self._met.append(code)

    def _made(self, args: tuple[Any, ...]) -> None:
        """A function's code is made of another's."""
        if not self._is_total and self._project.code_name(args[1]):
            self._is_total = True
            if self._tool >= 0:
                self._monitoring.set_events(self._tool, self._starts)

    def _look_at(self, code: CodeType) -> None:
        """Have a function that starts noted, and all that are defined in it."""
        self._monitoring.set_local_events(self._tool, code, self._starts)
        for constant in code.co_consts:
            if isinstance(constant, type(code)):
                self._look_at(constant)

    def _callback(self) -> Any:
        touches, number_of, disable = self._touches, self._codes.number, self._monitoring.DISABLE

        def started(code: CodeType, offset: int) -> Any:  # noqa: ARG001 - sys.monitoring's signature
            number = number_of(code)
            if number >= 0:
                touches.now.codes.add(number)
            elif number < -1:
                touches.now.opaque = True
            return disable

        return started

    def enter(self, touched: Touched) -> None:
        """From here on what starts belongs there, also what has been seen to start before."""
        self._touches.now = touched
        self._monitoring.restart_events()

    leave = enter

    def between(self, touched: Touched) -> None:
        """From here on it is pytest itself that runs."""
        self._touches.now = touched


class Profiling:
    """Sees functions start by the interpreter's own profiler, in windows: what runs outside of them costs nothing.

    As fast as a trace function in C would be, and neither coverage.py nor a debugger uses the same slot.
    """

    def __init__(self, touches: Touches, codes: Codes, audit: Audit) -> None:
        import _lsprof

        self._make: Any = lambda: _lsprof.Profiler(subcalls=False, builtins=False)
        self._profiler: Any = self._make()
        self._touches = touches
        self._codes = codes
        self._setprofile = sys.setprofile
        self._is_started = self._is_open = self._is_ours = False
        self._threads: list[tuple[threading.Thread, Any]] = []
        self._get_ident, self._home = threading.get_ident, threading.get_ident()
        self._current_thread = threading.current_thread
        audit.on(("sys.setprofile",), self._replaced)
        audit.on(("_thread.start_new_thread",), self._thread_started)

    def start(self) -> bool:
        """Begin to note what runs in this thread and in those that are started from now on."""
        self._is_started = True
        threading.setprofile(self._in_thread)
        self._open()
        return True

    def stop(self) -> None:
        """Note nothing any more."""
        if self._is_started:
            threading.setprofile(None)  # type: ignore[arg-type,unused-ignore] # it may be none
            self._pause()
            self._settle()

    def enter(self, touched: Touched) -> None:
        """From here on what starts belongs there."""
        if touched is not self._touches.now:
            self._pause()
            self._settle()
            self._touches.now = touched
        self._open()

    leave = enter

    def between(self, touched: Touched) -> None:
        """From here on it is pytest itself that runs."""
        self._pause()
        if touched is not self._touches.now:
            self._settle()
            self._touches.now = touched

    def _open(self) -> None:
        if not self._is_open:
            self._is_ours = True
            self._profiler.enable(subcalls=False, builtins=False)
            self._is_ours, self._is_open = False, True

    def _pause(self) -> None:
        if self._is_open:
            self._is_ours = True
            self._profiler.disable()
            self._is_ours = self._is_open = False

    def _settle(self) -> None:
        """Note what ran since the last time; the profiler counts functions that still run only once it is disabled."""
        self._is_ours = True
        for thread, profiler in list(self._threads):
            # For a thread of its own this stops the profiler of this one, which is stopped anyway.
            profiler.disable()
            self._note(profiler)
            if not thread.is_alive():
                self._threads.remove((thread, profiler))
        self._is_ours = False
        self._note(self._profiler)

    def _note(self, profiler: Any) -> None:
        now, number_of = self._touches.now, self._codes.number
        for entry in profiler.getstats():
            code = entry.code
            if type(code) is not str:
                number = number_of(code)
                if number >= 0:
                    now.codes.add(number)
                elif number < -1:
                    now.opaque = True
        profiler.clear()

    def _in_thread(self, frame: Any, event: str, arg: object) -> None:  # noqa: ARG002 - a profile function's signature
        """Give a thread that has just started a profiler of its own."""
        self._setprofile(None)
        profiler: Any = self._make()
        self._threads.append((self._current_thread(), profiler))
        profiler.enable(subcalls=False, builtins=False)

    def _replaced(self, args: tuple[Any, ...]) -> None:
        """A test took the profile slot for itself: what it executes is not seen any more."""
        del args
        if self._is_open and not self._is_ours and self._get_ident() == self._home:
            self._touches.now.opaque = True

    def _thread_started(self, args: tuple[Any, ...]) -> None:
        """A thread that `threading` knows nothing of is not seen."""
        if self._is_started and getattr(args[0], "__name__", "") != "_bootstrap":
            self._touches.now.opaque = True


def probe_of(touches: Touches, codes: Codes, project: Project, audit: Audit) -> Any:
    """Return what sees functions start in this interpreter, or None. It must be made before the project is loaded."""
    if IS_CHEAP:
        return Monitoring(touches, codes, project, audit)
    try:
        return Profiling(touches, codes, audit)
    except ImportError:
        return None
