"""Server and client: the same user's programs are answered, and nobody can hold up another."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import socket
import stat
import subprocess
import sys
import textwrap
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from app.control import client as client_module
from app.control import protocol, server
from app.control.client import ControlClient
from app.control.peer import peer_uid
from app.control.server import ControlServer
from app.domain import commands
from app.domain.errors import CannotError, CommandRefused, InstanceUnreachable, InternalError, NoInstance, UsageError
from app.domain.history import LogLine

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.engine.places import Places

LONG_S = 20.0
CANARY = "a-canary-passphrase"


class Instance:
    """What answers commands, as the bus would."""

    def __init__(self) -> None:
        self.seen: list[commands.Command] = []
        self.hold = asyncio.Event()
        self.holding = asyncio.Event()

    async def __call__(self, command: commands.Command) -> object:
        """Answer by the sort of command."""
        self.seen.append(command)
        match command:
            case commands.ReadLogs(after=after):
                return (LogLine(after + 1, 1.5, "info", "app", "text"),)
            case commands.RunTests():
                raise CommandRefused("Not now.", "Later.")
            case commands.CancelRun():
                raise ZeroDivisionError
            case commands.ReadRuns():
                self.holding.set()
                await self.hold.wait()
                return "held"
            case commands.ReadTest():
                return "x" * 3_000_000
        return None


async def in_thread(fn: Callable[..., Any], *args: Any) -> Any:
    return await asyncio.wait_for(asyncio.to_thread(fn, *args), LONG_S)


async def test_commands_are_answered(places: Places, *, tcp: bool) -> None:
    """Several commands on one connection each get the answer of their handler."""
    instance = Instance()
    async with ControlServer(places, instance, tcp=tcp):

        def ask() -> list[Any]:
            with ControlClient(places, tcp=tcp) as client:
                return [client.send(commands.ReadLogs(after=7)), client.send(commands.Pause(agent="a", seconds=1.0))]

        answers = await in_thread(ask)

    assert answers == [[{"seq": 8, "at": 1.5, "level": "info", "logger": "app", "text": "text"}], None]
    assert instance.seen == [commands.ReadLogs(after=7), commands.Pause(agent="a", seconds=1.0)]


async def test_a_large_answer_arrives_whole(places: Places, *, tcp: bool) -> None:
    """An answer of some megabytes is no special case."""
    async with ControlServer(places, Instance(), tcp=tcp):
        with ControlClient(places, tcp=tcp) as client:
            answer = await in_thread(client.send, commands.ReadTest(project="p", nodeid="n"))

    assert len(answer) == 3_000_000


async def test_refusals_and_faults_are_told_as_errors(places: Places, *, tcp: bool) -> None:
    """A handler's refusal keeps its class and words; its fault is told as one, and the server goes on."""
    async with ControlServer(places, Instance(), tcp=tcp):
        with ControlClient(places, tcp=tcp) as client:
            with pytest.raises(CommandRefused, match="Not now") as refused:
                await in_thread(client.send, commands.RunTests())
            with pytest.raises(InternalError) as fault:
                await in_thread(client.send, commands.CancelRun())
            after = await in_thread(client.send, commands.Resume())

    assert refused.value.hint == "Later."
    assert "ZeroDivision" not in str(fault.value)
    assert after is None


def test_without_an_instance_it_is_told_what_to_start(places: Places, *, tcp: bool) -> None:
    """No socket and no token file mean that nothing runs."""
    with ControlClient(places, tcp=tcp) as client, pytest.raises(NoInstance) as caught:
        client.send(commands.ReadStatus())

    assert "watchkeeper" in caught.value.hint
    assert caught.value.exit_code == 3


async def test_what_a_killed_instance_leaves_is_replaced(places: Places, *, tcp: bool) -> None:
    """A stale socket answers nobody, is told as no instance, and does not stop the next start."""
    program = textwrap.dedent(f"""
        import asyncio, os, signal
        from app.control.server import ControlServer
        from app.engine.places import Places

        async def main():
            async with ControlServer(Places.find(os.environ), None, tcp={tcp}):
                os.kill(os.getpid(), signal.SIGKILL)

        asyncio.run(main())
    """)
    environ = {**os.environ, "WATCHKEEPER_HOME": str(places.data.parent)}
    killed = subprocess.run([sys.executable, "-c", program], env=environ, check=False)  # noqa: ASYNC221 - it ends at once
    left = (places.token_file if tcp else places.socket).exists()

    with pytest.raises(NoInstance):
        await in_thread(ControlClient(places, tcp=tcp).send, commands.ReadStatus())
    async with ControlServer(places, Instance(), tcp=tcp):
        with ControlClient(places, tcp=tcp) as client:
            await in_thread(client.send, commands.ReadStatus())

    assert killed.returncode == -9
    assert left
    assert not places.socket.exists()
    assert not places.token_file.exists()


async def test_only_the_user_can_reach_it(places: Places, *, tcp: bool) -> None:
    """Socket and token file have mode 0600 in a folder of 0700, and TCP listens on the loopback alone."""
    async with ControlServer(places, Instance(), tcp=tcp) as listening:
        found = (places.token_file if tcp else places.socket).stat()
        assert listening._server is not None
        address = listening._server.sockets[0].getsockname()

    assert stat.S_IMODE(found.st_mode) == 0o600
    assert stat.S_IMODE(places.runtime.stat().st_mode) == 0o700
    assert (address[0] == "127.0.0.1") if tcp else (address == str(places.socket))


async def test_another_users_program_is_not_answered(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's word on who is at the other end decides, whatever the file's mode."""
    instance = Instance()
    async with ControlServer(places, instance, tcp=False):
        monkeypatch.setattr(server, "peer_uid", lambda _: os.geteuid() + 1)
        with ControlClient(places, tcp=False) as client, pytest.raises(InstanceUnreachable):
            await in_thread(client.send, commands.ReadStatus())

    assert instance.seen == []


async def test_a_passphrase_goes_over_a_unix_socket_alone(places: Places, *, tcp: bool) -> None:
    """On TCP the client does not know who listens: it sends none, and the server takes none."""
    instance = Instance()
    command = commands.UnlockWithPassphrase(passphrase=CANARY)
    async with ControlServer(places, instance, tcp=tcp):
        with ControlClient(places, tcp=tcp) as client:
            if not tcp:
                await in_thread(client.send, command)
            else:
                with pytest.raises(CommandRefused, match="No passphrase is sent"):
                    await in_thread(client.send, command)
                await in_thread(client.send, commands.ReadStatus())
                assert client._socket is not None
                client._socket.sendall(protocol.encode_request(protocol.Request(2, command)))
                told = await in_thread(client._socket.recv, 65536)
                assert json.loads(told)["error"]["kind"] == "CommandRefused"

    assert instance.seen == ([commands.ReadStatus()] if tcp else [command])


async def test_a_passphrase_is_not_sent_to_another_users_program(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel's word on who listens decides."""
    instance = Instance()
    async with ControlServer(places, instance, tcp=False):
        monkeypatch.setattr(client_module, "peer_uid", lambda _: os.geteuid() + 1)
        with ControlClient(places, tcp=False) as client, pytest.raises(InstanceUnreachable, match="another user"):
            await in_thread(client.send, commands.UnlockWithPassphrase(passphrase=CANARY))

    assert instance.seen == []


@pytest.mark.parametrize("words", [f"a fault with {CANARY} in it", "a fault"])
async def test_a_fault_at_a_passphrase_is_logged_without_it(places: Places, words: str) -> None:
    """Nor is what the fault itself says, which may hold it; another command's fault is logged whole."""

    async def fails(_command: commands.Command) -> object:
        raise ZeroDivisionError(words)

    with structlog.testing.capture_logs() as logged:
        async with ControlServer(places, fails, tcp=False):
            with ControlClient(places, tcp=False) as client:
                for command in (commands.UnlockWithPassphrase(passphrase=CANARY), commands.Snooze(seconds=60.0)):
                    with pytest.raises(InternalError) as caught:
                        await in_thread(client.send, command)
                    assert CANARY not in f"{caught.value.message} {caught.value.hint}"

    secret, plain = logged
    assert CANARY not in repr(secret)
    assert (secret["command"], secret["fault"]) == ("UnlockWithPassphrase()", "ZeroDivisionError")
    assert "exc_info" not in secret
    assert (plain["command"], str(plain["exc_info"])) == ("Snooze(seconds=60.0)", words)


async def test_the_kernel_tells_our_own_user(places: Places) -> None:
    """The credentials of a local connection are read as the system gives them."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        uid = peer_uid(ours)

    assert places.runtime.stat().st_uid == os.geteuid()
    assert uid == os.geteuid() if sys.platform == "linux" else uid in (os.geteuid(), None)


@pytest.mark.parametrize(
    "hello",
    [b"\n", b'{"v":1,"token":""}\n', b'{"v":1,"token":"0"}\n', b"[1]\n", b"GET / HTTP/1.1\r\n\r\n", b'{"token":4}\n'],
)
async def test_without_the_token_tcp_answers_nothing(places: Places, hello: bytes) -> None:
    """A program or a web page that finds the port gets no further."""
    instance = Instance()
    async with ControlServer(places, instance, tcp=True):
        port = json.loads(places.token_file.read_bytes())["port"]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(hello + b'{"v":1,"id":1,"command":"Stop"}\n')

        answer = await asyncio.wait_for(read_all(reader), LONG_S)
        writer.close()

    assert instance.seen == []
    assert b'"ok": true' not in answer
    assert b'"ok":true' not in answer


async def read_all(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


async def test_a_second_server_is_refused_and_harms_nothing(places: Places) -> None:
    """While one listens, another does not take its socket away."""
    async with ControlServer(places, Instance(), tcp=False):
        with pytest.raises(CannotError, match="listens already"):
            await ControlServer(places, Instance(), tcp=False).__aenter__()
        with ControlClient(places, tcp=False) as client:
            await in_thread(client.send, commands.ReadStatus())


async def test_a_file_in_the_sockets_place_is_not_removed(places: Places) -> None:
    """What is no socket may be somebody's."""
    places.socket.write_text("mine")

    with pytest.raises(CannotError, match="no socket"):
        await ControlServer(places, Instance(), tcp=False).__aenter__()

    assert places.socket.read_text() == "mine"


async def test_a_later_instances_socket_is_left_in_place(places: Places) -> None:
    """A server that closes late removes only what is its own."""
    first = ControlServer(places, Instance(), tcp=False)
    await first.__aenter__()
    places.socket.rename(places.runtime / "moved")

    async with ControlServer(places, Instance(), tcp=False):
        await first.__aexit__(None, None, None)
        with ControlClient(places, tcp=False) as client:
            answer = await in_thread(client.send, commands.Resume())

    assert answer is None
    assert not places.socket.exists()


async def connect(places: Places) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_unix_connection(str(places.socket))


async def test_slow_and_silent_clients_hold_up_nobody(places: Places) -> None:
    """With clients that say nothing, half a line, or never read, another one is answered."""
    async with ControlServer(places, Instance(), tcp=False):
        silent, half, deaf = [await connect(places) for _ in range(3)]
        half[1].write(b'{"v":1,"id":1,')
        test = protocol.encode_request(protocol.Request(1, commands.ReadTest(project="p", nodeid="n")))
        deaf[1].transport.pause_reading()  # type: ignore[attr-defined] # a transport that reads
        deaf[1].write(test * 5)

        with ControlClient(places, tcp=False) as client:
            answer = await in_thread(client.send, commands.ReadLogs())

        for _, writer in (silent, half, deaf):
            writer.close()
    assert len(answer) == 1


async def test_a_connection_that_says_nothing_is_ended(places: Places) -> None:
    """A half line that never ends costs its connection after the idle time, and nothing else."""
    async with ControlServer(places, Instance(), tcp=False, idle_timeout_s=0.05):
        reader, writer = await connect(places)
        writer.write(b'{"v":1')

        left = await asyncio.wait_for(read_all(reader), LONG_S)
        writer.close()

    assert left == b""


async def test_a_command_that_never_ends_is_told_as_late(places: Places) -> None:
    """The client learns that it took too long, in the server's words."""
    async with ControlServer(places, Instance(), tcp=False, answer_timeout_s=0.05):
        with ControlClient(places, tcp=False) as client, pytest.raises(CommandRefused, match=r"0\.05 s"):
            await in_thread(client.send, commands.ReadRuns())


async def test_a_server_that_never_answers_is_told_as_unreachable(places: Places) -> None:
    """A client waits as long as it was told, also when something trickles in."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(places.socket))
    listener.listen()
    stop = threading.Event()

    def trickle() -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(ConnectionError):  # once the client has given up
            while not stop.wait(0.01):
                connection.sendall(b" ")

    thread = threading.Thread(target=trickle)
    thread.start()
    with ControlClient(places, tcp=False, timeout_s=0.2) as client, pytest.raises(InstanceUnreachable, match=r"0\.2 s"):
        await in_thread(client.send, commands.ReadStatus())
    stop.set()
    thread.join()
    listener.close()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b'{"v":2,"id":1,"ok":true,"answer":null}\n', "Version 1 .* and 2 there"),
        (b"hello\n", "something else than JSON"),
        (b"[]\n", "something else than JSON"),
        (b"", "hung up"),
        (b'{"v":1', "hung up"),
    ],
)
async def test_an_instance_of_another_release_is_told_in_words(places: Places, answer: bytes, words: str) -> None:
    """What cannot be understood is told with both versions, or as what it is."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(places.socket))
    listener.listen()

    def reply() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(10_000)
            connection.sendall(answer)

    thread = threading.Thread(target=reply)
    thread.start()
    with ControlClient(places, tcp=False) as client, pytest.raises(InstanceUnreachable, match=words):
        await in_thread(client.send, commands.ReadStatus())
    thread.join()
    listener.close()


async def test_a_request_that_is_no_request_is_answered_with_why(places: Places) -> None:
    """A client of another release learns both versions, and may go on on the same connection."""
    async with ControlServer(places, Instance(), tcp=False):
        reader, writer = await connect(places)
        writer.write(b'{"v":9,"id":3,"command":"Stop"}\n{"v":1,"id":4,"command":"Stop"}\n')

        told = [json.loads(await asyncio.wait_for(reader.readline(), LONG_S)) for _ in range(2)]
        writer.close()

    assert (told[0]["id"], told[0]["ok"], told[0]["error"]["exit_code"]) == (3, False, UsageError.exit_code)
    assert "9" in told[0]["error"]["message"]
    assert told[1] == {"v": 1, "id": 4, "ok": True, "answer": None}


async def test_noise_crashes_nothing(places: Places) -> None:
    """Random bytes, lines without end and connections cut in the middle leave the server as it was."""
    noise = random.Random(4711)  # noqa: S311 - noise, not secrets
    instance = Instance()
    async with ControlServer(places, instance, tcp=False) as listening:
        for length in (0, 1, 10, 1000, 70_000, protocol.LONGEST_REQUEST + 70_000):
            _, writer = await connect(places)
            writer.write(noise.randbytes(length).replace(b"\n", b" ") + b"\n" * (length % 2))
            with contextlib.suppress(ConnectionError):  # it may hang up in the middle
                await asyncio.wait_for(writer.drain(), LONG_S)
            writer.transport.abort()

        with ControlClient(places, tcp=False) as client:
            await in_thread(client.send, commands.Resume())
            async with asyncio.timeout(LONG_S):
                while len(listening._connections) > 1:  # noqa: ASYNC110 - the server tells nobody
                    await asyncio.sleep(0.01)

    assert instance.seen == [commands.Resume()]


async def test_who_is_silent_for_longest_makes_room(places: Places) -> None:
    """A program that opens connections without end uses up no descriptors, and keeps nobody from being served."""
    async with ControlServer(places, Instance(), tcp=False):
        clients = [await connect(places) for _ in range(server.MOST_CONNECTIONS)]
        for reader, writer in (*clients, clients[0]):
            writer.write(protocol.encode_request(protocol.Request(1, commands.Resume())))
            await asyncio.wait_for(reader.readline(), LONG_S)

        with ControlClient(places, tcp=False) as client:
            await in_thread(client.send, commands.Resume())
        hung_up = await asyncio.wait_for(clients[1][0].read(), LONG_S)
        clients[0][1].write(protocol.encode_request(protocol.Request(2, commands.Resume())))
        still = json.loads(await asyncio.wait_for(clients[0][0].readline(), LONG_S))

        for _, writer in clients:
            writer.close()
    assert hung_up == b""
    assert still["ok"] is True


def test_a_full_backlog_is_waited_for(places: Places) -> None:
    """When many come at once, one that finds no room knocks again until somebody accepts."""
    with socket.socket(socket.AF_UNIX) as listener, ControlClient(places, tcp=False) as client:
        listener.bind(str(places.socket))
        listener.listen(0)
        early = socket.socket(socket.AF_UNIX)
        early.connect(str(places.socket))

        def accept_late() -> None:
            time.sleep(0.2)  # the fault: it is busy for so long
            listener.accept()[0].close()
            connection, _ = listener.accept()
            connection.recv(1000)
            connection.sendall(protocol.encode_answer(1, "here"))
            connection.close()

        busy = threading.Thread(target=accept_late)
        busy.start()
        answer = client.send(commands.ReadRuns())
        busy.join()
        early.close()

    assert answer == "here"


async def test_who_is_being_served_makes_no_room(places: Places) -> None:
    """When each connection waits for its answer, one more is refused."""
    instance = Instance()
    async with ControlServer(places, instance, tcp=False):
        clients = [await connect(places) for _ in range(server.MOST_CONNECTIONS)]
        for _, writer in clients:
            writer.write(protocol.encode_request(protocol.Request(1, commands.ReadRuns())))
        async with asyncio.timeout(LONG_S):
            while len(instance.seen) < server.MOST_CONNECTIONS:  # noqa: ASYNC110 - the instance tells nobody
                await asyncio.sleep(0.01)

        with ControlClient(places, tcp=False) as client, pytest.raises((CommandRefused, InstanceUnreachable)):
            await in_thread(client.send, commands.Resume())

        for _, writer in clients:
            writer.close()


async def test_closing_waits_for_an_answer_on_its_way(places: Places) -> None:
    """A command that is being carried out while the server closes (Stop, say) is still answered."""
    instance = Instance()
    listening = ControlServer(places, instance, tcp=False)
    await listening.__aenter__()
    with ControlClient(places, tcp=False) as client:
        asked = asyncio.create_task(in_thread(client.send, commands.ReadRuns()))
        await asyncio.wait_for(instance.holding.wait(), LONG_S)

        closing = asyncio.create_task(listening.__aexit__(None, None, None))
        await asyncio.sleep(0)
        instance.hold.set()
        answer = await asyncio.wait_for(asked, LONG_S)
        await asyncio.wait_for(closing, LONG_S)

    assert answer == "held"


async def test_closing_does_not_wait_for_ever(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that never ends and clients that stay do not keep the program from ending, and no task is left."""
    monkeypatch.setattr(protocol, "CLOSE_TIMEOUT_S", 0.05)
    before = asyncio.all_tasks()
    listening = ControlServer(places, Instance(), tcp=False)
    await listening.__aenter__()
    _, writer = await connect(places)
    writer.write(protocol.encode_request(protocol.Request(1, commands.ReadRuns())))
    async with asyncio.timeout(LONG_S):
        while not listening._working:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.001)

    await asyncio.wait_for(listening.__aexit__(None, None, None), LONG_S)
    writer.close()

    assert {task for task in asyncio.all_tasks() - before if not task.done()} == set()


async def test_a_busy_client_cannot_keep_the_server_from_closing(places: Places) -> None:
    """A program that asks without a pause is hung up on between two answers."""
    listening = ControlServer(places, Instance(), tcp=False)
    await listening.__aenter__()
    asked = 0

    def ask() -> None:
        nonlocal asked
        with ControlClient(places, tcp=False) as client:
            while True:
                client.send(commands.Resume())
                asked += 1

    asking = asyncio.create_task(in_thread(ask))
    async with asyncio.timeout(LONG_S):
        while asked < 50:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.001)
    await asyncio.wait_for(listening.__aexit__(None, None, None), LONG_S)

    with pytest.raises((InstanceUnreachable, NoInstance)):
        await asking
