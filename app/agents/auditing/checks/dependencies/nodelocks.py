"""Reads the lock files of npm, Yarn (both formats) and pnpm.

Yarn's and pnpm's are YAML of a fixed form that their tools write: lines are enough, and they give the line of the pin.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from app.agents.auditing.checks.dependencies.pins import NPM, Lines, Listed, NotUnderstood, Pin
from app.agents.auditing.checks.dependencies.pythonlocks import mapping, parsed_json

if TYPE_CHECKING:
    from collections.abc import Iterator

_FOLDER = "node_modules/"
_REGISTRY = re.compile(r"^https?://")
_LOCAL = ("file:", "link:", "portal:", "workspace:")
_GIT = re.compile(r"\.git(?:#|$)|^https?://(?:github|gitlab|bitbucket|codeload\.github)\.")
_VERSION = re.compile(r"^\d+\.\d+\.\d+(?:[-+][\w.+-]+)*$")
_NAME = r"(?:@[^/@\s]+/)?[^/@\s]+"
_YARN_KEY = re.compile(rf"^({_NAME})@(?:npm:({_NAME})@|npm:)?(.*)$")
_YARN_FIELD = re.compile(r'^  (version|resolved|resolution|linkType):?\s+"?([^"]*)"?\s*$')
_PNPM_KEY = re.compile(
    r"^  ['\"]?/?((?:@[^/@\s]+/)?[^/@\s()'\"]+)[@/](\d[^()'\":/_\s]*)(?:[(_].*)?['\"]?:\s*(?:\{.*)?$"
)
_PNPM_LOCAL = re.compile(r"(?:^|@)['\"]?(?:file|link):")
_PNPM_ANY = re.compile(r"^  (\S.*?):\s*(?:\{.*)?$")


def package_lock(text: str, path: str) -> Listed:
    """Return what a package-lock.json or npm-shrinkwrap.json lists, of the versions 1 to 3."""
    read, lines, listed = parsed_json(text), Lines(text), Listed()
    if "packages" in read:
        found = _packages(mapping(read["packages"], "packages"))
    else:
        found = _dependencies(mapping(read.get("dependencies", {}), "dependencies"))
    for key, name, package in found:
        version = package.get("version")
        if package.get("link") or not isinstance(version, str) or version.startswith(_LOCAL):
            continue
        if _from_elsewhere(str(package.get("resolved") or ""), version):
            listed.elsewhere.append(name)
        else:
            real, version = _aliased(str(package.get("name") or name), version)
            line = lines.key(key, version)
            listed.pins.append(Pin(NPM, real, version, path, line, f"{real} {version}"))
    return listed


def _packages(packages: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for key, each in packages.items():
        if _FOLDER in key:  # else it is the project itself, or a folder of it
            yield key, key.rpartition(_FOLDER)[2], mapping(each, key)


def _dependencies(dependencies: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    waiting = [dependencies]
    while waiting:
        for name, each in waiting.pop().items():
            package = mapping(each, name)
            yield name, name, package
            waiting.append(mapping(package.get("dependencies", {}), name))


def _aliased(name: str, version: str) -> tuple[str, str]:
    """Return the real name and version of a package that is installed under another name."""
    if version.startswith("npm:"):
        real, _, version = version.removeprefix("npm:").rpartition("@")
        return real, version
    return name, version


def _from_elsewhere(resolved: str, version: str) -> bool:
    if resolved and (not _REGISTRY.match(resolved) or _GIT.search(resolved)):
        return True
    return not _VERSION.match(version.rpartition("@")[2] if version.startswith("npm:") else version)


def yarn_lock(text: str, path: str) -> Listed:
    """Return what a yarn.lock lists, of Yarn 1 or of Yarn 2 and later."""
    listed = Listed()
    if "# yarn lockfile v1" not in text[:1000] and "__metadata:" not in text:
        raise NotUnderstood("it is no lock file of Yarn")
    for number, header, fields in _blocks(text):
        if header.startswith("__metadata"):
            continue
        first = header.rstrip(":").split(",")[0].strip().strip('"')
        key = _YARN_KEY.match(first)
        version, at = fields.get("version", ("", number))
        if key is None or not version:
            listed.troubles.append(f"{path}:{number} is no entry that could be read")
            continue
        name = key[2] or key[1]
        if key[3].startswith(_LOCAL):
            continue
        if resolution := fields.get("resolution"):
            resolved = _YARN_KEY.match(resolution[0])
            if resolved and resolved[3].startswith(_LOCAL):
                continue
            is_elsewhere = resolved is None or not resolution[0].startswith(f"{resolved[1]}@npm:")
            name = resolved[1] if resolved else name
        else:
            is_elsewhere = "resolved" not in fields or _from_elsewhere(fields["resolved"][0], version)
        if is_elsewhere:
            listed.elsewhere.append(name)
        else:
            listed.pins.append(Pin(NPM, name, version, path, at, f"{name} {version}"))
    return listed


def _blocks(text: str) -> Iterator[tuple[int, str, dict[str, tuple[str, int]]]]:
    """Yield each entry: its line, its header, and its fields with their lines."""
    number, header = 0, ""
    fields: dict[str, tuple[str, int]] = {}
    for at, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if not line[0].isspace():
            if header:
                yield number, header, fields
            number, header, fields = at, line.strip(), {}
        elif found := _YARN_FIELD.match(line):
            fields[found[1]] = found[2], at
    if header:
        yield number, header, fields


def pnpm_lock(text: str, path: str) -> Listed:
    """Return what a pnpm-lock.yaml lists, of the versions 5 to 9."""
    listed, section, is_lock = Listed(), "", False
    for number, line in enumerate(text.splitlines(), 1):
        if line and not line[0].isspace() and not line.startswith("#"):
            section = line.partition(":")[0].strip()
            is_lock = is_lock or section == "lockfileVersion"
        elif section == "packages" and line.startswith("  ") and not line.startswith("   "):
            if found := _PNPM_KEY.match(line):
                listed.pins.append(Pin(NPM, found[1], found[2], path, number, f"{found[1]} {found[2]}"))
            elif (other := _PNPM_ANY.match(line)) and not _PNPM_LOCAL.search(other[1]):
                listed.elsewhere.append(other[1].strip("'\""))
    if not is_lock:
        raise NotUnderstood("it is no lock file of pnpm")
    return listed
