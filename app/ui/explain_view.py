"""What the window says of why a test is red, as plain values. Pure.

The words come from a test's output and from a model, and either may be hostile: nothing here is markup, and signs that
turn or hide text are shown as what they are.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.domain import modelwords, words
from app.domain.analysis import ExplainStage, When

if TYPE_CHECKING:
    from app.domain.analysis import (
        AnalysisView,
        Answer,
        Confidence,
        Evidence,
        Explanation,
        LocalExplanation,
        PromptPreview,
    )

SWITCHED_OFF = "Models are switched off by the setting analysis.when."
SWITCH_ON = "Switch them on with: watchkeeper config set analysis.when ask"
TAKEN_OUT = (
    "What is known as a secret or as a personal detail is taken out first. What cannot be known as one stays in, "
    "and so does your code."
)
SUSPECTS = 4
FRAMES = 6
_KEPT = "\n\t\u200d"
"""A joiner is part of many emoji, and so hides nothing."""


@dataclass(frozen=True, slots=True)
class Place:
    """A line of the project's source that can be copied as `path:line`.

    Attributes:
        where: `app/shop.py:12`.
        source: The line as it stands there; may be empty.
        why: What it shows; may be empty.
    """

    where: str
    source: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class LocalView:
    """What is said without a model.

    Attributes:
        failure: What failed.
        place: Where, at most one.
        suspects: Changed lines on the way there.
        frames: The way there, when no changed line lies on it.
        facts: Last green, and what casts doubt, a line each.
    """

    failure: str
    place: tuple[Place, ...]
    suspects: tuple[Place, ...]
    frames: tuple[Place, ...]
    facts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AnswerView:
    """What a model said.

    Attributes:
        cause: The cause, or the whole text of an answer that was not in form.
        confidence: How sure it is; None when it did not say.
        sure: The same in words; empty for an answer that was not in form.
        evidence: Places that speak for it.
        next_step: What to do next; may be empty.
        patch: A diff to read, as it is shown; may be empty.
        patch_note: What to know of it; may be empty.
        foot: Who said it, when, and what it took.
    """

    cause: str
    confidence: Confidence | None
    sure: str
    evidence: tuple[Place, ...]
    next_step: str
    patch: str
    patch_note: str
    foot: str


@dataclass(frozen=True, slots=True)
class ExplainView:
    """All of it.

    Attributes:
        local: What is said without a model.
        progress: That a model is asked; empty when none is.
        answer: What one said, or None.
        trouble: Why there is no answer; empty when nothing went wrong.
        hint: What to do about that.
        consent: What the person is to agree to; empty when nothing is.
        explain: What the button says that asks a model; empty when there is none.
        is_asking: Whether a model is asked, so that the button does nothing.
        may_withdraw: Whether the person may have agreed that parts of the project are sent, and so can take it back.
        offers_models: Whether models can be asked at all.
        switched_off: That they cannot, and what to do about that; empty when they can.
    """

    local: LocalView
    progress: str = ""
    answer: AnswerView | None = None
    trouble: str = ""
    hint: str = ""
    consent: str = ""
    explain: str = ""
    is_asking: bool = False
    may_withdraw: bool = False
    offers_models: bool = False
    switched_off: str = ""


def explain_view(explanation: Explanation, analysis: AnalysisView, now: float) -> ExplainView:
    """Return what is said of an explanation at the wall-clock time `now`."""
    local = _local(explanation.local, now)
    answer = _answer(explanation.answer, now, is_repeat=explanation.is_repeat) if explanation.answer else None
    if analysis.when is When.NEVER:
        return ExplainView(local, answer=answer, switched_off=f"{SWITCHED_OFF} {SWITCH_ON}")
    model = next((visible_line(each.model) for each in analysis.providers if not each.reason), "")
    busy = explanation.stage is ExplainStage.ASKING
    return ExplainView(
        local,
        modelwords.explain_stage(explanation.stage, model),
        answer,
        visible(explanation.trouble) if not busy else "",
        visible(explanation.hint) if not busy else "",
        consent_text(explanation.needs_consent) if not busy else "",
        f"Asking{words.ELLIPSIS}" if busy else "Explain" if answer is None else "Explain again",
        is_asking=busy,
        may_withdraw=bool(analysis.providers)
        and explanation.stage is not ExplainStage.LOCAL
        and not explanation.needs_consent,
        offers_models=True,
    )


def consent_text(hosts: tuple[str, ...]) -> str:
    """Return what a person agrees to when a project's source is sent to these hosts; empty for none."""
    if not hosts:
        return ""
    return f"Parts of this project's source would be sent to {', '.join(visible_line(host) for host in hosts)}."


def set_up_of(analysis: AnalysisView) -> tuple[object, ...]:
    """Return who can be asked and when: once that is another, what kept a model from answering is out of date."""
    return (analysis.when, *((each.name, each.host, each.model, each.reason) for each in analysis.providers))


def prompt_head(preview: PromptPreview) -> str:
    """Return who would be sent a prompt and how large it is, a line each."""
    taken = words.plural(preview.redacted, "secret or personal detail", "secrets and personal details")
    return "\n".join(
        (
            f"To {visible_line(preview.model)} at {visible_line(preview.host)} ({visible_line(preview.provider)})",
            f"About {preview.tokens:,} of at most {words.plural(preview.budget, 'token')}, {taken} taken out",
        )
    )


def prompt_sections(preview: PromptPreview) -> str:
    """Return what a prompt consists of: `output 300 tokens, source 200 of 900 tokens`."""
    said = []
    for section in preview.sections:
        kept = f"{section.kept:,} of " if section.kept != section.tokens else ""
        said.append(f"{visible_line(section.title)} {kept}{words.plural(section.tokens, 'token')}")
    return ", ".join(said)


def prompt_text(preview: PromptPreview) -> str:
    """Return the messages of a prompt, each under its role."""
    return "\n\n".join(f"[{role}]\n{content}" for role, content in preview.messages)


def visible(text: str) -> str:
    """Return a text in which signs that cannot be seen are written out: what is read is what stands there.

    A turned line (Unicode's bidirectional controls) can show a patch as another one than it is: see CVE-2021-42574.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() or sign in _KEPT or unicodedata.category(sign) == "Zs" else _written_out(sign)
        for sign in text.replace("\r\n", "\n")
    )


def visible_line(text: str) -> str:
    """Return the same as one line, without white space around it."""
    return " ".join(visible(text).split())


def place(evidence: Evidence) -> Place:
    """Return a place as it is shown."""
    return Place(
        f"{visible_line(evidence.path)}:{evidence.line}", visible_line(evidence.source), visible_line(evidence.why)
    )


def _written_out(sign: str) -> str:
    code = ord(sign)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - what four digits hold


def _local(local: LocalExplanation, now: float) -> LocalView:
    facts = []
    if local.last_green is not None:
        facts.append(f"Last green {words.ago(now - local.last_green)}")
    if local.changed and not local.suspects:
        facts.append(f"Changed since: {visible_line(words.clip(', '.join(local.changed), 200))}")
    facts += [visible_line(local.doubt)] if local.doubt else []
    return LocalView(
        visible(local.failure.strip()),
        (place(local.place),) if local.place is not None else (),
        tuple(place(each) for each in local.suspects[:SUSPECTS]),
        tuple(place(each) for each in local.frames[-FRAMES:]) if not local.suspects else (),
        tuple(facts),
    )


def _answer(answer: Answer, now: float, *, is_repeat: bool) -> AnswerView:
    is_in_form = bool(answer.cause)
    age = words.ago(now - answer.at)
    model = visible_line(answer.model)
    provider = visible_line(answer.provider)
    by = model if model.startswith(provider) else f"{provider} {model}".strip()
    took = "from before, at no cost" if is_repeat else modelwords.usage(answer.usage)
    return AnswerView(
        visible((answer.cause or answer.text).strip()),
        answer.confidence,
        modelwords.confidence(answer.confidence) if is_in_form else "",
        tuple(place(each) for each in answer.evidence),
        visible(answer.next_step.strip()),
        visible(answer.patch),
        visible(answer.patch_note.strip()),
        f"{by}, {took}, {age}",
    )
