"""A mail that came back, read into events: delivery reports, complaints, and older habits.

Delivery reports are RFC 3464, their status codes RFC 3463, complaints RFC 5965 (ARF); what keeps
to no standard is left to ``flufl.bounce``. Whatever a stranger sends is bounded in size and depth
and at worst says nothing. Where mails come from, and what follows, are elsewhere.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, message_from_string
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from itertools import pairwise
from typing import Final

from flufl.bounce import all_failures

from pipeline.delivery.events import MAX_NAME, MAX_RAW, Event, Kind, event_id, one_line

MAX_MAIL: Final = 512_000  # bytes read: a report comes first, the returned letter last
MAX_PARTS: Final = 48  # multiparts and messages within a mail; parsing them is recursive
MAX_REPORTS: Final = 20  # recipients in one report
MAX_PLAIN: Final = 8_000  # characters of a server's own words
MAX_AGE: Final = timedelta(days=30)  # a date before that is a wrong clock's

_NESTING: Final = re.compile(
    rb"content-type:[\s\x1c-\x1f]*(?:multipart|message)/",
    re.IGNORECASE,  # as the parser strips
)
_STATUS: Final = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
#: In prose a version may look like a status: it counts behind a reply code, or qmail's "#".
_SAID: Final = re.compile(r"(?:\b[45]\d\d[ -]|#)([45])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_TO: Final = ("To", "Delivered-To", "X-Original-To", "Envelope-To")  # Postfix's two, Exim's
_MESSAGE_ID: Final = re.compile(r"<[!-;=?-~]{1,200}@[!-;=?-~]{1,200}>")

#: Class 5 says permanent (RFC 3463 §2), but of these the address is not to blame, and the next
#: letter may arrive: sender refused (1.7, 1.8), mailbox full (2.2), too long (2.3), system full
#: (3.1), too big (3.4), routing loop (4.6), expired (4.7), content (6.x), policy (7.x).
_SOFT_DETAILS: Final = frozenset("1.7 1.8 2.2 2.3 3.1 3.4 4.6 4.7".split())
_SOFT_SUBJECTS: Final = frozenset("67")
#: Some servers (Exim) say 5.0.0 of everything and the rest in prose.
_SOFT_WORDS: Final = re.compile(
    r"mailbox (?:is )?(?:over)?full|(?:over|exceed\w*|out of|disk) ?quota|quota (?:is )?exceeded"
    r"|insufficient (?:system |disk )?storage|bo[iî]te .{0,60}pleine"
    r"|spamhaus|dnsbl|black ?list|block ?list|(?:blocked|rejected) .{0,40}\bspam\b"
    r"|retry (?:timeout|time not reached)|connection (?:refused|timed out)|temporar(?:y|ily)",
    re.IGNORECASE,
)
_DAEMON: Final = re.compile(
    r"mailer-?daemon|mail-?daemon|postmaster|mail delivery (?:sub)?system", re.IGNORECASE
)
_COMPLAINTS: Final = {  # RFC 5965 §7.3; not-spam, virus and auth-failure are no complaint of us
    "abuse": Kind.COMPLAINT,
    "fraud": Kind.COMPLAINT,
    "opt-out": Kind.UNSUBSCRIBE,
    "opt-out-list": Kind.UNSUBSCRIBE,
}
_ACTIONS: Final = {"delayed": Kind.DEFERRED, "delivered": Kind.DELIVERED}  # RFC 3464 §2.3.3

_Whose = Callable[[str], str | None]


def _nobody(address: str) -> None:
    """Know of no envelope sender of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mail:
    """A mail that came back, and what all of its events share."""

    message: Message
    parts: tuple[Message, ...]
    at: datetime
    digest: str
    recipient: str | None
    returned: str

    def event(
        self, kind: Kind, address: str, *, code: str = "", detail: str = "", raw: str = ""
    ) -> Event:
        """Return an event of this mail; read again, it has the same id."""
        return Event(
            kind=kind,
            at=self.at,
            id=event_id(self.digest, kind, address),
            recipient=self.recipient,
            address=one_line(address, most=MAX_NAME),
            message_id=self.returned,
            code=code,
            detail=one_line(detail),
            raw=raw[:MAX_RAW],
        )


def read_bounce(message: bytes, *, now: datetime, whose: _Whose = _nobody) -> list[Event]:
    """Return what a mail says of our messages: nothing, of an auto-reply or a stranger's letter.

    ``whose`` tells the recipient of an envelope sender of ours: see
    :func:`pipeline.delivery.verp.verp_reader`.
    """
    message = message[:MAX_MAIL]
    if len(_NESTING.findall(message)) > MAX_PARTS:
        return []
    mail = _open(message, now=now, whose=whose)
    if mail is None:
        return []
    if feedback := _part(mail, "message/feedback-report"):
        return list(_complaint(mail, feedback))
    if status := _part(mail, "message/delivery-status"):
        return list(_delivery_report(mail, status))
    if mail.message.get_content_type() == "multipart/report" or not _is_from_a_server(mail.message):
        return []  # a receipt (RFC 8098), an auto-reply (RFC 3834), a challenge, a person
    return list(_old_habits(mail))


def classify(status: str, words: str) -> Kind:
    """Return a hard or a soft bounce, by a status code of RFC 3463 and the server's words.

    A code that says nothing (5.0.0), or none, makes way for the first in ``words`` that does;
    without one, the words themselves are looked at. ``Action`` is not: Postfix says "failed" of a
    letter that waited too long, with a status of class 4.

    >>> classify("5.0.0", "552 5.2.2 Mailbox full")
    <Kind.SOFT_BOUNCE: 'soft_bounce'>
    """
    codes = _STATUS.findall(status) + _SAID.findall(words)
    told = next((one for one in codes if one[1] != "0"), codes[0] if codes else ("5", "0", "0"))
    if told[0] != "5":
        return Kind.SOFT_BOUNCE
    if told[1] in _SOFT_SUBJECTS or f"{told[1]}.{told[2]}" in _SOFT_DETAILS:
        return Kind.SOFT_BOUNCE
    is_vague = told[2] == "0" or told[1] == "0"
    return Kind.SOFT_BOUNCE if is_vague and _SOFT_WORDS.search(words) else Kind.HARD_BOUNCE


# --- the mail ---------------------------------------------------------------------------------


def _open(data: bytes, *, now: datetime, whose: _Whose) -> _Mail | None:
    try:
        message = message_from_bytes(data)
    except (ValueError, LookupError, RecursionError, TypeError, AttributeError):
        return None  # the parser promises not to raise, and mostly keeps it
    payload = message.get_payload()
    parts = (
        tuple(one for one in payload if isinstance(one, Message))
        if isinstance(payload, list)
        else ()
    )
    returned = _returned(parts)
    feedback = _fields(next((one for one in parts if _is(one, "message/feedback-report")), None))
    envelope = [
        *(_header(message, name) for name in _TO),
        _header(feedback, "Original-Mail-From"),
        _header(returned, "Return-Path"),
    ]
    found = _MESSAGE_ID.search(_header(returned, "Message-ID"))
    return _Mail(
        message=message,
        parts=parts,
        at=_date(_header(message, "Date"), now=now),
        digest=event_id(data.decode("latin-1")),
        recipient=next((who for one in _addresses(envelope) if (who := whose(one))), None),
        returned=found[0] if found else "",
    )


def _part(mail: _Mail, content_type: str) -> Message | None:
    """Return the first such part; the returned letter's own parts are not looked at."""
    return next((one for one in mail.parts if _is(one, content_type)), None)


def _is(part: Message, content_type: str) -> bool:
    return part.get_content_type() == content_type


def _returned(parts: tuple[Message, ...]) -> Message:
    """Return the head of the letter that came back, or an empty one (RFC 3464 §2, RFC 6522)."""
    for part in parts:
        if _is(part, "message/rfc822"):
            return _fields(part)
        if _is(part, "text/rfc822-headers"):
            try:
                return message_from_string(_text(part))
            except (ValueError, LookupError, RecursionError, TypeError, AttributeError):
                break
    return Message()


def _fields(part: Message | None) -> Message:
    """Return the message within a part, whose header fields are what it says."""
    inner = part.get_payload() if part is not None else None
    first = inner[0] if isinstance(inner, list) and inner else None
    return first if isinstance(first, Message) else Message()


def _header(message: Message, name: str) -> str:
    """Return a field's text; broken bytes and folds are no reason to fail."""
    value = str(message.get(name, ""))[:4000]
    return value.encode("utf-8", "replace").decode("utf-8")


def _addresses(values: list[str]) -> Iterator[str]:
    for _, address in getaddresses([value for value in values if value]):
        if "@" in address:
            yield address


def _date(text: str, *, now: datetime) -> datetime:
    """Return the mail's own date where it can be true, else ``now``."""
    try:
        found = parsedate_to_datetime(text)
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
        return found if now - MAX_AGE <= found <= now else now
    except (ValueError, TypeError, OverflowError, IndexError):
        return now


def _text(part: Message) -> str:
    """Return the text of a part, whatever it says of its charset."""
    try:
        raw = part.get_payload(decode=True)
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""
    return raw.decode("utf-8", "replace")[:MAX_PLAIN] if isinstance(raw, bytes) else ""


def _words(mail: _Mail) -> str:
    """Return the prose that a report opens with."""
    for part in mail.parts or (mail.message,):
        if part.get_content_maintype() == "text":
            return _text(part)
    return ""


# --- what it says -----------------------------------------------------------------------------


def _delivery_report(mail: _Mail, status: Message) -> Iterator[Event]:
    """Yield an event for each recipient of a report (RFC 3464 §2.3)."""
    blocks = status.get_payload()
    if not isinstance(blocks, list):
        return
    told = [one for one in blocks if isinstance(one, Message) and one.get("Action")]
    # The prose is about everybody: it counts where a report is about one person alone.
    words = _words(mail) if len(told) == 1 else ""
    for block in told[:MAX_REPORTS]:
        address = _reported(block)
        code, said = _header(block, "Status"), _header(block, "Diagnostic-Code")
        if kind := _kind_of(_header(block, "Action"), code, said or words):
            found = _STATUS.search(code)
            yield mail.event(
                kind,
                address,
                code=found[0] if found else "",
                detail=said or _reason_in(words, address),
                raw="\n".join(f"{name}: {one_line(_header(block, name))}" for name in block),
            )


def _kind_of(action: str, status: str, words: str) -> Kind | None:
    """Read an Action (RFC 3464 §2.3.3); "relayed" and "expanded" say nothing of how it ended."""
    action = action.strip().lower()
    if action.startswith(("fail", "error")):  # OpenSMTPD says "error"
        return classify(status, words)
    return next((kind for word, kind in _ACTIONS.items() if action.startswith(word)), None)


def _reported(block: Message) -> str:
    """Return the address we wrote to, else the one it became: ``rfc822;zoe@example.org``."""
    for name in ("Original-Recipient", "Final-Recipient"):
        kind, _, address = _header(block, name).partition(";")
        address = address.strip().strip("<>")
        if address and kind.strip().lower() in ("rfc822", "utf-8", "unknown"):
            return address
    return ""


def _reason_in(words: str, address: str) -> str:
    """Return the server's answer in the prose: a line with a status, or the one by the address."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    coded = (line for line in lines if _SAID.search(line))
    below = (after for line, after in pairwise(lines) if address and address in line)
    return next(coded, next(below, ""))


def _complaint(mail: _Mail, feedback: Message) -> Iterator[Event]:
    """Yield what a feedback report says (RFC 5965 §3); an address may have been blotted out."""
    fields = _fields(feedback)
    word = _header(fields, "Feedback-Type").strip().lower()
    if kind := _COMPLAINTS.get(word):
        address = _header(fields, "Original-Rcpt-To").strip().strip("<>")
        agent = _header(fields, "User-Agent")
        yield mail.event(kind, address, code=word, detail=agent, raw=f"Feedback-Type: {word}")


def _is_from_a_server(message: Message) -> bool:
    """Say whether a mail is a mail system's own, which is never its user's auto-reply."""
    sender = _header(message, "From")
    return bool(_DAEMON.search(sender) or message.get("X-Failed-Recipients"))


def _old_habits(mail: _Mail) -> Iterator[Event]:
    """Yield what ``flufl.bounce`` finds in a bounce that keeps to no standard."""
    try:
        waiting, failed = all_failures(mail.message)
    except Exception:  # thirty detectors by as many hands, on bytes by anybody
        return
    words = _words(mail)
    for one in sorted(failed)[:MAX_REPORTS]:
        address = one.decode("ascii", "replace")
        yield mail.event(classify("", words), address, detail=_reason_in(words, address))
    for one in sorted(waiting - failed)[:MAX_REPORTS]:
        yield mail.event(Kind.DEFERRED, one.decode("ascii", "replace"))
