"""SendGrid's Event Webhook: who may speak, what is heard, and what is not kept."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from pipeline.delivery.events import Event, Kind, WebhookError
from pipeline.delivery.sendgrid_events import MAX_EVENTS, read_webhook
from pipeline.errors import InputError

NOW: Final = datetime(2026, 11, 25, 12, tzinfo=UTC)
SENT: Final = int((NOW - timedelta(hours=1)).timestamp())
OURS: Final = ec.generate_private_key(ec.SECP256R1())
THEIRS: Final = ec.generate_private_key(ec.SECP256R1())


def public(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


def sign(
    body: bytes, *, at: datetime = NOW, key: ec.EllipticCurvePrivateKey = OURS
) -> dict[str, str]:
    """Return the two headers of a request, as SendGrid writes them."""
    timestamp = str(int(at.timestamp()))
    signature = key.sign(timestamp.encode() + body, ec.ECDSA(SHA256()))
    return {
        "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
    }


def an_event(event: str, **fields: Any) -> dict[str, Any]:
    return {
        "email": "zoe@ailleurs.example",
        "event": event,
        "timestamp": SENT,
        "sg_event_id": f"id-{event}",
        "sg_message_id": "abc.filter",
        "smtp-id": "<0123@cercle.example>",
        "recipient": "r1",
        "campaign": "2026-11-20-des-cafes",
        "ip": "192.0.2.44",
        "useragent": "Mail",
    } | fields


def read(*events: Any, headers: Mapping[str, str] | None = None) -> list[Event]:
    body = json.dumps(events).encode()
    return read_webhook(headers or sign(body), body, key=public(OURS), now=NOW)


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (an_event("delivered", response="250 OK"), Kind.DELIVERED),
        (an_event("deferred", response="451 4.7.1 later"), Kind.DEFERRED),
        (an_event("bounce", type="bounce", status="5.1.1", reason="550"), Kind.HARD_BOUNCE),
        (an_event("bounce", status="5.1.1"), Kind.HARD_BOUNCE),
        (an_event("bounce", type="bounce", status="5.2.2", reason="full"), Kind.SOFT_BOUNCE),
        (an_event("bounce", type="blocked", status="5.1.1"), Kind.SOFT_BOUNCE),
        (an_event("spamreport"), Kind.COMPLAINT),
        (an_event("unsubscribe"), Kind.UNSUBSCRIBE),
        (an_event("group_unsubscribe", asm_group_id=10), Kind.UNSUBSCRIBE),
        (an_event("dropped", reason="Bounced Address"), Kind.HARD_BOUNCE),
        (an_event("dropped", reason="Spam Reporting Address"), Kind.COMPLAINT),
        (an_event("dropped", reason="Unsubscribed Address"), Kind.UNSUBSCRIBE),
        (an_event("dropped", reason="Recipient List over Package Quota"), Kind.DROPPED),
    ],
)
def test_each_event_is_read_in_our_words(event: dict[str, Any], kind: Kind) -> None:
    (found,) = read(event)

    assert found.kind is kind
    assert (found.recipient, found.campaign) == ("r1", "2026-11-20-des-cafes")
    assert (found.address, found.message_id) == ("zoe@ailleurs.example", "<0123@cercle.example>")
    assert found.at == datetime.fromtimestamp(SENT, UTC)
    assert found.id == f"id-{event['event']}"


@pytest.mark.parametrize(
    "event", ["processed", "open", "click", "group_resubscribe", "something_new", "", None, 7]
)
def test_what_is_not_ours_to_keep_is_passed_over(event: Any) -> None:
    assert read(an_event(event), "text", None, 7, [], {}) == []


def test_what_says_where_a_person_reads_is_not_kept() -> None:
    (found,) = read(an_event("delivered"))

    assert "192.0.2.44" not in repr(found) + found.raw
    assert "useragent" not in found.raw


def test_a_mail_that_we_did_not_mark_has_no_recipient() -> None:
    (found,) = read({"event": "bounce", "email": "zoe@ailleurs.example", "timestamp": SENT})

    assert (found.recipient, found.campaign) == (None, "")


def test_an_event_without_an_id_has_the_same_one_when_it_is_heard_again() -> None:
    event = an_event("delivered", sg_event_id=None)

    first, again = read(event, dict(reversed(event.items())))

    assert first.id == again.id


@pytest.mark.parametrize("timestamp", [None, "1", -1, 0, 1e300, SENT * 1000, True])
def test_a_time_that_cannot_be_is_now(timestamp: Any) -> None:
    (found,) = read(an_event("delivered", timestamp=timestamp))

    assert found.at in (NOW, datetime.fromtimestamp(1, UTC))


def test_words_without_end_are_cut() -> None:
    (found,) = read(
        an_event("bounce", reason="x\r\n" * 9000, status="5" * 900, recipient="r" * 900)
    )

    assert len(found.detail) == 500
    assert len(found.code) == len(found.recipient or "") == 200
    assert len(found.raw) <= 1000


# --- who may speak ----------------------------------------------------------------------------

BODY: Final = json.dumps([an_event("spamreport")]).encode()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        sign(BODY, key=THEIRS),
        sign(BODY + b" "),
        sign(BODY) | {"X-Twilio-Email-Event-Webhook-Signature": "????"},
        sign(BODY) | {"X-Twilio-Email-Event-Webhook-Signature": "é"},
        sign(BODY) | {"X-Twilio-Email-Event-Webhook-Timestamp": str(int(NOW.timestamp()) + 1)},
    ],
)
def test_a_request_that_is_not_signed_with_our_key_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(WebhookError, match="not signed with our key"):
        read_webhook(headers, BODY, key=public(OURS), now=NOW)


@pytest.mark.parametrize("minutes", [-11, 11, -60 * 24])
def test_a_signature_of_another_time_is_refused(minutes: int) -> None:
    headers = sign(BODY, at=NOW + timedelta(minutes=minutes))

    with pytest.raises(WebhookError, match="10 minutes"):
        read_webhook(headers, BODY, key=public(OURS), now=NOW)


@pytest.mark.parametrize("minutes", [-10, 0, 10])
def test_clocks_may_differ_a_little(minutes: int) -> None:
    headers = sign(BODY, at=NOW + timedelta(minutes=minutes))

    assert len(read_webhook(headers, BODY, key=public(OURS), now=NOW)) == 1


def test_headers_are_known_in_any_case() -> None:
    headers = {name.lower(): value for name, value in sign(BODY).items()}

    assert len(read_webhook(headers, BODY, key=public(OURS), now=NOW)) == 1


@pytest.mark.parametrize("body", [b"", b"{}", b"{", b"7", b"\xff", b"[" * 100_000, b"9" * 9000])
def test_what_is_signed_but_no_list_is_refused(body: bytes) -> None:
    with pytest.raises(WebhookError, match="not a list"):
        read_webhook(sign(body), body, key=public(OURS), now=NOW)


def test_a_request_without_end_is_refused_before_it_is_looked_at() -> None:
    with pytest.raises(WebhookError, match=f"at most {MAX_EVENTS}"):
        read_webhook({}, b" " * (MAX_EVENTS + 1), key=public(OURS), now=NOW)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "nonsense",
        "é",
        public(ec.generate_private_key(ec.SECP384R1())),
        public(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
    ],
)
def test_a_key_that_is_none_is_named(key: str) -> None:
    with pytest.raises(InputError, match="INFOLETTRE_SENDGRID_WEBHOOK_KEY") as raised:
        read_webhook(sign(BODY), BODY, key=key, now=NOW)

    assert not isinstance(raised.value, WebhookError)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
NAMES: Final = "event type status reason response timestamp sg_event_id recipient email".split()


@given(
    fields=st.dictionaries(st.sampled_from(NAMES), json_values),
    kind=st.sampled_from(["bounce", "dropped"]),
)
def test_no_value_stops_the_reading(fields: dict[str, Any], kind: str) -> None:
    for event in read({"event": kind} | fields):
        assert event.id
        assert event.at <= NOW
