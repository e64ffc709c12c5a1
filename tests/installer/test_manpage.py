"""The man page tells of every command that there is, and of no other."""

import argparse
import re
from collections.abc import Iterator

import pytest

from app.cli.entry import build_parser
from app.cli.table import COMMANDS, START
from release.manpage import escaped, manpage

EPOCH = 1_767_225_600  # 2026-01-01
MACROS = {"TH", "SH", "SS", "TP", "PP", "B", "BR", "I", "EX", "EE", "RS", "RE", "br"}


def arguments(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Gives everything that a command line takes, and what its parts take."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for part in action.choices.values():
                yield from arguments(part)
        elif action.help != argparse.SUPPRESS and "--help" not in action.option_strings:
            yield action


def test_it_has_a_section_for_each_command() -> None:
    """In the order of `--help`, and none besides."""
    page = manpage("1.2.3", EPOCH)

    assert re.findall(r"^\.SS (.+)$", page, re.MULTILINE) == [command.name for command in COMMANDS]


def test_it_tells_every_option_and_example() -> None:
    """Each with what it does, as `--help` has it, and with each minus as one that can be copied into a terminal."""
    page = manpage("1.2.3", EPOCH)
    told = page.replace("\\-", "-").replace("\\e", "\\").replace("\\&", "").lower()

    taken = [action for line in (START, *COMMANDS) for action in arguments(build_parser(line))]
    examples = [example for line in (START, *COMMANDS) for example in line.examples]
    assert not [name for action in taken for name in action.option_strings if f"\\fb{name}\\fr" not in told]
    assert not [action.help for action in taken if action.help and f"\n{action.help.lower()}" not in told]
    assert not [example for example in examples if example.lower() not in told]


def test_it_bears_version_and_day_of_the_commit() -> None:
    """So that it is the same each time it is built."""
    assert manpage("1.2.3", EPOCH).startswith('.TH WATCHKEEPER 1 "2026-01-01" "watchkeeper 1.2.3" "User Commands"\n')


@pytest.mark.parametrize(
    ("text", "read"), [(".so x", r"\&.so x"), ("'it", r"\&'it"), ("a-b", r"a\-b"), ("\\n", r"\en")]
)
def test_a_text_reads_as_it_is(text: str, read: str) -> None:
    """No request at a line's beginning, no escape within, no typographic minus."""
    assert escaped(text) == read


def test_no_text_is_taken_for_a_request() -> None:
    """A line that begins with a full stop is one of the macros that the page means, and never empty."""
    lines = manpage("1.2.3", EPOCH).splitlines()

    requests = {line[1:].split()[0] for line in lines if line.startswith((".", "'"))}
    assert requests <= MACROS
    assert "" not in lines
