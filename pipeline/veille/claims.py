"""The feeds in the database: enrolled from the watchlists, claimed by who pulls them, released.

A claim is a lease: what a dead puller held is free again when it ends. What a pull found is
written by ``arrivals.py``; when a feed is due is decided by ``politeness.py``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Engine, and_, delete, or_, select, update

from pipeline.store.engine import reading, writing
from pipeline.store.entries import entry, entry_feed, feed
from pipeline.store.rowsets import among, insert_new
from pipeline.veille.politeness import FeedState
from pipeline.veille.watchlists import Feed, Watchlist

LEASE: Final = timedelta(minutes=10)

#: A feed with the title of its watchlist.
Listed = tuple[str, Feed]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A feed in the hands of one pull; ``title`` and ``site`` are those of its row."""

    id: int
    feed: Feed
    watchlist: str
    title: str
    site: str
    state: FeedState


def feeds_once(watchlists: Iterable[Watchlist]) -> list[Listed]:
    """Return each feed once: one that stands in two watchlists belongs to the first."""
    found: dict[str, Listed] = {}
    for watchlist in watchlists:
        for one in watchlist.feeds:
            found.setdefault(one.url, (watchlist.title, one))
    return list(found.values())


def enrol_feeds(engine: Engine, feeds: Sequence[Listed]) -> dict[str, int]:
    """Give every feed a row, renew what the watchlists say of it; return the rows by address.

    The entries of a feed that stands in another watchlist now go along.
    """
    columns = (feed.c.id, feed.c.url, feed.c.title, feed.c.watchlist, feed.c.site)
    with reading(engine) as connection:
        known = {row.url: row for row in connection.execute(select(*columns))}
    missing = [one for one in feeds if one[1].url not in known]
    renewed = [
        (known[one.url].id, values)
        for title, one in feeds
        if one.url in known and (values := _renewed(known[one.url], title, one))
    ]
    if missing or renewed:
        with writing(engine) as connection:
            _insert(connection, missing)
            for row_id, values in renewed:
                connection.execute(update(feed).where(feed.c.id == row_id).values(values))
                if "watchlist" in values:
                    moved = update(entry).where(entry.c.feed_id == row_id)
                    connection.execute(moved.values(watchlist=values["watchlist"]))
            rows = connection.execute(select(feed.c.id, feed.c.url)).all()
        return {row.url: row.id for row in rows}
    return {url: row.id for url, row in known.items()}


def _insert(connection: Connection, feeds: Sequence[Listed]) -> None:
    rows = [
        {"url": one.url, "title": given_title(one), "watchlist": title, "site": one.site}
        for title, one in sorted(feeds, key=lambda listed: listed[1].url)  # all in one order
    ]
    if rows:
        connection.execute(insert_new(connection, feed).on_conflict_do_nothing(), rows)


def given_title(one: Feed) -> str:
    """Return the name that the team gave a feed, ``""`` where it gave none."""
    return one.title if one.title != one.url else ""


def _renewed(row: Any, watchlist: str, one: Feed) -> dict[str, str]:
    """Return what the watchlists say anew; what they leave out the feed may say itself."""
    said = {
        "watchlist": watchlist,
        "title": given_title(one) or row.title,
        "site": one.site or row.site,
    }
    return {name: value for name, value in said.items() if getattr(row, name) != value}


def claim_feeds(
    engine: Engine, feeds: Sequence[Listed], *, worker: str, now: datetime, is_due_only: bool
) -> list[Claim]:
    """Claim those feeds that nobody else holds and whose servers want no rest.

    One statement for all: of two pulls at once each feed gets one. ``is_due_only`` leaves those
    whose time has not come.
    """
    columns = feed.c
    ids = enrol_feeds(engine, feeds)
    wanted = {ids[one.url]: (title, one) for title, one in feeds}
    free = [
        or_(columns.claimed_until.is_(None), columns.claimed_until <= now),
        or_(columns.not_before.is_(None), columns.not_before <= now),
    ]
    if is_due_only:
        free.append(or_(columns.next_at.is_(None), columns.next_at <= now))
    with writing(engine) as connection:
        query = select(columns.id).where(among(connection, columns.id, wanted), *free)
        # on PostgreSQL a row that another pull is just claiming is no row of ours
        query = query.order_by(columns.id).with_for_update(skip_locked=True)
        values = {"claimed_by": worker, "claimed_until": now + LEASE}
        statement = update(feed).where(columns.id.in_(query)).values(values).returning(*columns)
        rows = {row.id: row for row in connection.execute(statement)}
    return [
        _claim(rows[row_id], title, one)
        for row_id, (title, one) in wanted.items()
        if row_id in rows
    ]


def _claim(row: Any, watchlist: str, one: Feed) -> Claim:
    return Claim(
        id=row.id,
        feed=one,
        watchlist=watchlist,
        title=row.title,
        site=row.site,
        state=state_of(row),
    )


def state_of(row: Any) -> FeedState:
    """Return what a row of table ``feed`` remembers."""
    return FeedState(**{name: getattr(row, name) for name in FeedState.__slots__})


def extend_claims(engine: Engine, *, worker: str, now: datetime) -> None:
    """Keep what a long pull still holds."""
    with writing(engine) as connection:
        values = {"claimed_until": now + LEASE}
        connection.execute(update(feed).where(feed.c.claimed_by == worker).values(values))


def release_claims(engine: Engine, *, worker: str) -> None:
    """Let go of what a pull still holds, because it was stopped."""
    with writing(engine) as connection:
        values = {"claimed_by": "", "claimed_until": None}
        connection.execute(update(feed).where(feed.c.claimed_by == worker).values(values))


def move_row(engine: Engine, row_id: int, url: str) -> None:
    """Give a feed's row the address that it moved to.

    Where that is followed already, what the old row brought becomes that feed's.
    """
    with writing(engine) as connection:
        there = connection.scalar(select(feed.c.id).where(feed.c.url == url).with_for_update())
        if there is None:
            values = {"url": url, "moved_to": "", "moved_since": None}
            connection.execute(update(feed).where(feed.c.id == row_id).values(values))
            return
        connection.execute(update(entry).where(entry.c.feed_id == row_id).values(feed_id=there))
        brought = entry_feed.c
        also = select(brought.entry_id).where(brought.feed_id == there)
        mine = and_(brought.feed_id == row_id, brought.entry_id.not_in(also))
        connection.execute(update(entry_feed).where(mine).values(feed_id=there))
        connection.execute(delete(feed).where(feed.c.id == row_id))


def next_due(engine: Engine, watchlists: Sequence[Watchlist], *, now: datetime) -> datetime | None:
    """Return when the first feed is due, at least ``now``; None where no feed is followed."""
    listed = {one.url for _, one in feeds_once(watchlists)}
    columns = feed.c
    query = select(columns.url, columns.next_at, columns.not_before, columns.claimed_until)
    with reading(engine) as connection:
        rows = {row.url: row for row in connection.execute(query) if row.url in listed}
    times = [now] if len(rows) < len(listed) else []
    for row in rows.values():
        known = (row.next_at, row.not_before, row.claimed_until, now)
        times.append(max(one for one in known if one is not None))
    return min(times, default=None)
