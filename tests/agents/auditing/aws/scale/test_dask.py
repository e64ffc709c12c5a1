"""The same audit on Dask: in this process, on two worker processes, and with one of them killed."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from distributed import LocalCluster, Scheduler, Security, Worker

from app.agents.auditing.aws.audit import audit_accounts
from app.agents.auditing.aws.scale import unit
from app.agents.auditing.aws.scale.dask import Certificates, DaskExecutor, check_address
from app.agents.auditing.aws.shape import Judgement
from app.domain.errors import CannotError, SettingsError
from app.domain.findings import AuditVerdict
from tests.agents.auditing.aws.denying import NOTHING
from tests.agents.auditing.aws.scale.audits import S3_RULES, TARGET, audited

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from app.agents.auditing.aws.scale.workplace import Workplace
    from tests.agents.auditing.aws.denying import Denying

FILES = Certificates(Path("ca.pem"), Path("cert.pem"), Path("key.pem"))
STUCK = "wk-003-acl-read"


NO_PAGE: dict[str, Any] = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
"""Of a scheduler. Without an address it still takes port 8787, and warns when another test has it."""


def cluster(**more: Any) -> LocalCluster:
    """Return a cluster without a page."""
    return LocalCluster(threads_per_worker=2, scheduler_kwargs=NO_PAGE, **more)


@pytest.fixture(scope="module")
def in_this_process() -> Iterator[LocalCluster]:
    """Give a cluster in this process, whose loop is in a thread of its own."""
    with cluster(n_workers=1, processes=False, protocol="tcp://", host="127.0.0.1") as made:
        yield made


@pytest.fixture
async def on_dask(in_this_process: LocalCluster, proxy: Denying) -> AsyncIterator[DaskExecutor]:
    """Give what does units there; the connections to this test's proxy end with the test."""
    del proxy
    async with DaskExecutor(in_this_process.scheduler_address) as executor:
        yield executor
        await executor._client.run(unit.close)


async def test_on_dask_in_this_process_all_is_the_same(
    workplace: Workplace, whole: list[Judgement], on_dask: DaskExecutor
) -> None:
    """Identical judgements, sorted."""
    there, _ = await audited(executor=on_dask, workplace=workplace)

    assert there == whole


@pytest.mark.slow
async def test_a_worker_that_is_killed_costs_nothing(
    workplace: Workplace, proxy: Denying, whole: list[Judgement]
) -> None:
    """On two processes, of which one is killed while it waits for the last answer: identical judgements."""
    proxy.answers["s3:GetBucketAcl"] = NOTHING
    proxy.when = lambda asked: asked.path == f"/{STUCK}"
    there: list[Judgement] = []
    killed = 0

    async with (
        cluster(n_workers=2, host="127.0.0.1", asynchronous=True) as made,
        DaskExecutor.of_cluster(made) as executor,
    ):
        pids = await executor._client.run(os.getpid)
        async with aclosing(audit_accounts([TARGET], S3_RULES, executor=executor, workplace=workplace)) as told:
            async for each in told:
                if isinstance(each, Judgement):
                    there.append(each)
                elif each.listed and each.done == each.total - 1:
                    proxy.answers.clear()
                    (worker,) = [at for at, keys in (await executor._client.processing()).items() if keys]
                    killed = pids[worker]
                    os.kill(killed, signal.SIGKILL)

    assert killed
    assert sorted(there, key=lambda each: (each.rule, each.resource)) == whole


async def test_what_has_begun_ends_with_the_audit(
    workplace: Workplace, proxy: Denying, buckets: tuple[str, ...], on_dask: DaskExecutor
) -> None:
    """Dask cancels nothing that runs: the flag ends it, long before the unit's own deadline."""
    del buckets
    proxy.answers["s3:GetBucketAcl"] = NOTHING

    judgements, _ = await audited(executor=on_dask, workplace=workplace, deadline_s=2.0, unit_s=300.0)
    left = await on_dask._client.run(_under_way)

    assert proxy.count("s3:GetBucketAcl")
    assert AuditVerdict.UNKNOWN in {each.verdict for each in judgements}
    assert set(left.values()) == {0}


@pytest.mark.slow
async def test_what_has_begun_in_other_processes_ends_too(
    workplace: Workplace, proxy: Denying, buckets: tuple[str, ...]
) -> None:
    """The flag is raised in each of them."""
    del buckets
    proxy.answers["s3:GetBucketAcl"] = NOTHING

    async with (
        cluster(n_workers=2, host="127.0.0.1", asynchronous=True) as made,
        DaskExecutor.of_cluster(made) as executor,
    ):
        judgements, _ = await audited(executor=executor, workplace=workplace, deadline_s=4.0, unit_s=300.0)
        left = await executor._client.run(_under_way)

    assert AuditVerdict.UNKNOWN in {each.verdict for each in judgements}
    assert set(left.values()) == {0}


def _under_way() -> int:
    return sum(len(each.under_way) for each in unit._here.values())


async def test_the_unit_ends_by_its_own_deadline(
    workplace: Workplace, proxy: Denying, buckets: tuple[str, ...], on_dask: DaskExecutor
) -> None:
    """Also where nobody raises a flag; what it came to says so."""
    del buckets
    proxy.answers["s3:GetBucketAcl"] = NOTHING
    proxy.when = lambda asked: asked.path == f"/{STUCK}"

    judgements, progress = await audited(executor=on_dask, workplace=workplace, unit_s=2.0)

    late = [each for each in judgements if each.resource.endswith(f":{STUCK}")]
    assert {each.why for each in late} == {"It took longer than 2 s."}
    assert progress[TARGET.account].done == progress[TARGET.account].total


@pytest.mark.parametrize(
    "scheduler",
    ["tcp://10.0.0.5:8786", "tcp://scheduler.example:8786", "tcp://0.0.0.0:8786", "tcp://[2001:db8::1]:8786"],
)
def test_plain_tcp_beyond_this_machine_is_refused(scheduler: str) -> None:
    """With certificates at hand as well; the message says how it is done."""
    with pytest.raises(SettingsError) as refused:
        DaskExecutor(scheduler, FILES)

    assert "without TLS" in str(refused.value)
    assert "--tls-ca-file" in refused.value.hint
    assert "tls://host:port" in refused.value.hint


@pytest.mark.parametrize("scheduler", ["tls://10.0.0.5:8786", "tls://127.0.0.1:8786"])
def test_tls_needs_certificates(scheduler: str) -> None:
    """A scheduler that is spoken to by TLS knows its clients by theirs."""
    check_address(scheduler, FILES)

    with pytest.raises(SettingsError, match="There are no certificates"):
        DaskExecutor(scheduler)


@pytest.mark.parametrize(
    "scheduler", ["", "127.0.0.1:8786", "ucx://127.0.0.1:1", "tcp://127.0.0.1", "tls://:1", "tcp://["]
)
def test_what_is_no_scheduler_is_refused(scheduler: str) -> None:
    """Other ways to speak to one are none of ours."""
    with pytest.raises(SettingsError, match="is no scheduler"):
        DaskExecutor(scheduler, FILES)


@pytest.mark.parametrize("scheduler", ["tcp://127.0.0.1:8786", "tcp://[::1]:8786", "tcp://localhost:8786"])
def test_on_this_machine_plain_tcp_will_do(scheduler: str) -> None:
    """Nobody else is on that way."""
    check_address(scheduler, None)


async def test_a_scheduler_that_others_reach_is_refused() -> None:
    """Spoken to on loopback, it still listens to all: whoever reaches it runs code here."""
    async with Scheduler(host="0.0.0.0", port=0, **NO_PAGE) as scheduler:  # noqa: S104 - what is to be refused
        executor = DaskExecutor(f"tcp://127.0.0.1:{scheduler.port}")

        with pytest.raises(SettingsError, match="listens beyond this machine"):
            await executor.__aenter__()


async def test_a_scheduler_that_is_not_there_is_told(free_port: int) -> None:
    """In words, with its address."""
    with pytest.raises(CannotError, match=f"tcp://127.0.0.1:{free_port} is not reached"):
        await DaskExecutor(f"tcp://127.0.0.1:{free_port}", connect_s=0.5).__aenter__()


@pytest.fixture
def free_port() -> int:
    """Give a port on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


async def test_by_tls_with_certificates_all_is_the_same(
    workplace: Workplace, whole: list[Judgement], tmp_path: Path
) -> None:
    """A scheduler and a worker that speak TLS only; a client with a certificate of another authority is not let in."""
    ours, others = certificates(tmp_path / "ours"), certificates(tmp_path / "others")
    security = Security(
        tls_ca_file=str(ours.ca),
        **{
            f"tls_{who}_{what}": str(path)
            for who in ("scheduler", "worker", "client")
            for what, path in (("cert", ours.certificate), ("key", ours.key))
        },
        require_encryption=True,
    )

    async with (
        Scheduler(protocol="tls://", host="127.0.0.1", port=0, security=security, **NO_PAGE) as scheduler,
        Worker(scheduler.address, nthreads=4, security=security, dashboard=False),
    ):
        async with DaskExecutor(scheduler.address, ours) as executor:
            there, _ = await audited(executor=executor, workplace=workplace)
        with pytest.raises(CannotError, match="is not reached"):
            await DaskExecutor(scheduler.address, others, connect_s=1.0).__aenter__()

    assert there == whole


def certificates(folder: Path) -> Certificates:
    """Make an authority and a certificate of it."""
    folder.mkdir()
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
    mine = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "side")])
    made = Certificates(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
    for path, subject, of in ((made.ca, name, authority), (made.certificate, mine, key)):
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(name)
            .public_key(of.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime.now(UTC) - timedelta(days=1))
            .not_valid_after(datetime.now(UTC) + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=of is authority, path_length=None), critical=True)
            .sign(authority, hashes.SHA256())
        )
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made
