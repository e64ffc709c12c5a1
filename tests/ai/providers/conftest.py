"""What the tests of providers share: a service on loopback, a vault in memory, and all of it put together."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from app.ai.messages import Message, Role
from app.ai.providers.client import ChatClient, ClientLimits
from app.ai.providers.provider import Price, Provider
from app.ai.providers.service import Models
from app.domain.errors import SecretMissing, VaultLocked
from app.engine.clock import SystemClock
from app.engine.resilience.breaker import BreakerLimits
from app.engine.resilience.calls import CallLimits
from tests.ai.modelserver import KEY, MODEL, ModelServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    import httpx

    from app.ai.messages import Completion


class VaultInMemory:
    """A vault at its far end: secrets by name, locked or not."""

    def __init__(self, **secrets: str) -> None:
        self.secrets = secrets
        self.is_locked = False
        self.asked: list[tuple[str, str]] = []

    async def secret(self, name: str, *, why: str) -> str:
        self.asked.append((name, why))
        if self.is_locked:
            raise VaultLocked("The vault is locked.", "Open it.")
        if name not in self.secrets:
            raise SecretMissing(f"There is no {name}.")
        return self.secrets[name]

    async def group(self, name: str) -> tuple[str, ...]:
        if self.is_locked:
            raise VaultLocked("The vault is locked.", "Open it.")
        return tuple(sorted(each for each in self.secrets if each == name or each.startswith(f"{name}_")))


class Asking:
    """Makes Models that ask stand-ins, and closes them."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.vault = VaultInMemory(A_KEY=KEY)
        self._stack = stack

    def models(
        self,
        *providers: Provider,
        client: ClientLimits | None = None,
        transport: Callable[[], httpx.AsyncBaseTransport] | None = None,
        **words: Any,
    ) -> Models:
        clock = words.setdefault("clock", SystemClock())
        words.setdefault("limits", CallLimits(backoff_first_s=0.01, backoff_ceiling_s=0.02))
        words.setdefault("breaker", BreakerLimits())
        http = ChatClient(clock=clock, limits=client, transport=transport)
        models = Models(providers, keys=self.vault, client=http, **words)
        self._stack.push_async_callback(models.aclose)
        return models


def provider_at(server: ModelServer, name: str = "first", **words: Any) -> Provider:
    """Return a provider that the stand-in plays."""
    words = {"key": "A_KEY", "price": Price(1.0, 2.0), **words}
    return Provider(name, words.pop("base_url", server.url), words.pop("model", MODEL), **words)


async def ask(
    models: Models, text: str = "Why is it red?", on_text: Callable[[str], None] | None = None, **words: Any
) -> Completion:
    """Ask for a short answer."""
    words = {"answer_tokens": 500, "hosts": None, **words}
    messages = [Message(Role.SYSTEM, "Be short."), Message(Role.USER, text)]
    return await models.complete(messages, on_text=on_text, **words)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tuple(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    """A service that is asked."""
    with ModelServer() as server:
        yield server


@pytest.fixture
def second() -> Iterator[ModelServer]:
    """Another one."""
    with ModelServer() as server:
        yield server


@pytest.fixture
async def asking() -> AsyncIterator[Asking]:
    """What makes Models."""
    async with AsyncExitStack() as stack:
        yield Asking(stack)
