"""The log: one configuration for structlog and the standard library, redacted at the very end of each way out.

Ways out are a rotating file of JSON lines, a ring in memory that the faces read, and, where asked for, a stream.
"""

from __future__ import annotations

import contextlib
import json
import logging
import logging.handlers
import os
import sys
import threading
import time
import traceback
import warnings
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any, Self, TextIO

import structlog

from app.domain.history import LogLine
from app.engine.places import make_private
from app.engine.redaction import REDACTED, Redactor, is_sensitive_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from structlog.typing import EventDict, Processor, WrappedLogger

    from app.engine.places import Places

FILE_BYTES = 2 * 1024 * 1024
FILES = 5
"""Log files of `FILE_BYTES` each, the newest among them."""
RING_LINES = 2000
LONGEST_LINE = 16 * 1024
"""Characters of one record; what is beyond is cut."""
OWN_LOGGERS = ("app", "__main__")
"""Loggers for which the level of the settings counts; of all others, warnings and worse are kept."""

_log = structlog.get_logger(__name__)


class LogRing:
    """The last lines of the log, in memory. Safe to use from any thread."""

    def __init__(self, capacity: int = RING_LINES) -> None:
        self._lock = threading.Lock()
        self._lines: deque[LogLine] = deque(maxlen=capacity)
        self._seq = 0

    def append(self, at: float, level: str, logger: str, text: str) -> LogLine:
        """Add a line, and return it with its number: one more than the line before, whatever the clock does."""
        with self._lock:
            self._seq += 1
            line = LogLine(self._seq, at, level, logger, text)
            self._lines.append(line)
            return line

    def after(self, seq: int, limit: int = 500) -> tuple[LogLine, ...]:
        """Return at most `limit` lines with numbers above `seq`, oldest first; with `seq` 0, the newest ones.

        So a reader that starts with 0 and goes on with the last number it saw misses nothing that the ring still has.
        """
        with self._lock:
            if not self._lines or limit <= 0:
                return ()
            known = max(0, seq - self._lines[0].seq + 1)
            if seq <= 0:
                known = max(0, len(self._lines) - limit)
            return tuple(islice(self._lines, known, known + limit))


class Logging:
    """The log as configured, until it is closed. Also a context manager.

    Attributes:
        redactor: Where values are registered that must never be logged.
    """

    def __init__(self, redactor: Redactor, handlers: list[logging.Handler], trouble: str) -> None:
        self.redactor = redactor
        self._trouble = trouble
        self._handlers = handlers
        self._undo: list[Callable[[], None]] = []

    @property
    def trouble(self) -> str:
        """Why there is no log file, or why its last lines are not in it, in words; empty while all is well."""
        return self._trouble or self.lost

    @property
    def lost(self) -> str:
        """Why the last lines are not in the log file, in words; empty when they are, or when there is no file."""
        return "".join(each.trouble for each in self._handlers if isinstance(each, _PrivateRotatingFile))

    def set_level(self, level: str) -> None:
        """Log our own lines from this level on: `debug`, `info`, `warning` or `error`.

        So that the log can begin before the settings are read, and take down what is wrong with them.
        """
        number = logging.getLevelNamesMapping()[level.upper()]
        for name in OWN_LOGGERS:
            logging.getLogger(name).setLevel(number)
        logging.getLogger().setLevel(max(number, logging.WARNING))
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(number))

    def close(self) -> None:
        """Close the files, and give hooks and loggers back as they were. A full disk is told by `lost` alone."""
        while self._undo:
            self._undo.pop()()
        for handler in self._handlers:
            handler.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the log."""
        self.close()


def configure(
    places: Places,
    level: str,
    *,
    ring: LogRing,
    redactor: Redactor | None = None,
    name: str = "watchkeeper",
    stream: TextIO | None = None,
) -> Logging:
    """Begin to log. Never fails: without a log file the ring is what remains, and says so.

    Args:
        places: The log file lies in its `logs` folder.
        level: `debug`, `info`, `warning` or `error`, for our own loggers.
        ring: Gets every line.
        redactor: Takes secrets out; a fresh one knows patterns alone.
        name: Of the log file. Two processes must not rotate one file, so the command line has its own.
        stream: Gets every line too, in plain text; for `run --headless`.
    """
    redactor = redactor or Redactor()
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        _hide_sensitive_fields,
    ]
    handlers: list[logging.Handler] = [_RingHandler(ring)]
    handlers[0].setFormatter(_Redacting(redactor, before, _as_text))
    trouble = ""
    try:
        make_private(places.logs)
        file = _PrivateRotatingFile(
            places.log_file(name),
            maxBytes=FILE_BYTES,
            backupCount=FILES - 1,
            encoding="utf-8",
            errors="backslashreplace",
        )
        file.setFormatter(_Redacting(redactor, before, _as_json))
        handlers.append(file)
    except OSError as error:
        trouble = f"No log file can be written in {places.logs}: {error.strerror or error}."
    if stream is not None:
        handlers.append(_QuietStream(stream))
        handlers[-1].setFormatter(_Redacting(redactor, before, _as_stamped_text))
    session = Logging(redactor, handlers, trouble)
    _route(session, handlers)
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    session._undo.append(structlog.reset_defaults)  # noqa: SLF001 - one module
    session.set_level(level)
    _hook(session)
    if trouble:
        _log.warning("no log file can be written", problem=trouble)
    return session


def _route(session: Logging, handlers: list[logging.Handler]) -> None:
    root = logging.getLogger()
    for logger in (*map(logging.getLogger, OWN_LOGGERS), root):
        session._undo.append(lambda logger=logger, old=logger.level: logger.setLevel(old))  # type: ignore[misc] # noqa: SLF001 - one module
    for handler in handlers:
        root.addHandler(handler)
        session._undo.append(lambda handler=handler: root.removeHandler(handler))  # type: ignore[misc] # noqa: SLF001 - one module


def _hook(session: Logging) -> None:
    """Let the log have what would otherwise go to stderr unseen: exceptions that nobody catches, and warnings."""
    old = (sys.excepthook, threading.excepthook, sys.unraisablehook)

    def uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            old[0](kind, error, trace)
            return
        _log.critical("an exception that nobody caught", exc_info=(kind, error, trace))

    def uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
        if issubclass(args.exc_type, SystemExit):
            return
        named = args.thread.name if args.thread is not None else "?"
        error = args.exc_value or args.exc_type()
        _log.critical("an exception ended a thread", thread=named, exc_info=(args.exc_type, error, args.exc_traceback))

    def unraisable(args: Any) -> None:  # noqa: ANN401 - sys.UnraisableHookArgs exists for type checkers alone
        error = args.exc_value or args.exc_type()
        _log.error(
            args.err_msg or "an exception was ignored",
            source=repr(args.object),
            exc_info=(args.exc_type, error, args.exc_traceback),
        )

    def warned(  # noqa: PLR0917 - the shape of warnings.showwarning
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        del file, line
        _log.warning(str(message), category=category.__name__, where=f"{filename}:{lineno}")

    def restore(shown: Any = warnings.showwarning) -> None:  # noqa: ANN401 - a function of typeshed's own shape
        sys.excepthook, threading.excepthook, sys.unraisablehook = old
        warnings.showwarning = shown

    session._undo.append(restore)  # noqa: SLF001 - one module
    sys.excepthook, threading.excepthook, sys.unraisablehook = uncaught, uncaught_in_thread, unraisable
    warnings.showwarning = warned


class _Redacting(structlog.stdlib.ProcessorFormatter):
    """Formats a record of structlog or of the standard library, and takes secrets out of the final string."""

    def __init__(self, redactor: Redactor, before: list[Processor], render: Processor) -> None:
        super().__init__(
            foreign_pre_chain=before,
            processors=[_stamp, structlog.stdlib.ProcessorFormatter.remove_processors_meta, _add_traceback, render],
        )
        self._redactor = redactor
        self._is_json = render is _as_json

    def format(self, record: logging.LogRecord) -> str:
        """Return the line. An exception in a log call's own values must not end the work that was logged."""
        try:
            text = super().format(record)
        except Exception as error:  # noqa: BLE001 - a foreign __repr__ or a wrong % argument
            text = f"a log record could not be formatted: {error!r} in {record.pathname}:{record.lineno}"
            if self._is_json:
                text = json.dumps({"at": record.created, "level": "error", "event": text})
        # Cut only after redaction: a secret cut in half would no longer be known. What is beyond twice the limit goes
        # first, so that a huge record costs little; a secret halved there lies beyond the limit and goes as well.
        redacted = self._redactor.redact(text[: 2 * LONGEST_LINE])
        if redacted == text and len(text) <= LONGEST_LINE:
            return text
        return _still_json(redacted) if self._is_json else _cut(redacted)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_LINE else text[:LONGEST_LINE] + f" ... ({len(text) - LONGEST_LINE} more)"


def _still_json(line: str) -> str:
    """Return a JSON line that redaction or cutting may have broken as JSON again."""
    if len(line) <= LONGEST_LINE:
        with contextlib.suppress(ValueError):
            json.loads(line)
            return line
    return json.dumps({"at": time.time(), "level": "info", "event": _cut(line), "mended": True})


def _stamp(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    del logger, name
    record = event["_record"]
    event["at"] = record.created
    event.setdefault("level", record.levelname.lower())
    event.setdefault("logger", record.name)
    return event


def _hide_sensitive_fields(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """Replace the value of a field called `password` and the like, whatever its type."""
    del logger, name
    for key in event:
        if is_sensitive_name(key):
            event[key] = REDACTED
    return event


def _add_traceback(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    del logger, name
    found = event.pop("exc_info", None)
    if found is True:
        found = sys.exc_info()
    elif isinstance(found, BaseException):
        found = (type(found), found, found.__traceback__)
    if isinstance(found, tuple) and found[0] is not None:
        try:
            event["traceback"] = "".join(traceback.format_exception(*found)).rstrip()
        except Exception:  # noqa: BLE001 - a foreign exception's own __str__ may raise
            event["traceback"] = f"{found[0].__name__}, whose text cannot be made"
    event.pop("stack_info", None)
    return event


def _as_json(logger: WrappedLogger, name: str, event: EventDict) -> str:
    del logger, name
    ordered = {key: event.pop(key, None) for key in ("at", "level", "logger", "event")}
    return json.dumps({**ordered, **event}, default=_safe_repr, skipkeys=True)


def _as_text(logger: WrappedLogger, name: str, event: EventDict) -> str:
    del logger, name
    said = str(event.get("event", ""))
    trace = event.get("traceback")
    taken = ("at", "level", "logger", "event", "traceback")
    values = " ".join(f"{key}={_word(value)}" for key, value in event.items() if key not in taken)
    text = f"{said}  {values}" if values else said
    return f"{text}\n{trace}" if trace else text


def _as_stamped_text(logger: WrappedLogger, name: str, event: EventDict) -> str:
    stamp = time.strftime("%H:%M:%S", time.localtime(event["at"]))
    return f"{stamp} {event['level']:<8} {_as_text(logger, name, event)}"


def _word(value: object) -> str:
    text = value if isinstance(value, str) else _safe_repr(value)
    return repr(text) if not text or any(c.isspace() or not c.isprintable() for c in text) else text


def _safe_repr(value: object) -> str:
    try:
        return str(value) if isinstance(value, os.PathLike) else repr(value)
    except Exception:  # noqa: BLE001 - a foreign __repr__ must not lose the line
        return f"<{type(value).__name__}, whose repr fails>"


class _RingHandler(logging.Handler):
    def __init__(self, ring: LogRing) -> None:
        super().__init__()
        self._ring = ring

    def emit(self, record: logging.LogRecord) -> None:
        level = sys.intern(record.levelname.lower())  # one text for all lines, where each would have its own
        self._ring.append(record.created, level, record.name, self.format(record))


_NO_TRAP = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""A link that somebody put there is not followed, and the reader of a FIFO not waited for."""


class _PrivateRotatingFile(logging.handlers.RotatingFileHandler):
    """A log file that only the user may read, and that never raises into the code that logs, nor when it is closed.

    Attributes:
        trouble: Why the last lines are not in it, in words; empty when they are.
    """

    trouble = ""

    def flush(self) -> None:
        """Write what waits; the base class calls this behind each line."""
        super().flush()
        self.trouble = ""

    def close(self) -> None:
        """Close it. Lines that the disk did not take are tried once more here, and may be lost for good."""
        try:
            super().close()
        except OSError as error:
            self._note(error)

    def _open(self) -> Any:  # noqa: ANN401 - typeshed's TextIOWrapper differs by version
        return open(
            self.baseFilename,
            self.mode,
            encoding=self.encoding,
            errors=self.errors,
            opener=lambda path, flags: os.open(path, flags | _NO_TRAP, 0o600),
        )

    def doRollover(self) -> None:  # noqa: N802 - the base class's name
        """Begin a new file; where another program holds the old one open (Windows), go on in it."""
        try:
            super().doRollover()
        except OSError:
            if self.stream is None:
                self.stream = self._open()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the base class's name
        """Let it go: a full disk must not fill stderr too, and the ring has the line."""
        del record
        error = sys.exception()
        if isinstance(error, OSError):
            self._note(error)

    def _note(self, error: OSError) -> None:
        folder = os.path.dirname(self.baseFilename)  # noqa: PTH120 - it is a text, and only shown
        self.trouble = f"The log cannot be written in {folder}: {error.strerror or error}."


class _QuietStream(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the base class's name
        """Let it go: the reader of a pipe may leave."""
        del record
