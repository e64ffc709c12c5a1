"""What one scrape is made of, and the small forms that all families of metrics are put together with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from enum import Enum

    from app.domain.snapshot import Snapshot
    from app.domain.verdicts import Outcome
    from app.metrics.labels import Labels
    from app.metrics.tally import Counted, Histogram

NAMESPACE = "watchkeeper_"


class BridgeCounts(Protocol):
    """What the bridge into the loop has done and has before it, as app.engine.bridge tells it."""

    @property
    def depth(self) -> int:
        """Calls that are queued."""

    @property
    def pending(self) -> int:
        """Calls that are accepted and have not ended."""

    @property
    def wait_s(self) -> float:
        """How long the call that started last had been queued."""

    @property
    def worst_wait_s(self) -> float:
        """The longest ever."""

    @property
    def accepted(self) -> int:
        """Calls that were taken."""

    @property
    def refused(self) -> int:
        """Calls that were not."""

    @property
    def merged(self) -> int:
        """Calls that took the place of a queued one."""


class HistoryCounts(Protocol):
    """What the history has done, as app.store.counters tells it."""

    @property
    def recorded(self) -> int:
        """Events that came in."""

    @property
    def written(self) -> int:
        """Events that are in the database."""

    @property
    def pending(self) -> int:
        """Events that wait."""

    @property
    def pending_bytes(self) -> int:
        """Memory that they take."""

    @property
    def failures(self) -> int:
        """Attempts to open or write that failed."""

    @property
    def recoveries(self) -> int:
        """How often a damaged file was replaced."""

    @property
    def dropped_outputs(self) -> int:
        """Outputs that were lost."""

    @property
    def dropped_results(self) -> int:
        """Results that were lost."""

    @property
    def dropped_events(self) -> int:
        """Other events that were lost."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The state that one scrape tells of.

    Attributes:
        counted: What was counted by then, and the snapshot.
        labels: What projects and agents are called.
        tests: How many tests of each project ended last in which way, by its root.
        wall: Wall-clock time, in seconds since the epoch.
        monotonic: Time on the monotonic clock, in seconds.
        bridge: What the bridge has done.
        history: What the history has done.
    """

    counted: Counted
    labels: Labels
    tests: Mapping[str, Mapping[Outcome, int]]
    wall: float
    monotonic: float
    bridge: BridgeCounts
    history: HistoryCounts

    @property
    def snapshot(self) -> Snapshot:
        """The state after the last event."""
        return self.counted.snapshot

    def count(self, name: str) -> float:
        """Return a counter that has no labels."""
        return self.counted.counts.get(name, {}).get((), 0.0)

    def by_project(self, name: str) -> Iterable[tuple[tuple[str, ...], float]]:
        """Yield a counter's labels and value for each project that is still there."""
        for (root, *more), value in self.counted.counts.get(name, {}).items():
            if root in self.labels.projects:
                yield (self.labels.projects[root], *more), value

    def spread_by_project(self, name: str) -> Iterable[tuple[tuple[str, ...], Histogram]]:
        """Yield a histogram's labels and values for each project that is still there."""
        for (root,), histogram in self.counted.histograms.get(name, {}).items():
            if root in self.labels.projects:
                yield (self.labels.projects[root],), histogram


def counter(name: str, text: str, *labels: str) -> CounterMetricFamily:
    """Return a counter without series; its name on the wire ends in `_total`."""
    return CounterMetricFamily(NAMESPACE + name, text, labels=labels)


def gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    """Return a gauge without series."""
    return GaugeMetricFamily(NAMESPACE + name, text, labels=labels)


def counted(name: str, text: str, value: float) -> CounterMetricFamily:
    """Return a counter of one series."""
    return CounterMetricFamily(NAMESPACE + name, text, value=value)


def measured(name: str, text: str, value: float | None) -> GaugeMetricFamily:
    """Return a gauge of one series, or of none where the value is not known."""
    family = gauge(name, text)
    if value is not None:
        family.add_metric([], value)
    return family


def states(family: GaugeMetricFamily, of: type[Enum], current: object, *labels: str) -> None:
    """Add one series for each state there is: 1 for the one that holds, 0 for the others."""
    for each in of:
        family.add_metric([*labels, str(each.value)], 1.0 if each is current else 0.0)


def spread(
    name: str, text: str, series: Iterable[tuple[tuple[str, ...], Histogram]], *labels: str
) -> HistogramMetricFamily:
    """Return a histogram: for each series its labels and values."""
    family = HistogramMetricFamily(NAMESPACE + name, text, labels=labels)
    for values, histogram in series:
        buckets, below = [], 0
        for bound, count in zip((*histogram.bounds, float("inf")), histogram.counts, strict=True):
            below += count
            buckets.append(("+Inf" if bound == float("inf") else str(bound), float(below)))
        family.add_metric(values, buckets, histogram.total)
    return family
