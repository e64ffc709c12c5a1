"""Who is at the other end of a local connection, as the kernel says."""

from __future__ import annotations

import socket
import struct
import sys
from typing import Any


def peer_uid(connection: Any) -> int | None:  # noqa: ANN401 - asyncio's TransportSocket or a plain one
    """Return the user id of the process at the other end; None where the system does not say.

    Linux: `struct ucred` (pid, uid, gid), unix(7). macOS and BSD: `struct xucred` (version, uid, ...), unix(4).
    """
    if hasattr(socket, "SO_PEERCRED"):
        found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", found)[1])
    if sys.platform == "darwin" or "bsd" in sys.platform:
        local_peercred, xucred_bytes = 1, 76
        return int(struct.unpack_from("2I", connection.getsockopt(0, local_peercred, xucred_bytes))[1])
    return None
