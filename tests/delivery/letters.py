"""Small editions, letters and recipients for the tests of the delivery room."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Final

from pipeline.delivery.message import Letter, compile_letter
from pipeline.delivery.recipient import Recipient
from pipeline.render.edition import Edition
from pipeline.settings import Delivery, Organisation, Sender, Settings, Site
from pipeline.text.merge import MergeTag, encode

FIRST_NAME: Final = encode(MergeTag("first_name", "à toutes et tous"))
EMAIL: Final = encode(MergeTag("email", ""))
UNSUBSCRIBE: Final = encode(MergeTag("unsubscribe_url", ""))
NOW: Final = datetime(2025, 3, 7, 8, 30, tzinfo=UTC)
PNG: Final = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 2

HTML: Final = (
    '<!DOCTYPE html><html lang="fr" dir="ltr"><head><title>Des cafés</title></head>'
    f"<body><p>Bonjour {FIRST_NAME},</p>\n<p>Cœur, naïveté\u202f! ✦ ☕</p>"
    f'<p>Envoyé à {EMAIL}. <a href="{UNSUBSCRIBE}">Se désabonner</a></p></body></html>\n'
)
TEXT: Final = (
    f"Bonjour {FIRST_NAME},\n\nCœur, naïveté\u202f! ✦ ☕\n.point\nFrom Paris\n"
    f"\nEnvoyé à {EMAIL}. Se désabonner : {UNSUBSCRIBE}\n"
)


def an_edition(
    *,
    subject: str = "Des cafés partout en France\u202f!",
    html: str = HTML,
    text: str = TEXT,
    slug: str = "2025-03-07-des-cafes",
) -> Edition:
    return Edition(
        slug=slug,
        number=87,
        date=date(2025, 3, 7),
        language="fr",
        title="Des cafés",
        sender="redaction",
        subject=subject,
        preheader="",
        html=html,
        text=text,
        web="",
        web_url="",
    )


def a_sender(
    *, name: str = "La rédaction", email: str = "redaction@example.org", reply_to: str = ""
) -> Sender:
    return Sender(name=name, email=email, reply_to=reply_to)


def some_settings(*, list_id: str = "", contact: str = "contact@example.org") -> Settings:
    return Settings(
        site=Site(name="Café IA", url="https://lettre.example.org"),
        organisation=Organisation(contact=contact),
        delivery=Delivery(list_id=list_id),
    )


def a_letter(
    edition: Edition | None = None,
    *,
    sender: Sender | None = None,
    settings: Settings | None = None,
    pictures: Mapping[str, bytes] | None = None,
) -> Letter:
    return compile_letter(
        edition or an_edition(),
        sender=sender or a_sender(),
        settings=settings or some_settings(),
        pictures=pictures or {},
        campaign="2025-03-07",
    )


def a_recipient(
    number: int = 1,
    *,
    address: str = "",
    name: str = "Zoë Durand",
    first_name: str = "Zoë",
    unsubscribe_url: str = "https://lettre.example.org/u/k3Jd-_9=x",
) -> Recipient:
    return Recipient(
        id=f"r{number}",
        address=address or f"zoe{number}@example.org",
        name=name,
        values={"first_name": first_name},
        unsubscribe_url=unsubscribe_url,
    )
