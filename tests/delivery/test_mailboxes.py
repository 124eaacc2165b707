"""Bounces read from a Maildir and from an IMAP server: each once, and none lost on the way."""

import mailbox
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path

import pytest

from pipeline.delivery.bounces import MAX_MAIL
from pipeline.delivery.mailboxes import Imap, read_imap, read_maildir
from pipeline.errors import ProviderError, WorkspaceError
from tests.servers import LOOPBACK, authority, free_port, tcp_server

MAILS = [b"Subject: %d\r\n\r\nBonjour\r\n" % number for number in range(3)]


class StoreFails(OSError):
    """What a handler may meet."""


def fail_at(taken: list[bytes], number: int) -> None:
    if len(taken) == number:
        raise StoreFails("no room")


# --- Maildir ----------------------------------------------------------------------------------


@pytest.fixture
def box(tmp_path: Path) -> mailbox.Maildir:
    box = mailbox.Maildir(tmp_path / "bounces")
    for mail in MAILS:
        box.add(mail)
    return box


def folder_of(box: mailbox.Maildir) -> Path:
    return Path(box._path)


def test_each_mail_of_a_maildir_is_handed_over_once(box: mailbox.Maildir) -> None:
    taken: list[bytes] = []

    assert read_maildir(folder_of(box), taken.append) == 3
    assert read_maildir(folder_of(box), taken.append) == 0

    assert sorted(one.replace(b"\r\n", b"\n") for one in taken) == [
        one.replace(b"\r\n", b"\n") for one in MAILS
    ]


def test_what_was_handled_is_in_a_folder_that_mail_programs_show(box: mailbox.Maildir) -> None:
    read_maildir(folder_of(box), lambda data: None)

    assert list(box.keys()) == []
    handled = box.get_folder("handled")
    assert len(handled) == 3
    assert all(message.get_flags() == "S" for message in handled)


def test_a_mail_that_somebody_looked_at_is_handled_too(box: mailbox.Maildir) -> None:
    new = next((folder_of(box) / "new").iterdir())
    new.rename(folder_of(box) / "cur" / f"{new.name}:2,S")

    assert read_maildir(folder_of(box), lambda data: None) == 3


def test_a_mail_whose_handler_failed_stays_and_comes_again(box: mailbox.Maildir) -> None:
    taken: list[bytes] = []

    def handle(data: bytes) -> None:
        fail_at(taken, 1)
        taken.append(data)

    with pytest.raises(StoreFails):
        read_maildir(folder_of(box), handle)

    assert len(list(box.keys())) == 2
    assert read_maildir(folder_of(box), lambda data: None) == 2


def test_a_run_has_an_end_even_where_the_box_has_none(box: mailbox.Maildir) -> None:
    assert read_maildir(folder_of(box), lambda data: None, most=2) == 2
    assert len(list(box.keys())) == 1


def test_no_more_of_a_huge_mail_is_read_than_a_report_needs(tmp_path: Path) -> None:
    box = mailbox.Maildir(tmp_path / "bounces")
    box.add(b"Subject: a\n\n" + b"x" * (2 * MAX_MAIL))
    taken: list[bytes] = []

    read_maildir(folder_of(box), taken.append)

    assert [len(one) for one in taken] == [MAX_MAIL]


def test_a_folder_that_is_no_maildir_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")

    for name in ("file", "missing"):
        with pytest.raises(WorkspaceError, match="cannot be used"):
            read_maildir(tmp_path / name, lambda data: None)

    assert not (tmp_path / "missing").exists()


# --- IMAP -------------------------------------------------------------------------------------


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
def imap_server(*, can_move: bool = True, breaks_at: str = "") -> Iterator[ImapStub]:
    """Run an ImapStub that holds three mails."""
    stub = ImapStub(mails=dict(enumerate(MAILS, 11)), can_move=can_move, breaks_at=breaks_at)
    with tcp_server(stub.serve) as port:
        stub.port = port
        yield stub


def place_of(stub: ImapStub) -> Imap:
    return Imap(host=LOOPBACK, port=stub.port, username="anne", timeout=5)


def trust() -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority().configure_trust(context)
    return context


@pytest.mark.parametrize("can_move", [True, False])
def test_each_mail_of_an_imap_folder_is_handed_over_and_moved(can_move: bool) -> None:
    taken: list[bytes] = []
    with imap_server(can_move=can_move) as stub:
        for expected in (3, 0):
            count = read_imap(place_of(stub), taken.append, password="right", context=trust())
            assert count == expected

    assert taken == MAILS
    assert stub.handled == [11, 12, 13]
    assert stub.mails == {}


def test_an_imap_mail_whose_handler_failed_stays() -> None:
    taken: list[bytes] = []

    def handle(data: bytes) -> None:
        fail_at(taken, 1)
        taken.append(data)

    with imap_server() as stub, pytest.raises(StoreFails):
        read_imap(place_of(stub), handle, password="right", context=trust())

    assert stub.handled == [11]
    assert list(stub.mails) == [12, 13]


def test_a_wrong_password_is_told_and_not_printed() -> None:
    with imap_server() as stub, pytest.raises(ProviderError, match="INFOLETTRE_IMAP") as raised:
        read_imap(place_of(stub), lambda data: None, password="secret", context=trust())

    assert not raised.value.retryable
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("command", ["SELECT", "UID SEARCH", "UID FETCH", "UID MOVE"])
def test_a_server_that_hangs_up_is_told_and_nothing_is_lost(command: str) -> None:
    with imap_server(breaks_at=command) as stub, pytest.raises(ProviderError) as raised:
        read_imap(place_of(stub), lambda data: None, password="right", context=trust())

    assert raised.value.retryable
    assert list(stub.mails) == [11, 12, 13]


def test_a_server_that_cannot_prove_who_it_is_gets_no_password() -> None:
    with imap_server() as stub, pytest.raises(ProviderError, match="cannot be read"):
        read_imap(place_of(stub), lambda data: None, password="right")

    assert stub.seen == []


def test_no_server_is_told() -> None:
    place = Imap(host=LOOPBACK, port=free_port(), username="anne", timeout=5)

    with pytest.raises(ProviderError, match="cannot be read"):
        read_imap(place, lambda data: None, password="right", context=trust())
