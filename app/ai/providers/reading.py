"""Reads the body of an answer, in bounded blocks and to a bounded length."""

from __future__ import annotations

import asyncio
import zlib
from contextlib import aclosing
from typing import TYPE_CHECKING

from app.ai.providers import faults
from app.ai.providers.draft import NotUnderstood
from app.ai.providers.sse import EventReader
from app.domain.errors import ModelNonsense

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

    import httpx

    from app.ai.providers.draft import Draft
    from app.ai.providers.provider import Provider

BLOCK = 16 * 1024
"""Bytes that are looked at in one go: between two the loop has its turn."""

_BEFORE_ALL = b"\xef\xbb\xbf \t\r\n"
_TOO_LONG = "is longer than an answer may be"


async def read_answer(response: httpx.Response, provider: Provider, draft: Draft, *, longest: int) -> None:
    """Have a draft take a successful answer until its end.

    Args:
        response: With its body unread.
        provider: Who answers.
        draft: What takes it.
        longest: Bytes that are read at most, unpacked.

    Raises:
        ModelNonsense: It is too long, cut off, empty or a web page.
        NotUnderstood: It is not what the API says.
        ErrorInside: It is an error.
        httpx.HTTPError: The connection fails.
    """
    body = _Body(provider, draft)
    size = 0
    async with aclosing(unpacked(response)) as blocks:
        async for block in blocks:
            size += len(block)
            if size > longest:
                raise faults.nonsense(provider, f"is larger than {longest // 1024} KiB")
            body.feed(block)
            if draft.is_full:
                raise faults.nonsense(provider, _TOO_LONG)
            if draft.is_done:
                break
    body.end()
    _check(provider, draft)


async def unpacked(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """Yield a body in blocks of at most `BLOCK` bytes, whatever the service packed although it was asked not to.

    Raises:
        NotUnderstood: It is packed in a way that is not known, or damaged.
        httpx.HTTPError: The connection fails.
    """
    unpack = _unpacker(response.headers.get("content-encoding", "").strip().lower())
    # the library promises an iterator, and makes a generator, which has to be closed
    chunks: AsyncGenerator[bytes, None] = response.aiter_raw()  # type: ignore[assignment]
    async with aclosing(chunks):
        async for chunk in chunks:
            for block in unpack(chunk):
                yield block
                await asyncio.sleep(0)


class _Body:
    """A stream of events, or one document: what it begins with tells.

    Some services send one document when a stream was asked for, and some call either by the wrong type.
    """

    def __init__(self, provider: Provider, draft: Draft) -> None:
        self._provider = provider
        self._draft = draft
        self._events: EventReader | None = None
        self._document: bytearray | None = None

    def feed(self, block: bytes) -> None:
        if self._document is not None:
            self._document += block
        elif self._events is not None:
            for event in self._events.feed(block):
                self._draft.take(event.data)
                if self._draft.is_done or self._draft.is_full:
                    break
        else:
            self._begin(block)

    def end(self) -> None:
        if self._document is not None:
            self._draft.take(self._document.decode("utf-8-sig", "replace"))
            self._draft.is_done = True

    def _begin(self, block: bytes) -> None:
        block = block.lstrip(_BEFORE_ALL)
        first = block[:1]
        if not first:
            return
        if first == b"<":
            raise faults.nonsense(self._provider, "is a web page; perhaps this network wants a login")
        if first in {b"{", b"["}:
            self._document = bytearray()
        else:
            self._events = EventReader()
        self.feed(block)


def _check(provider: Provider, draft: Draft) -> None:
    """Check an answer that has ended.

    Raises:
        ModelNonsense: It is cut off, too long, or none.
    """
    if draft.is_full:
        raise faults.nonsense(provider, _TOO_LONG)
    if not draft.is_whole:
        raise faults.nonsense(provider, "was cut off")
    if draft.has_text:
        return
    if draft.finish == "length":
        raise ModelNonsense(
            f"{provider.name} at {provider.host} used up all tokens of the answer before it said anything.",
            "Raise it: analysis.answer_tokens; or take a model that thinks less.",
        )
    raise faults.nonsense(provider, "is empty")


def _unpacker(packing: str) -> Callable[[bytes], Iterator[bytes]]:
    if packing in {"", "identity"}:
        return lambda chunk: (chunk[at : at + BLOCK] for at in range(0, len(chunk), BLOCK))
    if packing not in {"gzip", "x-gzip", "deflate"}:
        raise NotUnderstood("is packed in a way that is not known")
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)

    def unpack(chunk: bytes) -> Iterator[bytes]:
        while chunk:
            try:
                block = inflate.decompress(chunk, BLOCK)
            except zlib.error:
                raise NotUnderstood("is packed, and damaged") from None
            yield block
            chunk = inflate.unconsumed_tail

    return unpack
