"""The desk as a curator reads it: cards by filter and page, counts, and pages added by hand.

What feeds bring is written by ``arrivals.py``, what curators decide by ``triage.py``.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import (
    Connection,
    Engine,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)

from pipeline.errors import InputError
from pipeline.store.engine import reading, writing
from pipeline.store.entries import entry, entry_feed, entry_tag, feed
from pipeline.store.rowsets import insert_new
from pipeline.veille.card import Card, Cursor, Filter, Page
from pipeline.veille.decisions import merge_tags, tidy_name, tidy_note
from pipeline.veille.item import Entry
from pipeline.veille.matching import conditions, newest_ids
from pipeline.veille.plain import fold
from pipeline.veille.rows import read_cards, row_of
from pipeline.veille.states import State
from pipeline.words import mark

LIMIT: Final = 40  # cards a page
_ALL: Final = 10_000_000  # more entries than any desk has
_PURGE: Final = 1_000  # rows a transaction
_REF: Final = 12  # digits
_HEX: Final = set("0123456789abcdef")


def list_cards(
    engine: Engine, wanted: Filter, *, limit: int = LIMIT, after: Cursor | None = None
) -> Page:
    """Return up to ``limit`` cards, the newest first, that stand behind ``after``."""
    with reading(engine) as connection:
        ids = newest_ids(connection, wanted, limit=limit + 1, after=after)
        cards = read_cards(connection, ids[:limit])
    if len(ids) <= limit or not cards:
        return Page(cards=cards)
    last = cards[-1]
    return Page(cards=cards, next=Cursor(dated_at=last.entry.dated_at, id=last.id))


def list_ids(engine: Engine, wanted: Filter, *, after: Cursor) -> list[int]:
    """Return ``Card.id`` of all that stands behind ``after``, the newest first."""
    with reading(engine) as connection:
        return newest_ids(connection, wanted, limit=_ALL, after=after)


def get_cards(engine: Engine, ids: Sequence[int]) -> tuple[Card, ...]:
    """Return the cards of these rows, in their order; one that is gone is left out."""
    with reading(engine) as connection:
        return read_cards(connection, ids)


def count_cards(engine: Engine, wanted: Filter) -> int:
    """Return how many cards there are."""
    query = select(func.count()).select_from(entry)
    with reading(engine) as connection:
        return connection.scalar(query.where(*conditions(connection, wanted))) or 0


def find_cards(engine: Engine, refs: Iterable[str]) -> tuple[Card, ...]:
    """Return the cards of ``refs``, each the beginning of one, in the order given, each once.

    Raises InputError for the first one that names no card or several.
    """
    with reading(engine) as connection:
        ids = [_find_id(connection, given) for given in refs]
        return read_cards(connection, list(dict.fromkeys(ids)))


def _find_id(connection: Connection, given: str) -> int:
    wanted = given.strip().lower()
    query = (
        select(entry.c.id, entry.c.ref)
        .where(entry.c.ref.between(wanted.ljust(_REF, "0"), wanted.ljust(_REF, "f")))
        .order_by(entry.c.ref)
        .limit(5)
    )
    is_ref = wanted and len(wanted) <= _REF and _HEX.issuperset(wanted)
    rows = connection.execute(query).all() if is_ref else []
    if not rows:
        message = mark("no entry “{id}”: “infolettre veille list” shows them")
        raise InputError(message, id=given)
    if rows[1:]:
        message = mark("“{id}” begins several ids ({ids}): write a longer part")
        raise InputError(message, id=given, ids=", ".join(row.ref for row in rows))
    found: int = rows[0].id
    return found


def put_page(
    engine: Engine,
    page: Entry,
    *,
    by: str,
    now: datetime,
    note: str = "",
    tags: tuple[str, ...] = (),
) -> Card:
    """Keep a page that was added by its address, and return its card.

    One that a feed brought stays the feed's, one that was added before is as it is now, but seen
    when it was first; ``note`` and ``tags`` are added to what is there. Its state stays. Raises
    InputError for a note or a tag that is too long.
    """
    note, by = tidy_note(note), tidy_name(by)
    fresh = row_of(page) | {"state": State.NEW.value, "state_at": now, "state_by": by}
    with writing(engine) as connection:
        connection.execute(
            insert_new(connection, entry)
            .values(**fresh, rule="", issue="", note="")
            .on_conflict_do_nothing()  # of any key: two who add one page would wait for each other
        )
        key = entry.c.canonical_url == page.canonical_url
        number = connection.scalars(select(entry.c.id).where(key).with_for_update()).one()
        (card,) = read_cards(connection, [number])
        if added := set(merge_tags(card.tags, add=tags)) - set(card.tags):
            rows = [{"entry_id": number, "tag": one} for one in sorted(added)]
            connection.execute(insert_new(connection, entry_tag).on_conflict_do_nothing(), rows)
            (card,) = read_cards(connection, [number])
        connection.execute(
            update(entry).where(entry.c.id == number).values(**_merged(card, page, note))
        )
        (card,) = read_cards(connection, [number])
    return card


def _merged(card: Card, page: Entry, note: str) -> dict[str, object]:
    """Return what becomes of a card's row when its page is added (again)."""
    known = card.entry
    if not known.feed_url:
        known = replace(page, seen_at=known.seen_at)
    notes = [card.note, note if note not in card.note else ""]
    note = "\n\n".join(filter(None, notes))
    return row_of(known, note=note, tags=card.tags) | {"note": note}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facets:
    """How many cards there are of each, the most frequent first, then by name."""

    watchlists: tuple[tuple[str, int], ...] = ()
    sources: tuple[tuple[str, int], ...] = ()
    languages: tuple[tuple[str, int], ...] = ()
    tags: tuple[tuple[str, int], ...] = ()


def list_facets(engine: Engine, wanted: Filter) -> Facets:
    """Return what the cards of a filter are of: the filter's own choices count as well."""
    columns = (entry.c.source, entry.c.watchlist, entry.c.language)
    counts = [Counter[str]() for _ in columns]
    with reading(engine) as connection:
        held = conditions(connection, wanted)
        query = select(*columns, func.count()).where(*held).group_by(*columns)
        for *values, number in connection.execute(query):
            for count, value in zip(counts, values, strict=True):
                count[value] += number
        tags = select(entry_tag.c.tag, func.count()).group_by(entry_tag.c.tag)
        if held:
            ids = select(entry.c.id).where(*held)
            tags = tags.where(entry_tag.c.entry_id.in_(ids))
        tagged = Counter({row[0]: row[1] for row in connection.execute(tags)})
    sources, watchlists, languages = map(_by_frequency, counts)
    return Facets(
        watchlists=watchlists, sources=sources, languages=languages, tags=_by_frequency(tagged)
    )


def _by_frequency(counts: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items(), key=lambda one: (-one[1], fold(one[0]), one[0])))


def count_states(engine: Engine, wanted: Filter) -> dict[State, int]:
    """Return how many cards there are of each state, whatever states the filter names."""
    query = select(entry.c.state, func.count()).group_by(entry.c.state)
    with reading(engine) as connection:
        held = conditions(connection, replace(wanted, states=()))
        found = {row[0]: row[1] for row in connection.execute(query.where(*held))}
    return {state: found.get(state.value, 0) for state in State}


def match_watchlist(engine: Engine, name: str) -> str:
    """Return the title of the watchlist that ``name`` is, or is a part of.

    Neither case nor accents count. Raises InputError where it is none's, or that of several.
    """
    with reading(engine) as connection:
        known: set[str] = set(connection.scalars(select(entry.c.watchlist).distinct()))
        known |= set(connection.scalars(select(feed.c.watchlist).distinct()))
    known.discard("")
    if name in known:
        return name
    folded = fold(name)
    found = sorted(
        {one for one in known if fold(one) == folded}
        or {one for one in known if folded and folded in fold(one)}
    )
    if len(found) == 1:
        return found[0]
    if not found:
        message = mark("no watchlist “{name}”; there are: {known}")
        raise InputError(message, name=name, known=", ".join(sorted(known)) or "—")
    message = mark(
        "“{name}” stands in the titles of several watchlists ({known}): write more of it"
    )
    raise InputError(message, name=name, known=", ".join(found))


def match_source(engine: Engine, name: str) -> str:
    """Return the source that is called ``name``, or the only one of whose name it is a part.

    Neither case nor accents count. Raises InputError where it is none's, or that of several.
    """
    with reading(engine) as connection:
        query = select(entry.c.source).distinct().order_by(entry.c.source)
        known: list[str] = list(connection.scalars(query))
    folded = fold(name)
    exact = [one for one in known if fold(one) == folded]
    found = exact or [one for one in known if folded and folded in fold(one)]
    if exact or len(found) == 1:
        return found[0]
    if found:
        message = mark("“{name}” is part of several sources ({known}): write more of it")
        raise InputError(message, name=name, known=", ".join(found[:8]))
    message = mark("no source “{name}”: “infolettre veille list” shows them")
    raise InputError(message, name=name)


def purge_entries(engine: Engine, *, now: datetime, keep_days: int) -> int:
    """Erase old entries that nobody wants, and return how many.

    Those that are to sort or discarded, have no letter, note or tag, were first seen more than
    ``keep_days`` days ago, and stand in no feed any more: they would be new again. A feed that
    was not asked for so long is followed no more.
    """
    horizon = now - timedelta(days=keep_days)
    stands = (
        select(entry_feed.c.entry_id)
        .join_from(entry_feed, feed)
        .where(
            entry_feed.c.entry_id == entry.c.id,
            or_(feed.c.parsed_at.is_(None), entry_feed.c.last_at >= feed.c.parsed_at),
            or_(feed.c.checked_at.is_(None), feed.c.checked_at >= horizon),
        )
    )
    old = (
        select(entry.c.id)
        .where(
            entry.c.state.in_([State.NEW.value, State.DISCARDED.value]),
            entry.c.seen_at < horizon,
            entry.c.note == "",
            entry.c.issue == "",
            ~exists().where(entry_tag.c.entry_id == entry.c.id),
            ~stands.exists(),
        )
        .limit(_PURGE)
        .with_for_update(skip_locked=True)  # who is being kept at this moment is not waited for
    )
    erased = 0
    while True:  # a bite at a time: a curator need not wait for all of it
        with writing(engine) as connection:
            done = connection.execute(delete(entry).where(entry.c.id.in_(old))).rowcount
        erased += done
        if done < _PURGE:
            return erased
