"""A feed's bytes to entries: RSS, RDF and Atom by feedparser, JSON Feed by ``jsonfeed.py``.

Bytes in, values out: nothing here opens an address or a file, and no markup leaves it. How a
feed is fetched, and what of it is new, is the business of ``fetch.py`` and ``decide.py``.
"""

import calendar
import io
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import feedparser

from pipeline.errors import FetchError
from pipeline.veille.article import Article, Origin, entry_of, language_tag
from pipeline.veille.discovery import find_feeds, looks_like_html
from pipeline.veille.item import MAX_EXCERPT, MAX_TITLE, Entry
from pipeline.veille.jsonfeed import is_json, read_json_feed
from pipeline.veille.links import web_url
from pipeline.veille.plain import plain_text, tidy
from pipeline.veille.repair import repair_feed
from pipeline.words import mark

MAX_ENTRIES: Final = 500  # of one feed; by custom the first ones are the newest


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedFeed:
    """What a feed says; ``dropped`` counts the entries without an address to go to."""

    title: str
    site: str
    language: str
    entries: tuple[Entry, ...]
    dropped: int = 0


def parse_feed(
    body: bytes,
    *,
    url: str,
    content_type: str,
    now: datetime,
    source: str = "",
    watchlist: str = "",
) -> ParsedFeed:
    """Return the entries of a feed that was fetched from ``url``, at most MAX_ENTRIES.

    ``source`` is the name the team gave the feed; without one its own title is used. Raises
    FetchError where ``body`` is no feed, saying what it is instead.
    """
    if is_json(body):
        said, articles = read_json_feed(body, url=url)
    else:
        said, articles = _read_xml(body, url=url, content_type=content_type)
    site = web_url(said.site, base=url) or ""
    origin = replace(said, site=site, source=source or said.source, watchlist=watchlist)
    capped = articles[:MAX_ENTRIES]
    found = [entry_of(article, origin, now=now) for article in capped]
    entries = tuple(entry for entry in found if entry is not None)
    return ParsedFeed(
        title=said.source,
        site=site,
        language=language_tag(said.language),
        entries=entries,
        dropped=len(capped) - len(entries),
    )


def _read_xml(body: bytes, *, url: str, content_type: str) -> tuple[Origin, list[Article]]:
    if not body.strip(b" \t\r\n\x00"):
        message = mark("{url} answers with nothing: try again later, or correct the address")
        raise FetchError(message, retryable=True, url=url)
    parsed = _parse(body, url=url, content_type=content_type)
    if not parsed.version and not parsed.entries:
        raise _no_feed(body, url=url, content_type=content_type)
    feed = parsed.feed
    origin = Origin(
        url=url,
        site=_text(feed, "link"),
        source=_plain(feed, "title", limit=MAX_TITLE),
        language=_text(feed, "language"),
    )
    return origin, [_article(entry) for entry in parsed.entries]


def _parse(body: bytes, *, url: str, content_type: str) -> Any:
    """Run feedparser on bytes alone: given a name or an address, it would open it.

    Its sanitizer is off: it takes half of the time, and no markup is kept here anyway.
    """
    repaired, kind = repair_feed(body, content_type=content_type)
    headers = {"content-type": kind or "application/xml", "content-location": url}
    try:
        return feedparser.parse(
            io.BytesIO(repaired),
            response_headers=headers,
            sanitize_html=False,
            resolve_relative_uris=False,  # in bodies; the links of entries stay resolved
        )
    except Exception as error:  # a feed is anybody's bytes: whatever they break is one bad feed
        message = mark("{url} holds a feed that cannot be read ({reason}): tell its makers")
        raise FetchError(message, url=url, reason=type(error).__name__) from error


def _no_feed(body: bytes, *, url: str, content_type: str) -> FetchError:
    if not looks_like_html(body):
        message = mark("{url} answers with something that is no feed: correct the address")
        return FetchError(message, url=url)
    feeds = find_feeds(body, url=url, content_type=content_type)
    if not feeds:
        message = mark("{url} answers with a web page, not a feed: look for the feed's address")
        return FetchError(message, url=url)
    message = mark("{url} answers with a web page, not a feed; the page names its feed: {feeds}")
    return FetchError(message, url=url, feeds=", ".join(feeds))


def _article(entry: Any) -> Article:
    body = _plain(entry, "summary", limit=MAX_EXCERPT)
    if not body and entry.get("content"):
        body = _plain_value(entry.content[0], limit=MAX_EXCERPT)
    return Article(
        links=_links(entry),
        title=_plain(entry, "title", limit=MAX_TITLE),
        authors=tuple(_author(person) for person in entry.get("authors", ())),
        published_at=_date(entry),
        language=_text(entry, "language") or _text(entry.get("title_detail") or {}, "language"),
        excerpt=body,
    )


def _links(entry: Any) -> tuple[str, ...]:
    """Return where an entry may lead: its page, what it encloses, its id where that is an address.

    feedparser has resolved them already, but for a guid, which it hands out as the link.
    """
    others = [_text(link, "href") for link in entry.get("links", ()) if link]
    return (_text(entry, "link"), *others, _text(entry, "id"))


def _author(person: Any) -> str:
    """Return a name; an address that stands alone is nobody's to print."""
    name = _text(person, "name")
    return "" if "@" in name and " " not in name else name


def _date(entry: Any) -> datetime | None:
    for name in ("published_parsed", "updated_parsed", "created_parsed"):
        # "in" first: asking for a missing "updated" makes feedparser warn and guess
        if name in entry and (found := entry[name]):
            try:
                return datetime.fromtimestamp(calendar.timegm(found), tz=UTC)
            except (ValueError, OverflowError, OSError):
                continue
    return None


def _plain(holder: Any, name: str, *, limit: int) -> str:
    detail = holder.get(f"{name}_detail") or {"value": _text(holder, name), "type": "text/html"}
    return _plain_value(detail, limit=limit)


def _plain_value(detail: Any, *, limit: int) -> str:
    value = _text(detail, "value")
    if detail.get("type") == "text/plain":
        return tidy(value, limit=limit)
    return plain_text(value, limit=limit)


def _text(holder: Any, name: str) -> str:
    value = holder.get(name)
    return value if isinstance(value, str) else ""
