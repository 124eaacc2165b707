"""The header fields of a letter: who sends, which list it is, how one leaves.

Values in, strings out: folded, ASCII but for an address that needs SMTPUTF8. What stays out is
decided here too:

- ``Auto-Submitted``: RFC 3834 §5 gives it to mail that no person asked for. A person wrote this
  letter and sent it; calling it automatic would be untrue, and ``no`` is what its absence says.
- ``Precedence: bulk`` is in: no standard (RFC 2076 §3.9), but what vacation responders look at
  before they answer (RFC 3834 §2 names it), and the answers would land on an editor's desk.
- ``Feedback-ID`` is in: Gmail then counts complaints per letter. It names the letter and the
  list, the same for all who get it, so nobody is told apart.
- ``List-Post`` is out: readers do answer, by ``Reply-To``.
"""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from pipeline.audience.address import domain_to_ascii, normalise_address
from pipeline.delivery.recipient import Recipient
from pipeline.delivery.wire import clean, mailbox, phrase
from pipeline.errors import InputError
from pipeline.settings import Sender, Settings
from pipeline.words import mark

ONE_CLICK: Final = "List-Unsubscribe=One-Click"  # RFC 8058 §2

BAD_NAME: Final = mark(
    "the name “{value}” holds a line break or a null character: write it on one line"
)
BAD_SETTING: Final = mark(
    "“{setting}” holds a line break or a null character: write “{value}” on one line"
)

_LIST_ID: Final = re.compile(r"(?:(?P<phrase>[^<>]*)<(?P<inner>[^<>]+)>|(?P<bare>[^<>\s]+))")
_DOT_ATOM: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9-]+)+")
_MESSAGE_ID: Final = re.compile(r"<[!-;=?A-~]{1,120}@[A-Za-z0-9.-]{1,120}>")
_HTTPS: Final = re.compile(r"https://[!-;=?-~]{1,900}")  # the field has to stay on one line
_URI: Final = re.compile(r"https?://[!-;=?-~]{1,900}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What all copies of a letter share; ``fields`` are names and folded values."""

    name: str
    address: str
    reply_to: str
    domain: str
    fields: tuple[tuple[str, str], ...]


def make_message_id(campaign: str, recipient: str, domain: str) -> str:
    """Return the one ``<…@domain>`` of a recipient in a campaign (RFC 5322 §3.6.4).

    The same three give the same id, so that a copy sent twice can be seen to be one; the digest
    says nothing of the person.
    """
    digest = hashlib.sha256(f"{len(campaign)}:{campaign}{recipient}".encode()).hexdigest()
    return f"<{digest[:40]}@{domain}>"


def message_id_of(recipient: Recipient, *, campaign: str, domain: str) -> str:
    """Return the recipient's own Message-ID, or the one made of campaign and recipient."""
    if not recipient.message_id:
        return make_message_id(campaign, recipient.id, domain)
    if not _MESSAGE_ID.fullmatch(recipient.message_id):
        raise InputError(
            mark("“{value}” is not a Message-ID: expected <letters-and-digits@example.org>"),
            value=ascii(recipient.message_id)[1:-1][:80],
        )
    return recipient.message_id


def leaving_fields(recipient: Recipient) -> tuple[tuple[str, str], ...]:
    """Return List-Unsubscribe and its one-click twin (RFC 2369, 8058), or nothing.

    One click works over https only (RFC 8058 §3.1): another address gets no field at all.
    """
    if not _HTTPS.fullmatch(recipient.unsubscribe_url):
        return ()
    return (
        ("List-Unsubscribe", f"<{recipient.unsubscribe_url}>"),
        ("List-Unsubscribe-Post", ONE_CLICK),
    )


def frame_letter(sender: Sender, settings: Settings, *, letter: str) -> Frame:
    """Decide the fields that are the same for everybody; ``letter`` names the letter (its slug).

    Raises InputError where a setting cannot stand in a header.
    """
    address = normalise_address(sender.email)
    reply_to = str(normalise_address(sender.reply_to)) if sender.reply_to else ""
    list_name, list_id = list_identity(settings, domain=address.domain)
    owner = normalise_address(sender.email).key
    who = hashlib.sha256(owner.encode()).hexdigest()[:12]  # 5 to 15 characters, says Gmail
    named = phrase(list_name, used=len("List-Id: ")) if list_name else ""
    fold = " " if len(named) + len(list_id) < 60 else "\r\n "
    return Frame(
        name=clean(sender.name, refusal=BAD_NAME),
        address=str(address),
        reply_to=reply_to,
        domain=address.domain,
        fields=(
            ("List-Id", f"{named}{fold}<{list_id}>" if named else f"<{list_id}>"),
            *_list_fields(settings),
            ("Precedence", "bulk"),
            ("Feedback-ID", f"{_label(letter)}::{_label(list_id)[:60]}:{who}"),
        ),
    )


def origin_fields(frame: Frame) -> tuple[tuple[str, str], ...]:
    """Return From and, where it differs, Reply-To."""
    fields = [("From", mailbox(frame.name, frame.address, used=len("From: ")))]
    if frame.reply_to:
        fields.append(("Reply-To", frame.reply_to))
    return tuple(fields)


def list_identity(settings: Settings, *, domain: str) -> tuple[str, str]:
    """Return the list's name and its id, such as ``la-lettre.example.org`` (RFC 2919 §3).

    ``delivery.list_id`` says it, as ``id.domain`` or ``Name <id.domain>``; else it is the site's
    name in the sender's domain. Raises InputError where it is not valid.
    """
    name = clean(settings.site.name, refusal=BAD_SETTING, setting="site.name")
    given = clean(settings.delivery.list_id, refusal=BAD_SETTING, setting="delivery.list_id")
    if not given:
        return name, f"{_label(name).lower()}.{domain}"
    found = _LIST_ID.fullmatch(given)
    list_id = (found["inner"] or found["bare"] or "").strip() if found else ""
    label, _, space = list_id.partition(".")
    try:
        list_id = f"{label}.{domain_to_ascii(space)}"
    except ValueError:
        list_id = ""
    if not _DOT_ATOM.fullmatch(list_id) or len(list_id) > 255:  # §3: at most 255 characters
        raise InputError(
            mark("“delivery.list_id” is “{found}”: expected one such as my-letter.example.org"),
            found=given,
        )
    return ((found["phrase"] or "").strip(' "') if found else "") or name, list_id


def _label(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    return re.sub(r"[^A-Za-z0-9.]+", "-", plain).strip("-.")[:60] or "infolettre"


def _list_fields(settings: Settings) -> list[tuple[str, str]]:
    """Return the fields of RFC 2369 whose addresses are known: help, owner, archive."""
    contact = clean(
        settings.organisation.contact, refusal=BAD_SETTING, setting="organisation.contact"
    )
    fields = []
    try:
        mailto = f"<mailto:{normalise_address(contact)}>"
        if mailto.isascii() and len(mailto) < 200:
            fields += [("List-Help", mailto), ("List-Owner", mailto)]
    except InputError:  # a page, a telephone number: fine in the footer, no address of RFC 2369
        if _URI.fullmatch(contact):
            fields.append(("List-Help", f"<{contact}>"))
    if _URI.fullmatch(settings.site.url):
        fields.append(("List-Archive", f"<{settings.site.url}>"))
    return fields
