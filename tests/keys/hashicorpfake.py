"""A stand-in for HashiCorp Vault on loopback, after its public HTTP API documentation (transit, and KV version 2)."""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, urlsplit

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

TOKEN = "hvs.canary-of-a-token"  # noqa: S105 - the stand-in's


@dataclass
class Version:
    """One version of a secret."""

    data: dict[str, str]
    deleted: str = ""
    destroyed: bool = False


@dataclass
class Told:
    """A request that came in."""

    method: str
    path: str
    token: str | None
    namespace: str | None
    body: str


@dataclass
class HashiCorpVaultContractFake:
    """Speaks /v1/transit/encrypt|decrypt/KEY and /v1/secret/data/PATH as documented, and can be made to fail.

    Attributes:
        tokens: That it lets in.
        keys: Transit keys: the versions of each, the first is version 1.
        oldest: The min_decryption_version of each.
        secrets: The versions of each path.
        max_versions: How many versions of a path it keeps.
        denied: Requests (method, how the path begins) that no policy allows.
        knows_associated_data: False for servers that were made before it was.
        answer: Answers every request with these in place of its own: status, headers, body.
        misbehaves: `silent`: never answers; `drips`: a byte now and then; `cuts`: half an answer.
        told: All requests.
    """

    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    keys: dict[str, list[bytes]] = field(default_factory=lambda: {"watchkeeper": [bytes([7]) * 32]})
    oldest: dict[str, int] = field(default_factory=dict)
    secrets: dict[str, list[Version]] = field(default_factory=dict)
    max_versions: int = 10
    denied: list[tuple[str, str]] = field(default_factory=list)
    knows_associated_data: bool = True
    answer: tuple[int, dict[str, str], bytes] | None = None
    misbehaves: str = ""
    told: list[Told] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Take a free port."""
        self._released = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler_of(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        """Listen."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of all that was kept waiting, and end."""
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def wear(self, context: ssl.SSLContext) -> None:
        """Speak TLS."""
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    def replied(self, told: Told) -> tuple[int, dict[str, Any]]:
        """Return status and JSON of the answer."""
        url = urlsplit(told.path)
        if told.token not in self.tokens:
            return _refused("permission denied")
        if any(told.method == method and url.path.startswith(path) for method, path in self.denied):
            return _refused("1 error occurred:\n\t* permission denied\n\n")
        match url.path.removeprefix("/v1/").split("/", 2):
            case ["transit", ("encrypt" | "decrypt") as what, name] if told.method == "POST":
                return self._transit(what, name, json.loads(told.body))
            case ["secret", "data", path] if told.method == "POST":
                return self._write(path, json.loads(told.body))
            case ["secret", "data", path] if told.method == "GET":
                return self._read(path, int(parse_qs(url.query).get("version", ["0"])[0]))
        return 404, {"errors": [f'no handler for route "{url.path}". route entry not found.']}

    def _transit(self, what: str, name: str, asked: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        versions = self.keys.get(name)
        bound = base64.b64decode(asked.get("associated_data", "")) if self.knows_associated_data else b""
        if versions is None and what == "encrypt":
            versions = self.keys[name] = [AESGCM.generate_key(256)]  # create and update: it is made by the way
        if versions is None:
            return 400, {"errors": ["encryption key not found"]}
        if what == "encrypt":
            nonce = bytes([len(self.told)]) * 12
            content = AESGCM(versions[-1]).encrypt(nonce, base64.b64decode(asked["plaintext"]), bound)
            wrapped = f"vault:v{len(versions)}:{base64.b64encode(nonce + content).decode()}"
            return 200, {"data": {"ciphertext": wrapped, "key_version": len(versions)}}
        _, number, text = asked["ciphertext"].split(":")
        version, content = int(number.removeprefix("v")), base64.b64decode(text)
        if version < self.oldest.get(name, 1):
            return 400, {"errors": ["ciphertext or signature version is disallowed by policy (too old)"]}
        try:
            plaintext = AESGCM(versions[version - 1]).decrypt(content[:12], content[12:], bound)
        except InvalidTag:
            return 400, {"errors": ["cipher: message authentication failed"]}
        return 200, {"data": {"plaintext": base64.b64encode(plaintext).decode()}}

    def _write(self, path: str, asked: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        versions = self.secrets.setdefault(path, [])
        if asked["options"].get("cas", len(versions)) != len(versions):
            return 400, {"errors": ["check-and-set parameter did not match the current version"]}
        versions.append(Version(asked["data"]))
        for older in versions[: -self.max_versions]:
            older.destroyed = True
        return 200, {"data": _about(versions, len(versions))}

    def _read(self, path: str, version: int) -> tuple[int, dict[str, Any]]:
        versions = self.secrets.get(path, [])
        version = version or len(versions)
        if not 1 <= version <= len(versions):
            return 404, {"errors": []}
        found = versions[version - 1]
        gone = found.destroyed or bool(found.deleted)
        return (404 if gone else 200), {
            "data": {"data": None if gone else found.data, "metadata": _about(versions, version)}
        }

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0))).decode()
        told = Told(
            handler.command,
            handler.path,
            handler.headers.get("X-Vault-Token"),
            handler.headers.get("X-Vault-Namespace"),
            body,
        )
        self.told.append(told)
        if self.misbehaves == "silent":
            self._released.wait()
            return
        if self.misbehaves == "drips":
            self._drip(handler)
            return
        status, headers, content = self.answer or (0, {}, b"")
        if self.answer is None:
            status, found = self.replied(told)
            headers, content = {"Content-Type": "application/json"}, json.dumps(found).encode()
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[: len(content) // 2] if self.misbehaves == "cuts" else content)

    def _drip(self, handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not self._released.wait(0.05):
            handler.wfile.write(b".")


def _refused(why: str) -> tuple[int, dict[str, Any]]:
    return 403, {"errors": [why]}


def _about(versions: list[Version], version: int) -> dict[str, Any]:
    found = versions[version - 1]
    return {
        "created_time": "2024-01-01T00:00:00Z",
        "deletion_time": found.deleted,
        "destroyed": found.destroyed,
        "version": version,
    }


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that give up are what is tested."""


def _handler_of(fake: HashiCorpVaultContractFake) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            fake.serve(self)

        do_POST = do_GET  # noqa: N815 - the base's name

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
