"""A conversation as a Markdown file of a person's choice."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QDir, Qt
from PySide6.QtWidgets import QFileDialog, QWidget

from app.domain.analysis import Conversation
from app.domain.commands import ReadConversation
from app.domain.errors import WatchkeeperError
from app.engine.files import write_atomic
from app.ui.conversation_view import file_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.ui.requests import PageContext


def ask_where(
    context: PageContext, conversation: str, title: str, over: QWidget, done: Callable[[str], None]
) -> QFileDialog:
    """Ask for a file's name in a window that blocks nothing, and export a conversation to it.

    Args:
        context: Whom to ask for the conversation; it is told of what goes wrong.
        conversation: Which.
        title: How it began: the file's name is made of that.
        over: The window that the question lies over.
        done: Called with the path once the file is written.

    Returns:
        The question, which is open.
    """
    dialog = QFileDialog(over, "Export the conversation")
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setNameFilter("Markdown (*.md)")
    dialog.setDefaultSuffix("md")
    dialog.setDirectory(QDir.homePath())
    dialog.selectFile(file_name(title))

    def unexpected(_error: BaseException) -> None:
        context.complain("That went wrong inside Watchkeeper.", "The log says more.")

    def chosen(path: str) -> None:
        context.spawn(_export(context, conversation, path, done), name="window: export", on_error=unexpected)

    dialog.fileSelected.connect(chosen)
    dialog.open()
    return dialog


async def _export(context: PageContext, conversation: str, path: str, done: Callable[[str], None]) -> None:
    try:
        whole = await context.ask(ReadConversation(conversation=conversation))
    except WatchkeeperError as error:
        context.complain(error.message, error.hint)
        return
    if not isinstance(whole, Conversation):
        return
    try:
        await asyncio.to_thread(_write, whole, Path(path))
    except OSError as error:
        context.complain(f"{path} cannot be written: {error.strerror or error}.", "Choose another folder.")
        return
    done(path)


def _write(conversation: Conversation, path: Path) -> None:
    from app.ai.conversations.markdown import to_markdown  # noqa: PLC0415 - few export

    write_atomic(path, to_markdown(conversation).encode("utf-8", "replace"))
