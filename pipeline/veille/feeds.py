"""A feed's bytes to entries: RSS, RDF and Atom by feedparser, JSON Feed by ``jsonfeed.py``.

Bytes in, values out: nothing here opens an address or a file, and no markup leaves it. How a
feed is fetched, and what of it is new, is the business of ``fetch.py`` and ``decide.py``.
"""

import calendar
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parseaddr
from typing import Any, Final

import feedparser

from pipeline.errors import FetchError
from pipeline.veille.article import Article, Origin, entry_of, language_tag
from pipeline.veille.bodies import beginning, count_words, first_image
from pipeline.veille.discovery import find_feeds, looks_like_html
from pipeline.veille.expat import speed_up
from pipeline.veille.item import MAX_EXCERPT, MAX_TITLE, Entry
from pipeline.veille.jsonfeed import is_json, read_json_feed
from pipeline.veille.links import web_url
from pipeline.veille.plain import MAX_HTML, tidy
from pipeline.veille.repair import cut_entries, has_bad_shape, repair_feed
from pipeline.words import mark

MAX_ENTRIES: Final = 500  # of one feed; by custom the first ones are the newest

speed_up()

_ENTRIES: Final = re.compile(rb"<(?:\w+:)?(?:rss|feed|entry|item)\b", re.IGNORECASE)
_PICTURE: Final = re.compile(r"\.(?:jpe?g|png|webp|gif|avif)(?:$|\?)", re.IGNORECASE)
_MARKUP: Final = re.compile(r"</?[a-zA-Z][\w:-]*(?:\s[^<>]*)?/?>|&(?:#\w{1,8}|[a-zA-Z]\w{1,30});")


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
    # a large page need not be looked through for entries; some pages hold a whole feed, though
    if looks_like_html(body) and not _ENTRIES.search(body):
        raise _no_feed(body, url=url, content_type=content_type)
    body = cut_entries(body, limit=MAX_ENTRIES)
    if has_bad_shape(body):
        message = mark("{url} has more elements than any feed: ask its makers for a shorter one")
        raise FetchError(message, url=url)
    parsed = _parse(body, url=url, content_type=content_type)
    if not parsed.version and not parsed.entries:
        raise _no_feed(body, url=url, content_type=content_type)
    feed, is_atom = parsed.feed, parsed.version.startswith("atom")
    origin = Origin(
        url=url,
        site=_text(feed, "link"),
        source=_plain(feed, "title_detail", limit=MAX_TITLE, is_atom=is_atom),
        language=_text(feed, "language"),
    )
    return origin, [_article(entry, url, is_atom=is_atom) for entry in parsed.entries]


def _parse(body: bytes, *, url: str, content_type: str) -> Any:
    """Run feedparser on bytes alone: given a name or an address, it would open it.

    Its sanitizer is off: it takes half of the time, and no markup is kept here anyway.
    """
    repaired, kind = repair_feed(body, content_type=content_type)
    # no content-location: given one, feedparser makes addresses of bare guids, too (see _links)
    headers = {"content-type": kind or "application/xml"}
    try:
        return feedparser.parse(
            io.BytesIO(repaired),
            response_headers=headers,
            sanitize_html=False,
            resolve_relative_uris=False,  # in bodies, of which only the text is kept
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


def _article(entry: Any, base: str, *, is_atom: bool) -> Article:
    body = _body(entry)
    # a body that holds tags is markup, also where an Atom feed forgot to say so
    excerpt = _plain(entry, "summary_detail", limit=MAX_EXCERPT)
    if not excerpt and body:
        excerpt = _plain_value(entry["content"][0], limit=MAX_EXCERPT)
    links = tuple(_links(entry, base))
    title = entry.get("title_detail") or {}
    return Article(
        links=links,
        title=_plain_value(title, limit=MAX_TITLE, is_atom=is_atom),
        authors=_authors(entry, is_atom=is_atom),
        published_at=_date(entry),
        language=_text(entry, "language") or _text(title, "language"),
        excerpt=excerpt,
        image=_image(entry, body, base=next(iter(links), "")),
        words=count_words(body),
    )


def _body(entry: Any) -> str:
    """Return the whole text of an entry as it came, ``""`` where there is a summary at most."""
    content = dict.get(entry, "content")
    return _text(content[0], "value") if content else ""


def _links(entry: Any, base: str) -> Iterator[str]:
    """Yield where an entry may lead: its page, what it encloses, its id where it is an address.

    Links may be relative; a guid, which feedparser hands out as the link, may not (RSS 2.0).
    """
    link, guid = _text(entry, "link"), _text(entry, "id")
    links = [link, *(_text(other, "href") for other in dict.get(entry, "links") or () if other)]
    guidislink = dict.get(entry, "guidislink")
    for one in dict.fromkeys(links):
        if not (guidislink and one == guid) and (found := web_url(one, base=base)):
            yield found
    if guid:
        yield guid


def _image(entry: Any, body: str, *, base: str) -> str:
    """Return the address of an entry's picture: Media RSS, an enclosure, the first in the body.

    https://www.rssboard.org/media-rss; of several, the widest that is declared.
    """
    for name in ("media_content", "media_thumbnail"):
        found = [one for one in dict.get(entry, name) or () if _is_picture(one, name)]
        if found:
            return web_url(_text(max(found, key=_width), "url"), base=base) or ""
    for link in dict.get(entry, "links") or ():
        if _text(link, "rel") == "enclosure" and _text(link, "type").startswith("image/"):
            return web_url(_text(link, "href"), base=base) or ""
    source = first_image(body or _text(entry, "summary"))
    return (web_url(source, base=base) or "") if source else ""


def _is_picture(media: Any, name: str) -> bool:
    if name == "media_thumbnail" or _text(media, "medium") == "image":
        return bool(_text(media, "url"))
    kind = _text(media, "type")
    return kind.startswith("image/") or (not kind and bool(_PICTURE.search(_text(media, "url"))))


def _width(media: Any) -> int:
    width = _text(media, "width")
    return int(width) if width.isascii() and width.isdecimal() and len(width) < 6 else 0


def _authors(entry: Any, *, is_atom: bool) -> tuple[str, ...]:
    """Return the names; a mail address is nobody's to print.

    RSS wants an address with the name in brackets. feedparser takes it apart, but leaves letters
    behind where the top-level domain is a long one.
    """
    raw = _text(entry, "author")
    if "@" in raw and not is_atom:
        name = parseaddr(raw)[0]
        return () if "@" in name else (name,)
    names = [_text(person, "name") for person in dict.get(entry, "authors") or ()]
    return tuple(name for name in names if "@" not in name)


def _date(entry: Any) -> datetime | None:
    for name in ("published_parsed", "updated_parsed", "created_parsed"):
        if found := dict.get(entry, name):
            try:
                return datetime.fromtimestamp(calendar.timegm(found), tz=UTC)
            except (ValueError, OverflowError, OSError):
                continue
    return None


def _plain(holder: Any, name: str, *, limit: int, is_atom: bool = False) -> str:
    return _plain_value(dict.get(holder, name) or {}, limit=limit, is_atom=is_atom)


def _plain_value(detail: Any, *, limit: int, is_atom: bool = False) -> str:
    """Return a text construct as plain text.

    RSS does not say whether a text is markup. feedparser calls it plain where a tag or entity is
    not in its lists, so text that holds either is taken for markup; Atom's ``text`` is text.
    """
    value = _text(detail, "value")
    is_text = dict.get(detail, "type") == "text/plain"
    if is_text and (is_atom or not _MARKUP.search(value, 0, MAX_HTML)):
        return tidy(value, limit=limit)
    return beginning(value, limit=limit)


def _text(holder: Any, name: str) -> str:
    # feedparser's own look-up maps old names to new ones, warns and guesses: it takes ten times as
    # long, and what a feed gave is always there under its new name
    value = dict.get(holder, name)
    return value if isinstance(value, str) else ""
