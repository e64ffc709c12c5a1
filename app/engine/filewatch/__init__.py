"""Watches the files of a project and tells in batches what changed."""

from app.engine.filewatch.changes import Batch, ChangeKind, FileChange
from app.engine.filewatch.watch import FileWatch, WatchCounters, WatchTimes

__all__ = ["Batch", "ChangeKind", "FileChange", "FileWatch", "WatchCounters", "WatchTimes"]
