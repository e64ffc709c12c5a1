"""What stands behind `watchkeeper keys`: no value of a secret is ever among it."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser, RawDescriptionHelpFormatter
from typing import TYPE_CHECKING

from app.keys.servers import NEEDED

if TYPE_CHECKING:
    from argparse import _SubParsersAction

_WITHOUT_JSON = frozenset({"run", "init"})


def arguments(parser: ArgumentParser) -> None:
    """Declare it."""
    what = parser.add_subparsers(dest="what", required=True, metavar="COMMAND")
    _making(what)
    _secrets(what)
    _coming(what)
    for name, each in what.choices.items():
        if name not in _WITHOUT_JSON:
            each.add_argument("--json", action="store_true", default=SUPPRESS, help="print one JSON document on stdout")


def _add(what: _SubParsersAction[ArgumentParser], name: str, help_: str, *examples: str) -> ArgumentParser:
    epilog = "\n".join(["examples:", *(f"  watchkeeper keys {each}" for each in examples)])
    return what.add_parser(
        name,
        help=help_,
        description=f"{help_[:1].upper()}{help_[1:]}.",
        epilog=epilog,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def _making(what: _SubParsersAction[ArgumentParser]) -> None:
    init = _add(what, "init", "make a vault, and show its recovery code once", "init", "init --passphrase")
    init.add_argument("--passphrase", action="store_true", help="ask for a passphrase that opens it as well")
    init.add_argument(
        "--server",
        metavar="KIND",
        action="append",
        default=[],
        choices=tuple(NEEDED),
        help=f"one of {', '.join(NEEDED)}",
    )
    init.add_argument("--no-keychain", action="store_true", help="do not use the system's keychain")
    init.add_argument(
        "--recovery-file", metavar="FILE", help="write the recovery code to this new file instead of showing it"
    )
    init.add_argument(
        "--forget-lost", action="store_true", help="though the keychain remembers a vault here whose file is lost"
    )
    slots = _add(what, "slots", "the ways to open the vault", "slots", "slots --add passphrase", "slots --remove 5f2a")
    change = slots.add_mutually_exclusive_group()
    change.add_argument("--add", choices=("keychain", "passphrase", *NEEDED), help="make another one")
    change.add_argument("--remove", metavar="ID", help="remove one, by its id or the beginning of it")
    recover = _add(what, "recover", "open the vault by its recovery code, and put the keychain right", "recover")
    recover.add_argument(
        "--passphrase", action="store_true", help="make a new passphrase instead of the keychain's slot"
    )
    recover.add_argument("--new", action="store_true", help="make a new recovery code: the old one opens no more")
    recover.add_argument("--recovery-file", metavar="FILE", help="with --new: write the new code to this new file")
    restore = _add(
        what,
        "restore",
        "put a backup in place; without a number, list them",
        "restore",
        "restore 1",
        "restore 1 --json",
    )
    restore.add_argument(
        "which", metavar="NUMBER|FILE", nargs="?", help="a backup as listed, 1 is the newest; or an exported vault"
    )
    restore.add_argument(
        "--current", action="store_true", help="keep the vault that is there, though it is not the newest"
    )
    restore.add_argument("--recovery", action="store_true", help="ask for the recovery code to open it")


def _secrets(what: _SubParsersAction[ArgumentParser]) -> None:
    _add(what, "list", "names, ages and due dates; no values", "list", "list --json")
    put = _add(
        what,
        "set",
        "set a secret: its value is asked for, or read from standard input",
        "set DEEPSEEK_API_KEY",
        "set TELEGRAM_TOKEN --due 90d < token.txt",
        "set DEEPSEEK_API_KEY --keep --notes 'the team account'",
    )
    put.add_argument("name", metavar="NAME", help="letters, digits and _ . - / @")
    put.add_argument(
        "--group", metavar="NAME", help="of secrets that serve as well; default: the name without _1 to _9"
    )
    put.add_argument("--notes", metavar="TEXT", help="your own words")
    put.add_argument("--due", metavar="TIME", help="remind me to renew it after this time: 90d, say; `never` for not")
    put.add_argument("--keep", action="store_true", help="keep the value, change only what is said of it")
    get = _add(
        what, "get", "a secret's value, for a pipe", "get DEEPSEEK_API_KEY | wc -c", "get DEEPSEEK_API_KEY --show"
    )
    get.add_argument("name", metavar="NAME")
    get.add_argument("--show", action="store_true", help="show it on the terminal too")
    copy = _add(
        what, "copy", "put a value into the clipboard for half a minute, by the running tray", "copy AWS_SECRET"
    )
    copy.add_argument("name", metavar="NAME")
    _add(
        what,
        "unlock",
        "have the running Watchkeeper open the vault; where the keychain does not, the passphrase is asked for, or read"
        " from standard input",
        "unlock",
        "unlock < passphrase.txt",
    )
    _add(what, "lock", "have the running Watchkeeper forget the vault's keys", "lock")
    remove = _add(what, "rm", "remove a secret", "rm OLD_TOKEN")
    remove.add_argument("name", metavar="NAME")
    remove.add_argument("--yes", action="store_true", help="do not ask")
    rotate = _add(what, "rotate", "encrypt everything under a new data key", "rotate", "rotate --master")
    rotate.add_argument("--master", action="store_true", help="and make a new master key, as after a suspected leak")
    _add(what, "renewals", "which secrets are to be renewed, and when; exit 1 when one is overdue", "renewals")
    log = _add(what, "log", "who asked for which secret, the newest first", "log", "log --name AWS_SECRET -n 5 --json")
    log.add_argument("-n", "--lines", metavar="N", type=int, default=30, help="how many lines; default: 30")
    log.add_argument("--name", metavar="NAME", help="of this secret alone")
    log.add_argument("--all", action="store_true", help="each opening and locking of the vault too")
    _add(
        what,
        "verify",
        "open every secret and backup, and prove the access log; exit 1 when something is wrong",
        "verify",
    )
    run = _add(
        what,
        "run",
        "give secrets to a program in its environment, and mask them in what it prints",
        "run --only DEEPSEEK_API_KEY -- python ask.py",
        "run --only KEY=DEEPSEEK_API_KEY_2 -- ./deploy.sh",
    )
    run.add_argument(
        "--only", metavar="[AS=]NAME", action="append", default=[], required=True, help="which; may be said again"
    )
    run.add_argument("--no-mask", action="store_true", help="leave its output alone, and let it have the terminal")
    run.add_argument("argv", metavar="COMMAND", nargs="...", help="behind --")


def _coming(what: _SubParsersAction[ArgumentParser]) -> None:
    export = _add(
        what,
        "export",
        "write an encrypted copy of the vault, which the recovery code opens anywhere",
        "export ~/usb/vault.wkv",
        "export keys.env --plain",
    )
    export.add_argument("file", metavar="FILE", help="must not exist")
    export.add_argument(
        "--plain", action="store_true", help="all values readable by anyone who reads the file, as .env"
    )
    export.add_argument("--yes", action="store_true", help="with --plain: do not ask")
    import_ = _add(
        what, "import", "take secrets from a .env file: shows what it would do", "import .env", "import .env --apply"
    )
    migrate = _add(
        what,
        "migrate",
        "take the secrets of an old encrypted_secrets.json: shows what it would do",
        "migrate encrypted_secrets.json",
        "migrate encrypted_secrets.json --env .env --apply",
    )
    import_.add_argument("file", metavar="FILE")
    import_.add_argument("--also", metavar="NAME", action="append", default=[], help="though it does not look secret")
    import_.add_argument("--leave", metavar="NAME", action="append", default=[], help="though it looks secret")
    migrate.add_argument("file", metavar="FILE")
    migrate.add_argument("--env", metavar="FILE", help="where ENCRYPTION_KEY stands; default: .env beside it")
    migrate.add_argument("--partial", action="store_true", help="take what can be read, though not all can")
    for each in (import_, migrate):
        each.add_argument(
            "--replace", metavar="NAME", action="append", default=[], help="though the vault holds another value of it"
        )
        each.add_argument("--apply", action="store_true", help="do it")
