"""The bounce mailbox, from a mail to a person who is written to no more: once, whatever happens."""

import mailbox
import subprocess
import sys
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import Engine, text

from pipeline.delivery.feedback import Recorded
from pipeline.delivery.mailboxes import PASSWORD
from pipeline.delivery.returns import read_returns
from pipeline.delivery.verp import verp_of
from pipeline.errors import InputError, ProviderError, WorkspaceError
from pipeline.settings import Bounces, Settings
from pipeline.store.engine import writing
from tests.delivery.imap import ImapStub, imap_server, trust
from tests.delivery.sent import (
    add_campaign,
    add_people,
    consents,
    deliveries,
    kept,
    message_id,
    people,
)
from tests.servers import LOOPBACK

BASE: Final = "retours@cercle.example"
KEY: Final = "la clé d’aujourd’hui, pour les tests"
OLD: Final = "la clé d’hier, pour les tests seulement"
ENVIRON: Final = {
    "INFOLETTRE_SECRET": KEY,
    "INFOLETTRE_SECRET_PREVIOUS": OLD,
    PASSWORD: "right",
}
NOW: Final = datetime(2026, 11, 25, 12, tzinfo=UTC)
REAL: Final = Path(__file__).parents[2] / "../shared/facts/components/dsn"
CASES: Final = Path(__file__).parents[1] / "cases/bounces"


def bounce(to: str, *, key: str = KEY, status: str = "5.1.1") -> bytes:
    """Return a mail server's report about the letter 46 to a person."""
    verp = verp_of(to, base=BASE, secret=key.encode())
    return (
        f"From: MAILER-DAEMON@mx.example\r\nTo: {verp}\r\n"
        "Date: Fri, 20 Nov 2026 08:00:00 +0000\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\n\r\nIt could not be delivered.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Reporting-MTA: dns; mx.example\r\n\r\n"
        f"Final-Recipient: rfc822; {to}@ailleurs.example\r\nAction: failed\r\n"
        f"Status: {status}\r\nDiagnostic-Code: smtp; 550 {status} refused\r\n\r\n"
        "--b\r\nContent-Type: text/rfc822-headers\r\n\r\n"
        f"Message-ID: {message_id('46', to)}\r\n\r\n--b--\r\n"
    ).encode()


def an_auto_reply() -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"] = "lea@ailleurs.example", BASE
    mail["Auto-Submitted"] = "auto-replied"
    mail.set_content("Je suis en congé.")
    return mail.as_bytes()


@pytest.fixture
def sent(engine: Engine) -> Engine:
    add_people(engine, "zoe", "lea", "ida")
    add_campaign(engine, "46", dict.fromkeys(("zoe", "lea", "ida"), "accepted"))
    return engine


@pytest.fixture
def box(tmp_path: Path) -> mailbox.Maildir:
    (tmp_path / "var").mkdir()
    return mailbox.Maildir(tmp_path / "var/retours")


def read(engine: Engine, root: Path, bounces: Bounces | None = None) -> Recorded | None:
    found = bounces or Bounces(address=BASE, maildir="var/retours")
    return read_returns(engine, Settings(bounces=found), root=root, environ=ENVIRON, now=NOW)


def test_where_no_mailbox_is_named_there_is_nothing_to_read(engine: Engine, tmp_path: Path) -> None:
    assert read(engine, tmp_path, Bounces(address=BASE)) is None


def test_a_bounce_in_a_maildir_ends_with_a_person_who_is_written_to_no_more(
    sent: Engine, box: mailbox.Maildir, tmp_path: Path
) -> None:
    for mail in (bounce("zoe"), an_auto_reply(), bounce("lea", status="4.2.2")):
        box.add(mail)

    assert read(sent, tmp_path) == Recorded(new=2, suppressed=1)

    assert people(sent) == {"zoe": ("bounced", 0), "lea": ("active", 1), "ida": ("active", 0)}
    assert deliveries(sent)["46", "zoe"]["detail"] == "smtp; 550 5.1.1 refused"
    assert consents(sent, "zoe")[-1] == ("bounced", "bounce mail")
    assert len(list(box.keys())) == 0
    assert len(box.get_folder("handled")) == 3
    assert read(sent, tmp_path) == Recorded()


def test_a_bounce_of_a_letter_from_before_the_key_changed_is_still_somebodys(
    sent: Engine, box: mailbox.Maildir, tmp_path: Path
) -> None:
    box.add(bounce("zoe", key=OLD))
    box.add(bounce("lea", key="a key of somebody else’s, for the tests"))

    done = read(sent, tmp_path)

    # Of the second, neither key nor address and Message-ID would do alone: it has the latter two.
    assert done == Recorded(new=2, suppressed=2)


def test_a_forged_envelope_suppresses_nobody(
    sent: Engine, box: mailbox.Maildir, tmp_path: Path
) -> None:
    forged = bounce("zoe", key="a key of somebody else’s, for the tests")
    box.add(forged.replace(message_id("46", "zoe").encode(), b"<guess@cercle.example>"))

    assert read(sent, tmp_path) == Recorded(unknown=1)
    assert people(sent)["zoe"] == ("active", 0)


def test_without_a_key_a_report_is_known_by_the_letter_that_it_returns(
    sent: Engine, box: mailbox.Maildir, tmp_path: Path
) -> None:
    box.add(bounce("zoe"))
    settings = Settings(bounces=Bounces(maildir="var/retours"))

    done = read_returns(sent, settings, root=tmp_path, environ={}, now=NOW)

    assert done == Recorded(new=1, suppressed=1)


@pytest.mark.parametrize(
    ("name", "kind", "state"),
    [
        ("dsn1", "hard_bounce", "bounced"),
        ("dsn2", "hard_bounce", "bounced"),
        ("dsn3", "soft_bounce", "active"),
        ("dsn4", "soft_bounce", "active"),
        ("exim1", "hard_bounce", "bounced"),
        ("exim2", "soft_bounce", "active"),
    ],
)
def test_reports_of_real_servers_are_recorded(
    sent: Engine, box: mailbox.Maildir, tmp_path: Path, name: str, kind: str, state: str
) -> None:
    file = REAL / f"{name}.eml"
    if not file.is_file():
        pytest.skip("the collection of real delivery reports is not beside the repository")
    envelope = verp_of("zoe", base=BASE, secret=KEY.encode())
    lines = file.read_bytes().splitlines(keepends=True)
    theirs = next(one for one in lines if one.lower().startswith(b"to: ")).split()[1]
    box.add(b"".join(lines).replace(theirs, envelope.encode()))

    assert read(sent, tmp_path) == Recorded(new=1, suppressed=int(state == "bounced"))

    (event,) = kept(sent).values()
    assert (event["kind"], people(sent)["zoe"][0]) == (kind, state)
    assert "@" not in event["detail"]
    # It returns a letter that was none of ours: the one that had begun to leave is meant.
    assert deliveries(sent)["46", "zoe"]["state"] == "bounced"


def test_a_complaint_is_read_from_the_mailbox_too(
    sent: Engine, box: mailbox.Maildir, tmp_path: Path
) -> None:
    mail = (CASES / "complaint.eml").read_bytes()
    envelope = verp_of("zoe", base=BASE, secret=KEY.encode())
    box.add(mail.replace(b"bounce+token@cercle.example", envelope.encode()))

    assert read(sent, tmp_path) == Recorded(new=1, suppressed=1)
    assert people(sent)["zoe"][0] == "complained"


# --- what goes wrong --------------------------------------------------------------------------

KILLED: Final = """
import os, sys
from datetime import datetime
from pathlib import Path
from sqlalchemy import event
from pipeline.delivery.returns import read_returns
from pipeline.settings import Bounces, Settings
from pipeline.store.engine import open_engine

root = Path(sys.argv[1])
engine = open_engine(sys.argv[2], root)
# the first connection that is given back has just recorded the first mail
event.listen(engine, "checkin", lambda *_: os.kill(os.getpid(), 9))
settings = Settings(bounces=Bounces(address=sys.argv[3], maildir="var/retours"))
now = datetime.fromisoformat(sys.argv[4])
read_returns(engine, settings, root=root, environ=os.environ, now=now)
"""


def test_killed_before_the_mail_is_put_away_it_is_read_again_and_counted_once(
    sent: Engine, box: mailbox.Maildir, tmp_path: Path
) -> None:
    box.add(bounce("zoe", status="4.2.2"))
    address = sent.url.render_as_string(hide_password=False)

    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), address, BASE, NOW.isoformat()],
        env={"INFOLETTRE_SECRET": KEY, "PYTHONPATH": ":".join(sys.path)},
        check=False,
    )

    assert done.returncode == -9
    assert people(sent)["zoe"] == ("active", 1)
    assert len(list(box.keys())) == 1
    assert read(sent, tmp_path) == Recorded(repeated=1)
    assert people(sent)["zoe"] == ("active", 1)
    assert len(list(box.keys())) == 0


def test_a_mail_whose_events_are_not_recorded_waits_for_the_next_time(
    sent: Engine, box: mailbox.Maildir, tmp_path: Path
) -> None:
    box.add(bounce("zoe"))
    with writing(sent) as connection:
        connection.execute(text("ALTER TABLE delivery_event RENAME TO elsewhere"))
    try:
        with pytest.raises(Exception, match="delivery_event"):
            read(sent, tmp_path)
    finally:
        with writing(sent) as connection:
            connection.execute(text("ALTER TABLE elsewhere RENAME TO delivery_event"))

    assert len(list(box.keys())) == 1
    assert read(sent, tmp_path) == Recorded(new=1, suppressed=1)


def test_a_mailbox_that_is_none_is_told(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="cannot be used"):
        read(engine, tmp_path)


# --- IMAP -------------------------------------------------------------------------------------


def at(stub: ImapStub) -> Settings:
    return Settings(
        bounces=Bounces(address=BASE, imap_host=LOOPBACK, imap_port=stub.port, imap_username="anne")
    )


def test_bounces_are_read_from_a_server_and_moved(sent: Engine, tmp_path: Path) -> None:
    with imap_server([bounce("zoe"), bounce("lea")]) as stub:
        done = [
            read_returns(sent, at(stub), root=tmp_path, environ=ENVIRON, now=NOW, context=trust())
            for _ in range(2)
        ]

    assert done == [Recorded(new=2, suppressed=2), Recorded()]
    assert (stub.handled, stub.mails) == ([11, 12], {})
    assert people(sent)["lea"][0] == "bounced"


def test_a_server_that_breaks_off_between_the_two_changes_nothing_twice(
    sent: Engine, tmp_path: Path
) -> None:
    mail = bounce("zoe", status="4.2.2")
    with imap_server([mail], breaks_at="UID MOVE") as stub, pytest.raises(ProviderError):
        read_returns(sent, at(stub), root=tmp_path, environ=ENVIRON, now=NOW, context=trust())
    assert people(sent)["zoe"] == ("active", 1)

    with imap_server([mail]) as stub:
        done = read_returns(
            sent, at(stub), root=tmp_path, environ=ENVIRON, now=NOW, context=trust()
        )

    assert done == Recorded(repeated=1)
    assert people(sent)["zoe"] == ("active", 1)


def test_a_missing_password_is_told_with_its_variable(engine: Engine, tmp_path: Path) -> None:
    with imap_server([]) as stub, pytest.raises(InputError, match=PASSWORD):
        read_returns(engine, at(stub), root=tmp_path, environ={}, now=NOW, context=trust())

    assert stub.seen == []
