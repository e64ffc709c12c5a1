"""The Conversation page: what was asked of a model, what it answered, and a field to ask more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from app.domain import modelwords, words
from app.domain.analysis import Conversation, Reply, Subject, SubjectKind
from app.domain.commands import Ask, ReadConversation, ReadReply, StopReply
from app.domain.modelwords import STOPPED
from app.ui.conversation_view import answering, empty_text, newest, question_about, subject, took
from app.ui.explain_view import TAKEN_OUT, set_up_of, visible_line
from app.ui.items import side_by_side
from app.ui.pages.consent import WITHDRAWN, WithdrawButton
from app.ui.pages.conversation_asking import AskBar
from app.ui.pages.conversation_delete import Deletion
from app.ui.pages.conversation_export import ask_where
from app.ui.pages.conversation_follow import ReplyFollower
from app.ui.pages.conversation_head import ConversationHead
from app.ui.pages.conversation_known import KnownTalks
from app.ui.pages.conversation_list import ConversationList
from app.ui.pages.conversation_transcript import Transcript
from app.ui.parts import Page, label, row, set_text
from app.ui.theme import SPACE

if TYPE_CHECKING:
    from PySide6.QtGui import QShowEvent

    from app.domain.analysis import AnalysisView, Exchange
    from app.domain.findings import Finding
    from app.domain.snapshot import Snapshot
    from app.ui.pages.conversation_input import QuestionField
    from app.ui.requests import PageContext
    from app.ui.theme import Theme

_LIST_WIDTH = 210


class ConversationPage(Page):
    """Conversations at the left, the one that is looked at beside them. An answer goes on whoever looks."""

    def __init__(self, context: PageContext, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._analysis: AnalysisView | None = None
        self._conversation = ""
        self._about = Subject()
        self._title_text = ""
        self._named = ""
        """What a new conversation is about, in words, where its subject's name says nothing to people."""
        self._turn = 0
        self._asked: dict[str, str] = {}
        """The last question of each conversation that was asked here: it is kept elsewhere only once it is answered."""
        self._last_question = ""
        self._last_seq = 0
        self._reply_seq = 0
        self._is_asking = False
        self._is_answering = False
        self._said_who = False
        self._took = ""
        self._note = ""
        self._known = KnownTalks(context)
        self._deletion = Deletion(context, self._deleted)
        self._follower = ReplyFollower(context, self._hear, self._lose)
        self.destroyed.connect(self._follower.leave)
        self._make_parts(theme)
        self._lay_out()
        new = QShortcut(QKeySequence(QKeySequence.StandardKey.New), self)
        new.activated.connect(self._begin_new)
        self._show()

    @property
    def transcript(self) -> Transcript:
        """What was said."""
        return self._transcript

    @property
    def list(self) -> ConversationList:
        """The conversations."""
        return self._list

    @property
    def field(self) -> QuestionField:
        """What a question is typed into."""
        return self._bar.field

    def show_conversation(self, conversation: str, project: str = "", nodeid: str = "") -> None:
        """Look at a conversation, or with an empty id at a new one about a project's test, and go to the field."""
        if conversation:
            self._open(conversation)
        else:
            kind = SubjectKind.FAILURE if nodeid else SubjectKind.FREE
            self._begin(Subject(kind, project, nodeid))
        self._bar.field.setFocus(Qt.FocusReason.OtherFocusReason)

    def explain_finding(self, project: str, finding: Finding) -> None:
        """Look at the conversation about a finding; where there is none, begin one with the standard question."""
        about = Subject(SubjectKind.FINDING, project, finding.fingerprint)
        turn = self._clear("", about)
        self._named = visible_line(finding.title)
        self._show()
        self._bar.field.setFocus(Qt.FocusReason.OtherFocusReason)

        def found(conversation: str) -> None:
            if turn != self._turn or self._is_asking or self._conversation:
                return  # the person has gone elsewhere, or asks something of their own
            if conversation:
                self._load(conversation)
            else:
                self._put(self._standard)

        self._known.find(about, modelwords.talk_title(finding.title, self._standard), found)

    def render_snapshot(self, snapshot: Snapshot) -> None:
        """Show what is left of the budget, and whether a model can be asked."""
        before, self._analysis = self._analysis, snapshot.analysis
        if before is snapshot.analysis:
            return
        if before is not None and before.asking > snapshot.analysis.asking:
            self._list.read()
        if before is not None and set_up_of(before) != set_up_of(snapshot.analysis):
            self._bar.forget_reason()
        self._show()

    def tick(self) -> None:
        """Bring ages up to date."""
        self._list.tick()
        self._bar.tick()

    def wear(self, theme: Theme) -> None:
        """Take on the colours of a theme."""
        self._list.wear(theme)
        self._transcript.wear(theme)
        self._bar.wear(theme)

    def focus_search(self) -> bool:
        """Put the cursor into the search field."""
        self._list.focus_search()
        return True

    def showEvent(self, event: QShowEvent) -> None:
        """Ask for the conversations: others may have talked meanwhile."""
        super().showEvent(event)
        if not event.spontaneous():
            self._list.read()

    def _make_parts(self, theme: Theme) -> None:
        self._list = ConversationList(self._context, theme)
        self._list.chosen.connect(self._open)
        self._list.was_read.connect(self._compare)
        self._list.new_wanted.connect(self._begin_new)
        self._list.delete_wanted.connect(lambda which, title: self._deletion.ask(which, title, self.window()))
        self._head = ConversationHead()
        self._head.export_wanted.connect(self._ask_where)
        self._transcript = Transcript(theme)
        self._empty = label("", "muted", wraps=True)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._stack = QStackedWidget()
        self._stack.addWidget(self._transcript)
        self._stack.addWidget(self._empty)
        self._bar = AskBar(self._context)
        self._bar.sent.connect(self._put)
        self._bar.again_wanted.connect(self._ask_again)
        self._bar.stop_wanted.connect(self._stop_reply)
        self._foot = label("", "status", wraps=True)
        self._withdraw = WithdrawButton(self._context, self._bar.field)
        self._withdraw.withdrawn.connect(self._tell_withdrawn)

    def _lay_out(self) -> None:
        right = QWidget()
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE)
        column.addWidget(self._head)
        column.addWidget(self._stack, 1)
        column.addWidget(self._bar)
        foot = row(self._foot, self._withdraw)
        foot.setStretch(0, 1)
        column.addLayout(foot)
        split = side_by_side(self._list, right, sizes=(_LIST_WIDTH, 600), shares=(0, 1))
        box = QVBoxLayout(self)
        box.setContentsMargins(2 * SPACE, 2 * SPACE, 2 * SPACE, 2 * SPACE)
        box.addWidget(split)

    def _show(self) -> None:
        # While an answer comes, nobody need know why the next question might get none.
        can_ask = None if self._is_answering else self._analysis
        self._head.show_head(self._heading(), can_ask, can_export=bool(self._conversation))
        set_text(self._empty, empty_text(self._about) if not self._conversation else "")
        self._stack.setCurrentWidget(self._empty if self._transcript.is_empty else self._transcript)
        is_free = not self._is_asking and not self._is_answering
        self._bar.show_state(is_free=is_free, is_answering=self._is_answering)
        was_sent = self._about.kind is not SubjectKind.FREE and (self._is_answering or self._last_seq > 0)
        self._withdraw.offer(self._about.project if was_sent and not self._bar.asks_to_agree else "")
        has_models = self._analysis is not None and bool(self._analysis.providers)
        today = modelwords.spent_today(self._analysis) if self._analysis is not None and has_models else ""
        set_text(self._foot, " \u00b7 ".join(filter(None, (self._note or self._took, today))))

    def _heading(self) -> str:
        if not self._conversation:
            about = self._named or subject(self._about)
            return f"New conversation about {about}" if about else "New conversation"
        return self._title_text or subject(self._about) or "Conversation"

    @property
    def _standard(self) -> str:
        """The standard question about a finding."""
        return modelwords.finding_question(self._context.analysis().language)

    def _clear(self, conversation: str, about: Subject) -> int:
        self._turn += 1
        self._follower.leave()
        self._conversation, self._about = conversation, about
        self._title_text, self._named = self._list.title_of(conversation), ""
        self._last_question, self._last_seq, self._reply_seq = "", 0, 0
        self._is_asking = self._is_answering = self._said_who = False
        self._took = self._note = ""
        self._transcript.forget()
        self._bar.forget_trouble()
        self._list.choose(conversation)
        return self._turn

    @Slot()
    def _begin_new(self) -> None:
        self.show_conversation("")

    def _begin(self, about: Subject) -> None:
        self._clear("", about)
        self._show()

    @Slot(str)
    def _open(self, conversation: str) -> None:
        if conversation != self._conversation or self._transcript.is_empty:
            self._load(conversation)

    @Slot()
    def _compare(self) -> None:
        """Read a conversation again that somebody else, the command line say, has gone on with."""
        busy = self._is_asking or self._is_answering or not self._last_seq
        if not busy and self._list.exchanges_of(self._conversation) > self._last_seq:
            self._load(self._conversation)

    def _load(self, conversation: str) -> None:
        turn = self._clear(conversation, Subject())
        self._show()

        def answered(answer: object) -> None:
            if turn == self._turn and isinstance(answer, Conversation):
                self._about, self._title_text = answer.record.subject, " ".join(answer.record.title.split())
                self._catch_up(answer.exchanges)

        def failed(text: str, hint: str) -> None:
            if turn != self._turn:
                return
            if conversation in self._asked:  # its first answer is on the way, so that nothing is kept of it yet
                self._catch_up(())
            else:
                self._known.forget(conversation)
                self._show_trouble(text, hint, can_repeat=False)

        self._context.request(ReadConversation(conversation=conversation), answered, failed)

    def _catch_up(self, exchanges: tuple[Exchange, ...]) -> None:
        """Show what was said, and what is being said now."""
        turn = self._turn

        def answered(answer: object) -> None:
            if turn != self._turn:
                return
            reply = answer if isinstance(answer, Reply) else None
            last = exchanges[-1].seq if exchanges else 0
            if reply is None or reply.seq < last or (reply.is_done and reply.seq == last):
                self._show_exchanges(exchanges)
                return
            known = exchanges[:-1] if reply.seq == last else exchanges
            question = exchanges[-1].question if reply.seq == last else self._asked.get(self._conversation, "")
            self._show_exchanges(known)
            self._show_question(question, exchanges[-1].at if reply.seq == last else self._context.clock.wall())
            self._is_answering = True
            self._hear(reply)
            if not reply.is_done:
                self._follower.follow(self._conversation, reply.length)

        def failed(_text: str, _hint: str) -> None:
            answered(None)

        self._context.request(ReadReply(conversation=self._conversation), answered, failed)

    def _show_exchanges(self, exchanges: tuple[Exchange, ...]) -> None:
        shown, left_out = newest(exchanges)
        if left_out:
            self._transcript.note(f"{words.plural(left_out, 'earlier question')} left out here. Export has them all.")
        for each in shown:
            self._show_question(each.question, each.at)
            self._transcript.answerer(each.model or each.provider or "No answer")
            self._transcript.answer(each.answer)
            self._took = took(each.provider, each.model, each.usage)
            self._transcript.end_answer(self._took, each.trouble)
            self._last_seq = each.seq
        self._transcript.go_to_end()
        if exchanges:
            self._show_end(exchanges[-1].trouble, "")
        self._show()

    def _show_question(self, question: str, at: float) -> None:
        self._last_question = question
        self._said_who = False
        if question:
            self._transcript.question(question, words.moment(at, self._context.clock.wall()))

    @Slot()
    def _ask_again(self) -> None:
        if self._last_question and not self._is_asking and not self._is_answering:
            self._put(self._last_question)

    @Slot(str)
    def _put(self, text: str) -> None:
        """Ask; what was typed comes back into the field when that is refused."""
        turn, about = self._turn, self._about
        self._is_asking = True
        self._bar.forget_trouble()
        self._show()

        def answered(answer: object) -> None:
            conversation = str(answer)
            self._asked[conversation] = text
            if about.kind is SubjectKind.FINDING and text == self._standard:
                self._known.note(about, conversation)
            if turn == self._turn:
                self._is_asking = False
                self._begin_answer(conversation, text)
            self._list.read()

        def failed(problem: str, hint: str) -> None:
            if turn == self._turn:
                self._is_asking = False
                self._bar.take_back(text)
                self._show_trouble(problem, hint, can_repeat=False)

        def not_agreed(problem: str, hint: str) -> None:
            failed(problem, hint)
            if turn == self._turn and self._about.project:
                hosts = tuple(dict.fromkeys(each.host for each in self._context.analysis().providers))
                self._bar.show_consent(problem, TAKEN_OUT, self._about.project, hosts)
                self._show()

        command = question_about(text, about)
        if self._conversation:
            command = Ask(text=text, conversation=self._conversation)
        self._context.request(command, answered, failed, not_agreed=not_agreed)

    def _begin_answer(self, conversation: str, text: str) -> None:
        if not self._conversation:
            self._conversation, self._title_text = conversation, self._named or text.splitlines()[0]
            self._list.choose(conversation)
        self._is_answering = True
        self._withdraw.note_agreed(self._about.project)
        self._reply_seq = 0
        self._took = self._note = ""
        self._show_question(text, self._context.clock.wall())
        self._say_progress(None)
        self._follower.follow(conversation)

    def _hear(self, reply: Reply) -> None:
        """Take what came of the answer."""
        if self._reply_seq and reply.seq != self._reply_seq:  # it was ended, and the next question asked elsewhere
            self._load(self._conversation)
            return
        self._reply_seq = reply.seq
        if reply.text:
            self._say_who(reply)
            self._transcript.answer(reply.text)
        if not reply.is_done:
            self._say_progress(reply)
            return
        self._say_who(reply)
        self._took = took(reply.provider, reply.model, reply.usage)
        self._transcript.end_answer(self._took, reply.trouble)
        self._is_answering, self._note, self._last_seq = False, "", reply.seq
        self._asked.pop(self._conversation, None)
        self._show_end(reply.trouble, reply.hint)
        self._show()
        if self.isVisible():
            self._list.read()

    def _say_who(self, reply: Reply) -> None:
        if not self._said_who:
            self._said_who = True
            self._transcript.answerer(reply.model or reply.provider or ("No answer" if reply.is_done else "Answer"))

    def _say_progress(self, reply: Reply | None) -> None:
        note = answering(reply)
        if note != self._note or not self._is_answering:
            self._note = note
            self._show()

    def _lose(self, text: str, hint: str) -> None:
        """The answer can be read no longer; what came of it stays."""
        self._is_answering, self._note = False, ""
        self._show_trouble(text, hint, can_repeat=True)

    @Slot()
    def _tell_withdrawn(self) -> None:
        self._note = WITHDRAWN
        self._show()

    @Slot()
    def _stop_reply(self) -> None:
        if self._conversation:
            self._context.request(StopReply(conversation=self._conversation))

    def _show_end(self, trouble: str, hint: str) -> None:
        if trouble == STOPPED:
            self._bar.show_stopped()
        elif trouble:
            self._show_trouble(trouble, hint, can_repeat=True)

    def _show_trouble(self, text: str, hint: str, *, can_repeat: bool) -> None:
        self._bar.show_trouble(text, hint, can_repeat=can_repeat and bool(self._last_question))
        self._show()

    @Slot()
    def _ask_where(self) -> None:
        if self._conversation:
            ask_where(self._context, self._conversation, self._heading(), self.window(), self._exported)

    def _exported(self, path: str) -> None:
        if not self._is_answering:
            self._note = f"Exported to {path}"
            self._show()

    def _deleted(self, conversation: str) -> None:
        self._asked.pop(conversation, None)
        self._known.forget(conversation)
        if conversation == self._conversation:
            self._begin(Subject())
        self._list.read()
