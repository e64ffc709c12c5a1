"""What is spared a client of botocore's, against a client of botocore's own."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import pytest
from botocore.config import Config
from botocore.utils import parse_timestamp

from app.agents.auditing.aws.clients.lean import lean, moment

ORDINARY = ("shop", "a-shop-of-1", "s3", "x" * 63, "eu-west-1")
OTHERS = (
    "with.dots",
    "Capitals",
    "shop--use1-az4--x-s3",
    "shop--op-s3",
    "arn:aws:s3:eu-west-1:111122223333:accesspoint/p",
)
OPERATIONS = ("GetBucketLocation", "GetBucketPolicy", "GetBucketAcl", "CreateBucket")


def made(module: str, name: str, region: str, endpoint_url: str | None) -> Any:
    """Return a client of botocore's, or of aiobotocore's, that has keys."""
    config: Any = Config
    if module != "botocore.session":
        config = import_module("aiobotocore.config").AioConfig
    session = getattr(import_module(module), name)()
    session.set_credentials("AKIATEST", "secret")
    made = session.create_client(
        "s3", region_name=region, endpoint_url=endpoint_url, config=config(s3={"disable_s3_express_session_auth": True})
    )
    return made if module == "botocore.session" else asyncio.run(made.__aenter__())


def endpoint_of(client: Any, operation: str, bucket: str, context: dict[str, Any] | None = None) -> Any:
    """Return where a client would ask; the name of the error where it would not."""
    model = client.meta.service_model.operation_model(operation)
    try:
        found = client._ruleset_resolver.construct_endpoint(model, {"Bucket": bucket}, context or {})
        return asyncio.run(found) if asyncio.iscoroutine(found) else found
    except Exception as error:  # noqa: BLE001 - both ways must fail alike
        return type(error).__name__


@pytest.mark.parametrize("endpoint_url", [None, "http://127.0.0.1:9"], ids=["AWS", "stand-in"])
@pytest.mark.parametrize("region", ["eu-west-1", "us-east-1", "cn-north-1"])
@pytest.mark.parametrize(
    ("module", "name"), [("botocore.session", "Session"), ("aiobotocore.session", "AioSession")], ids=["sync", "async"]
)
def test_endpoints_are_those_of_botocore(module: str, name: str, region: str, endpoint_url: str | None) -> None:
    """For each name and operation, whichever was asked for before."""
    own, ours = (made(module, name, region, endpoint_url) for _ in range(2))
    lean(ours)

    for bucket in (*ORDINARY, *OTHERS, *ORDINARY):
        for operation in OPERATIONS:
            assert endpoint_of(ours, operation, bucket) == endpoint_of(own, operation, bucket), (operation, bucket)


def test_a_bucket_that_has_moved_is_left_to_botocore() -> None:
    """Once S3 has said that it is elsewhere, it is asked for where botocore believes it to be; others as before."""
    client = made("botocore.session", "Session", "eu-west-1", None)
    lean(client)
    before = endpoint_of(client, "GetBucketPolicy", "shop").url

    def elsewhere(builtins: dict[str, Any], params: dict[str, Any], **_: object) -> None:
        if params["Bucket"] == "shop":
            builtins["AWS::Region"] = "eu-north-1"

    client.meta.events.register("before-endpoint-resolution.s3", elsewhere)
    moved = endpoint_of(client, "GetBucketPolicy", "shop", {"s3_redirect": {"redirected": True}}).url

    assert before == "https://shop.s3.eu-west-1.amazonaws.com"
    assert moved == "https://shop.s3.eu-north-1.amazonaws.com"
    assert endpoint_of(client, "GetBucketPolicy", "shop").url == moved
    assert endpoint_of(client, "GetBucketPolicy", "house").url == "https://house.s3.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    "text",
    ["2024-02-03T04:05:06.000Z", "2024-02-03T04:05:06Z", "Sat, 03 Feb 2024 04:05:06 GMT", 1706933106, "1706933106"],
)
def test_times_are_read_as_botocore_reads_them(text: Any) -> None:
    """In each form that AWS gives them."""
    found = moment(text)

    assert found == parse_timestamp(text) == datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC)


def test_what_is_no_time_is_refused() -> None:
    """As botocore does."""
    with pytest.raises(ValueError, match="Invalid timestamp"):
        moment("2024-99-99T00:00:00Z")
