"""The message itself: an edition compiled once to wire segments, joined once per recipient.

``compile_letter`` does all the work that does not depend on a person: contexts, escaping of what
stands, quoted-printable, MIME. ``Letter.fill`` then puts in a handful of values and joins. No
transport, clock or chance here: the date comes in.
"""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import Final

from pipeline.audience.address import spell_address
from pipeline.delivery import fields
from pipeline.delivery.places import (
    ESCAPES,
    Context,
    Piece,
    Place,
    split_html,
    split_subject,
    split_text,
)
from pipeline.delivery.recipient import Recipient
from pipeline.delivery.wire import (
    SOFT_BREAK,
    clean,
    mailbox,
    quoted_printable,
    quoted_value,
    unescaped_value,
    unstructured,
)
from pipeline.render.edition import Edition, picture_cid
from pipeline.settings import Sender, Settings
from pipeline.words import mark

BAD_SUBJECT: Final = mark(
    "the subject “{value}” holds a line break or a null character: write it on one line"
)
BAD_VALUE: Final = mark(
    "the value “{value}” holds a line break or a null character: a merge value is one line"
)

# What is counted for a value not known yet, in octets: a signed link, a long name.
_URL_OCTETS: Final = 200
_VALUE_OCTETS: Final = 60

_KINDS: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"RIFF", "image/webp"),
)
# What neither the escaping of its context nor quoted-printable would change: nearly every value.
_NOTHING: Final = re.compile(r"(?!)")
_UNTOUCHED: Final = {
    Context.HTML: re.compile(r"[A-EG-Za-z0-9][A-Za-z0-9@:/_+-][A-Za-z0-9@:/._+-]*"),
    Context.URL: re.compile(r"https://[A-Za-z0-9@:/._+-]+"),
}
_UNTOUCHED[Context.PLAIN] = _UNTOUCHED[Context.HTML]
_PART: Final = (
    "Content-Type: text/{kind}; charset=utf-8\r\n"
    "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
)
_PICTURE_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,120}")

Encoder = Callable[[str], bytes]
Slot = tuple[str, Encoder, tuple[int, ...], bytes]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Letter:
    """One variant of an edition, ready for any number of recipients.

    ``subject``, ``text`` and ``html`` are pieces (text, place, text, …) for a provider that
    personalises by itself; ``html_octets`` is the size of the encoded HTML part with its values,
    to compare with Gmail's 102,400 (T12).
    """

    campaign: str
    digest: str
    frame: fields.Frame
    subject: tuple[Piece, ...]
    text: tuple[Piece, ...]
    html: tuple[Piece, ...]
    pictures: Mapping[str, bytes]
    html_octets: int
    _before: str
    _after: str
    _wire: tuple[bytes, ...]
    _slots: tuple[Slot, ...]

    def fill(self, recipient: Recipient, *, date: datetime) -> bytes:
        """Return the whole message of one recipient: bytes, CRLF; ``date`` is aware.

        No line begins with a full stop, so that SMTP's dot-stuffing has nothing to do. Raises
        InputError where the recipient's address, name or values cannot stand in a message.
        """
        wire = list(self._wire)
        wire[0] = self._head(recipient, date)
        for name, encode, positions, fallback in self._slots:
            value = recipient.value_of(name)
            encoded = (encode(value) if value else b"") or fallback
            for position in positions:
                wire[position] = encoded
        return b"".join(wire)

    def message_id(self, recipient: Recipient) -> str:
        """Return the recipient's Message-ID, with its angle brackets."""
        return fields.message_id_of(recipient, campaign=self.campaign, domain=self.frame.domain)

    def subject_of(self, recipient: Recipient) -> str:
        """Return the subject as the recipient reads it."""
        return fill_pieces(self.subject, recipient)

    def _head(self, recipient: Recipient, date: datetime) -> bytes:
        address = spell_address(recipient.address)
        name = clean(recipient.name, refusal=fields.BAD_NAME)
        leaving = "".join(
            [f"{key}: {value}\r\n" for key, value in fields.leaving_fields(recipient)]
        )
        subject = self._before if len(self.subject) == 1 else _subject(self.subject_of(recipient))
        return (
            f"{subject}To: {mailbox(name, address, used=4)}\r\nDate: {_date(date)}\r\n"
            f"Message-ID: {self.message_id(recipient)}\r\n{leaving}{self._after}"
        ).encode()


def compile_letter(
    edition: Edition,
    *,
    sender: Sender,
    settings: Settings,
    pictures: Mapping[str, bytes],
    campaign: str = "",
) -> Letter:
    """Compile an edition that goes out from ``sender``: see :func:`assemble_letter`.

    Raises InputError where the subject or a setting cannot stand in a header.
    """
    frame = fields.frame_letter(sender, settings, letter=edition.slug)
    return assemble_letter(edition, frame=frame, pictures=pictures, campaign=campaign)


def assemble_letter(
    edition: Edition,
    *,
    frame: fields.Frame,
    pictures: Mapping[str, bytes],
    campaign: str = "",
) -> Letter:
    """Compile an edition once, for ``fill`` to run once per recipient.

    Of ``pictures`` (name → bytes) those are attached that a ``cid:`` address of the HTML names:
    the web page has others. Empty when images are linked. ``campaign`` is what Message-IDs are
    made of; the slug by default. Raises InputError where the subject cannot stand in a header.
    """
    subject = split_subject(clean(edition.subject, refusal=BAD_SUBJECT))
    text, html = split_text(edition.text), split_html(edition.html)
    shown = {name: data for name, data in pictures.items() if picture_cid(name) in edition.html}
    segments, html_octets = _mime(text, html, pictures=shown, boundary=edition.digest[:24])
    wire, slots = _layout(segments)
    return Letter(
        campaign=campaign or edition.slug,
        digest=edition.digest,
        frame=frame,
        subject=tuple(subject),
        text=tuple(text),
        html=tuple(html),
        pictures=shown,
        html_octets=html_octets,
        _before=_subject(subject[0]) if isinstance(subject[0], str) else "",
        _after=_after(frame),
        _wire=wire,
        _slots=slots,
    )


def fill_pieces(pieces: Sequence[Piece], recipient: Recipient) -> str:
    """Return the pieces as one text, each value escaped for its place."""
    return "".join(
        piece if isinstance(piece, str) else value_at(piece, recipient) for piece in pieces
    )


def value_at(place: Place, recipient: Recipient) -> str:
    """Return the escaped value of a place, or its escaped fallback.

    Raises InputError where the value has a CR, a LF or a NUL.
    """
    value = clean(recipient.value_of(place.name), refusal=BAD_VALUE)
    return ESCAPES[place.context](value or place.fallback)


@lru_cache(maxsize=len(Context))
def _encoder(context: Context) -> Encoder:
    """Return what turns a value into wire bytes; first names come again and again."""
    escape = ESCAPES[context]
    untouched = _UNTOUCHED.get(context, _NOTHING)

    @lru_cache(maxsize=4096)
    def encode(value: str) -> bytes:
        if untouched.fullmatch(value):
            return unescaped_value(value)
        value = clean(value, refusal=BAD_VALUE)
        return quoted_value(escape(value)) if value else b""

    return encode


@lru_cache(maxsize=1024)
def _subject(subject: str) -> str:
    return f"Subject: {unstructured(clean(subject, refusal=BAD_SUBJECT), used=9)}\r\n"


@lru_cache(maxsize=16)
def _date(date: datetime) -> str:
    if date.tzinfo is None:
        raise ValueError("a message's date has to be aware")
    return format_datetime(date)


def _after(frame: fields.Frame) -> str:
    """Return the fields that everybody shares. The MIME header follows in the first segment."""
    lines = (*fields.origin_fields(frame), *frame.fields, ("MIME-Version", "1.0"))
    return "".join(f"{name}: {value}\r\n" for name, value in lines)


def _mime(
    text: list[Piece], html: list[Piece], *, pictures: Mapping[str, bytes], boundary: str
) -> tuple[list[bytes | Place], int]:
    """Return the body as bytes and places, from its Content-Type on, and the HTML's octets.

    ``=_`` never occurs in quoted-printable (RFC 2045 §6.7), nor in base64: such a boundary
    cannot turn up in a part.
    """
    outer, inner = f"=_a{boundary}", f"=_r{boundary}"
    html_part = _body(html)
    segments: list[bytes | Place] = [
        f'Content-Type: multipart/alternative;\r\n boundary="{outer}"\r\n\r\n'
        f"--{outer}\r\n{_PART.format(kind='plain')}".encode(),
        *_body(text),
        f"\r\n--{outer}\r\n".encode(),
    ]
    if pictures:
        start = f'Content-Type: multipart/related; type="text/html";\r\n boundary="{inner}"\r\n\r\n'
        segments.append(f"{start}--{inner}\r\n".encode())
    segments += [_PART.format(kind="html").encode(), *html_part]
    for name, data in sorted(pictures.items()):
        segments.append(f"\r\n--{inner}\r\n".encode() + _picture(name, data))
    segments.append(f"\r\n--{inner}--\r\n".encode() if pictures else b"")
    segments.append(f"\r\n--{outer}--\r\n".encode())
    return segments, sum(map(_octets, html_part))


def _body(pieces: list[Piece]) -> list[bytes | Place]:
    """Encode the standing pieces; each place lies between two soft breaks, on lines of its own."""
    last = len(pieces) - 1
    segments: list[bytes | Place] = []
    for number, piece in enumerate(pieces):
        if isinstance(piece, Place):
            segments.append(piece)
        else:
            after, before = number > 0, number < last
            segments.append(SOFT_BREAK * after + quoted_printable(piece) + SOFT_BREAK * before)
    return segments


def _octets(segment: bytes | Place) -> int:
    if isinstance(segment, bytes):
        return len(segment)
    url = segment.context in (Context.URL, Context.COMPONENT)
    return max(len(quoted_value(segment.fallback)), _URL_OCTETS if url else _VALUE_OCTETS)


def _picture(name: str, data: bytes) -> bytes:
    if not _PICTURE_NAME.fullmatch(name):
        raise ValueError(f"a picture's name has to be plain: {name!r}")
    head = (
        f'Content-Type: {picture_kind(data)};\r\n name="{name}"\r\n'
        "Content-Transfer-Encoding: base64\r\n"
        f"Content-ID: <{picture_cid(name)}>\r\n"
        f'Content-Disposition: inline;\r\n filename="{name}"\r\n\r\n'
    )
    return head.encode() + base64.encodebytes(data).replace(b"\n", b"\r\n").rstrip()


def picture_kind(data: bytes) -> str:
    """Return the media type of a picture, read from its first bytes."""
    return next((kind for start, kind in _KINDS if data.startswith(start)), "image/svg+xml")


def _layout(segments: list[bytes | Place]) -> tuple[tuple[bytes, ...], tuple[Slot, ...]]:
    """Merge neighbouring bytes; list each distinct place once, with all its positions."""
    wire: list[bytes] = [b""]  # the head of each recipient goes first
    positions: dict[Place, list[int]] = {}
    standing: list[bytes] = []
    for segment in segments:
        if isinstance(segment, bytes):
            standing.append(segment)
            continue
        wire.append(b"".join(standing))
        standing = []
        positions.setdefault(segment, []).append(len(wire))
        wire.append(b"")
    wire.append(b"".join(standing))
    slots = tuple(
        (
            place.name,
            _encoder(place.context),
            tuple(where),
            quoted_value(ESCAPES[place.context](place.fallback)),
        )
        for place, where in positions.items()
    )
    return tuple(wire), slots
