"""Files that hold keys and passwords by their names: they are neither read for a model nor shown to one."""

from __future__ import annotations

import re

_SETTINGS = ("json", "y*ml", "toml", "ini", "txt", "env", "properties", "cfg", "conf", "xml", "csv")
"""How files end that hold settings, and no source: a test of passwords is needed to understand why it fails."""
_KEPT = ("bak", "old", "orig", "local", "enc", "txt", "json", "y*ml")
"""How copies end."""

SECRET_NAMES = (
    # Settings, and what tools keep of a person's accounts.
    ".env*",
    "*.env",
    *(f"*.env.{end}" for end in _KEPT),
    "envrc",
    "*.tfvars",
    "*.tfvars.json",
    "*.tfstate*",
    ".netrc",
    "_netrc",
    ".npmrc",
    ".yarnrc.yml",
    ".pypirc",
    ".pgpass",
    "pgpass.conf",
    ".my.cnf",
    ".mylogin.cnf",
    ".s3cfg",
    ".boto",
    ".vault-token",
    ".vault?pass*",
    "vault?pass*",
    "vault.y*ml",
    ".htpasswd",
    ".dockercfg",
    ".git-credentials",
    "kubeconfig*",
    "wp-config.php",
    "appsettings.json",
    "appsettings.*.json",
    "local.settings.json",
    "gradle.properties",
    "google-services.json",
    "googleservice-info.plist",
    "*firebase-adminsdk*.json",
    "client?secret*.json",
    "*service?account*.json",
    "cookies.txt",
    "cookies.sqlite",
    # Keys and certificates.
    "*.pem",
    *(f"*.pem.{end}" for end in _KEPT),
    "*.key",
    "*.p8",
    "*.p12",
    "*.pfx",
    "*.jks",
    "*.keystore",
    "*.kdbx",
    "*.ppk",
    "*.asc",
    "*.gpg",
    "*.der",
    "*.crt",
    "*.cer",
    "*.ovpn",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
    "id_xmss*",
    # Named for what they hold; source only where nothing else is in its name.
    "credential",
    "credentials",
    "credential.*",
    "credentials.*",
    "*credentials",
    "secret.*",
    "secrets.*",
    "password.*",
    "passwords.*",
    *(f"*{stem}.{end}" for stem in ("credential", "credentials", "secret", "secrets") for end in _SETTINGS),
    *(f"{stem}.{end}" for stem in ("token", "tokens", "auth", "key", "keys") for end in ("json", "y*ml", "txt")),
    # Folders.
    "secrets",
    ".secrets",
    ".ssh",
    ".aws",
    ".gnupg",
    ".kube",
    ".docker",
    ".azure",
    ".git",
)
"""Names of files, and of folders with all that is in them, whatever their case; `*` and `?` as in a shell. That source
such as `credentials.py` is among them is meant: it holds keys as often as it checks them. `test_credentials.py` is not:
a test that fails cannot be explained without it."""


def is_secret_file(path: str) -> bool:
    """Return whether a file may hold keys or passwords, by its name or that of a folder above it.

    Args:
        path: Relative to the project, with forward slashes.
    """
    return any(_SECRET.match(part) for part in path.casefold().split("/"))


def _glob(name: str) -> str:
    return re.escape(name).replace(re.escape("*"), ".*").replace(re.escape("?"), ".")


_SECRET = re.compile("|".join(rf"(?:{_glob(name)})\Z" for name in SECRET_NAMES), re.DOTALL)
