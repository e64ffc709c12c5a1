"""What stands behind a command's name on the command line, for commands that have no room of their own."""

from __future__ import annotations

from argparse import SUPPRESS
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser


def start(parser: ArgumentParser) -> None:
    """Declare the arguments of the tray."""
    parser.add_argument(
        "paths",
        metavar="PATH",
        nargs="*",
        help="a project's folder; default: those in the settings; with none there either, you are asked once",
    )
    parser.add_argument("--window", action="store_true", help="open the window at once")
    parser.add_argument(
        "--keep",
        action="store_true",
        help="stay as a small parent, and start it again when it crashes or is killed; systemd, launchd and the Task "
        "Scheduler do that themselves",
    )
    parser.add_argument(
        "--safe",
        action="store_true",
        help="start in safe mode: without agents, with the log open; so it starts by itself after three crashes in ten "
        "minutes",
    )


def run(parser: ArgumentParser) -> None:
    """Declare the arguments of `run`."""
    parser.add_argument("path", metavar="PATH", nargs="?", default=".", help="the project's folder; default: here")
    parser.add_argument("--headless", action="store_true", help="without a tray, with live status in the terminal")


def once(parser: ArgumentParser) -> None:
    """Declare the arguments of `once`."""
    parser.add_argument("path", metavar="PATH", nargs="?", default=".", help="the project's folder; default: here")
    parser.add_argument(
        "--changed", metavar="FILE", nargs="+", default=[], help="files that changed: their tests run first"
    )
    parser.add_argument(
        "--coverage", action="store_true", help="measure with coverage.py too, where the project's environment has it"
    )


def audit(parser: ArgumentParser) -> None:
    """Declare the arguments of `audit`."""
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


def nothing(parser: ArgumentParser) -> None:
    """Declare the arguments of a command that takes none."""
    del parser


def pause(parser: ArgumentParser) -> None:
    """Declare the arguments of `pause`."""
    parser.add_argument(
        "agent", metavar="AGENT", nargs="?", help="the agent, as `status --json` names it; default: all"
    )
    parser.add_argument("--for", metavar="TIME", dest="time", help="30m, 1h30m, 2d; default: until resumed")


def resume(parser: ArgumentParser) -> None:
    """Declare the arguments of `resume`."""
    parser.add_argument(
        "agent", metavar="AGENT", nargs="?", help="the agent, as `status --json` names it; default: all"
    )


def tests(parser: ArgumentParser) -> None:
    """Declare the arguments of `tests`."""
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


def logs(parser: ArgumentParser) -> None:
    """Declare the arguments of `logs`."""
    parser.add_argument("-f", "--follow", action="store_true", help="go on as lines come, until interrupted")
    parser.add_argument("-n", "--lines", metavar="N", type=int, default=100, help="how many lines; default: 100")


def doctor(parser: ArgumentParser) -> None:
    """Declare the arguments of `doctor`."""
    what = parser.add_subparsers(dest="what", metavar="db|bundle")
    database = what.add_parser("db", help="look after the history's database")
    steps = ("describe", "current", "history", "upgrade", "downgrade")
    database.add_argument("step", nargs="?", choices=steps, default="describe", help="default: describe")
    database.add_argument(
        "revision",
        metavar="REV",
        nargs="?",
        help="for upgrade and downgrade: a revision, or steps (+1, -1); for downgrade also `base`",
    )
    bundle = what.add_parser("bundle", help="write what helps to find a fault of Watchkeeper into one file, no secrets")
    bundle.add_argument("file", metavar="FILE", nargs="?", help="the .zip; default: a new one in this folder")
    for each in what.choices.values():
        each.add_argument("--json", action="store_true", default=SUPPRESS, help="print one JSON document on stdout")


def health(parser: ArgumentParser) -> None:
    """Declare the arguments of `health`."""
    parser.add_argument(
        "--leave-safe-mode", action="store_true", help="have the running instance start its agents after all"
    )
    parser.add_argument(
        "--restart", metavar="AGENT", help="have an agent ended and started again; as `status --json` names it"
    )


def autostart(parser: ArgumentParser) -> None:
    """Declare the arguments of `autostart`."""
    what = parser.add_subparsers(dest="what", required=True, metavar="enable|disable|status|repair|vscode|pm2")
    enable = what.add_parser("enable", help="start with the session, from the next login on")
    enable.add_argument("paths", metavar="PATH", nargs="*", help="projects to watch; default: those in the settings")
    enable.add_argument(
        "--method",
        choices=("xdg", "systemd", "launchagent", "run", "task"),
        help="Linux: xdg (default) or systemd; macOS: launchagent; Windows: run (default) or task",
    )
    what.add_parser("disable", help="do not start with the session any more")
    what.add_parser("status", help="what is started with the session, and what is wrong with that")
    what.add_parser("repair", help="have what is there start this program, after a move or an upgrade")
    vscode = what.add_parser("vscode", help="have VS Code start the watch when it opens the project")
    pm2 = what.add_parser("pm2", help="write an ecosystem file, by which PM2 runs the watch without a desktop")
    for each in (vscode, pm2):
        each.add_argument("path", metavar="PATH", nargs="?", default=".", help="the project's folder; default: here")
    for each in what.choices.values():
        each.add_argument("--json", action="store_true", default=SUPPRESS, help="print one JSON document on stdout")


def alerts(parser: ArgumentParser) -> None:
    """Declare the arguments of `alerts`."""
    what = parser.add_subparsers(dest="what", required=True, metavar="test|status")
    test = what.add_parser("test", help="send a test alert now, whatever is silent or held")
    test.add_argument(
        "channel", metavar="CHANNEL", nargs="?", help="desktop, mail, telegram or webhook; default: all that are set up"
    )
    what.add_parser(
        "status", help="what alerts go through beside this desktop, what waits there, and what is held and why"
    )
    for each in what.choices.values():
        each.add_argument("--json", action="store_true", default=SUPPRESS, help="print one JSON document on stdout")


def update(parser: ArgumentParser) -> None:
    """Declare the arguments of `update`."""
    what = parser.add_subparsers(dest="what", metavar="status|check|download")
    what.add_parser("status", help="what is known, without asking anybody (the default)")
    what.add_parser("check", help="ask now")
    what.add_parser(
        "download", help="ask, fetch the newer release, check it, and tell how it is installed; installs nothing"
    )
    for each in what.choices.values():
        each.add_argument("--json", action="store_true", default=SUPPRESS, help="print one JSON document on stdout")


def config(parser: ArgumentParser) -> None:
    """Declare the arguments of `config`."""
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
        each.add_argument("--json", action="store_true", default=SUPPRESS, help="print one JSON document on stdout")
