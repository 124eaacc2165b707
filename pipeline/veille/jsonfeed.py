"""JSON Feed 1.0 and 1.1 (https://www.jsonfeed.org/version/1.1/), which feedparser cannot read.

Only the fields that an entry needs are looked at; one of another type counts as missing.
"""

import json
from typing import Any, Final

from pipeline.errors import FetchError
from pipeline.veille.article import Article, Origin, parse_date
from pipeline.veille.bodies import beginning, count_words, first_image
from pipeline.veille.item import MAX_EXCERPT, MAX_TITLE
from pipeline.veille.links import web_url
from pipeline.veille.plain import plain_text, tidy
from pipeline.words import mark

_VERSION: Final = "jsonfeed.org/version/1"


def is_json(body: bytes) -> bool:
    """Say whether ``body`` begins as a JSON object does; content types are not to be trusted."""
    return body[:200].removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")


def read_json_feed(body: bytes, *, url: str) -> tuple[Origin, list[Article]]:
    """Return the feed's own description and its articles; raises FetchError if it is none."""
    try:
        feed = json.loads(body.decode("utf-8-sig", errors="replace"), strict=False)
    except (ValueError, RecursionError):
        feed = None
    if not isinstance(feed, dict) or _VERSION not in _text(feed, "version"):
        raise FetchError(
            mark("{url} answers with JSON that is no JSON Feed: look for the feed's own address"),
            url=url,
        )
    origin = Origin(
        url=url,
        site=_text(feed, "home_page_url"),
        source=plain_text(_text(feed, "title"), limit=MAX_TITLE),
        language=_text(feed, "language"),
    )
    shared = _authors(feed)
    items = feed.get("items")
    found = items if isinstance(items, list) else []
    return origin, [_article(item, url, shared) for item in found if isinstance(item, dict)]


def _article(item: dict[str, Any], base: str, shared: tuple[str, ...]) -> Article:
    body = _text(item, "summary") or _text(item, "content_text")
    markup = _text(item, "content_html")
    links = [web_url(_text(item, name), base=base) for name in ("url", "external_url")]
    return Article(
        links=(*(link for link in links if link), _text(item, "id")),
        title=tidy(_text(item, "title"), limit=MAX_TITLE),
        authors=_authors(item) or shared,
        published_at=parse_date(_text(item, "date_published") or _text(item, "date_modified")),
        language=_text(item, "language"),
        excerpt=tidy(body, limit=MAX_EXCERPT) or beginning(markup, limit=MAX_EXCERPT),
        image=_text(item, "image") or _text(item, "banner_image") or first_image(markup),
        words=count_words(markup or _text(item, "content_text")),
    )


def _authors(holder: dict[str, Any]) -> tuple[str, ...]:
    """Return the names of ``authors`` (1.1), else of ``author`` (1.0)."""
    listed = holder.get("authors")
    people = listed if isinstance(listed, list) else [holder.get("author")]
    return tuple(_text(person, "name") for person in people if isinstance(person, dict))


def _text(holder: dict[str, Any], name: str) -> str:
    value = holder.get(name)
    return value if isinstance(value, str) else ""
