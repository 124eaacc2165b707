"""An edition: what rendering froze. Values only; who receives it is unknown here."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import date


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One image of the edition: published under ``name``, made from ``source``.

    ``source`` is its path in the letter's folder, with ``/``, or an absolute path of the theme's
    logo. ``max_width`` is in pixels: twice the width at which it is shown at most.
    """

    name: str
    source: str
    digest: str
    max_width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """A letter as it will be sent and shown, for one ``variant`` (a set of segments).

    ``html``, ``text`` and ``subject`` hold merge tokens (:mod:`pipeline.text.merge`) where
    something differs per recipient; ``web`` holds none.
    """

    slug: str
    number: int
    date: date
    language: str
    title: str
    sender: str
    subject: str
    preheader: str
    html: str
    text: str
    web: str
    web_url: str
    pictures: tuple[Picture, ...] = ()
    variant: frozenset[str] = frozenset()

    @property
    def digest(self) -> str:
        """Return the SHA-256 that names this edition: 64 hexadecimal digits."""
        facts = asdict(self) | {"variant": sorted(self.variant), "date": self.date.isoformat()}
        text = json.dumps(facts, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


def picture_cid(name: str) -> str:
    """Return the Content-ID, without brackets, of an embedded picture (RFC 2392)."""
    return f"{name}@infolettre"
