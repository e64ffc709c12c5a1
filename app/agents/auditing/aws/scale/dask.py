"""Units done on the workers of a Dask cluster (`watchkeeper[scale]`).

Whoever reaches a scheduler of Dask runs code on all its workers, so beyond this machine it is spoken to by TLS with
certificates on both sides alone ("TLS/SSL", Dask.distributed). Workers are trusted as this machine is: what they send
is unpickled here. Each needs the same release of Watchkeeper, and an identity of its own that may take the roles.

When a worker is lost, Dask gives its units to another one. A unit that has begun is not cancelled by Dask: it ends by
its own deadline, or by the flag that `stop` raises in each worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import structlog

from app.agents.auditing.aws.scale import unit
from app.agents.auditing.aws.scale.documents import (
    Loss,
    Lost,
    NotADocument,
    Result,
    content_of,
    document_of,
    result_of,
)
from app.domain.addresses import is_this_machine
from app.domain.errors import CannotError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from app.agents.auditing.aws.scale.documents import Work

AT_ONCE = 64
"""Units that the scheduler is given at a time."""
CONNECT_S = 10.0
STOP_S = 5.0
"""How long the end of an audit waits for workers to say that they have ended its units."""
SHUT = "watchkeeper-units"
"""The name of what closes the connections of a worker when it ends."""

_HOW = (
    "Start the scheduler and the workers with --tls-ca-file, --tls-cert and --tls-key, name it tls://host:port, and "
    "give the same kind of files here."
)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Certificates:
    """What both sides know each other by. Files in PEM; the key's is for this user alone.

    Attributes:
        ca: Of the authority that both sides trust.
        certificate: Of this side.
        key: Of this side.
    """

    ca: Path
    certificate: Path
    key: Path


def check_address(scheduler: str, certificates: Certificates | None) -> None:
    """Refuse a scheduler that may not be spoken to.

    Args:
        scheduler: `tls://host:port`, or on this machine `tcp://127.0.0.1:port`.
        certificates: For TLS.

    Raises:
        SettingsError: It is none, lies beyond this machine without TLS, or certificates are missing.
    """
    try:
        parts = urlsplit(scheduler)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise SettingsError(f"{scheduler!r} is no scheduler of Dask.", "It looks like tls://host:port.") from None
    if parts.scheme not in {"tls", "tcp"} or not host or not port:
        raise SettingsError(f"{scheduler!r} is no scheduler of Dask.", "It looks like tls://host:port.")
    if parts.scheme == "tcp" and not is_this_machine(host):
        raise SettingsError(
            f"The scheduler {scheduler} is spoken to without TLS: whoever is on the way could run code on all workers.",
            _HOW,
        )
    if parts.scheme == "tls" and certificates is None:
        raise SettingsError(f"There are no certificates for the scheduler {scheduler}.", _HOW)


class DaskExecutor:
    """Does units on the workers of a cluster. A context manager, within the loop that uses it.

    Args:
        scheduler: `tls://host:port`, or on this machine `tcp://127.0.0.1:port`.
        certificates: For TLS; None on this machine.
        at_once: How many units the scheduler is given at a time.
        connect_s: How long it is tried to reach the scheduler, in seconds.

    Raises:
        SettingsError: The scheduler may not be spoken to.
    """

    def __init__(
        self,
        scheduler: str,
        certificates: Certificates | None = None,
        *,
        at_once: int = AT_ONCE,
        connect_s: float = CONNECT_S,
    ) -> None:
        check_address(scheduler, certificates)
        self._scheduler: object = scheduler
        self._certificates = certificates
        self._at_once = at_once
        self._connect_s = connect_s
        self._client: Any = None

    @classmethod
    def of_cluster(cls, cluster: object, *, at_once: int = AT_ONCE) -> Self:
        """Return what does units on a cluster that this program has made itself, as of `LocalCluster`.

        Args:
            cluster: The cluster, begun in this loop; it is borrowed.
            at_once: How many units it is given at a time.
        """
        made = cls("tcp://127.0.0.1:1", at_once=at_once)
        made._scheduler = cluster
        return made

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            CannotError: Dask is not installed, the scheduler is not reached, or it listens beyond this machine without
                TLS.
        """
        distributed = _distributed()
        security = None
        if self._certificates is not None:
            given = self._certificates
            security = distributed.Security(
                tls_ca_file=str(given.ca),
                tls_client_cert=str(given.certificate),
                tls_client_key=str(given.key),
                require_encryption=True,
            )
        try:
            self._client = await distributed.Client(
                self._scheduler, asynchronous=True, security=security, timeout=self._connect_s, set_as_default=False
            )
        except (OSError, TimeoutError, ValueError) as error:
            raise CannotError(
                f"The scheduler {self._scheduler} is not reached ({type(error).__name__}).",
                "See whether it runs, and whether its certificates and these are of one authority.",
            ) from None
        try:
            self._check_cluster(self._client.scheduler_info(n_workers=-1))
            await self._client.register_plugin(_plugin(distributed), name=SHUT)
        except BaseException:
            await self._client.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the cluster as it is."""
        await self._client.close()

    @staticmethod
    def _check_cluster(told: Mapping[str, Any]) -> None:
        """Refuse a cluster that is reached on this machine, and by others without TLS.

        Raises:
            SettingsError: It is such a one.
        """
        for address in (told.get("address", ""), *told.get("workers", {})):
            scheme, _, rest = str(address).partition("://")
            if scheme not in {"tls", "inproc"} and not is_this_machine(urlsplit(f"//{rest}").hostname or ""):
                raise SettingsError(f"The cluster listens beyond this machine, on {address}, without TLS.", _HOW)

    @property
    def name(self) -> str:
        """How people are told where units are done."""
        return "Dask"

    @property
    def at_once(self) -> int:
        """How many units it is given at a time."""
        return self._at_once

    async def run(self, work: Work) -> Result:
        """Do a unit on some worker; on another one when that is lost.

        Args:
            work: The unit. The same one asked for twice in an audit is done once.
        """
        key = f"watchkeeper-{work.audit}-{content_of(work.unit, work.access)}"
        future = None
        try:
            future = self._client.submit(run_text, json.dumps(document_of(work)), key=key, pure=False)
            result = result_of(json.loads(await future))
        except asyncio.CancelledError as error:
            # of Dask's own it is one too, when the scheduler has gone
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            return _lost(work, error)
        except (NotADocument, json.JSONDecodeError):
            return Result(work.unit.id, error=Loss(Lost.REFUSED, "What its worker answered cannot be read."))
        except Exception as error:  # noqa: BLE001 - of whatever a cluster can die
            return _lost(work, error)
        finally:
            if future is not None:
                future.release()
        if result.id != work.unit.id:
            return Result(work.unit.id, error=Loss(Lost.REFUSED, "Its worker answered for another unit."))
        return result

    async def stop(self, audit: str) -> None:
        """Raise the flag of an audit in each worker, and wait until those that answer have ended its units.

        Args:
            audit: Which one.
        """
        with contextlib.suppress(OSError, TimeoutError, ValueError, RuntimeError):
            async with asyncio.timeout(STOP_S):
                ended = await self._client.run(unit.stop, audit, on_error="return")
                _log.info("units on Dask were ended", workers=len(ended))
                return
        _log.warning("some units on Dask go on until their deadline")


async def run_text(text: str) -> str:
    """Do a unit on a worker: text in and text out, so that nothing but JSON is ever in it.

    Args:
        text: The unit's document.
    """
    return json.dumps(await unit.run_unit(json.loads(text)))


def _lost(work: Work, error: BaseException) -> Result:
    return Result(
        work.unit.id, error=Loss(Lost.WORKER, f"Its worker, or the cluster, was lost ({type(error).__name__}).")
    )


def _plugin(distributed: Any) -> object:  # noqa: ANN401 - Dask has no types
    """Return what closes the connections of a worker when it ends."""

    async def teardown(_self: object, _worker: object) -> None:
        await unit.close()

    made: object = type("UnitsClosing", (distributed.WorkerPlugin,), {"idempotent": True, "teardown": teardown})()
    return made


def _distributed() -> Any:  # noqa: ANN401 - likewise
    try:
        if find_spec("distributed") is not None:
            return import_module("distributed")
    except ImportError:
        pass
    raise CannotError(
        "Audits on many machines need watchkeeper[scale], which is not installed.",
        "Install it: pip install 'watchkeeper[scale]'",
    )
