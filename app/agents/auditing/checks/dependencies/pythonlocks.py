"""Reads pyproject.toml and the lock files of Python's tools."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement

from app.agents.auditing.checks.dependencies.pins import PYPI, Lines, Listed, NotUnderstood, Pin, normalized
from app.agents.auditing.checks.dependencies.requirements import exact_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_EXACT = re.compile(r"^(?:={2,3}|=)?\s*(\d[\w.+!-]*)$")
_LOCAL = frozenset({"path", "directory", "editable", "virtual", "file"})
"""Keys by which a lock file says that a package is a folder or file here, and values of Poetry's `type`."""
_ELSEWHERE = frozenset({"git", "url", "vcs", "archive", "ref", "hg", "svn", "bzr"})
"""Likewise that it comes from git or an address."""


def parsed_toml(text: str) -> dict[str, Any]:
    """Return what a TOML file holds.

    Raises:
        NotUnderstood: It is none.
    """
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotUnderstood(f"it is no TOML ({_first_line(error)})") from None


def parsed_json(text: str) -> dict[str, Any]:
    """Return the object that a JSON file holds.

    Raises:
        NotUnderstood: It holds none.
    """
    try:
        read = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotUnderstood(f"it is no JSON ({_first_line(error)})") from None
    return mapping(read, "it")


def mapping(value: object, what: str) -> dict[str, Any]:
    """Return a value that must be an object or table.

    Raises:
        NotUnderstood: It is none; the text names `what`.
    """
    if not isinstance(value, dict):
        raise NotUnderstood(f"{what} is no table of names and values")
    return value


def array(value: object, what: str) -> list[Any]:
    """Return a value that must be an array; see `mapping`."""
    if not isinstance(value, list):
        raise NotUnderstood(f"{what} is no list")
    return value


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0][:100]


def pyproject(text: str, path: str) -> Listed:
    """Return what a pyproject.toml lists: PEP 621, PEP 735 and Poetry."""
    read, lines, listed = parsed_toml(text), Lines(text), Listed()
    project = mapping(read.get("project", {}), "project")
    _requirements(listed, lines, path, array(project.get("dependencies", []), "project.dependencies"))
    for table in (project.get("optional-dependencies", {}), read.get("dependency-groups", {})):
        for name, group in mapping(table, "a table of dependencies").items():
            _requirements(listed, lines, path, array(group, name))
    poetry = mapping(mapping(read.get("tool", {}), "tool").get("poetry", {}), "tool.poetry")
    tables = [poetry.get("dependencies", {}), poetry.get("dev-dependencies", {})]
    tables += [
        mapping(each, "a group").get("dependencies", {}) for each in mapping(poetry.get("group", {}), "").values()
    ]
    for table in tables:
        for name, given in mapping(table, "a table of dependencies").items():
            if name != "python":
                _poetry(listed, lines, path, name, given)
    return listed


def _requirements(listed: Listed, lines: Lines, path: str, given: Iterable[object]) -> None:
    for each in given:
        if not isinstance(each, str):
            continue  # another group, included
        try:
            requirement = Requirement(each)
        except InvalidRequirement:
            listed.troubles.append(f"{path}: {each[:80]!r} is no requirement that could be read")
            continue
        if requirement.url:
            listed.elsewhere.append(requirement.name)
        elif version := exact_version(requirement):
            line = lines.holding(each)
            listed.pins.append(Pin(PYPI, normalized(requirement.name), version, path, line, lines.at(line)))
        else:
            listed.unpinned.append(requirement.name)


def _poetry(listed: Listed, lines: Lines, path: str, name: str, given: object) -> None:
    for each in given if isinstance(given, list) else [given]:
        if isinstance(each, dict) and _placed(listed, name, each):
            continue
        said = each.get("version", "") if isinstance(each, dict) else each
        exact = _EXACT.match(said.strip()) if isinstance(said, str) else None
        if exact is None or exact[1].endswith(".*"):
            listed.unpinned.append(name)
            continue
        line = lines.assigning(name)
        listed.pins.append(Pin(PYPI, normalized(name), exact[1], path, line, lines.at(line)))


def packages_lock(text: str, path: str) -> Listed:
    """Return what poetry.lock, uv.lock, pdm.lock or pylock.toml (PEP 751) lists."""
    read, lines, listed = parsed_toml(text), Lines(text), Listed()
    key = "packages" if "lock-version" in read and "packages" in read else "package"
    packages = array(read.get(key, []), key)
    headers = lines.headers(key)
    if len(headers) != len(packages):  # one of them stands in a string: no line is better than a wrong one
        headers = [0] * len(packages)
    for header, each in zip(headers, packages, strict=True):
        package = mapping(each, key)
        name, version = package.get("name"), package.get("version")
        if not isinstance(name, str):
            raise NotUnderstood(f"a {key} has no name")
        source = package.get("source")  # of uv and Poetry; the others say it in the package itself
        if _placed(listed, name, source if isinstance(source, dict) else package):
            continue
        if isinstance(version, str) and version:
            line = lines.version_after(header, version) if header else 0
            listed.pins.append(Pin(PYPI, normalized(name), version, path, line, f"{name} {version}"))
        else:
            listed.unpinned.append(name)
    return listed


def _placed(listed: Listed, name: str, source: Mapping[str, Any]) -> bool:
    """Return whether a package comes from no registry; one from afar is listed as from elsewhere."""
    kind = source.get("type")
    if kind in _LOCAL:  # Poetry gives a folder's path as its `url`
        return True
    if source.keys() & _ELSEWHERE and kind != "legacy":  # which is how Poetry calls another registry
        listed.elsewhere.append(name)
        return True
    return bool(source.keys() & _LOCAL)


def pipfile_lock(text: str, path: str) -> Listed:
    """Return what a Pipfile.lock lists."""
    read, lines, listed = parsed_json(text), Lines(text), Listed()
    for section, packages in read.items():
        if section.startswith("_"):
            continue
        for name, each in mapping(packages, section).items():
            package = mapping(each, name)
            version = package.get("version")
            if _placed(listed, name, package):
                continue
            if isinstance(version, str) and (exact := _EXACT.match(version)):
                line = lines.key(name, exact[1])
                listed.pins.append(Pin(PYPI, normalized(name), exact[1], path, line, f"{name} {exact[1]}"))
            else:
                listed.unpinned.append(name)
    return listed
