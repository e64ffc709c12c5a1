"""From the end of a save to the verdict: Watchkeeper against the watchers that people use. Run by hand.

    python tests/benchmarks/save_to_verdict [--projects flask httpx] [--rounds 5] [--out FOLDER] [--quick]
                                            [--rest] [--storm] [--work FOLDER] [--sides entr] [--inner]

Fetches public projects with real suites from the package registry, pinned by hash, breaks and mends them as editors do,
and prints a table of medians and the ratio of the fastest peer's time to ours. `--out` gets the table, each save as CSV
and JSON, and a picture as SVG. `--work` keeps the projects for the next time. Five rounds take about 25 minutes on two
cores, `--quick` (one project, one round, one peer) about one minute.

What is measured, from the moment the last system call of the save returns, on the clock that all processes share:

- sign: something red is shown. For a peer, pytest's first F or E arrives in its terminal.
- named: a red test is named. For a peer, the first heading of a traceback or line of the short summary arrives. For us,
  the first red test stands in the snapshot, which every face shows; `sign` is the same moment.
- last: the last sign of red (for a peer its last F or E; for us, the last of the red tests is in the snapshot).
- end: the run is over. For a peer, its summary line; for us, of the whole suite: the tests that the change touches and
  the rest, after which alone we say "green".

What makes it fair:

- Each side has its own copy of the project with its own environment, in which only what that side needs is installed.
- Each side's watcher has been running and is idle when the file is saved: its processes use no processor time, and it
  knows the project to be green. So have the other sides' watchers, which stay running: their copies do not change, so
  that they have nothing to do (looponfail looks every 2 s at its files, which takes some milliseconds).
- The sides take turns within each edit, in turned order the next time, and each edit meets each editor's way to save.
- A side that looks at intervals meets the save at a random moment between two looks.
- No measurement begins before the whole machine is calm; one that had to begin all the same is marked `busy`.
- A peer that remembers nothing (plain pytest behind a watcher) is started anew after the file is mended, instead of
  being made to run the suite for nothing. All others see the mending, run, and are waited for until they are idle.
- A verdict counts as right when as many tests are red as plain pytest finds, which is looked up before; a side that
  stays silent is started anew. Both are counted in the table as wrong.
- Bytecode is written (PYTHONDONTWRITEBYTECODE is taken away), for all sides.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from subprocess import SubprocessError
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[3]))

import figures
import plot
import rest
from measure import Row, measure
from peers import PEERS
from sides import OURS, HouseSide, PeerSide, Silent, missing_program
from subjects import SUBJECTS, prepare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from peers import Peer
    from sides import Side
    from subjects import Subject, Template

ROUNDS = 5
QUICK_PROJECT, QUICK_PEERS = "marshmallow", ("pytest-watcher",)
CHANCE = 3


def say(text: str) -> None:
    """Tell the person who waits."""
    print(text, file=sys.stderr, flush=True)


def parse() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--projects", nargs="+", choices=SUBJECTS, default=list(SUBJECTS))
    names = [OURS, *(peer.name for peer in PEERS)]
    parser.add_argument("--sides", nargs="+", choices=names, default=names, help="leave the other sides out")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--out", type=Path, help="a folder for table.txt, saves.csv, saves.json and saves.svg")
    parser.add_argument("--work", type=Path, help="a folder in which the projects are kept for the next time")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_PROJECT} alone, one round, {QUICK_PEERS[0]}")
    parser.add_argument("--rest", action="store_true", help="our memory and processor time at rest, and nothing else")
    parser.add_argument("--storm", action="store_true", help="50 saves in 10 s on our side, and nothing else")
    parser.add_argument("--inner", action="store_true", help="our log tells all, so that more inner times are known")
    asked = parser.parse_args()
    if asked.quick:
        asked.projects, asked.rounds, asked.sides = [QUICK_PROJECT], 1, [OURS, *QUICK_PEERS]
    if asked.rest or asked.storm:
        asked.sides = [OURS]
    return asked


def sides_of(template: Template, kept: Path, folder: Path, stack: ExitStack, asked: argparse.Namespace) -> list[Side]:
    """Return the wanted sides, started and idle, that end with `stack`; a peer that cannot be had is left out.

    Args:
        template: The project.
        kept: Where peers' environments are kept.
        folder: Where each side's copy is made.
        stack: Ends the sides.
        asked: What was asked for.
    """
    sides: list[Side] = []
    if OURS in asked.sides:
        copy = template.copy(folder / OURS)
        sides.append(HouseSide(copy, folder / "home", "debug" if asked.inner else "info"))
    sides += [side for peer in PEERS if peer.name in asked.sides and (side := _peer_side(template, kept, folder, peer))]
    return [side for side in sides if _has_started(side, stack)]


def _has_started(side: Side, stack: ExitStack) -> bool:
    """Start a side that ends with `stack`. A peer that does not come to rest is left out; ours must."""
    say(f"starting {side.name}")
    stack.callback(side.end)
    try:
        side.start()
    except Silent as silent:
        if side.name == OURS:
            raise
        say(f"{side.name} is left out: {silent}")
        side.end()
        return False
    return True


def _peer_side(template: Template, kept: Path, folder: Path, peer: Peer) -> PeerSide | None:
    missing = missing_program(peer)
    if missing:
        say(f"{peer.name} is left out: {missing} is not installed here")
        return None
    try:
        return PeerSide(peer, template.equipped(peer.needs, kept / peer.name).copy(folder / peer.name))
    except AssertionError as error:
        say(f"{peer.name} is left out: {error}")
        return None


def bench(name: str, asked: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """Set up a project and all its sides, and measure them; yields each save."""
    subject: Subject = SUBJECTS[name]
    say(f"setting up {subject.recipe.sdist}")
    kept = (asked.work or folder).resolve() / name
    template = prepare(subject, kept)
    with ExitStack() as stack:
        copies = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"verdict-{name}-", dir=folder)))
        sides = sides_of(template, kept / "with", copies, stack, asked)
        for side in sides:
            if isinstance(side, HouseSide) and asked.rest:
                print(rest.at_rest(side), flush=True)
            if isinstance(side, HouseSide) and asked.storm:
                for edit in subject.edits:
                    print(rest.storm(side, edit, template.red[edit.kind]), flush=True)
        if not (asked.rest or asked.storm):
            chance = random.Random(CHANCE)  # noqa: S311 - moments, not keys
            yield from measure(template, sides, asked.rounds, chance, say)


def main() -> int:
    """Measure what is asked for and print it.

    Returns:
        1 when ours was wrong, silent, or named a red test later than a peer did, or when a project gave nothing.
    """
    asked = parse()
    began, machine = time.monotonic(), figures.machine()
    rows: list[Row] = []
    failed = False
    try:
        with tempfile.TemporaryDirectory(prefix="save-to-verdict-") as folder:
            for name in asked.projects:
                try:
                    rows.extend(bench(name, asked, Path(folder).resolve()))
                except (AssertionError, Silent, OSError, SubprocessError) as error:
                    failed = True
                    say(f"{name} is given up: {error}")
    finally:  # whoever interrupts it has what is there
        if rows:
            tell(rows, machine, asked.out)
        say(f"{time.monotonic() - began:.0f} s in all")
    failed |= any(row.side == OURS and not row.is_right for row in rows)
    behind = [each for each in figures.ratios(figures.cells(rows)) if each.named is not None and each.named[0] < 1]
    for each in behind:
        say(f"{each.project} {each.edit}: a peer named a red test sooner")
    return 1 if failed or behind else 0


def tell(rows: list[Row], machine: dict[str, object], out: Path | None) -> None:
    """Print the table, and write it with all else to the folder, if one is asked for."""
    cells = figures.cells(rows)
    text = figures.table(cells, machine)
    print(text, end="")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "table.txt").write_text(text, encoding="utf-8")
        (out / "saves.svg").write_text(plot.picture(cells), encoding="utf-8")
        figures.write(out, rows, machine)


if __name__ == "__main__":
    sys.exit(main())
