"""The agent: twice a minute it looks whether something about the vault is due."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from app.domain.errors import VaultError
from app.domain.events import AccessLogBroken, KeyRotated, SecretDue
from app.domain.keys import VaultState
from app.engine.notices import Notices
from app.engine.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.agents.keyrotation.settings import KeySettings
    from app.domain.events import Event
    from app.domain.keys import VaultView
    from app.engine.clock import Clock
    from app.engine.heartbeat import Pulse
    from app.keys.manager import KeyManager

_log = structlog.get_logger(__name__)

LOOK_EVERY_S = 30.0
DAY_S = 86_400.0

JUMP_S = 300.0
"""The wall clock has jumped when it moved by so much more, or less, than time went by."""

SETTLE_S = 2 * 3600.0
"""After a jump nothing is rotated for so long: a clock set wrong by a day is mostly set right again soon."""

VERIFY_EVERY_S = 6 * 3600.0


class KeyRotation:
    """It; one for the program, whatever is watched.

    Args:
        keys: The vault in this program.
        settings: Gives the settings in force.
        publish: Takes events.
        clock: Time.
        elapsed: Gives seconds that go on while the machine sleeps and that nobody can set; by default the clock's,
            which stand still then, so that each sleep looks as if the wall clock had jumped.
    """

    def __init__(
        self,
        keys: KeyManager,
        *,
        settings: Callable[[], KeySettings],
        publish: Callable[[Event], None],
        clock: Clock,
        elapsed: Callable[[], float] | None = None,
    ) -> None:
        self._elapsed = elapsed or clock.monotonic
        self._keys = keys
        self._settings = settings
        self._publish = publish
        self._clock = clock
        self._notices = Notices(publish, clock)
        self._told: set[tuple[str, int]] = set()
        self._broken = ""

    @property
    def name(self) -> str:
        """Return the agent's name."""
        return "keys"

    async def run(self, pulse: Pulse) -> None:
        """Open the vault, then look after it until told to stop."""
        pulse.beat()
        if self._keys.view.state is VaultState.NONE:
            # Not waited for: the system may ask the person for its keychain's password.
            spawn(self._keys.unlock(), name="the vault opens")
        steady = Steady(self._clock, self._elapsed)
        verified_at: float | None = None
        while not pulse.stopping.is_set():
            pulse.beat()
            steady.look()
            if self._keys.view.state not in (VaultState.OPENING, VaultState.WAITING):
                await self._keys.look()
            view = self._keys.view
            self._notices.show("vault", *self._trouble(view))
            self._notices.show("keychain", *self._keys.trouble)
            if view.state is VaultState.OPEN and pulse.unpaused.is_set():
                now = self._clock.monotonic()
                if verified_at is None or now - verified_at >= VERIFY_EVERY_S:
                    await self._verify()
                    verified_at = now
                await self._care(view, is_steady=steady.holds)
            await pulse.rest(LOOK_EVERY_S)

    @staticmethod
    def _trouble(view: VaultView) -> tuple[str, str]:
        return (view.reason, view.hint) if view.state is VaultState.TROUBLE else ("", "")

    async def _care(self, view: VaultView, *, is_steady: bool) -> None:
        """Lock what was not used for long; and do what is due by the wall clock, where that can be believed."""
        wall, settings = self._clock.wall(), self._settings()
        unused_s = self._clock.monotonic() - self._keys.used_at
        if settings.lock_minutes and unused_s >= settings.lock_minutes * 60:
            await self._keys.lock()
            return
        if not is_steady:
            return
        if wall >= view.rotation_due:
            await self._rotate()
        for secret in view.secrets:
            if secret.due and wall >= secret.due - settings.remind_days * DAY_S:
                self._remind(secret.name, secret.due)

    async def _rotate(self) -> None:
        try:
            await self._keys.rotate()
        except VaultError as error:
            _log.warning("the data key could not be rotated, and stays in use", reason=error.message)
            self._notices.show(
                "rotation", f"The vault's data key is due, and was not replaced: {error.message}", error.hint
            )
            return
        self._notices.show("rotation", "")
        self._publish(KeyRotated(at=self._clock.wall()))

    def _remind(self, name: str, due: int) -> None:
        if (name, due) not in self._told:
            self._told.add((name, due))
            self._publish(SecretDue(at=self._clock.wall(), name=name, due=due))

    async def _verify(self) -> None:
        try:
            report = await self._keys.verify_log()
        except VaultError as error:
            _log.warning("the access log could not be proved", reason=error.message)
            return
        problem = report.problems[0] if report.problems else ""
        text = f"The vault's access log was tampered with: {problem}" if problem else ""
        self._notices.show("access-log", text, "See all of it: watchkeeper keys verify" if text else "")
        if problem and problem != self._broken:
            self._publish(AccessLogBroken(at=self._clock.wall(), problem=problem))
        self._broken = problem


class Steady:
    """Tells whether the wall clock can be believed: it cannot for a while after it has jumped.

    Args:
        clock: Time.
        elapsed: Gives seconds that go on while the machine sleeps.
    """

    def __init__(self, clock: Clock, elapsed: Callable[[], float]) -> None:
        self._clock = clock
        self._elapsed = elapsed
        self._ahead = clock.wall() - elapsed()
        self._jumped_at: float | None = None

    def look(self) -> None:
        """Compare the wall clock with the time that went by since the last look."""
        ahead, now = self._clock.wall() - self._elapsed(), self._clock.monotonic()
        if abs(ahead - self._ahead) > JUMP_S:
            _log.info("the wall clock has jumped", seconds=round(ahead - self._ahead))
            self._jumped_at = now
        self._ahead = ahead

    @property
    def holds(self) -> bool:
        """True when it did not jump lately."""
        return self._jumped_at is None or self._clock.monotonic() - self._jumped_at >= SETTLE_S
