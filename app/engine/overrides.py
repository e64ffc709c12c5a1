"""Settings that a project brings along, which hold only after a person has said that they may.

A project's own file can name commands to run, and a cloned repository is somebody else's word. So its settings are
known by the digest of their content, kept in the data folder; one change to them, and they are untrusted again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from app.domain.errors import CannotError, SettingsError
from app.engine import tomltext
from app.engine.settings import Section, validate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.engine.statefile import StateFile

S = TypeVar("S", bound=Section)

OWN_FILE = ".watchkeeper.toml"
SHARED_FILE = "pyproject.toml"
SHARED_TABLE = ("tool", "watchkeeper")


@dataclass(frozen=True, slots=True)
class SettingsNotice:
    """What a person should know about a project's settings, and what to do."""

    text: str
    hint: str


@dataclass(frozen=True, slots=True)
class Override:
    """The settings that a project brings along, as read once: what is shown is what is trusted.

    Attributes:
        path: The file: `.watchkeeper.toml`, or `pyproject.toml` when there is none.
        prefix: Where in that file they stand.
        document: The settings as plain values.
        text: The whole file.
        digest: SHA-256 of the settings (not of comments, or of the rest of pyproject.toml), in hexadecimal.
    """

    path: Path
    prefix: tuple[str, ...]
    document: dict[str, Any]
    digest: str
    text: str = field(repr=False)


def read_override(root: Path) -> Override | None:
    """Return what a project brings along; None when that is nothing.

    Raises:
        SettingsError: The file cannot be read or is not TOML.
    """
    own = root / OWN_FILE
    text = tomltext.read_text(own)
    if text is not None:
        return _override(own, (), tomltext.parse(text, own), text)
    shared = root / SHARED_FILE
    text = tomltext.read_text(shared)
    # Most projects say nothing of ours, and a broken pyproject.toml is then for others to complain about.
    if text is None or SHARED_TABLE[-1] not in text:
        return None
    document: object = tomltext.parse(text, shared)
    for part in SHARED_TABLE:
        document = document.get(part) if isinstance(document, dict) else None
    return _override(shared, SHARED_TABLE, document, text) if isinstance(document, dict) else None


class ProjectOverrides(Generic[S]):
    """Puts a project's own settings over the person's, where they are trusted.

    Args:
        base: Returns the person's settings in force.
        model: The sections that a project may set, named as in the whole.
        trusted: The state file that holds the digests.
    """

    def __init__(self, base: Callable[[], S], model: type[Section], trusted: StateFile) -> None:
        self._base = base
        self._model = model
        self._trusted = trusted

    def project_settings(self, root: Path) -> tuple[S, SettingsNotice | None]:
        """Return the settings for a project, and a notice when its own are not among them. Never fails."""
        settings = self._base()
        try:
            override = read_override(root)
            if override is None:
                return settings, None
            trusted, trouble = self._is_trusted(root, override)
            if not trusted:
                text = f"{override.path} has settings for Watchkeeper that you have not trusted, so they are not used."
                hint = f"Look at them, then run: watchkeeper config trust {root}"
                return settings, SettingsNotice(f"{text} {trouble}".rstrip(), hint)
            return self._over(settings, self.checked(override)), None
        except SettingsError as error:
            return settings, SettingsNotice(error.message, f"{error.hint} Your own settings hold until then.")

    def checked(self, override: Override) -> Section:
        """Return a project's settings as far as they are set, typed.

        Raises:
            SettingsError: They have a mistake; names the line.
        """
        return validate(self._model, override.document, path=override.path, text=override.text, prefix=override.prefix)

    def trust(self, root: Path, override: Override) -> None:
        """Let a project's settings hold, as they were read.

        Raises:
            CannotError: The word cannot be kept: the disk is full, say.
        """
        self._store(root, override.digest)

    def revoke(self, root: Path) -> None:
        """Trust a project's settings no longer.

        Raises:
            CannotError: As `trust`.
        """
        self._store(root, None)

    def _store(self, root: Path, digest: str | None) -> None:
        state, _ = self._trusted.read()
        found = state.get("projects")
        projects = {k: v for k, v in found.items() if k != str(root)} if isinstance(found, dict) else {}
        if digest is not None:
            projects[str(root)] = digest
        try:
            self._trusted.write({"projects": projects})
        except OSError as error:
            raise CannotError(
                f"{self._trusted.path} cannot be written: {error.strerror or error}.", "Nothing was changed."
            ) from error

    def _is_trusted(self, root: Path, override: Override) -> tuple[bool, str]:
        state, trouble = self._trusted.read()
        projects = state.get("projects")
        digest = projects.get(str(root)) if isinstance(projects, dict) else None
        return isinstance(digest, str) and hmac.compare_digest(digest.encode(), override.digest.encode()), trouble

    def _over(self, settings: S, override: Section) -> S:
        changed = {}
        for name in override.model_fields_set:
            section, own = getattr(override, name), getattr(settings, name)
            changed[name] = own.model_copy(update={each: getattr(section, each) for each in section.model_fields_set})
        return settings.model_copy(update=changed)


def _override(path: Path, prefix: tuple[str, ...], document: dict[str, Any], text: str) -> Override | None:
    if not document:
        return None
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), default=str)
    return Override(
        path, prefix, document, hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest(), text
    )
