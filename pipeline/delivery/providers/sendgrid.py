"""SendGrid's web API, through its official client with a plain dict for a body.

One call carries up to 1,000 people: the letter once, and for each the values of its places. The
client opens a connection per call and is kept inside this file; SMTP is a full equal. Limits:
https://www.twilio.com/docs/sendgrid/api-reference/mail-send/limitations

What comes back is read here too, in the words of
https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
"""

import base64
import http.client
import json
import logging
import re
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError

from python_http_client.exceptions import HTTPError
from sendgrid import SendGridAPIClient

from pipeline.audience.address import needs_smtputf8, spell_address
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
from pipeline.delivery.fields import BAD_NAME, leaving_fields
from pipeline.delivery.message import Letter, picture_kind, value_at
from pipeline.delivery.places import Piece, Place
from pipeline.delivery.ports import Capabilities, Outcome, Recipient, State
from pipeline.delivery.signature import check_signature, read_key
from pipeline.delivery.wire import clean
from pipeline.errors import InputError, ProviderError
from pipeline.render.edition import picture_cid
from pipeline.settings import Sendgrid, Settings
from pipeline.words import mark

API_KEY: Final = "INFOLETTRE_SENDGRID_API_KEY"
WEBHOOK_KEY: Final = "INFOLETTRE_SENDGRID_WEBHOOK_KEY"  # the public half: base64 of DER
MAX_PEOPLE: Final = 1000  # personalizations a call
MAX_SUBSTITUTIONS: Final = 10_000  # bytes a personalization
MAX_WAIT: Final = 3600.0  # seconds: what a header may make us wait at most
MAX_EVENTS: Final = 2_000_000  # bytes of one request; SendGrid makes them of 768 KB at most

_HEADER: Final = "x-twilio-email-event-webhook-"

_NO_TRACKING: Final = {  # we send no pixel and no per-person link (T14), whatever the account says
    "click_tracking": {"enable": False, "enable_text": False},
    "open_tracking": {"enable": False},
    "subscription_tracking": {"enable": False},
    "ganalytics": {"enable": False},
}
_PERSON: Final = re.compile(r"personalizations[.\[](\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Person:
    """One recipient and the personalization that stands for them."""

    recipient: Recipient
    body: dict[str, Any]


_People = Sequence[_Person]
_Result = tuple[list[Outcome], list[_People]]


class SendgridProvider:
    """Hands batches to ``POST /v3/mail/send``."""

    name = "sendgrid"
    capabilities = Capabilities(batch=MAX_PEOPLE)

    def __init__(self, settings: Sendgrid, *, api_key: str, webhook_key: str = "") -> None:
        # At DEBUG the client logs the headers, and the key is one of them.
        logging.getLogger("python_http_client").setLevel(logging.INFO)
        client = SendGridAPIClient(api_key, host=settings.host.rstrip("/"))
        client.client.timeout = settings.timeout
        self._client = client
        self._place = settings.host
        self._is_stopped = False
        self._webhook_key = webhook_key

    def send(self, letter: Letter, recipients: Sequence[Recipient]) -> Iterator[Outcome]:
        """Yield one outcome a recipient, call by call.

        Raises ProviderError where SendGrid refuses the key or the letter itself, or cannot be
        reached.
        """
        tags = _tags(letter)
        base = _base(letter, tags)
        people: list[_Person] = []
        for recipient in recipients:
            try:
                people.append(_Person(recipient=recipient, body=_personal(letter, recipient, tags)))
            except InputError as error:
                yield Outcome(
                    recipient=recipient.id, state=State.FAILED, detail=str(error), error=error
                )
        calls: deque[_People] = deque(
            people[start : start + MAX_PEOPLE] for start in range(0, len(people), MAX_PEOPLE)
        )
        while calls and not self._is_stopped:
            outcomes, again = self._call(base, calls.popleft())
            yield from outcomes
            calls.extendleft(reversed(again))
            if outcomes and outcomes[-1].code == "429":  # the next call would hear the same
                wait, rest = outcomes[-1].retry_after, [one for call in calls for one in call]
                yield from _all(rest, State.DEFERRED, code="429", retry_after=wait)
                return

    def read_events(self, headers: Mapping[str, str], body: bytes) -> list[Event]:
        """Return the events of one signed request of the Event Webhook."""
        return read_webhook(headers, body, key=self._webhook_key, now=datetime.now(UTC))

    def stop(self) -> None:
        """Make no further call; the one under way is answered."""
        self._is_stopped = True

    def close(self) -> None:
        """Do nothing: the client keeps no connection."""

    def _call(self, base: dict[str, Any], people: _People) -> _Result:
        """Make one call; return what became of its people, and who is to be called again."""
        body = base | {"personalizations": [person.body for person in people]}
        try:
            self._client.client.mail.send.post(request_body=body)
        except HTTPError as error:
            return _read_answer(people, error)
        except URLError as error:  # urllib wraps only what happens before the request has left
            reason = error.reason
            refused = isinstance(reason, ConnectionRefusedError)
            if isinstance(reason, ConnectionError) and not refused:  # while it was being sent
                return _all(people, State.DEFERRED, detail=str(reason)), []
            raise ProviderError(
                mark("no connection to {place} ({reason}): check “sendgrid.host”, or try later"),
                retryable=True,
                place=self._place,
                reason=reason,
            ) from None
        except (OSError, http.client.HTTPException) as error:
            return _all(people, State.UNCERTAIN, detail=str(error) or type(error).__name__), []
        return _all(people, State.ACCEPTED, code="202"), []


def _read_answer(people: _People, error: HTTPError) -> _Result:
    """Say what an error answer means for each of the call, and who is worth another one.

    Raises ProviderError where it means the same for everybody who is still to come.
    """
    status, words = int(error.status_code), _words(error)
    if status in (401, 403):
        raise ProviderError(
            mark(
                "SendGrid refuses the key in {variable} ({reason}): check that it is whole,"
                " may send mail, and that the sender is verified"
            ),
            variable=API_KEY,
            reason=words,
        )
    if status == 429 or status >= 500:
        wait = _retry_after(error.headers, now=time.time()) if status == 429 else None
        return _all(people, State.DEFERRED, str(status), words, retry_after=wait), []
    # One bad address refuses the whole call, but its field says whose it is.
    culprits = _culprits(error, count=len(people)) if status == 400 else set()
    if culprits:
        failed = [people[at] for at in sorted(culprits)]
        others = [one for at, one in enumerate(people) if at not in culprits]
        return _all(failed, State.FAILED, "400", words), [others] if others else []
    if len(people) == 1:
        return _all(people, State.FAILED, str(status), words), []
    if status == 413 or "personalizations" in words:
        half = len(people) // 2
        return [], [people[:half], people[half:]]
    raise ProviderError(
        mark("SendGrid refuses the letter, whoever it is for: {reason}"), reason=words
    )


def _all(
    people: _People,
    state: State,
    code: str = "",
    detail: str = "",
    *,
    retry_after: float | None = None,
) -> list[Outcome]:
    return [
        Outcome(
            recipient=person.recipient.id,
            state=state,
            code=code,
            detail=detail,
            retry_after=retry_after,
        )
        for person in people
    ]


def _errors(error: HTTPError) -> list[dict[str, Any]]:
    try:
        found = json.loads(error.body)["errors"]
        return [one for one in found if isinstance(one, dict)]
    except (ValueError, KeyError, TypeError):
        return []


def _words(error: HTTPError) -> str:
    """Return SendGrid's own words: ``field: message``, one after the other."""
    said = [
        f"{one.get('field') or ''}: {one.get('message')}".lstrip(": ") for one in _errors(error)
    ]
    return "; ".join(said)[:500] or f"{error.status_code} {error.reason}"


def _culprits(error: HTTPError, *, count: int) -> set[int]:
    """Return which personalizations a 400 names: one bad address refuses all the call's people."""
    fields = (str(one.get("field")) for one in _errors(error))
    found = {int(match[1]) for field in fields if (match := _PERSON.match(field))}
    return {at for at in found if at < count}


def _retry_after(headers: Any, *, now: float) -> float | None:
    """Return the seconds to wait: Retry-After in seconds, or the time of X-RateLimit-Reset."""
    for name, origin in (("Retry-After", 0.0), ("X-RateLimit-Reset", now)):
        try:
            return min(MAX_WAIT, max(0.0, float(headers[name]) - origin))
        except (KeyError, TypeError, ValueError):
            continue
    return None


def _tags(letter: Letter) -> dict[Place, str]:
    """Name the places: ``-first_name.1:html-``, a word that is nowhere in the letter itself."""
    pieces = (*letter.subject, *letter.text, *letter.html)
    standing = "\0".join(piece for piece in pieces if isinstance(piece, str))
    tags: dict[Place, str] = {}
    number = 0
    for place in dict.fromkeys(piece for piece in pieces if isinstance(piece, Place)):
        number += 1
        while (tag := f"-{place.name}.{number}:{place.context.value}-") in standing:
            number += 1
        tags[place] = tag
    return tags


def _base(letter: Letter, tags: Mapping[Place, str]) -> dict[str, Any]:
    """Return the part of the body that is the same in every call."""

    def text(pieces: Sequence[Piece]) -> str:
        return "".join(piece if isinstance(piece, str) else tags[piece] for piece in pieces)

    frame = letter.frame
    base: dict[str, Any] = {
        "from": {"email": frame.address} | ({"name": frame.name} if frame.name else {}),
        "subject": text(letter.subject),
        "content": [
            {"type": "text/plain", "value": text(letter.text)},
            {"type": "text/html", "value": text(letter.html)},
        ],
        "headers": {name: value.replace("\r\n", "") for name, value in frame.fields},
        "tracking_settings": _NO_TRACKING,
    }
    if frame.reply_to:
        base["reply_to"] = {"email": frame.reply_to}
    if letter.pictures:
        base["attachments"] = [
            {
                "content": base64.b64encode(data).decode("ascii"),
                "type": picture_kind(data),
                "filename": name,
                "disposition": "inline",
                "content_id": picture_cid(name),
            }
            for name, data in sorted(letter.pictures.items())
        ]
    return base


def _personal(letter: Letter, recipient: Recipient, tags: Mapping[Place, str]) -> dict[str, Any]:
    """Return a personalization. Raises InputError where it cannot stand in the API.

    Message-ID is not among the headers that the API reserves; ``custom_args`` come back with
    every event, so that an outcome finds its recipient without an address.
    """
    address = spell_address(recipient.address)
    if needs_smtputf8(address):
        raise InputError(
            mark(
                "“{address}” has letters before “@” that SendGrid cannot carry: ask the person for"
                " another address, or send by SMTP"
            ),
            address=address,
        )
    values = {tag: value_at(place, recipient) for place, tag in tags.items()}
    size = sum(len(tag.encode()) + len(value.encode()) for tag, value in values.items())
    if size > MAX_SUBSTITUTIONS:
        raise InputError(
            mark("the values for “{address}” are too long: {found} bytes, at most {most}"),
            address=address,
            found=size,
            most=MAX_SUBSTITUTIONS,
        )
    name = clean(recipient.name, refusal=BAD_NAME)
    return {
        "to": [{"email": address} | ({"name": name} if name else {})],
        "headers": dict(leaving_fields(recipient)) | {"Message-ID": letter.message_id(recipient)},
        "substitutions": values,
        "custom_args": {"recipient": recipient.id, "campaign": letter.campaign},
    }


def open_provider(
    *, settings: Settings, root: Path, environ: Mapping[str, str]
) -> SendgridProvider:
    """Read the key. Raises InputError where it is missing."""
    api_key = environ.get(API_KEY, "").strip()
    if not api_key:
        raise InputError(
            mark("SendGrid needs its key: put it in the variable {variable}"), variable=API_KEY
        )
    if not re.fullmatch(r"[!-~]+", api_key):  # it goes into a header as it is
        raise InputError(
            mark("the key in {variable} has a character that no key has: copy it again"),
            variable=API_KEY,
        )
    webhook_key = environ.get(WEBHOOK_KEY, "").strip()
    return SendgridProvider(settings.sendgrid, api_key=api_key, webhook_key=webhook_key)


# --- what comes back --------------------------------------------------------------------------

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
