"""The soak from the command line, on a desktop session of its own."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from tests.desktop.session import Session
from tests.faults.soak.run import Soak


def main() -> int:
    """Run it, print what came of it, and return 1 when something was not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="how long; default: 30")
    parser.add_argument("--every", type=float, default=20.0, help="seconds between faults, 0 for none; default: 20")
    parser.add_argument("--seed", type=int, default=1, help="what chance draws from; default: 1")
    parser.add_argument("--out", type=Path, help="where numbers and picture go, a new folder; default: a temporary one")
    asked = parser.parse_args()
    out = (asked.out or Path(tempfile.mkdtemp(prefix="watchkeeper-soak-")) / "soak").absolute()
    out.mkdir(parents=True)
    os.environ["QT_QPA_PLATFORM"] = "offscreen"  # the picture is drawn here; the program has the session's own
    with Session() as session:

        def restart_desktop() -> None:
            for part, start in (("dunst", session.start_notifications), ("trayer", session.start_tray)):
                session.end_part(part)
                start()

        soak = Soak(out, session.environ, seed=asked.seed, restart_desktop=restart_desktop)
        report = soak.run(seconds=asked.minutes * 60, every_s=asked.every)
    say = sys.stdout.write
    say(f"{len(report.marks)} faults, {report.saves} saves, {report.told} times told in time, {report.kills} kills, ")
    say(f"{report.asked} times a model was asked\n")
    say(f"lag p99 up to {report.lag_p99_s * 1000:g} ms over {report.lag_ticks} ticks; {report.slopes}\n")
    for breach in report.breaches:
        say(f"  {breach}\n")
    say(f"{len(report.breaches)} breaches; see {out / 'soak.png'}\n")
    return 1 if report.breaches else 0


if __name__ == "__main__":
    sys.exit(main())
