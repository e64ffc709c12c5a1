"""Signs what Windows runs (Authenticode) by a key from outside, and looks at the signature before it is believed.

The key's password comes by a file or the environment, never as an argument: every process can read those of another.
Built twice from the same commit a signed program is the same as well, until it bears a timestamp of somebody else.
"""

import argparse
import os
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from provision.console import Stop
from provision.system import OSSLSIGNCODE
from release.commands import INSIDE
from release.work import Work

PASSWORD = "WATCHKEEPER_SIGN_PASSWORD"  # noqa: S105 - the variable's name
_TITLE = "Watchkeeper"
_SIGNED = "signed-"
_FILES = ("certificate", "key", "password-file", "roots")
_WORDS = ("with", "timestamp")


def declare(parser: argparse.ArgumentParser) -> None:
    """Declares the options by which a kind of package is signed; without any of them it is not."""
    group = parser.add_argument_group(
        "signing", f"the key's password comes from --sign-password-file or the environment's {PASSWORD}"
    )
    group.add_argument(
        "--sign-certificate", type=Path, metavar="FILE", help="the certificate and its chain: .pfx, .p12 or PEM"
    )
    group.add_argument("--sign-key", type=Path, metavar="FILE", help="the private key in PEM, where no .pfx holds it")
    group.add_argument("--sign-password-file", type=Path, metavar="FILE", help="the password, on its first line")
    group.add_argument(
        "--sign-with",
        default="",
        metavar="COMMAND",
        help="another signer, such as one for a token: {in} and {out} stand for the files; without them it signs the"
        " file that it finds behind its last word in its place",
    )
    group.add_argument("--sign-timestamp", default="", metavar="URL", help="a timestamp service, RFC 3161")
    group.add_argument(
        "--sign-roots",
        type=Path,
        metavar="FILE",
        help="the certificates that the signature must lead to, PEM (default: the system's)",
    )


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `build.py sign` takes besides what every kind does."""
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="a program; it is replaced")
    declare(parser)


def build(work: Work, options: argparse.Namespace) -> Sequence[Path]:
    """Signs programs that are there already.

    Args:
        work: the build.
        options: the command line.

    Returns:
        Their paths.

    Raises:
        Stop: no key is given, or a signature did not come out right.
    """
    if not asked(options):
        message = "Nothing to sign with: name --sign-certificate FILE or --sign-with COMMAND."
        raise Stop(message, 2)
    for path in options.files:
        if not path.is_file():
            message = f"There is no file {path} to sign."
            raise Stop(message, 2)
        sign(path, work, options)
    return tuple(options.files)


def asked(options: argparse.Namespace) -> bool:
    """Says whether the person gave something to sign with.

    Args:
        options: the command line, with what `declare` adds.

    Raises:
        Stop: the options contradict each other.
    """
    if options.sign_certificate and options.sign_with:
        message = "--sign-certificate and --sign-with are two ways to sign. Name one of them."
        raise Stop(message, 2)
    if options.sign_timestamp and options.sign_with:
        message = "--sign-timestamp goes with --sign-certificate. A command of --sign-with names its service itself."
        raise Stop(message, 2)
    if options.sign_certificate or options.sign_with:
        return True
    left = [name for name in (*_FILES, *_WORDS) if getattr(options, f"sign_{name.replace('-', '_')}")]
    if left:
        message = f"--sign-{left[0]} signs nothing by itself: name --sign-certificate FILE or --sign-with COMMAND too."
        raise Stop(message, 2)
    return False


def sign(path: Path, work: Work, options: argparse.Namespace) -> bool:
    """Signs a program in its place, if the person gave something to sign with, and verifies what came out.

    Args:
        path: the program.
        work: the build.
        options: the command line, with what `declare` adds.

    Returns:
        Whether it is signed now.

    Raises:
        Stop: it could not be signed, or the signature does not hold; the program is as it was.
    """
    if not asked(options):
        return False
    # The same ending: signtool goes by it.
    signed = path.with_name(f"{_SIGNED}{path.name}")
    signed.unlink(missing_ok=True)
    try:
        if options.sign_with:
            _sign_by_command(path, signed, work, options)
        else:
            _sign_by_certificate(path, signed, work, options)
        verify(signed, work, options)
        shutil.copymode(path, signed)
        signed.replace(path)
    finally:
        signed.unlink(missing_ok=True)
    return True


def verify(path: Path, work: Work, options: argparse.Namespace) -> None:
    """Verifies a program's signature: that it fits each byte, and leads to a certificate that is trusted.

    Args:
        path: the program.
        work: the build.
        options: the command line, with what `declare` adds.

    Raises:
        Stop: it does not.
    """
    name = path.name.removeprefix(_SIGNED)
    if _by_signtool(options):
        words: tuple[str, ...] = ("signtool", "verify", "/pa", "/all", str(path))
    else:
        work.packages.ensure((OSSLSIGNCODE,), "Signing needs")
        roots = ("-CAfile", str(options.sign_roots)) if options.sign_roots else ()
        words = ("osslsigncode", "verify", *roots, "-in", str(path))
    try:
        work.console.run(f"Verifying the signature of {name}", words, env=work.tool_environ)
    except Stop as failed:
        message = (
            f"{failed}\nThe signature of {name} does not hold, or leads to no certificate that is trusted here."
            "\nThe program was left unsigned. A signer of your own is trusted by --sign-roots FILE."
        )
        raise Stop(message) from failed


def command(work: Work, options: argparse.Namespace) -> tuple[str, ...]:
    """Gives what signs one more file in its place, whose path goes behind it: for makensis, which signs within a build.

    Args:
        work: the build.
        options: the command line, with what `declare` adds.

    Returns:
        Program and arguments, to run with `environ(work)`.
    """
    again: list[str] = []
    for name in (*_FILES, *_WORDS):
        value = getattr(options, f"sign_{name.replace('-', '_')}")
        if value:
            # In one word: a command to sign with may begin with a dash.
            again.append(f"--sign-{name}={value.absolute() if isinstance(value, Path) else value}")
    return (str(work.python), str(work.root / "installer" / "build.py"), "sign", *again)


def environ(work: Work) -> Mapping[str, str]:
    """Gives the environment in which `command` goes to work at once, with the password in it."""
    return {**_with_password(work), INSIDE: "1"}


def _sign_by_certificate(path: Path, signed: Path, work: Work, options: argparse.Namespace) -> None:
    work.packages.ensure((OSSLSIGNCODE,), "Signing needs")
    for file in (options.sign_certificate, options.sign_key):
        if file and not file.is_file():
            message = f"There is no file {file} to sign with."
            raise Stop(message, 2)
    if options.sign_key:
        key = ("-certs", str(options.sign_certificate), "-key", str(options.sign_key))
    elif options.sign_certificate.suffix.lower() in {".pfx", ".p12"}:
        key = ("-pkcs12", str(options.sign_certificate))
    else:
        message = f"{options.sign_certificate} holds no private key: name it by --sign-key FILE, or give a .pfx."
        raise Stop(message, 2)
    stamp = ("-ts", options.sign_timestamp) if options.sign_timestamp else ()
    # The time of the commit, which nobody believes without a timestamp: else the minute would be in the program.
    when = ("-time", str(work.epoch))
    with _password(work, options) as (password, keep_open):
        work.console.run(
            f"Signing {path.name}",
            (
                *("osslsigncode", "sign", *key, *password, "-h", "sha256", "-n", _TITLE, *when, *stamp),
                *("-in", str(path), "-out", str(signed)),
            ),
            env=work.tool_environ,
            keep_open=keep_open,
        )


def _sign_by_command(path: Path, signed: Path, work: Work, options: argparse.Namespace) -> None:
    words = shlex.split(options.sign_with)
    if "{in}" in options.sign_with and "{out}" in options.sign_with:
        words = [word.replace("{in}", str(path)).replace("{out}", str(signed)) for word in words]
    else:
        shutil.copyfile(path, signed)
        words.append(str(signed))
    work.console.run(f"Signing {path.name}", words, env=_with_password(work))


def _with_password(work: Work) -> dict[str, str]:
    told = {PASSWORD: work.environ[PASSWORD]} if PASSWORD in work.environ else {}
    return {**work.tool_environ, **told}


def _by_signtool(options: argparse.Namespace) -> bool:
    words = shlex.split(options.sign_with)
    return bool(words) and Path(words[0]).stem.lower() == "signtool"


@contextmanager
def _password(work: Work, options: argparse.Namespace) -> Iterator[tuple[tuple[str, ...], tuple[int, ...]]]:
    """Gives osslsigncode's arguments for the password, and the descriptor that it reads it from."""
    if options.sign_password_file and os.name == "nt":
        yield ("-readpass", str(options.sign_password_file)), ()
        return
    password = read_secret(options.sign_password_file, PASSWORD, work.environ)
    if password is None:
        yield (), ()
        return
    if os.name == "nt":
        message = f"On Windows the key's password comes by --sign-password-file FILE, not by {PASSWORD}."
        raise Stop(message, 2)
    # A pipe, since a file would stay behind where this is killed.
    reader, writer = os.pipe()
    try:
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(password.encode())
        yield ("-readpass", f"/dev/fd/{reader}"), (reader,)
    finally:
        os.close(reader)


def read_secret(file: Path | None, variable: str, environ: Mapping[str, str]) -> str | None:
    """Reads a secret: the first line of a file, else a variable of the environment.

    Args:
        file: the file, where one is named.
        variable: the variable's name.
        environ: the caller's environment.

    Returns:
        The secret; None where there is neither.

    Raises:
        Stop: the file cannot be read or has nothing on its first line.
    """
    if file is None:
        return environ.get(variable) or None
    try:
        first = file.read_text("utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        message = f"The password file {file} cannot be read: {reason}."
        # Not `from error`: a decoding error holds the bytes.
        raise Stop(message, 2) from None
    if not first:
        message = f"The password file {file} has nothing on its first line."
        raise Stop(message, 2)
    return first
