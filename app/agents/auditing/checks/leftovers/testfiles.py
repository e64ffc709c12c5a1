"""The tests of a Python test file, read from its source and never imported."""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from app.agents.auditing.checks.leftovers.assertions import Assertion, Strength, assertions_of, called, reached

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef

_TEST_FILE = re.compile(r"(?:^|/)(?:test_[^/]*|[^/]*_test|tests?)\.py$")
_CHECKING = re.compile(r"assert|check|verif|expect|should|ensure|must|raises|valid|compare|match|snapshot|benchmark")
_SKIPS = {
    "skip": False, "xfail": False, "expectedFailure": False, "skipTest": False, "SkipTest": False,
    "skipif": True, "skipIf": True, "skipUnless": True,
}  # fmt: skip
"""What keeps a test from counting, and whether it does so on a condition."""


@dataclass(frozen=True, slots=True)
class Test:
    """A test as its source has it.

    Attributes:
        node: Its name within the file: `TestClass::test_name`.
        line: Of its `def`, counted from 1.
        head: The source of that line.
        body: The source of what it does, in one spelling.
        assertions: What it asserts.
        skips: What keeps it from counting: for each kind whether it does so on a condition.
        skipped_at: The line of the first of them; 0 when there is none.
        names: All names that it uses.
        is_repeated: Whether it is parametrised, or asserts within a loop.
        asks_others: Whether it calls what may assert for it.
    """

    node: str
    line: int
    head: str
    body: str
    assertions: tuple[Assertion, ...]
    skips: Mapping[str, bool]
    skipped_at: int
    names: frozenset[str]
    is_repeated: bool
    asks_others: bool

    __test__ = False

    @property
    def name(self) -> str:
        """The function's name alone."""
        return self.node.rpartition("::")[2]

    @property
    def asserts_nothing(self) -> bool:
        """Whether nothing that it does can be seen to fail it."""
        return not self.asks_others and all(each.strength is Strength.NOTHING for each in self.assertions)


@dataclass(frozen=True, slots=True)
class TestFile:
    """A test file as its source has it.

    Attributes:
        tests: Its tests by their nodes.
        imports: For each name that it imports, the module, or the module and the name in it.
    """

    tests: Mapping[str, Test]
    imports: Mapping[str, tuple[str, str]]

    __test__ = False


NO_TESTS = TestFile({}, {})


def is_test_file(path: str) -> bool:
    """Return whether pytest or unittest would take a file for one of tests, by its name."""
    return _TEST_FILE.search(path) is not None


def parse(source: str) -> ast.Module:
    """Return the tree of a Python source.

    Raises:
        SyntaxError: It is none, or is nested too deeply to be read.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (ValueError, MemoryError, RecursionError) as error:
        raise SyntaxError(str(error) or type(error).__name__) from None


def read_tests(source: str) -> TestFile:
    """Return the tests of a test file.

    Raises:
        SyntaxError: It is no Python.
    """
    tree = parse(source)
    try:
        return _read(tree, source.splitlines())
    except RecursionError:
        raise SyntaxError("it is nested too deeply") from None


def _read(tree: ast.Module, lines: list[str]) -> TestFile:
    checking = {
        node.name for node in ast.walk(tree) if isinstance(node, Function) and any(_asserts(each) for each in node.body)
    }
    skips, skipped_at = _skips_of_body(tree.body)
    tests: dict[str, Test] = {}
    for prefix, function, owners in _functions(tree.body, (), ()):
        own, own_at = dict(skips), skipped_at
        for owner in owners:
            found, at = _skips_of_decorators(owner.decorator_list)
            in_body, at_body = _skips_of_body(owner.body)
            own |= found | in_body
            own_at = own_at or at or at_body
        found, at = _skips_of_function(function)
        own |= found
        node = "::".join((*prefix, function.name))
        tests[node] = _test(node, function, lines, checking, skips=own, at=own_at or at)
    return TestFile(tests, dict(_imports(tree)))


def _test(
    node: str, function: Function, lines: list[str], checking: Iterable[str], *, skips: Mapping[str, bool], at: int
) -> Test:
    body = [each for each in function.body if not _is_docstring(each)]
    parameters = {each.arg for each in (*function.args.args, *function.args.kwonlyargs)} - {"self", "cls"}
    calls = {called(each) for each in reached(function.body) if isinstance(each, ast.Call)}
    repeats = any(
        "parametrize" in ast.unparse(each) or "given" in ast.unparse(each) for each in function.decorator_list
    )
    loops = any(
        isinstance(each, ast.For | ast.AsyncFor | ast.While) and any(_asserts(inner) for inner in each.body)
        for each in ast.walk(function)
    )
    return Test(
        node=node,
        line=function.lineno,
        head=lines[function.lineno - 1].strip() if function.lineno <= len(lines) else "",
        body="\n".join(ast.unparse(each) for each in body),
        assertions=assertions_of(function),
        skips=skips,
        skipped_at=at,
        names=frozenset(each.id for each in ast.walk(function) if isinstance(each, ast.Name)),
        is_repeated=repeats or loops,
        asks_others=bool(calls & set(checking)) or any(_CHECKING.search(each.lower()) for each in calls | parameters),
    )


def _functions(
    body: list[ast.stmt], prefix: tuple[str, ...], owners: tuple[ast.ClassDef, ...]
) -> Iterator[tuple[tuple[str, ...], Function, tuple[ast.ClassDef, ...]]]:
    for statement in body:
        if isinstance(statement, Function) and statement.name.startswith("test"):
            if not any("fixture" in ast.unparse(each) for each in statement.decorator_list):
                yield prefix, statement, owners
        elif isinstance(statement, ast.ClassDef):
            yield from _functions(statement.body, (*prefix, statement.name), (*owners, statement))
        elif isinstance(statement, ast.If | ast.Try):
            inner = [*statement.body, *statement.orelse]
            yield from _functions(inner, prefix, owners)


def _skips_of_function(function: Function) -> tuple[dict[str, bool], int]:
    found, line = _skips_of_decorators(function.decorator_list)
    outer = {id(each) for each in function.body}
    for statement in function.body:
        for node in ast.walk(statement):
            if not isinstance(node, ast.Call) or called(node) not in _SKIPS or not _is_skipping(node.func):
                continue
            if called(node) in {"skip", "xfail", "skipTest"}:
                found.setdefault(called(node), id(statement) not in outer or not isinstance(statement, ast.Expr))
                line = line or node.lineno
    return found, line


def _skips_of_decorators(decorators: Iterable[ast.expr]) -> tuple[dict[str, bool], int]:
    found: dict[str, bool] = {}
    line = 0
    for decorator in decorators:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        kind = ast.unparse(target).rpartition(".")[2]
        if kind not in _SKIPS or not _is_skipping(target):
            continue
        has_condition = kind == "xfail" and isinstance(decorator, ast.Call) and bool(decorator.args)
        found[kind] = _SKIPS[kind] or has_condition
        line = line or decorator.lineno
    return found, line


def _skips_of_body(body: list[ast.stmt]) -> tuple[dict[str, bool], int]:
    """Return what a module or a class says of all its tests."""
    found: dict[str, bool] = {}
    line = 0
    for statement in body:
        if isinstance(statement, ast.Assign):
            names = {each.id for each in statement.targets if isinstance(each, ast.Name)}
            if "pytestmark" in names:
                several = (
                    statement.value.elts if isinstance(statement.value, ast.List | ast.Tuple) else [statement.value]
                )
                more, at = _skips_of_decorators(several)
                found |= more
                line = line or at
            elif "__test__" in names and isinstance(statement.value, ast.Constant) and statement.value.value is False:
                found["__test__"] = False
                line = line or statement.lineno
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            if called(statement.value) == "skip" and _is_skipping(statement.value.func):
                found["skip"] = False
                line = line or statement.lineno
        elif (
            isinstance(statement, ast.Raise) and statement.exc is not None and "SkipTest" in ast.unparse(statement.exc)
        ):
            found["SkipTest"] = False
            line = line or statement.lineno
    return found, line


def _is_skipping(target: ast.expr) -> bool:
    """Return whether a name that ends like a skip is pytest's or unittest's."""
    name = ast.unparse(target)
    owner = name.rpartition(".")[0]
    return owner.rpartition(".")[2] in {"mark", "pytest", "unittest", "self"} or (not owner and name != "skip")


def _imports(tree: ast.Module) -> Iterator[tuple[str, tuple[str, str]]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield alias.asname or alias.name, (node.module, alias.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name.partition(".")[0], (alias.name, "")


def _asserts(node: ast.AST) -> bool:
    return any(
        isinstance(each, ast.Assert)
        or (isinstance(each, ast.Call) and (called(each).startswith("assert") or called(each) in {"raises", "fail"}))
        for each in ast.walk(node)
    )


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
