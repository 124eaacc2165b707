"""Bounces read from a Maildir and from an IMAP server: each once, and none lost on the way."""

import mailbox
from pathlib import Path

import pytest

from pipeline.delivery.bounces import MAX_MAIL
from pipeline.delivery.mailboxes import Imap, read_imap, read_maildir
from pipeline.errors import ProviderError, WorkspaceError
from tests.delivery.imap import MAILS, imap_server, place_of, trust
from tests.servers import LOOPBACK, free_port


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


@pytest.mark.parametrize("can_move", [True, False])
def test_each_mail_of_an_imap_folder_is_handed_over_and_moved(can_move: bool) -> None:
    taken: list[bytes] = []
    with imap_server(can_move=can_move) as stub:
        for expected in (3, 0):
            count = read_imap(place_of(stub), taken.append, password="right", context=trust())
            assert count == expected

    assert taken == list(MAILS)
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
