"""What the second step says of services, keys and the vault. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.firststart import Trial
from app.ui.wizard.project_words import Said

if TYPE_CHECKING:
    from app.domain.firststart import ModelChoice, ModelTrial
    from app.ui.words.catalogue import Catalogue

TITLES = {
    "deepseek": "DeepSeek",
    "openai": "OpenAI",
    "openrouter": "OpenRouter",
    "perplexity": "Perplexity",
    "ollama": "Ollama",
    "lmstudio": "LM Studio",
}
"""What the services call themselves, by their names in the settings."""


def title_of(choice: ModelChoice) -> str:
    """Return what a service calls itself; its host for one that only the settings know."""
    return TITLES.get(choice.name, choice.host)


def choice_text(tr: Catalogue, choice: ModelChoice) -> str:
    """Return a service's line in the list."""
    return tr("{service} (on this computer)", service=title_of(choice)) if choice.is_local else title_of(choice)


def place_text(tr: Catalogue, choice: ModelChoice) -> str:
    """Return where a question goes, and where its key is kept."""
    if not choice.key:
        return tr("It is asked at {host}: nothing leaves this computer.", host=choice.host)
    return tr(
        "It is asked at {host}. The key goes into the vault, encrypted, as {name}.", host=choice.host, name=choice.key
    )


def trial_text(tr: Catalogue, choice: ModelChoice, trial: ModelTrial) -> Said:
    """Return what came of asking a service once, when that was not good."""
    service = title_of(choice)
    detail = f"{trial.detail} {trial.hint}".strip()
    said = {
        Trial.NO_KEY: Said(tr("That is no key."), tr("A key has no spaces and only plain letters, digits and signs.")),
        Trial.KEY_REFUSED: Said(
            tr("{service} does not take this key.", service=service),
            tr("Look whether all of it was copied, and whether it is still valid there."),
            detail,
        ),
        Trial.NO_MONEY_OR_RIGHT: Said(
            tr("{service} knows the key, but its account may not ask.", service=service),
            tr("Look there whether it has money left, and what the key may do."),
            detail,
        ),
        Trial.NO_MODEL: Said(
            tr("{service} refuses the question.", service=service),
            tr("It may not have the model {model}.", model=trial.model or choice.model),
            detail,
        ),
        Trial.BUSY: Said(tr("{service} asks to wait.", service=service), tr("Try again in a while."), detail),
        Trial.OUT_OF_REACH: Said(
            tr("{service} could not be reached.", service=service),
            tr("See whether it is started there.") if choice.is_local else tr("See whether the network is up."),
            detail,
        ),
    }
    return said.get(trial.trial) or Said(tr("{service} gave no usable answer.", service=service), "", detail)


def good_text(tr: Catalogue, choice: ModelChoice, model: str) -> Said:
    """Return that a service is set up; with an empty model, that it has not been asked."""
    service = title_of(choice)
    text = (
        tr("It works: {service} has answered ({model}).", service=service, model=model)
        if model
        else tr("{service} is set up, and was not asked.", service=service)
    )
    kept = tr("The key is in the vault.") if choice.key else ""
    return Said(text, f"{kept} {tr('Before parts of a project are sent there, you are asked.')}".strip())
