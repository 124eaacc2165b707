"""A real web server on loopback that answers as told, and misbehaves on purpose."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one path answers; ``drip`` is the pause in seconds after each byte of the body."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    drip: float = 0.0
    has_length: bool = True


@dataclass(kw_only=True)
class Site:
    """The paths of the server, and the requests that it met."""

    port: int
    scheme: str = "http"
    answers: dict[str, Answer | Callable[[Mapping[str, str]], Answer]] = field(default_factory=dict)
    requests: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    busy: int = 0
    busiest: int = 0
    lock: Any = field(default_factory=threading.Lock)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    def put(self, path: str, body: bytes | str, **headers: str) -> str:
        """Serve a good answer at ``path``; return its address."""
        data = body.encode() if isinstance(body, str) else body
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers[path] = Answer(body=data, headers=named)
        return self.url(path)

    def paths(self) -> list[str]:
        return [path for path, _ in self.requests]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def do_GET(self) -> None:
        site = self.site
        site.requests.append((self.path, dict(self.headers)))
        with site.lock:
            site.busy += 1
            site.busiest = max(site.busiest, site.busy)
        self._answer()

    def _answer(self) -> None:
        found = self.site.answers.get(self.path, Answer(status=404))
        answer = found if isinstance(found, Answer) else found(dict(self.headers))
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.has_length:
            self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Connection", "close")
        self.end_headers()
        *first, last = [answer.body] if not answer.drip else [bytes([b]) for b in answer.body]
        try:
            for piece in first:
                self.wfile.write(piece)
                self.wfile.flush()
                time.sleep(answer.drip)
        finally:  # before the last piece: behind it, the client may be back already
            with self.site.lock:
                self.site.busy -= 1
        self.wfile.write(last)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what these tests are about."""


@contextmanager
def serving(tls: SSLContext | None = None) -> Iterator[Site]:
    """Serve on a free port of 127.0.0.1 until the block ends."""
    handler = type("Handler", (_Handler,), {})
    server = _Server(("127.0.0.1", 0), handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    site = Site(port=server.server_address[1], scheme="https" if tls else "http")
    handler.site = site  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
