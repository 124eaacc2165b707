"""An entry (what a feed or a page brought) and the item that a letter shows of it.

What does not live here: where entries come from and where they are kept.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Final

from pipeline.veille.links import canonical_url, clean_url, unwrap_url
from pipeline.veille.plain import markdown_text, without_tags

__all__ = ["Entry", "canonical_url", "clean_url", "entry_id", "item_of", "page_key"]

MAX_TITLE: Final = 300  # characters
MAX_EXCERPT: Final = 400  # characters
MAX_NAME: Final = 120  # characters, of a source or an author
MAX_AUTHORS: Final = 12
_ID_DIGITS: Final = 12  # 8 would meet by chance once in 40 shelves of 15,000 entries


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One article, all its texts plain; ``published_at`` and ``seen_at`` are aware.

    ``url`` is the address as it came, ``site`` that of the feed's site, ``feed_url`` is empty
    for a page that was added by hand. ``minutes`` is the time to read all of it, 0 where that is
    not known. ``origins`` says whence each field of an added page is, such as ``json-ld``.
    """

    id: str
    url: str
    canonical_url: str
    title: str
    seen_at: datetime
    source: str = ""
    watchlist: str = ""
    authors: tuple[str, ...] = ()
    published_at: datetime | None = None
    language: str = ""
    excerpt: str = ""
    site: str = ""
    feed_url: str = ""
    image: str = ""
    minutes: int = 0
    origins: Mapping[str, str] = field(default_factory=dict)

    @property
    def dated_at(self) -> datetime:
        """Return when it appeared: as published, else when it was first seen."""
        return self.published_at or self.seen_at


def entry_id(canonical: str) -> str:
    """Return the stable id of a page: the first hex digits of its key's SHA-256."""
    return hashlib.sha256(canonical.encode()).hexdigest()[:_ID_DIGITS]


def page_key(url: str, *sites: str) -> str:
    """Return the key of the page behind ``url``: unwrapped, cleaned, canonical."""
    return canonical_url(clean_url(unwrap_url(url), *sites))


def item_of(
    entry: Entry, *, letter_language: str = "fr", timezone: tzinfo = UTC
) -> dict[str, object]:
    """Return the fields of a ``veille`` item, in their order; what is not known is left out.

    ``date`` is the day in ``timezone``, as ISO text; ``language`` is given only where it differs
    from the letter's; ``body`` is Markdown that shows the excerpt as it is.
    """
    language = entry.language.partition("-")[0].lower()
    is_foreign = language != letter_language.partition("-")[0].lower()
    published = entry.published_at
    item: dict[str, object] = {
        "title": without_tags(entry.title),
        "url": clean_url(unwrap_url(entry.url), entry.site, entry.feed_url),
        "source": without_tags(entry.source),
        "authors": [without_tags(author) for author in entry.authors],
        "date": published.astimezone(timezone).date().isoformat() if published else "",
        "language": language if is_foreign else "",
        "body": f"{markdown_text(entry.excerpt)}\n" if entry.excerpt else "",
    }
    return {name: value for name, value in item.items() if value}
