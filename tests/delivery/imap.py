"""A loopback IMAP server for tests, with a folder of mails."""

import re
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BufferedReader

from pipeline.delivery.mailboxes import Imap
from tests.servers import LOOPBACK, authority, tcp_server

MAILS = tuple(b"Subject: %d\r\n\r\nBonjour\r\n" % number for number in range(3))


@dataclass
class ImapStub:
    """A loopback IMAP server with a folder of mails: as much of RFC 3501 as is asked of it."""

    mails: dict[int, bytes]
    can_move: bool = True
    breaks_at: str = ""  # the command at which it hangs up
    handled: list[int] = field(default_factory=list)
    deleted: set[int] = field(default_factory=set)
    seen: list[str] = field(default_factory=list)
    port: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def serve(self, raw: socket.socket) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority().issue_cert(LOOPBACK, "localhost").configure_cert(context)
        with suppress(ssl.SSLError, OSError), context.wrap_socket(raw, server_side=True) as wire:
            wire.sendall(b"* OK ready\r\n")
            with wire.makefile("rb") as lines:
                self.talk(wire, lines)

    def talk(self, wire: ssl.SSLSocket, lines: BufferedReader) -> None:
        while line := lines.readline().decode().strip():
            tag, _, command = line.partition(" ")
            self.seen.append(command)
            if self.breaks_at and command.startswith(self.breaks_at):
                return
            with self.lock:
                said, end = self.answer(command)
            wire.sendall(b"".join(said) + f"{tag} {end} so be it\r\n".encode())
            if command == "LOGOUT":
                return

    def answer(self, command: str) -> tuple[list[bytes], str]:
        """Return the untagged lines and how the tagged one ends."""
        if command == "CAPABILITY":
            return [b"* CAPABILITY IMAP4rev1" + b" MOVE" * self.can_move + b"\r\n"], "OK"
        if command.startswith("LOGIN"):
            return [], "OK" if command == 'LOGIN anne "right"' else "NO wrong password"
        if command.startswith("SELECT"):
            return [b"* %d EXISTS\r\n" % len(self.mails)], "OK [READ-WRITE]"
        if command.startswith("CREATE"):
            return [], "NO [ALREADYEXISTS] there already"
        if command == "UID SEARCH ALL":
            return [b"* SEARCH %s\r\n" % b" ".join(b"%d" % uid for uid in self.mails)], "OK"
        return self.act(command)

    def act(self, command: str) -> tuple[list[bytes], str]:
        found = re.match(
            r"UID (FETCH|MOVE|COPY|STORE) (\d+)(?: \(BODY\.PEEK\[\]<0\.(\d+)>\))?", command
        )
        if found and found[1] == "FETCH":
            data = self.mails[int(found[2])][: int(found[3])]
            head = b"* 1 FETCH (UID %s BODY[]<0> {%d}\r\n" % (found[2].encode(), len(data))
            return [head, data, b")\r\n"], "OK"
        if found and found[1] in ("MOVE", "COPY"):
            self.handled.append(int(found[2]))
            if found[1] == "MOVE":
                del self.mails[int(found[2])]
        elif found and found[1] == "STORE":
            self.deleted.add(int(found[2]))
        elif command == "EXPUNGE":
            self.mails = {uid: one for uid, one in self.mails.items() if uid not in self.deleted}
        return ([b"* BYE\r\n"] if command == "LOGOUT" else []), "OK"


@contextmanager
def imap_server(
    mails: Sequence[bytes] = MAILS, *, can_move: bool = True, breaks_at: str = ""
) -> Iterator[ImapStub]:
    """Run an ImapStub that holds ``mails``, by default three."""
    stub = ImapStub(mails=dict(enumerate(mails, 11)), can_move=can_move, breaks_at=breaks_at)
    with tcp_server(stub.serve) as port:
        stub.port = port
        yield stub


def place_of(stub: ImapStub) -> Imap:
    return Imap(host=LOOPBACK, port=stub.port, username="anne", timeout=5)


def trust() -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority().configure_trust(context)
    return context
