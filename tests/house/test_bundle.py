"""The crash bundle: what it holds, and above all what it does not."""

from __future__ import annotations

import asyncio
import io
import json
import os
import random
import re
import socket
import stat
import sys
import threading
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.commands import ReadStatus, SaveBundle
from app.domain.errors import CannotError
from app.domain.health import Ending
from app.engine import logs
from app.engine.bus import Bus
from app.engine.clock import SystemClock
from app.engine.lives import LifeRecord, lives_folder
from app.engine.places import Places
from app.engine.redaction import Redactor
from app.house.bundle import LARGEST, LOG_LINES, _metrics, _packed, answer_bundles, save_bundle
from app.house.scrubbing import Scrub

if TYPE_CHECKING:
    from collections.abc import Callable

HOST = "ada-thinkpad-x1"
SECRETS = {
    "looks of a key": "sk-" + "a1B2c3D4" * 5,
    "AWS": "AKIA" + "QWERTYUIOPASDFGH",
    "GitHub": "ghp_" + "x9Y8z7W6" * 5,
    "JWT": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlLW9mLWl0",
    "Telegram": "123456789:" + "AbCdEfGhIjKlMnOpQrStUvWxYz012345678",
    "in the environment": "correct-horse-battery",
    "database password": "pl4in-Database-W0rd",
    "behind an option": "swordfish-behind-an-option",
    "in an option": "swordfish-in-an-option",
    "in the settings, as a password": "hunter2-in-the-settings",
    "in the settings, as an address": "https://hooks.example.org/services/T0/B0/zzzz",
    "in the settings, in the wrong place": "opensesame-in-the-arguments",
    "live in the process": "live-value-of-the-vault",
    "token of the socket": "socket-token-0123456789",
    "token of the metrics": "metrics-token-0123456789",
    "in a project's file": "dotenv-value-of-a-project",
    "in the vault's folder": "vault-bytes-of-the-folder",
    "in a test's output": "printed-by-a-failing-test",
    "in source": "source_line_of_the_product",
}
_NOT_LOGGED = ("in a test's output", "in source", "in a project's file", "in the vault's folder")
"""The first two are in the log in another way; of the others nobody knows that they are secret but who reads them."""
PRIVATE = ("ada", HOST, "/home/ada", "secretclient", "lovelace@example.org", "mail.example.org", "ledger", "acme-corp",
           "test_sums")  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, with secrets of many kinds in all places that the program knows of."""
    folder = tmp_path / "home" / "ada"
    project = folder / "src" / "secretclient"
    project.mkdir(parents=True)
    (project / ".env").write_text(f"API_KEY={SECRETS['in a project' + chr(39) + 's file']}\n")
    (project / "conftest.py").write_text(f"# {SECRETS['in source']}\n")
    for name, value in (
        ("HOME", str(folder)),
        ("USER", "ada"),
        ("LOGNAME", "ada"),
        ("HOSTNAME", HOST),
        ("WATCHKEEPER_HOME", str(folder / "wk")),
        ("SHOP_API_TOKEN", SECRETS["in the environment"]),
        ("DATABASE_URL", ""),
    ):
        monkeypatch.setenv(name, value)
    return folder


@pytest.fixture
def places(home: Path) -> Places:
    """The program's folders, as a life that crashed left them."""
    made = Places.find(os.environ)
    made.create()
    project = home / "src" / "secretclient"
    made.settings_file.write_text(
        f"""projects = ["{project}"]
[tests]
hang_seconds = 42
args = ["--password", "{SECRETS["in the settings, in the wrong place"]}"]
[alerts.mail]
host = "mail.example.org"
user = "ada"
password = "{SECRETS["in the settings, as a password"]}"
to = ["lovelace@example.org"]
[alerts.webhook]
form = "slack"
url = "{SECRETS["in the settings, as an address"]}"
"""
    )
    made.keys.mkdir()
    (made.keys / "vault.wkv").write_text(SECRETS["in the vault's folder"])
    (made.runtime / "control.json").write_text(json.dumps({"port": 1, "token": SECRETS["token of the socket"]}))
    (made.runtime / "metrics.token").write_text(SECRETS["token of the metrics"])
    _write_log(made, project)
    _write_life(made, project)
    return made


def _write_log(places: Places, project: Path) -> None:
    said = [{"event": f"{kind}: {value}", "text": f"it is {value}, says {HOST}"} for kind, value in SECRETS.items()
            if kind not in _NOT_LOGGED]  # fmt: skip
    said += [
        {"event": "tests ran", "message": f"assert {SECRETS['in a test' + chr(39) + 's output']}", "verdict": "red"},
        {"event": "tests run", "cause": "ledger.py and 1 more", "path": f"{project}/ledger.py"},
        {"event": "a file cannot be read", "path": "/srv/acme-corp/old ledger.csv", "test": "ledger.py::test_sums"},
        {"event": "request", "headers": {"authorization": "short7"}, "cookie": "abcdef"},
        {"event": "failed", "traceback": f'  File "{project}/a.py", line 3, in run\n    {SECRETS["in source"]}\nBoom'},
    ]
    lines = [json.dumps({"at": 1.0, "level": "info", "logger": "app", **each}) for each in said]
    places.log_file("watchkeeper").write_text("\n".join([*lines, "no JSON: password=abc123def"]) + "\n")
    places.log_file("command").write_text(json.dumps({"event": f"a command failed in {project}"}) + "\n")


def _write_life(places: Places, project: Path) -> None:
    record = LifeRecord(lives_folder(places), clock=SystemClock(), version="9.8.7")
    record.begin()
    stacks = f'Thread loop\n  File "{project}/slow.py", line 12, in slow\n    {SECRETS["in source"]}\n'
    record.mark(Ending.STUCK, f"{project}/slow.py:12 in slow", f"{stacks}token={SECRETS['in the environment']}")
    LifeRecord(lives_folder(places), clock=SystemClock(), version="9.8.7").begin()
    agents = {"tests:secretclient": {"state": "running", "beat_at": 1.0, "progress": 3, "reason": str(project)}}
    beats = {"v": 1, "pid": 2**22 + 1, "written": 1.0, "version": "9.8.7", "agents": agents}
    (places.runtime / "heartbeats.json").write_text(json.dumps(beats))


def bundle(places: Places, path: Path, **more: object) -> dict[str, str]:
    environ = {**os.environ, "DATABASE_URL": f"postgresql://ada:{SECRETS['database password']}@db/x"}
    argv = ["watchkeeper", "--token", SECRETS["behind an option"], f"--password={SECRETS['in an option']}"]
    redactor = Redactor()
    redactor.register(SECRETS["live in the process"])
    save_bundle(places, environ, path, argv=argv, redactor=redactor, **more)  # type: ignore[arg-type] # of one kind
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_no_secret_is_in_it(places: Places, tmp_path: Path) -> None:
    """Whatever kind it is of, and wherever it lies: not in a file's content, and not in its name."""
    held = bundle(places, tmp_path / "a.zip")

    found = {(kind, name) for kind, secret in SECRETS.items() for name, text in held.items() if secret in text + name}

    assert found == set()


def test_nothing_tells_who_somebody_is(places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No name of the user, the machine, a project, a mail server; the home folder is a tilde."""
    monkeypatch.setattr("socket.gethostname", lambda: HOST)

    held = bundle(places, tmp_path / "a.zip")

    whole = "\n".join(held.values())
    assert [word for word in PRIVATE if word in whole] == []
    assert '"tests:[project 1]": {' in held["heartbeats.json"]
    assert "[project 1]/file-1.py:12 in [name]" in held["report.md"]
    assert "~/wk/settings/settings.toml" in held["doctor.json"]
    assert "[host]" in held["log.jsonl"]


def test_what_helps_is_in_it(places: Places, tmp_path: Path) -> None:
    """Versions, how lives ended with stacks, the checks, the settings that are no texts, the log, the heartbeats."""
    held = bundle(places, tmp_path / "a.zip")

    assert {"README.txt", "report.md", "doctor.json", "settings.json", "log.jsonl", "commands.jsonl"} < set(held)
    assert {"heartbeats.json", "lives/ends.json", "lives/current.json"} < set(held)
    assert f"Python {sys.version.split()[0]}" in held["report.md"]
    assert "was stuck, and ended itself, at [project 1]/file-1.py:12 in [name] (version 9.8.7)" in held["report.md"]
    (stacks,) = (text for name, text in held.items() if name.startswith("lives/stuck-"))
    assert 'File "[project 1]/file-1.py", line 12, in [name]' in stacks
    told = json.loads(held["settings.json"])
    assert (told["tests.hang_seconds"], told["alerts.webhook.form"]) == (42.0, "slack")
    assert (told["projects"], told["alerts.mail.host"]) == ("[1 set]", "[set]")
    names = {check["name"] for check in json.loads(held["doctor.json"])}
    assert {"python", "lock", "keychain", "vault", "project", "ends"} <= names
    log = [json.loads(line) for line in held["log.jsonl"].splitlines()[:-1]]
    assert log[-2]["headers"] == {"authorization": "[redacted]"}
    trace = r'  File "\[project 1\]/file-\d+\.py", line 3, in \[name\]\nBoom'
    assert re.fullmatch(trace, log[-1]["traceback"])


def test_settings_with_a_mistake_are_told_without_the_value(places: Places, tmp_path: Path) -> None:
    """Where the mistake is, is told; what stands there is not: it may be a secret in the wrong place."""
    places.settings_file.write_text('[tests]\nhang_seconds = "opensesame"\n[keys]\nmy_password = "hunter2hunter2"\n')

    held = bundle(places, tmp_path / "a.zip")

    whole = "\n".join(held.values())
    assert "line 2: tests.hang_seconds = [value] is not allowed" in held["doctor.json"]
    assert "opensesame\\" not in whole
    assert "hunter2hunter2" not in whole


def test_it_is_for_the_user_alone_and_replaces_nothing(places: Places, tmp_path: Path) -> None:
    """Its mode is 0600; a file that is there stays, unless the person was asked."""
    path = tmp_path / "a.zip"

    bundle(places, path)

    assert sys.platform == "win32" or stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    with pytest.raises(CannotError, match="is there already"):
        bundle(places, path)
    assert path.read_bytes() == before
    assert bundle(places, path, replace=True)
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".wk-")] == []


@pytest.mark.parametrize(
    ("path", "said"), [("/nowhere/at/all/a.zip", "cannot be written"), ("a.zip", "is not the whole path")]
)
def test_what_cannot_be_written_is_told(places: Places, path: str, said: str) -> None:
    """A missing folder, and a name that depends on where the program was started."""
    with pytest.raises(CannotError, match=said):
        save_bundle(places, os.environ, Path(path))


def test_without_anything_it_is_made_all_the_same(home: Path, tmp_path: Path) -> None:
    """A program that never ran, without any folder of its own, can be reported on; none is made for it."""
    places = Places.find(os.environ)

    held = save_bundle(places, os.environ, tmp_path / "a.zip")

    assert held == ("README.txt", "report.md", "doctor.json", "settings.json")
    assert not (home / "wk").exists()


def test_the_last_lines_of_the_log_are_kept(places: Places, tmp_path: Path) -> None:
    """Of a long log the end, over the files that it was divided into."""
    older = places.log_file("watchkeeper").with_name("watchkeeper.log.1")
    older.write_text("".join(f'{{"event": "old {n}"}}\n' for n in range(LOG_LINES)))
    places.log_file("watchkeeper").write_text("".join(f'{{"event": "new {n}"}}\n' for n in range(500)))

    lines = bundle(places, tmp_path / "a.zip")["log.jsonl"].splitlines()

    assert (len(lines), lines[0], lines[-1]) == (LOG_LINES, '{"event": "old 500"}', '{"event": "new 499"}')


@pytest.mark.parametrize("line", ["\n", " \n", "    x\n", '  File "a", line 1\n'])
def test_a_text_of_many_short_lines_is_scrubbed_in_no_time(line: str) -> None:
    """What was logged once may be a megabyte of empty lines; the bundle has 25 seconds."""
    began = time.monotonic()

    Scrub(Redactor()).text(line * (1_000_000 // len(line)))

    assert time.monotonic() - began < 20


def test_its_size_is_bounded() -> None:
    """What cannot be packed small loses its half, a log the older one, until the whole is small enough."""
    noise = random.Random(7)  # noqa: S311 - noise, and the same each time
    log = b"\n".join(b"%06d %s" % (n, noise.randbytes(90).hex().encode()) for n in range(2_000))

    content = _packed({"report.md": b"small", "log.jsonl": log}, 100_000)

    assert len(content) <= 100_000 < len(log) // 3
    assert LARGEST == 5 * 1024 * 1024
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read("report.md") == b"small"
        assert archive.read("log.jsonl").endswith(log[-1_000:])


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("/home/ada/src/shop/a.py", "[project 1]/file-1.py"),
        ("/home/ada/src/shop2/a.py", "~/src/shop2/a.py"),
        ("C:\\\\Users\\\\ada\\\\x", "~\\\\x"),
        ("Ada was at ADA-PC; adapter stays", "[user] was at [host]; adapter stays"),
        ("ada@ada-pc:~$", "[user]@[host]:~$"),
        ("tests:shop has no shopping list", "tests:[project 1] has no shopping list"),
    ],
)
def test_names_and_folders_are_written_in_short(text: str, scrubbed: str) -> None:
    """The longest folder wins, either slash counts, and only whole words are names."""
    scrub = Scrub(
        Redactor(),
        homes=("/home/ada", "C:\\Users\\ada"),
        projects=("/home/ada/src/shop",),
        persons=("ada", "root", "x"),
        hosts=("ada-pc",),
    )

    assert scrub.text(text) == scrubbed
    assert scrub.text("root x") == "root x"


HERE = "/home/ada/src/shop"
OWN = str(Path(logs.__file__))
PYTHON = str(Path(json.__file__))


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        (f"{HERE}/pay/card.py is red, {HERE}/pay/card.py", "[project 1]/file-1.py is red, [project 1]/file-1.py"),
        (f"see '{HERE}/x y/card.py'.", "see '[project 1]/file-1.py'."),
        (f"in {HERE}/data.csv, in {HERE}.", "in [project 1]/file-1.csv, in [project 1]."),
        (f"{HERE}/card.py:12 in Card.pay", "[project 1]/file-1.py:12 in [name]"),
        ("pay/test_card.py::TestCard::test_pay[a b-[1]]", "file-1.py::test-1"),
        (f"{HERE}/test_card.py::test_pay ran", "[project 1]/file-1.py::test-1 ran"),
        ("test_pay failed in card.py", "test-1 failed in file-1.py"),
        ("pay/card.toml, other", "file-1.toml, other"),
        ("D:\\work\\acme\\card.py:3 in pay", "[elsewhere]/file-1.py:3 in [name]"),
        ("[Errno 2] no file: '/srv/acme corp/card.txt'", "[Errno 2] no file: '[elsewhere]/file-1.txt'"),
        ("it lies in /srv/acme.", "it lies in [elsewhere]/file-1."),
        ("/usr/bin/git, /proc/7/fd and ~/notes.txt", "/usr/bin/git, /proc/7/fd and ~/notes.txt"),
        ("/wk/logs/watchkeeper.log", "/wk/logs/watchkeeper.log"),
        ("http://127.0.0.1:9464/metrics, and/or 1/2", "http://127.0.0.1:9464/metrics, and/or 1/2"),
        (f'  File "{OWN}", line 3, in close', f'  File "{OWN}", line 3, in close'),
        (f"{OWN}:12 in Logging.close", f"{OWN}:12 in Logging.close"),
        (f"{PYTHON}:12 in load", f"{PYTHON}:12 in load"),
        ("app/engine/logs.py", "app/engine/logs.py"),
        ("app/engine/ledger.py", "file-1.py"),
        ("app.engine.logs, keep_runs 1.2, tests.test_x", "app.engine.logs, keep_runs 1.2, tests.test_x"),
    ],
)
def test_names_of_private_files_and_tests_are_hidden(text: str, scrubbed: str) -> None:
    """Those of watched projects and of folders elsewhere, not those of Watchkeeper, Python and the system."""
    scrub = Scrub(Redactor(), homes=("/home/ada",), projects=(HERE,), known=("/wk/logs",))

    assert scrub.text(text) == scrubbed


@pytest.mark.parametrize(
    ("cause", "shown"),
    [("ledger.csv and 2 more", "file-1.csv and 2 more"), ("build/Makefile", "file-1"), ("save", "save")],
)
def test_why_tests_ran_is_told_without_the_file(cause: str, shown: str) -> None:
    """Of whatever kind the file is; the same name stands for it elsewhere."""
    scrub = Scrub(Redactor(), projects=(HERE,))

    found = json.loads(scrub.log_line(json.dumps({"event": "tests run", "cause": cause})))

    assert found["cause"] == shown
    path = cause.partition(" and ")[0]
    assert cause == "save" or scrub.text(f"{HERE}/{path}").endswith(f"/{shown.partition(' ')[0]}")


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=20,
)


@settings(max_examples=30, deadline=None)
@given(before=_json, behind=_json)
def test_a_live_value_goes_wherever_it_stands(before: object, behind: object) -> None:
    """In any document: as a value, within a text, as a key, at any depth."""
    redactor = Redactor()
    redactor.register("Qz7-secret-Qz7")
    scrub = Scrub(redactor)
    document = [before, {"a Qz7-secret-Qz7 b": [behind, {"x": "Qz7-secret-Qz7"}]}, "uQz7-secret-Qz7v"]

    line = scrub.log_line(json.dumps({"event": document}))

    assert "Qz7-secret-Qz7" not in line
    assert json.loads(line)


class _Ground:
    """As much of the house as answers for a bundle."""

    def __init__(self, places: Places, bus: Bus, log: logs.Logging) -> None:
        self.places, self.bus, self.log = places, bus, log


def test_what_answers_in_the_place_of_the_metrics_stops_nothing(places: Places) -> None:
    """The program that told the port may have ended, and another have the port by now: it speaks no HTTP."""

    def answer() -> None:
        line, _ = listener.accept()
        with line:
            line.recv(4096)
            line.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        other = threading.Thread(target=answer)
        other.start()
        found = _metrics(places, f"http://127.0.0.1:{listener.getsockname()[1]}/metrics")
        other.join()

    assert found == ""


async def test_the_running_program_makes_one(places: Places, tmp_path: Path, ring: logs.LogRing) -> None:
    """Asked by a face it writes the file, tells where it is, and goes on answering meanwhile; then answers no more."""
    bus = Bus(SystemClock())
    stop: list[Callable[[], None]] = [bus.handle(ReadStatus, lambda _asked: bus.snapshot)]
    with logs.configure(places, "info", ring=ring, name="other") as log:
        stop.append(answer_bundles(_Ground(places, bus, log)))  # type: ignore[arg-type] # it needs no more of the ground

        saving = asyncio.ensure_future(bus.send(SaveBundle(path=str(tmp_path / "b.zip"))))
        turns = 0
        while not saving.done():
            await asyncio.sleep(0.01)
            turns += 1

        assert await saving == str(tmp_path / "b.zip")
        assert turns > 2
        with pytest.raises(CannotError):
            await bus.send(SaveBundle(path=str(tmp_path / "none" / "b.zip")))
    for undo in stop:
        undo()
    assert zipfile.is_zipfile(tmp_path / "b.zip")


@pytest.fixture
def ring() -> logs.LogRing:
    """Where the log goes."""
    return logs.LogRing()
