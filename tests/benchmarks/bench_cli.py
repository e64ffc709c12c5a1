"""How fast the command line answers, and what takes the time. Run by hand.

    python tests/benchmarks/bench_cli.py [--runs 30]

Goal: `watchkeeper --version` under 0.15 s. Compare with `python -c pass`: the machine has a say.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
GOAL_S = 0.15


def measure(argv: list[str], runs: int, environ: dict[str, str]) -> list[float]:
    """Return the seconds that each of `runs` calls took, sorted."""
    taken = []
    for _ in range(runs):
        began = time.perf_counter()
        subprocess.run(argv, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        taken.append(time.perf_counter() - began)
    return sorted(taken)


def slowest_imports(argv: list[str], environ: dict[str, str], most: int = 12) -> list[tuple[int, str]]:
    """Return the modules whose own import took longest, as microseconds and name."""
    ran = subprocess.run(argv, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    found = []
    for line in ran.stderr.splitlines():
        parts = line.removeprefix("import time:").split("|")
        if line.startswith("import time:") and parts[0].strip().isdigit():
            found.append((int(parts[0]), parts[2].strip()))
    return sorted(found, reverse=True)[:most]


def main() -> int:
    """Measure, print, and return 1 when the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=30)
    runs = parser.parse_args().runs
    python = sys.executable
    script = shutil.which("watchkeeper", path=str(Path(python).parent))
    base = [script] if script else [python, "-c", "from app.main import main; raise SystemExit(main())"]
    with tempfile.TemporaryDirectory() as home:
        environ = {**os.environ, "WATCHKEEPER_HOME": home}
        rows = {"python -c pass": measure([python, "-c", "pass"], runs, environ)}
        for words in ("--version", "--help", "status", "config path", "config show", "tests last"):
            rows[f"watchkeeper {words}"] = measure([*base, *words.split()], runs, environ)
        for name, taken in rows.items():
            print(f"{name:<26} median {statistics.median(taken) * 1000:6.0f} ms   best {taken[0] * 1000:6.0f} ms")
        timed = [python, "-X", "importtime", *([script] if script else base[1:]), "--version"]
        print("\nslowest imports of --version")
        for micros, module in slowest_imports(timed, environ):
            print(f"{micros:>8} us  {module}")
    version = statistics.median(rows["watchkeeper --version"])
    print(f"\ngoal {GOAL_S} s for --version: {'met' if version < GOAL_S else 'MISSED'}")
    return 0 if version < GOAL_S else 1


if __name__ == "__main__":
    raise SystemExit(main())
