"""How the feeds are: which ones fail, since when and why, and which have fallen silent.

Reads only. What is remembered of a feed is decided by ``politeness.py``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Engine, select

from pipeline.errors import FetchError
from pipeline.store.engine import reading
from pipeline.store.entries import feed
from pipeline.veille.claims import feeds_once, state_of
from pipeline.veille.politeness import FeedState
from pipeline.veille.watchlists import Feed, Watchlist

SILENT_AFTER: Final = timedelta(days=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How one feed is.

    ``error`` is that of the last attempt, None while the feed works; ``failures`` counts the
    attempts since ``failing_since``. ``silent_since`` is when it last brought something new (at
    first: when it first answered) where that is longer ago than SILENT_AFTER.
    """

    feed: Feed
    watchlist: str
    failing_since: datetime | None = None
    failures: int = 0
    error: FetchError | None = None
    silent_since: datetime | None = None
    checked_at: datetime | None = None
    next_at: datetime | None = None
    moved_to: str = ""

    @property
    def is_well(self) -> bool:
        """Say whether there is nothing to look after."""
        return not (self.error or self.silent_since or self.moved_to)


def list_health(engine: Engine, watchlists: Sequence[Watchlist], *, now: datetime) -> list[Health]:
    """Return how each feed of the watchlists is, in their order."""
    with reading(engine) as connection:
        states = {row.url: state_of(row) for row in connection.execute(select(feed))}
    return [
        _health(one, title, states.get(one.url, FeedState()), now)
        for title, one in feeds_once(watchlists)
    ]


def _health(one: Feed, watchlist: str, state: FeedState, now: datetime) -> Health:
    times = [moment for moment in (state.next_at, state.not_before) if moment]
    is_silent = state.brought_at is not None and now - state.brought_at > SILENT_AFTER
    return Health(
        feed=one,
        watchlist=watchlist,
        failing_since=state.failing_since,
        failures=state.failures,
        error=_error(state),
        silent_since=state.brought_at if is_silent else None,
        checked_at=state.checked_at,
        next_at=max(times, default=None),
        moved_to=state.moved_to,
    )


def _error(state: FeedState) -> FetchError | None:
    """Return the error as it was, so that it can be said in any language."""
    found = state.error
    if not found:
        return None
    facts = found.get("facts")
    named = {str(name): fact for name, fact in facts.items()} if isinstance(facts, dict) else {}
    return FetchError(str(found.get("message", "")), **named)
