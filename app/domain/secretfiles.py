"""Files that hold keys and passwords by their names: they are neither read for a model nor shown to one."""

from __future__ import annotations

import re

SECRET_NAMES = (
    ".env*",
    "*.env",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "*.jks",
    "*.keystore",
    "*.kdbx",
    "*.ppk",
    "*.tfvars",
    "*.tfstate*",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
    ".netrc",
    "_netrc",
    ".npmrc",
    ".pypirc",
    ".pgpass",
    ".htpasswd",
    ".dockercfg",
    ".git-credentials",
    "*credentials*",
    "secret.*",
    "secrets.*",
    "*secrets.json",
    "*service?account*.json",
    "kubeconfig*",
    ".ssh",
    ".aws",
    ".gnupg",
    ".kube",
    ".docker",
    ".azure",
    ".git",
)
"""Names of files, and of folders with all that is in them, whatever their case; `*` and `?` as in a shell. That source
such as `credentials.py` is among them is meant: it holds keys as often as it checks them."""


def is_secret_file(path: str) -> bool:
    """Return whether a file may hold keys or passwords, by its name or that of a folder above it.

    Args:
        path: Relative to the project, with forward slashes.
    """
    return any(_SECRET.match(part) for part in path.casefold().split("/"))


def _glob(name: str) -> str:
    return re.escape(name).replace(re.escape("*"), ".*").replace(re.escape("?"), ".")


_SECRET = re.compile("|".join(rf"(?:{_glob(name)})\Z" for name in SECRET_NAMES), re.DOTALL)
