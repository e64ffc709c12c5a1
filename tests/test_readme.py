"""What the README points to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pathspec

ROOT = Path(__file__).parents[1]


def test_each_file_that_the_readme_links_to_is_there_for_everybody() -> None:
    """It exists, and no rule keeps it out of the repository: a picture on one machine is broken for all others."""
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text("utf-8"))
    local = {link for link in links if "://" not in link}
    ignored = pathspec.GitIgnoreSpec.from_lines((ROOT / ".gitignore").read_text("utf-8").splitlines())

    assert local
    assert [link for link in local if not (ROOT / link).is_file() or ignored.match_file(link)] == []
