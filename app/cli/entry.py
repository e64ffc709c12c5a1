"""From words to a command, and from whatever comes of it to an exit code."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.context import Context
from app.cli.exits import EXIT_GOOD, EXIT_INTERRUPTED, EXIT_PIPE
from app.cli.table import COMMANDS, START
from app.cli.terminal import Terminal, plain
from app.domain.errors import WatchkeeperError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.cli.launchers import Launchers
    from app.cli.table import CommandLine


def run_command(argv: Sequence[str], launchers: Launchers) -> int:
    """Carry out one command line, and return the exit code. Shows no traceback, whatever happens."""
    terminal = Terminal(sys.stdout, sys.stderr, os.environ)
    as_json = "--json" in argv
    try:
        code = _run(argv, launchers, terminal)
        terminal.flush()
    except SystemExit as stop:  # argparse, which has said why
        return stop.code if isinstance(stop.code, int) else EXIT_GOOD
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Python flushes both once more at its end, and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PIPE
    except WatchkeeperError as error:
        return _tell(error, terminal, as_json=as_json)
    except Exception as error:  # noqa: BLE001 - the last resort: told in a line, kept in the log
        return _tell_fault(error, terminal, as_json=as_json)
    return code


def build_parser(line: CommandLine) -> argparse.ArgumentParser:
    """Return the parser of one command, with its example in the help."""
    parser = argparse.ArgumentParser(
        prog=f"watchkeeper {line.name}".rstrip(),
        description=line.help,
        epilog="\n".join(["examples:", *(f"  {each}" for each in line.examples)]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    line.declare(parser)
    if line.prints_data:
        parser.add_argument("--json", action="store_true", help=line.json_help)
    return parser


def _run(argv: Sequence[str], launchers: Launchers, terminal: Terminal) -> int:
    # A command wins over a folder of its name; `./status` is the folder.
    line = max(
        (each for each in COMMANDS if each.name.split() == list(argv[: len(each.name.split())])),
        key=lambda each: len(each.name),
        default=None,
    )
    if line is None and argv and argv[0] in {"-h", "--help", "help"}:
        _print_help(terminal)
        return EXIT_GOOD
    chosen = line or START
    words = build_parser(chosen).parse_args(argv[len(line.name.split()) :] if line else argv)
    names = tuple(each.name for each in COMMANDS if " " not in each.name)
    return chosen.carry_out(Context(words, terminal, launchers, os.environ, Path.cwd(), names))


def _print_help(terminal: Terminal) -> None:
    terminal.say("Watchkeeper keeps watch over a project's tests while people and coding agents change it.\n")
    terminal.say("usage: watchkeeper [PATH ...]        the tray, for these projects")
    terminal.say("       watchkeeper --keep [PATH ...] the same, and started again when it crashes or is killed")
    terminal.say("       watchkeeper --safe            the tray in safe mode: no agents, and the log open")
    terminal.say("       watchkeeper COMMAND [...]     `watchkeeper COMMAND --help` tells more, with examples\n")
    terminal.table([(each.name, each.help) for each in COMMANDS], indent="  ")
    terminal.say("\nA folder called like a command is written ./NAME. Settings, history, cache and logs lie where")
    terminal.say("`watchkeeper config path` says, or all under WATCHKEEPER_HOME.")
    terminal.say("Exit codes: 0 good, 1 red, 2 wrong use, 3 cannot be done now, 4 a fault of Watchkeeper.")


def _tell(error: WatchkeeperError, terminal: Terminal, *, as_json: bool) -> int:
    if as_json:
        told = {"title": error.title, "message": error.message, "hint": error.hint, "exit_code": error.exit_code}
        terminal.document({"error": told})
    else:
        terminal.note(f"watchkeeper: {plain(error.message)}")
        if error.hint:
            terminal.note(plain(error.hint))
    if sys.stderr is None:  # started by a double click, or at login
        from app.system.messagebox import show_message

        show_message("Watchkeeper", f"{error.message}\n\n{error.hint}".rstrip())
    return error.exit_code


def _tell_fault(error: Exception, terminal: Terminal, *, as_json: bool) -> int:
    from app.domain.errors import InternalError

    where = _log_fault(error)
    fault = InternalError(f"Watchkeeper failed: {type(error).__name__}.", where)
    return _tell(fault, terminal, as_json=as_json)


def _log_fault(error: Exception) -> str:
    """Keep the traceback where a report can be made from it, and return where that is, in words."""
    try:
        from app.engine import logs
        from app.engine.places import Places

        places = Places.find(os.environ)
        with logs.configure(places, "info", ring=logs.LogRing(1), name="command") as log:
            import structlog

            structlog.get_logger(__name__).critical("a command failed", argv=sys.argv[1:3], exc_info=error)
            why = log.trouble
        return why or f"What happened is in {places.log_file('command')}."
    except Exception:  # noqa: BLE001 - a fault in telling of a fault has nowhere to go
        return "What happened could not be logged either."
