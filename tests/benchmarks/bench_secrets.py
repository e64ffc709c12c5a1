"""What the check for secrets costs over half a million lines of real source, in files and in one commit.

Run `python tests/benchmarks/bench_secrets.py [--quick]`. The source is that of the installed packages, copied and
committed. Exits with 1 if files and commit together take more than 15 s, or more than 300 MB of memory.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

import psutil

from app.agents.auditing.checks.secrets.check import Secrets
from app.agents.auditing.context import Context

LINES = 500_000
QUICK_LINES = 50_000
LONGEST_S = 15.0
MOST_MB = 300.0


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def copied(to: Path, lines: int) -> tuple[int, int]:
    """Copy modules of installed packages until there are enough lines, and return how many files and lines."""
    source = Path(sysconfig.get_path("purelib"))
    files = copied_lines = 0
    for file in sorted(source.rglob("*.py")):
        if copied_lines >= lines:
            break
        data = file.read_bytes()
        target = to / "lib" / file.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        files += 1
        copied_lines += data.count(b"\n")
    return files, copied_lines


def committed(root: Path) -> None:
    """Make a repository of a folder, with one commit."""
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@b", "-c", "gc.auto=0", "-C", str(root)]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *words], check=True)


def main() -> int:
    """Run it, and return 1 when it takes too long or too much memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the lines")
    lines = QUICK_LINES if parser.parse_args().quick else LINES
    slow = False
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        files, count = copied(root, lines)
        committed(root)
        for commits in (0, 200):
            began, cpu_began = time.perf_counter(), os.times()
            told = list(Secrets().look(Context(root, options={"commits": commits})))
            took, cpu = time.perf_counter() - began, os.times()
            used = cpu.user + cpu.system - cpu_began.user - cpu_began.system
            slow |= took > LONGEST_S
            what = "files and commits" if commits else "files alone"
            say(f"{what}: {files} files, {count} lines, {took:.2f} s, {used:.2f} s of CPU, {len(told)} told")
    memory = psutil.Process().memory_info()
    peak = getattr(memory, "peak_wset", 0) or _peak_of_posix()
    say(f"memory at most {peak / 1e6:.0f} MB")
    if slow:
        say(f"more than {LONGEST_S:.0f} s")
    return 1 if slow or peak / 1e6 > MOST_MB else 0


def _peak_of_posix() -> int:
    import resource  # noqa: PLC0415 - only where there is one

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    sys.exit(main())
