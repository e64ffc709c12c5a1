"""What runners say of a failure is read, and the same failure is known again."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.failures import FailureText, FrameAt, failure_words, fingerprint, is_foreign, read_failure

LONG = """
text = 'x'

    def parse(text):
        try:
>           return int(text)
                   ^^^^^^^^^
E           ValueError: invalid literal for int() with base 10: 'x'

pkg/price.py:8: ValueError

The above exception was the direct cause of the following exception:

    def test_chain():
>       parse("x")

tests/test_price.py:12:
_ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _

text = 'x'

    def parse(text):
        try:
            return int(text)
        except ValueError as error:
>           raise RuntimeError(
                f"bad text {text!r}"
            ) from error
E           RuntimeError: bad text 'x'

pkg/price.py:10: RuntimeError
----------------------------- Captured stdout call -----------------------------
computing
E   not this: at all
----------------------------- Captured stderr call -----------------------------
File "/not/this.py", line 3, in nor_this
"""
SHORT = """tests/test_price.py:8: in test_total
    assert total([10 * n, 5], 0.2) == 18
E   assert 12.0 == 18
E    +  where 12.0 = total([10, 5], 0.2)
"""
NATIVE = """Traceback (most recent call last):
  File "/w/tests/test_price.py", line 12, in test_chain
    parse("x")
    ~~~~~^^^^^
  File "/w/pkg/price.py", line 10, in parse
    raise pkg.errors.Bad(f"bad text {text!r}") from error
    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/usr/lib/python3.11/unittest/case.py", line 873, in assertEqual
    assertion_func(first, second, msg=msg)
pkg.errors.Bad: bad text 'x'
and a second line
"""
CHAINED = """Traceback (most recent call last):
  File "/w/a.py", line 1, in inner
    one()
KeyError: 'k'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/w/b.py", line 2, in outer
    two()
ValueError: last
"""
COLLECTION = """ImportError while importing test module '/w/tests/test_bad.py'.
Hint: make sure your test modules/packages have valid Python names.
Traceback:
/usr/lib/python3.11/importlib/__init__.py:126: in import_module
    return _bootstrap._gcd_import(name[level:], package, level)
tests/test_bad.py:1: in <module>
    import nothere
E   ModuleNotFoundError: No module named 'nothere'
"""
SYNTAX = """/usr/lib/python3.11/ast.py:50: in parse
    return compile(source, filename, mode, flags)
E     File "/w/tests/test_bad.py", line 3
E       def f(
E            ^
E   SyntaxError: '(' was never closed
"""
NODE = """  location: '/w/a.test.js:3:1'
  failureType: 'testCodeFailure'
  error: |-
    Expected values to be strictly equal:

    -1 !== 3

  code: 'ERR_ASSERTION'
  name: 'AssertionError'
  stack: |-
    add (/w/lib/add.js:7:3)
    TestContext.<anonymous> (/w/a.test.js:3:25)
    node:internal/test_runner/harness:255:12
"""
JEST = """  TypeError: Cannot read properties of null (reading 'x')

    at add (src/add.js:7:3)
    at Object.<anonymous> (src/add.test.js:3:25)
"""
GO = """--- FAIL: TestAdd (0.00s)
    add_test.go:8: got -1, want 3
"""
GO_PANIC = """panic: runtime error: index out of range [5] with length 3 [recovered]

goroutine 18 [running]:
example.com/add.Pick(...)
\t/w/add/add.go:12
example.com/add.TestBoom(0xc000082820)
\t/w/add/add_test.go:15 +0x1d
"""
RUST = """thread 'tests::adds' panicked at src/lib.rs:4:20:
assertion `left == right` failed
  left: -1
 right: 3
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
"""
RUST_OLD = "thread 'tests::adds' panicked at 'no value', src/lib.rs:4:20\n"
LINE = "/w/tests/test_price.py:8: ValueError: bad\n"
FAULT = """Fatal Python error: Segmentation fault

Current thread 0x00007f (most recent call first):
  File "/w/b.py", line 2 in inner
  File "/w/a.py", line 9 in test_a
"""


def at(path: str, line: int, function: str = "") -> FrameAt:
    return FrameAt(path, line, function)


@pytest.mark.parametrize(
    ("text", "exception", "message", "frames"),
    [
        pytest.param(
            LONG,
            "RuntimeError",
            "bad text 'x'",
            [
                at("pkg/price.py", 8, "parse"),
                at("tests/test_price.py", 12, "test_chain"),
                at("pkg/price.py", 10, "parse"),
            ],
            id="pytest-long-chained",
        ),
        pytest.param(
            SHORT,
            "AssertionError",
            "assert 12.0 == 18\n +  where 12.0 = total([10, 5], 0.2)",
            [at("tests/test_price.py", 8, "test_total")],
            id="pytest-short",
        ),
        pytest.param(
            NATIVE,
            "pkg.errors.Bad",
            "bad text 'x'\nand a second line",
            [
                at("/w/tests/test_price.py", 12, "test_chain"),
                at("/w/pkg/price.py", 10, "parse"),
                at("/usr/lib/python3.11/unittest/case.py", 873, "assertEqual"),
            ],
            id="native",
        ),
        pytest.param(
            CHAINED, "ValueError", "last", [at("/w/a.py", 1, "inner"), at("/w/b.py", 2, "outer")], id="native-chained"
        ),
        pytest.param(
            COLLECTION,
            "ModuleNotFoundError",
            "No module named 'nothere'",
            [
                at("/usr/lib/python3.11/importlib/__init__.py", 126, "import_module"),
                at("tests/test_bad.py", 1, "<module>"),
            ],
            id="collection",
        ),
        pytest.param(
            NODE,
            "AssertionError",
            "Expected values to be strictly equal:\n\n-1 !== 3",
            [at("/w/a.test.js", 3, "TestContext.<anonymous>"), at("/w/lib/add.js", 7, "add")],
            id="node-tap",
        ),
        pytest.param(
            JEST,
            "TypeError",
            "Cannot read properties of null (reading 'x')",
            [at("src/add.test.js", 3, "Object.<anonymous>"), at("src/add.js", 7, "add")],
            id="jest",
        ),
        pytest.param(GO, "", "got -1, want 3", [at("add_test.go", 8)], id="go"),
        pytest.param(
            GO_PANIC,
            "panic",
            "runtime error: index out of range [5] with length 3 [recovered]",
            [at("/w/add/add_test.go", 15, "example.com/add.TestBoom"), at("/w/add/add.go", 12, "example.com/add.Pick")],
            id="go-panic",
        ),
        pytest.param(
            RUST,
            "panic",
            "assertion `left == right` failed\n  left: -1\n right: 3",
            [at("src/lib.rs", 4)],
            id="rust",
        ),
        pytest.param(RUST_OLD, "panic", "no value", [at("src/lib.rs", 4)], id="rust-old"),
        pytest.param(LINE, "ValueError", "bad", [at("/w/tests/test_price.py", 8)], id="pytest-line"),
        pytest.param(
            FAULT,
            "",
            "Fatal Python error: Segmentation fault",
            [at("/w/a.py", 9, "test_a"), at("/w/b.py", 2, "inner")],
            id="faulthandler",
        ),
        pytest.param(
            "something failed in src/a.rb:3 and b",
            "",
            "something failed in src/a.rb:3 and b",
            [at("src/a.rb", 3)],
            id="any",
        ),
        pytest.param("", "", "", [], id="nothing"),
    ],
)
def test_what_runners_say_is_read(text: str, exception: str, message: str, frames: list[FrameAt]) -> None:
    """The last exception and its message are told, and the frames of all, the outermost first."""
    failure = read_failure(text)

    assert (failure.exception, failure.message) == (exception, message)
    assert list(failure.frames) == frames


def test_a_syntax_error_names_its_file() -> None:
    """The file that cannot be parsed is a frame, although no function of it ran."""
    failure = read_failure(SYNTAX)

    assert failure.exception == "SyntaxError"
    assert failure.frames[-1] == at("/w/tests/test_bad.py", 3)


def test_the_failing_statement_is_told_whole() -> None:
    """A statement over several lines is read to its end; in Python's own style, that of the project's last frame."""
    long, native = read_failure(LONG), read_failure(NATIVE)

    assert [line.strip() for line in long.assertion.split("\n")] == [
        "raise RuntimeError(",
        'f"bad text {text!r}"',
        ") from error",
    ]
    assert native.assertion == 'raise pkg.errors.Bad(f"bad text {text!r}") from error'


def test_what_was_printed_is_kept_apart() -> None:
    """Captured output comes with its titles, and nothing in it is taken for the failure."""
    failure = read_failure(LONG)

    assert failure.captured == (
        ("Captured stdout call", "computing\nE   not this: at all"),
        ("Captured stderr call", 'File "/not/this.py", line 3, in nor_this'),
    )


def test_a_frame_without_a_function_is_the_test() -> None:
    """In the test's own file, a place that names no function is the test's."""
    failure = read_failure(LINE, nodeid="tests/test_price.py::TestA::test_total[1]")

    assert failure.frames == (at("/w/tests/test_price.py", 8, "test_total"),)


@pytest.mark.parametrize(
    ("path", "is_it"),
    [
        ("/w/.venv/lib/python3.11/site-packages/x.py", True),
        (".venv/lib/x.py", True),
        ("/usr/lib/python3.11/unittest/case.py", True),
        ("C:\\Python311\\Lib\\unittest\\case.py", True),
        ("node_modules/x/index.js", True),
        ("node:internal/test", True),
        ("<string>", True),
        ("/rustc/5980/library/core/src/x.rs", True),
        ("src/a.py", False),
        ("lib/python.py", False),
        ("C:\\w\\a.py", False),
    ],
)
def test_foreign_paths(path: str, is_it: bool) -> None:  # noqa: FBT001 - a table's column
    """Installed packages and languages' own libraries are known by their paths."""
    assert is_foreign(path) is is_it


@given(st.text(alphabet=st.sampled_from("E> :.()\"'\n\t/aF1_-|\\"), max_size=400))
def test_garbage_is_read(text: str) -> None:
    """Whatever a runner says is read without an error."""
    failure = read_failure(text, nodeid="a::b")

    assert len(fingerprint(failure, "a::b")) == 24


@pytest.mark.parametrize(
    "garbage", ["\n", "E \n", "> (\n", "a:1: \n", '  File "a', "at (", "- ", "x/", ".a:1", "panicked at ", "E", "{(["]
)
def test_a_megabyte_of_garbage_takes_no_time(garbage: str) -> None:
    """Reading takes time in proportion to the text, in one line or in many."""
    text = garbage * (1_000_000 // len(garbage))
    before = time.process_time()

    fingerprint(read_failure(text), "a::b[1]")

    assert time.process_time() - before < 4.0  # 0.1 to 0.9 s where it was measured; quadratic time takes minutes


def failed(message: str, exception: str = "ValueError", *frames: FrameAt) -> FailureText:
    return FailureText(exception, message, frames)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("<Thing object at 0x7f00aa>", "<Thing object at 0x7f11bb>"),
        ("in /tmp/pytest-of-me/pytest-12/x0/f.txt", "in /tmp/pytest-of-me/pytest-13/x0/f.txt"),
        ("in /tmp/tmpab12/f.txt", "in /tmp/tmpzz99/f.txt"),
        ("in C:\\Users\\me\\AppData\\Local\\Temp\\tmp1\\f", "in C:\\Users\\me\\AppData\\Local\\Temp\\tmp2\\f"),
        ("took 0.123s", "took 2.5s"),
        ("timed out after 1203 ms", "timed out after 1187 ms"),
        ("at 2026-05-04T12:30:01.123Z", "at 2026-05-05T01:02:03.456Z"),
        ("at 12:30:01", "at 13:31:02"),
        ("at 1767225600.25", "at 1767229999.75"),
        ("datetime.datetime(2026, 5, 4, 12, 30)", "datetime.datetime(2026, 5, 5, 1, 2, 3)"),
        ("connect to 127.0.0.1:43121", "connect to 127.0.0.1:51234"),
        ("('localhost', 43121)", "('localhost', 51234)"),
        ("on port 43121", "on port 51234"),
        ("pid 123 died", "pid 99881 died"),
        ("id 550e8400-e29b-41d4-a716-446655440000", "id 6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
        ("at line 12 of a.py:12", "at line 14 of a.py:14"),
        ("d41d8cd98f00b204e9800998ecf8427e", "0cc175b9c0f1b6a831c399e269772661"),
    ],
)
def test_the_same_failure_is_known_again(one: str, other: str) -> None:
    """What differs from run to run does not make another failure."""
    assert fingerprint(failed(one), "t.py::test_a") == fingerprint(failed(other), "t.py::test_a")


def test_line_numbers_do_not_count() -> None:
    """A failure whose lines moved, in a checkout that lies elsewhere, is the same."""
    one = failed("bad", "ValueError", at("/w/src/a.py", 3, "f"), at("/w/.venv/lib/python3/site-packages/x.py", 1, "g"))
    other = failed("bad", "ValueError", at("src/a.py", 300, "f"))

    assert fingerprint(one, "t.py::test_a") == fingerprint(other, "t.py::test_a")


def test_forty_cases_of_one_cause_are_one() -> None:
    """A parametrised test's cases are one failure, whatever values they compare."""
    texts = [f"assert {n * 10}.5 == {n}\n +  where {n} = total({n})" for n in range(20)]
    texts += [f"assert '{word}' == \"{word}x\"" for word in ("a", "bc def", "8-9")]
    prints = {fingerprint(failed(text, "AssertionError"), f"t.py::test_a[{at}]") for at, text in enumerate(texts)}

    assert len(prints) == 1


def test_a_parameter_in_a_message_does_not_count() -> None:
    """A message that only repeats the parameter is the same message."""
    one = fingerprint(failed("no such colour: red"), "t.py::test_a[red-1]")
    other = fingerprint(failed("no such colour: blue"), "t.py::test_a[blue-2]")

    assert one == other


@pytest.mark.parametrize(
    ("failure", "nodeid"),
    [
        (failed("bad", "KeyError", at("a.py", 1, "f")), "t.py::test_a"),
        (failed("worse", "ValueError", at("a.py", 1, "f")), "t.py::test_a"),
        (failed("bad", "ValueError", at("a.py", 1, "g")), "t.py::test_a"),
        (failed("bad", "ValueError", at("b.py", 1, "f")), "t.py::test_a"),
        (failed("bad", "ValueError", at("a.py", 1, "f")), "t.py::test_b"),
        (failed("bad 404", "ValueError", at("a.py", 1, "f")), "t.py::test_a"),
        (failed("bad 500", "ValueError", at("a.py", 1, "f")), "t.py::test_a"),
    ],
)
def test_another_failure_is_another_one(failure: FailureText, nodeid: str) -> None:
    """Another exception, message, function or test makes another failure."""
    first = fingerprint(failed("bad", "ValueError", at("a.py", 1, "f")), "t.py::test_a")

    assert fingerprint(failure, nodeid) != first


def test_numbers_in_a_message_count() -> None:
    """A number that is no address, port or duration tells failures apart."""
    assert fingerprint(failed("status 404"), "t.py::test_a") != fingerprint(failed("status 500"), "t.py::test_a")


def test_the_words_of_a_failure_are_its_last() -> None:
    """The first line of the last exception counts, without addresses."""
    assert failure_words(LONG + "0x12", ["pkg"]) == "RuntimeError: bad text 'x'"
