"""The command `explain`: why a test is red, first without a model and then with one; or what an audit found."""

from __future__ import annotations

import re
import sys
import time
from typing import TYPE_CHECKING, Any

from app.cli.ai.consenting import ask_consent, set_consent, show_prompt
from app.cli.ai.documents import of_document
from app.cli.ai.findings import explain_finding, find_finding
from app.cli.ai.screen import Progress, line
from app.cli.ai.writing import write_answer, write_local
from app.cli.exits import EXIT_CANNOT
from app.cli.nodeids import check_watched, find_test, newest_red, project_said
from app.domain import commands, modelwords
from app.domain.analysis import AnalysisView, ExplainStage, Explanation
from app.domain.errors import UsageError
from app.domain.fingerprints import LEAST_DIGITS, is_like_one

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.cli.context import Context
    from app.control.client import ControlClient
    from app.domain.findings import Standings

PATIENCE_S = 120.0
"""How long an answer is waited for; the instance goes on with the question for as long as its settings say."""
POLL_S = 0.5
_DIGITS = re.compile(r"[0-9a-f]{2,24}", re.IGNORECASE)
_FINDINGS = (
    f"name at least {LEAST_DIGITS} of its digits, in the folder of its project or with --project FOLDER. "
    "`watchkeeper audit` tells them."
)


def explain(context: Context) -> int:
    """Explain why a test is red, or what an audit found. Exit 3 when a model was to be asked and gave nothing."""
    said = context.words
    project = project_said(context)
    with context.client() as client:
        snapshot = client.send(commands.ReadStatus())
        watched = snapshot["projects"]
        if project is not None and not said.test and (said.forget_consent or (said.allow and project not in watched)):
            return _only_consent(context, client, project)  # also of what is not watched: an audit may want it
        finding = _finding(context, client, watched, project)
        which = None
        if finding is None and said.test:
            which = _test(said.test, watched, project)
        elif finding is None:
            which = newest_red(watched, project)
        if said.allow or said.forget_consent:
            about = finding or which
            root = about[0] if about is not None else _only_project(watched, project)
            set_consent(context, client, root, given=said.allow)
            if said.forget_consent:
                return _forgotten(context, root)
        if finding is not None:
            return explain_finding(context, client, *finding, of_document(AnalysisView, snapshot.get("analysis", {})))
        if which is None:
            return _nothing_red(context)
        if said.show_prompt:
            return show_prompt(context, client, commands.ReadPrompt(project=which[0], nodeid=which[1]))
        return _explain(context, client, which)


def _test(said: str, watched: Mapping[str, Any], project: str | None) -> tuple[str, str]:
    """Return as `find_test` the test that is meant; of a word that may be a finding say that it is none of those."""
    is_digits = _DIGITS.fullmatch(said) is not None
    if is_digits and project is not None and project not in watched:
        raise UsageError(f"No audit of {project} knows a finding {said!r}.", f"{_FINDINGS[:1].upper()}{_FINDINGS[1:]}")
    try:
        return find_test(said, watched, project, prefer_red=True)
    except UsageError as error:
        if not is_digits or "may mean" in error.message:
            raise
        raise UsageError(error.message, f"{error.hint}\nShould it be a finding: {_FINDINGS}") from None


def _finding(
    context: Context, client: ControlClient, watched: Mapping[str, Any], project: str | None
) -> tuple[str, Standings] | None:
    """Return the finding that is meant; None where it may be a test, which comes first."""
    said = (context.words.test or "").casefold()
    roots = [root for root in watched if project in (None, root)]
    if not is_like_one(said) or any(said in nodeid.casefold() for root in roots for nodeid in watched[root]["tests"]):
        return None
    return find_finding(context, client, said, watched, project)


def _explain(context: Context, client: ControlClient, which: tuple[str, str]) -> int:
    root, nodeid = which
    explain = commands.Explain(project=root, nodeid=nodeid, again=context.words.again)
    told = client.send(explain)
    explanation = of_document(Explanation, told)
    if not context.as_json:
        write_local(explanation, context.terminal, time.time())
    agreed = True
    if _lacks_consent(explanation, again=context.words.again):
        look = commands.ReadPrompt(project=root, nodeid=nodeid)
        agreed = ask_consent(context, client, look, explanation.needs_consent)
        if agreed:
            told = client.send(explain)
    if not context.words.no_wait:
        told = _wait(context, client, told)
    if context.as_json:
        context.terminal.document({"explanation": told})
    return _end(context, of_document(Explanation, told), agreed=agreed)


def _lacks_consent(explanation: Explanation, *, again: bool) -> bool:
    """Return whether a model would be asked if the person agreed; an answer of before is one, unless asked anew."""
    is_over = explanation.stage is ExplainStage.ASKING or (explanation.stage is ExplainStage.EXPLAINED and not again)
    return bool(explanation.needs_consent) and not is_over


def _wait(context: Context, client: ControlClient, told: Any) -> Any:  # noqa: ANN401 - JSON documents
    """Return the explanation's document once it is not on its way any more, or as it is when patience ends."""
    begun = time.monotonic()
    if of_document(Explanation, told).stage is not ExplainStage.ASKING:
        return told
    # Only now: what the settings say may be others than a moment ago.
    asked = _asked(of_document(AnalysisView, client.send(commands.ReadStatus()).get("analysis", {})))
    progress = Progress(sys.stderr, context.environ)
    try:
        while (explanation := of_document(Explanation, told)).stage is ExplainStage.ASKING:
            waited = time.monotonic() - begun
            if waited >= PATIENCE_S:
                break
            progress.show(modelwords.explain_stage(explanation.stage, asked), waited)
            time.sleep(min(POLL_S, PATIENCE_S - waited))
            told = client.send(commands.ReadExplanation(project=explanation.project, nodeid=explanation.nodeid))
    except KeyboardInterrupt:
        progress.end()
        context.terminal.note("Not waited for any more. The question goes on: the same command tells its answer.")
        raise
    finally:
        progress.end()
    return told


def _end(context: Context, explanation: Explanation, *, agreed: bool) -> int:
    """Write the answer, or why there is none, and return the exit code."""
    note = context.terminal.note
    if explanation.stage is ExplainStage.ASKING:
        if context.words.no_wait:
            note("A model is being asked. The same command tells its answer once it is there.")
            return 0
        note(f"No answer came within {PATIENCE_S:g} s. Should one come yet, the same command tells it.")
        return EXIT_CANNOT
    if explanation.answer is not None and not context.as_json:
        write_answer(explanation.answer, context.terminal, is_repeat=explanation.is_repeat, now=time.time())
    if not agreed:
        return EXIT_CANNOT
    for text in (explanation.trouble, explanation.hint):
        if text:
            note(line(text))
    is_old = explanation.answer is None or explanation.is_repeat
    if explanation.stage is ExplainStage.UNANSWERED or (context.words.again and is_old):
        return EXIT_CANNOT
    if explanation.answer is None and not explanation.trouble:
        note("No model was asked: that is what the settings say. `watchkeeper config show` lists them.")
    return 0


def _only_consent(context: Context, client: ControlClient, project: str) -> int:
    set_consent(context, client, project, given=context.words.allow)
    if context.as_json:
        context.terminal.document({"project": project, "consent": context.words.allow})
    return 0


def _nothing_red(context: Context) -> int:
    if context.as_json:
        context.terminal.document({"explanation": None})
    else:
        context.terminal.say("No test is red, so there is nothing to explain.")
    return 0


def _forgotten(context: Context, root: str) -> int:
    if context.as_json:
        context.terminal.document({"project": root, "consent": False})
    return 0


def _only_project(watched: Mapping[str, Any], project: str | None) -> str:
    """Return the project that is meant where no test tells it.

    Raises:
        UsageError: It may be several, or is not watched.
    """
    check_watched(watched, project)
    if project is not None:
        return project
    if len(watched) != 1:
        known = ", ".join(watched) or "none"
        raise UsageError(
            "It is not said for which project.", f"Name it with --project. The watched projects are: {known}."
        )
    return next(iter(watched))


def _asked(analysis: AnalysisView) -> str:
    """Return who will most likely be asked: the first provider that can be; empty for nobody."""
    for each in analysis.providers:
        if not each.reason and not modelwords.is_left_alone(each):
            return line(each.model or each.name, 60)
    return ""
