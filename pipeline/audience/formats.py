"""The lists that other senders export: recognised by their headings, and what their columns are.

Mailchimp, Brevo, Substack and listmonk, our own export, and any CSV with a column of addresses.
How a row is read with them is ``arrivals``' concern.

What another sender wrote of a person's machine (IP, place, time zone) is left behind, and so are
its own numbers; columns that the team made become attributes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pipeline.audience.people import HEADINGS, plain_heading


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One exporter: the headings that give it away, and what its columns are.

    ``all_of`` and ``one_of`` are plain headings. A column that neither ``columns`` nor ``dropped``
    names becomes an attribute.
    """

    name: str
    all_of: frozenset[str] = frozenset()
    one_of: frozenset[str] = frozenset()
    columns: Mapping[str, str]
    dropped: frozenset[str] = frozenset()

    def fits(self, headings: frozenset[str]) -> bool:
        return self.all_of <= headings and (not self.one_of or bool(self.one_of & headings))


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MAILCHIMP: Final = Format(
    name="mailchimp",
    all_of=_words("emailaddress"),
    one_of=_words("memberrating optintime leid euid"),
    columns={
        "emailaddress": "address",
        "firstname": "first_name",
        "prenom": "first_name",
        "lastname": "last_name",
        "nom": "last_name",
        "language": "language",
        "tags": "tags",
        "optintime": "consent_at",
        "confirmtime": "confirmed_at",
        "unsubtime": "unsubscribed_at",
        "unsubreason": "reason",
        "cleantime": "bounced_at",
    },
    dropped=_words(
        "memberrating optinip confirmip latitude longitude gmtoff dstoff timezone cc region"
        " lastchanged leid euid unsubcampaigntitle unsubcampaignid unsubreasonother"
        " cleancampaigntitle cleancampaignid"
    ),
)
_LISTMONK: Final = Format(
    name="listmonk",
    all_of=_words("uuid email name attributes status"),
    columns={
        "email": "address",
        "name": "name",
        "attributes": "attributes",
        "status": "state",
        "createdat": "consent_at",
        "updatedat": "state_at",
    },
    dropped=_words("uuid"),
)
_SUBSTACK: Final = Format(
    name="substack",
    all_of=_words("email"),
    one_of=_words("activesubscription emaildisabled firstpaymentat"),
    columns={
        "email": "address",
        "name": "name",
        "emaildisabled": "gone",
        "createdat": "consent_at",
        "unsubscribedat": "unsubscribed_at",
    },
    # active_subscription says whether a person pays, not whether they are written to
    dropped=_words("activesubscription expiry firstpaymentat digestenabled"),
)
_BREVO: Final = Format(
    name="brevo",
    all_of=_words("email"),
    one_of=_words("contactid addedtime modifiedtime doubleoptin"),
    columns={
        "email": "address",
        "firstname": "first_name",
        "prenom": "first_name",
        "lastname": "last_name",
        "nom": "last_name",
        "langue": "language",
        "language": "language",
        "addedtime": "consent_at",
        "doubleoptin": "double_opt_in",
        "emailmarketing": "state",
        "status": "state",
        **dict.fromkeys(
            "blocklisted blacklisted emailblocklisted emailblacklisted unsubscribed".split(), "gone"
        ),
    },
    dropped=_words("contactid modifiedtime"),
)
OURS: Final = Format(
    name="infolettre",
    all_of=_words("address state stateat publicid"),
    columns={
        "address": "address",
        "firstname": "first_name",
        "lastname": "last_name",
        "language": "language",
        "state": "state",
        "stateat": "state_at",
        "createdat": "consent_at",
        "segments": "our_segments",
        "attributes": "attributes",
    },
    dropped=_words("publicid"),
)
_PLAIN: Final = Format(
    name="csv",
    columns={
        **HEADINGS,
        **dict.fromkeys("name nomcomplet fullname".split(), "name"),
        **dict.fromkeys("langue language lang".split(), "language"),
        **dict.fromkeys("state status statut etat".split(), "state"),
        **dict.fromkeys(
            "dateinscription datedinscription inscritle createdat subscribedat optintime".split(),
            "consent_at",
        ),
    },
)
FORMATS: Final = (OURS, MAILCHIMP, _LISTMONK, _SUBSTACK, _BREVO, _PLAIN)

#: The columns of our own export, in its order.
OUR_COLUMNS: Final = (
    "address first_name last_name language state state_at segments attributes created_at public_id"
).split()


def recognise(headings: list[str]) -> Format:
    """Return the format that the first line of a file gives away."""
    plain = frozenset(map(plain_heading, headings))
    return next(one for one in FORMATS if one.fits(plain))
