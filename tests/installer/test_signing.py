"""Programs for Windows are signed with a key from outside, which no argument tells, and never left half signed."""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pip
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from provision.console import Stop
from release import commands, keys, signing
from release.work import Work

PASSWORD = "correct horse"  # noqa: S105 - of a key made for a test
PROGRAM = b"MZ not signed"
FAKE = """
import json, os, shutil, sys
words = sys.argv[1:]
told = {{"words": words, "environ": dict(os.environ)}}
if "-readpass" in words:
    told["password"] = open(words[words.index("-readpass") + 1]).read()
with open({log!r}, "a") as log:
    print(json.dumps(told), file=log)
if words[0] == "verify":
    sys.exit({verified})
shutil.copyfile(words[words.index("-in") + 1], words[words.index("-out") + 1])
with open(words[words.index("-out") + 1], "ab") as program:
    program.write(b" signed")
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.exe"
    path.write_bytes(PROGRAM)
    path.chmod(0o755)
    return path


@pytest.fixture
def pfx(tmp_path: Path) -> Path:
    path = tmp_path / "key.pfx"
    path.write_bytes(b"only a real signer reads it")
    return path


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    signing.declare(parser)
    return parser.parse_args(words)


@pytest.fixture
def signer(programs: Callable[[str, str], Path], tmp_path: Path) -> Callable[..., Path]:
    """Puts a signer on PATH that tells what it was given in the file that is returned; `verified` is its verdict."""

    def install(verified: int = 0) -> Path:
        script, log = tmp_path / "signer.py", tmp_path / "log.jsonl"
        script.write_text(FAKE.format(log=str(log), verified=verified), "utf-8")
        programs("osslsigncode", f'exec "{sys.executable}" -I "{script}" "$@"')
        programs("sign-in-place", 'printf " signed" >> "$2"')
        return log

    return install


def test_without_a_key_nothing_is_signed(program: Path, work: Work) -> None:
    """A build without a key leaves the program as it is, and says so."""
    signed = signing.sign(program, work, options())

    assert not signed
    assert program.read_bytes() == PROGRAM


def test_the_password_is_in_no_argument_and_in_no_environment(
    signer: Callable[..., Path], program: Path, pfx: Path, work: Work
) -> None:
    """The signer reads the password from a pipe, since arguments and environments are open to others."""
    log = signer()
    work = replace(work, environ={**os.environ, signing.PASSWORD: PASSWORD})

    signing.sign(program, work, options("--sign-certificate", str(pfx)))

    first = log.read_text("utf-8").splitlines()[0]
    assert first.count(PASSWORD) == 1
    assert f'"password": "{PASSWORD}"' in first


def test_the_password_file_counts_to_the_end_of_its_first_line(
    signer: Callable[..., Path], tmp_path: Path, program: Path, pfx: Path, work: Work
) -> None:
    """What an editor adds at the end of a password file is no part of the password."""
    log = signer()
    file = tmp_path / "password"
    file.write_bytes(f"{PASSWORD}\r\n".encode())

    signing.sign(program, work, options("--sign-certificate", str(pfx), "--sign-password-file", str(file)))

    assert f'"password": "{PASSWORD}"' in log.read_text("utf-8").splitlines()[0]


def test_a_signed_program_takes_the_place_of_the_other(
    signer: Callable[..., Path], tmp_path: Path, program: Path, pfx: Path, work: Work
) -> None:
    """It is signed with the time of the commit and a timestamp, verified, and may still be run."""
    log = signer()
    asked = options("--sign-certificate", str(pfx), "--sign-timestamp", "http://stamp.example")

    signed = signing.sign(program, work, asked)

    signing_line, verifying_line = log.read_text("utf-8").splitlines()
    assert signed
    assert program.read_bytes() == PROGRAM + b" signed"
    assert os.access(program, os.X_OK)
    assert f'"-time", "{work.epoch}"' in signing_line
    assert '"-ts", "http://stamp.example"' in signing_line
    assert '"verify"' in verifying_line
    assert not list(tmp_path.glob("signed-*"))


def test_a_signature_that_does_not_hold_is_not_left_in_place(
    signer: Callable[..., Path], tmp_path: Path, program: Path, pfx: Path, work: Work
) -> None:
    """Where verifying fails the program is as it was, nothing lies beside it, and the message says what to do."""
    signer(verified=1)

    with pytest.raises(Stop, match="--sign-roots"):
        signing.sign(program, work, options("--sign-certificate", str(pfx)))

    assert program.read_bytes() == PROGRAM
    assert not list(tmp_path.glob("signed-*"))


@pytest.mark.parametrize("command", ["osslsigncode sign -in {in} -out {out}", "sign-in-place --token"])
def test_another_signer_is_told_the_files(signer: Callable[..., Path], program: Path, work: Work, command: str) -> None:
    """A signer for a token names both files, or signs the one behind its last word in its place."""
    signer()

    signing.sign(program, work, options("--sign-with", command))

    assert program.read_bytes() == PROGRAM + b" signed"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--sign-key", "key.pem"), "--sign-certificate"),
        (("--sign-timestamp", "http://stamp.example"), "--sign-certificate"),
        (("--sign-certificate", "a.pfx", "--sign-with", "signer"), "Name one of them"),
        (("--sign-with", "signer", "--sign-timestamp", "http://stamp.example"), "names its service itself"),
        (("--sign-certificate", "not-there.pfx"), "not-there.pfx"),
        (("--sign-certificate", __file__), "--sign-key"),
    ],
)
def test_options_that_sign_nothing_are_refused(
    signer: Callable[..., Path], program: Path, work: Work, words: tuple[str, ...], told: str
) -> None:
    """Nobody who gave half of what signing takes is left with a program that is not signed."""
    signer()

    with pytest.raises(Stop, match=told) as stop:
        signing.sign(program, work, options(*words))

    assert stop.value.code == 2
    assert program.read_bytes() == PROGRAM


def test_what_signs_within_a_build_takes_the_same_options(program: Path, work: Work) -> None:
    """The command for makensis is one that build.py understands, with every option of the build in it."""
    asked = options("--sign-with", "signer --pin", "--sign-roots", "roots.pem")

    _, script, *words = signing.command(work, asked)

    parsed = commands._parser().parse_args([*words, str(program)])
    assert script == str(work.root / "installer" / "build.py")
    assert (parsed.sign_with, parsed.sign_roots) == ("signer --pin", Path("roots.pem").absolute())
    assert parsed.files == [program]


def test_only_who_signs_is_told_the_password(work: Work) -> None:
    """Compilers and packers see no password; what signs within a build sees its own, and not that of the releases."""
    secret = {signing.PASSWORD: PASSWORD, keys.PASSWORD: "another", "PATH": "/usr/bin"}

    work = replace(work, environ=secret)

    assert not {signing.PASSWORD, keys.PASSWORD} & set(work.tool_environ)
    assert signing.environ(work)[signing.PASSWORD] == PASSWORD
    assert keys.PASSWORD not in signing.environ(work)


def certificate(folder: Path) -> None:
    """Makes a signer of one's own: certificate.pem, and key.pem under a password."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A test")])
    begun = datetime(2020, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begun)
        .not_valid_after(begun + timedelta(days=36_500))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    guarded = serialization.BestAvailableEncryption(PASSWORD.encode())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, guarded)
    (folder / "key.pem").write_bytes(pem)


@pytest.mark.slow
def test_a_real_signature_holds_until_a_byte_is_changed(tmp_path: Path, work: Work) -> None:
    """With a certificate of one's own the real signer signs, twice the same, and finds a changed byte."""
    certificate(tmp_path)
    # A program for Windows that is here anyway: what pip makes commands from.
    launcher = Path(pip.__file__).parent / "_vendor" / "distlib" / "t64.exe"
    one, other = tmp_path / "one.exe", tmp_path / "other.exe"
    work = replace(work, environ={**os.environ, signing.PASSWORD: PASSWORD})
    asked = options(
        *("--sign-certificate", str(tmp_path / "certificate.pem"), "--sign-key", str(tmp_path / "key.pem")),
        *("--sign-roots", str(tmp_path / "certificate.pem")),
    )

    for path in (one, other):
        shutil.copyfile(launcher, path)
        signing.sign(path, work, asked)
    same = one.read_bytes() == other.read_bytes()
    changed = bytearray(other.read_bytes())
    changed[5000] ^= 1
    other.write_bytes(changed)

    signing.verify(one, work, asked)
    assert same
    with pytest.raises(Stop, match="does not hold"):
        signing.verify(other, work, asked)


@pytest.mark.slow
def test_a_signer_whom_nobody_trusts_is_told(tmp_path: Path, work: Work) -> None:
    """By itself a certificate of one's own leads to none of the system's, so the program stays unsigned."""
    certificate(tmp_path)
    launcher = Path(pip.__file__).parent / "_vendor" / "distlib" / "t64.exe"
    path = tmp_path / "program.exe"
    shutil.copyfile(launcher, path)
    work = replace(work, environ={**os.environ, signing.PASSWORD: PASSWORD})
    asked = options("--sign-certificate", str(tmp_path / "certificate.pem"), "--sign-key", str(tmp_path / "key.pem"))

    with pytest.raises(Stop, match="leads to no certificate that is trusted"):
        signing.sign(path, work, asked)

    assert path.read_bytes() == launcher.read_bytes()


@pytest.mark.slow
def test_build_py_signs_programs_that_were_built_elsewhere(root: Path, tmp_path: Path) -> None:
    """`build.py sign FILE` does it from the command line, with a password from the environment."""
    certificate(tmp_path)
    path = tmp_path / "program.exe"
    shutil.copyfile(Path(pip.__file__).parent / "_vendor" / "distlib" / "t64.exe", path)
    before = path.stat().st_size
    command = (
        *(sys.executable, str(root / "installer" / "build.py"), "sign", str(path)),
        *("--sign-certificate", str(tmp_path / "certificate.pem"), "--sign-key", str(tmp_path / "key.pem")),
        *("--sign-roots", str(tmp_path / "certificate.pem"), "--out", str(tmp_path / "dist")),
    )

    done = subprocess.run(
        command,
        env={**os.environ, signing.PASSWORD: PASSWORD, commands.INSIDE: "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert path.stat().st_size > before
    assert PASSWORD not in done.stdout + done.stderr
