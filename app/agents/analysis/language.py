"""The language of explanations."""

from __future__ import annotations

import locale
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMES = {
    "cs": "Czech",
    "de": "German",
    "es": "Spanish",
    "fr": "French",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "nl": "Dutch",
    "pl": "Polish",
    "pt": "Portuguese",
    "ru": "Russian",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "zh": "Chinese",
}


def language_of(setting: str, environ: Mapping[str, str]) -> str:
    """Return the English name of the language that a person reads.

    Args:
        setting: What the settings say: a name, or a code such as `ru`; empty for the system's.
        environ: The environment; POSIX lets LC_ALL, LC_MESSAGES and LANG tell, in this order.
    """
    if setting:
        return _NAMES.get(setting.lower()[:2], setting) if len(setting) in (2, 5) else setting
    told = next((environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(name)), "")
    told = told or locale.getlocale()[0] or ""  # Windows says it in neither: `Russian_Russia`
    if told[:2].lower() in _NAMES and not told[2:3].isalpha():
        return _NAMES[told[:2].lower()]
    return next((name for name in _NAMES.values() if told.startswith(name)), "English")
