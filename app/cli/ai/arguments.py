"""What stands behind `watchkeeper explain`, `ask` and `conversations`."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser, RawDescriptionHelpFormatter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import _SubParsersAction

USUAL_LIMIT = 50


def explain(parser: ArgumentParser) -> None:
    """Declare it for `explain`."""
    parser.add_argument(
        "test",
        metavar="TEST|FINDING",
        nargs="?",
        help="a test's id, or enough of it to tell it apart; or the id of what the last audit found, its first 6 "
        "digits at least; default: the test that went red last",
    )
    parser.add_argument("--project", metavar="PATH", help="the folder of the project whose test or finding it is")
    parser.add_argument("--again", action="store_true", help="ask a model though this was explained before")
    parser.add_argument("--no-wait", action="store_true", help="do not wait for the model: tell what is known now")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--show-prompt", action="store_true", help="show exactly what would be sent to the model, and send nothing"
    )
    instead.add_argument(
        "--allow", action="store_true", help="agree that parts of this project's source are sent to the model"
    )
    instead.add_argument(
        "--forget-consent", action="store_true", help="no longer agree to it for this project, and ask nothing"
    )


def ask(parser: ArgumentParser) -> None:
    """Declare it for `ask`."""
    parser.add_argument("question", metavar="QUESTION", nargs="+", help="best in quotes; `-` reads it from stdin")
    about = parser.add_mutually_exclusive_group()
    about.add_argument("--about", metavar="TEST", help="a test that it is about: its id, or enough of it")
    about.add_argument(
        "--finding", metavar="FINDING", help="what an audit found: its id, or at least the first 6 digits of it"
    )
    about.add_argument(
        "--in", metavar="CONVERSATION", dest="conversation", help="go on with this one: its id, or the beginning of it"
    )
    parser.add_argument("--project", metavar="PATH", help="the folder of the project that it is about")


def conversations(parser: ArgumentParser) -> None:
    """Declare it for `conversations`."""
    what = parser.add_subparsers(dest="what", metavar="COMMAND")
    listed = _add(what, "list", "all of them, the newest first; this is done when nothing is said", "list -n 5")
    shown = _add(what, "show", "one whole conversation", "show 3f2a")
    search = _add(what, "search", "those in which all these words stand", "search fixture scope")
    export = _add(what, "export", "one as Markdown", "export 3f2a", "export 3f2a --to why.md")
    remove = _add(what, "rm", "delete one for good", "rm 3f2a", "rm 3f2a --yes")
    search.add_argument("query", metavar="WORD", nargs="+")
    for each in (listed, search):
        each.add_argument("--project", metavar="PATH", help="only those about this project")
        each.add_argument(
            "-n", "--limit", metavar="N", type=int, default=USUAL_LIMIT, help=f"how many; default: {USUAL_LIMIT}"
        )
    for each in (shown, export, remove):
        each.add_argument("conversation", metavar="ID", help="its id, or the beginning of it")
    export.add_argument("--to", metavar="FILE", help="write it there instead of to standard output")
    export.add_argument("--force", action="store_true", help="though the file is there already")
    remove.add_argument("--yes", action="store_true", help="do not ask")
    for each in what.choices.values():
        # Said behind the sub-command too; SUPPRESS, so that it does not undo one said before it.
        each.add_argument("--json", action="store_true", default=SUPPRESS, help="print one JSON document on stdout")
    parser.set_defaults(what="list", project=None, limit=USUAL_LIMIT)


def _add(what: _SubParsersAction[ArgumentParser], name: str, help_: str, *examples: str) -> ArgumentParser:
    return what.add_parser(
        name,
        help=help_,
        description=f"{help_[:1].upper()}{help_[1:]}.",
        epilog="\n".join(["examples:", *(f"  watchkeeper conversations {each}" for each in examples)]),
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
