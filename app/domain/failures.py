"""Failures as test runners tell them, read: what was raised, where, on which way, and what was printed. Pure.

It knows pytest's styles of traceback, Python's own, unittest, node's stacks, Go, Rust, and as a last resort any
`path:line`. It reads line by line with bounded patterns, so that a megabyte of anything costs little.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LINE_READ = 600
"""Characters of a line that are looked at for a place; what stands behind is kept, but not searched."""
FRAMES_KEPT = MESSAGE_LINES = 200
"""Places that are kept, the last ones, as an endless recursion names thousands; and lines of a message."""


@dataclass(frozen=True, slots=True)
class FrameAt:
    """A place on the way to a failure; `function` is empty where the runner does not tell it."""

    path: str
    line: int
    function: str = ""


@dataclass(frozen=True, slots=True)
class FailureText:
    """What a runner says of a failure.

    Attributes:
        exception: The exception's type as it was told, `panic` for Go and Rust; empty when none is told.
        message: What it says, without the type; for a bare assertion, the compared values.
        frames: The way there, the outermost first; of chained exceptions, the frames of all.
        assertion: The statement that failed, as the runner shows it; empty when it shows none.
        captured: What was printed, as titles and texts.
    """

    exception: str
    message: str
    frames: tuple[FrameAt, ...] = ()
    assertion: str = ""
    captured: tuple[tuple[str, str], ...] = ()


_PATH = r"(?P<path>(?:[A-Za-z]:)?[^\s:\"'()<>|][^:\"'()<>|\n]{0,300})"
_AT = r":(?P<line>\d{1,7})"
_SECTION = re.compile(r"^-{3,300} (?P<title>[A-Z][^\n]{1,60}?) -{3,300}[ \t]*$", re.MULTILINE)
_PYTEST = re.compile(rf"^{_PATH}{_AT}: ?(?:in (?P<function>\S.*)|(?P<rest>.*))$")
_NATIVE = re.compile(
    r"^[\s|+]{0,40}File \"(?P<path>[^\"\n]{1,400})\", line (?P<line>\d{1,7})(?:,? in (?P<function>.{1,200}))?"
)
_NODE = re.compile(
    rf"^\s{{0,40}}(?:at |\u276f )?(?:async )?(?P<function>[^\s()][^()]{{0,200}}?) \((?:file://)?{_PATH}{_AT}:\d{{1,7}}\)$"
)
_NODE_BARE = re.compile(rf"^\s{{0,40}}(?:at|\u276f) (?:async )?(?:file://)?{_PATH}{_AT}(?::\d{{1,7}})?$")
_GO_STACK = re.compile(rf"^\t{_PATH}{_AT}(?: \+0x[0-9a-f]{{1,16}})?$")
_GO = re.compile(rf"^\s{{1,40}}(?P<path>[\w./\\-]{{1,200}}\.go){_AT}: (?P<rest>.*)$")
_PANICKED = re.compile(rf"panicked at (?:'(?P<old>[^\n]{{0,400}})', )?{_PATH}{_AT}:\d{{1,7}}:?$")
_ANY = re.compile(rf"(?<![\w./\\-])(?P<path>[\w./\\-]{{1,200}}\.[A-Za-z]\w{{0,5}}){_AT}\b")
_RAISED = re.compile(
    r"^(?P<type>(?:[A-Za-z_]\w{0,80}\.){0,10}(?:[A-Z]\w{0,80}|error))(?: \[\w{1,60}\])?(?::(?= |$) ?(?P<message>.*)|$)"
)
_DEF = re.compile(r"^(?:>|E)?\s{1,60}(?:async )?def (?P<name>\w{1,100})\(")
_NUMBERED = re.compile(r"^\d{1,5}: (?P<function>\S.{0,200})$")
_CAUSE = re.compile(r"^(?:During handling of the above|The above exception was)")
_GUTTER = re.compile(r"^[\s|+-]{0,40}")
_TELLING = re.compile(r"(?i)\b(?:error|fail(?:ed|ure)?|panic|assert|expected|fatal|exception)")
_FOREIGN = re.compile(
    r"(?:^|[/\\])(?:site-packages|dist-packages|node_modules|\.venv|\.tox|[Ll]ib[/\\]python\d|Python\d{1,4}[/\\]Lib|rustc|_pytest"
    r"|usr[/\\]local[/\\]go)(?:[/\\]|\.|$)|^<|^node:"
)


def read_failure(text: str, *, nodeid: str = "") -> FailureText:
    """Read what a runner says of a failure. Takes time in proportion to the text, and never raises.

    Args:
        text: The failure's text and what the test printed behind it, without colours.
        nodeid: The test; its name is the function of a place in its file that comes without one.
    """
    sections = list(_SECTION.finditer(text))
    told = text[: sections[0].start()] if sections else text
    ends = [*(found.start() for found in sections[1:]), len(text)]
    captured = tuple(
        (found["title"], text[found.end() : end].strip("\n")) for found, end in zip(sections, ends, strict=False)
    )
    reading = _Reading(told.split("\n"))
    reading.run()
    exception, message = reading.raised()
    frames = tuple(_named(frame, nodeid) for frame in reading.frames())
    return FailureText(exception, message, frames, reading.assertion.strip(), captured)


def is_foreign(path: str) -> bool:
    """True for a path of an installed package, of a language's own library, or of no file at all."""
    return _FOREIGN.search(path) is not None


class _Reading:
    """One pass over a failure's lines."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._found: list[FrameAt] = []
        self._inward: list[FrameAt] = []  # of stacks that name the innermost first
        self._function = ""
        self._marked: list[str] = []  # the last group of pytest's E lines
        self._marked_at = -2
        self._native: list[str] = []  # the exception behind Python's own traceback
        self._in_native = False
        self._is_own = False
        self._rest = ""  # what pytest says behind the last place
        self._go = ""
        self._panic: tuple[int, str] | None = None
        self._is_inverted = False
        self.assertion = ""

    def run(self) -> None:
        statement = -1  # where pytest shows the last one
        for number, line in enumerate(self._lines):
            if not line or line.isspace():
                continue
            head = line[:LINE_READ].rstrip()
            if head[0] == "E" and (len(head) == 1 or head[1].isspace()):
                self._mark(number, line)
                head = head[1:]
            elif head[0] == ">" and line[1:2].isspace():
                statement = number
            if "def " in head and (defined := _DEF.match(head)):
                self._function = defined["name"]
            elif ":" in head or 'File "' in head:
                self._place(number, head)
            elif head.startswith("_ _ "):
                self._function = ""
            if self._in_native:
                self._behind_native(line)
        if statement >= 0:
            self._take_statement(statement)

    def frames(self) -> list[FrameAt]:
        """Return the places, the outermost first; where no stack was told, whatever looks like a place."""
        if self._is_inverted:
            self._found.reverse()
        found = self._inward[::-1] + self._found
        if not found:
            for line in self._lines[-2000:]:
                found += [FrameAt(each["path"], int(each["line"])) for each in _ANY.finditer(line[:LINE_READ])]
        return [frame for at, frame in enumerate(found) if frame not in found[at + 1 : at + 2]][-FRAMES_KEPT:]

    def raised(self) -> tuple[str, str]:
        """Return the last exception's type and message, from whatever tells it best."""
        if self._marked:
            return self._from_marked()
        if self._panic is not None:
            return "panic", self._said_in_panic(*self._panic)
        if self._native:
            return _split(self._native)
        for tell in (self._from_yaml, self._from_line):
            if (told := tell()) != ("", ""):
                return told
        return "", self._go or self._best_line()

    def _mark(self, number: int, line: str) -> None:
        if number != self._marked_at + 1:
            self._marked = []
        self._marked.append(line[1:])
        self._marked_at = number

    def _take_statement(self, number: int) -> None:
        """Take a statement, which may go over several lines, up to what pytest says of it."""
        self.assertion = self._lines[number][1:]
        if self.assertion.count("(") <= self.assertion.count(")"):
            return
        for line in self._lines[number + 1 : number + 12]:
            if not line.strip() or line[0] == "E" or set(line.strip()) <= {"^", "~"}:
                return
            self.assertion += "\n" + line[:LINE_READ]

    def _place(self, number: int, head: str) -> None:
        if found := _NATIVE.match(head):
            self._found.append(_frame(found, found["function"] or ""))
            self._in_native = True
            self._native = []
            self._is_own = not is_foreign(found["path"])
        elif found := _PYTEST.match(head):
            self._found.append(_frame(found, found["function"] or self._function))
            self._rest = found["rest"] or ""
            self._function = ""
        elif "panicked at " in head and (found := _PANICKED.search(head)):
            self._inward.append(_frame(found, ""))
            self._panic = (number, found["old"] or "")
        elif head.startswith(("Current thread", "Thread 0x", "Stack (most recent call first", "Fatal Python")):
            self._is_inverted = True
        elif found := _NODE.match(head) or _NODE_BARE.match(head):
            self._inward.append(_frame(found, found.groupdict().get("function") or self._above(number)))
        elif found := _GO.match(head):
            self._found.append(_frame(found, ""))
            self._go = self._go or found["rest"].strip()
        elif found := _GO_STACK.match(head):
            self._inward.append(_frame(found, self._above(number)))

    def _above(self, number: int) -> str:
        """Return the function that Go and Rust name in the line above a place: `4: r::tests::adds`, `pkg.F(0x1)`."""
        above = self._lines[number - 1][:LINE_READ].strip() if number else ""
        if found := _NUMBERED.match(above):
            return found["function"]
        return above.removesuffix(")").rpartition("(")[0] if above.endswith(")") and " " not in above else ""

    def _behind_native(self, line: str) -> None:
        """Take an exception's lines behind Python's own traceback: they are the first that are not indented."""
        bare = _GUTTER.sub("", line, count=1)
        if self._native:
            if bare.startswith("Traceback (") or _CAUSE.match(bare) or set(line) <= {"-", "="}:
                self._in_native = False
            elif len(self._native) < MESSAGE_LINES:
                self._native.append(line)
        elif (not line[0].isspace() or line.lstrip()[:1] == "|") and _RAISED.match(bare[:LINE_READ]):
            self._native = [bare]
        elif self._is_own and not _NATIVE.match(line[:LINE_READ]):
            self.assertion = bare
            self._is_own = False  # the lines below it underline it, or go on

    def _from_marked(self) -> tuple[str, str]:
        margin = min((len(line) - len(line.lstrip()) for line in self._marked if line.strip()), default=0)
        lines = [line[margin:].rstrip() for line in self._marked]
        exception, message = _split(lines)
        if not exception and (last := _RAISED.match(lines[-1][:LINE_READ])):  # a syntax error's place comes first
            exception = last["type"]
        if not exception and (rest := _RAISED.match(self._rest[:LINE_READ])) and not rest["message"]:
            exception = rest["type"]
        return exception or ("AssertionError" if message.startswith("assert ") else ""), message

    def _said_in_panic(self, number: int, old: str) -> str:
        said: list[str] = []
        for line in self._lines[number + 1 : number + 60]:
            if not line.strip() or line.startswith(("note:", "stack backtrace:")):
                break
            said.append(line.rstrip())
        return old or "\n".join(said)

    def _from_yaml(self) -> tuple[str, str]:
        """Read the block that node's TAP has for a failure."""
        name = error = ""
        for number, line in enumerate(self._lines[:2000]):
            key, _, value = line.strip()[:LINE_READ].partition(": ")
            if key == "name" and name == "":
                name = value.strip("'\"")
            elif key == "error" and error == "":
                error = self._yaml_text(number, value)
        return (name, error) if error else ("", "")

    def _yaml_text(self, number: int, value: str) -> str:
        if value not in ("|-", "|", ">-", ">"):
            return value.strip("'\"")
        margin = len(self._lines[number]) - len(self._lines[number].lstrip())
        said: list[str] = []
        for line in self._lines[number + 1 : number + 60]:
            if line.strip() and len(line) - len(line.lstrip()) <= margin:
                break
            said.append(line.strip())
        return "\n".join(said).strip()

    def _from_line(self) -> tuple[str, str]:
        """Read `path:line: what it says`, or an exception in a line of its own."""
        if self._rest:
            exception, message = _split([self._rest])
            return exception or ("AssertionError" if message.startswith("assert ") else ""), message
        for number, line in enumerate(self._lines[-2000:]):
            if (":" in line or line[:1].isalpha()) and (found := _RAISED.match(line[:LINE_READ].strip())):
                if found["message"] is None and not found["type"].endswith(("Error", "Exception")):
                    continue
                start = max(0, len(self._lines) - 2000) + number
                return _split([self._lines[start].strip()])
            if line.startswith("panic: "):
                return "panic", line[7:].strip()
        return "", ""

    def _best_line(self) -> str:
        """Return the first line that sounds like a failure, else the last one."""
        lines = [line for line in map(str.strip, self._lines[-2000:]) if line]
        return next((line for line in lines if _TELLING.search(line[:LINE_READ])), lines[-1] if lines else "")


def _frame(found: re.Match[str], function: str) -> FrameAt:
    return FrameAt(found["path"].strip(), int(found["line"]), function.strip())


def _named(frame: FrameAt, nodeid: str) -> FrameAt:
    file, _, names = nodeid.partition("::")
    if frame.function or not names or not frame.path.replace("\\", "/").endswith(file):
        return frame
    return FrameAt(frame.path, frame.line, names.partition("[")[0].rpartition("::")[2])


def _split(lines: Sequence[str]) -> tuple[str, str]:
    """Return an exception's type and its message."""
    first = lines[0].strip()
    rest = [line.rstrip() for line in lines[1:]]
    found = None if first.startswith("assert ") else _RAISED.match(first)
    if found is None:
        return "", "\n".join([first, *rest]).strip()
    return found["type"], "\n".join([found["message"] or "", *rest]).strip()


_VARYING: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b", "UUID"),
        (r"\b0x[0-9a-fA-F]{1,32}\b", "ADDRESS"),
        (
            r"(?:[A-Za-z]:)?[/\\](?:[^\s'\":,;()]{0,80}[/\\])?(?:tmp|temp|Temp|TMP|folders)[/\\][^\s'\":,;()]{0,400}",
            "TEMP",
        ),
        (r"\bpytest-of-[^\s'\"]{1,400}", "TEMP"),
        (r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?)?(?:Z\b|[+-]\d\d:?\d\d\b)?", "TIME"),
        (r"\bdatetime\.(?:datetime|date|time)\([\d, ]{1,60}", "TIME"),
        (r"\b\d\d:\d\d:\d\d(?:[.,]\d{1,9})?\b", "TIME"),
        (r"\b1\d{9}(?:\d{3})?(?:\.\d{1,9})?\b", "TIME"),
        (
            r"\b\d{1,12}(?:\.\d{1,12})?(?:e-?\d{1,3})? ?(?:ns|µs|us|ms|s|secs?|seconds?|mins?|minutes?|hours?)\b",
            "DURATION",
        ),
        (r"(?i)\b((?:pid|process|port|thread|line|lineno|ident|fd)[ =:#]{1,3})\d{1,20}\b", r"\1N"),
        (
            r"(?i)((?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:]{2,40}\]|localhost)(?::|', ?))\d{2,5}\b",
            r"\1N",
        ),
        (r"(\.[A-Za-z]\w{0,5}):\d{1,7}(?::\d{1,7})?\b", r"\1:N"),
        (r"\b[0-9a-f]{32,128}\b", "HEX"),
    )
)
_LITERAL = re.compile(
    r"'[^'\n]{0,400}'|\"[^\"\n]{0,400}\"|(?<![\w.])-?\d[\d_]{0,40}(?:\.\d{1,40})?(?:e[+-]?\d{1,4})?\b"
)
_COMPARED = re.compile(r"^assert |^[^\n]{1,400} (?:!=|==|not found in|is not|not (?:less|greater)) ")
MESSAGE_COUNTED = 400
"""Characters of a message's first line that tell one failure from another."""


def fingerprint(failure: FailureText, nodeid: str) -> str:
    """Return which failure this is, as 24 hexadecimal digits: the same each time that a test fails in the same way.

    The exception, its message's first line and the function where it was raised count, and the test without its
    parameters. What differs from run to run does not, and neither do the values that a parametrised test compares.

    Args:
        failure: The failure.
        nodeid: The test.
    """
    test, bracket, parameters = nodeid.partition("[")
    first = failure.message.strip().partition("\n")[0][:MESSAGE_COUNTED]
    if bracket:
        first = _without_parameters(first, parameters.removesuffix("]"))
    own = [frame for frame in failure.frames if not is_foreign(frame.path)]
    place = ""
    if own:
        file = re.split(r"[/\\]", own[-1].path)[-1]
        place = f"{file}:{own[-1].function.partition('[')[0]}"
    said = "\0".join((test, failure.exception, _steady(first), place))
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _steady(text: str) -> str:
    for pattern, replacement in _VARYING:
        text = pattern.sub(replacement, text)
    return " ".join(text.split())


def _without_parameters(text: str, parameters: str) -> str:
    """Leave out what a parametrised test's cases differ in: compared values, and the parameters themselves."""
    if _COMPARED.match(text):
        text = _LITERAL.sub("VALUE", text)
    for part in sorted({parameters, *parameters.split("-")}, key=len, reverse=True):
        if part:
            text = re.sub(rf"(?<!\w){re.escape(part)}(?!\w)", "VALUE", text)
    return text


_CAPTURED = re.compile(r"^-+ Captured \S+ \S+ -+$", re.MULTILINE)
_ERROR = re.compile(r"^E +(?P<first>\S.*)(?:\nE.*)*", re.MULTILINE)
_CHANGING = re.compile(r"0x[0-9a-fA-F]+|pytest-of-[^\s/\\]+[/\\]pytest-\d+|(?<=pid )\d+")


def failure_words(text: str, folders: Sequence[str]) -> str:
    """Return what a failure says at its end, its exception's type and message, without what differs each time.

    pytest marks the lines of the message with an E. Where the project chose another style, all of the text counts.

    Args:
        text: The failure's text, as pytest prints it, and what the test printed behind it.
        folders: Paths that are left out, as are addresses and pytest's temporary folders.
    """
    failure = _CAPTURED.split(text, maxsplit=1)[0]
    marked = [found["first"] for found in _ERROR.finditer(failure)]
    words = marked[-1] if marked else failure
    for folder in sorted(folders, key=len, reverse=True):
        words = words.replace(folder, "")
    return _CHANGING.sub("", words).strip()
