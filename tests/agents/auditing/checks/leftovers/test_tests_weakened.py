"""Tests that tell less than they did are found, and tests that were only moved, renamed or merged are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.domain.findings import Severity

if TYPE_CHECKING:
    from conftest import Project

TEST = "tests/test_shop.py"
HEAD = "import math\nimport unittest\nimport pytest\nfrom shop import f, g, x, y\n\n\n"


def body(*lines: str, name: str = "test_a", decorators: str = "") -> str:
    return HEAD + decorators + f"def {name}():\n" + "".join(f"    {line}\n" for line in lines)


def method(line: str) -> str:
    return HEAD + f"class ShopTest(unittest.TestCase):\n    def test_a(self):\n        {line}\n"


LOOSENED = [
    (["assert x == 3"], ["assert x in (3, 4)"], "assertion-loosened"),
    (["assert x == 3"], ["assert x != 4"], "assertion-loosened"),
    (["assert x == 3"], ["assert x >= 3"], "assertion-loosened"),
    (["assert x == 3"], ["assert x is not None"], "assertion-loosened"),
    (["assert x == 3"], ["assert x"], "assertion-loosened"),
    (["assert 3 == x"], ["assert x"], "assertion-loosened"),
    (["assert f(x) == [1, 2]"], ["assert len(f(x)) > 0"], "assertion-loosened"),
    (["assert f(x) == [1, 2]"], ["assert isinstance(f(x), list)"], "assertion-loosened"),
    (["assert f(x) == 'abc'"], ["assert f(x).startswith('a')"], "assertion-loosened"),
    (["assert f(x) == 'abc'"], ["assert 'a' in f(x)"], "assertion-loosened"),
    (["assert x == 3"], ["assert x == 3 or True"], "assertion-removed"),
    (["assert x == 3"], ["assert True"], "assertion-removed"),
    (["assert x == 3"], ["assert x == x"], "assertion-loosened"),
    (["assert x == 3"], ["pass"], "assertion-removed"),
    (["assert x == 3", "assert y == 4"], ["assert x == 3"], "assertion-removed"),
    (["assert x == 3 and y == 4"], ["assert x == 3"], "assertion-removed"),
    (["assert x == 3"], ["return", "assert x == 3"], "assertion-removed"),
    (["assert x == 3"], ["if False:", "    assert x == 3"], "assertion-removed"),
    (
        ["with pytest.raises(ValueError):", "    f()"],
        ["with pytest.raises(Exception):", "    f()"],
        "exception-widened",
    ),
    (
        ["with pytest.raises(ValueError):", "    f()"],
        ["with pytest.raises((ValueError, TypeError)):", "    f()"],
        "exception-widened",
    ),
    (
        ["with pytest.raises(ValueError, match='no'):", "    f()"],
        ["with pytest.raises(ValueError):", "    f()"],
        "exception-widened",
    ),
    (["assert x == pytest.approx(3)"], ["assert x == pytest.approx(3, rel=0.5)"], "tolerance-widened"),
    (["assert x == pytest.approx(3, abs=0.1)"], ["assert x == pytest.approx(3, abs=1)"], "tolerance-widened"),
    (["assert math.isclose(x, 3)"], ["assert math.isclose(x, 3, rel_tol=0.1)"], "tolerance-widened"),
    (["assert abs(x - 3) < 1e-6"], ["assert abs(x - 3) < 1e-2"], "tolerance-widened"),
    (["assert x > 10"], ["assert x > 1"], "tolerance-widened"),
    (["f.assert_called_once_with(3)"], ["f.assert_called()"], "assertion-loosened"),
]


@pytest.mark.parametrize(("before", "now", "rule"), LOOSENED)
def test_a_loosened_test(project: Project, before: list[str], now: list[str], rule: str) -> None:
    """A test that asserts less is found by its file and a line that exists."""
    told = project.after({TEST: body(*before)}, {TEST: body(*now)})

    assert [(each.rule, each.path) for each in told] == [(rule, TEST)]
    assert 1 <= told[0].line <= len(body(*now).splitlines())
    assert told[0].severity in {Severity.HIGH, Severity.MEDIUM}


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("self.assertEqual(x, 3)", "self.assertTrue(x)"),
        ("self.assertEqual(x, 3)", "self.assertIsNotNone(x)"),
        ("self.assertEqual(x, 3)", "self.assertIn(x, [3, 4])"),
        ("self.assertAlmostEqual(x, 3)", "self.assertAlmostEqual(x, 3, places=1)"),
        ("self.assertAlmostEqual(x, 3, delta=0.1)", "self.assertAlmostEqual(x, 3, delta=2)"),
        ("self.assertRaises(ValueError, f)", "self.assertRaises(Exception, f)"),
        ("self.assertEqual(x, 3)", "self.assertTrue(True)"),
    ],
)
def test_a_loosened_unittest(project: Project, before: str, now: str) -> None:
    """The assertions of unittest are compared as pytest's are."""
    told = project.after({TEST: method(before)}, {TEST: method(now)})

    assert [each.severity for each in told] == [Severity.HIGH]


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (["assert x == 3"], ["assert x == 4"]),
        (["assert x"], ["assert x == 3"]),
        (["assert x == 3"], ["assert x == 3", "assert y == 4"]),
        (["assert x == 3", "assert y == 4"], ["assert y == 4", "assert x == 3"]),
        (["assert x == 3"], ["assert (x, y) == (3, 4)"]),
        (["assert f(1) == 1", "assert f(2) == 2"], ["for n in (1, 2):", "    assert f(n) == n"]),
        (["assert x == 3", "assert y == 4"], ["assert_shop(x, y)"]),
        (["assert x == pytest.approx(3, abs=1)"], ["assert x == pytest.approx(3, abs=0.1)"]),
        (["assert x < 10"], ["assert x < 5"]),
        (["with pytest.raises(Exception):", "    f()"], ["with pytest.raises(ValueError):", "    f()"]),
        (["assert f('a') == 1"], ["assert g('a') == 1"]),
        (["assert x == 3"], ["total = x", "assert total == 3"]),
    ],
)
def test_what_is_no_loosening(project: Project, before: list[str], now: list[str]) -> None:
    """A test that was tightened, rewritten or corrected is left alone."""
    assert project.after({TEST: body(*before)}, {TEST: body(*now)}) == []


def test_a_deleted_test(project: Project) -> None:
    """A test that is gone is named by its old file and line and the commit in which it was."""
    two = body("assert x == 1") + "\n\ndef test_b():\n    assert g(y) == {'b': 2}\n"

    told = project.after({TEST: two}, {TEST: body("assert x == 1")})

    assert [(each.rule, each.path, each.line, each.severity) for each in told] == [
        ("test-deleted", TEST, 11, Severity.HIGH)
    ]
    assert told[0].commit == project.git("rev-parse", "HEAD")
    assert told[0].evidence == "def test_b():"


def test_a_deleted_file_of_tests(project: Project) -> None:
    """Each test of a file that is gone is found, whether the deletion was committed or not."""
    since = project.commit({TEST: body("assert x == 1"), "shop.py": "x = 1\n"})
    project.git("rm", "-q", TEST)

    staged = project.rules(since)
    project.commit()

    assert staged == project.rules(since) == [("test-deleted", TEST, 7)]


def test_a_test_that_no_longer_is_called_one(project: Project) -> None:
    """A test renamed so that nobody runs it, or whose file is, is deleted."""
    since = project.commit({TEST: body("assert x == 1")})

    project.write({TEST: body("assert x == 1", name="off_test_a")})
    renamed = project.rules(since)
    project.write({TEST: None, "tests/shop_off.py": body("assert x == 1")})

    assert [each[0] for each in renamed] == ["test-deleted"]
    assert [each[0] for each in project.rules(since)] == ["test-deleted"]


@pytest.mark.parametrize("is_staged", [True, False])
def test_a_moved_test(project: Project, is_staged: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """A test that was moved to another file or class, or renamed, is not deleted."""
    since = project.commit({TEST: body("assert x == 1") + "\n\ndef test_b():\n    assert y == 2\n"})
    project.write({
        TEST: None,
        "tests/unit/test_x.py": HEAD + "class TestX:\n    def test_a(self):\n        assert x == 1\n",
        "tests/unit/test_y.py": HEAD + "def test_y_is_two():\n    assert y == 2\n",
    })  # fmt: skip
    if is_staged:
        project.git("add", "-A")

    assert project.told(since) == []


def test_a_renamed_file_does_not_hide_a_loosened_test(project: Project) -> None:
    """Tests are compared across the renaming of their file."""
    since = project.commit({TEST: body("assert x == 1", "assert f(x, y) == [1, 2]")})
    project.write({TEST: None, "tests/test_store.py": body("assert x == 1", "assert f(x, y)")})

    assert project.rules(since) == [("assertion-loosened", "tests/test_store.py", 9)]


def test_merged_tests(project: Project) -> None:
    """Tests that one parametrised test took over are not deleted."""
    before = body("assert f(1) == 1") + "\n\ndef test_b():\n    assert f(2) == 2\n"
    decorator = "@pytest.mark.parametrize('n', [1, 2])\n"
    now = HEAD + decorator + "def test_all(n):\n    assert f(n) == n\n"

    assert project.after({TEST: before}, {TEST: now}) == []


def test_a_test_deleted_with_what_it_tested(project: Project) -> None:
    """A test whose subject is gone as well weighs little."""
    test = "from shop import f\n\n\ndef test_f():\n    assert f() == 1\n"

    told = project.after({TEST: test, "shop.py": "def f():\n    return 1\n"}, {TEST: None, "shop.py": None})

    assert [(each.rule, each.severity) for each in told] == [("test-deleted", Severity.LOW)]


@pytest.mark.parametrize(
    ("now", "severity"),
    [
        (body("assert x == 1", decorators="@pytest.mark.skip\n"), Severity.MEDIUM),
        (body("assert x == 1", decorators="@pytest.mark.skip(reason='later')\n"), Severity.MEDIUM),
        (body("assert x == 1", decorators="@pytest.mark.xfail\n"), Severity.MEDIUM),
        (body("assert x == 1", decorators="@unittest.skip('later')\n"), Severity.MEDIUM),
        (body("assert x == 1", decorators="@pytest.mark.skipif(x, reason='later')\n"), Severity.LOW),
        (body("pytest.skip('later')", "assert x == 1"), Severity.MEDIUM),
        (body("if x:", "    pytest.skip('later')", "assert x == 1"), Severity.LOW),
        (body("assert x == 1").replace("\n\n\n", "\npytestmark = pytest.mark.skip\n\n\n"), Severity.MEDIUM),
        (body("assert x == 1").replace("\n\n\n", "\npytest.skip('x', allow_module_level=True)\n\n\n"), Severity.MEDIUM),
        (body("assert x == 1").replace("\n\n\n", "\n__test__ = False\n\n\n"), Severity.MEDIUM),
    ],
)
def test_a_test_that_is_skipped_now(project: Project, now: str, severity: Severity) -> None:
    """A test that counted and no longer does is found, whichever way it is kept from counting."""
    told = project.after({TEST: body("assert x == 1")}, {TEST: now})

    assert [(each.rule, each.severity) for each in told] == [("test-skipped", severity)]
    assert any(word in now.splitlines()[told[0].line - 1] for word in ("skip", "xfail", "__test__"))


def test_a_skip_that_was_there(project: Project) -> None:
    """A test that was skipped before is not newly skipped, nor one that counts again."""
    skipped = body("assert x == 1", decorators="@pytest.mark.skip\n")

    assert project.after({TEST: skipped}, {TEST: skipped + "\n# more\n"}) == []
    assert project.after({TEST: skipped}, {TEST: body("assert x == 1")}) == []


@pytest.mark.parametrize(
    ("lines", "severity"),
    [
        (["pass"], Severity.MEDIUM),
        (["assert True"], Severity.MEDIUM),
        (["f(3)"], Severity.LOW),
        (["assert_shop(x)"], None),
        (["with pytest.raises(ValueError):", "    f()"], None),
        (["f.assert_called_once()"], None),
    ],
)
def test_a_new_test_without_an_assertion(project: Project, lines: list[str], severity: Severity | None) -> None:
    """A new test that nothing can fail is found, and one that lets others assert is not."""
    told = project.after({TEST: body("assert x == 1")}, {"tests/test_new.py": body(*lines, name="test_new")})

    assert [(each.rule, each.severity) for each in told] == ([("test-without-assertion", severity)] if severity else [])


def test_a_test_file_that_is_no_python(project: Project) -> None:
    """Tests that cannot be read are not known, and none of them is called deleted."""
    told = project.after({TEST: body("assert x == 1")}, {TEST: "def test_a(:\n"})

    assert [each.reason for each in told] == [
        "tests/test_shop.py is no Python that can be read, so that its tests cannot be compared"
    ]
