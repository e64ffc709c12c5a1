"""What a test asserts, read from its source: what about, how strictly, and with which tolerance."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Strength(IntEnum):
    """How much an assertion keeps from happening, from least to most."""

    NOTHING = 0
    """It always holds."""
    SOME = 1
    """Only that it is something, or not a certain thing."""
    PART = 2
    """That it is one of several, or on one side of a bound."""
    EXACT = 3


@dataclass(frozen=True, slots=True)
class Assertion:
    """One thing that a test asserts.

    Attributes:
        text: Its source, in one line and one spelling.
        line: Counted from 1.
        strength: How strict it is.
        about: The expressions of which it says something.
        within: `about`, and what lies within them: of `len(x)` also `x`.
        tolerance: For `rel` and `abs` how far a value may be off.
        bound: The number on one side of which the value must be, as (operator, number).
        raises: The names of exceptions one of which must be raised.
        has_pattern: Whether the exception's text is looked at.
    """

    text: str
    line: int
    strength: Strength
    about: frozenset[str] = frozenset()
    within: frozenset[str] = frozenset()
    tolerance: dict[str, float] = field(default_factory=dict)
    bound: tuple[str, float] | None = None
    raises: frozenset[str] = frozenset()
    has_pattern: bool = False


_OPERATORS: dict[type[ast.cmpop], tuple[str, Strength]] = {
    ast.Eq: ("==", Strength.EXACT),
    ast.Is: ("is", Strength.EXACT),
    ast.In: ("in", Strength.PART),
    ast.Lt: ("<", Strength.PART),
    ast.LtE: ("<", Strength.PART),
    ast.Gt: (">", Strength.PART),
    ast.GtE: (">", Strength.PART),
    ast.NotEq: ("!=", Strength.SOME),
    ast.NotIn: ("not in", Strength.SOME),
    ast.IsNot: ("is not", Strength.SOME),
}
_TURNED = {"<": ">", ">": "<"}
_COMPARING = {
    "assertIs": ast.Is, "assertIn": ast.In, "assertNotEqual": ast.NotEq, "assertNotIn": ast.NotIn,
    "assertIsNot": ast.IsNot, "assertLess": ast.Lt, "assertLessEqual": ast.LtE, "assertGreater": ast.Gt,
    "assertGreaterEqual": ast.GtE, "assertEqual": ast.Eq, "assertEquals": ast.Eq, "assertListEqual": ast.Eq,
    "assertDictEqual": ast.Eq, "assertSetEqual": ast.Eq, "assertTupleEqual": ast.Eq, "assertSequenceEqual": ast.Eq,
    "assertMultiLineEqual": ast.Eq, "assertCountEqual": ast.Eq,
}  # fmt: skip
_MOCKS = {
    "assert_called_once_with": Strength.EXACT, "assert_called_with": Strength.EXACT,
    "assert_awaited_once_with": Strength.EXACT, "assert_awaited_with": Strength.EXACT,
    "assert_has_calls": Strength.EXACT, "assert_not_called": Strength.EXACT, "assert_not_awaited": Strength.EXACT,
    "assert_any_call": Strength.PART, "assert_called_once": Strength.PART, "assert_awaited_once": Strength.PART,
    "assert_called": Strength.SOME, "assert_awaited": Strength.SOME,
}  # fmt: skip
_RAISING = frozenset({"raises", "assertRaises", "assertRaisesRegex", "warns", "assertWarns", "assertWarnsRegex"})
_PASSING_ON = frozenset({
    "abs", "all", "any", "bool", "dict", "float", "frozenset", "hasattr", "int", "isinstance", "len", "list", "max",
    "min", "repr", "round", "set", "sorted", "str", "sum", "tuple", "type",
})  # fmt: skip
_TOLERANCES: dict[str, dict[str, tuple[str, int, float | None]]] = {
    "approx": {"rel": ("rel", 1, 1e-6), "abs": ("abs", 2, None)},
    "isclose": {"rel_tol": ("rel", 9, 1e-9), "abs_tol": ("abs", 9, None)},
    "assert_allclose": {"rtol": ("rel", 2, 1e-7), "atol": ("abs", 3, None)},
    "allclose": {"rtol": ("rel", 2, 1e-5), "atol": ("abs", 3, 1e-8)},
}
"""For each function its parameters: what they limit, their position, and what they are by default."""


def assertions_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[Assertion, ...]:
    """Return what a function asserts, in its order, without what is never reached."""
    found: list[Assertion] = []
    for node in reached(function.body):
        if isinstance(node, ast.Assert):
            found += _of_expression(node.test, node.lineno)
        elif isinstance(node, ast.Call):
            found += _of_call(node)
    return tuple(sorted(found, key=lambda each: each.line))


def reached(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """Return the nodes below statements, without those behind a `return` and those under `if False`."""
    for statement in body:
        if isinstance(statement, ast.If) and isinstance(statement.test, ast.Constant):
            yield from reached(statement.body if statement.test.value else statement.orelse)
            continue
        yield from ast.walk(statement)
        if isinstance(statement, ast.Return | ast.Raise):
            return


def called(node: ast.Call) -> str:
    """Return the last part of the name of what is called; empty when it has none."""
    function = node.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _of_expression(test: ast.expr, line: int, *, is_denied: bool = False) -> list[Assertion]:
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return _of_expression(test.operand, line, is_denied=not is_denied)
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) and not is_denied:
        return [each for value in test.values for each in _of_expression(value, line)]
    text = ("not " if is_denied else "") + ast.unparse(test)
    if isinstance(test, ast.Call) and called(test) in _TOLERANCES:
        return _close(test, text, line)
    if isinstance(test, ast.Constant):
        return [Assertion(text, line, Strength.NOTHING)]
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        return [_compared(test.left, test.ops[0], test.comparators[0], text, line, is_denied=is_denied)]
    strength = Strength.PART if isinstance(test, ast.Call) and called(test) not in _PASSING_ON else Strength.SOME
    if isinstance(test, ast.BoolOp) and any(isinstance(each, ast.Constant) and each.value for each in test.values):
        strength = Strength.NOTHING
    about, within = _subjects([test])
    return [Assertion(text, line, strength, about, within, _tolerance(test))]


def _compared(
    left: ast.expr, op: ast.cmpop, right: ast.expr, text: str, line: int, *, is_denied: bool = False
) -> Assertion:
    sign, strength = _OPERATORS[type(op)]
    if is_denied:
        strength = Strength.SOME if strength is Strength.EXACT else Strength.PART
    about, within = _subjects([left, right])
    if isinstance(left, ast.Constant) and isinstance(right, ast.Constant):
        strength = Strength.NOTHING
    if ast.dump(left) == ast.dump(right) and sign in {"==", "is"} and not _calls(left):
        strength = Strength.NOTHING
    bound = None
    if sign in _TURNED and not is_denied:
        if (limit := _number(right)) is not None:
            bound = (sign, limit)
        elif (limit := _number(left)) is not None:
            bound = (_TURNED[sign], limit)
    return Assertion(text, line, strength, about, within, _tolerance(right) or _tolerance(left), bound)


def _of_call(call: ast.Call) -> list[Assertion]:
    name, text, line = called(call), ast.unparse(call), call.lineno
    if name in _RAISING and (call.args or call.keywords):
        has_pattern = name.endswith("Regex") or any(keyword.arg == "match" for keyword in call.keywords)
        kinds = _exceptions(call.args[0]) if call.args else frozenset()
        about = frozenset({"warns" if "arn" in name else "raises"})
        return [Assertion(text, line, Strength.EXACT, about, about, raises=kinds, has_pattern=has_pattern)]
    if not isinstance(call.func, ast.Attribute):
        return _close(call, text, line) if name == "assert_allclose" else []
    if name in _MOCKS:
        about, within = _subjects([call.func.value])
        return [Assertion(text, line, _MOCKS[name], about, within)]
    if name in {"assertTrue", "assertFalse", "assert_"} and call.args:
        return _of_expression(call.args[0], line, is_denied=name == "assertFalse")
    if name in {"assertIsNone", "assertIsNotNone"} and call.args:
        op = ast.Is() if name == "assertIsNone" else ast.IsNot()
        return [_compared(call.args[0], op, ast.Constant(None), text, line)]
    return _of_comparing(call, name, text, line)


def _of_comparing(call: ast.Call, name: str, text: str, line: int) -> list[Assertion]:
    two = 2
    if len(call.args) < two:
        return []
    if name in _COMPARING:
        return [_compared(call.args[0], _COMPARING[name](), call.args[1], text, line)]
    if name in {"assertAlmostEqual", "assertNotAlmostEqual"}:
        about, within = _subjects(call.args[:2])
        strength = Strength.EXACT if name == "assertAlmostEqual" else Strength.SOME
        return [Assertion(text, line, strength, about, within, _places(call))]
    if name == "assert_allclose":
        return _close(call, text, line)
    if name.startswith(("assert", "fail")):
        about, within = _subjects(call.args[:2])
        return [Assertion(text, line, Strength.PART, about, within)]
    return []


def _close(call: ast.Call, text: str, line: int) -> list[Assertion]:
    about, within = _subjects(call.args[:2])
    return [Assertion(text, line, Strength.EXACT, about, within, _tolerance(call))]


def _places(call: ast.Call) -> dict[str, float]:
    given = {keyword.arg: _number(keyword.value) for keyword in call.keywords}
    if (delta := given.get("delta")) is not None:
        return {"abs": delta}
    third = 2
    places = given.get("places", _number(call.args[third]) if len(call.args) > third else 7.0)
    return {} if places is None or abs(places) > 300 else {"abs": 10.0**-places}  # noqa: PLR2004 - a float's range


def _tolerance(node: ast.expr) -> dict[str, float]:
    if not isinstance(node, ast.Call) or called(node) not in _TOLERANCES:
        return {}
    found: dict[str, float] = {}
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    for parameter, (limits, position, default) in _TOLERANCES[called(node)].items():
        value = given.get(parameter) or (node.args[position] if len(node.args) > position else None)
        tolerance = default if value is None else _number(value)
        if tolerance is not None:
            found[limits] = tolerance
    if "abs" in given and "rel" not in given:
        found.pop("rel", None)
    return found


def _exceptions(node: ast.expr) -> frozenset[str]:
    several = node.elts if isinstance(node, ast.Tuple) else [node]
    return frozenset(ast.unparse(each).rpartition(".")[2] for each in several)


def _number(node: ast.expr) -> float | None:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _calls(node: ast.expr) -> bool:
    return any(isinstance(each, ast.Call | ast.Await) for each in ast.walk(node))


def _subjects(nodes: list[ast.expr]) -> tuple[frozenset[str], frozenset[str]]:
    about: set[str] = set()
    within: set[str] = set()
    for node in nodes:
        if _is_constant(node):
            continue
        about.add(ast.unparse(node))
        inner: ast.expr | None = node
        while inner is not None:
            within.add(ast.unparse(inner))
            inner = _inner(inner)
    return frozenset(about), frozenset(within)


def _inner(node: ast.expr) -> ast.expr | None:
    """Return what an expression only passes on: of `len(x)`, `x.startswith("a")` and `await x` that is `x`."""
    if isinstance(node, ast.Await):
        return node.value
    if not isinstance(node, ast.Call):
        return None
    passes_on = called(node) in _TOLERANCES or (isinstance(node.func, ast.Name) and node.func.id in _PASSING_ON)
    if passes_on and node.args:
        return None if _is_constant(node.args[0]) else node.args[0]
    if isinstance(node.func, ast.Attribute) and node.func.attr in {"startswith", "endswith", "issubset", "strip"}:
        return node.func.value
    return None


def _is_constant(node: ast.expr) -> bool:
    if isinstance(node, ast.Call) and called(node) == "approx" and node.args:
        return _is_constant(node.args[0])
    return not any(isinstance(each, ast.Name | ast.Call | ast.Attribute) for each in ast.walk(node))
