"""The proof as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.mutations.trial import Trial

_HEADS = (
    *("project", "kind", "mutations", "with red", "red tests", "missed", "red without reason", "wrong verdicts"),
    *("found early", "run for nothing", "testmon missed", "testmon ran"),
)


def table(trials: dict[str, list[Trial]]) -> str:
    """Return the table in Markdown: a line for each kind in each project, one for each project, one for all."""
    lines = [f"| {' | '.join(_HEADS)} |", f"|{'---|' * len(_HEADS)}"]
    for project, tried in trials.items():
        kinds = dict.fromkeys(trial.kind for trial in tried)
        lines += [_line(project, kind, [trial for trial in tried if trial.kind == kind]) for kind in kinds]
    for project, tried in trials.items():
        lines.append(_line(project, "**all**", tried))
    if len(trials) > 1:
        lines.append(_line("**all**", "**all**", [trial for tried in trials.values() for trial in tried]))
    return "\n".join(lines)


def faults(trials: Iterable[Trial]) -> str:
    """Return what is wrong, one mutation after the other; empty when nothing is."""
    return "\n".join(
        f"{trial.number} {trial.kind}: {trial.what}\n"
        f"    exit {trial.plain_exit}, red {trial.red}; missed {trial.missed[:8]}; without reason {trial.extra[:8]}; "
        f"{trial.wrong or 'verdict right'}; afterwards: {trial.after or 'right'}{'; hurried' if trial.hurried else ''}"
        for trial in trials
        if trial.is_wrong
    )


def _line(project: str, kind: str, tried: Sequence[Trial]) -> str:
    staged = [trial for trial in tried if trial.found_early is not None and trial.ran_early is not None]
    early = sum(trial.found_early or 0 for trial in staged)
    early_of = sum(trial.red for trial in staged)
    nothing = sum((trial.ran_early or 0) - (trial.found_early or 0) for trial in staged)
    asked = [trial for trial in tried if trial.testmon_missed is not None]
    cells = (
        project,
        kind,
        len(tried),
        sum(1 for trial in tried if trial.red),
        sum(trial.red for trial in tried),
        sum(len(trial.missed) for trial in tried),
        sum(len(trial.extra) for trial in tried),
        sum(1 for trial in tried if trial.wrong or trial.after),
        f"{early} of {early_of}" if staged else "-",
        f"{nothing} ({nothing / len(staged):.0f} a save)" if staged else "-",
        sum(len(trial.testmon_missed or ()) for trial in asked) if asked else "-",
        f"{sum(trial.testmon_ran or 0 for trial in asked) / len(asked):.0f} a save" if asked else "-",
    )
    return f"| {' | '.join(str(cell) for cell in cells)} |"
