"""The command `config`: see and change the settings."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import textwrap
import tomllib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from app.agents.settings import Settings
from app.agents.settings_in_force import overrides_of
from app.cli.projects import project_root
from app.cli.terminal import plain
from app.domain.errors import CannotError, SettingsError, UsageError
from app.engine.files import write_atomic
from app.engine.overrides import read_override
from app.engine.places import make_private
from app.engine.settings import Section, SettingsFile, fields

if TYPE_CHECKING:
    from app.cli.context import Context


def config(context: Context) -> int:
    """See and change the settings."""
    with context.logging():
        return {"show": _show, "set": _set, "edit": _edit, "trust": _trust}[context.words.what](context)


def settings_file(context: Context) -> SettingsFile[Settings]:
    """Return the person's settings file; not read yet."""
    places = context.places
    return SettingsFile(Settings, places.settings_file, last_good=places.last_good_settings)


def _show(context: Context) -> int:
    file = settings_file(context)
    settings, _ = file.check()
    default = Settings()
    if context.as_json:
        context.terminal.document({"path": str(file.path), "settings": settings.model_dump(mode="json")})
        return 0
    terminal = context.terminal
    terminal.say(terminal.paint(f"# {plain(file.path)}", "dim"))
    for key, info in fields(Settings):
        value, usual = _value(settings, key), _value(default, key)
        line = plain(f"{key} = {_toml(value)}")
        terminal.say(line if value == usual else terminal.paint(line, "bold"))
        changed = "" if value == usual else f" Default: {_toml(usual)}."
        terminal.say(terminal.paint(f"    {info.description}.{changed}", "dim"))
    return 0


def _set(context: Context) -> int:
    key, values = context.words.key, context.words.values
    _refuse_bad_address(settings_file(context).check()[0], key, values)
    settings = settings_file(context).set(key, values)
    if key == "audits.off":
        _tell_unknown_checks(context, settings.audits.off)
    if context.as_json:
        context.terminal.document({"key": key, "value": _value(settings, key)})
    else:
        context.terminal.say(plain(f"{key} = {_toml(_value(settings, key))}"))
    return 0


def _refuse_bad_address(settings: Settings, key: str, values: list[str]) -> None:
    """See that a provider can be asked at its new address, with its new key; what is missing yet may come.

    Raises:
        UsageError: It cannot.
    """
    from app.ai.providers.presets import PRESETS

    section, _, rest = key.partition(".")
    name, _, field = rest.partition(".")
    if section != "analysis" or name not in PRESETS or field not in {"base_url", "key"} or len(values) != 1:
        return
    said: object = values[0]
    with suppress(tomllib.TOMLDecodeError, RecursionError):
        said = tomllib.loads(f"v = {values[0]}")["v"]
    own = getattr(settings.analysis, name).model_copy(update={field: said})
    if not isinstance(said, str) or not own.base_url:
        return
    try:
        PRESETS[name].provider(name, base_url=own.base_url, model=own.model or "any", key=own.key or None)
    except UsageError as error:
        raise UsageError(error.message, f"Nothing was changed. {error.hint}") from None


def _tell_unknown_checks(context: Context, off: tuple[str, ...]) -> None:
    """Say which checks that are left out are none; others may be installed yet, so that they are no mistake."""
    from app.agents.auditing.host.known import known_checks, unknown_among

    known, _ = known_checks(context.places.data / "checks")
    for trouble in unknown_among(known, off):
        context.terminal.note(plain(trouble))


def _edit(context: Context) -> int:
    if context.as_json:
        raise UsageError(
            "An editor prints nothing, so there is no --json here.",
            "`watchkeeper config show --json` prints the settings.",
        )
    file = settings_file(context)
    words = _editor(context)
    if not file.path.exists():
        try:
            make_private(file.path.parent)
            write_atomic(file.path, template(Settings).encode())
        except OSError as error:
            raise CannotError(
                f"{file.path} cannot be written: {error.strerror or error}.",
                "Check the rights of its folder and the space on its disk.",
            ) from error
    try:
        code = subprocess.run([*words, str(file.path)], check=False).returncode  # noqa: S603 - the person's own editor
    except OSError as error:
        raise CannotError(
            f"The editor {words[0]!r} cannot be started: {error.strerror or error}.", "Set EDITOR to another one."
        ) from error
    if code:
        raise CannotError(f"The editor {words[0]!r} ended with {code}.", f"The file is {file.path}.")
    file.reload()
    context.terminal.note("The settings are good.")
    return 0


def _editor(context: Context) -> list[str]:
    named = context.environ.get("VISUAL") or context.environ.get("EDITOR")
    if named:
        return shlex.split(named, posix=os.name == "posix")
    usual = ("notepad",) if sys.platform == "win32" else ("sensible-editor", "nano", "vim", "vi")
    found = next((each for each in usual if shutil.which(each)), None)
    if found is None:
        raise CannotError("No editor was found.", "Set EDITOR to yours.")
    return [found]


def _trust(context: Context) -> int:
    root = project_root(context.words.path, context.cwd)
    overrides = overrides_of(context.places, Settings)
    if context.words.revoke:
        overrides.revoke(root)
        return _told(context, root, trusted=False, settings={}, text=f"The settings of {root} are no longer trusted.")
    override = read_override(root)
    if override is None:
        raise SettingsError(
            f"{root} has no settings of its own.",
            "They would stand in .watchkeeper.toml, or under [tool.watchkeeper] in pyproject.toml.",
        )
    checked = overrides.checked(override).model_dump(mode="json", exclude_unset=True)
    overrides.trust(root, override)
    lines = [f"Trusted, from {override.path}, until they change:"]
    lines += [f"  {section}.{key} = {_toml(value)}" for section, keys in checked.items() for key, value in keys.items()]
    return _told(context, root, trusted=True, settings=checked, text="\n".join(lines))


def _told(context: Context, root: object, *, trusted: bool, settings: dict[str, Any], text: str) -> int:
    if context.as_json:
        context.terminal.document({"project": str(root), "trusted": trusted, "settings": settings})
    else:
        context.terminal.say(plain(text))
    return 0


def template(model: type[Section]) -> str:
    """Return a settings file in which everything is explained and nothing is set."""
    lines = [
        "# Settings of Watchkeeper. A line without its first # is in force; the values shown are the defaults.",
        "",
    ]
    default, section = model(), ""
    for key, info in fields(model):
        head, _, last = key.rpartition(".")
        if head != section:
            section = head
            lines += [f"[{section}]", ""]
        lines += textwrap.wrap(f"{info.description}.", 110, initial_indent="# ", subsequent_indent="# ")
        lines += [f"# {last} = {_toml(_value(default, key))}", ""]
    return "\n".join(lines)


def _value(settings: Section, key: str) -> Any:  # noqa: ANN401 - any setting's
    found: Any = settings
    for part in key.split("."):
        found = getattr(found, part)
    return found


def _toml(value: object) -> str:
    # JSON's texts, numbers, booleans and lists of them are TOML's as well.
    return json.dumps(value, ensure_ascii=False)
