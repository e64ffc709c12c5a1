"""The Ed25519 key of the releases (RFC 8032), which comes from outside and is never part of a checkout.

It is a file in PEM (PKCS 8), guarded by a password. What it signs is told apart by how it begins: the feed by a line of
its own, a list of digests by the first digest. So no signature of one can be taken for that of the other.
"""

import argparse
import base64
import os
from pathlib import Path
from typing import TYPE_CHECKING

from provision.console import Stop
from release.signing import read_secret
from release.work import Work

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PASSWORD = "WATCHKEEPER_KEY_PASSWORD"  # noqa: S105 - the variable's name


def declare_password(parser: argparse.ArgumentParser) -> None:
    """Declares where the key's password comes from."""
    parser.add_argument(
        "--key-password-file",
        type=Path,
        metavar="FILE",
        help=f"the key's password, on its first line (default: the environment's {PASSWORD})",
    )


def new(path: Path, work: Work, options: argparse.Namespace) -> "Ed25519PrivateKey":
    """Makes a key and writes it to a file that only its owner can read.

    Args:
        path: the file; there is none yet.
        work: the build.
        options: the command line, with what `declare_password` adds.

    Raises:
        Stop: no password is given, there is a file already, or it cannot be written.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - third party
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - likewise
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
    )

    password = _password(work, options)
    if password is None:
        message = f"A new key is guarded by a password: give it by --key-password-file FILE or {PASSWORD}."
        raise Stop(message, 2)
    if path.absolute().is_relative_to(work.root):
        message = f"{path} is in the checkout, from where a key finds its way into a commit. Choose another folder."
        raise Stop(message, 2)
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
    except FileExistsError:
        message = f"There is a file {path} already. Choose another name: a key that is lost signs no more releases."
        raise Stop(message, 2) from None
    except OSError as error:
        message = f"The key cannot be written to {path}: {error.strerror}."
        raise Stop(message, 2) from error
    return key


def load(path: Path, work: Work, options: argparse.Namespace) -> "Ed25519PrivateKey":
    """Reads the key.

    Args:
        path: its file.
        work: the build.
        options: the command line, with what `declare_password` adds.

    Raises:
        Stop: the file cannot be read, its password is missing or wrong, or it holds another kind of key.
    """
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - third party
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - likewise
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 - likewise

    try:
        pem = path.read_bytes()
    except OSError as error:
        message = f"The key {path} cannot be read: {error.strerror}."
        raise Stop(message, 2) from error
    password = _password(work, options) if b"ENCRYPTED" in pem else None
    try:
        key = load_pem_private_key(pem, password)
    except TypeError:
        message = f"The key {path} needs its password: give it by --key-password-file FILE or {PASSWORD}."
        raise Stop(message, 2) from None
    except (ValueError, UnsupportedAlgorithm):
        # What the library says of it may tell of the key.
        message = f"The key {path} cannot be opened: it is no private key in PEM, or this is not its password."
        raise Stop(message, 2) from None
    if not isinstance(key, Ed25519PrivateKey):
        message = f"{path} holds another kind of key. Releases are signed with Ed25519: make one by --new-key FILE."
        raise Stop(message, 2)
    return key


def public_of(key: "Ed25519PrivateKey") -> str:
    """Gives the public key in base64, as `--feed-key` takes it."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def signature(key: "Ed25519PrivateKey", signed: bytes) -> str:
    """Signs, and gives the file's text: the signature's 64 bytes in base64, on one line."""
    return base64.b64encode(key.sign(signed)).decode() + "\n"


def holds(public: str, signature_text: str, signed: bytes) -> bool:
    """Says whether a signature is that of a key.

    Args:
        public: the public key in base64.
        signature_text: the signature in base64.
        signed: what was signed.
    """
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - third party
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - likewise

    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True))
        key.verify(base64.b64decode(signature_text.strip(), validate=True), signed)
    except (ValueError, InvalidSignature):
        return False
    return True


def _password(work: Work, options: argparse.Namespace) -> bytes | None:
    password = read_secret(options.key_password_file, PASSWORD, work.environ)
    return None if password is None else password.encode()
