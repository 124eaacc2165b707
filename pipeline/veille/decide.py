"""What a fetched feed changes: which of its entries are new, which known ones now say more.

Values in, values out; the caller keeps the result.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.veille.feeds import ParsedFeed
from pipeline.veille.item import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The entries to add, and the known entries as they are to be from now on."""

    new: tuple[Entry, ...] = ()
    changed: tuple[Entry, ...] = ()


def decide(known: Mapping[str, Entry], fetched: ParsedFeed, now: datetime) -> Changes:
    """Compare a feed with the ``known`` entries, by canonical address; new ones are seen ``now``.

    A page is one entry, however many feeds carry it: the feed that brought it first keeps it,
    and only that feed may change it. Within a feed, the first of two entries for a page counts.
    """
    new: list[Entry] = []
    changed: list[Entry] = []
    met: set[str] = set()
    for entry in fetched.entries:
        if entry.canonical_url in met:
            continue
        met.add(entry.canonical_url)
        old = known.get(entry.canonical_url)
        if old is None:
            new.append(entry if entry.seen_at == now else replace(entry, seen_at=now))
        elif old.feed_url == entry.feed_url and (merged := _merge(old, entry)) != old:
            changed.append(merged)
    return Changes(new=tuple(new), changed=tuple(changed))


def _merge(old: Entry, fresh: Entry) -> Entry:
    """Return ``old`` with what ``fresh`` says; what the feed no longer says is not forgotten.

    A date that is known stays, as does the address: feeds that stamp each answer, or count their
    readers by a new parameter each day, would change with every pull.
    """
    return replace(
        fresh,
        url=old.url,
        seen_at=old.seen_at,
        published_at=old.published_at or fresh.published_at,
        authors=fresh.authors or old.authors,
        excerpt=fresh.excerpt or old.excerpt,
        language=fresh.language or old.language,
        image=fresh.image or old.image,
        minutes=fresh.minutes or old.minutes,
        origins=old.origins,
    )
