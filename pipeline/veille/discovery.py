"""The feeds that a web page names in its head, for a person who gave the page's address."""

import re
from typing import Final

from pipeline.veille.links import web_url
from pipeline.veille.markup import parse_html

_HTML: Final = re.compile(rb"<(?:!doctype\s+html|html|head|body|meta|title|div|p)\b", re.IGNORECASE)
_FEED: Final = re.compile(
    rb"<(?:rss|(?:\w+:)?feed|rdf:rdf)\b|jsonfeed\.org/version/1", re.IGNORECASE
)
_FEED_TYPES: Final = ("application/rss+xml", "application/atom+xml", "application/feed+json")
_AT_MOST: Final = 5


def looks_like_html(body: bytes) -> bool:
    """Say whether ``body`` begins as a web page does."""
    return _HTML.search(body[:2000]) is not None


def looks_like_feed(body: bytes) -> bool:
    """Say whether ``body`` begins as RSS, RDF, Atom or JSON Feed does."""
    return _FEED.search(body[:2000]) is not None and not looks_like_html(body)


def find_feeds(body: bytes, *, url: str, content_type: str = "") -> list[str]:
    """Return the addresses of the feeds a page names, in its order, at most five.

    They are ``<link rel="alternate">`` of a feed's type (https://www.rssboard.org/rss-autodiscovery).
    """
    root = parse_html(body, content_type=content_type)
    if root is None:
        return []
    found: dict[str, None] = {}
    for link in root.iter("link"):
        kind = (link.get("type") or "").partition(";")[0].strip().lower()
        relations = (link.get("rel") or "").lower().split()
        address = web_url(link.get("href") or "", base=url)
        if address and "alternate" in relations and kind in _FEED_TYPES:
            found[address] = None
    return list(found)[:_AT_MOST]
