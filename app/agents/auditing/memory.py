"""What is kept of a project's audits from one to the next: a small file per project."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from app.agents.auditing.host.heard import finding_of
from app.agents.auditing.ownfiles import BASELINE_FILE
from app.agents.auditing.standing import Remembered
from app.domain.errors import CannotError, UsageError
from app.domain.findings import Finding, Mute
from app.domain.fingerprints import named
from app.engine.files import write_atomic
from app.engine.regular import read_regular
from app.engine.statefile import StateFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

SCHEMA = 1
LARGEST_BASELINE = 8 << 20
LOCK_S = 5.0
DAY_S = 86_400.0
MARKERS_KEPT = 2000


@dataclass
class Memory:
    """What is kept of a project.

    Attributes:
        findings: What each check found last, by its id and by fingerprints.
        mutes: What is to be silent, by fingerprint.
        since: The commit of the last audit that found nothing left behind; empty when there was none.
        markers: The contents of markers that were seen, as hexadecimal digests, the oldest first.
        commit: The commit that was looked at last for milestones; empty when none was.
        tags: The tags that were seen.
        coverage: The last coverage in per cent; negative when there was none.
        daily_at: When the audit of a day was begun last, wall-clock time; 0 when it never was.
        looked: Whether the project was looked at before: what lay there the first time is no news.
    """

    findings: dict[str, dict[str, Finding]] = field(default_factory=dict)
    mutes: dict[str, Mute] = field(default_factory=dict)
    since: str = ""
    markers: list[str] = field(default_factory=list)
    commit: str = ""
    tags: list[str] = field(default_factory=list)
    coverage: float = -1.0
    daily_at: float = 0.0
    looked: bool = False

    def copy(self) -> Memory:
        """Return one that can be changed apart; what each check found is replaced as a whole, never changed."""
        return replace(
            self, findings=dict(self.findings), mutes=dict(self.mutes), markers=list(self.markers), tags=list(self.tags)
        )


class Memories:
    """Keeps it. Its methods block, and may be called from several programs at once: each change takes a lock.

    Args:
        folder: Where the files lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, tuple[tuple[int, int, int], Memory]] = {}

    def read(self, root: Path) -> Memory:
        """Return what is kept; of a file that cannot be read, nothing. A file that did not change is not read again."""
        stamp = self._stamp(root)
        known = self._read.get(root)
        if known is None or known[0] != stamp or stamp is None:
            state, _trouble = self._file(root).read()
            memory = _memory(state)
            if stamp is None:
                return memory
            self._read[root] = known = (stamp, memory)
        return known[1].copy()

    def knows(self, root: Path) -> bool:
        """Return whether anything is kept of a project: it was audited, or is watched."""
        return self._stamp(root) is not None

    def _stamp(self, root: Path) -> tuple[int, int, int] | None:
        try:
            stat = (self._folder / f"{key_of(root)}.json").stat()
        except OSError:
            return None
        return stat.st_ino, stat.st_size, stat.st_mtime_ns

    @contextmanager
    def changing(self, root: Path) -> Iterator[Memory]:
        """Give what is kept, and keep what it is on leaving.

        Raises:
            CannotError: The folder cannot be written, or another program holds it for too long.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self._folder / f"{key_of(root)}.lock", timeout=LOCK_S):
                memory = self.read(root)
                yield memory
                memory.markers = memory.markers[-MARKERS_KEPT:]
                self._file(root).write(asdict(memory))
        except (OSError, Timeout) as error:
            why = "another program holds it" if isinstance(error, Timeout) else error.strerror or type(error).__name__
            raise CannotError(
                f"What audits found cannot be kept in {self._folder}: {why}.", "Look whether the disk is full."
            ) from error

    def _file(self, root: Path) -> StateFile:
        return StateFile(self._folder / f"{key_of(root)}.json", schema=SCHEMA)


def key_of(root: Path) -> str:
    """Return a name for a project's files that no other project has."""
    return hashlib.sha256(os.fsencode(root)).hexdigest()[:16]


def mute(memory: Memory, fingerprint: str, reason: str, *, days: int, now: float) -> Mute:
    """Be silent about a finding, and return what is kept of that.

    Args:
        memory: What is kept of the project; changed.
        fingerprint: Which finding, or as many of its first digits as no other has, 6 at least.
        reason: Why, in a person's words.
        days: For how long; 0 for good.
        now: Wall-clock time.

    Raises:
        UsageError: There is no such finding, there are several, there is no reason, or the days are none.
    """
    if not reason.strip():
        raise UsageError("A finding is muted for a reason.", 'Say it: --reason "a key of the test server"')
    if days < 0:
        raise UsageError("A finding is muted for a number of days.", "Leave them out to mute it for good.")
    findings = {print_: each for found in memory.findings.values() for print_, each in found.items()}
    print_ = _known(fingerprint, findings)
    until = now + days * DAY_S if days else 0.0
    memory.mutes[print_] = Mute(print_, reason.strip(), until, now, findings[print_].title)
    return memory.mutes[print_]


def unmute(memory: Memory, fingerprint: str) -> Mute:
    """Tell of a finding again, and return what was kept of its silence.

    Raises:
        UsageError: It is not muted.
    """
    return memory.mutes.pop(_known(fingerprint, memory.mutes))


def _known(fingerprint: str, among: Iterable[str]) -> str:
    found = named(fingerprint, among)
    if not found:
        raise UsageError(f"There is no finding {fingerprint} here.", "See them, with their digits: watchkeeper audit")
    return found


def remembered(memory: Memory, root: Path) -> tuple[Remembered, str]:
    """Return what an audit's findings are to be held against, and what is wrong with the project's baseline file.

    Without a baseline that can be read nothing is accepted by it: whoever could break it could switch audits off.
    """
    try:
        accepted, trouble = frozenset(read_baseline(root)), ""
    except UsageError as error:
        accepted, trouble = frozenset(), f"{error.message} {error.hint}".strip()
    return Remembered(memory.findings, memory.mutes, accepted), trouble


def read_baseline(root: Path) -> Mapping[str, str]:
    """Return the fingerprints that a project has accepted, and what they were called.

    Raises:
        UsageError: The file is not what `write_baseline` wrote.
    """
    path = root / BASELINE_FILE
    try:
        content = read_regular(path, LARGEST_BASELINE)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.", "Look at its permissions.") from error
    try:
        accepted = json.loads(content)["accepted"]
        return {str(print_): str(title) for print_, title in accepted.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"{path} is no baseline of Watchkeeper.", "Write it anew: watchkeeper audit --baseline"
        ) from error


def write_baseline(root: Path, findings: Iterable[Finding], *, besides: Mapping[str, str] | None = None) -> Path:
    """Accept findings for whoever works on the project, in a file that is meant to be committed. Returns its path.

    Args:
        root: The project's root folder.
        findings: What is accepted.
        besides: What stays accepted, as `read_baseline` tells it.

    Raises:
        OSError: It cannot be written.
    """
    accepted = dict(besides or {}) | {
        each.fingerprint: f"{each.path}: {each.title}" if each.path else each.title
        for each in sorted(findings, key=lambda one: (one.path, one.fingerprint))
    }
    path = root / BASELINE_FILE
    write_atomic(path, (json.dumps({"v": SCHEMA, "accepted": accepted}, indent=2) + "\n").encode(), follow=False)
    return path


def _memory(state: Mapping[str, Any]) -> Memory:
    memory = Memory()
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        for check, found in state.get("findings", {}).items():
            memory.findings[check] = {
                print_: _finding(told, check, print_) for print_, told in found.items() if isinstance(print_, str)
            }
        memory.mutes = {print_: Mute(**told) for print_, told in state.get("mutes", {}).items()}
        memory.since, memory.commit = str(state.get("since", "")), str(state.get("commit", ""))
        memory.coverage = float(state.get("coverage", -1))
        memory.daily_at, memory.looked = float(state.get("daily_at", 0)), bool(state.get("looked"))
        memory.markers = [str(each) for each in state.get("markers", [])]
        memory.tags = [str(each) for each in state.get("tags", [])]
    return memory


def _finding(told: Mapping[str, Any], check: str, print_: str) -> Finding:
    # the outcome of one rule of a service is remembered by the rule, its findings name the service
    return replace(finding_of(told, str(told.get("check", check))), fingerprint=print_)
