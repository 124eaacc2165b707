"""One outline of OPML: what its attributes say, and how they are written.

Strings only; which outlines a file has is the business of ``opml.py`` and ``outlines.py``.
"""

import html
import re
from collections.abc import Iterable, Mapping
from typing import Final
from xml.sax.saxutils import escape

from pipeline.veille.links import web_url
from pipeline.veille.plain import tidy

INTERVALS: Final = range(5, 30 * 24 * 60 + 1)  # minutes
SIZES: Final = range(10_000, 50_000_001)  # bytes
MAX_TITLE: Final = 200  # characters
_INTERVAL: Final = re.compile(r"(\d{1,6})\s*(m|min|h|d|j)?", re.IGNORECASE | re.ASCII)
_MINUTES: Final = {"h": 60, "d": 24 * 60, "j": 24 * 60}
# readers hand out feed:https://… and feed://… (the draft "feed" URI scheme)
_FEED_SCHEME: Final = re.compile(r"feed:(?://)?(?=https?:)", re.IGNORECASE)


def feed_address(given: str) -> str | None:
    """Return the web address that an ``xmlUrl`` means, ``feed:`` taken off, or None."""
    url = web_url(_FEED_SCHEME.sub("", given.strip(), count=1))
    if url is None and given.lower().startswith("feed://"):
        url = web_url("http://" + given[len("feed://") :])
    return url


def read_attributes(given: Iterable[tuple[object, object]]) -> dict[str, str]:
    """Return the attributes by their names in lower case: xmlUrl, xmlurl and XMLURL are met."""
    found: dict[str, str] = {}
    for key, value in given:
        found.setdefault(str(key).lower(), str(value).strip())
    return found


def is_feed(attributes: Mapping[str, str]) -> bool:
    """Say whether an outline is that of a feed: it has an address."""
    return bool(attributes.get("xmlurl"))


def name_of(attributes: Mapping[str, str]) -> str:
    """Return the title of an outline as a person reads it, or ``""``."""
    name = attributes.get("title") or attributes.get("text") or ""
    return tidy(html.unescape(name), limit=MAX_TITLE)


def minutes_of(given: str) -> int:
    """Return an interval in minutes, or 0 where it is none that is allowed."""
    found = _INTERVAL.fullmatch(given)
    minutes = int(found[1]) * _MINUTES.get((found[2] or "").lower(), 1) if found else 0
    return minutes if minutes in INTERVALS else 0


def size_of(given: str) -> int:
    """Return a number of bytes, or 0 where it is none that is allowed."""
    size = int(given) if re.fullmatch(r"\d{1,9}", given, re.ASCII) else 0
    return size if size in SIZES else 0


def opening(title: str) -> str:
    """Return the first tag of an outline that holds others."""
    name = quoted(title)
    return f"<outline text={name} title={name}>"


def quoted(title: str) -> str:
    """Return a title as an attribute; one that looks like an entity of HTML is escaped twice.

    Many files escape twice, so :func:`name_of` reads ``&amp;eacute;`` as “é”.
    """
    if html.unescape(title) != title:
        title = title.replace("&", "&amp;")
    return f'"{escaped(title)}"'


def escaped(value: str) -> str:
    """Return text as it stands between double quotes, or between two tags."""
    return escape(value, {'"': "&quot;"})
