"""Answers what faces ask about explanations and conversations."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING

from app.domain import commands

if TYPE_CHECKING:
    from app.agents.analysis.asking import Asking
    from app.agents.analysis.explaining import Explaining
    from app.agents.analysis.subjects import Subjects
    from app.agents.analysis.talking import Talking
    from app.domain.analysis import Explanation, PromptPreview
    from app.engine.bus import Bus


def answer(bus: Bus, asking: Asking, explaining: Explaining, subjects: Subjects, talking: Talking) -> ExitStack:
    """Answer the commands until what is returned is closed; the list of conversations is the history's to answer."""

    async def read_explanation(asked: commands.ReadExplanation) -> Explanation:
        return explaining.shown(await explaining.look(asked.project, asked.nodeid))

    async def set_consent(asked: commands.SetConsent) -> tuple[str, ...]:
        if asked.given:
            hosts = await asking.set_consent(asked.project, asked.hosts, given=True)
            explaining.agreed(asked.project)
            return hosts
        try:
            return await asking.set_consent(asked.project, asked.hosts, given=False)
        finally:  # nothing more is sent, whether the word can be kept or not
            await asyncio.gather(explaining.taken_back(asked.project), talking.taken_back(asked.project))

    async def read_prompt(asked: commands.ReadPrompt) -> PromptPreview:
        if asked.finding:
            return await subjects.preview(asked.project, asked.finding)
        return await explaining.preview(asked.project, asked.nodeid)

    stack = ExitStack()
    stack.callback(
        bus.handle(commands.Explain, lambda asked: explaining.explain(asked.project, asked.nodeid, again=asked.again))
    )
    stack.callback(bus.handle(commands.ReadExplanation, read_explanation))
    stack.callback(bus.handle(commands.ReadPrompt, read_prompt))
    stack.callback(bus.handle(commands.SetConsent, set_consent))
    stack.callback(bus.handle(commands.Ask, talking.ask))
    stack.callback(bus.handle(commands.ReadReply, talking.read))
    stack.callback(bus.handle(commands.StopReply, lambda asked: talking.stop(asked.conversation)))
    stack.callback(bus.handle(commands.ReadConversation, lambda asked: talking.whole(asked.conversation)))
    stack.callback(bus.handle(commands.DeleteConversation, lambda asked: talking.delete(asked.conversation)))
    return stack
