"""Keys of the vault for AWS accounts, as a person at a terminal has them: asked for once, used, and shown nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.aws.conftest import OF_TESTS
from tests.cli.test_keys import PASSPHRASE, Person

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.aws.conftest import Cloud

ASKED = (("Passphrase of the vault: ", PASSPHRASE),)


@pytest.mark.timeout(120)
def test_they_are_asked_for_once_and_enter_their_own_account(
    cloud: Cloud, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One passphrase for all of them; what is not there is named, and no value stands on the terminal or in a file."""
    for name, value in cloud.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WATCHKEEPER_HOME", str(home))
    sts = cloud.client("sts")
    given = sts.assume_role(RoleArn="arn:aws:iam::222233334444:role/x", RoleSessionName="test")["Credentials"]
    person = Person(home)
    person.makes_a_vault()
    audit = ["audit", "aws", "keys:AWS_SHOP", "--service", "s3", *OF_TESTS]

    missing = person.shell(" ".join(cloud.argv(*audit)), answers=ASKED)
    person.sets("AWS_SHOP_ACCESS_KEY_ID", given["AccessKeyId"])
    person.sets("AWS_SHOP_SECRET_ACCESS_KEY", given["SecretAccessKey"])
    person.sets("AWS_SHOP_SESSION_TOKEN", given["SessionToken"])
    done = person.shell(" ".join(cloud.argv(*audit)), answers=ASKED)

    assert (missing.code, "AWS_SHOP_ACCESS_KEY_ID" in missing.text) == (3, True)
    assert done.code == 0, done.text
    assert done.text.count("Passphrase of the vault") == 1
    assert "AWS account AWS_SHOP (222233334444)" in done.text
    assert given["SecretAccessKey"] not in done.text
    kept = [path for path in home.rglob("*") if path.is_file()]
    assert not [path for path in kept if given["SecretAccessKey"].encode() in path.read_bytes()]
