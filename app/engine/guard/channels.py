"""What the guard says in the results channel, and how the program learns of its channels."""

from __future__ import annotations

import os

RESULTS = "WATCHKEEPER_RESULTS_FD"
ORDERS = "WATCHKEEPER_ORDERS_FD"
READ_AT_ONCE = 1 << 16
"""Bytes."""


def tell(line: str) -> None:
    """Write one line into the results channel, apart from a half line that a killed program may have left there."""
    content = b"\n" + line.encode("ascii") + b"\n"
    try:
        while content:
            content = content[os.write(1, content) :]
    except OSError:
        pass


def tell_end(code: int | None, signal_number: int | None) -> None:
    """Say how the program ended: its exit code, or the signal that killed it."""
    as_code, as_signal = (str(value) if value is not None else "null" for value in (code, signal_number))
    tell(f'{{"guard":"ended","code":{as_code},"signal":{as_signal}}}')


def tell_failure(what: str, number: int) -> None:
    """Say that the program could not be started: at which step (`folder`, `program`), and the errno."""
    tell(f'{{"guard":"failed","what":"{what}","errno":{number}}}')


def environment(results: int, orders: int | None) -> dict[str, str]:
    """Return the program's environment, which names its channels and none of a Watchkeeper that started ours."""
    env = {**os.environ, RESULTS: str(results)}
    if orders is None:
        env.pop(ORDERS, None)
    else:
        env[ORDERS] = str(orders)
    return env
