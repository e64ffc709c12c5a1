"""Whom this machine trusts: its own store of certificates."""

from __future__ import annotations

import ssl
from pathlib import Path


def system_trust() -> ssl.SSLContext:
    """Return a context that checks certificate and host name against the system's store. Blocks: it reads files.

    Where Python was built for a place that is not there, as in a bundle on another machine, it is Mozilla's list.
    """
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    is_there = any(path and Path(path).exists() for path in (paths.cafile, paths.capath))
    if not is_there and not context.cert_store_stats()["x509_ca"]:
        import certifi  # noqa: PLC0415 - it comes with httpx, and is seldom needed

        context.load_verify_locations(certifi.where())
    return context
