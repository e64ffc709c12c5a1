"""Command lines on Windows: one text for all words, which each program takes apart by CommandLineToArgvW's rules."""

from __future__ import annotations

from subprocess import list2cmdline
from typing import TYPE_CHECKING

from app.system.autostart.entries import MODULE, Start, start_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_WITH_HOME = "import os,sys;os.environ['WATCHKEEPER_HOME']=sys.argv.pop(1);from app.main import main;sys.exit(main())"
"""No entry of Windows can set a variable, and a batch file would open a console: the program does it first of all.
Each space less is one more for paths: the Run key has room for few."""


def start_words(start: Start, *, keeps: bool) -> tuple[str, ...]:
    """Return the words that start it, with its WATCHKEEPER_HOME set.

    Args:
        start: What to start; with a home, its program must be an interpreter and `MODULE`.
        keeps: As for `Start.words`.
    """
    words = start.words(keeps=keeps)
    if not start.home:
        return words
    return (start.program[0], "-P", "-c", _WITH_HOME, start.home, *words[len(start.program) :])


def start_of_words(words: Sequence[str]) -> Start | None:
    """Return what such words start; None when they are none that Watchkeeper writes."""
    if tuple(words[1:4]) == ("-P", "-c", _WITH_HOME) and len(words) > 4:  # noqa: PLR2004 - the words of start_words
        return start_of((words[0], *MODULE, *words[5:]), words[4])
    return start_of(words)


def command_line(words: Sequence[str]) -> str:
    """Return the words as one text. The program stands in quotes: else Windows may stop at its first space."""
    return f'"{words[0]}" {list2cmdline(words[1:])}' if len(words) > 1 else f'"{words[0]}"'


def split_command_line(text: str) -> tuple[str, ...]:
    """Take a command line apart as CommandLineToArgvW does.

    From "Parsing C command-line arguments": 2n backslashes and a quote are n backslashes and a quote that opens or
    closes, 2n + 1 are n and a quote that is meant; in the program's name a backslash is nothing but itself.
    """
    text = text.strip(" \t")
    if not text:
        return ()
    if text.startswith('"'):
        program, _, rest = text[1:].partition('"')
    else:
        program, _, rest = text.replace("\t", " ").partition(" ")
    return (program, *_arguments(rest))


def _arguments(text: str) -> list[str]:
    words: list[str] = []
    word: str | None = None
    is_quoted, backslashes = False, 0
    for character in text:
        if character == "\\":
            backslashes += 1
            continue
        if character == '"':
            word = (word or "") + "\\" * (backslashes // 2)
            if backslashes % 2:
                word += '"'
            else:
                is_quoted = not is_quoted
        else:
            if backslashes:
                word = (word or "") + "\\" * backslashes
            if character in " \t" and not is_quoted:
                if word is not None:
                    words.append(word)
                word = None
            else:
                word = (word or "") + character
        backslashes = 0
    if backslashes:
        word = (word or "") + "\\" * backslashes
    return words if word is None else [*words, word]
