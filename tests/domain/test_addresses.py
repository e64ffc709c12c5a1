"""Which hosts are this machine, and what can be sent to in safety."""

from __future__ import annotations

import pytest

from app.domain.addresses import is_safe_address, is_this_machine


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "localhost.", "127.0.0.1", "127.8.9.10", "::1"])
def test_hosts_that_are_this_machine(host: str) -> None:
    """By name, and by any address of the loopback device."""
    assert is_this_machine(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "example.org",
        "localhost.example.org",
        "127.0.0.1.example.org",
        "0.0.0.0",  # noqa: S104 - the case
        "::",
        "10.0.0.1",
        "::ffff:1.2.3.4",
    ],
)
def test_hosts_that_are_others(host: str) -> None:
    """A name that only begins so, and the address of all devices, are none."""
    assert not is_this_machine(host)


@pytest.mark.parametrize(
    ("url", "is_safe"),
    [
        ("https://example.org/hook", True),
        ("http://127.0.0.2:8080/hook", True),
        ("http://localhost/hook", True),
        ("http://example.org/hook", False),
        ("http://localhost.example.org/hook", False),
        ("ftp://localhost/hook", False),
        ("https://", False),
        ("https://example.org:99999/", False),
        ("https://exa mple.org/", False),
        ("https://exämple.org/", False),
    ],
)
def test_addresses_that_nobody_else_can_listen_on(url: str, is_safe: bool) -> None:  # noqa: FBT001 - a case
    """Https to anywhere, http to this machine, and nothing that two readers would read differently."""
    assert is_safe_address(url) is is_safe
