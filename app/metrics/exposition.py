"""The text that Prometheus reads, made from what was counted and how things stand."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest

from app.engine.bus import SNAPSHOT_INTERVAL_S
from app.metrics import living, watching
from app.metrics.labels import Labels
from app.metrics.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from prometheus_client import Metric

    from app.domain.snapshot import Snapshot
    from app.domain.verdicts import Outcome, TestState
    from app.engine.clock import Clock
    from app.metrics.reading import BridgeCounts, HistoryCounts
    from app.metrics.tally import Tally

FRESH_S = SNAPSHOT_INTERVAL_S
"""Who asks more often is given the same text again: no face is told more often either, and making it costs the loop."""


class Exposition:
    """Makes the text, in the format 0.0.4. Belongs to one thread, which is not the loop's.

    Args:
        tally: What was counted.
        clock: Time; read only.
        bridge: Tells what the bridge into the loop has done.
        history: Tells what the history has done.
        redact: Takes secrets out of a text.
    """

    def __init__(
        self,
        tally: Tally,
        clock: Clock,
        *,
        bridge: Callable[[], BridgeCounts],
        history: Callable[[], HistoryCounts],
        redact: Callable[[str], str] = str,
    ) -> None:
        self._tally = tally
        self._clock = clock
        self._bridge = bridge
        self._history = history
        self._redact = redact
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self._tests: dict[str, tuple[Mapping[str, TestState], Counter[Outcome]]] = {}
        self._made_at = -FRESH_S
        self._text = b""

    def text(self) -> bytes:
        """Return it, made anew unless it was made just now."""
        now = self._clock.monotonic()
        if not self._text or now - self._made_at >= FRESH_S:
            self._text, self._made_at = generate_latest(self._registry), now
            self._tally.made(self._clock.monotonic() - now)
        return self._text

    def collect(self) -> Iterator[Metric]:
        """Yield each family of metrics, as prometheus_client's registry asks for."""
        counted = self._tally.counted()
        reading = Reading(
            counted,
            Labels(counted.snapshot, self._redact),
            self._tests_of(counted.snapshot),
            self._clock.wall(),
            self._clock.monotonic(),
            self._bridge(),
            self._history(),
        )
        yield from watching.families(reading)
        yield from living.families(reading)

    def _tests_of(self, snapshot: Snapshot) -> dict[str, Counter[Outcome]]:
        """Count the tests of each project; those that did not change since the last time are not counted again."""
        kept = {}
        for root, view in snapshot.projects.items():
            before = self._tests.get(root)
            if before is not None and before[0] is view.tests:
                kept[root] = before
            else:
                kept[root] = (view.tests, Counter(each.outcome for each in view.tests.values()))
        self._tests = kept
        return {root: counts for root, (_, counts) in kept.items()}
