"""The error tree: a title for people and an exit code for scripts."""

from __future__ import annotations

import pytest

from app.domain import errors


def tree(kind: type[errors.WatchkeeperError]) -> list[type[errors.WatchkeeperError]]:
    """Return an error and what is below it in the domain; a room may refine one for itself."""
    below = [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]
    return [kind, *(each for child in below for each in tree(child))]


@pytest.mark.parametrize("kind", tree(errors.WatchkeeperError))
def test_each_error_has_a_title_a_code_and_stands_in_the_module_docstring(kind: type[errors.WatchkeeperError]) -> None:
    """The docstring is the map of the tree, and so must hold each error."""
    assert kind.title
    assert kind.exit_code in (1, 2, 3, 4)
    assert kind.__name__ in (errors.__doc__ or "")


def test_an_error_in_words_is_the_message_and_the_hint() -> None:
    """What happened comes first, what to do next follows."""
    assert str(errors.ProjectError("It is gone.", "Look elsewhere.")) == "It is gone. Look elsewhere."
    assert str(errors.ProjectError("It is gone.")) == "It is gone."
