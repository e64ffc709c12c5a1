"""When a side showed what."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Marks:
    """What one side showed after a save, in seconds of the monotonic clock; None for what did not come.

    Everything after the first run that ended red only counts runs.

    Attributes:
        first_sign: The first sign that something is red (pytest's F or E).
        first_named: The first time that a red test is named.
        last_sign: The last sign that something is red.
        end: The end of the run that ended red.
        red: How many tests were red at the end of the last run; None before one has ended.
        runs: How many runs ended.
        strange: Tests that were shown red although they are not, in the edited state.
        inner: Further times within the side, by name.
    """

    first_sign: float | None = None
    first_named: float | None = None
    last_sign: float | None = None
    end: float | None = None
    red: int | None = None
    runs: int = 0
    strange: set[str] = field(default_factory=set)
    inner: dict[str, float] = field(default_factory=dict)

    def sign(self, at: float) -> None:
        """Something red was shown."""
        if self.end is None:
            self.first_sign = self.first_sign or at
            self.last_sign = at

    def name(self, at: float) -> None:
        """A red test was named."""
        self.first_named = self.first_named or at

    def finish(self, at: float, red: int) -> None:
        """A run ended with so many red tests."""
        self.red = red
        self.runs += 1
        if red:
            self.end = self.end or at
