"""The vault's cryptography against vectors that others made: NIST, the RFCs, Project Wycheproof, the Fernet spec."""

from __future__ import annotations

import datetime as dt
import hmac
import json
from collections import Counter
from pathlib import Path
from typing import Any

import cryptography_vectors
import pytest
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.keys import aead
from app.keys.aead import Forged, Sealed, unseal
from app.keys.derive import Stretching, subkey

OURS = {"Keylen": "256", "IVlen": "96", "Taglen": "128"}
WYCHEPROOF = Path(__file__).parent / "vectors" / "wycheproof_aes_gcm.json"


def shipped(name: str) -> str:
    with cryptography_vectors.open_vector_file(name, "r") as file:
        return str(file.read())


def cases_of(name: str, first: str) -> list[dict[str, str]]:
    """Return the cases of a NIST-like file, each with the section's bracketed values; `first` begins a case."""
    section: dict[str, str] = {}
    cases: list[dict[str, str]] = []
    in_section = False
    for line in (each.strip() for each in shipped(name).splitlines()):
        if line.startswith("["):
            section = {} if not in_section else section
            name_, _, value = line.strip("[]").partition(" = ")
            section[name_], in_section = value, True
        elif line and not line.startswith("#"):
            in_section = False
            name_, _, value = (part.strip() for part in line.partition("="))
            if name_ == first:
                cases.append(dict(section))
            cases[-1][name_] = value
    return cases


def octets(case: dict[str, str], name: str) -> bytes:
    return bytes.fromhex(case.get(name, ""))


def gcm_cases(name: str) -> list[dict[str, str]]:
    return [case for case in cases_of(f"ciphers/AES/GCM/{name}", "Count") if case.items() >= OURS.items()]


def opened(key: bytes, nonce: bytes, content: bytes, bound: bytes) -> bytes | None:
    """What our own door gives; None where it refuses, whether for a size or for a forgery."""
    try:
        return unseal(key, Sealed(nonce, content), bound)
    except (Forged, ValueError):
        return None


def test_nist_gcm_encrypts_as_published() -> None:
    """All 375 CAVP encryptions of our sizes give the published ciphertext and tag."""
    cases = gcm_cases("gcmEncryptExtIV256.rsp")

    wrong = [
        case["Count"]
        for case in cases
        if aead._cipher(octets(case, "Key"), octets(case, "IV")).encrypt(
            octets(case, "IV"), octets(case, "PT"), octets(case, "AAD")
        )
        != octets(case, "CT") + octets(case, "Tag")
    ]

    assert (len(cases), wrong) == (375, [])


def test_nist_gcm_decrypts_as_published() -> None:
    """All 375 CAVP decryptions of our sizes give the published plaintext, and those marked FAIL give nothing."""
    cases = gcm_cases("gcmDecrypt256.rsp")

    found = Counter(
        (
            "FAIL" in case,
            opened(
                octets(case, "Key"), octets(case, "IV"), octets(case, "CT") + octets(case, "Tag"), octets(case, "AAD")
            )
            == (None if "FAIL" in case else octets(case, "PT")),
        )
        for case in cases
    )

    assert found == {(False, True): 184, (True, True): 191}


def wycheproof() -> list[tuple[bool, dict[str, Any]]]:
    """Each case, and whether its sizes are ours."""
    groups = json.loads(WYCHEPROOF.read_bytes())["testGroups"]
    return [
        ((group["keySize"], group["ivSize"], group["tagSize"]) == (256, 96, 128), case)
        for group in groups
        for case in group["tests"]
    ]


def wycheproof_opened(case: dict[str, Any]) -> bytes | None:
    key, nonce, bound = (bytes.fromhex(case[name]) for name in ("key", "iv", "aad"))
    return opened(key, nonce, bytes.fromhex(case["ct"] + case["tag"]), bound)


def test_wycheproof_cases_of_our_sizes_are_judged_as_published() -> None:
    """The 66 AES-GCM cases of our sizes: 39 valid ones open to their message, 27 invalid ones do not."""
    ours = [case for is_ours, case in wycheproof() if is_ours]

    wrong = [
        case["tcId"]
        for case in ours
        if wycheproof_opened(case) != (bytes.fromhex(case["msg"]) if case["result"] == "valid" else None)
    ]

    assert Counter(case["result"] for case in ours) == {"valid": 39, "invalid": 27}
    assert wrong == []


def test_wycheproof_cases_that_are_invalid_or_of_other_sizes_are_all_refused() -> None:
    """All 87 invalid cases are refused, and so are the 190 valid ones with a key or a nonce of another size."""
    invalid = [case for _, case in wycheproof() if case["result"] == "invalid"]
    others = [case for is_ours, case in wycheproof() if not is_ours and case["result"] == "valid"]

    taken = [case["tcId"] for case in (*invalid, *others) if wycheproof_opened(case) is not None]

    assert (len(invalid), len(others), taken) == (87, 190, [])


def argon2_cases() -> list[dict[str, str]]:
    return cases_of("KDF/argon2id.txt", "COUNT")


def test_argon2id_stretches_as_published() -> None:
    """What our stretching can be asked (32 bytes, a salt of 16, a passphrase, no further key) is as published."""
    ours = [
        case
        for case in argon2_cases()
        if case["length"] == "32" and len(octets(case, "salt")) == 16 and not case.get("secret") and not case.get("ad")
    ]

    wrong = [
        case["COUNT"]
        for case in ours
        if Stretching(int(case["iter"]), int(case["memcost"]), int(case["lanes"])).stretch(
            octets(case, "pass").decode("ascii"), octets(case, "salt")
        )
        != octets(case, "output")
    ]

    assert (len(ours), wrong) == (2, [])


def test_argon2id_itself_is_that_of_rfc_9106() -> None:
    """Every published case, that of RFC 9106 with its further key and data among them, comes out of the primitive."""
    cases = argon2_cases()

    wrong = [
        case["COUNT"]
        for case in cases
        if Argon2id(
            salt=octets(case, "salt"),
            length=int(case["length"]),
            iterations=int(case["iter"]),
            lanes=int(case["lanes"]),
            memory_cost=int(case["memcost"]),
            secret=octets(case, "secret") or None,
            ad=octets(case, "ad") or None,
        ).derive(octets(case, "pass"))
        != octets(case, "output")
    ]

    assert cases[0]["output"].startswith("0d640df58d78766c08c037a34a8b53c9")
    assert (len(cases), wrong) == (6, [])


def test_hkdf_is_that_of_rfc_5869() -> None:
    """The three SHA-256 cases of RFC 5869 come out of the primitive."""
    cases = cases_of("KDF/rfc-5869-HKDF-SHA256.txt", "COUNT")

    wrong = [
        case["COUNT"]
        for case in cases
        if HKDF(SHA256(), int(case["L"]), salt=octets(case, "salt") or None, info=octets(case, "info")).derive(
            octets(case, "IKM")
        )
        != octets(case, "OKM")
    ]

    assert (len(cases), wrong) == (3, [])


def test_a_subkey_is_hkdf_written_out() -> None:
    """A subkey is RFC 5869's extract and expand over the framed purpose and vault, computed here from HMAC alone."""
    master = bytes(range(32))
    fields = (b"watchkeeper subkey", b"wrap", b"v1")
    info = (3).to_bytes(4, "big") + b"".join(len(each).to_bytes(4, "big") + each for each in fields)
    extracted = hmac.digest(bytes(32), master, "sha256")

    assert subkey(master, "wrap", "v1") == hmac.digest(extracted, info + b"\x01", "sha256")


def test_x25519_is_that_of_rfc_7748() -> None:
    """The three cases of RFC 7748, section 5.2, come out of the primitive under the recovery slot."""
    cases = cases_of("asymmetric/X25519/rfc7748.txt", "COUNT")

    wrong = [
        case["COUNT"]
        for case in cases
        if X25519PrivateKey.from_private_bytes(octets(case, "INPUT_SCALAR")).exchange(
            X25519PublicKey.from_public_bytes(octets(case, "INPUT_U"))
        )
        != octets(case, "OUTPUT_U")
    ]

    assert (len(cases), wrong) == (3, [])


def fernet_cases(name: str) -> list[dict[str, Any]]:
    return list(json.loads(shipped(f"fernet/{name}.json")))


def seconds(case: dict[str, Any]) -> int:
    return int(dt.datetime.fromisoformat(case["now"]).timestamp())


def test_fernet_makes_and_reads_the_published_tokens() -> None:
    """The specification's tokens are made from their parts, and read again, as the vault of before wrote them."""
    (made,), (read,) = fernet_cases("generate"), fernet_cases("verify")

    token = Fernet(made["secret"])._encrypt_from_parts(made["src"].encode(), seconds(made), bytes(made["iv"]))
    text = Fernet(read["secret"]).decrypt_at_time(read["token"].encode(), read["ttl_sec"], seconds(read))

    assert token == made["token"].encode()
    assert text == read["src"].encode()


@pytest.mark.parametrize("case", fernet_cases("invalid"), ids=lambda case: str(case["desc"]))
def test_fernet_refuses_the_published_forgeries(case: dict[str, Any]) -> None:
    """Each token that the specification calls invalid is refused."""
    fernet = Fernet(case["secret"])

    with pytest.raises(InvalidToken):
        fernet.decrypt_at_time(case["token"].encode(), case["ttl_sec"], seconds(case))
