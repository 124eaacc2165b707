"""What a source says of one article, and the entry that is made of it.

Feeds, JSON feeds and pages are read by different files; all of them hand over an
:class:`Article` of plain texts, so that addresses, dates and lengths are judged in one place.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from pipeline.veille.item import (
    MAX_AUTHORS,
    MAX_EXCERPT,
    MAX_NAME,
    MAX_TITLE,
    Entry,
    entry_id,
    page_key,
)
from pipeline.veille.links import MAX_URL, web_url
from pipeline.veille.plain import tidy

_CLOCK_SKEW: Final = timedelta(days=1)
_TITLE_OF_EXCERPT: Final = 80  # characters
WORDS_A_MINUTE: Final = 230  # silent reading of prose; 238 in English, fewer in French
_MAX_MINUTES: Final = 999
_SLASHED: Final = re.compile(r"\d{4}/\d{1,2}/\d{1,2}", re.ASCII)
_LANGUAGE: Final = re.compile(r"([a-z]{2,3})(?:[-_]([a-z]{2}|\d{3}))?(?:[-_.].*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """Plain texts; ``links`` absolute, in the order of preference, not vetted yet.

    ``image`` is an address as the source wrote it, absolute or not; ``words`` are those of the
    whole text, 0 where it is not known.
    """

    links: tuple[str, ...]
    title: str = ""
    authors: tuple[str, ...] = ()
    published_at: datetime | None = None
    language: str = ""
    excerpt: str = ""
    image: str = ""
    words: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Whence an article came: ``url`` of the feed or page, ``site`` and the names to show."""

    url: str
    site: str = ""
    source: str = ""
    watchlist: str = ""
    language: str = ""
    is_feed: bool = True


def entry_of(article: Article, origin: Origin, *, now: datetime) -> Entry | None:
    """Return the entry of an article, or None where none of its links leads to a page."""
    urls = (web_url(link) for link in article.links)
    url = next((one for one in urls if one), None)
    if url is None:
        return None
    canonical = page_key(url, origin.site, origin.url)
    excerpt = tidy(article.excerpt, limit=MAX_EXCERPT)
    return Entry(
        id=entry_id(canonical),
        url=url,
        canonical_url=canonical,
        title=tidy(article.title, limit=MAX_TITLE) or tidy(excerpt, limit=_TITLE_OF_EXCERPT) or url,
        seen_at=now,
        source=tidy(origin.source, limit=MAX_NAME),
        watchlist=origin.watchlist,
        authors=_names(article.authors),
        published_at=plausible_date(article.published_at, now=now),
        language=language_tag(article.language) or language_tag(origin.language),
        excerpt=excerpt,
        site=origin.site,
        feed_url=origin.url if origin.is_feed else "",
        image=image_url(article.image, base=origin.url),
        minutes=minutes_of(article.words),
    )


def image_url(link: str, *, base: str) -> str:
    """Return the http(s) address of an image, at most MAX_URL characters long, or ``""``."""
    found = web_url(link, base=base) or ""
    return found if len(found) <= MAX_URL else ""


def minutes_of(words: int) -> int:
    """Return the minutes that it takes to read so many words, 0 where there are none.

    >>> minutes_of(231)
    2
    """
    return min(-(-max(words, 0) // WORDS_A_MINUTE), _MAX_MINUTES)


def plausible_date(found: datetime | None, *, now: datetime) -> datetime | None:
    """Return the date in UTC, ``now`` for one up to a day ahead, None for a nonsense one.

    1900, 1970-01-01 and 2099 are what broken programs write; hours ahead are a wrong time zone.
    """
    if found is None or not 1971 <= found.year <= 9998:
        return None
    found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    if found > now + _CLOCK_SKEW:
        return None
    return min(found, now.astimezone(UTC))


def parse_date(text: str) -> datetime | None:
    """Read an ISO 8601 or a mail date (JSON Feed, JSON-LD, meta tags); without a zone it is UTC.

    A bare day becomes its noon: midnight would be the day before, west of Greenwich. ``2025/03/07``
    is how scholarly pages write it (Google Scholar's inclusion guidelines).
    """
    text = text.strip()[:40]
    if _SLASHED.fullmatch(text):
        text = "-".join(part.zfill(2) for part in text.split("/"))
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        try:
            found = parsedate_to_datetime(text)
        except (ValueError, TypeError, OverflowError):
            return None
    if len(text) <= len("2025-03-07"):
        found = found.replace(hour=12)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def language_tag(text: str) -> str:
    """Return a tag such as ``fr`` or ``fr-CA``, or ``""`` where ``text`` is no such thing."""
    found = _LANGUAGE.fullmatch(text.strip()[:35])
    if not found:
        return ""
    return f"{found[1].lower()}-{found[2].upper()}" if found[2] else found[1].lower()


def _names(found: Iterable[str]) -> tuple[str, ...]:
    names = [tidy(name, limit=MAX_NAME) for name in found]
    return tuple(dict.fromkeys(name for name in names if name))[:MAX_AUTHORS]
