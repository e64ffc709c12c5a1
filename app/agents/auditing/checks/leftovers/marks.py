"""What added lines hold that was not meant to stay: marks, debugging, silenced tools, swallowed exceptions."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.agents.auditing.checks.leftovers.assertions import called
from app.agents.auditing.checks.leftovers.testfiles import parse
from app.domain.findings import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Mark:
    """Something in a line that was not meant to stay.

    Attributes:
        rule: `todo`, `debug`, `conflict`, `suppression`, `swallowed`, `skipped`, `tests-ignored`.
        title: In words for people.
        line: Counted from 1.
        severity: How much it matters.
        remedy: What to do about it.
    """

    rule: str
    title: str
    line: int
    severity: Severity
    remedy: str = ""


_LONGEST = 2000
_TODO = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b(?![-\w/`'\"])")
_COMMENT = re.compile(r"(?:^|\s)(?:#|//|/\*|--|<!--|;;|%%?)(?P<text>.*)|^\s*\*(?P<star>\s.*)")
_CONFLICT = re.compile(r"(?:<{7}|>{7}|\|{7})(?: |$)")
_SILENCED = re.compile(
    r"(?P<what>type:\s*ignore|pyright:\s*ignore|pylint:\s*disable|noqa|pragma:\s*no\s*cover|nosec"
    r"|eslint-disable|@ts-ignore|@ts-nocheck|nolint|NOSONAR|istanbul ignore)\b(?P<rest>.*)"
)
_REASON = re.compile(r"(?:\s-+\s|\s\u2014\s|:\s|#\s*|//\s*|\s\()\s*\w+\W+\w+")
_JS = (".js", ".jsx", ".ts", ".tsx", ".mjs", ".cjs", ".vue", ".svelte")
_TALKS = re.compile(
    r"(?:^|/)(?:bin|scripts?|cli|tools?|examples?|benchmarks?|logg?er\w*)(?:/|\.)|(?:^|/)(?:cli|log)\w*\."
)
_DEBUG: tuple[tuple[tuple[str, ...], re.Pattern[str], str], ...] = (
    (_JS, re.compile(r"^\s*(?:await\s+)?console\.(?:log|debug|dir|trace)\("), "A console.log was left behind"),
    (_JS, re.compile(r"(?:^|[;{}]\s*)\s*debugger\s*;?\s*$"), "A debugger statement was left behind"),
    ((".rb", ".erb"), re.compile(r"^\s*(?:binding\.(?:pry|irb)|byebug|debugger)\s*$"), "A breakpoint was left behind"),
    ((".rs",), re.compile(r"\bdbg!\("), "A dbg! was left behind"),
    ((".php",), re.compile(r"^\s*(?:var_dump|dd|print_r)\("), "A debug print was left behind"),
)
_JS_TEST = re.compile(r"(?:\.|/)(?:test|spec)s?\.[cm]?[jt]sx?$|(?:^|/)__tests__/")
_JS_SKIP = re.compile(r"^\s*(?:(?:it|test|describe)\.(?P<how>skip|only|todo)|x(?:it|describe|test)|f(?:it|describe))\(")
_IGNORES_TESTS = re.compile(r"--(?:ignore(?:-glob)?|deselect)[= ]\S|^\s*collect_ignore(?:_glob)?\b")
_PYTEST_FILES = frozenset({"pyproject.toml", "pytest.ini", "setup.cfg", "tox.ini", "conftest.py"})
_DOCUMENTS = (
    ".md",
    ".rst",
    ".txt",
    ".adoc",
    ".html",
    ".csv",
    ".json",
    ".lock",
    ".svg",
    ".ipynb",
    ".po",
    ".patch",
    ".diff",
)
_TRACERS = frozenset({"pdb", "ipdb", "pudb", "rpdb", "wdb", "celery.contrib.rdb", "remote_pdb", "bdb", "web_pdb"})
_DEBUG_TEXT = re.compile(
    r"\s*(?:\W{0,4}\s*)(?:debug|dbg|xxx+|here+|test(?:ing)?\s?\d*|asdf|foo|got here|why)\b\W*", re.IGNORECASE
)
_MAY_HOLD = re.compile(
    r"TODO|FIXME|XXX|HACK|ignore|noqa|pragma|pylint|nosec|NOSONAR|eslint|nolint|@ts-|print|console|debug|breakpoint"
    r"|set_trace|import|except|binding|byebug|dbg!|var_dump|dd\(|skip|only|todo|x?(?:it|describe)\(|deselect"
)
_BROAD = frozenset({"Exception", "BaseException"})


def marks_in(path: str, added: Mapping[int, str], text: Callable[[], str | None]) -> list[Mark]:
    """Return what added lines hold that was not meant to stay.

    Args:
        path: The file, relative to the root.
        added: The added lines by their numbers.
        text: Gives the whole file as it is now, or None.
    """
    lines = {number: line for number, line in added.items() if len(line) <= _LONGEST}
    if path.endswith((".py", ".pyi")):
        found = list(_in_python(path, lines, text))
    else:
        found = [*_conflicts(lines)]
        if not path.endswith(_DOCUMENTS):
            comments = {number: _comment(line) for number, line in lines.items()}
            found += [*_todos(comments), *_silenced(comments), *_debugging(path, lines)]
    if path.rpartition("/")[2] in _PYTEST_FILES:
        found += [
            Mark("tests-ignored", "Tests are left out by configuration", number, Severity.MEDIUM)
            for number, line in lines.items()
            if _IGNORES_TESTS.search(line) and not line.lstrip().startswith("#")
        ]
    return sorted(found, key=lambda each: each.line)


def may_hold(line: str) -> bool:
    """Return whether a line is worth remembering, to know an added one like it for one that was only moved."""
    return len(line) <= _LONGEST and _MAY_HOLD.search(line) is not None


def _in_python(path: str, lines: Mapping[int, str], text: Callable[[], str | None]) -> Iterator[Mark]:
    if not any(line.strip() for line in lines.values()):
        return
    source = text() or ""
    try:
        tree = parse(source)
    except SyntaxError:
        yield from _conflicts(lines)
        comments = {number: _comment(line) for number, line in lines.items()}
        yield from _todos(comments)
        return
    comments = {number: comment for number, comment in _python_comments(source) if number in lines}
    yield from _todos(comments)
    yield from _silenced(comments)
    for node in ast.walk(tree):
        if getattr(node, "lineno", 0) in lines:
            yield from _of_node(path, node)


def _of_node(path: str, node: ast.AST) -> Iterator[Mark]:
    remedy = "Take it out."
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        if _TRACERS & set(names):
            yield Mark("debug", "A debugger is imported", node.lineno, Severity.LOW, remedy)
    elif isinstance(node, ast.Call):
        name = ast.unparse(node.func) if isinstance(node.func, ast.Name | ast.Attribute) else ""
        if name == "breakpoint" or (name.endswith(".set_trace") and name.partition(".")[0] in _TRACERS):
            yield Mark("debug", "A breakpoint was left behind", node.lineno, Severity.LOW, remedy)
        elif name in {"print", "pprint", "pprint.pprint", "pp"} and _is_debug_print(node) and not _TALKS.search(path):
            yield Mark("debug", "A debug print was left behind", node.lineno, Severity.LOW, remedy)
    elif isinstance(node, ast.ExceptHandler) and _swallows(node):
        yield Mark(
            "swallowed", "Every exception is swallowed", node.lineno, Severity.MEDIUM,
            "Name the exceptions that are meant, or say what happened.",
        )  # fmt: skip


def _is_debug_print(call: ast.Call) -> bool:
    """Return whether a print is for who wrote it: a bare value, a `{x=}`, or a word such as `here`."""
    if any(keyword.arg == "file" for keyword in call.keywords) or not call.args:
        return False
    first = call.args[0]
    if called(call) != "print":
        return True
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        if _DEBUG_TEXT.match(first.value) and (len(first.value.split()) <= 2 or "debug" in first.value.lower()[:9]):  # noqa: PLR2004 - a word or two
            return True
        label = first.value.strip(" :=->\t")
        return len(call.args) > 1 and any(label == ast.unparse(each) for each in call.args[1:])
    if isinstance(first, ast.JoinedStr):
        return _shows_its_source(first)
    return isinstance(first, ast.Call) and called(first) in {"type", "locals", "globals", "vars", "dir", "id"}


def _shows_its_source(text: ast.JoinedStr) -> bool:
    """Return whether an f-string has a part like `{x=}`, or begins like a debug print."""
    before = ""
    for part in text.values:
        if isinstance(part, ast.Constant):
            before = str(part.value)
        elif isinstance(part, ast.FormattedValue):
            if before.rstrip().endswith(ast.unparse(part.value) + "=") and part.conversion == ord("r"):
                return True
            before = ""
    first = text.values[0] if text.values else None
    return isinstance(first, ast.Constant) and re.match(r"\W*(?:DEBUG|DBG|XXX+)\b", str(first.value)) is not None


def _swallows(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    if not any(kind is None or (isinstance(kind, ast.Name) and kind.id in _BROAD) for kind in kinds):
        return False
    return all(
        isinstance(each, ast.Pass | ast.Continue)
        or (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
        for each in handler.body
    )


def _python_comments(source: str) -> Iterator[tuple[int, str]]:
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string
    except (tokenize.TokenError, SyntaxError, ValueError):
        return


def _comment(line: str) -> str:
    found = _COMMENT.search(line)
    return (found["text"] or found["star"] or "") if found else ""


def _todos(comments: Mapping[int, str]) -> Iterator[Mark]:
    for number, comment in comments.items():
        if found := _TODO.search(comment):
            yield Mark("todo", f"{found[1]} was added", number, Severity.INFO, "Do it, or say where it is kept.")


def _silenced(comments: Mapping[int, str]) -> Iterator[Mark]:
    for number, comment in comments.items():
        if found := _SILENCED.search(comment):
            has_reason = _REASON.search(found["rest"]) or _REASON.search(comment[: found.start()])
            severity = Severity.INFO if has_reason else Severity.LOW
            title = f"`{' '.join(found['what'].split())}` was added{'' if has_reason else ' without a reason'}"
            yield Mark("suppression", title, number, severity, "Mend what is told, or say why it is none.")


def _conflicts(lines: Mapping[int, str]) -> Iterator[Mark]:
    ours: Iterable[int] = [number for number, line in lines.items() if _CONFLICT.match(line.rstrip("\r"))]
    last = -1
    for number in sorted(ours):
        is_start = lines[number].startswith("<")
        if is_start or last < 0:
            yield Mark("conflict", "A merge conflict was left behind", number, Severity.HIGH, "Settle the conflict.")
        last = -1 if lines[number].startswith(">") else number


def _debugging(path: str, lines: Mapping[int, str]) -> Iterator[Mark]:
    for suffixes, pattern, title in _DEBUG:
        if path.endswith(suffixes) and not _TALKS.search(path):
            for number, line in lines.items():
                if pattern.search(line):
                    yield Mark("debug", title, number, Severity.LOW, "Take it out.")
    if _JS_TEST.search(path):
        for number, line in lines.items():
            if found := _JS_SKIP.match(line):
                title = "Only this test runs" if found["how"] == "only" or line.lstrip().startswith("f") else ""
                yield Mark("skipped", title or "A test is skipped", number, Severity.MEDIUM, "Let all tests run.")
