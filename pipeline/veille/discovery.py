"""The feeds that a web page names in its head, for a person who gave the page's address."""

import re
from typing import Final

from pipeline.veille.jsonfeed import is_json
from pipeline.veille.links import web_url
from pipeline.veille.markup import parse_html

# the first element, behind prolog, doctype and comments
_ROOT: Final = re.compile(
    rb"\s*(?:(?:<\?[^>]*>|<!--.*?-->|<!doctype[^>]*>)\s*)*<([a-z][\w:-]*)",
    re.IGNORECASE | re.DOTALL,
)
_WITHIN: Final = 4000  # bytes
_FEED_ROOTS: Final = frozenset({"rss", "feed", "rdf"})
_HTML: Final = re.compile(rb"<(?:!doctype\s+html|html|head|body|meta|title|div|p)\b", re.IGNORECASE)
_FEED_TYPES: Final = ("application/rss+xml", "application/atom+xml", "application/feed+json")
_AT_MOST: Final = 5


def looks_like_html(body: bytes) -> bool:
    """Say whether ``body`` begins as a web page does."""
    return not looks_like_feed(body) and _HTML.search(body[:_WITHIN]) is not None


def looks_like_feed(body: bytes) -> bool:
    """Say whether ``body`` begins as RSS, RDF, Atom or JSON Feed does."""
    root = _ROOT.match(body[:_WITHIN].removeprefix(b"\xef\xbb\xbf"))
    name = root[1].decode("ascii", errors="replace").lower() if root else ""
    return name.rpartition(":")[2] in _FEED_ROOTS or is_json(body)


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
