"""One pull: fetch every feed of the watchlists, decide what is new, report it.

Read → decide → do: feeds are fetched side by side, but decided upon in the order of the
watchlists, so that the same feeds give the same result whichever answers first. Nothing is
saved here; :meth:`Report.record` puts a pull on a shelf.
"""

import asyncio
import hashlib
import ssl
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from pipeline.errors import FetchError
from pipeline.settings import Settings
from pipeline.veille.decide import Changes, decide
from pipeline.veille.feeds import ParsedFeed, parse_feed
from pipeline.veille.fetch import Fetched, Fetcher, Request, open_fetcher
from pipeline.veille.item import Entry
from pipeline.veille.shelf import FeedState, Shelf
from pipeline.veille.watchlists import Feed, Watchlist


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedOutcome:
    """What a pull did with one feed: ``changes``, or the ``error`` that concerns it alone.

    ``is_unchanged``: the server or the bytes said so. ``is_skipped``: the server had asked to be
    left alone until ``state.not_before``. ``dropped`` counts entries without a usable address.
    """

    feed: Feed
    watchlist: str
    state: FeedState
    changes: Changes = field(default_factory=Changes)
    error: FetchError | None = None
    is_unchanged: bool = False
    is_skipped: bool = False
    dropped: int = 0
    moved_to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The outcomes of a pull, in the order of the watchlists."""

    outcomes: tuple[FeedOutcome, ...] = ()

    @property
    def new(self) -> int:
        """Return how many entries are new."""
        return sum(len(one.changes.new) for one in self.outcomes)

    @property
    def changed(self) -> int:
        """Return how many known entries now say something else."""
        return sum(len(one.changes.changed) for one in self.outcomes)

    @property
    def failed(self) -> tuple[FeedOutcome, ...]:
        """Return the outcomes of the feeds that could not be had."""
        return tuple(one for one in self.outcomes if one.error)

    def record(self, shelf: Shelf) -> None:
        """Put what the pull found on ``shelf``."""
        for one in self.outcomes:
            shelf.feeds[one.feed.url] = one.state
            for entry in (*one.changes.new, *one.changes.changed):
                shelf.entries[entry.id] = entry


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """One feed as it was read, before anything is decided."""

    state: FeedState
    parsed: ParsedFeed | None = None
    error: FetchError | None = None
    is_skipped: bool = False
    moved_to: str = ""


def pull(
    watchlists: Iterable[Watchlist],
    shelf: Shelf,
    *,
    settings: Settings,
    now: datetime,
    on_feed: Callable[[FeedOutcome], None] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Report:
    """Fetch every feed once and return what became of each; ``shelf`` is only read.

    ``now`` is aware. ``on_feed`` hears of each feed in the order of the watchlists. One bad feed
    is one outcome with an error; raises InputError where the settings are at fault.
    """
    return asyncio.run(
        _pull(list(_once(watchlists)), shelf, settings=settings, now=now, on_feed=on_feed, tls=tls)
    )


def _once(watchlists: Iterable[Watchlist]) -> Iterable[tuple[str, Feed]]:
    """Yield each feed once: one that stands in two watchlists belongs to the first."""
    met: set[str] = set()
    for watchlist in watchlists:
        for feed in watchlist.feeds:
            if feed.url not in met:
                met.add(feed.url)
                yield watchlist.title, feed


async def _pull(
    feeds: list[tuple[str, Feed]],
    shelf: Shelf,
    *,
    settings: Settings,
    now: datetime,
    on_feed: Callable[[FeedOutcome], None] | None,
    tls: ssl.SSLContext | None,
) -> Report:
    known = dict(shelf.entries)
    outcomes = []
    # Parsing off the loop, so that no slow feed makes the others miss their time. One thread:
    # feedparser holds the interpreter anyway. A process pool takes this place when it is needed.
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="veille-parse") as pool:
        async with open_fetcher(settings.veille, tls=tls) as fetcher, asyncio.TaskGroup() as group:
            reader = _Reader(fetcher=fetcher, pool=pool, now=now)
            tasks = [
                group.create_task(reader.read(feed, title, shelf.feeds.get(feed.url, FeedState())))
                for title, feed in feeds
            ]
            for (title, feed), task in zip(feeds, tasks, strict=True):
                outcome = _outcome(await task, known, feed=feed, watchlist=title, now=now)
                known |= {one.id: one for one in (*outcome.changes.new, *outcome.changes.changed)}
                outcomes.append(outcome)
                if on_feed:
                    on_feed(outcome)
    return Report(outcomes=tuple(outcomes))


def _outcome(
    read: _Read, known: dict[str, Entry], *, feed: Feed, watchlist: str, now: datetime
) -> FeedOutcome:
    parsed = read.parsed
    return FeedOutcome(
        feed=feed,
        watchlist=watchlist,
        state=read.state,
        changes=decide(known, parsed, now) if parsed else Changes(),
        error=read.error,
        is_unchanged=not (parsed or read.error or read.is_skipped),
        is_skipped=read.is_skipped,
        dropped=parsed.dropped if parsed else 0,
        moved_to=read.moved_to,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Fetches and parses one feed after its state."""

    fetcher: Fetcher
    pool: Executor
    now: datetime

    async def read(self, feed: Feed, watchlist: str, state: FeedState) -> _Read:
        if state.not_before and self.now < state.not_before:
            return _Read(state=state, is_skipped=True)
        request = Request(url=feed.url, etag=state.etag, last_modified=state.last_modified)
        try:
            answer = await self.fetcher.fetch(request)
            return await self._parse(answer, feed, watchlist, state)
        except FetchError as error:
            return _Read(state=self._failed(state, error), error=error)

    async def _parse(self, answer: Fetched, feed: Feed, watchlist: str, state: FeedState) -> _Read:
        digest = hashlib.sha256(answer.body).hexdigest()
        works = replace(
            state, checked_at=self.now, last_error="", failing_since=None, not_before=None
        )
        if answer.is_unchanged:
            return _Read(state=works, moved_to=answer.moved_to)
        works = replace(works, etag=answer.etag, last_modified=answer.last_modified, sha256=digest)
        if digest == state.sha256:
            return _Read(state=works, moved_to=answer.moved_to)
        parse = partial(
            parse_feed,
            answer.body,
            url=answer.url,
            content_type=answer.content_type,
            now=self.now,
            source=feed.title if feed.title != feed.url else "",
            watchlist=watchlist,
        )
        parsed = await asyncio.get_running_loop().run_in_executor(self.pool, parse)
        return _Read(state=works, parsed=_owned(parsed, feed), moved_to=answer.moved_to)

    def _failed(self, state: FeedState, error: FetchError) -> FeedState:
        wait = error.retry_after
        return replace(
            state,
            checked_at=self.now,
            last_error=str(error),
            failing_since=state.failing_since or self.now,
            not_before=self.now + timedelta(seconds=wait) if wait else None,
        )


def _owned(parsed: ParsedFeed, feed: Feed) -> ParsedFeed:
    """Name entries by the feed's address in the watchlist, wherever its server redirected to."""
    return replace(
        parsed, entries=tuple(replace(entry, feed_url=feed.url) for entry in parsed.entries)
    )
