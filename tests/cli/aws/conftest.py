"""AWS as a command sees it: moto's server behind a proxy, a profile, and a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from tests.agents.auditing.aws.accounts import moto_server
from tests.agents.auditing.aws.denying import Denying

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REGION = "us-east-1"
ENDPOINT = "http://aws.test"
ACCOUNT = "123456789012"
"""Moto's, of keys that it does not know."""
CANARY = "wJalrCANARYbPxRfiCYEXAMPLEKEYofTheTests0"
KEYS = {"aws_access_key_id": "AKIAOFTHETESTS", "aws_secret_access_key": CANARY}


@dataclass
class Cloud:
    """An account, and a command line that audits it.

    Attributes:
        moto: The server's address.
        proxy: What stands between.
        home: Watchkeeper's home.
        environ: The environment of commands.
    """

    moto: str
    proxy: Denying
    home: Path
    environ: dict[str, str]
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str = "s3") -> Any:
        """Return a client to seed with."""
        if service not in self.clients:
            self.clients[service] = boto3.client(service, region_name=REGION, endpoint_url=self.moto, **KEYS)
        return self.clients[service]

    def buckets(self, *names: str, acl: str = "private") -> None:
        """Make buckets."""
        for name in names:
            self.client().create_bucket(Bucket=name)
            if acl != "private":
                self.client().put_bucket_acl(Bucket=name, ACL=acl)

    def argv(self, *words: str) -> list[str]:
        """Return the command line as a program's words."""
        return [sys.executable, "-m", "app.main", *words]

    def __call__(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run `watchkeeper`, and see that it ends with this code."""
        done = subprocess.run(
            self.argv(*words),
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def audit(self, *words: str, code: int = 1) -> Any:
        """Audit S3 of the account called production, and return the report."""
        told = self("audit", "aws", "production", "--service", "s3", *OF_TESTS, "--json", *words, code=code)
        return json.loads(told.stdout)


OF_TESTS = ("--endpoint-url", ENDPOINT)


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """Give the address of moto's server."""
    with moto_server() as url:
        yield url


@pytest.fixture
def cloud(moto_url: str, tmp_path: Path) -> Iterator[Cloud]:
    """Give an empty account. Its proxy is an HTTP proxy: some calls put the account before the host's name."""
    urllib.request.urlopen(urllib.request.Request(f"{moto_url}/moto-api/reset", method="POST")).close()  # noqa: S310 - on loopback
    (tmp_path / "config").write_text(f"[profile production]\nregion = {REGION}\n[profile other]\nregion = {REGION}\n")
    keys = "\n".join(f"{name} = {value}" for name, value in KEYS.items())
    (tmp_path / "credentials").write_text(f"[production]\n{keys}\n[other]\n{keys}\n")
    with Denying(moto_url) as proxy:
        environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "DATABASE_")) and not name.lower().endswith("_proxy")
        }
        environ |= {
            "WATCHKEEPER_HOME": str(tmp_path / "home"),
            "AWS_CONFIG_FILE": str(tmp_path / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "HTTP_PROXY": proxy.url,
        }
        yield Cloud(moto_url, proxy, tmp_path / "home", environ)
