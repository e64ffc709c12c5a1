"""What only the command line says of models."""

from __future__ import annotations


def who(provider: str, model: str) -> str:
    """Return who answers: `deepseek-chat of deepseek`; empty when nobody does."""
    return f"{model} of {provider}" if model and provider else model or provider
