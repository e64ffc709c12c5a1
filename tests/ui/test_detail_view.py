"""What the pane beside the tree says, made without a window."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from app.domain.history import Why
from app.domain.verdicts import Cause, CauseKind, Stage
from app.ui.detail_view import FILES, REASONS, detail_view, project_detail, why_in_full, why_lines, why_title

if TYPE_CHECKING:
    from tests.ui.conftest import Story

WHY = Why(
    project="/p",
    nodeid="t.py::a",
    stage=Stage.IMPACTED,
    ran=True,
    cause=Cause(CauseKind.SAVE, ("a.py",)),
    reasons=("It executes f.\n",),
    depends_on=("a.py", "b.py"),
    functions=3,
)


def test_a_second_look_stands_among_the_facts(story: Story) -> None:
    """Each red test that had one tells it in full; one that had none says nothing of it."""
    project = story.checked.projects[story.flask]

    looks = [
        [fact for fact in detail_view(project, test.nodeid, test, None, story.now).facts if "Second look" in fact]
        for test in project.red
    ]

    assert looks == [
        ["Second look: flaky: green when run again alone"],
        ["Second look: the change did it: green on the last green source"],
        ["Second look: red on the last green source too, so not this change"],
        ["Second look: red again when run alone"],
        [],
        [],
    ]


def test_a_project_tells_its_change_and_where_it_is_not_covered(story: Story) -> None:
    """Green so far comes before the last run, whose counts are another run's."""
    facts = project_detail(story.confirming.projects[story.flask], story.now).facts

    assert facts[0] == "7 tests of the change are green, 477 more are being confirmed"
    assert facts[1].startswith("Last run 5 min ago")
    assert facts[2:4] == ("Newest change: 5 of 7 changed lines are covered", "Not covered: src/flask/app.py:812-813")


def test_why_is_told_in_few_lines() -> None:
    """Where the test stood, the strongest reasons, and on how much it depends; each reason is one line."""
    many = replace(WHY, reasons=tuple(f"Reason {n}." for n in range(REASONS + 2)))

    assert why_lines(WHY) == (
        "It ran among the first, after a.py was saved.",
        "\u2022 It executes f.",
        "Depends on 2 files, executes 3 functions",
    )
    assert why_lines(many)[REASONS:] == (
        f"\u2022 Reason {REASONS - 1}.",
        "and 2 more reasons",
        "Depends on 2 files, executes 3 functions",
    )


def test_why_in_full_stops_at_a_screenful_of_files() -> None:
    """All reasons, and so many files as a tooltip holds."""
    files = tuple(f"{n}.py" for n in range(FILES + 3))

    assert why_in_full(WHY).splitlines() == ["It executes f.", "", "Depends on:", "a.py", "b.py"]
    assert why_in_full(replace(WHY, reasons=(), depends_on=files)).endswith(f"{FILES - 1}.py\nand 3 more files")


@pytest.mark.parametrize(("ran", "title"), [(True, "Why it ran"), (False, "In the last run")])
def test_a_test_that_has_not_run_is_not_said_to_have(title: str, *, ran: bool) -> None:
    """The title above the reasons claims no more than is known."""
    assert why_title(replace(WHY, ran=ran)) == title
