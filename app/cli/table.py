"""The one table of commands: help, examples and parser come from it, and it is what is carried out."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from typing import Any

    from app.cli.context import Context


@dataclass(frozen=True, slots=True)
class CommandLine:
    """One command. Its code is named as `module:function` and imported once it is wanted.

    Attributes:
        examples: Whole lines, as one would type them.
        arguments: What declares what stands behind the name, given a parser.
        function: What carries it out, given a Context, and returns the exit code.
        prints_data: True for a command that takes `--json`.
        json_help: What `--json` does.
    """

    name: str
    help: str
    examples: tuple[str, ...]
    arguments: str
    function: str
    prints_data: bool = True
    json_help: str = "print one JSON document, and nothing else, on stdout"

    def declare(self, parser: ArgumentParser) -> None:
        """Declare what stands behind the name."""
        _named(self.arguments)(parser)

    def carry_out(self, context: Context) -> int:
        """Do what is asked, and return the exit code."""
        code: int = _named(self.function)(context)
        return code


def _named(name: str) -> Any:  # noqa: ANN401 - a function of one of two kinds
    module, _, function = name.partition(":")
    return getattr(import_module(module), function)


START = CommandLine(
    "",
    "Start the tray and watch these projects, or raise the one that runs.",
    (
        "watchkeeper",
        "watchkeeper ~/src/flask",
        "watchkeeper --keep     start it again when it crashes",
        "watchkeeper ./status     a folder called like a command",
    ),
    "app.cli.arguments:start",
    "app.cli.projects:start",
    prints_data=False,
)

COMMANDS = (
    CommandLine(
        "run",
        "watch one project, with a tray or without",
        ("watchkeeper run . --headless", "watchkeeper run ~/src/flask --headless --json"),
        "app.cli.arguments:run",
        "app.cli.projects:run",
        json_help="with --headless: print each event as a line of JSON, and nothing else, on stdout",
    ),
    CommandLine(
        "once",
        "run a project's tests once, report, and exit with 0 or 1",
        ("watchkeeper once .", "watchkeeper once . --changed src/app.py", "watchkeeper once . --coverage --json"),
        "app.cli.arguments:once",
        "app.cli.projects:once",
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
        "app.cli.arguments:audit",
        "app.cli.auditing:audit",
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
        "app.cli.aws.arguments:audit_aws",
        "app.cli.aws.auditing:audit_aws",
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
        "app.cli.aws.arguments:audit_fix",
        "app.cli.aws.fixing:audit_fix",
    ),
    CommandLine(
        "status",
        "what the running instance sees; exit 1 when something is red, or wants a look",
        ("watchkeeper status", "watchkeeper status --json | jq .mood"),
        "app.cli.arguments:nothing",
        "app.cli.instance:status",
    ),
    CommandLine(
        "pause",
        "let agents rest",
        ("watchkeeper pause", "watchkeeper pause --for 30m"),
        "app.cli.arguments:pause",
        "app.cli.instance:pause",
    ),
    CommandLine(
        "resume",
        "let paused agents work again",
        ("watchkeeper resume",),
        "app.cli.arguments:resume",
        "app.cli.instance:resume",
    ),
    CommandLine(
        "stop",
        "end the running instance in an orderly way",
        ("watchkeeper stop",),
        "app.cli.arguments:nothing",
        "app.cli.instance:stop",
    ),
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
        "app.cli.arguments:tests",
        "app.cli.dispatch:tests",
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
        "app.cli.ai.arguments:explain",
        "app.cli.ai.explaining:explain",
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
        "app.cli.ai.arguments:ask",
        "app.cli.ai.asking:ask",
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
        "app.cli.ai.arguments:conversations",
        "app.cli.ai.conversing:conversations",
    ),
    CommandLine(
        "logs",
        "the log of the running instance, or its file's end",
        ("watchkeeper logs", "watchkeeper logs -f", "watchkeeper logs -n 20 --json"),
        "app.cli.arguments:logs",
        "app.cli.loglines:logs",
    ),
    CommandLine(
        "health",
        "how the program itself fares; exit 1 when something is wrong with it, 3 when none runs",
        ("watchkeeper health", "watchkeeper health --json | jq .good", "watchkeeper health --restart tests:shop"),
        "app.cli.arguments:health",
        "app.cli.health:health",
    ),
    CommandLine(
        "doctor",
        "check this machine and tell what to do; `doctor db` looks after the database, `doctor bundle` makes a report",
        (
            "watchkeeper doctor",
            "watchkeeper doctor bundle ~/report.zip",
            "watchkeeper doctor db current",
            "watchkeeper doctor db downgrade -1",
        ),
        "app.cli.arguments:doctor",
        "app.cli.dispatch:doctor",
    ),
    CommandLine(
        "alerts",
        "whether alerts reach you: test, status; exit 1 when a channel did not let the last one through",
        ("watchkeeper alerts test", "watchkeeper alerts test mail", "watchkeeper alerts status --json"),
        "app.cli.arguments:alerts",
        "app.cli.alerts:alerts",
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
        "app.cli.keys.arguments:arguments",
        "app.cli.keys.dispatch:keys",
    ),
    CommandLine(
        "autostart",
        "start with the session: enable, disable, status, repair; or by VS Code or PM2",
        (
            "watchkeeper autostart enable",
            "watchkeeper autostart enable ~/src/flask --method systemd",
            "watchkeeper autostart status --json",
            "watchkeeper autostart vscode .",
        ),
        "app.cli.arguments:autostart",
        "app.cli.autostart:autostart",
    ),
    CommandLine(
        "update",
        "whether there is a newer release: status, check, download; exit 1 when what is told of it is not to be "
        "trusted, 3 where this build does not look for any",
        (
            "watchkeeper update",
            "watchkeeper update check",
            "watchkeeper update download",
            "watchkeeper update check --json | jq -r .newer",
        ),
        "app.cli.arguments:update",
        "app.cli.updates:update",
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
        "app.cli.arguments:config",
        "app.cli.dispatch:config",
    ),
)
