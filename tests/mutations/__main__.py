"""The proof that no verdict is wrong: mutations of public projects, Watchkeeper against plain pytest. Run by hand.

    python tests/mutations [--projects flask marshmallow httpx] [--count 320] [--seed 1] [--no-testmon]
                           [--no-recheck] [--out FOLDER]

Each mutation is saved into a project that a long-lived watcher watches, and into a second copy where a plain, cold
pytest tells the truth. What is done is kept in the folder, so that a proof which was broken off goes on where it was;
projects can be proved side by side, each in a process of its own. Mutations that were tried with `--no-testmon` are
only shown to testmon, when it is called without. To prove another Watchkeeper with the same mutations,
delete the files NAME-SEED.jsonl: what the others said is kept beside them. Ends with 1 when a verdict was wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.mutations.choosing import Chooser
from tests.mutations.plain import Remembered
from tests.mutations.subjects import Subject, public
from tests.mutations.table import faults, table
from tests.mutations.testmon import Testmon
from tests.mutations.trial import Trial, bench

MEMORY_BYTES = 6 << 30
"""A mutation may grow a list for ever."""

SHARES = {"flask": 0.4, "marshmallow": 0.4, "httpx": 0.2}


async def prove(subject: Subject, count: int, seed: str, out: Path, *, testmon: bool, recheck: bool) -> list[Trial]:
    """Try so many mutations of a project, but for those whose outcome is in the folder already."""
    kept = out / f"{subject.name}-{seed}.jsonl"
    done = {each["number"]: Trial(**each) for each in _lines(kept)}
    remembered = Remembered(out / f"remembered-{subject.name}.jsonl")
    if testmon and any(each.testmon_missed is None for each in done.values()):
        done = await ask_testmon(subject, done, seed, out, remembered)
        kept.write_text("".join(json.dumps(each.as_json()) + "\n" for each in done.values()), encoding="utf-8")
    if len(done) >= count:
        return [done[number] for number in sorted(done)]
    async with bench(subject, out / f"work-{subject.name}", remembered=remembered, recheck=recheck) as side:
        await side.learn()
        say(f"{subject.name}: red by itself {sorted(side.base_red)}, flaky {sorted(side.flaky)}, {side.seconds:.1f} s")
        if testmon and not await side.use_testmon():
            say(f"{subject.name}: testmon cannot be used here")
        chooser = Chooser(side.content, code=subject.code, tests=subject.tests, seed=f"{seed}:{subject.name}")
        for number, mutation in enumerate(chooser.mutations(count)):
            if number in done:
                continue
            began = time.monotonic()
            trial = await side.try_out(number, mutation, seed=seed)
            done[number] = trial
            with kept.open("a", encoding="utf-8") as file:
                file.write(json.dumps(trial.as_json()) + "\n")
            mark = "WRONG" if trial.is_wrong else "right"
            early = "" if trial.ran_early is None else f", early {trial.found_early} of {trial.ran_early} run"
            took = time.monotonic() - began
            say(f"{subject.name} {number} {mark} {trial.red} red{early}, {took:.1f} s  {trial.kind}: {trial.what}")
            if trial.is_wrong:
                say(faults([trial]))
    return [done[number] for number in sorted(done)]


async def ask_testmon(
    subject: Subject, done: dict[int, Trial], seed: str, out: Path, remembered: Remembered
) -> dict[int, Trial]:
    """Return what was tried before, with what testmon says of it."""
    folder = out / f"work-{subject.name}"
    testmon = Testmon(subject, folder, remembered)
    if not await testmon.set_up():
        say(f"{subject.name}: testmon cannot be used here")
        return done
    clean_red = await testmon.clean_red()
    content = subject.copy(folder / "plain").content
    chooser = Chooser(content, code=subject.code, tests=subject.tests, seed=f"{seed}:{subject.name}")
    filled = dict(done)
    for number, mutation in enumerate(chooser.mutations(max(done) + 1)):
        trial = done.get(number)
        if trial is None or trial.testmon_missed is not None:
            continue
        if trial.what != mutation.what:
            raise SystemExit(f"{subject.name} {number} was another mutation when it was tried: begin in a new folder")
        filled[number] = await testmon.fill_in(trial, mutation, clean_red)
        missed = len(filled[number].testmon_missed or ())
        say(f"{subject.name} {number} testmon missed {missed} of {trial.red}  {trial.kind}: {trial.what}")
    return filled


def _lines(file: Path) -> list[dict[str, object]]:
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def say(text: str) -> None:
    """Print at once."""
    print(text, flush=True)  # noqa: T201 - a proof prints


def main() -> int:
    """Prove, print the table, and return the exit code."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--projects", nargs="+", choices=SHARES, default=list(SHARES))
    words.add_argument("--count", type=int, default=320, help="mutations in all, shared out over all three projects")
    words.add_argument("--seed", default="1")
    words.add_argument("--no-testmon", action="store_true")
    words.add_argument("--no-recheck", action="store_true", help="no second looks at red tests, which take long")
    words.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "watchkeeper-mutations")
    words.add_argument("--checkouts", type=Path, help="where the projects are kept; by default in the folder as well")
    given = words.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    out = given.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    proved: dict[str, list[Trial]] = {}
    for name in given.projects:
        subject = public(name, (given.checkouts or out / "checkouts").resolve())
        count = round(given.count * SHARES[name])
        sides = {"testmon": not given.no_testmon, "recheck": not given.no_recheck}
        proved[name] = asyncio.run(prove(subject, count, given.seed, out, **sides))
    wrong = [trial for tried in proved.values() for trial in tried if trial.is_wrong]
    text = f"{table(proved)}\n\n{faults(wrong)}"
    (out / f"table-{'-'.join(proved)}-{given.seed}.md").write_text(text, encoding="utf-8")
    say(text)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
