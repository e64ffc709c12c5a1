"""Rounds of saves over all sides of a project, and what came of each save."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import psutil
from editors import SAVES
from sides import Silent

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Sequence

    from marks import Marks
    from sides import Side
    from subjects import Edit, Template

CALM_S, CALM_DEADLINE_S = 0.1, 2.0
CALM_PERCENT = 15.0


@dataclass(frozen=True, slots=True)
class Trial:
    """One edit, in one editor's way, that is to make the tests of `expected` red."""

    edit: Edit
    expected: frozenset[str]
    round: int
    editor: str


@dataclass(frozen=True, slots=True)
class Row:
    """What one save came to; times in seconds after the end of the write, None for what did not come.

    Attributes:
        sign: The first sign that something is red.
        named: A red test is named; for us, it stands in the snapshot.
        last_sign: The last sign that another test is red, before the run's end.
        end: The end of the run; for us, of the whole suite.
        red: How many tests were red at the end.
        expected: How many plain pytest finds red.
        runs: How many runs ended.
        strange: How many other tests were shown red meanwhile (seen on our side only).
        busy: Something else kept the machine busy when the file was saved.
        settled: After the mending it knew the project to be green again, and came to rest; else it was started anew.
        inner: Further times within our side, by name.
    """

    project: str
    edit: str
    side: str
    round: int
    editor: str
    sign: float | None
    named: float | None
    last_sign: float | None
    end: float | None
    red: int | None
    expected: int
    runs: int
    strange: int
    busy: bool
    settled: bool
    inner: dict[str, float] = field(default_factory=dict)

    @property
    def is_right(self) -> bool:
        """Whether a verdict came and says what plain pytest says."""
        return self.end is not None and self.red == self.expected and not self.strange

    def as_dict(self) -> dict[str, object]:
        """Return it as plain values."""
        return asdict(self)


def measure(
    template: Template, sides: Sequence[Side], rounds: int, chance: random.Random, say: Callable[[str], None]
) -> Iterator[Row]:
    """Yield a row for each round, edit and side; the sides have been started.

    The order of the sides turns round from one edit to the next, and the editors take turns, so that each edit meets
    each editor.
    """
    title, edits = template.checkout.root.name, template.checkout.subject.edits
    for turn in range(rounds * len(edits)):
        round_, place = divmod(turn, len(edits))
        edit = edits[place]
        trial = Trial(edit, template.red[edit.kind], round_, list(SAVES)[(round_ + place) % len(SAVES)])
        for side in sides if turn % 2 == 0 else reversed(sides):
            row = _one(side, trial, chance)
            named = f"named after {row.named:.3f} s" if row.named is not None else "silent"
            say(f"{title} round {round_ + 1} {edit.kind} {trial.editor:7} {side.name:22} {named}, red {row.red}")
            yield row


def _one(side: Side, trial: Trial, chance: random.Random) -> Row:
    """Break, see, mend. A side that does not answer, or is not green again, is started anew."""
    path, save = side.checkout.root / trial.edit.path, SAVES[trial.editor]
    good, broken = side.checkout.texts(trial.edit)
    time.sleep(chance.uniform(0, side.poll_s))
    busy = not _until_calm()
    side.begin(trial.expected)
    saved = save(path, broken)
    marks = side.marks_of_break()
    settled = marks.end is not None and _mend(side, lambda: save(path, good))
    if not settled:
        side.end()
        path.write_bytes(good)
        side.start()
    return _row(side, trial, marks, saved, busy=busy, settled=settled)


def _mend(side: Side, save: Callable[[], float]) -> bool:
    try:
        side.mend(save)
    except Silent:
        return False
    return True


def _row(side: Side, trial: Trial, marks: Marks, saved: float, *, busy: bool, settled: bool) -> Row:
    def after(at: float | None) -> float | None:
        return None if at is None else at - saved

    return Row(
        project=side.checkout.subject.recipe.sdist,
        edit=trial.edit.kind,
        side=side.name,
        round=trial.round,
        editor=trial.editor,
        sign=after(marks.first_sign),
        named=after(marks.first_named),
        last_sign=after(marks.last_sign),
        end=after(marks.end),
        red=marks.red,
        expected=len(trial.expected),
        runs=marks.runs,
        strange=len(marks.strange),
        busy=busy,
        settled=settled,
        inner={name: at - saved for name, at in marks.inner.items()},
    )


def _until_calm() -> bool:
    """Wait until the whole machine is calm, and return whether it became so in time."""
    deadline = time.monotonic() + CALM_DEADLINE_S
    while psutil.cpu_percent(CALM_S) > CALM_PERCENT:
        if time.monotonic() > deadline:
            return False
    return True
