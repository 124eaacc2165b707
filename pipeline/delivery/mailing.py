"""A person as the providers need them: values for the letter's places, and links of their own.

A link carries a signed token with the person's random id, no address. Where people come from is
the caller's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import quote

from pipeline.audience.secret import SECRET, read_secret
from pipeline.audience.tokens import MIN_SECRET, make_token
from pipeline.delivery.recipient import Recipient
from pipeline.delivery.verp import verp_of
from pipeline.errors import InputError
from pipeline.settings import OUTBOX, Settings
from pipeline.words import mark

_OUTBOX_ONLY: Final = b"mail that stays in this machine's outbox"


class Person(Protocol):
    """What has to be known of somebody; ``public_id`` is what links and events name them by."""

    @property
    def public_id(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def first_name(self) -> str: ...
    @property
    def last_name(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressee:
    """Somebody who gets a letter, and need not be in the database."""

    public_id: str
    address: str
    first_name: str = ""
    last_name: str = ""


def secret_of(environ: Mapping[str, str], *, provider: str) -> bytes:
    """Return the key that signs the links to leave.

    Raises InputError, naming the variable, where it is missing or short; mail into the outbox does
    without, since nobody receives it.
    """
    if secret := read_secret(environ):
        return secret
    if provider == OUTBOX:
        return _OUTBOX_ONLY
    raise InputError(
        mark(
            "the links to unsubscribe need a key: put {least} random characters or more"
            " into the variable {variable}, and keep it"
        ),
        variable=SECRET,
        least=MIN_SECRET,
    )


def recipient_of(person: Person, *, settings: Settings, secret: bytes) -> Recipient:
    """Return ``person`` as a recipient, with their own links and their own envelope sender."""
    bounces = settings.bounces.address
    return Recipient(
        id=person.public_id,
        address=person.address,
        name=f"{person.first_name} {person.last_name}".strip(),
        values={
            "first_name": person.first_name,
            "last_name": person.last_name,
            "preferences_url": _link(settings, "preferences", secret, person.public_id),
        },
        unsubscribe_url=_link(settings, "desabonnement", secret, person.public_id),
        envelope=verp_of(person.public_id, base=bounces, secret=secret) if bounces else "",
    )


def _link(settings: Settings, page: str, secret: bytes, subject: str) -> str:
    """Return the person's own address of a page; without a site, a mail to the organisation."""
    if not settings.site.url:
        contact = settings.organisation.contact
        return f"mailto:{contact}?subject={quote(page)}" if contact else ""
    token = make_token(secret, purpose=page, subject=subject)
    return f"{settings.site.url.rstrip('/')}/{page}/{token}"
