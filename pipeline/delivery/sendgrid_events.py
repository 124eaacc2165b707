"""What SendGrid's Event Webhook says, in our words: signed requests, read into events.

Its words are those of
https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
Values in, values out; who hears the request is :mod:`pipeline.web.webhooks`' concern.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from pipeline.delivery.bounces import classify
from pipeline.delivery.events import (
    MAX_NAME,
    MAX_RAW,
    Event,
    Kind,
    WebhookError,
    event_id,
    one_line,
)
from pipeline.delivery.signature import check_signature, read_key
from pipeline.errors import InputError
from pipeline.words import mark

WEBHOOK_KEY: Final = "INFOLETTRE_SENDGRID_WEBHOOK_KEY"  # the public half: base64 of DER
MAX_EVENTS: Final = 2_000_000  # bytes of one request; SendGrid makes them of 768 KB at most

_HEADER: Final = "x-twilio-email-event-webhook-"

#: Opens and clicks are not kept (T14). "processed" says nothing new, and who takes an unsubscribe
#: from a group back at SendGrid has not consented with us.
_KINDS: Final = {
    "delivered": Kind.DELIVERED,
    "deferred": Kind.DEFERRED,
    "spamreport": Kind.COMPLAINT,
    "unsubscribe": Kind.UNSUBSCRIBE,
    "group_unsubscribe": Kind.UNSUBSCRIBE,
}
#: SendGrid drops what is on its own lists; the reason says on which.
_DROPPED: Final = (
    ("bounced address", Kind.HARD_BOUNCE),
    ("spam reporting address", Kind.COMPLAINT),
    ("unsubscribed address", Kind.UNSUBSCRIBE),
)
_SHOWN: Final = "event type status bounce_classification asm_group_id sg_message_id".split()


def read_webhook(
    headers: Mapping[str, str], body: bytes, *, key: str, now: datetime
) -> list[Event]:
    """Check size, signature and time of a request, and return its events.

    Raises WebhookError where one of them is wrong, InputError where ``key`` is missing or none.
    """
    if not key:
        raise InputError(
            mark(
                "SendGrid's events cannot be checked: put the verification key of its Event Webhook"
                " into the variable {variable}"
            ),
            variable=WEBHOOK_KEY,
        )
    if len(body) > MAX_EVENTS:
        raise WebhookError(
            mark("the events are too long: {found} bytes, at most {most}"),
            found=len(body),
            most=MAX_EVENTS,
        )
    given = {name.lower(): value for name, value in headers.items()}
    check_signature(
        body,
        signature=given.get(f"{_HEADER}signature", ""),
        timestamp=given.get(f"{_HEADER}timestamp", ""),
        key=read_key(key, variable=WEBHOOK_KEY),
        now=now,
    )
    events = (_event(one, now=now) for one in _batch(body))
    return [event for event in events if event]


def _batch(body: bytes) -> list[dict[str, Any]]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list):
        raise WebhookError(mark("the events are not a list in JSON: nothing of them was taken"))
    return [one for one in found if isinstance(one, dict)]


def _event(one: Mapping[str, Any], *, now: datetime) -> Event | None:
    """Return an event in our words, or None where it is none of ours."""

    def text(name: str) -> str:
        return one_line(str(one.get(name) or ""), most=MAX_NAME)

    reason = one_line(str(one.get("reason") or one.get("response") or ""))
    kind = _kind_of(text("event"), text("type"), text("status"), reason)
    if kind is None:
        return None
    shown = {name: text(name) for name in _SHOWN if name in one}
    return Event(
        kind=kind,
        at=_moment(one.get("timestamp"), now=now),
        id=text("sg_event_id") or event_id(json.dumps(one, sort_keys=True)),
        recipient=text("recipient") or None,
        campaign=text("campaign"),
        address=text("email"),
        message_id=text("smtp-id"),
        code=text("status"),
        detail=reason,
        raw=json.dumps(shown)[:MAX_RAW],
    )


def _kind_of(event: str, type_: str, status: str, reason: str) -> Kind | None:
    if event == "bounce":  # "blocked": refused for now, for what we are rather than who they are
        return Kind.SOFT_BOUNCE if type_ == "blocked" else classify(status, reason)
    if event == "dropped":
        said = reason.lower()
        return next((kind for word, kind in _DROPPED if word in said), Kind.DROPPED)
    return _KINDS.get(event)


def _moment(found: object, *, now: datetime) -> datetime:
    """Return a time in seconds; ``now`` where it is none, or is to come."""
    if isinstance(found, int | float) and 0 < found < now.timestamp():
        return datetime.fromtimestamp(found, UTC)
    return now
