"""KeyManager: the vault in the running program, asked by name and never waited for by the loop."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import structlog

from app.domain.errors import KeychainError, SecretError, SlotClosed, VaultError, VaultLocked, VaultMissing
from app.domain.events import VaultChanged
from app.domain.keys import KeychainState, SecretView, SlotView, VaultState, VaultView
from app.engine.tasks import spawn
from app.engine.workers import WorkerPool
from app.keys.log.chain import Action
from app.keys.slots.passphrase import PassphraseSlot
from app.keys.slots.recovery import RecoveryCode, RecoverySlot
from app.keys.vault.anchoring import ANCHOR_LOST, is_missed
from app.keys.vault.document import parse
from app.keys.vault.slotchange import change_slots
from app.keys.vault.vault import NewSlot

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.events import Event
    from app.engine.clock import Clock
    from app.engine.redaction import Redactor
    from app.keys.log.chain import Report
    from app.keys.slots.slot import Slot
    from app.keys.usual import UsualVault
    from app.keys.vault.document import SlotRecord

T = TypeVar("T")

_log = structlog.get_logger(__name__)

NOTICE_S = 0.75
"""When opening takes longer, the person is told that the system's keychain is being waited for: within a second, all in
all."""

DAY_S = 86_400

_LOG_LINES = 20_000
"""As many are looked at for who read a secret last."""


class Secrets(Protocol):
    """What agents see of the vault: a secret by its name, and nothing else."""

    async def secret(self, name: str, *, why: str) -> str:
        """Return a secret's value; the access log tells who asked, and what for.

        Raises:
            VaultLocked: The vault is not open.
            SecretMissing: It holds none of this name.
            SecretError: Its value is no text.
        """

    async def group(self, name: str) -> tuple[str, ...]:
        """Return the names that serve as well as this one, this one among them: `NAME`, `NAME_1`, `NAME_2`.

        Raises:
            VaultLocked: The vault is not open.
        """


class KeyManager:
    """It; the one who holds the vault open. Entered on the loop's thread, left when the program ends.

    What blocks runs in one thread of its own, so that the loop goes on while the system's keychain asks a person.

    Args:
        usual: The vault and what opens it.
        publish: Takes VaultChanged, on the loop's thread.
        clock: Time.
        redactor: Is told each value that is given out, so that none is ever logged.
        rotate_days: Gives for how many days a data key serves.

    Attributes:
        used_at: When it was opened, changed or read last, on the monotonic clock.
    """

    def __init__(
        self,
        usual: UsualVault,
        *,
        publish: Callable[[Event], None],
        clock: Clock,
        redactor: Redactor,
        rotate_days: Callable[[], int],
    ) -> None:
        self._usual = usual
        self._vault = usual.vault
        self._publish = publish
        self._clock = clock
        self._redactor = redactor
        self._rotate_days = rotate_days
        self._pool = WorkerPool(1, name="vault")
        self._view = VaultView()
        self._turn = asyncio.Lock()
        self._log_size = -1
        self._read: dict[str, tuple[float, str]] = {}
        self._slot_trouble: SlotClosed | None = None
        self._closed = False
        self._was_missing = False
        self._given_up = asyncio.Event()
        self._give_ups = 0
        self._seen_stamp = usual.file.stamp
        self.used_at = clock.monotonic()

    @property
    def view(self) -> VaultView:
        """The vault as it was told last."""
        return self._view

    @property
    def trouble(self) -> tuple[str, str]:
        """What is not as it should be about an open vault, and what to do; empty when all is well."""
        if self._slot_trouble is not None:
            return self._slot_trouble.message, self._slot_trouble.hint
        if self._view.state is VaultState.OPEN and self._vault.is_anchor_lost:
            return ANCHOR_LOST
        anchor = self._vault.anchor_trouble if self._view.state is VaultState.OPEN else None
        if anchor is None or not is_missed(anchor, (slot.kind for slot in self._view.slots)):
            return "", ""
        return f"Whether the vault is the newest cannot be told: {anchor.message}", anchor.hint

    async def unlock(self) -> VaultState:
        """Open the vault by what the system has, and return how it stands then. Raises nothing: the view tells why.

        It goes on when the one who asked no longer waits.
        """
        return await asyncio.shield(spawn(self._unlock(self._give_ups), name="the vault opens"))

    async def _unlock(self, give_ups: int) -> VaultState:
        async with self._turn:
            self.used_at = self._clock.monotonic()
            if self._vault.is_open:
                await self._tell()
                return self._view.state
            offers = await self._call(self._offers)
            if give_ups != self._give_ups:  # it was given up before its turn came
                return self._view.state
            self._show(VaultView(VaultState.OPENING, offers=offers))
            waits = VaultView(VaultState.WAITING, "Waiting for the system's keychain.", _MAY_ASK, offers)
            notice = asyncio.get_running_loop().call_later(NOTICE_S, self._show, waits)
            try:
                await self._attempt(offers)
            except BaseException:
                self._show(VaultView(VaultState.LOCKED, "The vault was not opened.", "Try again.", offers))
                raise
            finally:
                notice.cancel()
            return self._view.state

    async def _attempt(self, offers: tuple[str, ...]) -> None:
        """Open the vault by what the system has, until that is given up."""
        given_up = self._given_up = asyncio.Event()
        wanted = partial(_is_unset, given_up)
        call = self._begun(partial(self._vault.unlock, self._usual.openers, wanted=wanted))
        waiting = spawn(given_up.wait(), name="the keychain is given up")
        either: list[asyncio.Future[Any]] = [call, waiting]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if not call.done():
            # Its thread is left behind: what it still brings about is refused.
            call.add_done_callback(_unheard)
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = WorkerPool(1, name="vault")
            self._show(VaultView(VaultState.LOCKED, "The system's keychain was given up.", "Try again.", offers))
            return
        try:
            call.result()
        except VaultError as error:
            self._show(_why(error, offers))
        else:
            self._slot_trouble = None
            await self._tell()

    def _give_up(self) -> None:
        self._give_ups += 1
        self._given_up.set()

    async def unlock_by(self, slot: Slot, *, why: str = "") -> None:
        """Open the vault by what a person gave; with the recovery code, make the system's own slots anew.

        An opening that still waits for the system's keychain is given up.

        Args:
            slot: What the person gave.
            why: What the access log tells of it.

        Raises:
            VaultError: It does not open.
        """
        self._give_up()
        async with self._turn:
            self.used_at = self._clock.monotonic()
            await self._call(lambda: self._vault.unlock([slot], why=why))
            self._slot_trouble = None
            await self._tell()
            if slot.kind == RecoverySlot.kind:
                await self._call(self._mend_slots)
                await self._tell()

    def _mend_slots(self) -> None:
        """Make each of the system's own slots anew, as far as that can be done at once. Called in the thread."""
        for own in self._usual.own_unattended:
            kind = own.kind
            try:
                change_slots(self._vault, add=[own], goes=partial(_is_of, kind), keepers=[own])
            except SlotClosed as closed:
                self._slot_trouble = closed

    async def lock(self) -> None:
        """Forget the vault's keys, until it is opened again; an opening that goes on is given up."""
        self._give_up()
        async with self._turn:
            await self._locked()
            if self._view.state is VaultState.OPEN:
                offers = tuple(dict.fromkeys(each.kind for each in self._view.slots))
                self._show(
                    VaultView(VaultState.LOCKED, "You locked the vault.", "Unlock it when it is needed.", offers)
                )

    async def _locked(self) -> None:
        try:
            await self._call(self._vault.lock)
        except VaultError as error:  # its keys are forgotten all the same
            _log.warning("the vault was locked, and that could not be told", reason=error.message)

    async def aclose(self) -> None:
        """Lock the vault, and leave its thread behind if that takes too long."""
        if self._closed:
            return
        self._give_up()
        try:
            async with asyncio.timeout(NOTICE_S), self._turn:
                await self._locked()
        except TimeoutError:
            _log.warning("the vault was left without locking it: the system keychain does not answer")
        finally:
            self._closed = True
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._usual.log.close()

    async def secret(self, name: str, *, why: str) -> str:
        """Return a secret's value; see Secrets."""
        self.used_at = self._clock.monotonic()
        value = await self._asked(partial(self._vault.get, name, why=why))
        try:
            text = value.decode("utf-8")
        except UnicodeDecodeError:
            raise SecretError(f"The value of {name} is no text.", "Set it anew: watchkeeper keys set NAME") from None
        self._redactor.register(text)
        return text

    async def group(self, name: str) -> tuple[str, ...]:
        """Return the names that serve as well as this one; see Secrets."""
        stamp = self._usual.file.stamp
        if self._view.state is VaultState.OPEN and (stamp is None or stamp != self._seen_stamp):
            await self.look()  # a key that was just set elsewhere is to be told of before it is asked for
        return await self._asked(lambda: self._vault.contents.group(name))

    async def copied(self, name: str) -> str:
        """Return a secret's value for the clipboard.

        Raises:
            VaultError: As `secret`.
        """
        self.used_at = self._clock.monotonic()
        value = await self._asked(partial(self._vault.get, name, action=Action.COPY))
        text = value.decode("utf-8", "replace")
        self._redactor.register(text)
        return text

    async def make(self, code: str, passphrase: str = "") -> None:
        """Make a vault; the person has the recovery code.

        Raises:
            SecretError: It is no recovery code.
            VaultError: There is a vault already, or it cannot be made.
        """
        recovery = RecoverySlot(RecoveryCode.read(code))
        typed: list[Slot] = [PassphraseSlot(passphrase)] if passphrase else []

        def made() -> None:
            try:
                self._vault.create([NewSlot(slot) for slot in (*self._usual.own, recovery, *typed)])
            except SlotClosed as closed:
                if closed.state != KeychainState.ABSENT or not typed:
                    raise
                self._vault.create([NewSlot(slot) for slot in (recovery, *typed)])

        async with self._turn:
            await self._call(made)
            await self._tell()

    async def replace_recovery(self, code: str) -> None:
        """Put a new recovery code in the place of the one before.

        Raises:
            SecretError: It is no recovery code.
            VaultError: It cannot be done.
        """
        slot = RecoverySlot(RecoveryCode.read(code))
        await self._changed(lambda: change_slots(self._vault, add=[slot], goes=lambda record: record.kind == slot.kind))

    async def set(self, name: str, value: str, *, notes: str | None, due_days: int | None) -> None:
        """Set a secret; an empty value keeps the one that it has.

        Raises:
            SecretError: Name or value cannot be kept.
            VaultError: It cannot be written; it is as it was.
        """
        due = None if due_days is None else int(self._clock.wall()) + due_days * DAY_S if due_days else 0
        if value:
            self._redactor.register(value)
            raw = value.encode("utf-8")
            change = partial(
                self._vault.change, Action.SET, name, lambda c, now: c.with_secret(name, raw, now, notes=notes, due=due)
            )
        else:
            change = partial(
                self._vault.change, Action.EDIT, name, lambda c, _now: c.with_about(name, notes=notes, due=due)
            )
        await self._changed(change)

    async def remove(self, name: str) -> None:
        """Remove a secret.

        Raises:
            VaultError: It is not there, or the vault cannot be written.
        """
        await self._changed(partial(self._vault.change, Action.REMOVE, name, lambda c, _now: c.without(name)))

    async def rotate(self) -> None:
        """Encrypt everything under a new data key.

        Raises:
            VaultError: It cannot be written; it is as it was.
        """
        await self._changed(partial(self._vault.change, Action.ROTATE, "", lambda c, now: c.with_new_data_key(now)))

    async def look(self) -> None:
        """Tell what other programs have changed, or read, meanwhile.

        Raises nothing: the view tells.
        """
        async with self._turn:
            if self._vault.is_open:
                await self._tell()
            elif self._view.state is VaultState.TROUBLE and self._usual.file.stamp != self._seen_stamp:
                offers = await self._call(self._offers)
                self._show(VaultView(VaultState.LOCKED, "The vault's file was changed since.", "Unlock it.", offers))
            elif self._view.state is VaultState.NONE:
                if self._was_missing and self._vault.exists:
                    # Made elsewhere, it opens as it would at the start: waited for by nobody.
                    spawn(self.unlock(), name="a new vault opens")
            elif self._view.state is VaultState.OPEN and self._vault.exists:
                offers = await self._call(self._offers)
                self._show(VaultView(VaultState.LOCKED, "The vault is locked.", "Unlock it.", offers))

    async def verify_log(self) -> Report:
        """Prove the access log.

        Raises:
            VaultError: It, the vault or the anchor is out of reach.
        """

        def proved() -> Report:
            try:
                anchored = self._vault.anchored()
            except KeychainError:  # without it a cut at the end is not seen, and all else is
                anchored = None
            return self._usual.log.verify(self._vault.log_keys(), anchored)

        return await self._call(proved)

    # Inside

    async def _asked(self, fn: Callable[[], T]) -> T:
        """Ask the vault something; one that was made elsewhere meanwhile is opened before, as at the start.

        Raises:
            VaultMissing: There is none.
            VaultError: As the asking.
        """
        if self._view.state is VaultState.NONE and await self._call(self._is_there):
            await self.unlock()
        try:
            return await self._call(fn)
        except VaultLocked:
            if await self._call(self._is_there):
                raise
        raise no_vault()

    def _is_there(self) -> bool:
        return self._vault.exists

    async def _changed(self, change: Callable[[], object]) -> None:
        self.used_at = self._clock.monotonic()
        async with self._turn:
            await self._call(change)
            await self._tell()

    async def _tell(self) -> None:
        try:
            self._show(await self._call(self._seen))
        except VaultError as error:
            self._show(_why(error, await self._call(self._offers)))

    def _offers(self) -> tuple[str, ...]:
        """Return the kinds of slots that the vault has, which needs no key; empty when it cannot be read."""
        try:
            slots = parse(self._usual.file.read()).document.slots
        except VaultError:
            return ()
        return tuple(dict.fromkeys(each.kind for each in slots))

    def _seen(self) -> VaultView:
        """Return the view of an open vault. Called in the thread."""
        contents = self._vault.contents
        document = contents.document
        self._follow_log()
        secrets = []
        for about in contents.abouts:
            at, who = self._read.get(about.name, (0.0, ""))
            words = (about.name, about.group, about.notes, about.created, about.renewed, about.due)
            secrets.append(SecretView(*words, read_at=at, read_by=who))
        return VaultView(
            VaultState.OPEN,
            secrets=tuple(secrets),
            slots=tuple(SlotView(each.id, each.kind, each.label, each.created) for each in document.slots),
            rotated=document.data_key.created,
            rotation_due=document.data_key.created + self._rotate_days() * DAY_S,
            master_created=document.master_created,
        )

    def _follow_log(self) -> None:
        lines, _ = self._usual.log.head()
        if lines == self._log_size:
            return
        fresh = lines - self._log_size if self._log_size >= 0 else _LOG_LINES
        for line in reversed(self._usual.log.lines(min(_LOG_LINES, max(1, fresh)))):
            if line.access.is_read:
                who = f"{line.program}: {line.access.why}" if line.access.why else line.program
                self._read[line.access.name] = (line.at, who)
        self._log_size = lines

    def _show(self, view: VaultView) -> None:
        self._was_missing = view.state is VaultState.NONE
        self._seen_stamp = self._usual.file.stamp
        if view != self._view:
            self._view = view
            self._publish(VaultChanged(at=self._clock.wall(), vault=view))

    async def _call(self, fn: Callable[[], T]) -> T:
        return await self._begun(fn)

    def _begun(self, fn: Callable[[], T]) -> asyncio.Future[T]:
        if self._closed:
            raise VaultLocked("The vault is locked: the program ends.")
        return asyncio.wrap_future(self._pool.submit(fn))


def no_vault() -> VaultMissing:
    """Return that there is no vault, and what to do."""
    return VaultMissing("There is no vault.", "Make one: watchkeeper keys init")


_MAY_ASK = "It may be asking for its password, perhaps behind another window."


def _is_of(kind: str, record: SlotRecord) -> bool:
    return record.kind == kind


def _is_unset(event: asyncio.Event) -> bool:
    return not event.is_set()


def _unheard(call: asyncio.Future[SlotRecord]) -> None:
    if not call.cancelled() and (error := call.exception()) is not None:
        _log.info("an opening that was given up has ended", reason=str(error))


def _why(error: VaultError, offers: tuple[str, ...] = ()) -> VaultView:
    """Return the view of a vault that did not open."""
    if isinstance(error, VaultMissing):
        return VaultView(VaultState.NONE)
    if isinstance(error, VaultLocked):
        return VaultView(VaultState.LOCKED, error.message, error.hint, error.kinds or offers)
    return VaultView(VaultState.TROUBLE, error.message, error.hint, offers)
