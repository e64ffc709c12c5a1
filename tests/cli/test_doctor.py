"""The command `doctor`: what is wrong is found, and what to do is said."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from importlib import metadata
from typing import TYPE_CHECKING, Any

import pytest

from app.cli.doctor import machine
from app.domain.analysis import AnalysisView, ProviderView

if TYPE_CHECKING:
    from pathlib import Path

    from app.engine.places import Places
    from tests.cli.conftest import CommandLine, Instance, Ran


def checks(ran: Ran) -> dict[str, Any]:
    return {check["name"]: check for check in json.loads(ran.out)["checks"]}


def test_a_good_machine_gets_a_good_answer(cli: CommandLine) -> None:
    """Nothing fails here, every check has words, and the table has a line for each."""
    as_json = cli("doctor", "--json")
    in_words = cli("doctor")

    found = checks(as_json)
    assert as_json.code == in_words.code == 0
    assert json.loads(as_json.out)["good"] is True
    assert {
        "python",
        "pyside6",
        "display",
        "tray",
        "notifications",
        "folders",
        "settings",
        "history",
        "models",
        "instance",
        "version",
        "ends",
        "autostart",
        "home",
        "disk",
        "lock",
        "descriptors",
        "clock",
        "locale",
        "git",
        "keychain",
        "vault",
        "alerts",
        "metrics",
        "projects",
    } <= set(found)
    assert all(check["text"] for check in found.values())
    assert all(check["hint"] for check in found.values() if check["level"] in ("warn", "fail"))
    assert all(name in in_words.out for name in found)


def test_what_fails_is_named_and_makes_the_exit_code_1(cli: CommandLine, home: Path, places: Places) -> None:
    """A folder in whose place a file stands, broken settings and a foreign history each fail with a hint."""
    places.settings_file.write_text("[tests]\nhang_seconds = 0\n")
    (places.data / "history.sqlite3").write_text("this is no database" * 100)
    places.cache.rmdir()
    (home / "cache").touch()

    ran = cli("doctor", "--json")

    found = checks(ran)
    assert ran.code == 1
    for name in ("settings", "history", "folders"):
        assert found[name]["level"] == "fail"
        assert found[name]["hint"]
    assert "line 2" in found["settings"]["text"]


@pytest.mark.parametrize(
    ("version", "python", "level"),
    [
        ("6.12.0", (3, 11, 9), "fail"),
        ("6.12.0", (3, 12, 0), "ok"),
        ("6.11.3", (3, 11, 0), "ok"),
        (None, (3, 12, 0), "fail"),
    ],
)
def test_a_pairing_that_aborts_is_found(
    monkeypatch: pytest.MonkeyPatch, version: str | None, python: tuple[int, int, int], level: str
) -> None:
    """PySide6 6.12 over-releases None below Python 3.12, so the pair is refused before it ends the process."""

    def installed(_: str) -> str:
        if version is None:
            raise metadata.PackageNotFoundError
        return version

    monkeypatch.setattr(metadata, "version", installed)
    monkeypatch.setattr(sys, "version_info", python)

    assert machine.pyside().level == level


def test_a_display_that_does_not_answer_is_found(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that names a display is no display yet."""
    for name in ("WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DISPLAY", ":98765")

    found = checks(cli("doctor", "--json"))["display"]

    assert found["level"] == "warn"
    assert ":98765 does not answer" in found["text"]
    assert "--headless" in found["hint"]


def test_low_limits_of_inotify_are_told_with_the_command(tmp_path: Path) -> None:
    """The command that raises the limit is in the hint; unreadable limits are left out."""
    (tmp_path / "max_user_watches").write_text("8192\n")
    (tmp_path / "max_user_instances").write_text("128\n")

    low, enough = machine.inotify(tmp_path)

    assert (low.level, enough.level) == ("warn", "ok")
    assert "sudo sysctl fs.inotify.max_user_watches=" in low.hint
    assert machine.inotify(tmp_path / "none") == []


def test_the_running_instance_is_asked_about_its_tray(cli: CommandLine, instance: Instance) -> None:
    """What only the instance knows comes from it."""
    found = checks(cli("doctor", "--json"))

    assert found["tray"]["level"] == "ok"
    assert "/src/demo" in found["instance"]["text"]
    assert len(instance.seen) == 1


@pytest.mark.parametrize(
    ("settings", "level", "said"),
    [
        ("", "ok", "when you ask: deepseek (deepseek-chat at api.deepseek.com)"),
        (
            'when = "always"\nproviders = ["ollama", "openai"]\n',
            "ok",
            "by itself: ollama (qwen2.5-coder:7b at 127.0.0.1:11434), then openai (gpt-4o-mini at api.openai.com)",
        ),
        ('when = "never"\n', "ok", "none is asked"),
        (
            'providers = ["openrouter"]\n',
            "warn",
            "when you ask: openrouter (deepseek/deepseek-chat at openrouter.ai)",
        ),
        ('providers = ["openrouter"]\ndollars_per_day = 0\n', "ok", "openrouter"),
        ("providers = []\n", "warn", "No provider is set up"),
        ('providers = ["custom"]\n', "fail", "custom"),
        ('providers = ["nobody"]\n', "unknown", "they are not good"),
    ],
)
def test_who_would_be_asked_is_told_in_order(
    cli: CommandLine, places: Places, settings: str, level: str, said: str
) -> None:
    """From the settings, without asking anybody; what cannot work is named with what to do."""
    places.settings_file.write_text(f"[analysis]\n{settings}")

    found = checks(cli("doctor", "--json"))["models"]

    assert found["level"] == level
    assert said in found["text"]
    assert bool(found["hint"]) is (level in ("warn", "fail"))


def test_whom_the_limit_of_dollars_does_not_keep_back_is_told(cli: CommandLine, places: Places) -> None:
    """A provider without a known price is named, with the setting that would help."""
    places.settings_file.write_text('[analysis]\nproviders = ["openrouter"]\n')

    found = checks(cli("doctor", "--json"))["models"]

    assert found["hint"] == "The limit of dollars does not hold for openrouter; set analysis.openrouter.prices"


def test_a_provider_that_the_instance_cannot_use_is_told(cli: CommandLine, instance: Instance) -> None:
    """Whether its key is there only the instance knows."""
    out = ProviderView("deepseek", "api.deepseek.com", "deepseek-chat", reason="The vault holds no DEEPSEEK_API_KEY.")
    instance.snapshot = replace(instance.snapshot, analysis=AnalysisView(providers=(out,)))

    found = checks(cli("doctor", "--json"))["models"]

    assert found["level"] == "warn"
    assert "Not now: deepseek: The vault holds no DEEPSEEK_API_KEY." in found["text"]


def test_without_a_bus_notifications_are_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No D-Bus is told, within seconds and without a traceback."""
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/none")

    found = machine.notifications()

    assert (found.level, bool(found.hint)) == ("warn", True)
