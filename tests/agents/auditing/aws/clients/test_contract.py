"""What both ways to speak to AWS keep: who signs, what an error means, order, and the end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from app.agents.auditing.aws.clients.account import acting_as
from app.agents.auditing.aws.clients.backend import Patience
from app.agents.auditing.aws.clients.batch import Done, Failed
from app.agents.auditing.aws.clients.blocking import SyncClients
from app.agents.auditing.aws.clients.context import Ask, AuditContext
from app.agents.auditing.aws.clients.manager import AsyncClientManager
from app.agents.auditing.aws.errors import (
    AWSError,
    Broken,
    ClientsClosed,
    Denied,
    Expired,
    NoCredentials,
    NotFound,
    Rejected,
    Throttled,
    Unreachable,
)
from app.domain.errors import InternalError

if TYPE_CHECKING:
    from app.agents.auditing.aws.clients.backend import Backend

ACCOUNTS = 40
EACH = 5
POLICY = '{"Version": "2012-10-17"}'


async def test_each_request_is_signed_by_its_own_account(clients: AsyncClientManager, aws: Any, tools: Any) -> None:
    """Forty accounts ask through one client at once, and no request carries another's key or token."""
    together = threading.Barrier(8, timeout=20)

    def answer(seen: Any) -> tuple[int, str]:
        with contextlib.suppress(threading.BrokenBarrierError):
            if seen.path.endswith("-0"):
                together.wait()  # so that requests of several accounts are open at the same time
        return 200, POLICY

    aws.answer = answer
    contexts = [AuditContext(tools.account(number), tools.region, clients) for number in range(ACCOUNTS)]

    async def ask(context: AuditContext, turn: int) -> str:
        said = await context.execute_async("s3", "GetBucketPolicy", Bucket=f"of-{context.account.id}-{turn}")
        return str(said["Policy"])

    outcomes = await clients.batch([partial(ask, context, turn) for turn in range(EACH) for context in contexts])

    assert outcomes == [Done(POLICY)] * (ACCOUNTS * EACH)
    assert len(clients) == 1
    assert len(aws.seen) == ACCOUNTS * EACH
    wrong = [
        seen
        for seen in aws.seen
        if (owner := seen.path.split("-")[1]) != seen.signer.removeprefix("AKIA") or seen.token != f"token-of-{owner}"
    ]
    assert wrong == []


async def test_what_is_tried_again_is_signed_by_the_same_account(
    clients: AsyncClientManager, aws: Any, tools: Any
) -> None:
    """A throttled request is repeated with the key of the account that made it."""
    refused: set[str] = set()

    def answer(seen: Any) -> tuple[int, str]:
        if seen.path in refused:
            return 200, POLICY
        refused.add(seen.path)
        return 503, tools.error("SlowDown")

    aws.answer = answer
    contexts = [AuditContext(tools.account(number), tools.region, clients) for number in range(3)]

    outcomes = await clients.batch(
        [partial(each.execute_async, "s3", "GetBucketPolicy", Bucket=f"of-{each.account.id}") for each in contexts]
    )

    assert all(isinstance(each, Done) for each in outcomes)
    assert len(aws.seen) == 6
    assert all(seen.path == f"/of-{seen.signer.removeprefix('AKIA')}" for seen in aws.seen)


def _paged(seen: Any) -> tuple[int, str]:
    turn = int(seen.query.get("continuation-token", ["0"])[0])
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{turn + 1}</NextContinuationToken>"
    return 200, f"<ListBucketResult>{more if turn < 3 else ''}</ListBucketResult>"


async def test_pages_belong_to_the_account_that_asked(clients: AsyncClientManager, aws: Any, tools: Any) -> None:
    """Two accounts' pages read in turns: each is signed by the account that asked, whoever the reader acts as."""
    aws.answer = _paged
    client = await clients.client("s3", tools.region)
    with acting_as(tools.account(1)):
        ones = client.pages("ListObjectsV2", Bucket="of-1")
    with acting_as(tools.account(2)):
        twos = client.pages("ListObjectsV2", Bucket="of-2")

    count = 0
    with acting_as(tools.account(3)):
        async for _ in ones:
            await anext(twos)
            count += 1

    assert count == 4
    assert [(seen.path, seen.signer[-1]) for seen in aws.seen] == [("/of-1", "1"), ("/of-2", "2")] * 4


async def test_an_operation_without_pages_has_one(clients: AsyncClientManager, aws: Any, tools: Any) -> None:
    """What has no pages gives its one answer."""
    aws.answer = lambda _: (200, POLICY)
    context = AuditContext(tools.account(1), tools.region, clients)

    pages = [each["Policy"] async for each in context.pages_async("s3", "GetBucketPolicy", Bucket="shop")]

    assert pages == [POLICY]


SCP = (
    "User: arn:aws:sts::111122223333:assumed-role/audit/w is not authorized to perform: s3:GetBucketAcl on resource: "
    "&quot;arn:aws:s3:::shop&quot; with an explicit deny in a service control policy"
)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "AccessDenied", Denied),
        (403, "AllAccessDisabled", Denied),
        (400, "ExpiredToken", Expired),
        (403, "InvalidAccessKeyId", NoCredentials),
        (403, "SignatureDoesNotMatch", NoCredentials),
        (404, "NoSuchBucket", NotFound),
        (404, "NoSuchBucketPolicy", NotFound),
        (404, "ServerSideEncryptionConfigurationNotFoundError", NotFound),
        (503, "SlowDown", Throttled),
        (500, "InternalError", Broken),
        (400, "MalformedXML", Rejected),
        (409, "OperationAborted", Rejected),
    ],
)
async def test_an_error_is_told_by_its_kind(  # noqa: PLR0917 - fixtures and cases
    backend: Backend, aws: Any, tools: Any, status: int, code: str, kind: type[AWSError]
) -> None:
    """Each answer that is an error becomes one of ours, with AWS' code and the operation as IAM names it."""
    aws.answer = lambda _: (status, tools.error(code, "canary-of-the-answer"))

    async with AsyncClientManager(backend, endpoint_url=aws.url, patience=Patience(attempts=1)) as clients:
        with pytest.raises(AWSError) as caught:
            await AuditContext(tools.account(7), tools.region, clients).execute_async(
                "s3", "GetBucketEncryption", Bucket="shop"
            )

    told = caught.value
    assert type(told) is kind
    assert (told.code, told.operation) == (code, "s3:GetEncryptionConfiguration")
    assert "canary" not in f"{told!r}{told}{told.hint}"


async def test_a_denial_says_who_may_not_do_what_and_why(clients: AsyncClientManager, aws: Any, tools: Any) -> None:
    """What AWS says about a denial is kept apart: principal, action, and the kind of policy."""
    aws.answer = lambda _: (403, tools.error("AccessDenied", SCP))

    with pytest.raises(Denied) as caught:
        await AuditContext(tools.account(7), tools.region, clients).execute_async("s3", "GetBucketAcl", Bucket="shop")

    told = caught.value
    assert told.operation == "s3:GetBucketAcl"
    assert told.principal == "arn:aws:sts::111122223333:assumed-role/audit/w"
    assert told.by == "a service control policy"


async def test_silence_is_told_apart_from_a_refusal(backend: Backend, aws: Any, tools: Any) -> None:
    """A service that never answers is unreachable once the patience is over."""
    aws.answer = lambda _: None

    async with AsyncClientManager(
        backend, endpoint_url=aws.url, patience=Patience(connect_s=5, read_s=0.2, attempts=1)
    ) as clients:
        with pytest.raises(Unreachable, match=r"s3:GetBucketPolicy in account 000000000001 in eu-central-1: no answer"):
            await AuditContext(tools.account(1), tools.region, clients).execute_async(
                "s3", "GetBucketPolicy", Bucket="b"
            )


async def test_a_closed_door_is_unreachable(backend: Backend, aws: Any, tools: Any) -> None:
    """Where nobody listens is unreachable."""
    url = aws.url
    aws.end()

    async with AsyncClientManager(backend, endpoint_url=url, patience=Patience(attempts=1)) as clients:
        with pytest.raises(Unreachable):
            await AuditContext(tools.account(1), tools.region, clients).execute_async("s3", "ListBuckets")


async def test_mistakes_of_a_check_are_no_findings_of_aws(clients: AsyncClientManager, tools: Any) -> None:
    """An operation, a parameter or a service that does not exist, and a call for nobody, are told as what they are."""
    context = AuditContext(tools.account(1), tools.region, clients)
    client = await clients.client("s3", tools.region)

    with pytest.raises(ValueError, match="no operation GetNothing"):
        await context.execute_async("s3", "GetNothing")
    with pytest.raises(Rejected):
        await context.execute_async("s3", "GetBucketPolicy", Bukket="shop")
    with pytest.raises(Rejected):
        await context.execute_async("s4", "GetBucketPolicy")
    with pytest.raises(InternalError):
        await client.call("ListBuckets")


async def test_a_batch_keeps_its_order_and_its_failures(clients: AsyncClientManager, aws: Any, tools: Any) -> None:
    """Each ask has its outcome at its place, and a failure leaves the others alone."""
    aws.answer = lambda seen: (403, tools.error("AccessDenied")) if "3" in seen.path else (200, seen.path)
    asks = [Ask("s3", "GetBucketPolicy", {"Bucket": f"shop-{number}"}) for number in range(20)]

    outcomes = await AuditContext(tools.account(1), tools.region, clients).batch_execute_async(asks, at_once=5)

    assert [each.value["Policy"] if isinstance(each, Done) else type(each.error) for each in outcomes] == [
        Denied if "3" in str(number) else f"/shop-{number}" for number in range(20)
    ]


async def test_no_more_are_under_way_than_wanted(clients: AsyncClientManager) -> None:
    """The limit of a batch is kept, and reached."""
    running = most = 0

    async def unit() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    await clients.batch([unit] * 100, at_once=7)

    assert most == 7


async def test_a_client_is_made_once(clients: AsyncClientManager, tools: Any) -> None:
    """Twenty that ask for the same client at once get the same; another region has its own."""
    made = await asyncio.gather(*(clients.client("s3", tools.region) for _ in range(20)))
    other = await clients.client("s3", "us-east-1")

    assert len({id(each) for each in made}) == 1
    assert other is not made[0]
    assert len(clients) == 2


async def test_who_gives_up_waiting_takes_the_client_from_nobody(clients: AsyncClientManager, tools: Any) -> None:
    """One that is cancelled while a client is made does not keep others from it."""
    impatient = asyncio.create_task(clients.client("s3", tools.region))
    patient = asyncio.create_task(clients.client("s3", tools.region))
    await asyncio.sleep(0)
    impatient.cancel()

    assert (await patient).place.region == tools.region
    assert len(clients) == 1


async def test_the_end_gives_up_what_hangs(backend: Backend, aws: Any, tools: Any) -> None:
    """Closing with a deadline ends a call that nobody answers, and lets no other begin."""
    aws.answer = lambda _: None
    clients = AsyncClientManager(backend, endpoint_url=aws.url, patience=Patience(read_s=20.0, attempts=1))
    context = AuditContext(tools.account(1), tools.region, clients)
    hanging = asyncio.create_task(context.execute_async("s3", "GetBucketPolicy", Bucket="shop"))
    await asyncio.to_thread(aws.wait_for, lambda: aws.seen)

    loop = asyncio.get_running_loop()
    began = loop.time()
    await clients.close(0.1)
    took_s = loop.time() - began

    with pytest.raises(ClientsClosed):
        await hanging
    with pytest.raises(ClientsClosed):
        await context.execute_async("s3", "ListBuckets")
    assert took_s < 2
    assert clients.under_way == 0


async def test_the_end_may_come_twice(backend: Backend, aws: Any, tools: Any) -> None:
    """Who closes what is being closed waits with the first, and the shorter deadline counts."""
    aws.answer = lambda _: None
    clients = AsyncClientManager(backend, endpoint_url=aws.url, patience=Patience(read_s=20.0, attempts=1))
    context = AuditContext(tools.account(1), tools.region, clients)
    hanging = asyncio.create_task(context.execute_async("s3", "GetBucketPolicy", Bucket="shop"))
    await asyncio.to_thread(aws.wait_for, lambda: aws.seen)

    async with asyncio.timeout(10):
        await asyncio.gather(clients.close(20.0), clients.close(0.0))

    with pytest.raises(ClientsClosed):
        await hanging


async def test_the_end_waits_for_what_is_nearly_done(backend: Backend, aws: Any, tools: Any) -> None:
    """A call that is answered within the deadline keeps its answer."""
    arrived, may = threading.Event(), threading.Event()

    def answer(_: object) -> tuple[int, str]:
        arrived.set()
        may.wait(20)
        return 200, POLICY

    aws.answer = answer
    clients = AsyncClientManager(backend, endpoint_url=aws.url)
    context = AuditContext(tools.account(1), tools.region, clients)
    asked = asyncio.create_task(context.execute_async("s3", "GetBucketPolicy", Bucket="shop"))
    await asyncio.to_thread(arrived.wait, 20)

    closing = asyncio.create_task(clients.close(20))
    await asyncio.sleep(0)
    may.set()
    await closing

    assert (await asked)["Policy"] == POLICY


async def test_no_secret_is_logged(
    backend: Backend, aws: Any, tools: Any, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> None:
    """Even where everything is logged, neither key nor token is."""
    for name in ("botocore", "aiobotocore", "boto3", "urllib3"):
        logger = logging.getLogger(name)
        request.addfinalizer(partial(logger.setLevel, logger.level))
        logger.setLevel(logging.NOTSET)
    caplog.set_level(logging.DEBUG)
    aws.answer = lambda _: (403, tools.error("AccessDenied"))
    again: Backend = type(backend)()

    async with AsyncClientManager(again, endpoint_url=aws.url, patience=Patience(attempts=1)) as clients:
        with pytest.raises(Denied):
            await AuditContext(tools.account(5), tools.region, clients).execute_async(
                "s3", "GetBucketPolicy", Bucket="b"
            )
    again.close()

    assert aws.seen[0].token == "token-of-000000000005"  # noqa: S105 - a canary
    assert "-of-000000000005" not in caplog.text


def test_scripts_need_no_loop(backend: Backend, moto_url: str, tools: Any) -> None:
    """A script makes a bucket, finds it, and has its failures as values."""

    def find(_: AsyncClientManager) -> Any:
        return tools.account(1)

    def make() -> AsyncClientManager:
        return AsyncClientManager(backend, endpoint_url=moto_url)

    name = f"script-{backend.name.split()[0]}"
    with SyncClients(make, find, "us-east-1") as clients:
        clients.execute("s3", "CreateBucket", Bucket=name)
        names = [each["Name"] for page in clients.pages("s3", "ListBuckets") for each in page["Buckets"]]
        outcomes = clients.batch_execute(
            [Ask("s3", "HeadBucket", {"Bucket": name}), Ask("s3", "GetBucketPolicy", {"Bucket": name})]
        )

    assert name in names
    assert isinstance(outcomes[0], Done)
    assert isinstance(outcomes[1], Failed)
    assert isinstance(outcomes[1].error, NotFound)
    assert outcomes[1].error.code == "NoSuchBucketPolicy"


async def test_a_cancelled_call_is_over_at_once(clients: AsyncClientManager, aws: Any, tools: Any) -> None:
    """Who is cancelled does not wait for an answer."""
    aws.answer = lambda _: None
    await _given_up(AuditContext(tools.account(1), tools.region, clients), aws)

    assert clients.under_way == 0


async def test_a_cancelled_call_is_not_made_again(backend: Backend, aws: Any, tools: Any) -> None:
    """That the service failed and might not the next time is nothing to who has given up."""
    others, failed = set(threading.enumerate()), threading.Event()

    def fail(_: object) -> tuple[int, str]:
        failed.wait(10)
        return 503, tools.error("ServiceUnavailable")

    aws.answer = fail
    own = type(backend)()
    async with AsyncClientManager(own, endpoint_url=aws.url, patience=Patience(), close_s=0.2) as clients:
        await _given_up(AuditContext(tools.account(1), tools.region, clients), aws)
        failed.set()
        await asyncio.to_thread(own.close)
    calling = {each.name for each in set(threading.enumerate()) - others if each.name.startswith("aws-")}

    assert (len(aws.seen), calling) == (1, set())


async def _given_up(context: AuditContext, aws: Any) -> None:
    """Make a call and cancel it once the service has it."""
    hanging = asyncio.create_task(context.execute_async("s3", "GetBucketPolicy", Bucket="shop"))
    await asyncio.to_thread(aws.wait_for, lambda: aws.seen)

    hanging.cancel()
    async with asyncio.timeout(2):
        await asyncio.wait([hanging])

    assert hanging.cancelled()
