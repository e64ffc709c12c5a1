"""Public projects that nobody here wrote: what a save breaks is told once and rightly, and so is its mending."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from kit.project import Project
from kit.public import RECIPES, PublicProject
from kit.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kit.notifications import NotificationMonitor
    from kit.program import Program

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SETTLED_S = 60.0
SAVES: dict[str, Callable[..., None]] = {
    "vim": Project.save_as_vim,
    "vscode": Project.save_in_place,
    "git": lambda project, text: project.git("checkout", "--quiet", "broken" if text == project.broken else "good"),
}


@pytest.fixture(scope="module", params=RECIPES.values(), ids=RECIPES)
def public(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PublicProject:
    return PublicProject(request.param, tmp_path_factory.mktemp("public"))


@pytest.fixture(scope="module")
def red(public: PublicProject, tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The tests that plain pytest finds red on the broken branch."""
    public.git("checkout", "--quiet", "broken")
    outcomes = public.outcomes(tmp_path_factory.mktemp("plain"))
    public.git("checkout", "--quiet", "good")
    return {nodeid for nodeid, outcome in outcomes.items() if outcome in ("failed", "error")}


def write_settings(program: Program, public: PublicProject) -> None:
    """Leave out what the recipe leaves out, and let the interpreter be found."""
    text = f"[tests]\nargs = {json.dumps(list(public.recipe.left_out))}\n"
    (program.home / "settings" / "settings.toml").write_text(text, encoding="utf-8")


def last_run(program: Program, public: PublicProject) -> tuple[str, set[str]] | None:
    """The last run and the tests that the running instance knows to be red, once no run goes on."""
    snapshot = program.snapshot()
    view = (snapshot or {}).get("projects", {}).get(str(public.root))
    if not view or view["current"] is not None or view["last"] is None:
        return None
    red = ("failed", "error", "crashed", "hung")
    return view["last"]["run_id"], {nodeid for nodeid, state in view["tests"].items() if state["outcome"] in red}


async def next_run(program: Program, public: PublicProject, before: str) -> tuple[str, set[str]]:
    """Wait for the end of a run that is not `before`."""

    def look() -> tuple[str, set[str]] | None:
        seen = last_run(program, public)
        return seen if seen is not None and seen[0] != before else None

    return await until(look, "the verdict", SETTLED_S)


async def test_each_way_to_save_is_told_once(
    public: PublicProject, red: set[str], program: Program, notifications: NotificationMonitor
) -> None:
    """Exactly the tests that plain pytest calls red, one notification for the break and one for the mending."""
    write_settings(program, public)
    program.start(str(public.root))
    run_id, red_before = await next_run(program, public, "")
    told = 0

    for save in SAVES.values():
        for text, expected in ((public.broken, red), (public.good, set())):
            save(public, text)
            run_id, red_now = await next_run(program, public, run_id)
            told += 1
            await notifications.until_count(told)
            assert red_now == expected

    assert not red_before
    assert red
    assert [title == "All green again" for title in notifications.titles] == [False, True] * len(SAVES)


def test_once_agrees_with_plain_pytest(public: PublicProject, program: Program, tmp_path: Path) -> None:
    """Test by test, on the good branch and on the broken one; ids that hold the time of day cannot be compared."""
    write_settings(program, public)

    for branch, code in (("good", 0), ("broken", 1)):
        public.git("checkout", "--quiet", branch)
        plain = public.outcomes(tmp_path)
        done = program.run("once", str(public.root), "--json")
        mine = {test["nodeid"]: test["outcome"] for test in json.loads(done.stdout)["tests"]}
        public.git("checkout", "--quiet", "good")

        moving = {nodeid for nodeid in plain.keys() ^ mine.keys() if "test_invalid_datetime_deserialization" in nodeid}
        differing = {n: (plain.get(n), mine.get(n)) for n in plain.keys() | mine.keys() if plain.get(n) != mine.get(n)}
        assert differing.keys() == moving
        assert done.returncode == code
        assert len(mine) > 400
