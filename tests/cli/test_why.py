"""`tests why`: which test is meant, and why it ran."""

from __future__ import annotations

import json
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from app.domain import commands
from app.domain.history import Why
from app.domain.snapshot import ProjectView, Snapshot
from app.domain.verdicts import Cause, CauseKind, Outcome, Stage, TestState

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import CommandLine, Instance

SAVE = Cause(CauseKind.SAVE, ("src/shop.py",))
SHOP = ("t/test_shop.py::test_total", "t/test_shop.py::test_total_of_none", "t/test_cart.py::TestCart::test_add[1]")
WHY = Why(
    project="",
    nodeid="",
    stage=Stage.IMPACTED,
    ran=True,
    cause=SAVE,
    reasons=("it executes Shop.total in src/shop.py, which changed\x1b[31m",),
    depends_on=("src/cart.py", "src/shop.py"),
    functions=7,
)


def view(root: str, *nodeids: str) -> ProjectView:
    tests = {each: TestState(each, Outcome.PASSED, 0.1, 1.0, SAVE, "r") for each in nodeids}
    return ProjectView(root, root, tests=MappingProxyType(tests))


@pytest.fixture
def shop(instance: Instance) -> Instance:
    """An instance that watches a shop and a bank, of which one test has the same id."""
    projects = (
        view("/src/shop", *SHOP),
        view("/src/bank", "t/test_bank.py::test_pay", SHOP[0] + "_x", "t/b.py::test_b"),
    )
    instance.snapshot = Snapshot(0.0, projects=MappingProxyType({each.root: each for each in projects}))
    instance.why = WHY
    return instance


def test_why_tells_stage_change_reasons_and_what_it_depends_on(cli: CommandLine, shop: Instance) -> None:
    """In plain words, and without a control sequence from outside."""
    ran = cli("tests", "why", SHOP[0])

    assert ran.code == 0
    assert ran.out.splitlines() == [
        "t/test_shop.py::test_total  /src/shop",
        "  It ran among the first, after shop.py was saved.",
        "  - it executes Shop.total in src/shop.py, which changed [31m",
        "  Depends on 2 files, executes 7 functions (--json lists the files)",
    ]
    assert shop.seen[-1] == commands.ReadWhy(project="/src/shop", nodeid=SHOP[0])


def test_why_as_json_has_all_files(cli: CommandLine, shop: Instance) -> None:
    """One document with the whole answer."""
    ran = cli("tests", "why", SHOP[0], "--json")

    found = json.loads(ran.out)
    assert len(shop.seen) == 2
    assert (found["schema"], found["nodeid"], found["stage"], found["ran"]) == (1, SHOP[0], "impacted", True)
    assert found["depends_on"] == ["src/cart.py", "src/shop.py"]
    assert found["cause"] == {"kind": "save", "paths": ["src/shop.py"]}


@pytest.mark.parametrize(
    ("said", "nodeid"),
    [
        ("test_total", SHOP[0]),
        ("TEST_CART", SHOP[2]),
        ("test_add", SHOP[2]),
        ("test_add[1]", SHOP[2]),
        ("of_none", SHOP[1]),
    ],
)
def test_enough_of_an_id_is_enough(cli: CommandLine, shop: Instance, said: str, nodeid: str) -> None:
    """A test's own name wins over parts of other names, and a part that only one id has names that one."""
    ran = cli("tests", "why", said, "--json")

    assert ran.code == 0
    assert json.loads(ran.out)["nodeid"] == nodeid
    assert len(shop.seen) == 2


def test_several_matches_are_listed(cli: CommandLine, shop: Instance) -> None:
    """Each with its project where they are of several, and nothing is asked."""
    several = cli("tests", "why", "test_total_")
    of_one = cli("tests", "why", "test_shop", "--json")

    assert (several.code, of_one.code) == (2, 2)
    assert "may mean 2 tests" in several.err
    assert "  t/test_shop.py::test_total_of_none  in /src/shop\n" in several.err
    assert "--project" in several.err
    assert json.loads(of_one.out)["error"]["message"].startswith("'test_shop' may mean 3 tests:")
    assert {type(each) for each in shop.seen} == {commands.ReadStatus}


def test_a_project_can_be_named(
    cli: CommandLine, shop: Instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only its tests are looked through, and one that is not watched is refused with those that are."""
    monkeypatch.chdir(tmp_path)
    root = str(tmp_path)
    projects = {root: replace(view(root, "t/test_shop.py::test_total_x")), "/src/shop": view("/src/shop", *SHOP)}
    shop.snapshot = Snapshot(0.0, projects=MappingProxyType(projects))

    found = cli("tests", "why", "test_total_", "--project", ".", "--json")
    elsewhere = cli("tests", "why", "test_total_", "--project", str(tmp_path.parent))

    assert json.loads(found.out)["project"] == root
    assert elsewhere.code == 2
    assert f"The watched projects are: {root}, /src/shop." in elsewhere.err


@pytest.mark.parametrize("words", [("tests", "why", "test_nowhere"), ("tests", "why")])
def test_a_test_that_is_not_known_is_wrong_use(cli: CommandLine, shop: Instance, words: tuple[str, ...]) -> None:
    """As is none at all, and each says what to do."""
    ran = cli(*words)

    assert ran.code == 2
    assert len(ran.err.splitlines()) == 2
    assert not [each for each in shop.seen if isinstance(each, commands.ReadWhy)]


def test_a_name_that_is_near_is_offered(cli: CommandLine, shop: Instance) -> None:
    """A slip of the finger is answered with the tests that may have been meant."""
    ran = cli("tests", "why", "test_totl")

    assert ran.code == 2
    assert "Did you mean one of these?" in ran.err
    assert "::test_total" in ran.err
    assert not [each for each in shop.seen if isinstance(each, commands.ReadWhy)]


def test_without_an_instance_there_is_nobody_to_ask(cli: CommandLine) -> None:
    """Exit code 3, and how to start one."""
    ran = cli("tests", "why", "test_total")

    assert ran.code == 3
    assert "watchkeeper run PATH --headless" in ran.err
