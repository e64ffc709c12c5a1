"""Has a change reviewed by a model: the parts that it has not seen, within a budget, and only where a person agreed."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

import structlog

from app.agents.auditing.checks.change import change_of
from app.agents.auditing.context import GitFailed
from app.agents.auditing.host.builtin import REVIEW
from app.agents.auditing.host.heard import Heard
from app.agents.auditing.review.ledger import Looked, Said, mark_of
from app.agents.auditing.review.showing import Showing
from app.ai.review.claims import proved, read_claims
from app.ai.review.parts import in_order, packed, parts_of
from app.ai.review.prompt import review_messages, rules_tokens
from app.domain.errors import WatchkeeperError
from app.domain.findings import Finding
from app.domain.words import plural

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence
    from pathlib import Path

    from app.agents.auditing.context import Context
    from app.agents.auditing.host.heard import CheckPlace
    from app.agents.auditing.review.ledger import Ledger
    from app.ai.failures.privacy import Privacy
    from app.ai.messages import Completion, Model
    from app.ai.review.claims import Proved
    from app.ai.review.parts import Part, Shown
    from app.domain.findings import Checked
    from app.engine.clock import Clock

_log = structlog.get_logger(__name__)

T = TypeVar("T")

RULE = "claim"
AT_ONCE = 2
"""Questions on their way at the same time."""
AROUND = 10
"""Lines around what changed that are shown."""
DEADLINE_S = 240.0
"""What is not answered by then is asked the next time."""
FORGOTTEN_S = 14 * 86_400.0
"""Parts without findings that were not seen for so long are forgotten."""
_CLEANED_AT_ONCE = 40
_LEAST_TOKENS = 400


class _Said(Protocol):
    """What the settings of the analysis say."""

    @property
    def prompt_tokens(self) -> int:
        """Return how many tokens a question may have."""

    @property
    def answer_tokens(self) -> int:
        """Return how many tokens an answer may have."""


class Adviser(Protocol):
    """Whom to ask, in which language, and what the person has agreed to; app.agents.analysis.asking.Asking is one."""

    @property
    def models(self) -> Model:
        """Return all providers as one."""

    @property
    def settings(self) -> _Said:
        """Return the settings in force."""

    @property
    def language(self) -> str:
        """Return the language of answers, by its English name."""

    @property
    def new_nonce(self) -> Callable[[], str]:
        """Return what gives random letters and digits."""

    @property
    def privacy(self) -> Callable[[Path | None], Privacy]:
        """Return what gives what takes out secrets and personal details of a project; called in a thread."""

    async def may_send(self, project: str) -> Collection[str]:
        """Return the hosts that parts of a project may be sent to; raise a WatchkeeperError when there is none."""


class Work(Protocol):
    """Runs what takes time; app.agents.analysis.work.Work.do is one."""

    def __call__(self, piece: Callable[[], T], /) -> Awaitable[T]:
        """Run a piece of work in a thread, and return its result."""


class Reviewer:
    """It; runs in this program, as other checks run in theirs. Belongs to the loop's thread.

    What was said of a part is kept and told again as long as the line stands that it names, until the part changes and
    is looked at anew: so nothing is asked twice, and nothing is taken for mended because it was not asked about.

    Args:
        adviser: Whom to ask.
        ledger: Keeps what was said.
        work: Runs what takes time, one piece after the other.
        tokens: Gives how many tokens one review may send.
        clock: Time.
    """

    def __init__(
        self,
        adviser: Adviser,
        ledger: Ledger,
        *,
        work: Work,
        tokens: Callable[[], int],
        clock: Clock,
    ) -> None:
        self._adviser = adviser
        self._ledger = ledger
        self._work = work
        self._tokens = tokens
        self._clock = clock
        self._turns: defaultdict[Path, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def run(self, place: CheckPlace, context: Context) -> Checked:
        """Review what changed since the last audit that found nothing left behind, and return what came of it.

        Args:
            place: This check.
            context: The project.
        """
        began = self._clock.monotonic()
        heard = Heard(place)
        async with self._turns[context.root]:
            looked = await asyncio.to_thread(self._ledger.read, context.root)
            parts: list[Part] = []
            try:
                parts, reasons = await asyncio.to_thread(_changed, context, self._piece_tokens)
                for reason in reasons:
                    heard.unknown(reason)
                fresh = [part for part in parts if part.digest not in looked]
                if fresh:
                    async with asyncio.timeout(DEADLINE_S):
                        await self._look(fresh, looked, heard, context.root)
            except TimeoutError:
                heard.unknown(f"the models did not answer within {DEADLINE_S:g} s; the rest is asked the next time")
            except (WatchkeeperError, GitFailed) as error:
                heard.unknown(_why(error))
            finally:
                await asyncio.to_thread(self._conclude, parts, looked, heard, context)
        return heard.checked(self._clock.monotonic() - began)

    @property
    def _piece_tokens(self) -> int:
        """How many tokens the parts of one question may have."""
        adviser = self._adviser
        return max(_LEAST_TOKENS, adviser.settings.prompt_tokens - rules_tokens(adviser.language, "0" * 16))

    async def _look(self, fresh: Sequence[Part], looked: dict[str, Looked], heard: Heard, root: Path) -> None:
        """Have a model look at parts that it has not seen.

        Raises:
            WatchkeeperError: Nobody may be asked, or nobody answers.
        """
        await self._adviser.may_send(str(root))  # before anything is read for it
        nonce = self._adviser.new_nonce()
        shown = await self._shown(in_order(fresh), root, nonce)
        pieces, left_out = self._affordable(packed(shown, self._piece_tokens))
        gate = asyncio.Semaphore(AT_ONCE)
        failures: list[str] = []

        async def ask(piece: Sequence[Shown]) -> None:
            async with gate:
                if failures:  # what failed for one fails for the next
                    return
                try:
                    await self._ask(piece, nonce, looked, heard, root)
                except WatchkeeperError as error:
                    failures.append(_why(error))

        async with asyncio.TaskGroup() as group:
            for piece in pieces:
                group.create_task(ask(piece))
        for reason in failures[:1]:
            heard.unknown(reason)
        if left_out:
            files = plural(len({each.path for piece in left_out for each in piece}), "changed file")
            heard.unknown(
                f"{files} not reviewed or not wholly, for all of it would be more than the {self._tokens():,} tokens"
                " that audits.review.tokens allows"
            )

    async def _shown(self, parts: Sequence[Part], root: Path, nonce: str) -> list[Shown]:
        """Return parts as they are shown: without secrets, as far as the check of secrets and Privacy know them."""
        showing = await self._work(lambda: Showing(self._adviser.privacy(root), nonce))
        shown: list[Shown] = []
        for start in range(0, len(parts), _CLEANED_AT_ONCE):
            shown += await self._work(partial(showing.shown, parts[start : start + _CLEANED_AT_ONCE]))
        return shown

    def _affordable(
        self, pieces: Sequence[tuple[Shown, ...]]
    ) -> tuple[Sequence[tuple[Shown, ...]], Sequence[tuple[Shown, ...]]]:
        """Return the pieces that one review may send, and the others."""
        rules = rules_tokens(self._adviser.language, "0" * 16)
        left = self._tokens()
        for place, piece in enumerate(pieces):
            left -= rules + sum(each.tokens for each in piece)
            if left < 0 and place:
                return pieces[:place], pieces[place:]
        return pieces, ()

    async def _ask(
        self, piece: Sequence[Shown], nonce: str, looked: dict[str, Looked], heard: Heard, root: Path
    ) -> None:
        """Have one piece reviewed, and keep what was said of it.

        Raises:
            WatchkeeperError: Nobody may be asked any more, or nobody answers.
        """
        adviser = self._adviser
        completion = await adviser.models.complete(
            review_messages(piece, language=adviser.language, nonce=nonce),
            answer_tokens=adviser.settings.answer_tokens,
            hosts=await adviser.may_send(str(root)),  # they may have taken it back meanwhile
            as_json=True,
        )
        claims = read_claims(completion.text)
        if claims is None:
            heard.unknown(f"what {completion.model} answered on {_named(piece)} cannot be read")
            return
        tied = proved(claims, piece)
        if len(tied) < len(claims):
            _log.info("claims of a model name no line that was shown", claims=len(claims), left=len(tied))
        if completion.trouble:
            heard.unknown(f"what {completion.model} answered on {_named(piece)} is not whole: {completion.trouble}")
        now = self._clock.wall()
        for shown in piece:
            part = shown.part
            said = tuple(_said(each, completion) for each in tied if each.shown is shown)
            # Half an answer is told now, and asked for again the next time.
            at = now if not completion.trouble else 0.0
            looked[part.digest] = Looked(part.path, at, said)

    def _conclude(self, parts: Sequence[Part], looked: dict[str, Looked], heard: Heard, context: Context) -> None:
        """Tell what stands of all that was said, and keep it. Blocks."""
        now = self._clock.wall()
        kept: dict[str, Looked] = {}
        files = _Files(context)
        for digest, each in looked.items():
            seen = _seen(parts, each.path) if all(part.digest != digest for part in parts) else ()
            standing = [(said, found) for said in each.said if (found := said.now(files.marks(each.path))) is not None]
            standing = [(said, found) for said, found in standing if found.line not in seen]
            for _, found in standing:
                heard.take(found)
            is_current = any(part.digest == digest for part in parts)
            if each.at and (standing or is_current or now - each.at < FORGOTTEN_S):
                at = now if is_current else each.at
                kept[digest] = Looked(each.path, at, tuple(said for said, _ in standing))
        self._ledger.write(context.root, kept)


class _Files:
    """The files of a project by the marks of their lines, each read once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._marks: dict[str, tuple[str, ...]] = {}

    def marks(self, path: str) -> tuple[str, ...]:
        """Return the marks of a file's lines; none of one that is not there."""
        if path not in self._marks:
            self._marks[path] = ()
            with suppress(OSError):
                self._marks[path] = tuple(map(mark_of, self._context.text(path).split("\n")))
        return self._marks[path]


def _changed(context: Context, most_tokens: int) -> tuple[list[Part], list[str]]:
    """Return the parts of the change, and what of it could not be looked at. Blocks."""
    change = change_of(context)
    parts = list(parts_of(change.hunks(AROUND), most_tokens))
    return parts, change.reasons


def _seen(parts: Sequence[Part], path: str) -> Collection[int]:
    """Return the lines of a file that the change shows: what was said of them before is superseded."""
    return {line.number for part in parts if part.path == path for line in part.lines}


def _said(proof: Proved, completion: Completion) -> Said:
    claim, part = proof.claim, proof.shown.part
    finding = Finding(
        check=REVIEW,
        rule=RULE,
        title=claim.title,
        severity=claim.weight,
        path=part.path,
        line=proof.line.number,
        evidence=proof.line.text.strip(),
        detail=f"{claim.why}\n\nSaid by {completion.model}, its confidence: {claim.confidence}. Models err.".strip(),
        remedy=claim.fix,
    )
    return Said(finding, mark_of(part.lines[proof.place].text))


def _named(piece: Sequence[Shown]) -> str:
    paths = list(dict.fromkeys(each.part.path for each in piece))
    return paths[0] if len(paths) == 1 else f"{paths[0]} and {plural(len(paths) - 1, 'other file')}"


def _why(error: Exception) -> str:
    return f"{error.message} {error.hint}".strip() if isinstance(error, WatchkeeperError) else str(error)
