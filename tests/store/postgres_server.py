"""A PostgreSQL server for the time of a test run: its own data folder, loopback and a Unix socket only.

Standard library only, so that the test command can use it before anything is installed:

    with postgres_server() as url:
        ...  # url is for WATCHKEEPER_TEST_POSTGRES

or `python tests/store/postgres_server.py COMMAND ...`, which runs COMMAND with WATCHKEEPER_TEST_POSTGRES set.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

VARIABLE = "WATCHKEEPER_TEST_POSTGRES"
_DEBIAN = Path("/usr/lib/postgresql")
_UNPRIVILEGED = "postgres"
_START_S = 60


class PostgresMissing(RuntimeError):
    """There is no PostgreSQL server here, or nobody to run it as; the text says what to install."""


@contextmanager
def postgres_server() -> Iterator[str]:
    """Start a fresh server, give the URL of an empty database on it, and stop and remove it at the end.

    Raises:
        PostgresMissing: No server is installed.
        subprocess.CalledProcessError: It cannot be started.
    """
    binaries = _binaries()
    runner = _as_unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="watchkeeper-postgres-"))
    password = secrets.token_urlsafe(16)
    try:
        if runner:
            shutil.chown(folder, _UNPRIVILEGED)
        secret = folder / "password"
        secret.write_text(password + "\n", encoding="ascii")
        secret.chmod(0o600)
        if runner:
            shutil.chown(secret, _UNPRIVILEGED)
        data = folder / "data"
        _call(
            [
                *(*runner, str(binaries / "initdb"), "-D", str(data), "-U", "watchkeeper", "--encoding=UTF8"),
                *("--locale=C", "--auth=scram-sha-256", f"--pwfile={secret}", "--no-sync"),
            ],
            folder,
        )
        port = _free_port()
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
        control = [*runner, str(binaries / "pg_ctl"), "-D", str(data), "-w", "-t", str(_START_S)]
        _call([*control, "-l", str(folder / "log"), "-o", options, "start"], folder)
        try:
            yield f"postgresql://watchkeeper:{password}@127.0.0.1:{port}/postgres"
        finally:
            _call([*control, "-m", "immediate", "stop"], folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path:
    found = shutil.which("pg_ctl")
    if found:
        return Path(found).resolve().parent
    versions = sorted(_DEBIAN.glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3]), reverse=True)
    if not versions:
        raise PostgresMissing("No PostgreSQL server is installed here. Run: apt-get install postgresql")
    return versions[0].parent


def _as_unprivileged() -> list[str]:
    # The server refuses to run as root.
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return []
    runuser = shutil.which("runuser")
    if runuser is None:
        raise PostgresMissing("PostgreSQL refuses to run as root, and runuser is missing.")
    return [runuser, "-u", _UNPRIVILEGED, "--"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _call(arguments: Sequence[str], folder: Path) -> None:
    # The server inherits what it is started with: a pipe would stay open for as long as it runs.
    with (folder / "control.log").open("ab") as log:
        subprocess.run(arguments, check=True, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def main(arguments: Sequence[str]) -> int:
    """Run a command with a server beside it; return the command's exit code."""
    with postgres_server() as url:
        return subprocess.run(arguments, check=False, env={**os.environ, VARIABLE: url}).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
