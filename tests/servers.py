"""Servers for tests: real ones on a free port, and ones that misbehave on purpose.

Each is a context manager that starts and stops within the test; nothing here knows a provider.
"""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTPUTF8
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedReader
from pathlib import Path
from typing import Any, Final, Literal

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

Security = Literal["none", "starttls", "tls"]
LOOPBACK: Final = "127.0.0.1"


def read_message(data: bytes) -> EmailMessage:
    """Parse a message as a mail program would."""
    message = BytesParser(policy=SMTPUTF8).parsebytes(data)
    assert isinstance(message, EmailMessage)
    return message


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.create_server((LOOPBACK, 0)) as server:
        return int(server.getsockname()[1])


@cache
def authority() -> trustme.CA:
    """Return the certificate authority of these tests."""
    return trustme.CA()


@cache
def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert(LOOPBACK, "localhost").configure_cert(context)
    return context


# --- SMTP, as it should be --------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One message that a server took, as it came over the wire."""

    sender: str
    to: str
    data: bytes
    options: tuple[str, ...] = ()


@dataclass
class SmtpServer:
    """What an aiosmtpd took; ``replies`` answers RCPT for an address, ``data_replies`` DATA."""

    port: int = 0
    taken: list[Taken] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    sessions: set[int] = field(default_factory=set)
    replies: dict[str, str] = field(default_factory=dict)
    data_replies: dict[str, str] = field(default_factory=dict)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if reply := self.replies.get(address):
            return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        to, content = envelope.rcpt_tos[0], envelope.original_content
        if reply := self.data_replies.get(to):
            return reply
        self.sessions.add(id(session))
        taken = Taken(
            sender=envelope.mail_from or "",
            to=to,
            data=content if isinstance(content, bytes) else b"",
            options=tuple(envelope.mail_options),
        )
        self.taken.append(taken)
        return "250 taken"


class _Controller(Controller):
    """aiosmtpd's own controller cannot tell the port that it was given for 0."""

    def __init__(self, handler: SmtpServer, *, context: ssl.SSLContext | None, **keys: Any) -> None:
        self._listening = socket.create_server((LOOPBACK, 0))
        handler.port = self._listening.getsockname()[1]
        super().__init__(handler, hostname=LOOPBACK, port=handler.port, ssl_context=context, **keys)

    def _create_server(self) -> Any:
        return self.loop.create_server(
            self._factory_invoker, sock=self._listening, ssl=self.ssl_context
        )


@contextmanager
def smtp_server(
    *,
    security: Security = "none",
    login: tuple[str, str] | None = None,
    smtputf8: bool = False,
) -> Iterator[SmtpServer]:
    """Run an aiosmtpd; with ``login`` nothing goes without those credentials.

    Its certificate is issued by :func:`authority`.
    """
    server = SmtpServer()

    def authenticate(
        smtp: SMTP, session: Session, envelope: Envelope, mechanism: str, given: LoginPassword
    ) -> AuthResult:
        server.logins.append(given.login.decode())
        fits = (given.login.decode(), given.password.decode()) == login
        return AuthResult(success=fits, handled=fits)

    # A name is given because aiosmtpd would ask the DNS for ours.
    keys: dict[str, Any] = {"enable_SMTPUTF8": smtputf8, "server_hostname": "localhost"}
    if login is not None:
        # Under implicit TLS aiosmtpd does not see that the connection is safe.
        keys |= {"authenticator": authenticate, "auth_require_tls": security == "starttls"}
        keys["auth_required"] = security == "starttls"
    if security == "starttls":
        keys |= {"tls_context": _server_context(), "require_starttls": True}
    context = _server_context() if security == "tls" else None
    controller = _Controller(server, context=context, **keys)
    controller.start()
    try:
        yield server
    finally:
        controller.stop()


# --- TCP, and SMTP that misbehaves ------------------------------------------------------------


@contextmanager
def tcp_server(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Run ``serve`` in a thread for each connection; yield the port."""
    threads: list[threading.Thread] = []
    open_sockets: list[socket.socket] = []
    listening = socket.create_server((LOOPBACK, 0))

    def work(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            serve(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                # Answers go one by one: Nagle would hold the second of them for 40 ms.
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                open_sockets.append(connection)
                threads.append(threading.Thread(target=work, args=(connection,)))
                threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield int(listening.getsockname()[1])
    finally:
        _shut(listening)
        accepting.join()
        listening.close()
        for one in open_sockets:  # wakes the threads that still read
            _shut(one)
        for thread in threads:
            thread.join()


def _shut(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


Stage = Literal["greeting", "MAIL", "RCPT", "DATA", "body", "dot"]


@dataclass
class RudeSmtp:
    """A small SMTP server with one fault, at one ``stage``, for the first ``times`` times.

    ``fault`` is "drop" (close the connection), "hang" (say nothing more), "late" (take the
    message, and answer only once the next command is there) or an answer such as "421 going
    away", after which it closes if it is a 421. ``only`` restricts it to one address. A
    ``careless`` server answers DATA with 354 although it refused the recipient.
    """

    stage: Stage
    fault: str
    times: int = 1_000_000
    only: str = ""
    pipelining: bool = False
    careless: bool = False
    port: int = 0
    taken: list[Taken] = field(default_factory=list)
    connections: int = 0
    sockets: list[socket.socket] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def serve(self, connection: socket.socket) -> None:
        """Speak SMTP on one connection until it ends or the fault closes it."""
        with self.lock:
            self.connections += 1
            self.sockets.append(connection)
        lines = connection.makefile("rb")
        with lines, suppress(_Close):
            talk = _Talk(connection, lines)
            self.say(talk, "220 rude", stage="greeting")
            while line := lines.readline():
                connection.sendall(talk.late)
                talk.late = b""
                verb = line[:4].upper().decode()
                if verb == "QUIT":
                    return
                self.obey(talk, verb, line.decode().partition("<")[2].partition(">")[0])

    def obey(self, talk: "_Talk", verb: str, address: str) -> None:
        """Answer one command as RFC 5321 §4.1.4 orders them."""
        if verb == "EHLO":
            self.say(talk, f"250-rude\r\n250 {'PIPELINING' if self.pipelining else 'HELP'}")
        elif verb == "MAIL" and talk.sender:
            self.say(talk, "503 5.5.1 nested MAIL")
        elif verb == "MAIL":
            talk.sender = address if self.say(talk, "250 fine", stage="MAIL") else ""
        elif verb == "RCPT" and talk.sender:
            talk.to = address if self.say(talk, "250 fine", stage="RCPT", to=address) else ""
        elif verb == "DATA" and (talk.to or self.careless):
            if self.say(talk, "354 go on", stage="DATA", to=talk.to):
                self.take(talk)
        elif verb in ("RCPT", "DATA"):
            self.say(talk, "503 5.5.1 first things first")
        else:
            talk.sender = "" if verb == "RSET" else talk.sender
            self.say(talk, "250 fine")

    def take(self, talk: "_Talk") -> None:
        """Take the message after a 354, which ends the transaction."""
        taken = Taken(sender=talk.sender, to=talk.to, data=self.read_body(talk.lines, to=talk.to))
        if taken.to:
            self.say(talk, "250 taken", stage="dot", to=taken.to, taken=taken)
        else:
            self.say(talk, "554 5.5.1 nobody to take it for")
        talk.sender = talk.to = ""

    def hang_up(self) -> None:
        """Close every connection, as a server does that finds them idle."""
        for one in self.sockets:
            _shut(one)

    def read_body(self, lines: BufferedReader, *, to: str) -> bytes:
        if self.is_due("body", to):
            lines.readline()
            # With unread octets waiting, close() resets: the sender cannot go on.
            raise _Close
        data = []
        while (line := lines.readline()) != b".\r\n":
            if not line:  # the sender went away: a message without its full stop is none
                raise _Close
            data.append(line)
        return b"".join(data)

    def is_due(self, stage: Stage | None, to: str) -> bool:
        """Say whether the fault happens now, and count it."""
        with self.lock:
            due = stage == self.stage and self.times > 0 and self.only in ("", to)
            self.times -= due
            return due

    def say(
        self,
        talk: "_Talk",
        answer: str,
        *,
        stage: Stage | None = None,
        to: str = "",
        taken: Taken | None = None,
    ) -> bool:
        """Answer, or do the fault instead; say whether all was well, and what was ``taken``."""
        due = self.is_due(stage, to)
        if taken and (not due or self.fault == "late"):
            self.taken.append(taken)
        if due and self.fault == "drop":
            raise _Close
        if due and self.fault == "hang":
            while talk.connection.recv(65536):
                pass
            raise _Close
        if due and self.fault == "late":
            talk.late = f"{answer}\r\n".encode()
            return True
        talk.connection.sendall(f"{self.fault if due else answer}\r\n".encode())
        if due and "421" in self.fault:
            raise _Close
        return not due


@dataclass
class _Talk:
    """One connection to a RudeSmtp, the transaction on it, and an answer that it still owes."""

    connection: socket.socket
    lines: BufferedReader
    sender: str = ""
    to: str = ""
    late: bytes = b""


class _Close(Exception):
    """The server closes the connection."""


@contextmanager
def rude_smtp_server(
    stage: Stage, fault: str, *, times: int = 1_000_000, only: str = "", pipelining: bool = False
) -> Iterator[RudeSmtp]:
    """Run a RudeSmtp."""
    server = RudeSmtp(stage=stage, fault=fault, times=times, only=only, pipelining=pipelining)
    with tcp_server(server.serve) as port:
        server.port = port
        yield server


# --- SendGrid ---------------------------------------------------------------------------------

SPEC: Final = Path(__file__).parents[2] / "shared/facts/sendgrid/tsg_mail_v3.yaml"
RESERVED: Final = (  # "You may not override the following headers"
    "x-sg-id x-sg-eid received dkim-signature content-type content-transfer-encoding"
    " to from subject reply-to cc bcc"
).split()
MAX_REQUEST: Final = 30_000_000  # bytes, attachments included


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the stub answers to one call; ``hang`` seconds pass first; 0 closes unanswered."""

    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    hang: float = 0.0


@dataclass
class SendgridStub:
    """A loopback SendGrid: ``decide`` may answer in its stead, for one call."""

    key: str = "SG.test"
    port: int = 0
    calls: list[dict[str, Any]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    taken: list[dict[str, Any]] = field(default_factory=list)
    decide: Callable[[dict[str, Any]], Answer | None] = lambda body: None
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def host(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def answer(self, path: str, authorization: str, data: bytes) -> Answer:
        """Judge one request as the published API would."""
        if authorization != f"Bearer {self.key}":
            return Answer(status=401, body=_error("authorization required"))
        body = json.loads(data)
        self.calls.append(body)
        if decided := self.decide(body):
            return decided
        if found := check_sendgrid_request(path, body, size=len(data)):
            self.faults += found
            return Answer(status=400, body=_error(found[0]))
        self.taken += [_as_received(body, one) for one in body["personalizations"]]
        return Answer(status=202)


def _error(message: str, field_name: str | None = None) -> str:
    return json.dumps({"errors": [{"message": message, "field": field_name, "help": None}]})


def sendgrid_error(message: str, field_name: str | None = None) -> str:
    """Return an error body in the shape of the spec's ErrorResponse."""
    return _error(message, field_name)


def _as_received(body: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
    """Return what the recipient of one personalization gets: substitutions done."""

    def put_in(text: str) -> str:
        for tag, value in one.get("substitutions", {}).items():
            text = text.replace(tag, value)
        return text

    content = {part["type"]: put_in(part["value"]) for part in body["content"]}
    return {
        "to": one["to"][0]["email"],
        "name": one["to"][0].get("name", ""),
        "subject": put_in(body["subject"]),
        "text": content["text/plain"],
        "html": content["text/html"],
        "headers": body.get("headers", {}) | one.get("headers", {}),
        "custom_args": one.get("custom_args", {}),
    }


def check_sendgrid_request(path: str, body: dict[str, Any], *, size: int) -> list[str]:
    """Return what the published limits have against a request; ``size`` is in bytes."""
    found = [] if path == "/v3/mail/send" else [f"no such path: {path}"]
    if size > MAX_REQUEST:
        found.append("more than 30 MB")
    people = body.get("personalizations", [])
    if not 1 <= len(people) <= 1000:
        found.append(f"{len(people)} personalizations")
    addresses = [to["email"].lower() for one in people for to in one["to"]]
    if len(set(addresses)) != len(addresses):
        found.append("an address twice")
    if not {"from", "subject", "content"} <= body.keys():
        found.append("from, subject or content is missing")
    if [part["type"] for part in body["content"]] != ["text/plain", "text/html"]:
        found.append("content has to be text/plain, then text/html")
    for one in people:
        found += _check_person(one)
    for headers in (body.get("headers", {}), *(one.get("headers", {}) for one in people)):
        found += [f"reserved header {name}" for name in headers if name.lower() in RESERVED]
        found += [f"header {k} is not ASCII" for k, v in headers.items() if not v.isascii()]
    return found + _check_schema(body)


def _check_person(one: dict[str, Any]) -> list[str]:
    found = []
    for name in ("substitutions", "custom_args"):
        values = one.get(name, {})
        if not all(isinstance(value, str) for value in values.values()):
            found.append(f"{name} has to be texts")
        elif sum(len(f"{key}{value}".encode()) for key, value in values.items()) > 10_000:
            found.append(f"{name} has more than 10,000 bytes")
    return found


def _check_schema(body: dict[str, Any]) -> list[str]:
    """Validate against SendGrid's OpenAPI file, where a copy stands beside the repository."""
    validator = _validator()
    return [error.message for error in validator.iter_errors(body)] if validator else []


def _validator() -> Any:
    if not SPEC.is_file():
        return None
    if not _VALIDATORS:
        import jsonschema_rs
        from ruamel.yaml import YAML

        document = YAML(typ="safe").load(SPEC.read_text(encoding="utf-8"))
        pointer = "#/components/requestBodies/PostMailSend/content/application~1json/schema"
        schema = {"$ref": pointer, "components": document["components"]}
        _VALIDATORS.append(jsonschema_rs.Draft202012Validator(schema))
    return _VALIDATORS[0]


_VALIDATORS: Final[list[Any]] = []


@contextmanager
def sendgrid_server() -> Iterator[SendgridStub]:
    """Run a SendgridStub."""
    stub = SendgridStub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            answer = stub.answer(self.path, self.headers.get("Authorization", ""), data)
            if answer.hang:
                stub.stopped.wait(answer.hang)
            if not answer.status or stub.stopped.is_set():
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body.encode())))
            self.end_headers()
            self.wfile.write(answer.body.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with http_server(Handler) as port:
        stub.port = port
        try:
            yield stub
        finally:
            stub.stopped.set()


@contextmanager
def http_server(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    """Run an HTTP server, a thread a request; yield the port."""
    server = ThreadingHTTPServer((LOOPBACK, 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
