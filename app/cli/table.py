"""The one table of commands: help, examples and parser come from it, and it is what is carried out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable

    from app.cli.context import Context


@dataclass(frozen=True, slots=True)
class CommandLine:
    """One command.

    Attributes:
        examples: Whole lines, as one would type them.
        arguments: Declares what stands behind the name.
        function: Carries it out and returns the exit code; it imports what it needs.
        prints_data: True for a command that takes `--json`.
        json_help: What `--json` does.
    """

    name: str
    help: str
    examples: tuple[str, ...]
    arguments: Callable[[ArgumentParser], None]
    function: Callable[[Context], int]
    prints_data: bool = True
    json_help: str = "print one JSON document, and nothing else, on stdout"


def _start_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("paths", metavar="PATH", nargs="*", help="a project's folder; default: those in the settings")
    parser.add_argument("--window", action="store_true", help="open the window at once")


def _start(context: Context) -> int:
    from app.cli.projects import start

    return start(context)


def _run_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", nargs="?", default=".", help="the project's folder; default: here")
    parser.add_argument("--headless", action="store_true", help="without a tray, with live status in the terminal")


def _run(context: Context) -> int:
    from app.cli.projects import run

    return run(context)


def _once_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", nargs="?", default=".", help="the project's folder; default: here")
    parser.add_argument(
        "--changed", metavar="FILE", nargs="+", default=[], help="files that changed: their tests run first"
    )
    parser.add_argument(
        "--coverage", action="store_true", help="measure with coverage.py too, where the project's environment has it"
    )


def _once(context: Context) -> int:
    from app.cli.projects import once

    return once(context)


def _audit_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "path",
        metavar="PATH",
        nargs="?",
        default=".",
        help="the project's folder; default: here. One within a repository stands for all of it, unless it has a "
        "pyproject.toml, package.json or the like, is watched, or was audited before",
    )
    parser.add_argument(
        "--only",
        metavar="CHECK",
        nargs="+",
        default=[],
        help="these checks alone; see --checks. Such an audit does not count as the last one, nor in the trend",
    )
    parser.add_argument(
        "--format",
        choices=("text", "json", "sarif", "html", "md"),
        help="the report's form; default: as the name behind --output ends, else text",
    )
    parser.add_argument("--output", metavar="FILE", help="write the report into this file")
    parser.add_argument(
        "--fail-on",
        metavar="SEVERITY",
        choices=("info", "low", "medium", "high", "critical", "never"),
        default="high",
        help="exit with 1 for findings of this severity and above, known ones too; default: high",
    )
    parser.add_argument("--marker", metavar="FILE", help="check what this file claims, such as TASK_COMPLETE.md")
    parser.add_argument(
        "--baseline", action="store_true", help="accept what is found now: write it into .watchkeeper-baseline.json"
    )
    parser.add_argument("--mute", metavar="FINDING", help="be silent about this finding; with --reason")
    parser.add_argument("--reason", metavar="TEXT", help="with --mute: why")
    parser.add_argument("--days", metavar="N", type=int, help="with --mute: for so many days; default: for good")
    parser.add_argument("--unmute", metavar="FINDING", help="tell of this finding again")
    parser.add_argument("--mutes", action="store_true", help="list what is muted")
    parser.add_argument("--checks", action="store_true", help="list the checks that there are")


def _audit(context: Context) -> int:
    from app.cli.auditing import audit

    return audit(context)


def _audit_aws_arguments(parser: ArgumentParser) -> None:
    from app.cli.aws.arguments import audit_aws

    audit_aws(parser)


def _audit_aws(context: Context) -> int:
    from app.cli.aws.auditing import audit_aws

    return audit_aws(context)


def _audit_fix_arguments(parser: ArgumentParser) -> None:
    from app.cli.aws.arguments import audit_fix

    audit_fix(parser)


def _audit_fix(context: Context) -> int:
    from app.cli.aws.fixing import audit_fix

    return audit_fix(context)


def _no_arguments(parser: ArgumentParser) -> None:
    del parser


def _status(context: Context) -> int:
    from app.cli.instance import status

    return status(context)


def _pause_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "agent", metavar="AGENT", nargs="?", help="the agent, as `status --json` names it; default: all"
    )
    parser.add_argument("--for", metavar="TIME", dest="time", help="30m, 1h30m, 2d; default: until resumed")


def _pause(context: Context) -> int:
    from app.cli.instance import pause

    return pause(context)


def _resume_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "agent", metavar="AGENT", nargs="?", help="the agent, as `status --json` names it; default: all"
    )


def _resume(context: Context) -> int:
    from app.cli.instance import resume

    return resume(context)


def _stop(context: Context) -> int:
    from app.cli.instance import stop

    return stop(context)


def _tests_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("what", choices=("last", "history", "flaky", "slow", "why"), help="what to tell")
    parser.add_argument(
        "path",
        metavar="PATH|TEST",
        nargs="?",
        help="the project's folder, default: all projects; with `why`: a test's id, or enough of it to tell it apart",
    )
    parser.add_argument("--project", metavar="PATH", help="only this project, watched or known of before")
    parser.add_argument("--limit", metavar="N", type=int, default=20, help="how many lines; default: 20")
    parser.add_argument("--output", action="store_true", help="with `last`: what each red test said and printed too")


def _tests(context: Context) -> int:
    if context.words.what == "why":
        from app.cli.why import why

        return why(context)
    from app.cli.journal import tests

    return tests(context)


def _logs_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("-f", "--follow", action="store_true", help="go on as lines come, until interrupted")
    parser.add_argument("-n", "--lines", metavar="N", type=int, default=100, help="how many lines; default: 100")


def _logs(context: Context) -> int:
    from app.cli.loglines import logs

    return logs(context)


def _doctor_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("what", nargs="?", choices=("db",), help="look after the history's database")
    steps = ("describe", "current", "history", "upgrade", "downgrade")
    parser.add_argument("step", nargs="?", choices=steps, default="describe", help="default: describe")
    parser.add_argument(
        "revision",
        metavar="REV",
        nargs="?",
        help="for upgrade and downgrade: a revision, or steps (+1, -1); for downgrade also `base`",
    )


def _doctor(context: Context) -> int:
    if context.words.what == "db":
        from app.cli.database import database

        return database(context)
    from app.cli.doctor import doctor

    return doctor(context)


def _config_arguments(parser: ArgumentParser) -> None:
    what = parser.add_subparsers(dest="what", required=True, metavar="show|set|edit|path|trust")
    what.add_parser("show", help="every setting, its value, and what it is for")
    change = what.add_parser("set", help="change one setting; comments in the file stay")
    change.add_argument("key", metavar="KEY", help="tests.hang_seconds, say")
    change.add_argument("values", metavar="VALUE", nargs="...", help="as in TOML, or plain words")
    edit = what.add_parser("edit", help="open the file in VISUAL or EDITOR, and check it afterwards")
    what.add_parser("path", help="where settings, history, cache and logs lie")
    trust = what.add_parser("trust", help="let a project's own settings hold, as they are now")
    trust.add_argument("path", metavar="PATH", nargs="?", default=".", help="the project's folder; default: here")
    trust.add_argument("--revoke", action="store_true", help="trust them no longer")
    for each in set(what.choices.values()) - {edit}:
        # Said behind the sub-command too; SUPPRESS, so that it does not undo one said before it.
        each.add_argument("--json", action="store_true", default=_suppress(), help="print one JSON document on stdout")


def _suppress() -> str:
    from argparse import SUPPRESS

    return SUPPRESS


def _config(context: Context) -> int:
    if context.words.what == "path":
        from app.cli.paths import path

        return path(context)
    from app.cli.config import config

    return config(context)


def _keys_arguments(parser: ArgumentParser) -> None:
    from app.cli.keys.arguments import arguments

    arguments(parser)


def _keys(context: Context) -> int:
    from app.cli.keys.dispatch import keys

    return keys(context)


def _explain_arguments(parser: ArgumentParser) -> None:
    from app.cli.ai.arguments import explain

    explain(parser)


def _explain(context: Context) -> int:
    from app.cli.ai.explaining import explain

    return explain(context)


def _ask_arguments(parser: ArgumentParser) -> None:
    from app.cli.ai.arguments import ask

    ask(parser)


def _ask(context: Context) -> int:
    from app.cli.ai.asking import ask

    return ask(context)


def _conversations_arguments(parser: ArgumentParser) -> None:
    from app.cli.ai.arguments import conversations

    conversations(parser)


def _conversations(context: Context) -> int:
    from app.cli.ai.conversing import conversations

    return conversations(context)


START = CommandLine(
    "",
    "Start the tray and watch these projects, or raise the one that runs.",
    ("watchkeeper", "watchkeeper ~/src/flask", "watchkeeper ./status     a folder called like a command"),
    _start_arguments,
    _start,
    prints_data=False,
)

COMMANDS = (
    CommandLine(
        "run",
        "watch one project, with a tray or without",
        ("watchkeeper run . --headless", "watchkeeper run ~/src/flask --headless --json"),
        _run_arguments,
        _run,
        json_help="with --headless: print each event as a line of JSON, and nothing else, on stdout",
    ),
    CommandLine(
        "once",
        "run a project's tests once, report, and exit with 0 or 1",
        ("watchkeeper once .", "watchkeeper once . --changed src/app.py", "watchkeeper once . --coverage --json"),
        _once_arguments,
        _once,
    ),
    CommandLine(
        "audit",
        "look a project over: secrets, security, dependencies, loosened tests; exit 1 when something is found",
        (
            "watchkeeper audit .",
            "watchkeeper audit . --only secrets leftovers --fail-on medium",
            "watchkeeper audit . --format sarif --output audit.sarif",
            'watchkeeper audit . --mute 3f9c0a51d2e8 --reason "a key of the test server" --days 90',
        ),
        _audit_arguments,
        _audit,
    ),
    CommandLine(
        "audit aws",
        "look AWS accounts over: S3, IAM, security groups; exit 1 when something is found",
        (
            "watchkeeper audit aws production     a profile of the AWS configuration",
            "watchkeeper audit aws     those of the settings",
            "watchkeeper audit aws arn:aws:iam::111122223333:role/Audit --service s3 --regions eu-central-1",
            "watchkeeper audit aws --format sarif --output aws.sarif --fail-on medium",
        ),
        _audit_aws_arguments,
        _audit_aws,
    ),
    CommandLine(
        "audit fix",
        "repair what an audit of AWS found: shows the plan; only --apply does it, --rollback takes it back",
        (
            "watchkeeper audit fix 3f9c0a51d2e8",
            "watchkeeper audit fix 3f9c0a51d2e8 --apply",
            "watchkeeper audit fix 3f9c0a51d2e8 --rollback",
            "watchkeeper audit fix 77ab02c4f190 --logs-to shop-logs",
        ),
        _audit_fix_arguments,
        _audit_fix,
    ),
    CommandLine(
        "status",
        "what the running instance sees; exit 1 when something is red, or wants a look",
        ("watchkeeper status", "watchkeeper status --json | jq .mood"),
        _no_arguments,
        _status,
    ),
    CommandLine(
        "pause",
        "let agents rest",
        ("watchkeeper pause", "watchkeeper pause --for 30m"),
        _pause_arguments,
        _pause,
    ),
    CommandLine(
        "resume",
        "let paused agents work again",
        ("watchkeeper resume",),
        _resume_arguments,
        _resume,
    ),
    CommandLine("stop", "end the running instance in an orderly way", ("watchkeeper stop",), _no_arguments, _stop),
    CommandLine(
        "tests",
        "what is known of tests: last, history, flaky, slow; `tests why` tells why one was run",
        (
            "watchkeeper tests last --output",
            "watchkeeper tests slow . --limit 5",
            "watchkeeper tests flaky --json",
            "watchkeeper tests why test_login",
            "watchkeeper tests why tests/test_shop.py::test_total --project ~/src/shop --json",
        ),
        _tests_arguments,
        _tests,
    ),
    CommandLine(
        "explain",
        "why a test is red, or what an audit found: first without a model, then with one; exit 3 when that one gives "
        "no answer",
        (
            "watchkeeper explain",
            "watchkeeper explain test_login",
            "watchkeeper explain 3f9c0a51d2e8     what the last audit found",
            "watchkeeper explain test_login --show-prompt",
            "watchkeeper explain test_login --allow",
            "watchkeeper explain tests/test_shop.py::test_total --project ~/src/shop --json",
        ),
        _explain_arguments,
        _explain,
    ),
    CommandLine(
        "ask",
        "ask a model; the answer is written as it comes",
        (
            'watchkeeper ask "Why does it fail?" --about test_login',
            'watchkeeper ask "Is that a risk in a test?" --finding 3f9c0a51d2e8',
            'watchkeeper ask "And how do I mend it?" --in 3f2a',
            "watchkeeper ask - --project . --json | jq -r .answer",
        ),
        _ask_arguments,
        _ask,
    ),
    CommandLine(
        "conversations",
        "what was asked and answered: list, show, search, export, rm",
        (
            "watchkeeper conversations",
            "watchkeeper conversations show 3f2a",
            "watchkeeper conversations search fixture scope",
            "watchkeeper conversations export 3f2a --to why.md",
        ),
        _conversations_arguments,
        _conversations,
    ),
    CommandLine(
        "logs",
        "the log of the running instance, or its file's end",
        ("watchkeeper logs", "watchkeeper logs -f", "watchkeeper logs -n 20 --json"),
        _logs_arguments,
        _logs,
    ),
    CommandLine(
        "doctor",
        "check this machine and tell what to do; `doctor db` looks after the database",
        ("watchkeeper doctor", "watchkeeper doctor db current", "watchkeeper doctor db downgrade -1"),
        _doctor_arguments,
        _doctor,
    ),
    CommandLine(
        "keys",
        "API keys in a vault: encrypted, opened by the system's keychain, with a log of who read what",
        (
            "watchkeeper keys init",
            "watchkeeper keys set DEEPSEEK_API_KEY",
            "watchkeeper keys list",
            "watchkeeper keys run --only DEEPSEEK_API_KEY -- python ask.py",
        ),
        _keys_arguments,
        _keys,
    ),
    CommandLine(
        "config",
        "see and change the settings",
        (
            "watchkeeper config show",
            "watchkeeper config set tests.hang_seconds 60",
            "watchkeeper config set tests.args -x -q",
            "watchkeeper config trust .",
        ),
        _config_arguments,
        _config,
    ),
)
