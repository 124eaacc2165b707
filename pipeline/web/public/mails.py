"""The mails that answer a request: two templates, compiled as any letter is.

They are no letter of the list: they leave from an address of their own (T4), and have none of its
header fields. Nothing that was typed into the form is in them, so that nobody can send words of
theirs to somebody else from here.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final

from pipeline.audience.address import normalise_address
from pipeline.audience.optin import Mail
from pipeline.delivery.fields import BAD_NAME, Frame
from pipeline.delivery.message import Letter, assemble_letter
from pipeline.delivery.wire import clean
from pipeline.errors import InputError
from pipeline.render.edition import Edition
from pipeline.settings import Sender, Settings
from pipeline.web.public.pages import fill
from pipeline.words import mark, say

_SUBJECTS: Final = {
    Mail.CONFIRM: mark("Confirm your subscription to {name}"),
    Mail.ALREADY: mark("You already receive {name}"),
}
#: A machine answers a form: no absence notice is to answer back (RFC 3834 §5).
_FIELDS: Final = (("Auto-Submitted", "auto-generated"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One mail: which, in which language, and the link that it is about."""

    mail: Mail
    language: str
    link: str
    day: date


def sender_of(settings: Settings) -> Sender:
    """Return who sends these mails: ``subscription.sender``, else the first profile.

    Raises InputError where there is none of that name, or none at all.
    """
    name = settings.subscription.sender or next(iter(settings.senders), "")
    if sender := settings.senders.get(name):
        return sender
    if not name:
        raise InputError(
            mark(
                "nobody can send the mails that confirm: write a profile [senders.<name>] into"
                " infolettre.toml and name it in [subscription] sender"
            )
        )
    raise InputError(
        mark("[subscription] sender names “{name}”, which is no profile; there are: {known}"),
        name=name,
        known=", ".join(settings.senders) or "—",
    )


def write_mail(order: Order, settings: Settings) -> Letter:
    """Return a mail ready for its one recipient. Raises InputError where a setting cannot stand
    in a header, or nobody can send it."""
    name = f"mail_{order.mail.value}"
    html, text = (
        fill(f"{name}.{kind}", settings=settings, language=order.language, link=order.link)
        for kind in ("html", "txt")
    )
    subject = say(_SUBJECTS[order.mail], order.language, name=settings.site.name)
    edition = Edition(
        slug=order.mail.value,
        number=0,
        date=order.day,
        language=order.language,
        title=subject,
        sender=settings.subscription.sender,
        subject=subject,
        preheader="",
        html=html,
        text=text.strip() + "\n",
        web="",
        web_url="",
    )
    return assemble_letter(edition, frame=_frame(settings), pictures={})


def _frame(settings: Settings) -> Frame:
    sender = sender_of(settings)
    address = normalise_address(sender.email)
    return Frame(
        name=clean(sender.name, refusal=BAD_NAME),
        address=str(address),
        reply_to=str(normalise_address(sender.reply_to)) if sender.reply_to else "",
        domain=address.domain,
        fields=_FIELDS,
    )
