"""Where settings, history, cache, logs and the socket of the running instance lie.

The folders are those of the operating system, as platformdirs knows them, or all under `WATCHKEEPER_HOME`.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.domain.errors import CannotError

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "watchkeeper"

LONGEST_SOCKET_PATH = 103
"""Bytes of a Unix socket's path: `sun_path` holds 108 on Linux, 104 on macOS and BSD, a zero byte among them."""

SOCKET_NAME = "control.sock"


@dataclass(frozen=True, slots=True)
class Places:
    """The program's own folders.

    Attributes:
        settings: What the person writes: `settings.toml`.
        data: What must not be lost: history, and which projects are trusted.
        cache: What can be made again.
        logs: Log files.
        runtime: Socket, lock and heartbeats of the running instance; gone after a reboot.
    """

    settings: Path
    data: Path
    cache: Path
    logs: Path
    runtime: Path

    @classmethod
    def find(cls, environ: Mapping[str, str]) -> Places:
        """Return the folders for this user and environment. Creates nothing.

        Raises:
            CannotError: `WATCHKEEPER_HOME` names a file, or a `~user` that does not exist.
        """
        home = environ.get("WATCHKEEPER_HOME", "")
        return cls._under(home) if home else cls._of_system(environ)

    @classmethod
    def _under(cls, home: str) -> Places:
        try:
            root = Path(home).expanduser().absolute()
        except RuntimeError as error:
            raise CannotError(f"WATCHKEEPER_HOME is {home!r}, and {error}", "Set it to a folder of yours.") from error
        if root.exists() and not root.is_dir():
            raise CannotError(f"WATCHKEEPER_HOME is {home!r}, which is no folder.", "Set it to a folder of yours.")
        runtime = root / "runtime"
        if not _fits(runtime):
            runtime = _short_runtime(str(root))
        return cls(root / "settings", root / "data", root / "cache", root / "logs", runtime)

    @classmethod
    def _of_system(cls, environ: Mapping[str, str]) -> Places:
        from platformdirs import PlatformDirs  # noqa: PLC0415 - a third of `status`'s own time, not needed with a HOME

        folders = PlatformDirs(NAME, appauthor=False, roaming=False)
        cache = folders.user_cache_path
        runtime = _session_runtime(environ) or cache / "runtime"
        if not _fits(runtime):
            runtime = _short_runtime(str(cache))
        return cls(folders.user_config_path, folders.user_data_path, cache, folders.user_log_path, runtime)

    @property
    def settings_file(self) -> Path:
        """The one settings file."""
        return self.settings / "settings.toml"

    @property
    def last_good_settings(self) -> Path:
        """A copy of the settings file as it was when it last had no mistake."""
        return self.cache / "settings-last-good.toml"

    @property
    def trusted_projects(self) -> Path:
        """The state file that says which projects' own settings are trusted."""
        return self.data / "trusted-projects.json"

    @property
    def keys(self) -> Path:
        """The folder of the vault."""
        return self.data / "keys"

    @property
    def socket(self) -> Path:
        """The Unix socket on which the running instance listens; short enough for the kernel."""
        return self.runtime / SOCKET_NAME

    @property
    def token_file(self) -> Path:
        """Port and token of the running instance, where it listens on TCP."""
        return self.runtime / "control.json"

    def log_file(self, name: str) -> Path:
        """The newest log file of `name` ("watchkeeper" for the instance, "command" for the command line)."""
        return self.logs / f"{name}.log"

    def all(self) -> tuple[Path, ...]:
        """All folders, in the order of the attributes."""
        return (self.settings, self.data, self.cache, self.logs, self.runtime)

    def create(self) -> None:
        """Create the folders that are missing, for this user alone (0700), and check those of the socket.

        Raises:
            CannotError: One cannot be created, or the runtime folder belongs to somebody else.
        """
        for folder in self.all():
            try:
                make_private(folder)
            except OSError as error:
                raise CannotError(
                    f"The folder {folder} cannot be created: {error.strerror or error}.",
                    "Make room or give yourself the right, or set WATCHKEEPER_HOME to another folder.",
                ) from error
        require_private(self.runtime)


def make_private(folder: Path) -> None:
    """Create a folder and what is missing above it, each for this user alone (the XDG specification asks for 0700).

    Raises:
        OSError: It cannot be created.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))


def require_private(folder: Path) -> None:
    """Make sure that nobody else can put anything into `folder`.

    Raises:
        CannotError: It is a link, belongs to another user, or its mode cannot be narrowed to 0700.
    """
    if sys.platform == "win32":
        return  # the folder's access list gives it to the user alone, as all of LOCALAPPDATA
    try:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise CannotError(
                f"{folder} is a link, no folder, or belongs to another user, so it cannot hold the socket.",
                "Remove it, or set WATCHKEEPER_HOME to a folder of yours.",
            )
        if stat.S_IMODE(found.st_mode) & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise CannotError(
            f"The folder {folder} cannot be used: {error.strerror or error}.",
            "Set WATCHKEEPER_HOME to a folder of yours.",
        ) from error


def _fits(runtime: Path) -> bool:
    return sys.platform == "win32" or len(os.fsencode(runtime / SOCKET_NAME)) <= LONGEST_SOCKET_PATH


def _short_runtime(key: str) -> Path:
    """Return a short folder that is the same for every process of this user with the same `key`.

    TMPDIR is not asked: it differs between a desktop session and a login over ssh. What somebody else may have put
    there under this name is refused by `require_private`.
    """
    digest = hashlib.sha256(os.fsencode(key)).hexdigest()[:10]
    owner = "0" if sys.platform == "win32" else os.geteuid()
    return Path("/tmp", f"{NAME}-{owner}-{digest}")  # noqa: S108 - see above


def _session_runtime(environ: Mapping[str, str]) -> Path | None:
    """Return a folder in the login session's runtime folder, if there is a proper one.

    The XDG Base Directory Specification asks that it belong to the user with mode 0700. `/run/user/UID` is asked too,
    because a login over ssh or from cron may come without XDG_RUNTIME_DIR and must still find the running instance.
    """
    if sys.platform == "win32" or sys.platform == "darwin":
        return None
    uid = os.geteuid()
    for named in (environ.get("XDG_RUNTIME_DIR", ""), f"/run/user/{uid}"):
        if not Path(named).is_absolute():
            continue
        try:
            found = Path(named).lstat()
        except OSError:
            continue
        if stat.S_ISDIR(found.st_mode) and found.st_uid == uid and not stat.S_IMODE(found.st_mode) & 0o077:
            return Path(named, NAME)
    return None
