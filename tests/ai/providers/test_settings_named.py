"""The settings that errors and hints name, looked up where they are declared."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import app.ai.providers as room
from app.agents.settings import Settings
from app.ai.providers.presets import PRESETS
from app.engine.settings import fields

NAMED = re.compile(r"analysis\.(?:NAME|[a-z_]+)(?:\.[a-z_]+)*")
"""A setting in a text; NAME stands for a provider's name, which is put in when the text is shown."""
SOURCES = sorted(path for folder in room.__path__ for path in Path(folder).glob("*.py"))


def texts(source: Path) -> list[str]:
    """Return all texts in a source, with NAME for what is put in."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    whole = [
        "".join(part.value if isinstance(part, ast.Constant) else "NAME" for part in node.values)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
    ]
    return whole + [
        node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def named(source: Path) -> set[str]:
    """Return the settings that a source's texts name, apart from the pieces of a text that is put together."""
    found = {setting for text in texts(source) for setting in NAMED.findall(text)}
    return {setting for setting in found if setting != "analysis.NAME"}


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_each_setting_that_is_named_exists(source: Path) -> None:
    """Whoever does what a hint says finds the setting under that name, for each provider."""
    known = {name for name, _ in fields(Settings)}

    meant = {each.replace("NAME", provider) for each in named(source) for provider in PRESETS}

    assert meant <= known


def test_the_settings_that_help_are_named() -> None:
    """Whatever a person can put right by a setting has a text that names it."""
    found = set().union(*map(named, SOURCES))

    assert found >= {
        "analysis.NAME.model",
        "analysis.NAME.base_url",
        "analysis.NAME.key",
        "analysis.temperature",
        "analysis.providers",
        "analysis.deadline_seconds",
        "analysis.prompt_tokens",
        "analysis.answer_tokens",
        "analysis.tokens_per_day",
        "analysis.dollars_per_day",
    }
