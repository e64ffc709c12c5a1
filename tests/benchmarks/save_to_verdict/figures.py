"""From rows to medians, ratios and tables."""

from __future__ import annotations

import csv
import json
import os
import platform
import statistics
from collections import defaultdict
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import psutil
from measure import Row
from sides import OURS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cell:
    """All rows of one project, edit and side."""

    project: str
    edit: str
    side: str
    rows: tuple[Row, ...]

    def median(self, what: str) -> float | None:
        """Return the median of a time (seconds) over the rows that have it, or None."""
        values = self.values(what)
        return statistics.median(values) if values else None

    def values(self, what: str) -> list[float]:
        """Return a time (seconds) of each row that has it."""
        return [value for row in self.rows if (value := getattr(row, what)) is not None]

    @property
    def wrong(self) -> int:
        """How many verdicts were wrong or did not come."""
        return sum(not row.is_right for row in self.rows)


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times sooner we are than the fastest peer in one project and edit; None where one has no figure.

    Attributes:
        named: The first red test named, against ours in the snapshot.
        sign: The first sign of red, against ours in the snapshot.
        last: The peer's summary line, against our last red test in the snapshot.
        last_sign: The peer's last sign of red, against our last red test in the snapshot: the strictest.
        end: The peer's summary line, against the end of our whole run.
    """

    project: str
    edit: str
    named: tuple[float, str] | None
    sign: tuple[float, str] | None
    last: tuple[float, str] | None
    last_sign: tuple[float, str] | None
    end: tuple[float, str] | None


def cells(rows: Iterable[Row]) -> list[Cell]:
    """Group rows by project, edit and side, in the order of the first of each."""
    grouped: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    places: tuple[dict[str, int], ...] = ({}, {}, {})
    for row in rows:
        key = (row.project, row.edit, row.side)
        for place, name in zip(places, key, strict=True):
            place.setdefault(name, len(place))
        grouped[key].append(row)
    order = sorted(grouped, key=lambda key: [place[name] for place, name in zip(places, key, strict=True)])
    return [Cell(*key, tuple(grouped[key])) for key in order]


def ratios(of: Sequence[Cell]) -> list[Ratio]:
    """Compare ours with the fastest peer, by medians, for each project and edit."""
    found = []
    for ours in (cell for cell in of if cell.side == OURS):
        peers = [c for c in of if (c.project, c.edit) == (ours.project, ours.edit) and c.side != OURS]

        def against(
            theirs: str, mine: str, ours: Cell = ours, peers: Sequence[Cell] = peers
        ) -> tuple[float, str] | None:
            own = ours.median(mine)
            times = [(median, peer.side) for peer in peers if (median := peer.median(theirs)) is not None]
            return (min(times)[0] / own, min(times)[1]) if own and times else None

        found.append(
            Ratio(
                ours.project,
                ours.edit,
                named=against("named", "named"),
                sign=against("sign", "named"),
                last=against("end", "last_sign"),
                last_sign=against("last_sign", "last_sign"),
                end=against("end", "end"),
            )
        )
    return found


def table(of: Sequence[Cell], on: Mapping[str, object]) -> str:
    """Return the medians (milliseconds; smallest and largest of `named`) and the ratios, measured `on` it, as text."""
    head = f"{'':40}{'n':>3} {'sign':>7} {'named':>7} {'(min':>7} {'max)':>7} {'last':>7} {'end':>7}  red  wrong"
    busy = sum(row.busy for cell in of for row in cell.rows)
    saves = sum(len(cell.rows) for cell in of)
    anew = sum(not row.settled for cell in of for row in cell.rows)
    lines = [
        ", ".join(f"{name} {value}" for name, value in on.items()),
        f"{saves} saves; at {busy} the machine was busy, after {anew} a side had to be started anew",
        "milliseconds after the write, medians",
        head,
    ]
    before = ""
    for cell in of:
        title = f"{cell.project} {cell.edit}"
        if title != before:
            red = cell.rows[0].expected
            lines.append(f"{title}, {red} test{'s' * (red != 1)} to go red")
            before = title
        named = cell.values("named")
        times = [cell.median("sign"), cell.median("named"), *((min(named), max(named)) if named else (None, None))]
        told = " ".join(_ms(value) for value in (*times, cell.median("last_sign"), cell.median("end")))
        seen = sorted({row.red for row in cell.rows if row.red is not None})
        wrong = str(cell.wrong) if cell.wrong else "-"
        lines.append(f"    {cell.side:36}{len(cell.rows):>3} {told}  {'/'.join(map(str, seen)):>3}  {wrong}")
    if any(cell.side == OURS for cell in of):
        lines += ["", *_ratios(ratios(of)), "", *_inner(of)]
    return "\n".join(lines) + "\n"


def _ratios(found: Sequence[Ratio]) -> list[str]:
    names = [each.name for each in fields(Ratio)[2:]]
    shown = {name: [_over(getattr(ratio, name)) for ratio in found] for name in names}
    widths = {name: max(len(name), *map(len, of)) for name, of in shown.items()}
    lines = [f"{'the fastest peer over ours':28}" + "".join(f"  {name:{widths[name]}}" for name in names)]
    for place, ratio in enumerate(found):
        told = "".join(f"  {shown[name][place]:{widths[name]}}" for name in names)
        lines.append(f"{f'{ratio.project} {ratio.edit}':28}{told}")
    return [line.rstrip() for line in lines]


def _over(part: tuple[float, str] | None) -> str:
    return f"{part[0]:.1f} {part[1]}" if part else "-"


def _inner(of: Sequence[Cell]) -> list[str]:
    lines = ["inner times of ours, milliseconds after the write, medians"]
    for cell in (cell for cell in of if cell.side == OURS):
        names = dict.fromkeys(name for row in cell.rows for name in row.inner)
        medians = {n: statistics.median(row.inner[n] for row in cell.rows if n in row.inner) for n in names}
        told = ", ".join(f"{n} {value * 1000:.0f}" for n, value in sorted(medians.items(), key=lambda pair: pair[1]))
        lines.append(f"    {f'{cell.project} {cell.edit}':36} {told}")
    return lines


def _ms(seconds: float | None) -> str:
    return f"{'-':>7}" if seconds is None else f"{seconds * 1000:>7.0f}"


def machine() -> dict[str, object]:
    """Return what a reader of figures must know of the machine."""
    load = "/".join(f"{each:.2f}" for each in os.getloadavg())
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "cores": psutil.cpu_count(),
        "load": load,
    }


def write(folder: Path, rows: Sequence[Row], on: Mapping[str, object]) -> None:
    """Write each row as CSV, and everything as JSON; measured `on` this machine."""
    of = cells(rows)
    names = [each.name for each in fields(Row) if each.name != "inner"]
    with (folder / "saves.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(row.as_dict() for row in rows)
    whole = {
        "machine": dict(on),
        "saves": [row.as_dict() for row in rows],
        "medians": [
            {"project": c.project, "edit": c.edit, "side": c.side, "n": len(c.rows), "wrong": c.wrong}
            | {what: c.median(what) for what in ("sign", "named", "last_sign", "end")}
            for c in of
        ],
        "ratios": [{each.name: getattr(ratio, each.name) for each in fields(Ratio)} for ratio in ratios(of)],
    }
    (folder / "saves.json").write_text(json.dumps(whole, indent=1), encoding="utf-8")
