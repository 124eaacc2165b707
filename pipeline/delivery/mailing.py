"""One letter on its way to many people: its variants, compiled as they are met, and the people.

Each variant is rendered and compiled once, never once per recipient. Where people come from, and
what becomes of each, is the caller's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from pipeline.audience.people import Person
from pipeline.audience.secret import SECRET, read_secret
from pipeline.audience.tokens import MIN_SECRET, make_token, subject_of
from pipeline.delivery.message import Letter, compile_letter
from pipeline.delivery.recipient import Recipient
from pipeline.errors import InputError
from pipeline.issues.issue import Issue
from pipeline.render.compose import Press
from pipeline.render.edition import Edition
from pipeline.render.letter import render_edition
from pipeline.settings import Settings
from pipeline.words import mark

_OUTBOX_ONLY: Final = b"mail that stays in this machine's outbox"


@dataclass(slots=True, kw_only=True)
class Mailing:
    """A letter with its variants; ``pictures`` reads the bytes of an edition's images."""

    issue: Issue
    press: Press
    pictures: Callable[[Edition], Mapping[str, bytes]]
    campaign: str = ""
    _letters: dict[frozenset[str], Letter] = field(default_factory=dict)

    def letter_for(self, recipient: Recipient) -> Letter:
        """Return what ``recipient`` gets. Raises BlockError or InputError."""
        variant = self.issue.segments & recipient.segments
        if variant not in self._letters:
            self._letters[variant] = self._compile(variant)
        return self._letters[variant]

    def _compile(self, variant: frozenset[str]) -> Letter:
        edition = render_edition(self.issue, self.press, segments=variant)
        settings = self.press.settings
        return compile_letter(
            edition,
            sender=settings.senders[edition.sender],
            settings=settings,
            pictures=self.pictures(edition) if embeds_images(settings) else {},
            campaign=self.campaign,
        )


def embeds_images(settings: Settings) -> bool:
    """Say whether images travel in the mail: by setting, or because there is no site for them."""
    return settings.render.images == "embedded" or not settings.site.url


def secret_of(environ: Mapping[str, str], *, provider: str) -> bytes:
    """Return the key that signs the links to leave.

    Raises InputError, naming the variable, where it is missing or short; mail into the outbox does
    without, since nobody receives it.
    """
    if secret := read_secret(environ):
        return secret
    if provider == "outbox":
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
    """Return ``person`` as the providers need them, with their own link to leave."""
    subject = subject_of(person.address, secret)
    return Recipient(
        id=subject,
        address=person.address,
        name=person.name,
        values={
            "first_name": person.first_name,
            "last_name": person.last_name,
            "preferences_url": _link(settings, "preferences", secret, subject),
        },
        unsubscribe_url=_link(settings, "desabonnement", secret, subject),
        segments=person.segments,
    )


def _link(settings: Settings, page: str, secret: bytes, subject: str) -> str:
    """Return the person's own address of a page; without a site, a mail to the organisation."""
    if not settings.site.url:
        contact = settings.organisation.contact
        return f"mailto:{contact}?subject={quote(page)}" if contact else ""
    token = make_token(secret, purpose=page, subject=subject)
    return f"{settings.site.url.rstrip('/')}/{page}/{token}"
