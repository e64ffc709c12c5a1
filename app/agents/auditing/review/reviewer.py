"""Has a change reviewed by a model: the parts that it has not seen, within a budget, and only where a person agreed."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

import structlog

from app.agents.auditing.checks.change import EMPTY_TREE, change_of
from app.agents.auditing.context import GitFailed
from app.agents.auditing.host.builtin import REVIEW
from app.agents.auditing.host.heard import Heard
from app.agents.auditing.review.ledger import Known, Said, mark_of
from app.agents.auditing.review.showing import Showing
from app.ai.framing import harmless
from app.ai.review.claims import proved, read_review
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

    What was claimed is kept and told again as long as the line stands that it names, until a model that is shown the
    line again says that it is mended: nothing is asked twice, and nothing is lost because nobody spoke of it. What
    could not be looked at, for want of consent, budget or an answer, is looked at the next time.

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
            known = await asyncio.to_thread(self._ledger.read, context.root)
            change = _Change()
            try:
                change = await asyncio.to_thread(_changed, context, known.since, self._piece_tokens)
                for reason in change.reasons:
                    heard.unknown(reason)
                fresh = [part for part in change.parts if part.digest not in known.looked]
                if fresh:
                    async with asyncio.timeout(DEADLINE_S):
                        await self._look(fresh, known, heard, context)
            except TimeoutError:
                heard.unknown(f"the models did not answer within {DEADLINE_S:g} s; the rest is asked the next time")
            except (WatchkeeperError, GitFailed) as error:
                heard.unknown(_why(error))
            finally:
                await asyncio.to_thread(self._conclude, change, known, heard, context)
        return heard.checked(self._clock.monotonic() - began)

    @property
    def _piece_tokens(self) -> int:
        """How many tokens the parts of one question may have."""
        adviser = self._adviser
        return max(_LEAST_TOKENS, adviser.settings.prompt_tokens - rules_tokens(adviser.language, "0" * 16))

    async def _look(self, fresh: Sequence[Part], known: Known, heard: Heard, context: Context) -> None:
        """Have a model look at parts that it has not seen.

        Raises:
            WatchkeeperError: Nobody may be asked, or nobody answers.
        """
        root = context.root
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
                    await self._ask(piece, nonce, known, heard, context)
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

    async def _ask(self, piece: Sequence[Shown], nonce: str, known: Known, heard: Heard, context: Context) -> None:
        """Have one piece reviewed, and keep what was said of it.

        Raises:
            WatchkeeperError: Nobody may be asked any more, or nobody answers.
        """
        adviser, root = self._adviser, context.root
        earlier = await asyncio.to_thread(_claimed_of, piece, known.open, _Files(context))
        clean = harmless(str, nonce)
        completion = await adviser.models.complete(
            review_messages(
                piece,
                earlier=[clean(f"{each.path}:{each.line}: {each.title}") for _, each in earlier],
                language=adviser.language,
                nonce=nonce,
            ),
            answer_tokens=adviser.settings.answer_tokens,
            hosts=await adviser.may_send(str(root)),  # they may have taken it back meanwhile
            as_json=True,
        )
        review = read_review(completion.text)
        if review is None:
            heard.unknown(f"what {completion.model} answered on {_named(piece)} cannot be read")
            return
        tied = proved(review.claims, piece)
        if len(tied) < len(review.claims):
            _log.info("claims of a model name no line that was shown", claims=len(review.claims), left=len(tied))
        # What was claimed earlier stands until it is said to be mended: silence mends nothing.
        mended = {id(said) for place, (said, _) in enumerate(earlier, 1) if f"k{place}" in review.mended}
        known.open = [each for each in known.open if id(each) not in mended]
        there = {(each.finding.path, each.mark) for each in known.open}
        known.open += [
            said for said in (_said(each, completion) for each in tied) if (said.finding.path, said.mark) not in there
        ]
        if completion.trouble:  # half an answer is told now, and asked for again the next time
            heard.unknown(f"what {completion.model} answered on {_named(piece)} is not whole: {completion.trouble}")
        else:
            known.looked |= {shown.part.digest: self._clock.wall() for shown in piece}

    def _conclude(self, change: _Change, known: Known, heard: Heard, context: Context) -> None:
        """Tell what stands of all that was claimed, and keep it. Blocks."""
        now, files = self._clock.wall(), _Files(context)
        standing = [(said, found) for said in known.open if (found := said.now(files.marks(said.finding.path)))]
        for _, found in standing:
            heard.take(found)
        current = {part.digest for part in change.parts}
        known.open = [Said(found, said.mark) for said, found in standing]
        known.looked = {
            digest: now if digest in current else at
            for digest, at in known.looked.items()
            if digest in current or now - at < FORGOTTEN_S
        }
        if change.base:  # what was not looked at is looked at the next time, whatever else has passed meanwhile
            known.since = change.base if heard.has_reasons else change.head
        self._ledger.write(context.root, known)


@dataclass(frozen=True, slots=True)
class _Change:
    """What is to be reviewed.

    Attributes:
        parts: The parts of the change.
        base: The commit since which; empty when that is not known.
        head: The commit that HEAD was at.
        reasons: What of the change could not be looked at.
    """

    parts: Sequence[Part] = ()
    base: str = ""
    head: str = ""
    reasons: Sequence[str] = ()


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


def _changed(context: Context, since: str, most_tokens: int) -> _Change:
    """Return what changed since a commit, or since that of the audit when that one is gone. Blocks."""
    if since:
        with suppress(GitFailed):
            context.git("merge-base", "--is-ancestor", since, "HEAD")
            context = replace(context, since=since)
    head = ""
    with suppress(GitFailed):
        head = context.git("rev-parse", "--verify", "-q", "HEAD").strip()
    change = change_of(context)
    parts = tuple(parts_of(change.hunks(AROUND), most_tokens))
    return _Change(parts, change.base if head and change.base != EMPTY_TREE else "", head, change.reasons)


def _claimed_of(piece: Sequence[Shown], said: Sequence[Said], files: _Files) -> list[tuple[Said, Finding]]:
    """Return what was claimed earlier of the lines of a piece, each with the finding where it stands now. Blocks."""
    lines = {(each.part.path, line.number) for each in piece for line in each.part.lines if line.number}
    found = ((each, each.now(files.marks(each.finding.path))) for each in said)
    return [(each, now) for each, now in found if now is not None and (now.path, now.line) in lines]


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
