"""Takes secrets, and what tells who somebody is, out of what is handed to others."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from app.domain.verdicts import CauseKind
from app.engine.redaction import REDACTED, is_sensitive_name
from app.house.hiding import Hiding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from app.engine.redaction import Redactor

_SHORTEST_NAME = 3
_NOBODY = frozenset({
    "root", "user", "admin", "localhost", "home", "users", "app", "src", "lib", "test", "tests", "core", "api", "web",
    "site", "docs", "main", "code", "work", "repo", "project", "projects", "server", "client", "backend", "frontend",
    "python", "watchkeeper",
})  # fmt: skip
"""Names that tell of nobody and of nothing, and stand in many lines for other reasons."""
_DEEPEST = 12
_HEADERS = ("authorization", "cookie")
"""Names of HTTP headers whose values are secrets, beside those that look like a name of one."""
_PATHS = frozenset({"path", "file", "folder", "project", "python"})
"""Names under which the log has a path and nothing else."""
_SOURCE = re.compile(r"""^([ \t]*File "[^"\n]*", line \d+(?:, in [^\n]*)?)\n(?:    [^\n]*(?:\n|\Z))+""", re.MULTILINE)
"""A place in a traceback and, behind it, the source that stands there (traceback.format_list)."""


class Scrub:
    """It. What is not text is kept as it is.

    Args:
        redactor: Knows the secrets.
        homes: Home folders, written as `~` afterwards.
        projects: Root folders of projects, written as `[project 1]` and so on; their names likewise. Their files and
            tests get names such as `file-1.py`.
        known: More folders whose files keep their names: those of the program.
        persons: Names of the user.
        hosts: Names of the machine.
    """

    def __init__(
        self,
        redactor: Redactor,
        *,
        homes: Iterable[str] = (),
        projects: Iterable[str] = (),
        known: Iterable[str] = (),
        persons: Iterable[str] = (),
        hosts: Iterable[str] = (),
    ) -> None:
        self._redactor = redactor
        named = {project: f"[project {place}]" for place, project in enumerate(dict.fromkeys(projects), 1)}
        folders = {**dict.fromkeys(homes, "~"), **named}
        self._hiding = Hiding(named, (*(home for home in folders if home not in named), *known))
        # The longest first: a project lies in the home folder.
        self._folders = [
            (re.compile(rf"{_folder(folder)}(?![\w\-]|\.\w)"), instead)
            for folder, instead in sorted(folders.items(), key=lambda each: -len(each[0]))
            if len(folder.strip("/\\")) > 1
        ]
        # The longest first here too: a machine is often called after its user.
        names = {re.split(r"[/\\]+", project.rstrip("/\\"))[-1]: instead for project, instead in named.items()}
        told = {**names, **dict.fromkeys(persons, "[user]"), **dict.fromkeys(hosts, "[host]")}
        known = sorted((name for name in told if _tells(name)), key=len, reverse=True)
        self._names = [(_name(name), told[name]) for name in known]

    def text(self, text: str) -> str:
        """Return a text without secrets, source code of tracebacks, and names of persons, files, tests and machines."""
        return self._named(self._hiding.text(self._redactor.redact(_SOURCE.sub(r"\1\n", text))))

    def _named(self, text: str) -> str:
        for pattern, instead in (*self._folders, *self._names):
            text = pattern.sub(instead, text)
        return text

    def value(self, value: Any, depth: int = _DEEPEST) -> Any:  # noqa: ANN401 - what JSON holds
        """Return what JSON holds with each of its texts scrubbed, and what stands under a telling name taken out."""
        if isinstance(value, str):
            return self.text(value)
        if depth <= 0:
            return REDACTED
        if isinstance(value, dict):
            return {
                self.text(str(key)): REDACTED if _hides(str(key), each) else self._under(str(key), each, depth - 1)
                for key, each in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.value(each, depth - 1) for each in value]
        return value

    def _under(self, key: str, value: Any, depth: int) -> Any:  # noqa: ANN401 - what JSON holds
        if key in _PATHS and isinstance(value, str):
            return self._named(self._hiding.path(self._redactor.redact(value)))
        return self.value(value, depth)

    def json_text(self, content: str) -> str:
        """Return a JSON document scrubbed, as readable text; what is no JSON as text."""
        try:
            found = json.loads(content)
        except (ValueError, RecursionError):
            return self.text(content)
        return json.dumps(self.value(found), indent=1, ensure_ascii=False)

    def log_line(self, line: str) -> str:
        """Return a line of the log scrubbed. What is said of a run of tests is left out: it may quote their output."""
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            return self.text(line)
        if isinstance(found, dict) and found.get("message"):
            found["message"] = "[left out]"
        if isinstance(found, dict) and isinstance(cause := found.get("cause"), str) and cause not in set(CauseKind):
            found["cause"] = self._hiding.cause(cause)
        return json.dumps(self.value(found), ensure_ascii=False)


def telling_values(named: Mapping[str, Any]) -> list[str]:
    """Return the texts that stand under names such as `password` or `token`, at any depth, or behind such words."""
    found: list[str] = []
    for name, value in named.items():
        texts = [each for each in value if isinstance(each, str)] if isinstance(value, list | tuple) else []
        if isinstance(value, dict):
            found += telling_values(value)
        elif is_sensitive_name(name) or name.lower().endswith("url"):
            found += [value] if isinstance(value, str) else texts
        else:
            found += telling_words(texts)
    return found


def telling_words(argv: Sequence[str]) -> list[str]:
    """Return what stands behind words such as `--token` on a command line, or behind the `=` in `--token=VALUE`."""
    found = []
    for place, word in enumerate(argv):
        name, equals, value = word.partition("=")
        if is_sensitive_name(name.lstrip("-").replace("-", "_")):
            found += [value] if equals else list(argv[place + 1 : place + 2])
    return [each for each in found if each]


def _hides(name: str, value: object) -> bool:
    is_telling = is_sensitive_name(name) or name.lower().endswith(_HEADERS)
    return is_telling and value not in (None, "", False, True)


def _folder(folder: str) -> str:
    """Return a pattern of a folder with either kind of slash, doubled or not, as texts quote it."""
    parts = [re.escape(part) for part in re.split(r"[/\\]+", folder.rstrip("/\\"))]
    return r"[/\\]{1,4}".join(parts)


def _name(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", re.IGNORECASE)


def _tells(name: str) -> bool:
    return len(name) >= _SHORTEST_NAME and name.lower() not in _NOBODY
