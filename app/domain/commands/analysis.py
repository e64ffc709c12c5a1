"""What is asked of models and of conversations with them."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.commands.base import Command


@dataclass(frozen=True, slots=True, kw_only=True)
class Explain(Command):
    """Explain why a test is red, with the help of a model. Answer: app.domain.analysis.Explanation as it stands now.

    What can be said without a model is in the first answer; a model is asked meanwhile, and the snapshot tells when it
    has answered. Refused with UsageError when the project or a failure of the test is not known.

    Attributes:
        again: Ask a model even if the same failure was explained before.
    """

    project: str
    nodeid: str
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadExplanation(Command):
    """Answer: app.domain.analysis.Explanation as it stands now; no model is asked. Refused as Explain."""

    project: str
    nodeid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPrompt(Command):
    """Answer: app.domain.analysis.PromptPreview, what Explain would send. Refused as Explain, or with ModelError.

    Attributes:
        nodeid: The test; empty for a finding.
        finding: The fingerprint of a finding of the last audit: what the first question about it would send.
    """

    project: str
    nodeid: str = ""
    finding: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetConsent(Command):
    """Agree, or no longer, that a project's source is sent in parts to the providers of now. Answer: their hosts.

    Refused with CommandRefused when they are others than the person was shown, or CannotError when it cannot be kept.

    Attributes:
        hosts: What `needs_consent` has shown, with commas between; empty for whatever they are.
    """

    project: str
    given: bool = True
    hosts: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask(Command):
    """Ask a model. Answer: the conversation's id; what it says is read with ReadReply.

    Refused with UsageError, or with ModelError when it cannot even be tried.

    Attributes:
        text: The question.
        conversation: The conversation that it goes on; empty for a new one.
        project: For a new one, the project that it is about; empty for none.
        nodeid: For a new one, the test that it is about; empty for none.
        finding: For a new one, the finding of the project's last audit that it is about: its fingerprint, or as many of
            its first digits as no other has; empty for none.
    """

    text: str
    conversation: str = ""
    project: str = ""
    nodeid: str = ""
    finding: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadReply(Command):
    """Answer: app.domain.analysis.Reply, what has come of the newest answer of a conversation.

    Attributes:
        after: Characters of it that are known.
        wait_s: Wait for more for so long, at most 20 seconds.
    """

    conversation: str
    after: int = 0
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StopReply(Command):
    """End the answer that is on its way; what came of it is kept. Answer: None."""

    conversation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadConversations(Command):
    """Answer: the conversations, the newest first, as a tuple of app.domain.analysis.ConversationRecord.

    Attributes:
        query: Words that must all stand in a question or an answer, whatever their case; empty for all conversations.
        project: Only those about this project; empty for all.
    """

    query: str = ""
    project: str = ""
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadConversation(Command):
    """Answer: app.domain.analysis.Conversation. Refused with UsageError when there is none of this id."""

    conversation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteConversation(Command):
    """Delete a conversation for good. Answer: None. Refused with UsageError, or CannotError when it cannot be done."""

    conversation: str
