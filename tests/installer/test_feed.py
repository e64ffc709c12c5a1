"""The feed tells programs that are out there of a newer one, and only what they believe is signed."""

import argparse
import base64
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.agents.updates.signature import PURPOSE, check_signature
from app.domain.errors import UpdateRefused
from app.domain.releases import LONGEST_NOTES, choose, parse_feed
from app.system.installed import Channel
from provision.console import Stop
from release import feed, keys
from release.work import Announced, Work

PASSWORD = "correct horse"  # noqa: S105 - of a key made for a test
BASE = "https://downloads.example/1.2.3"
SETUP = "watchkeeper-1.2.3-setup.exe"
EVERY = {
    "setup": SETUP,
    "deb": "watchkeeper_1.2.3_amd64.deb",
    "portable": "watchkeeper-1.2.3-linux-x86_64.tar.gz",
    "wheel": "watchkeeper-1.2.3-py3-none-any.whl",
    "app": "watchkeeper-1.2.3-macos-arm64.zip",
}


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    feed.arguments(parser)
    return parser.parse_args(words)


@pytest.fixture
def keyed(work: Work) -> Work:
    """The build of somebody who has the key's password; of a time that does not pass."""
    return replace(work, environ={keys.PASSWORD: PASSWORD, "SOURCE_DATE_EPOCH": "1767225600"})


@pytest.fixture
def key(tmp_path: Path, keyed: Work) -> Path:
    path = tmp_path / "key.pem"
    keys.new(path, keyed, options("--new-key", str(path)))
    return path


@pytest.fixture
def words(tmp_path: Path, keyed: Work, key: Path) -> tuple[str, ...]:
    """What one types to announce a setup.exe."""
    (keyed.out / SETUP).write_bytes(b"a program")
    (tmp_path / "notes.md").write_text("Finds more.\n\n- and says it\n", "utf-8")
    return "--key", str(key), "--notes", str(tmp_path / "notes.md"), "--base-url", f"{BASE}/"


def made(work: Work) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((work.out / feed.NAME).read_bytes())
    return told


def public(work: Work, key: Path) -> str:
    return keys.public_of(keys.load(key, work, options("--key", str(key))))


def test_the_program_believes_what_is_made(keyed: Work, key: Path, words: tuple[str, ...]) -> None:
    """The program's own check and reader take feed and signature, and an older one finds its file there."""
    content, signature = (path.read_bytes() for path in feed.build(keyed, options(*words)))

    check_signature(content, signature, [_raw(public(keyed, key))])
    offered = choose(parse_feed(content), current="1.2.2", channel="setup")
    assert offered is not None
    file = offered.file_for("setup")
    assert file is not None
    assert (offered.version, file.name, file.url) == ("1.2.3", SETUP, f"{BASE}/{SETUP}")
    assert (file.size, file.sha256) == (9, hashlib.sha256(b"a program").hexdigest())
    assert offered.notes_in("ru") == "Finds more.\n\n- and says it"


def test_the_program_refuses_one_with_a_changed_byte(keyed: Work, key: Path, words: tuple[str, ...]) -> None:
    """A feed in which somebody changed a digit is not believed."""
    content, signature = (path.read_bytes() for path in feed.build(keyed, options(*words)))

    with pytest.raises(UpdateRefused):
        check_signature(content.replace(b'"size": 9', b'"size": 8'), signature, [_raw(public(keyed, key))])


def test_both_sides_sign_for_the_same_purpose() -> None:
    """What is put before the feed in front of a signature is the same here and in the program."""
    assert feed.SIGNED_BEFORE == PURPOSE


def test_each_channel_that_brings_a_program_has_its_file(keyed: Work, words: tuple[str, ...]) -> None:
    """Everything that people install is announced to those who installed that kind; a checkout is nobody's."""
    for name in EVERY.values():
        (keyed.out / name).write_bytes(name.encode())
    for other in (
        "watchkeeper-1.2.3-deb.cdx.json",
        "watchkeeper-1.2.3-testing-setup.exe",
        "watchkeeper-1.2.2-setup.exe",
    ):
        (keyed.out / other).write_bytes(b"not announced")

    feed.build(keyed, options(*words))

    files = made(keyed)["releases"][0]["files"]
    assert {file["channel"]: file["name"] for file in files} == EVERY
    assert set(EVERY) == set(Channel) - {Channel.SOURCE}


def test_the_feed_is_the_same_each_time_at_one_time(keyed: Work, words: tuple[str, ...]) -> None:
    """With the time given from outside feed and signature are the same to the last byte."""
    first = [path.read_bytes() for path in feed.build(keyed, options(*words))]

    second = [path.read_bytes() for path in feed.build(keyed, options(*words))]

    assert first == second
    assert b'"published": "2026-01-01T00:00:00Z"' in first[0]


def test_it_says_for_how_long_it_is_believed(keyed: Work, words: tuple[str, ...]) -> None:
    """It expires, so that nobody can hold an old one up for ever."""
    feed.build(keyed, options(*words, "--valid-days", "30"))

    told = made(keyed)
    assert (told["published"], told["expires"]) == ("2026-01-01T00:00:00Z", "2026-01-31T00:00:00Z")


def test_earlier_releases_are_kept_behind_the_new_one(tmp_path: Path, keyed: Work, words: tuple[str, ...]) -> None:
    """Who can only have the release before finds it still, with its notes."""
    earlier, _ = feed.build(keyed, options(*words))
    kept = tmp_path / "earlier.json"
    kept.write_bytes(earlier.read_bytes())
    kept.with_name("earlier.json.sig").write_bytes((keyed.out / "releases.json.sig").read_bytes())
    newer = replace(keyed, version="1.10.0", environ={**keyed.environ, "SOURCE_DATE_EPOCH": "1769904000"})
    (keyed.out / "watchkeeper_1.10.0_amd64.deb").write_bytes(b"newer")

    feed.build(newer, options(*words, "--earlier", str(kept)))

    versions = [(each["version"], each["published"]) for each in made(newer)["releases"]]
    assert versions == [("1.10.0", "2026-02-01T00:00:00Z"), ("1.2.3", "2026-01-01T00:00:00Z")]


def test_a_release_that_is_signed_anew_stays_as_old_as_it_was(
    tmp_path: Path, keyed: Work, words: tuple[str, ...]
) -> None:
    """When only the feed had grown old, the feed is younger, and the release in it is not told twice."""
    earlier, signature = feed.build(keyed, options(*words))
    kept = tmp_path / "earlier.json"
    kept.write_bytes(earlier.read_bytes())
    kept.with_name("earlier.json.sig").write_bytes(signature.read_bytes())
    later = replace(keyed, environ={**keyed.environ, "SOURCE_DATE_EPOCH": "1769904000"})

    feed.build(later, options(*words, "--earlier", str(kept)))

    told = made(later)
    assert told["published"] == "2026-02-01T00:00:00Z"
    assert [each["published"] for each in told["releases"]] == ["2026-01-01T00:00:00Z"]


def test_an_earlier_feed_of_a_stranger_is_not_vouched_for(tmp_path: Path, keyed: Work, words: tuple[str, ...]) -> None:
    """What somebody put on the server in place of our feed gets no signature of ours."""
    earlier, signature = feed.build(keyed, options(*words))
    kept = tmp_path / "earlier.json"
    kept.write_bytes(earlier.read_bytes().replace(b"downloads.example", b"attackers.example"))
    kept.with_name("earlier.json.sig").write_bytes(signature.read_bytes())

    with pytest.raises(Stop, match="Nothing of it is taken"):
        feed.build(keyed, options(*words, "--earlier", str(kept)))

    assert b"attackers" not in (keyed.out / feed.NAME).read_bytes()


def test_a_feed_that_no_program_believes_is_not_signed(keyed: Work, words: tuple[str, ...]) -> None:
    """Where the programs were built to believe another key, the wrong one is noticed here, not by nobody."""
    announced = replace(keyed, announced=Announced("https://feed.example/releases.json", ("A" * 43 + "=",)))

    with pytest.raises(Stop, match="no program would believe"):
        feed.build(announced, options(*words))

    assert not (keyed.out / feed.NAME).exists()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (("--base-url", "http://downloads.example"), "https address"),
        (("--base-url", "https://downloads.example/?version=1"), "https address"),
        (("--base-url", "https://somebody@downloads.example"), "No program would take"),
        (("--page", "ftp://example.org"), "--page"),
        (("--valid-days", "0"), "--valid-days"),
        (("--notes", "not-there.md"), "not-there.md"),
        (("--notes-ru", "/dev/null"), "empty"),
    ],
)
def test_what_programs_would_refuse_is_told_before_it_is_signed(
    keyed: Work, words: tuple[str, ...], changed: tuple[str, ...], told: str
) -> None:
    """An address without TLS, notes that are missing, a feed that has expired already: nothing of it is signed."""
    with pytest.raises(Stop, match=told):
        feed.build(keyed, options(*words, *changed))

    assert not (keyed.out / "releases.json.sig").exists()


def test_of_a_changelog_the_versions_own_part_is_told(tmp_path: Path, keyed: Work, words: tuple[str, ...]) -> None:
    """A changelog may be named as it is: neither its head nor other versions get into the notes."""
    changelog = tmp_path / "CHANGELOG.md"
    changelog.write_text(
        "# Changelog\n\n## 1.2.30, later\n\n- no\n\n## 1.2.3, 2026-01-01\n\n### Added\n\n- this\n\n## 1.2.2\n\n- no\n",
        "utf-8",
    )

    feed.build(keyed, options(*words, "--notes", str(changelog)))

    assert made(keyed)["releases"][0]["notes"] == {"en": "### Added\n\n- this"}


def test_a_long_part_of_a_changelog_is_cut_at_a_line(tmp_path: Path, keyed: Work, words: tuple[str, ...]) -> None:
    """Of a version with much to tell a person is shown the begin, and the page has the rest."""
    changelog = tmp_path / "CHANGELOG.md"
    changelog.write_text("## 1.2.3\n\n" + "- what is new, in a line\n" * 1000, "utf-8")

    feed.build(keyed, options(*words, "--notes", str(changelog)))

    notes = made(keyed)["releases"][0]["notes"]["en"]
    assert len(notes) <= LONGEST_NOTES
    assert notes.endswith("- what is new, in a line\n…")


def test_notes_that_are_too_long_are_told(tmp_path: Path, keyed: Work, words: tuple[str, ...]) -> None:
    """Notes that were written for this place are not cut in silence."""
    (tmp_path / "notes.md").write_text("a" * (LONGEST_NOTES + 1), "utf-8")

    with pytest.raises(Stop, match="Shorten them"):
        feed.build(keyed, options(*words))


def test_two_files_for_one_channel_are_told(keyed: Work, words: tuple[str, ...]) -> None:
    """Which of two packages a person shall get is not decided by chance."""
    for name in ("watchkeeper_1.2.3_amd64.deb", "watchkeeper_1.2.3-2_amd64.deb"):
        (keyed.out / name).write_bytes(b"a package")

    with pytest.raises(Stop, match="both go to"):
        feed.build(keyed, options(*words))


def test_a_new_key_shows_its_public_half_only(tmp_path: Path, keyed: Work) -> None:
    """`--new-key` says what to build with, and nothing that is secret."""
    path = tmp_path / "new.pem"

    made_files = feed.build(keyed, options("--new-key", str(path)))

    said = keyed.console._stream.getvalue()  # type: ignore[attr-defined] - the fixture's own
    assert tuple(made_files) == (path,)
    assert public(keyed, path) in said
    assert PASSWORD not in said
    assert "PRIVATE" not in said


def _raw(key: str) -> bytes:
    return base64.b64decode(key)
