"""Fifty failures explained at once, by a service that is well, slow, silent, failing or flooding. Run by hand.

    python tests/benchmarks/bench_analysis.py [--quick]

Prints how long the explanations took, the loop's lag meanwhile beside that of a calm loop, and the memory.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import psutil

from app.engine.workers import plain_loop
from tests.ai.modelserver import ModelServer, answers, failing, huge, silent, slow, stream
from tests.faults.modelfaults import Lag, Shop, different, shop

if TYPE_CHECKING:
    from collections.abc import Callable

FAILURES = 50
CALM_S = 3.0
BAR_MS = 50.0

SERVICES: dict[str, Callable[[Any], None]] = {
    "well": answers(
        {"cause": "The minus in shop.py.", "confidence": "high", "evidence": [{"path": "shop.py", "line": 2}]}
    ),
    "slow": slow("It is the minus in shop.py.", 0.2),
    "a long answer": stream("The minus in shop.py. " * 10_000, size=8),
    "silent": silent(),
    "500 storm": failing(500),
    "50 MB": huge("text"),
    "a gzip bomb": huge("gzip"),
}


async def measured(made: Shop) -> tuple[Lag, list[float]]:
    """Return the loop's lag and the seconds that each of all red tests took to be explained, asked for at once."""
    ids = sorted(made.watched.red)
    lag = Lag()
    measuring = asyncio.create_task(lag.measure())
    began = time.perf_counter()

    async def one(nodeid: str) -> float:
        await made.explained(nodeid)
        return time.perf_counter() - began

    took = await asyncio.gather(*(one(nodeid) for nodeid in ids))
    measuring.cancel()
    return lag, sorted(took)


async def calm() -> Lag:
    """Return the lag of a loop that does nothing."""
    lag = Lag()
    measuring = asyncio.create_task(lag.measure())
    await asyncio.sleep(CALM_S)
    measuring.cancel()
    return lag


async def service(name: str, folder: Path) -> float:
    """Measure one service, and return the p99 of the lag in milliseconds."""
    with ModelServer() as server:
        server.always(SERVICES[name])
        async with shop(folder, server.url) as made:
            (made.root / "test_shop.py").write_text(different(FAILURES))
            await made.watched.ran(2)
            await made.goes_red()
            await made.watched.quiet()
            idle = await calm()
            gc.collect()
            process = psutil.Process()
            before = process.memory_info().rss
            lag, took = await measured(made)
            gc.collect()
            grown = (process.memory_info().rss - before) / 2**20
            p50, p95 = took[len(took) // 2], took[int(len(took) * 0.95)]
            print(
                f"{name:15} {len(took)} explained: p50 {p50:5.2f} s  p95 {p95:5.2f} s"
                f"   lag p99 {lag.at(0.99):5.1f} ms (calm {idle.at(0.99):4.1f}), worst {lag.at(1):5.1f} ms"
                f"   memory {grown:+5.1f} MiB   {len(server.asked)} requests",
                flush=True,
            )
            return lag.at(0.99)


def main() -> int:
    """Measure, and return 1 when the lag's p99 was over the bar anywhere."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two services alone")
    names = list(SERVICES)[:2] if parser.parse_args().quick else list(SERVICES)
    worst = 0.0
    for name in names:
        with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=plain_loop) as runner:
            worst = max(worst, runner.run(service(name, Path(folder))))
    print(f"worst p99 {worst:.1f} ms, bar {BAR_MS:.0f} ms")
    return int(worst > BAR_MS)


if __name__ == "__main__":
    sys.exit(main())
