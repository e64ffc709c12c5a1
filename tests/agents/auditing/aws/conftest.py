"""Moto's server and what speaks to it, one of each for all tests of a worker, and nothing of the machine's own AWS."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from app.agents.auditing.aws.clients.backend import backend as backend_here
from tests.agents.auditing.aws.accounts import moto_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from app.agents.auditing.aws.clients.backend import Backend

ON_ONE_LOOP = frozenset({"s3", "iam", "ec2", "scale", "remedy"})
"""They await the clients and hardly anything else: that those serve both loops alike is tested in `clients`."""
ON_BOTH_LOOPS = frozenset({"test_on_either_loop.py"})
"""Of those, what tests the rest on both."""


def pytest_asyncio_loop_factories(
    config: pytest.Config,  # noqa: ARG001 - the hook's signature
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]] | None:
    """Run what cannot tell the loops apart on asyncio's alone."""
    is_on_one = item.path.parent.name in ON_ONE_LOOP and item.path.name not in ON_BOTH_LOOPS
    return {"asyncio": asyncio.new_event_loop} if is_on_one else None


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """Give the address of moto's server."""
    with moto_server() as url:
        yield url


@pytest.fixture(scope="session")
def backend() -> Iterator[Backend]:
    """Give what speaks to AWS here."""
    made = backend_here()
    yield made
    made.close()


@pytest.fixture
def no_aws_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep out what the machine has of AWS."""
    for name in (
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_ENDPOINT_URL",
        "AWS_CA_BUNDLE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
    ):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
