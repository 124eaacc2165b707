"""Pulling for tests: watchlists of feeds, a pull at a fixed time, and what is stored then."""

from collections.abc import Sequence
from datetime import datetime
from random import Random
from typing import Any

from sqlalchemy import Engine, Row, select

from pipeline.store.engine import reading
from pipeline.store.entries import entry, entry_feed, entry_tag, feed
from pipeline.veille.pull import FeedOutcome, Report, pull_feeds
from pipeline.veille.rules import Rulebook
from pipeline.veille.watchlists import Feed, Watchlist
from tests.veille.builders import NOW, on_loopback


def feeds(*urls: str, title: str = "Presse", **more: Any) -> Watchlist:
    return Watchlist(
        title=title, feeds=tuple(Feed(title=f"Flux {url[-2:]}", url=url, **more) for url in urls)
    )


def pull(
    engine: Engine,
    *watchlists: Watchlist,
    now: datetime = NOW,
    rulebook: Rulebook | None = None,
    is_due_only: bool = False,
    on_feed: Any = None,
    on_moved: Any = None,
    worker: str = "essai",
    **settings: Any,
) -> Report:
    """Pull on loopback at a fixed moment, with no pause between requests to a host."""
    return pull_feeds(
        engine,
        watchlists,
        settings=on_loopback(**{"spacing": 0.0, **settings}),
        rulebook=rulebook or Rulebook(),
        clock=lambda: now,
        rng=Random(1),
        worker=worker,
        is_due_only=is_due_only,
        on_feed=on_feed,
        on_moved=on_moved,
    )


def only(report: Report) -> FeedOutcome:
    (outcome,) = report.outcomes
    return outcome


def entries(engine: Engine) -> Sequence[Row[Any]]:
    return _rows(engine, select(entry).order_by(entry.c.id))


def feed_row(engine: Engine, url: str = "") -> Row[Any]:
    query = select(feed) if not url else select(feed).where(feed.c.url == url)
    (row,) = _rows(engine, query)
    return row


def brought(engine: Engine) -> set[tuple[int, int]]:
    return {(row.entry_id, row.feed_id) for row in _rows(engine, select(entry_feed))}


def tags(engine: Engine) -> set[tuple[int, str]]:
    return {(row.entry_id, row.tag) for row in _rows(engine, select(entry_tag))}


def _rows(engine: Engine, query: Any) -> Sequence[Row[Any]]:
    with reading(engine) as connection:
        return connection.execute(query).all()
