"""Entries and cards as rows of the database, and back.

What is asked of the database with them is the business of ``entries.py`` and its neighbours.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Row,
    Select,
    bindparam,
    func,
    select,
)

from pipeline.store.entries import citation, cited_letter, entry, entry_feed, entry_tag, feed
from pipeline.veille.card import Card, Cited, words_of
from pipeline.veille.item import Entry
from pipeline.veille.plain import fold
from pipeline.veille.states import State

#: What a statement may hold in one list; SQLite takes 32,766 values in all.
CHUNK: Final = 500


def row_of(one: Entry, *, note: str = "", tags: tuple[str, ...] = ()) -> dict[str, object]:
    """Return the columns that an entry fills: all but its feed, its state and its note."""
    return {
        "ref": one.id,
        "canonical_url": one.canonical_url,
        "url": one.url,
        "title": one.title,
        "source": one.source,
        "watchlist": one.watchlist,
        "site": one.site,
        "authors": list(one.authors),
        "published_at": one.published_at,
        "seen_at": one.seen_at,
        "dated_at": one.dated_at,
        "language": one.language,
        "excerpt": one.excerpt,
        "image": one.image,
        "minutes": one.minutes,
        "origins": dict(one.origins),
        "words": words_of(one, note=note, tags=tags),
    }


def entry_of(row: Row[Any]) -> Entry:
    """Return the entry of a row of :func:`select_entries`."""
    return Entry(
        id=row.ref,
        url=row.url,
        canonical_url=row.canonical_url,
        title=row.title,
        seen_at=row.seen_at,
        source=row.source,
        watchlist=row.watchlist,
        authors=tuple(row.authors),
        published_at=row.published_at,
        language=row.language,
        excerpt=row.excerpt,
        site=row.site,
        feed_url=row.feed_url or "",
        image=row.image,
        minutes=row.minutes,
        origins=row.origins,
    )


def select_entries() -> Select[Any]:
    """Return the query of whole entries, each with the address of the feed that it is of."""
    columns = [column for column in entry.c if column is not entry.c.words]
    return select(*columns, feed.c.url.label("feed_url")).select_from(entry.outerjoin(feed))


def read_cards(connection: Connection, ids: Sequence[int]) -> tuple[Card, ...]:
    """Return the cards of rows, in the order of ``ids``; a row that is gone is left out.

    Four queries for each CHUNK of them, however many they are.
    """
    found: dict[int, Card] = {}
    for start in range(0, len(ids), CHUNK):
        some = ids[start : start + CHUNK]
        rows = connection.execute(select_entries().where(entry.c.id.in_(some))).all()
        found |= {card.id: card for card in cards_of(connection, rows)}
    return tuple(found[one] for one in ids if one in found)


def cards_of(connection: Connection, rows: Sequence[Row[Any]]) -> tuple[Card, ...]:
    """Return the cards of at most CHUNK rows of :func:`select_entries`, in their order."""
    ids = [row.id for row in rows]
    tags = _gather(connection, _tags, ids)
    feeds = _gather(connection, _also_in, ids)
    letters = _gather(connection, _cited_in, [row.canonical_url for row in rows])
    return tuple(
        Card(
            id=row.id,
            entry=entry_of(row),
            state=State(row.state),
            state_at=row.state_at,
            state_by=row.state_by,
            rule=row.rule,
            issue=row.issue,
            note=row.note,
            tags=tuple(sorted((one.tag for one in tags.get(row.id, ())), key=_alphabet)),
            also_in=tuple(one.title or one.url for one in feeds.get(row.id, ())),
            cited_in=tuple(
                Cited(slug=one.slug, number=one.number, title=one.title)
                for one in letters.get(row.canonical_url, ())
            ),
        )
        for row in rows
    )


def _alphabet(tag: str) -> tuple[str, str]:
    return fold(tag), tag  # one order on both databases


def _keys() -> Any:
    return bindparam("keys", expanding=True)


_tags: Final = select(entry_tag.c.entry_id.label("key"), entry_tag.c.tag).where(
    entry_tag.c.entry_id.in_(_keys())
)
_also_in: Final = (
    select(entry_feed.c.entry_id.label("key"), feed.c.title, feed.c.url)
    .select_from(
        entry_feed.join(feed, feed.c.id == entry_feed.c.feed_id).join(
            entry, entry.c.id == entry_feed.c.entry_id
        )
    )
    .where(
        entry_feed.c.entry_id.in_(_keys()),
        func.coalesce(entry.c.feed_id, 0) != entry_feed.c.feed_id,
    )
    .order_by(entry_feed.c.first_at, feed.c.id)
)
_cited_in: Final = (
    select(
        citation.c.canonical_url.label("key"),
        citation.c.slug,
        cited_letter.c.number,
        citation.c.title,
    )
    .join_from(citation, cited_letter)
    .where(citation.c.canonical_url.in_(_keys()))
    .order_by(citation.c.slug.desc())  # slugs begin with the date: the newest letter first
)


def _gather(
    connection: Connection, query: Select[Any], keys: Sequence[object]
) -> Mapping[object, list[Row[Any]]]:
    """Return the rows of ``query`` by their ``key``."""
    found: dict[object, list[Row[Any]]] = {}
    for row in connection.execute(query, {"keys": keys}) if keys else ():
        found.setdefault(row.key, []).append(row)
    return found
