"""The checks of `doctor`, one by one: what is wrong is found, and the hint has what to do."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import tomllib
from concurrent.futures import Future
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

import app
from app.agents.settings import Settings
from app.cli.doctor import folders, looking, machine, program, projects, secrets
from app.cli.doctor.check import Check, Level, Look, Scene
from app.domain.errors import ProjectError
from app.domain.health import ChannelView, Ending, HealthView
from app.domain.keys import KeychainState, SecretView, VaultState, VaultView
from app.engine.clock import SystemClock
from app.engine.lives import LifeRecord, lives_folder
from app.engine.workers import WorkerPool
from app.system.filesystems import is_network, kind_of
from app.system.instance import SingleInstance

if TYPE_CHECKING:
    from pathlib import Path

    from app.engine.places import Places
    from tests.cli.conftest import CommandLine, Instance, Ran


def checks(ran: Ran) -> dict[str, Any]:
    return {check["name"]: check for check in json.loads(ran.out)["checks"]}


def told(found: Check) -> tuple[str, bool]:
    return found.level.value, bool(found.hint)


def settings_of(text: str) -> Settings:
    return Settings.model_validate_json(json.dumps(tomllib.loads(text)))


def test_no_check_holds_up_the_answer(
    cli: CommandLine, places: Places, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An instance, a git and a D-Bus that never answer are told of; all of it within three seconds."""
    listener, bus = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    for each, path in ((listener, places.socket), (bus, places.runtime / "bus")):
        each.bind(str(path))
        each.listen()
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={places.runtime / 'bus'}")
    (tmp_path / "git").write_text("#!/bin/sh\nexec sleep 30\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    began = time.monotonic()
    ran = cli("doctor", "--json")
    took = time.monotonic() - began
    listener.close()
    bus.close()

    found = checks(ran)
    assert took < 6  # three seconds, and as much again for a busy machine
    assert ran.code == 1
    names = ("instance", "git", "keychain", "notifications")
    assert [found[name]["level"] for name in names] == ["fail", "warn", "ok", "warn"]
    assert found["keychain"]["text"] == "it does not answer; no vault needs it yet"
    assert "did not answer" in found["instance"]["text"]


def test_what_takes_longer_than_all_checks_may_is_told(places: Places, tmp_path: Path) -> None:
    """The deadline is one for all of them; what is late is not waited for, and what was in time is told."""
    (tmp_path / "git").write_text("#!/bin/sh\nexec sleep 30\n")
    (tmp_path / "git").chmod(0o755)

    found = {each.name: each for each in looking.examine(places, {"PATH": str(tmp_path)}, deadline_s=0.6)}

    assert (found["git"].level, found["git"].text) == (Level.WARN, "It did not answer in time.")
    assert found["git"].hint
    assert found["python"].level is Level.OK


def test_what_does_not_come_back_is_told_and_what_breaks_too() -> None:
    """A look that hangs says so in its own words, one that raises says nothing of a traceback, and others are there."""
    stop = threading.Event()
    pool_looks = (
        Look("hangs", lambda: Check("hangs", Level.OK, str(stop.wait(30))), "It hangs.", "Shake it."),
        Look("breaks", lambda: Check("breaks", Level("none"), "")),
        Look("works", lambda: Check("works", Level.OK, "fine")),
    )
    pool = WorkerPool(3)
    running = looking._begin(pool, pool_looks)
    while not running[2][1].done() or not running[1][1].done():
        time.sleep(0.001)

    found = [each for look, future in running for each in looking._told(look, future)]
    stop.set()
    pool.shutdown(wait=True)

    assert [(each.name, each.level.value) for each in found] == [
        ("hangs", "warn"),
        ("breaks", "unknown"),
        ("works", "ok"),
    ]
    assert (found[0].text, found[0].hint) == ("It hangs.", "Shake it.")
    assert found[1].text == "It could not be looked at: ValueError."


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (machine.descriptors(256), ("warn", True)),
        (machine.descriptors(4_096), ("ok", False)),
        (machine.clock(0.0), ("fail", True)),
        (machine.clock(1_800_000_000.0), ("ok", False)),
        (machine.locale("ascii", {"LANG": "C"}), ("warn", True)),
        (machine.locale("UTF-8", {}), ("ok", False)),
        (machine.locale(None, {}), ("ok", False)),
        (machine.git({"PATH": "/nowhere"}), ("warn", True)),
    ],
)
def test_the_machine_is_looked_at(found: Check, expected: tuple[str, bool]) -> None:
    """Few descriptors, a clock that was never set, an encoding with few letters, no git: each with what to do."""
    assert told(found) == expected


def test_little_room_is_told_before_there_is_none(places: Places) -> None:
    """Little room is a warning, next to none a failure; both say where something can go."""
    whole = 2**60

    little = folders.disk(places, little=whole, too_little=0)
    none = folders.disk(places, little=whole, too_little=whole)

    assert (told(little), told(none)) == (("warn", True), ("fail", True))
    assert str(places.cache) in none.hint
    assert told(folders.disk(places, little=0)) == ("ok", False)


def test_a_lock_is_told_by_who_holds_it(places: Places) -> None:
    """Free, held by one that does not listen, left behind by one that is gone: only the second stands in the way."""
    free = folders.lock(places)
    with SingleInstance(places) as instance:
        assert instance.acquire()
        held = folders.lock(places)
        note = instance.owner_file.read_text()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    instance.owner_file.write_text(note.replace(str(os.getpid()), str(gone.pid)))
    left = folders.lock(places)

    assert (free.text, told(free)) == ("free", ("ok", False))
    assert told(held) == ("fail", True)
    assert f"kill {os.getpid()}" in held.hint
    assert told(left) == ("ok", False)
    assert "left behind" in left.text


def test_what_somebody_else_put_in_the_place_of_the_socket_is_told(places: Places) -> None:
    """A file where the socket is to be can be listened on by nobody."""
    places.socket.write_text("")

    found = folders.lock(places)

    assert told(found) == ("fail", True)
    assert f"{places.socket} is no socket" in found.text


def test_the_file_system_of_a_folder_is_known(tmp_path: Path) -> None:
    """The deepest mount counts, the later of two on one folder, and a blank in its name is no end."""
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sda / ext4 rw 0 0\nC: /mnt/c 9p rw 0 0\nhost:/x /home/my\\040share nfs4 rw 0 0\n"
        "a /srv ext4 rw 0 0\nb /srv cifs rw 0 0\n"
    )
    kinds = {
        path: kind_of(tmp_path.__class__(path), mounts)
        for path in ("/usr", "/mnt/c/src", "/mnt/cd", "/home/my share/a", "/srv/x")
    }

    assert list(kinds.values()) == ["ext4", "9p", "ext4", "nfs4", "cifs"]
    assert [is_network(kind) for kind in kinds.values()] == [False, True, False, True, True]
    assert kind_of(tmp_path, tmp_path / "none") == ""


class _Keychain:
    """The far end: a keychain that says what the test wants, or breaks."""

    name = "fake"

    def __init__(self, state: KeychainState | Exception | None) -> None:
        self.state = state
        self.asked: list[tuple[bool, bool]] = []

    def backend(self) -> Any:
        raise AssertionError("its entries are not read")

    def trouble(self, account: str, *, attended: bool, writing: bool) -> KeychainState | None:
        assert account == "doctor"
        self.asked.append((attended, writing))
        if isinstance(self.state, Exception):
            raise self.state
        return self.state

    def state_of(self, error: Exception, *, attended: bool) -> KeychainState:
        assert not attended
        return KeychainState.HUNG if isinstance(error, TimeoutError) else KeychainState.ABSENT


@pytest.mark.parametrize(
    ("state", "without", "with_vault"),
    [
        (None, "ok", "ok"),
        (KeychainState.LOCKED, "ok", "warn"),
        (KeychainState.ABSENT, "ok", "warn"),
        (TimeoutError(), "ok", "warn"),
        (ImportError(), "ok", "warn"),
    ],
)
def test_the_keychain_is_looked_at_without_being_asked(
    places: Places, state: KeychainState | Exception | None, without: str, with_vault: str
) -> None:
    """Usable, locked, absent or silent; nobody is asked and nothing is read; it matters once there is a vault."""
    provider = _Keychain(state)

    before = secrets.keychain(places, provider)
    places.keys.mkdir()
    (places.keys / "vault.wkv").touch()
    after = secrets.keychain(places, provider)

    assert (before.level.value, after.level.value) == (without, with_vault)
    assert bool(after.hint) is (with_vault == "warn")
    assert provider.asked == [(False, False)] * 2


def test_a_damaged_vault_is_told(cli: CommandLine, places: Places) -> None:
    """What stands in its place is not named; how to put a backup there is."""
    places.keys.mkdir()
    (places.keys / "vault.wkv").write_text("not a vault, but: hunter2hunter2")

    ran = cli("doctor", "--json")

    found = checks(ran)["vault"]
    assert (ran.code, found["level"]) == (1, "fail")
    assert "watchkeeper keys restore" in found["hint"]
    assert "hunter2" not in ran.out


@pytest.mark.parametrize(
    ("text", "level", "said"),
    [
        ("", "ok", "this desktop alone"),
        ('mail.host = "mx.example.org"', "warn", "nobody to write to"),
        ('mail.to = ["a@example.org"]', "warn", "no server"),
        ('mail = { host = "mx", to = ["a@b"] }', "warn", "no address to come from"),
        ('mail = { host = "mx", to = ["a@b"], sender = "c@d", security = "none" }', "warn", "unencrypted"),
        ('mail = { host = "localhost.mx", to = ["a@b"], sender = "c@d", security = "none" }', "warn", "unencrypted"),
        ('mail = { host = "127.0.0.1", to = ["a@b"], sender = "c@d", security = "none" }', "ok", "mail"),
        ('telegram = { chat = "7", token = "" }', "warn", "No secret is named for Telegram"),
        ('telegram.chat = "7"\nwebhook.form = "json"', "ok", "TELEGRAM_TOKEN, WEBHOOK_URL is known once it is open"),
    ],
)
def test_a_channel_that_is_half_set_up_is_told(text: str, level: str, said: str) -> None:
    """With the command that adds what is missing."""
    found = program.alerts(settings_of(f"[alerts]\n{text}"), None)

    assert found.level.value == level
    assert said in found.text
    assert ("watchkeeper config set alerts." in found.hint) is (level == "warn")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('mail.host = "smtp://x"', "a server alone"),
        ('mail.host = "mx.example.org:25"', "a server alone"),
        ('mail.host = "a@mx"', "a server alone"),
        ('telegram.url = "http://bots.example.org"', "an https address"),
        ('telegram.url = "api.telegram.org"', "an https address"),
        ('quiet = "07:00-7:00"', "two different times of day"),
    ],
)
def test_a_channel_that_could_never_send_is_refused_in_the_settings(
    cli: CommandLine, places: Places, text: str, said: str
) -> None:
    """Where it stands is told with what is allowed there, and the check of alerts is not good."""
    places.settings_file.write_text(f"[alerts]\n{text}\n")

    found = checks(cli("doctor", "--json"))

    assert found["settings"]["level"] == "fail"
    assert f"alerts.{text.partition(' =')[0]} = " in found["settings"]["text"]
    assert said in found["settings"]["text"]
    assert found["alerts"]["level"] == "unknown"


@pytest.mark.parametrize(
    "text",
    [
        'mail.host = "smtp.example.org"',
        'mail.host = "::1"',
        'mail.host = "büro.example"',
        'telegram.url = "http://127.0.0.1:8081"',
        'quiet = "22:00-07:00"',
    ],
)
def test_what_a_channel_can_send_by_is_allowed(text: str) -> None:
    """A name, an address of either kind, a service of one's own on this machine."""
    assert settings_of(f"[alerts]\n{text}").alerts != settings_of("").alerts


def test_a_channel_whose_secret_is_missing_is_told_by_its_name(
    cli: CommandLine, places: Places, instance: Instance
) -> None:
    """The open vault of the running instance tells names; no value is asked for."""
    places.settings_file.write_text('[alerts.telegram]\nchat = "7"\n')
    vault = VaultView(VaultState.OPEN, secrets=(SecretView("OTHER"),))
    instance.snapshot = replace(instance.snapshot, vault=vault)
    missing = checks(cli("doctor", "--json"))["alerts"]
    held = VaultView(VaultState.OPEN, secrets=(SecretView("TELEGRAM_TOKEN"),))
    instance.snapshot = replace(instance.snapshot, vault=held)
    there = checks(cli("doctor", "--json"))["alerts"]
    failing = HealthView(channels=MappingProxyType({"telegram": ChannelView("telegram", 3, "It is silent.")}))
    instance.snapshot = replace(instance.snapshot, health=failing)
    silent = checks(cli("doctor", "--json"))["alerts"]

    assert (missing["level"], there["level"], silent["level"]) == ("warn", "ok", "warn")
    assert missing["hint"] == "Put it there: watchkeeper keys set TELEGRAM_TOKEN"
    assert "Not now: Telegram: It is silent." in silent["text"]
    assert {type(command).__name__ for command in instance.seen} == {"ReadStatus"}


def test_a_port_that_is_taken_is_told() -> None:
    """The metrics' port is tried without keeping it, and only when they are wanted."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        wanted = settings_of(f"[metrics]\nenabled = true\nport = {port}")
        taken = program.metrics(wanted, None)
    free = program.metrics(wanted, None)

    assert (told(taken), told(free)) == (("warn", True), ("ok", False))
    assert program.metrics(Settings(), None).level is Level.OK
    silent = program.metrics(wanted, {"health": {"metrics": ""}})
    served = program.metrics(wanted, {"health": {"metrics": "http://127.0.0.1:1/metrics"}})
    assert (silent.level, served.level) == (Level.WARN, Level.OK)


def test_an_instance_of_another_version_is_told(places: Places) -> None:
    """It was started before the program was changed, and goes on as it was."""
    (places.runtime / "heartbeats.json").write_text(json.dumps({"v": 1, "pid": os.getpid(), "version": "0.0.1"}))

    found = program.version(places, {})

    assert told(found) == ("warn", True)
    assert f"{app.__version__} here, and the running instance is 0.0.1." in found.text
    assert program.version(places, None).level is Level.OK


def test_lives_that_ended_badly_are_told(places: Places) -> None:
    """By the record of lives, and, before the next start has written that, by the heartbeats that were left."""
    now = time.time()
    before = program.ends(places, None, now)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    beats = places.runtime / "heartbeats.json"
    beats.write_text(json.dumps({"v": 1, "pid": gone.pid, "written": now - 3_700}))
    left = program.ends(places, None, now)
    beats.unlink()
    record = LifeRecord(lives_folder(places), clock=SystemClock(), version="1")
    record.begin()
    record.mark(Ending.STUCK, "a.py:12 in slow")
    record.begin()
    known = program.ends(places, None, now)

    assert told(before) == ("ok", False)
    assert (left.level, left.text) == (Level.WARN, f"The last life (process {gone.pid}) ended without a word, 1 h ago.")
    assert "was stuck, and ended itself, at a.py:12 in slow" in known.text
    assert "watchkeeper doctor bundle" in known.hint
    assert program.ends(places, None, now + 30 * 86_400).level is Level.OK


def _scene(places: Places) -> Scene:
    return Scene(places, {"PATH": os.environ["PATH"]}, Settings())


def test_a_project_is_looked_at(places: Places, tmp_path: Path) -> None:
    """One that is gone, one whose own settings are not trusted, one without pytest, and one that is well."""
    root = tmp_path / "shop"
    root.mkdir()
    (root / "test_a.py").write_text("def test_a(): pass\n")
    looked = {}
    fails = projects.looks(replace(_scene(places), settings=settings_of(f'projects = ["{tmp_path}/none"]')))[0]
    (root / ".watchkeeper.toml").write_text("[tests]\nhang_seconds = 9\n")
    looked["untrusted"] = projects.project("p", str(root), _scene(places), Settings())
    (root / ".watchkeeper.toml").unlink()
    bare = tmp_path / "bare-python"
    bare.write_text("#!/bin/sh\nexit 1\n")
    bare.chmod(0o755)
    looked["no pytest"] = projects.project("p", str(root), _scene(places), settings_of(f'[tests]\npython = "{bare}"'))
    own = settings_of(f'[tests]\npython = "{sys.executable}"')
    looked["well"] = projects.project("p", str(root), _scene(places), own)

    assert [(name, found.level.value) for name, found in looked.items()] == [
        ("untrusted", "warn"),
        ("no pytest", "fail"),
        ("well", "ok"),
    ]
    assert f"watchkeeper config trust {root}" in looked["untrusted"].hint
    assert looked["no pytest"].hint == f"Install it: {bare} -m pip install pytest"
    (gone,) = looking._told(fails, _done(fails))
    assert (gone.level, gone.name) == (Level.FAIL, "project none")
    assert "does not exist" in gone.text


def _done(look: Look) -> Any:
    future: Future[Any] = Future()
    try:
        future.set_result(look.look())
    except ProjectError as error:
        future.set_exception(error)
    return future


def test_a_project_on_another_machine_is_told(places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows' own disk under WSL tells of no change, and neither does a share."""
    monkeypatch.setattr("app.cli.doctor.projects.kind_of", lambda _path: "nfs4")

    found = projects.project("p", str(tmp_path), _scene(places), Settings())

    assert told(found) == ("warn", True)
    assert "a network file system (nfs4)" in found.text
    assert projects._disk(tmp_path.__class__("/mnt/c/src"), "9p") == "Windows' own disk, as WSL shows it"


def test_the_bundle_is_asked_for_with_a_whole_path(cli: CommandLine, tmp_path: Path) -> None:
    """By its name or by a new one in this folder; where it is, what it holds and that nothing was sent is said."""
    path = tmp_path / "r.zip"

    named = cli("doctor", "bundle", str(path))
    as_json = cli("doctor", "bundle", "--json")

    assert (named.code, as_json.code) == (0, 0)
    assert f"The crash bundle is {path}\nIt holds report.md, doctor.json.\n" in named.out
    assert "nothing was sent" in named.out
    written = json.loads(as_json.out)
    assert (written["sent"], written["holds"]) == (False, ["report.md", "doctor.json"])
    (_, asked), (_, usual) = cli.started
    assert asked == path
    assert usual.parent == tmp_path.__class__.cwd()
    assert str(usual) == written["path"]
