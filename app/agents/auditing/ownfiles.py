"""The names of files that audits write into projects: they are no source, and no change of anybody's."""

from __future__ import annotations

ANSWER_ENDS = (".audit.md", ".audit.json")
"""What the names of answers beside markers end with."""
BASELINE_FILE = ".watchkeeper-baseline.json"
OWN_FILES = (*(f"*{end}" for end in ANSWER_ENDS), BASELINE_FILE)
"""Patterns of these names, in small letters, as gitignore has them."""


def is_own(path: str) -> bool:
    """Return whether a path, with `/`, is named as what audits write."""
    name = path.rpartition("/")[2]
    return name == BASELINE_FILE or name.lower().endswith(ANSWER_ENDS)
