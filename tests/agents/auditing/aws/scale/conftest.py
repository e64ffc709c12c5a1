"""An account of moto's with some buckets of the benchmark, behind a proxy that can answer otherwise.

No test here changes the account, so the buckets are put there once and left to the tests that come after.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from app.agents.auditing.aws.scale.documents import Access
from app.agents.auditing.aws.scale.inprocess import InProcess
from app.agents.auditing.aws.scale.workplace import Workplace
from tests.agents.auditing.aws.denying import Denying
from tests.agents.auditing.aws.scale.audits import A_FEW, ENDPOINT, ROLE, Borrowed, audited
from tests.benchmarks.aws.buckets import seed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from app.agents.auditing.aws.clients.backend import Backend
    from app.agents.auditing.aws.shape import Judgement
    from tests.benchmarks.aws.buckets import Bucket


def _ask(method: str, url: str) -> bool:
    """Ask moto past the proxy, and return whether it did it."""
    try:
        urllib.request.urlopen(urllib.request.Request(url, method=method)).close()  # noqa: S310 - on loopback
    except urllib.error.HTTPError as error:
        error.close()
        return False
    return True


def _mark(moto_url: str, some: tuple[Bucket, ...]) -> str:
    """Return the address of a bucket of another account, which says that these are there until moto is emptied."""
    return f"{moto_url}/wk-there-are-{len(some)}"


@pytest.fixture
def some_buckets(request: pytest.FixtureRequest) -> tuple[Bucket, ...]:
    """Give the buckets that are there; a few, unless a test names others."""
    named: tuple[Bucket, ...] = getattr(request, "param", A_FEW)
    return named


@pytest.fixture
def proxy(
    moto_url: str, no_aws_around: None, some_buckets: tuple[Bucket, ...], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Denying]:
    """Give the proxy in front of moto, where the buckets are or nothing is; this process and its children use it."""
    del no_aws_around
    if not _ask("HEAD", _mark(moto_url, some_buckets)):
        _ask("POST", f"{moto_url}/moto-api/reset")
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    with Denying(moto_url) as made:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "AKIAOFTHEMACHINE",
            "AWS_SECRET_ACCESS_KEY": "the-secret-of-the-machine",
            "HTTP_PROXY": made.url,
            "http_proxy": made.url,
            "no_proxy": "127.0.0.1",
        }.items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.fixture
async def workplace(proxy: Denying, backend: Backend) -> AsyncIterator[Workplace]:
    """Give a workplace."""
    del proxy
    async with Workplace(lambda: Borrowed(backend)) as made:
        yield made


@pytest.fixture
async def buckets(
    workplace: Workplace, proxy: Denying, moto_url: str, some_buckets: tuple[Bucket, ...]
) -> tuple[str, ...]:
    """Have the buckets in the account of the role, and return their names."""
    if not _ask("HEAD", _mark(moto_url, some_buckets)):
        await seed(await workplace.context(Access(role=ROLE, endpoint_url=ENDPOINT)), some_buckets)
        _ask("PUT", _mark(moto_url, some_buckets))
    proxy.asked.clear()
    return tuple(each.name for each in some_buckets)


@pytest.fixture(scope="session")
def _judged() -> dict[str, list[Judgement]]:
    return {}


@pytest.fixture
async def whole(
    _judged: dict[str, list[Judgement]], workplace: Workplace, buckets: tuple[str, ...], proxy: Denying
) -> list[Judgement]:
    """Give all judgements of the account, sorted, as an undisturbed audit in one process has them."""
    key = buckets[-1]
    if key not in _judged:
        _judged[key], _ = await audited(executor=InProcess(workplace), workplace=workplace)
        proxy.asked.clear()
    return _judged[key]
