"""Keys: used in turn, put aside when the service says so, and never asked for in vain."""

from __future__ import annotations

from typing import Any

import pytest

from app.ai.providers.keys import NO_KEY, KeyTurns
from app.domain.errors import (
    ModelBusy,
    ModelError,
    ModelNotSetUp,
    ModelRefused,
    SecretError,
    VaultIOError,
    VaultMissing,
)
from tests.ai.providers.conftest import VaultInMemory


async def fault_of(turns: KeyTurns, name: str = "A_KEY") -> ModelError:
    with pytest.raises(ModelError) as told:
        await turns.take(name)
    assert (told.value.__cause__, told.value.__context__) == (None, None)
    return told.value


async def test_the_first_key_is_used_until_it_is_put_off(fake_clock: Any) -> None:
    """A key that has to wait gives its turn to the next, and has it again when its time is over."""
    vault = VaultInMemory(A_KEY="one", A_KEY_1="two")
    turns = KeyTurns(vault, monotonic=fake_clock.monotonic)
    first = await turns.take("A_KEY")

    turns.put_off(first, 30.0)
    second = await turns.take("A_KEY")
    fake_clock.advance(30.0)
    third = await turns.take("A_KEY")

    assert (first.value, second.value, third.value) == ("one", "two", "one")
    assert vault.asked[0] == ("A_KEY", "ask a language model")


async def test_when_all_wait_the_soonest_is_told(fake_clock: Any) -> None:
    """With every key put off, the error says when the first of them is free."""
    turns = KeyTurns(VaultInMemory(A_KEY="one", A_KEY_1="two"), monotonic=fake_clock.monotonic)
    turns.put_off(await turns.take("A_KEY"), 30.0)
    turns.put_off(await turns.take("A_KEY"), None)

    error = await fault_of(turns)

    assert isinstance(error, ModelBusy)
    assert error.retry_after_s == 20.0
    assert "A_KEY_2" in error.hint


async def test_a_refused_key_waits_for_the_vault(fake_clock: Any) -> None:
    """A key that the service does not take is not shown to it again until the vault has changed."""
    turns = KeyTurns(VaultInMemory(A_KEY="one"), monotonic=fake_clock.monotonic)
    turns.refuse(await turns.take("A_KEY"))
    fake_clock.advance(10**6)

    error = await fault_of(turns)
    turns.forget()

    assert isinstance(error, ModelRefused)
    assert "keys set A_KEY" in error.hint
    assert (await turns.take("A_KEY")).value == "one"


async def test_a_refused_key_among_others_is_no_end(fake_clock: Any) -> None:
    """With one key refused and one that waits, it is the wait that is told."""
    turns = KeyTurns(VaultInMemory(A_KEY="one", A_KEY_1="two"), monotonic=fake_clock.monotonic)
    turns.refuse(await turns.take("A_KEY"))
    assert turns.has_another("A_KEY")
    turns.put_off(await turns.take("A_KEY"), 5.0)

    assert not turns.has_another("A_KEY")
    assert isinstance(await fault_of(turns), ModelBusy)


async def test_a_locked_vault_says_how_to_open_it(fake_clock: Any) -> None:
    """A model that cannot be asked because the vault is locked is not set up, and the way to open it is named."""
    vault = VaultInMemory(A_KEY="one")
    vault.is_locked = True

    error = await fault_of(KeyTurns(vault, monotonic=fake_clock.monotonic))

    assert isinstance(error, ModelNotSetUp)
    assert "watchkeeper keys unlock" in error.hint


async def test_a_missing_key_says_how_to_set_it(fake_clock: Any) -> None:
    """No such secret is not set up, and the command that sets it is named."""
    error = await fault_of(KeyTurns(VaultInMemory(), monotonic=fake_clock.monotonic))

    assert isinstance(error, ModelNotSetUp)
    assert "watchkeeper keys set A_KEY" in error.hint


@pytest.mark.parametrize(
    "failure", [VaultMissing("x"), VaultIOError("The disk is gone.", "Bring it back."), SecretError("x")]
)
async def test_whatever_the_vault_raises_is_told(fake_clock: Any, failure: Exception) -> None:
    """Each error of the vault becomes one of a model that cannot be asked."""

    class Failing(VaultInMemory):
        async def group(self, name: str) -> tuple[str, ...]:
            del name
            raise failure

    error = await fault_of(KeyTurns(Failing(), monotonic=fake_clock.monotonic))

    assert error.message
    assert error.hint


@pytest.mark.parametrize("value", ["", "  ", "two words", "line\nline", "ключ-секрета", "tab\there", "nul\0"])
async def test_what_is_no_key_is_not_sent(fake_clock: Any, value: str) -> None:
    """A value that no header can hold is refused in our words: the library's would show it."""
    error = await fault_of(KeyTurns(VaultInMemory(A_KEY=value), monotonic=fake_clock.monotonic))

    assert isinstance(error, ModelRefused)
    assert not value.strip() or value not in str(error)


async def test_the_line_end_of_a_pasted_key_is_taken_off(fake_clock: Any) -> None:
    """A key that was stored with a line end works."""
    turns = KeyTurns(VaultInMemory(A_KEY="one\n"), monotonic=fake_clock.monotonic)

    assert (await turns.take("A_KEY")).value == "one"


async def test_a_service_without_a_key_does_not_ask_the_vault(fake_clock: Any) -> None:
    """No key is wanted, so a locked vault is no trouble."""
    vault = VaultInMemory()
    vault.is_locked = True
    turns = KeyTurns(vault, monotonic=fake_clock.monotonic)

    assert await turns.take("") is NO_KEY
    turns.refuse(NO_KEY)
    assert await turns.take("") is NO_KEY
    assert vault.asked == []
