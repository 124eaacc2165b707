"""The feeds that a web page names in its head, for a person who gave the page's address."""

import re
from typing import Final

from pipeline.veille.jsonfeed import is_json
from pipeline.veille.links import web_url
from pipeline.veille.markup import parse_html

# The first element, behind prolog, doctype and comments; atomic groups, as a row of comments
# would have the engine try every way to split it.
_ROOT: Final = re.compile(
    rb"\s*+(?>(?:<\?[^>]*>|<!--.*?-->|<!doctype[^>\[]*>)\s*+)*+<([a-z][\w:-]*+)",
    re.IGNORECASE | re.DOTALL,
)
_WITHIN: Final = 4000  # bytes
_FEED_ROOTS: Final = frozenset({"rss", "feed", "rdf"})
_HTML_ROOTS: Final = frozenset(
    {"html", "head", "body", "meta", "link", "script", "title", "div", "p"}
)
_FEED_TYPES: Final = (
    "application/rss+xml",
    "application/atom+xml",
    "application/feed+json",
    "application/x.atom+xml",
    "application/rdf+xml",
)
_USUAL: Final = "/feed /feed/ /rss /rss.xml /atom.xml /feed.xml /index.xml /feed.json".split()
# by title or address, in French and English: “Mon blog » Flux des commentaires”, /comments/feed/
_COMMENTS: Final = re.compile(r"comment(?:s|aires?)?\b", re.IGNORECASE)
_AT_MOST: Final = 5


def looks_like_html(body: bytes) -> bool:
    """Say whether ``body`` begins as a web page does."""
    return _root(body) in _HTML_ROOTS


def looks_like_feed(body: bytes) -> bool:
    """Say whether ``body`` begins as RSS, RDF, Atom or JSON Feed does."""
    return _root(body).rpartition(":")[2] in _FEED_ROOTS or is_json(body)


def _root(body: bytes) -> str:
    found = _ROOT.match(body[:_WITHIN].removeprefix(b"\xef\xbb\xbf"))
    return found[1].decode("ascii", errors="replace").lower() if found else ""


def find_feeds(body: bytes, *, url: str, content_type: str = "") -> list[str]:
    """Return the addresses of the feeds a page names, at most five: those of comments come last.

    They are ``<link rel="alternate">`` of a feed's type, in the page's order and relative to its
    ``<base>`` (https://www.rssboard.org/rss-autodiscovery). Nothing says whether they are good.
    """
    root = parse_html(body, content_type=content_type)
    if root is None:
        return []
    bases = (web_url(one.get("href") or "", base=url) for one in root.iter("base"))
    base = next((one for one in bases if one), url)
    found: dict[str, bool] = {}
    for link in root.iter("link"):
        kind = (link.get("type") or "").partition(";")[0].strip().lower()
        relations = (link.get("rel") or "").lower().split()
        address = web_url(link.get("href") or "", base=base)
        is_feed = kind in _FEED_TYPES and not {"alternate", "feed"}.isdisjoint(relations)
        if address and is_feed:
            found.setdefault(address, bool(_COMMENTS.search(f"{link.get('title')} {address}")))
    return sorted(found, key=lambda address: found[address])[:_AT_MOST]


def usual_addresses(url: str) -> list[str]:
    """Return where the feed of a site is by custom, the most usual place first."""
    return [address for path in _USUAL if (address := web_url(path, base=url))]
