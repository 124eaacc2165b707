"""Mails that came back, as servers write them, and as nobody should."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.delivery.bounces import MAX_MAIL, classify, read_bounce
from pipeline.delivery.events import Event, Kind

CASES: Final = Path(__file__).parents[1] / "cases/bounces"
REAL: Final = Path(__file__).parents[2] / "../shared/facts/components/dsn"
NOW: Final = datetime(2026, 11, 25, 12, tzinfo=UTC)
SENT: Final = "<0123456789abcdef@cercle.example>"
FILES: Final = sorted(CASES.glob("*.eml"))


def whose(address: str) -> str | None:
    """Know one envelope sender of ours."""
    return "zoe" if address == "bounce+token@cercle.example" else None


def read(name: str) -> list[Event]:
    return read_bounce((CASES / f"{name}.eml").read_bytes(), now=NOW, whose=whose)


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("unknown-user", Kind.HARD_BOUNCE, "5.1.1"),
        ("mailbox-full", Kind.SOFT_BOUNCE, "5.2.2"),
        ("blocked-by-policy", Kind.SOFT_BOUNCE, "5.7.1"),
        ("vague-status-full-in-prose", Kind.SOFT_BOUNCE, "5.0.0"),
        ("vague-status-exact-diagnostic", Kind.HARD_BOUNCE, "5.0.0"),
        ("waited-too-long", Kind.SOFT_BOUNCE, "4.4.7"),
        ("still-trying", Kind.DEFERRED, "4.4.1"),
        ("arrived", Kind.DELIVERED, "2.1.5"),
        ("headers-only", Kind.HARD_BOUNCE, "5.1.1"),
        ("forwarded", Kind.HARD_BOUNCE, "5.1.1"),
    ],
)
def test_a_delivery_report_is_one_event_of_the_right_kind(name: str, kind: Kind, code: str) -> None:
    (event,) = read(name)

    assert (event.kind, event.code) == (kind, code)
    assert event.recipient == "zoe"
    assert event.address == "zoe@ailleurs.example"
    assert event.message_id == SENT
    assert event.at == datetime(2026, 11, 23, 7, tzinfo=UTC)


def test_a_report_about_two_people_is_two_events() -> None:
    assert {one.address: one.kind for one in read("two-people")} == {
        "zoe@ailleurs.example": Kind.HARD_BOUNCE,
        "lea@ailleurs.example": Kind.SOFT_BOUNCE,
    }
    assert len({one.id for one in read("two-people")}) == 2


def test_without_our_envelope_sender_nobody_is_proven() -> None:
    (event,) = read("no-verp")

    assert event.recipient is None
    assert (event.address, event.message_id) == ("zoe@ailleurs.example", SENT)


@pytest.mark.parametrize(
    ("name", "kind", "address"),
    [
        ("complaint", Kind.COMPLAINT, "zoe@grand.example"),
        ("complaint-blotted-out", Kind.COMPLAINT, ""),
        ("opt-out", Kind.UNSUBSCRIBE, "zoe@grand.example"),
    ],
)
def test_a_feedback_report_finds_its_recipient_by_the_envelope_sender(
    name: str, kind: Kind, address: str
) -> None:
    (event,) = read(name)

    assert (event.kind, event.address) == (kind, address)
    assert (event.recipient, event.message_id) == ("zoe", SENT)
    assert "192.0.2.1" not in event.raw


@pytest.mark.parametrize(
    ("name", "kind"),
    [("qmail", Kind.HARD_BOUNCE), ("exim-without-report", Kind.SOFT_BOUNCE)],
)
def test_a_bounce_that_keeps_to_no_standard_is_read_too(name: str, kind: Kind) -> None:
    (event,) = read(name)

    assert (event.kind, event.address) == (kind, "zoe@ailleurs.example")
    assert event.recipient == "zoe"
    assert event.detail


@pytest.mark.parametrize(
    "name", ["auto-reply", "challenge", "a-person", "receipt", "not-spam", "relayed"]
)
def test_what_is_no_bounce_says_nothing(name: str) -> None:
    assert read(name) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_mail_read_twice_gives_the_same_events(file: Path) -> None:
    data = file.read_bytes()

    later = read_bounce(data, now=NOW + timedelta(hours=1), whose=whose)

    assert read_bounce(data, now=NOW, whose=whose) == later


@pytest.mark.parametrize(
    ("name", "kind", "address", "said"),
    [
        ("dsn1", Kind.HARD_BOUNCE, "absent@boite.test", "unknown user"),
        ("dsn2", Kind.HARD_BOUNCE, "absent@relais.test", "550 5.1.1"),
        ("dsn3", Kind.SOFT_BOUNCE, "u1@mort.test", "Connection refused"),
        ("dsn4", Kind.SOFT_BOUNCE, "lent@relais.test", "450 4.2.1"),
        ("exim1", Kind.HARD_BOUNCE, "absent@boite.test", "Unrouteable address"),
        ("exim2", Kind.SOFT_BOUNCE, "plein@boite.test", "552 5.2.2 Mailbox full"),
    ],
)
def test_reports_of_real_servers_are_read(name: str, kind: Kind, address: str, said: str) -> None:
    (event,) = read_real(name)

    assert (event.kind, event.address) == (kind, address)
    assert said in event.detail
    assert event.recipient == f"bounce+12-{address.replace('@', '=')}@news.test"
    assert event.message_id == "<179555072794.23811.2067532554855530567@news.test>"


def test_a_letter_that_arrived_is_no_bounce() -> None:
    assert read_real("delivered") == []


def read_real(name: str) -> list[Event]:
    file = REAL / f"{name}.eml"
    if not file.is_file():
        pytest.skip("the collection of real delivery reports is not beside the repository")
    return read_bounce(
        file.read_bytes(),
        now=NOW,
        whose=lambda address: address if address.startswith("bounce+") else None,
    )


# --- classes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "words", "kind"),
    [
        ("5.1.1", "", Kind.HARD_BOUNCE),
        ("5.2.1", "mailbox disabled", Kind.HARD_BOUNCE),
        ("5.4.4", "unable to route", Kind.HARD_BOUNCE),
        ("5.1.8", "bad sender", Kind.SOFT_BOUNCE),
        ("5.3.4", "too big", Kind.SOFT_BOUNCE),
        ("5.7.26", "unauthenticated mail", Kind.SOFT_BOUNCE),
        ("4.2.2", "", Kind.SOFT_BOUNCE),
        ("", "554 delivery error: dd no such account", Kind.HARD_BOUNCE),
        ("", "554 blocked by a dnsbl", Kind.SOFT_BOUNCE),
        ("5.0.0", "Disk quota exceeded", Kind.SOFT_BOUNCE),
        ("5.0.0", "552-5.2.2 over quota", Kind.SOFT_BOUNCE),
        ("5.0.0", "Postfix 2.11.3 says: no such user", Kind.HARD_BOUNCE),
        ("5.0.0", "host 192.0.2.4.5 said 550 #5.1.1 unknown", Kind.HARD_BOUNCE),
        ("5.1.1", "mailbox full", Kind.HARD_BOUNCE),
    ],
)
def test_the_status_decides_and_vague_ones_make_way_for_words(
    status: str, words: str, kind: Kind
) -> None:
    assert classify(status, words) is kind


# --- strangers --------------------------------------------------------------------------------


@given(st.binary(max_size=3000))
@example(b"Content-Type: multipart/report; boundary=\xff\n\n--\xff\n")
@example(b"Content-Type: multipart/report; boundary*=nope'\n\nx")
@example(b"From: MAILER-DAEMON\nContent-Type: text/plain; charset=nope\n\n\xff")
def test_no_bytes_stop_the_reading(data: bytes) -> None:
    assert len(read_bounce(data, now=NOW, whose=whose)) <= 20


@given(data=st.data(), file=st.sampled_from(FILES))
def test_no_damage_to_a_report_stops_the_reading(data: st.DataObject, file: Path) -> None:
    damaged = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at : at + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=20))

    for event in read_bounce(bytes(damaged), now=NOW, whose=whose):
        assert len(event.raw) <= 1000
        assert len(event.detail) <= 500


def test_a_mail_of_a_thousand_nested_parts_is_passed_over() -> None:
    nested = b"".join(
        b'Content-Type: multipart/report; boundary="%d"\n\n--%d\n' % (n, n) for n in range(1000)
    )

    assert read_bounce(nested, now=NOW) == []


def test_nested_messages_within_the_limit_are_survived() -> None:
    nested = b"Content-Type: multipart/digest; boundary=a\n\n--a\n\n" * 40

    assert read_bounce(nested, now=NOW) == []


def test_a_report_before_an_endless_letter_is_read() -> None:
    whole = (CASES / "unknown-user.eml").read_bytes().replace(b"Bonjour", b"x" * (2 * MAX_MAIL))

    (event,) = read_bounce(whole, now=NOW, whose=whose)

    assert event.kind is Kind.HARD_BOUNCE


def test_links_that_look_like_types_do_not_hide_a_report() -> None:
    links = b"https://cercle.example/message/1 " * 100
    whole = (CASES / "unknown-user.eml").read_bytes().replace(b"Bonjour", links)

    assert len(read_bounce(whole, now=NOW, whose=whose)) == 1


def test_a_report_about_ten_thousand_people_is_cut_short() -> None:
    block = b"Final-Recipient: rfc822; a%d@b.example\nAction: failed\nStatus: 5.1.1\n\n"
    blocks = b"".join(block % n for n in range(5000))
    head = b"Content-Type: multipart/report; boundary=B\n\n--B\n"
    mail = head + b"Content-Type: message/delivery-status\n\nReporting-MTA: x\n\n" + blocks

    assert len(read_bounce(mail, now=NOW)) == 20


@pytest.mark.parametrize("date", ["Mon, 23 Nov 1970 07:00:00 +0000", "tomorrow", ""])
def test_a_date_that_cannot_be_true_is_now(date: str) -> None:
    data = (CASES / "unknown-user.eml").read_text().replace("Mon, 23 Nov 2026 07:00:00 +0000", date)

    (event,) = read_bounce(data.encode(), now=NOW)

    assert event.at == NOW
