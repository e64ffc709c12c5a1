"""What can be changed within a Python file, kind by kind. Each yields edits in the order of the file."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from tests.mutations.sources import Edit, Function, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_COMPARED: dict[type[ast.cmpop], tuple[bytes, bytes]] = {
    ast.Eq: (rb"==", b"!="),
    ast.NotEq: (rb"!=", b"=="),
    ast.Lt: (rb"<", b">="),
    ast.LtE: (rb"<=", b">"),
    ast.Gt: (rb">", b"<="),
    ast.GtE: (rb">=", b"<"),
    ast.In: (rb"\bin\b", b"not in"),
    ast.NotIn: (rb"\bnot\s+in\b", b"in"),
    ast.Is: (rb"\bis\b", b"is not"),
    ast.IsNot: (rb"\bis\s+not\b", b"is"),
}
_COMPUTED: dict[type[ast.operator], tuple[bytes, bytes]] = {
    ast.Add: (rb"\+", b"-"),
    ast.Sub: (rb"-", b"+"),
    ast.Mult: (rb"\*", b"+"),
    ast.Div: (rb"/", b"*"),
    ast.FloorDiv: (rb"//", b"*"),
    ast.Mod: (rb"%", b"+"),
    ast.BitOr: (rb"\|", b"&"),
    ast.BitAnd: (rb"&", b"|"),
}
_SCOPES = ("function", "class", "module", "package", "session")


def operators(source: Source, below: ast.AST | None = None) -> Iterator[Edit]:
    """`==` becomes `!=`, `+` becomes `-`, `and` becomes `or`, and so on."""
    for node in source.expressions(below):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            for left, operator, right in zip(sides, node.ops, sides[1:], strict=False):
                yield from _between(source, left, right, *_COMPARED[type(operator)])
        elif isinstance(node, ast.BinOp) and type(node.op) in _COMPUTED:
            yield from _between(source, node.left, node.right, *_COMPUTED[type(node.op)])
        elif isinstance(node, ast.BoolOp):
            pattern, new = (rb"\band\b", b"or") if isinstance(node.op, ast.And) else (rb"\bor\b", b"and")
            yield from _between(source, node.values[0], node.values[1], pattern, new)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield source.replace(node, source.text(node.operand))


def constants(source: Source, below: ast.AST | None = None) -> Iterator[Edit]:
    """A number becomes another, a string a longer one, True becomes False."""
    for node in source.expressions(below):
        if isinstance(node, ast.Constant):
            yield from _other_value(source, node)


def returns(source: Source, below: ast.AST | None = None) -> Iterator[Edit]:
    """`return x` becomes `return None`."""
    for node in ast.walk(below or source.tree):
        if isinstance(node, ast.Return) and node.value is not None:
            yield source.replace(node.value, "None")


def decorators_removed(source: Source) -> Iterator[Edit]:
    """A decorator goes."""
    for node in ast.walk(source.tree):
        if isinstance(node, Function | ast.ClassDef):
            for mark in node.decorator_list:
                assert mark.end_lineno is not None
                what = f"@{ast.unparse(mark)[:50]} of {node.name} removed"
                yield source.whole_lines(mark.lineno, mark.end_lineno, b"", what)


def decorators_added(source: Source) -> Iterator[Edit]:
    """A function gets a decorator that has it do nothing, or a cache, or a class one that empties it."""
    marks = (
        b"@(lambda function: lambda *args, **kwargs: None)",
        b"@__import__('functools').lru_cache(maxsize=None)",
        b"@__import__('contextlib').contextmanager",
    )
    for number, node in enumerate(source.functions):
        mark = marks[number % len(marks)]
        line = min([node.lineno, *(each.lineno for each in node.decorator_list)])
        text = source.indent(line) + mark + b"\n"
        yield source.whole_lines(line, line - 1, text, f"{mark.decode()} added to {node.name}")


def imports_changed(source: Source) -> Iterator[Edit]:
    """A name is bound to something else of the same import, or under another name."""
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Import | ast.ImportFrom) or getattr(node, "module", "") == "__future__":
            continue
        names = node.names
        for number, alias in enumerate(names):
            if alias.name == "*":
                continue
            bound = alias.asname or alias.name
            other = names[(number + 1) % len(names)]
            new = f"{other.name} as {bound}" if other is not alias and "." not in bound else f"{alias.name} as _{bound}"
            start, end = (_offset(source, alias, last=last) for last in (False, True))
            text = source.content[start:end].decode()
            if "." not in new.rpartition(" as ")[2]:
                yield Edit(start, end, new.encode(), node.lineno, f"import of {text} -> {new}")


def imports_removed(source: Source) -> Iterator[Edit]:
    """An import goes as a whole."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and getattr(node, "module", "") != "__future__":
            yield source.replace(node, "pass")


def class_attributes(source: Source) -> Iterator[Edit]:
    """A value that a class body gives to a name becomes another."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef):
            yield from _assigned(source, node.body)


def module_constants(source: Source) -> Iterator[Edit]:
    """A value that a module gives to a name becomes another."""
    yield from _assigned(source, source.tree.body)


def defaults(source: Source) -> Iterator[Edit]:
    """A default argument becomes another."""
    for node in source.functions:
        for value in (*node.args.defaults, *node.args.kw_defaults):
            if value is not None:
                yield from _value(source, value)


def fixture_bodies(source: Source) -> Iterator[Edit]:
    """Something inside a fixture changes: a constant, an operator, what it returns or yields."""
    for fixture in source.fixtures:
        for statement in fixture.body:
            yield from constants(source, statement)
            yield from operators(source, statement)
            yield from returns(source, statement)
        for node in ast.walk(fixture):
            if isinstance(node, ast.Yield) and node.value is not None:
                yield source.replace(node.value, "None")


def fixture_scopes(source: Source) -> Iterator[Edit]:
    """A fixture gets another scope."""
    for fixture in source.fixtures:
        for mark in fixture.decorator_list:
            given = [each.value for each in getattr(mark, "keywords", []) if each.arg == "scope"]
            if given and isinstance(given[0], ast.Constant) and given[0].value in _SCOPES:
                for scope in _SCOPES:
                    yield source.replace(given[0], repr(scope))
            elif isinstance(mark, ast.Attribute):
                yield source.replace(mark, source.text(mark) + b'(scope="session")')
                yield source.replace(mark, source.text(mark) + b"(autouse=True)")


def renames(source: Source) -> Iterator[Edit]:
    """A function, a method or a class gets another name; those that use it do not know."""
    for node in ast.walk(source.tree):
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("__"):
            yield from _renamed(source, node)


def deletions(source: Source) -> Iterator[Edit]:
    """A function, a method or a class goes."""
    for node in ast.walk(source.tree):
        if isinstance(node, Function | ast.ClassDef):
            assert node.end_lineno is not None
            line = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            text = source.indent(line) + b"pass\n"
            yield source.whole_lines(line, node.end_lineno, text, f"{node.name} deleted")


def parametrisations(source: Source) -> Iterator[Edit]:
    """A value among a test's parameters becomes another."""
    for node in source.functions:
        for mark in node.decorator_list:
            if isinstance(mark, ast.Call) and "parametrize" in ast.dump(mark.func):
                for value in mark.args[1:]:
                    yield from constants(source, value)


KINDS: dict[str, Callable[[Source], Iterator[Edit]]] = {
    "operator": operators,
    "constant": constants,
    "return": returns,
    "decorator removed": decorators_removed,
    "decorator added": decorators_added,
    "import changed": imports_changed,
    "import removed": imports_removed,
    "class attribute": class_attributes,
    "module constant": module_constants,
    "default argument": defaults,
    "fixture body": fixture_bodies,
    "fixture scope": fixture_scopes,
    "parametrisation": parametrisations,
    "name": renames,
    "deletion": deletions,
}


def _between(source: Source, left: ast.expr, right: ast.expr, pattern: bytes, new: bytes) -> Iterator[Edit]:
    """Replace an operator, which stands somewhere between its two sides, among brackets and comments maybe."""
    start, end = source.span(left)[1], source.span(right)[0]
    found = re.search(pattern, source.content[start:end])
    if found is not None:
        old = found.group().decode()
        what = f"{old} -> {new.decode()} in {' '.join(source.text(left).decode().split())[-30:]} {old} ..."
        yield Edit(start + found.start(), start + found.end(), new, left.lineno, what)


def _other_value(source: Source, node: ast.Constant) -> Iterator[Edit]:
    value = node.value
    if isinstance(value, bool):
        yield source.replace(node, repr(not value))
    elif isinstance(value, int | float):
        yield source.replace(node, repr(value + 1))
    elif isinstance(value, str):
        yield source.replace(node, repr(value + "x"))
    elif isinstance(value, bytes):
        yield source.replace(node, repr(value + b"x"))
    elif value is None:
        yield source.replace(node, "0")


def _value(source: Source, value: ast.expr) -> Iterator[Edit]:
    if isinstance(value, ast.Constant):
        yield from _other_value(source, value)
    else:
        yield source.replace(value, "None")
        yield from constants(source, value)


def _assigned(source: Source, body: list[ast.stmt]) -> Iterator[Edit]:
    for statement in body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            if id(statement.value) not in source.docstrings:
                yield from _value(source, statement.value)
        elif isinstance(statement, ast.If | ast.Try):
            yield from _assigned(source, statement.body)


def _renamed(source: Source, node: Function | ast.ClassDef) -> Iterator[Edit]:
    start = source.span(node)[0]
    found = re.compile(rb"(?:def|class)\s+(" + node.name.encode() + rb")\b").search(source.content, start)
    if found is not None:
        what = f"{node.name} renamed to {node.name}_other"
        yield Edit(found.start(1), found.end(1), f"{node.name}_other".encode(), node.lineno, what)


def _offset(source: Source, alias: ast.alias, *, last: bool) -> int:
    assert alias.end_lineno is not None
    assert alias.end_col_offset is not None
    return source.at(alias.end_lineno, alias.end_col_offset) if last else source.at(alias.lineno, alias.col_offset)
