"""Metrics for Prometheus, where the settings ask for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.agents.settings_in_force import SettingsInForce
    from app.engine.bridge import SafeAsyncBridge
    from app.engine.notices import Notices
    from app.house.ground import Ground
    from app.metrics.following import Metrics
    from app.metrics.serving import Serving
    from app.store.history import History

TOKEN_BYTES = 32


def metrics(
    ground: Ground, in_force: SettingsInForce, notices: Notices, *, bridge: SafeAsyncBridge, history: History
) -> Metrics:
    """Return what has them served, to be entered.

    Args:
        ground: What the house stands on.
        in_force: The settings; they are followed.
        notices: Where it is said that they cannot be served.
        bridge: What has counts of its own.
        history: Likewise.
    """
    from app.metrics.following import Metrics

    def load() -> Serving:
        """Import and make what serves: 70 ms, which only they pay who want metrics."""
        import secrets

        from app.metrics.exposition import Exposition
        from app.metrics.serving import Serving

        return Serving(
            ground.places.runtime,
            monotonic=ground.clock.monotonic,
            make=lambda tally: Exposition(
                tally,
                ground.clock,
                bridge=lambda: bridge.counters,
                history=lambda: history.counters,
                redact=ground.log.redactor.redact,
            ),
            new_token=lambda: secrets.token_urlsafe(TOKEN_BYTES),
            register=ground.log.redactor.register,
        )

    return Metrics(
        ground.bus,
        ground.clock,
        settings=lambda: in_force.current.metrics,
        notices=notices,
        load=load,
        close_s=ground.limits.metrics_close_s,
    )
