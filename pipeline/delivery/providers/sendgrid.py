"""SendGrid's web API, through its official client with a plain dict for a body.

One call carries up to 1,000 people: the letter once, and for each the values of its places. The
client opens a connection per call and is kept inside this file; SMTP is a full equal. Limits:
https://www.twilio.com/docs/sendgrid/api-reference/mail-send/limitations

What comes back is read by :mod:`pipeline.delivery.sendgrid_events`.
"""

import base64
import http.client
import json
import logging
import re
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.error import URLError

from python_http_client.exceptions import HTTPError
from sendgrid import SendGridAPIClient

from pipeline.audience.address import needs_smtputf8, spell_address
from pipeline.delivery.events import Event
from pipeline.delivery.fields import BAD_NAME, leaving_fields
from pipeline.delivery.message import BAD_VALUE, Letter, picture_kind
from pipeline.delivery.places import ESCAPES, Context, Piece, Place
from pipeline.delivery.ports import Capabilities, Outcome, Recipient, State
from pipeline.delivery.sendgrid_events import WEBHOOK_KEY, read_webhook
from pipeline.delivery.wire import clean
from pipeline.errors import InputError, ProviderError
from pipeline.render.edition import picture_cid
from pipeline.settings import Sendgrid, Settings
from pipeline.words import mark

API_KEY: Final = "INFOLETTRE_SENDGRID_API_KEY"
MAX_PEOPLE: Final = 1000  # personalizations a call
MAX_SUBSTITUTIONS: Final = 10_000  # bytes a personalization
MAX_WAIT: Final = 3600.0  # seconds: what a header may make us wait at most

_NO_TRACKING: Final = {  # we send no pixel and no per-person link (T14), whatever the account says
    "click_tracking": {"enable": False, "enable_text": False},
    "open_tracking": {"enable": False},
    "subscription_tracking": {"enable": False},
    "ganalytics": {"enable": False},
}
_PLAIN_LINK: Final = re.compile(r"https://[A-Za-z0-9/:._-]+")  # the same in HTML, links and text
_PERSON: Final = re.compile(r"personalizations[.\[](\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slot:
    """A place of the letter as the API has it: ``escape`` its value, and put it for ``tag``."""

    tag: str
    name: str
    escape: Callable[[str], str]
    fallback: str


class _Person(NamedTuple):
    """One recipient and the personalization that stands for them."""

    recipient: Recipient
    body: dict[str, Any]


class _Body(bytes):
    """A call's body as it travels.

    The client writes every body into a line for its log, whether anybody reads it or not: that
    line would take as long as the JSON itself, and would hold a thousand addresses.
    """

    def __format__(self, spec: str) -> str:
        return f"{len(self)} bytes"

    def encode(self, encoding: str) -> "_Body":
        """Return itself: what is said to be no plain JSON the client encodes, as a text."""
        return self


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
        client.client.request_headers["Content-Type"] = "application/json; charset=utf-8"
        self._client = client
        self._place = settings.host
        self._is_stopped = False
        self._has_key = bool(api_key)
        self._webhook_key = webhook_key

    def send(self, letter: Letter, recipients: Sequence[Recipient]) -> Iterator[Outcome]:
        """Yield one outcome a recipient, call by call.

        Raises ProviderError where SendGrid refuses the key or the letter itself, or cannot be
        reached, InputError where there is no key.
        """
        if not self._has_key:
            raise InputError(_NO_KEY, variable=API_KEY)
        tags = _tags(letter)
        base, slots = _base(letter, tags), _slots(tags)
        people: list[_Person] = []
        for recipient in recipients:
            try:
                people.append(_Person(recipient, _personal(letter, recipient, slots)))
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

    def held(self, message_ids: Collection[str]) -> frozenset[str]:
        """Raise NotImplementedError: the API does not say whether a call that broke off counted."""
        raise NotImplementedError

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
            self._client.client.mail.send.post(request_body=_Body(json.dumps(body).encode()))
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


def _slots(tags: Mapping[Place, str]) -> list[_Slot]:
    return [
        _Slot(
            tag=tag,
            name=place.name,
            escape=_escape(place.context),
            fallback=ESCAPES[place.context](place.fallback),
        )
        for place, tag in tags.items()
    ]


@lru_cache(maxsize=len(Context))
def _escape(context: Context) -> Callable[[str], str]:
    """Return what makes a value fit for its place; it raises InputError at a CR, a LF or a NUL.

    First names come again and again, and are remembered. Links are each person's own, and nearly
    all as they should be already.
    """
    if context in (Context.COMPONENT, Context.MAILTO):
        return _remembered(context)
    remembered = _remembered(context)
    return lambda value: value if _PLAIN_LINK.fullmatch(value) else remembered(value)


def _remembered(context: Context) -> Callable[[str], str]:
    @lru_cache(maxsize=4096)
    def escape(value: str) -> str:
        return ESCAPES[context](clean(value, refusal=BAD_VALUE))

    return escape


def _personal(letter: Letter, recipient: Recipient, slots: Sequence[_Slot]) -> dict[str, Any]:
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
    values = {
        slot.tag: slot.escape(recipient.value_of(slot.name)) or slot.fallback for slot in slots
    }
    size = _octets(values)
    if size > MAX_SUBSTITUTIONS:
        raise InputError(
            mark("the values for “{address}” are too long: {found} bytes, at most {most}"),
            address=address,
            found=size,
            most=MAX_SUBSTITUTIONS,
        )
    name = clean(recipient.name, refusal=BAD_NAME)
    return {
        "to": [{"email": address, "name": name} if name else {"email": address}],
        "headers": {"Message-ID": letter.message_id(recipient), **dict(leaving_fields(recipient))},
        "substitutions": values,
        "custom_args": {"recipient": recipient.id, "campaign": letter.campaign},
    }


def _octets(values: Mapping[str, str]) -> int:
    """Return the size of substitutions in bytes of UTF-8."""
    whole = "".join([*values, *values.values()])
    return len(whole) if whole.isascii() else len(whole.encode())


_NO_KEY: Final = mark("SendGrid needs its key: put it in the variable {variable}")


def open_provider(
    *, settings: Settings, root: Path, environ: Mapping[str, str]
) -> SendgridProvider:
    """Read the keys. Raises InputError where the one to send with is missing.

    A machine that only hears events does with the webhook's key: what cannot send says so then.
    """
    api_key = environ.get(API_KEY, "").strip()
    webhook_key = environ.get(WEBHOOK_KEY, "").strip()
    if not (api_key or webhook_key):
        raise InputError(_NO_KEY, variable=API_KEY)
    if api_key and not re.fullmatch(r"[!-~]+", api_key):  # it goes into a header as it is
        raise InputError(
            mark("the key in {variable} has a character that no key has: copy it again"),
            variable=API_KEY,
        )
    return SendgridProvider(settings.sendgrid, api_key=api_key, webhook_key=webhook_key)
