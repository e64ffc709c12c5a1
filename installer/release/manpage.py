"""The man page `watchkeeper(1)`, made from the table of commands, so that it cannot tell of others than there are.

The macros are those of man(7); lines are escaped as groff(7) has it.
"""

import argparse
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.cli.table import CommandLine

_SUMMARY = "keep watch over a project's tests while people and coding agents change it"

_DESCRIPTION = """
Watchkeeper sits in the tray and keeps watch over a project. Each save at once runs the tests that it touches, in the
project's own environment, and then all of them. It tells only what changed: which test went red, after which file, and
when it is green again.

Without a command it starts the tray for the projects that are named, or for those of the settings; one that runs
already shows itself. A folder called like a command is written
.I ./NAME\\fR.
"""

_EXIT_CODES = (
    ("0", "All is well."),
    ("1", "A test is red, or an audit found something of the severity that was asked for, or above."),
    ("2", "The command line is wrong."),
    ("3", "It cannot be done now: none runs, the vault is locked, an interpreter is missing."),
    ("4", "A fault of Watchkeeper. The log tells more."),
)

_ENVIRONMENT = (
    ("WATCHKEEPER_HOME", "A folder for settings, history, cache and logs, in place of the usual ones."),
    ("NO_COLOR", "Set to anything: no colours in the terminal."),
    ("VISUAL\\fR, \\fBEDITOR", "What `watchkeeper config edit` opens the settings in."),
)

_FILES = (
    ("~/.config/watchkeeper/settings.toml", "The settings."),
    ("~/.local/share/watchkeeper", "History, vault, and which projects are trusted."),
    ("~/.cache/watchkeeper", "What can be made again."),
    ("~/.local/state/watchkeeper", "Logs."),
    ("PROJECT/.watchkeeper.toml", "A project's own settings, once they are trusted."),
)


def manpage(version: str, epoch: int) -> str:
    """Gives the page's source.

    Args:
        version: the program's.
        epoch: the day that it bears, in seconds since 1970.
    """
    from app.cli.table import COMMANDS, START  # noqa: PLC0415 - there once the environment is

    day = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d")
    lines = [
        f'.TH WATCHKEEPER 1 "{day}" "watchkeeper {version}" "User Commands"',
        ".SH NAME",
        f"watchkeeper \\- {escaped(_SUMMARY)}",
        ".SH SYNOPSIS",
        *_synopsis(_parser(START), "watchkeeper"),
        ".br",
        ".B watchkeeper",
        "\\fICOMMAND\\fR [\\fIARGUMENT\\fR ...]",
        ".SH DESCRIPTION",
        *_paragraphs(_DESCRIPTION),
        ".SH OPTIONS",
        *_arguments(_parser(START)),
        *_examples(START),
        ".SH COMMANDS",
    ]
    for command in COMMANDS:
        lines += _command(command)
    lines += [".SH EXIT STATUS", *_table(_EXIT_CODES)]
    lines += [".SH ENVIRONMENT", *_table(_ENVIRONMENT)]
    lines += [".SH FILES", *_table(_FILES), ".PP", "`watchkeeper config path` tells where they lie here."]
    lines += [".SH SEE ALSO", ".BR pytest (1),", ".BR git (1)"]
    return "\n".join(lines) + "\n"


def _parser(command: "CommandLine") -> argparse.ArgumentParser:
    from app.cli.entry import build_parser  # noqa: PLC0415 - as above

    return build_parser(command)


def _command(command: "CommandLine") -> Iterator[str]:
    yield f".SS {escaped(command.name)}"
    yield from _synopsis(parser := _parser(command), f"watchkeeper {command.name}")
    yield from (".PP", escaped(_sentence(command.help)))
    yield from _arguments(parser)
    yield from _examples(command)


def _examples(command: "CommandLine") -> Iterator[str]:
    yield from (".PP", ".EX")
    yield from (escaped(line) for line in command.examples)
    yield ".EE"


def _synopsis(parser: argparse.ArgumentParser, name: str) -> Iterator[str]:
    yield f".B {escaped(name)}"
    words = [_word(action) for action in _actions(parser)]
    if words:
        yield " ".join(words)


def _arguments(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in _actions(parser):
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - argparse has no public name for it
            told = {choice.dest: choice.help for choice in action._choices_actions}  # noqa: SLF001 - likewise
            for name, part in action.choices.items():
                yield from (".TP", _signature(part, name), escaped(_sentence(told.get(name) or "")) or "\\&")
                inner = list(_arguments(part))
                yield from (".RS", *inner, ".RE") if inner else ()
            continue
        yield from (".TP", _headed(action), escaped(_sentence(_help(action, parser))) or "\\&")


def _signature(parser: argparse.ArgumentParser, name: str) -> str:
    return " ".join((f"\\fB{escaped(name)}\\fR", *(_word(action) for action in _actions(parser))))


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    shown = [action for action in parser._actions if action.help != argparse.SUPPRESS]  # noqa: SLF001 - no public way
    return [action for action in shown if not isinstance(action, argparse._HelpAction)]  # noqa: SLF001 - likewise


def _word(action: argparse.Action) -> str:
    """Gives an argument as it stands in a synopsis."""
    if action.option_strings:
        longest = max(action.option_strings, key=len)
        value = _value(action)
        word = f"\\fB{escaped(longest)}\\fR" + (f" {value}" if value else "")
        return word if action.required else f"[{word}]"
    return _value(action)


def _headed(action: argparse.Action) -> str:
    """Gives an argument as it stands before its explanation."""
    if not action.option_strings:
        return _value(action)
    value = _value(action)
    return ", ".join(f"\\fB{escaped(each)}\\fR" for each in action.option_strings) + (f" {value}" if value else "")


def _value(action: argparse.Action) -> str:
    """Gives what is to be put in place of an argument, as often as it may stand there."""
    if action.nargs == 0:
        return ""
    if isinstance(action.metavar, str):
        name = action.metavar
    elif isinstance(action, argparse._SubParsersAction) or action.choices:  # noqa: SLF001 - no public name for it
        name = "|".join(map(str, action.choices or ()))
    else:
        name = action.dest.upper()
    one = f"\\fI{escaped(name)}\\fR"
    match action.nargs:
        case "?":
            return f"[{one}]"
        case "*":
            return f"[{one} ...]"
        case "+" | "..." | "A...":
            return one if isinstance(action, argparse._SubParsersAction) else f"{one} ..."  # noqa: SLF001 - likewise
        case _:
            return one


def _help(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    said = action.help or ""
    return said % {**vars(action), "prog": parser.prog} if "%" in said else said


def _table(rows: tuple[tuple[str, str], ...]) -> Iterator[str]:
    for name, text in rows:
        yield from (".TP", f"\\fB{name}\\fR", escaped(text))


def _paragraphs(text: str) -> Iterator[str]:
    for number, part in enumerate(text.strip().split("\n\n")):
        if number:
            yield ".PP"
        yield from part.splitlines()


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if not text or text.endswith((".", "?", "!")) else ".")


def escaped(text: str) -> str:
    """Gives plain text as groff reads it: no line is a request, and a minus is a minus that can be copied."""
    line = re.sub(r"[ \t]*\n[ \t]*", " ", text).replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{line}" if line.startswith((".", "'")) else line
