"""SHA256SUMS lists what people download, so that they see that it is whole, and that it is ours."""

import argparse
import base64
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from provision.console import Stop
from release import checksums, keys
from release.work import Work

PASSWORD = "correct horse"  # noqa: S105 - of a key made for a test


@pytest.fixture
def keyed(work: Work) -> Work:
    """The build of somebody who has the key's password."""
    return replace(work, environ={keys.PASSWORD: PASSWORD})


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    checksums.arguments(parser)
    return parser.parse_args(words)


def built(work: Work, *names: str) -> None:
    for name in names:
        (work.out / name).write_bytes(f"what is in {name}".encode())


def test_the_list_is_one_that_sha256sum_reads(work: Work) -> None:
    """The tool that everybody has finds each file whole, and finds the one that was changed."""
    built(work, "watchkeeper-1.2.3-setup.exe", "watchkeeper_1.2.3_amd64.deb")
    checksums.build(work, options())
    command = ("sha256sum", "--check", "--strict", checksums.NAME)

    listed = (work.out / checksums.NAME).read_text("ascii")
    whole = subprocess.run(command, cwd=work.out, capture_output=True, check=False)
    (work.out / "watchkeeper-1.2.3-setup.exe").write_bytes(b"something else")
    changed = subprocess.run(command, cwd=work.out, capture_output=True, text=True, check=False)

    # Two characters between, of which the second says "as text", in all tools that came after.
    assert listed[64:66] == "  "
    assert whole.returncode == 0
    assert changed.returncode == 1
    assert "watchkeeper-1.2.3-setup.exe: FAILED" in changed.stdout


def test_only_what_is_for_people_is_listed(work: Work) -> None:
    """Neither another version's files, nor a build for tests, nor a stranger's file gets into the list."""
    built(
        work,
        *("watchkeeper-1.2.3-py3-none-any.whl", "watchkeeper-1.2.3-wheel.cdx.json", "watchkeeper-1.2.3-setup.exe"),
        *("watchkeeper-1.2.30-setup.exe", "watchkeeper-1.2.2-setup.exe", "watchkeeper-1.2.3-testing-setup.exe"),
        *("releases.json", "notes.txt"),
    )

    checksums.build(work, options())

    listed = [line[66:] for line in (work.out / checksums.NAME).read_text("ascii").splitlines()]
    assert listed == [
        "watchkeeper-1.2.3-py3-none-any.whl",
        "watchkeeper-1.2.3-setup.exe",
        "watchkeeper-1.2.3-wheel.cdx.json",
    ]


def test_nothing_built_is_told(work: Work) -> None:
    """An empty list would look as if all were well."""
    built(work, "watchkeeper-1.2.2-setup.exe")

    with pytest.raises(Stop, match=r"Nothing of version 1\.2\.3"):
        checksums.build(work, options())

    assert not (work.out / checksums.NAME).exists()


def test_the_signature_is_over_the_list_itself(tmp_path: Path, keyed: Work) -> None:
    """Whoever has the public key and any tool for Ed25519 can verify the list, with nothing of ours."""
    built(keyed, "watchkeeper-1.2.3-setup.exe")
    key = keys.new(tmp_path / "key.pem", keyed, options())

    made = checksums.build(keyed, options("--key", str(tmp_path / "key.pem")))

    signature = base64.b64decode((keyed.out / f"{checksums.NAME}.sig").read_bytes())
    listed = (keyed.out / checksums.NAME).read_bytes()
    assert [path.name for path in made] == ["SHA256SUMS", "SHA256SUMS.sig"]
    key.public_key().verify(signature, listed)
    with pytest.raises(InvalidSignature):
        key.public_key().verify(signature, listed.replace(b"setup", b"sotup"))


def test_a_list_without_a_signature_keeps_no_older_one(tmp_path: Path, keyed: Work) -> None:
    """A signature that belongs to another list is not left beside the new one."""
    built(keyed, "watchkeeper-1.2.3-setup.exe")
    keys.new(tmp_path / "key.pem", keyed, options())
    checksums.build(keyed, options("--key", str(tmp_path / "key.pem")))

    checksums.build(keyed, options())

    assert not (keyed.out / f"{checksums.NAME}.sig").exists()


def test_a_new_key_is_for_its_owner_only(tmp_path: Path, keyed: Work) -> None:
    """The file is encrypted, nobody else may read it, and it gives the key again."""
    path = tmp_path / "key.pem"

    made = keys.new(path, keyed, options())

    assert b"ENCRYPTED" in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert keys.public_of(keys.load(path, keyed, options())) == keys.public_of(made)


def test_a_key_is_never_written_over(tmp_path: Path, keyed: Work) -> None:
    """The key that programs believe is not lost by making another one under its name."""
    keys.new(tmp_path / "key.pem", keyed, options())
    before = (tmp_path / "key.pem").read_bytes()

    with pytest.raises(Stop, match="Choose another name"):
        keys.new(tmp_path / "key.pem", keyed, options())

    assert (tmp_path / "key.pem").read_bytes() == before


def test_a_key_is_not_put_into_the_checkout(tmp_path: Path, keyed: Work) -> None:
    """Where a commit could take it along no key is made."""
    with pytest.raises(Stop, match="finds its way into a commit"):
        keys.new(tmp_path / "key.pem", replace(keyed, root=tmp_path), options())

    assert not (tmp_path / "key.pem").exists()


def test_a_key_is_not_made_without_a_password(tmp_path: Path, work: Work) -> None:
    """A key that lies open is none."""
    with pytest.raises(Stop, match=keys.PASSWORD):
        keys.new(tmp_path / "key.pem", replace(work, environ={}), options())

    assert not (tmp_path / "key.pem").exists()


@pytest.mark.parametrize(
    ("environ", "content", "told"),
    [
        ({keys.PASSWORD: "a wrong one"}, None, "not its password"),
        ({}, None, "needs its password"),
        ({}, b"no key at all", "no private key in PEM"),
    ],
)
def test_a_key_that_cannot_be_used_is_told_without_a_secret(
    tmp_path: Path, keyed: Work, environ: dict[str, str], content: bytes | None, told: str
) -> None:
    """A wrong password, a missing one and a file that is no key are told apart, and no message has a secret in it."""
    path = tmp_path / "key.pem"
    if content is None:
        keys.new(path, keyed, options())
    else:
        path.write_bytes(content)

    with pytest.raises(Stop, match=told) as stop:
        keys.load(path, replace(keyed, environ=environ), options())

    assert stop.value.code == 2
    assert "a wrong one" not in str(stop.value)
    assert stop.value.__cause__ is None


def test_another_kind_of_key_is_told(tmp_path: Path, keyed: Work) -> None:
    """A key for something else is not taken for one that signs releases."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - for this test only
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey  # noqa: PLC0415 - likewise

    plain = serialization.NoEncryption()
    pem = X25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain
    )
    (tmp_path / "key.pem").write_bytes(pem)

    with pytest.raises(Stop, match="another kind of key"):
        keys.load(tmp_path / "key.pem", keyed, options())


def test_what_holds_is_told_from_what_does_not() -> None:
    """A signature holds for its own text and key alone, and what is no signature holds for nothing."""
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    signature = keys.signature(key, b"the feed")

    held = [
        keys.holds(keys.public_of(key), signature, b"the feed"),
        keys.holds(keys.public_of(other), signature, b"the feed"),
        keys.holds(keys.public_of(key), signature, b"the feud"),
        keys.holds(keys.public_of(key), "no base64!", b"the feed"),
        keys.holds("no key", signature, b"the feed"),
    ]

    assert held == [True, False, False, False, False]
