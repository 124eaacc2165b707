"""One pull: claim the feeds, fetch and parse them side by side, write what they bring.

Read → decide → do: the edge files fetch, parse and write, the core decides what is new and when
to ask again. Results are gathered for a moment, so that many feeds share one transaction.
"""

import asyncio
import hashlib
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random
from typing import Final

from sqlalchemy import Engine

from pipeline.errors import FetchError
from pipeline.settings import Settings
from pipeline.veille.addresses import read_networks
from pipeline.veille.arrivals import Arrival, Brought, Judge, write_arrivals
from pipeline.veille.claims import (
    LEASE,
    Claim,
    claim_feeds,
    extend_claims,
    feeds_once,
    move_row,
    next_due,
    release_claims,
)
from pipeline.veille.feeds import ParsedFeed
from pipeline.veille.fetch import Fetched, Fetcher, Request, open_fetcher
from pipeline.veille.outcomes import FeedOutcome, Report
from pipeline.veille.parsing import Job, Parsers, open_parsers
from pipeline.veille.politeness import Answered, after_answer, after_failure, is_move_due
from pipeline.veille.rules import Rulebook
from pipeline.veille.watchlists import Feed, Watchlist

__all__ = ["FeedOutcome", "Report", "next_due", "pull_feeds"]

_GATHER: Final = 0.25  # seconds for which results wait for others to be written with
_GLANCE: Final = 0.2  # seconds between two looks whether to stop
_MOST: Final = 60  # parsed feeds that may wait; more, and fetching waits for the database

#: Where a feed's permanent redirect has stood for long enough: the new address goes into the
#: watchlists. False where it did not.
OnMoved = Callable[[Feed, str], object]


def pull_feeds(
    engine: Engine,
    watchlists: Sequence[Watchlist],
    *,
    settings: Settings,
    rulebook: Rulebook,
    clock: Callable[[], datetime],
    rng: Random,
    worker: str,
    is_due_only: bool = False,
    on_feed: Callable[[FeedOutcome], None] | None = None,
    on_moved: OnMoved | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
    tls: ssl.SSLContext | None = None,
) -> Report:
    """Fetch every feed once, write what is new, and return what became of each.

    ``clock`` gives an aware time. ``worker`` names this pull in its claims. ``is_due_only`` leaves
    feeds whose time has not come; a server that asked for rest gets it in any case. ``on_feed``
    hears of each feed when what it brought is written, ``on_moved`` at the end of those that have
    another address for good. Once it ``is_stopped``, which is asked in the thread of the caller
    several times a second, feeds that are not written yet are left as they were, and skipped. One
    bad feed is one outcome with an error. Raises InputError where the settings are at fault,
    WorldError where the database is.
    """
    read_networks(settings.veille.allow_private)  # before anything is claimed
    pull = _Pull(
        engine=engine,
        settings=settings,
        judge=Judge(rulebook),
        clock=clock,
        rng=rng,
        worker=f"{worker}/{rng.getrandbits(48):012x}",
        on_feed=on_feed,
        is_stopped=is_stopped,
    )
    feeds = feeds_once(watchlists)
    if not feeds:
        return Report()
    claims = claim_feeds(engine, feeds, worker=pull.worker, now=clock(), is_due_only=is_due_only)
    try:
        if claims:
            asyncio.run(pull.run(claims, tls=tls))
    except BaseExceptionGroup as group:
        if not isinstance(first := _first_of(group), _Stopped):
            raise first from group
    finally:
        if len(pull.outcomes) < len(claims):
            release_claims(engine, worker=pull.worker)
    for title, one in feeds:
        if one.url not in pull.outcomes:
            pull.tell(FeedOutcome(feed=one, watchlist=title, is_skipped=True))
    if on_moved:
        for claim, url in pull.moves:
            if on_moved(claim.feed, url) is not False:
                move_row(engine, claim.id, url)
    return Report(outcomes=tuple(pull.outcomes[one.url] for _, one in feeds))


def _first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return what stopped the tasks: callers know errors, not groups of them."""
    first = group.exceptions[0]
    return _first_of(first) if isinstance(first, BaseExceptionGroup) else first


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """What became of one feed, before it is written."""

    arrival: Arrival
    seconds: float
    error: FetchError | None = None
    moved_to: str = ""


class _Results:
    """What was read and waits to be written."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[_Result] = asyncio.Queue()
        self._room = asyncio.Semaphore(_MOST)
        self._hurry = asyncio.Event()
        self._is_complete = False

    async def put(self, result: _Result) -> None:
        """Add a result; where too many parsed ones wait, only when there is room."""
        if result.arrival.parsed:
            if self._room.locked():
                self._hurry.set()
            await self._room.acquire()
        self._queue.put_nowait(result)

    def complete(self) -> None:
        """Say that nothing more will come."""
        self._is_complete = True
        self._hurry.set()

    async def take(self) -> list[_Result]:
        """Return some results, gathered for a moment. Raises TimeoutError: long nothing came."""
        batch = [await asyncio.wait_for(self._queue.get(), LEASE.total_seconds() / 3)]
        with suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), _GATHER)
        if not self._is_complete:
            self._hurry.clear()
        while not self._queue.empty():
            batch.append(self._queue.get_nowait())
        for result in batch:
            if result.arrival.parsed:
                self._room.release()
        return batch


class _Stopped(Exception):
    """The pull is to end."""


class _Pull:
    """One pull: readers, which fetch and parse, and one writer."""

    def __init__(
        self,
        *,
        engine: Engine,
        settings: Settings,
        judge: Judge,
        clock: Callable[[], datetime],
        rng: Random,
        worker: str,
        on_feed: Callable[[FeedOutcome], None] | None,
        is_stopped: Callable[[], bool],
    ) -> None:
        self.engine = engine
        self.settings = settings
        self.judge = judge
        self.clock = clock
        self.rng = rng
        self.worker = worker
        self.on_feed = on_feed
        self.is_stopped = is_stopped
        self.outcomes: dict[str, FeedOutcome] = {}
        self.moves: list[tuple[Claim, str]] = []
        self.places: dict[int, int] = {}

    async def run(self, claims: Sequence[Claim], *, tls: ssl.SSLContext | None) -> None:
        """Read all feeds and write what they bring. Raises _Stopped, in a group."""
        self.places = {claim.id: place for place, claim in enumerate(claims)}
        results = _Results()
        async with (
            open_fetcher(self.settings.veille, tls=tls) as fetcher,
            open_parsers(processes=len(claims)) as parsers,
            asyncio.TaskGroup() as group,
        ):
            watch = group.create_task(self._watch())
            writer = group.create_task(self._write_all(results, len(claims)))
            async with asyncio.TaskGroup() as readers:
                for claim in claims:
                    readers.create_task(self._read(claim, fetcher, parsers, results))
            results.complete()
            await writer
            watch.cancel()

    async def _watch(self) -> None:
        while not self.is_stopped():
            await asyncio.sleep(_GLANCE)
        raise _Stopped

    # --- reading ------------------------------------------------------------------------------

    async def _read(
        self, claim: Claim, fetcher: Fetcher, parsers: Parsers, results: _Results
    ) -> None:
        state, begun = claim.state, time.perf_counter()

        def start() -> None:
            nonlocal begun
            begun = time.perf_counter()

        request = Request(
            url=claim.feed.url,
            etag=state.etag,
            last_modified=state.last_modified,
            max_bytes=claim.feed.max_bytes,
        )
        try:
            async with fetcher.fetching(request, on_start=start) as answer:
                arrival = await self._arrival(claim, answer, parsers)
                seconds = time.perf_counter() - begun
                # put while the slot is held: no more results wait than the database can take
                await results.put(
                    _Result(arrival=arrival, seconds=seconds, moved_to=answer.moved_to)
                )
        except FetchError as error:
            now, interval = self.clock(), self._interval(claim)
            state = after_failure(state, error, now=now, interval=interval, rng=self.rng)
            arrival = Arrival(claim=claim, at=now, state=state)
            seconds = time.perf_counter() - begun
            await results.put(_Result(arrival=arrival, seconds=seconds, error=error))

    async def _arrival(self, claim: Claim, answer: Fetched, parsers: Parsers) -> Arrival:
        digest = "" if answer.is_unchanged else hashlib.sha256(answer.body).hexdigest()
        parsed, now = None, self.clock()
        if digest and digest != claim.state.sha256:
            parsed = await self._parse(claim, answer, parsers, now)
        state = after_answer(
            claim.state,
            Answered(
                etag=answer.etag,
                last_modified=answer.last_modified,
                sha256=digest,
                max_age=answer.max_age,
                moved_to=answer.moved_to,
                is_parsed=parsed is not None,
            ),
            now=now,
            interval=self._interval(claim),
            rng=self.rng,
        )
        return Arrival(claim=claim, at=now, state=state, parsed=parsed)

    async def _parse(
        self, claim: Claim, answer: Fetched, parsers: Parsers, now: datetime
    ) -> ParsedFeed:
        feed = claim.feed
        parsed = await parsers.parse(
            Job(
                body=answer.body,
                url=answer.url,
                content_type=answer.content_type,
                now=now,
                source=feed.title if feed.title != feed.url else "",
                watchlist=claim.watchlist,
            )
        )
        # named by the address in the watchlist, wherever its server redirected to
        if answer.url == feed.url:
            return parsed
        entries = tuple(replace(entry, feed_url=feed.url) for entry in parsed.entries)
        return replace(parsed, entries=entries)

    def _interval(self, claim: Claim) -> float:
        return float(claim.feed.interval or self.settings.veille.interval)

    # --- writing ------------------------------------------------------------------------------

    async def _write_all(self, results: _Results, count: int) -> None:
        """Write results as they come, until there are ``count``."""
        while len(self.outcomes) < count:
            try:
                batch = await results.take()
            except TimeoutError:
                await asyncio.to_thread(self._extend)
            else:
                await self._write(batch)

    async def _write(self, batch: list[_Result]) -> None:
        # in the order of the watchlists: of a page that two bring, the first is the owner
        batch.sort(key=lambda result: self.places[result.arrival.claim.id])
        arrivals = [result.arrival for result in batch]
        brought = await asyncio.to_thread(
            write_arrivals, self.engine, arrivals, judge=self.judge, worker=self.worker
        )
        now = self.clock()
        for result, one in zip(batch, brought, strict=True):
            arrival = result.arrival
            url = arrival.claim.feed.url
            if not result.error and is_move_due(arrival.state, url=url, now=now):
                self.moves.append((arrival.claim, arrival.state.moved_to))
            self.tell(_outcome(result, one))

    def _extend(self) -> None:
        extend_claims(self.engine, worker=self.worker, now=self.clock())

    def tell(self, outcome: FeedOutcome) -> None:
        """Keep an outcome, and tell who listens."""
        self.outcomes[outcome.feed.url] = outcome
        if self.on_feed:
            self.on_feed(outcome)


def _outcome(result: _Result, brought: Brought) -> FeedOutcome:
    arrival = result.arrival
    return FeedOutcome(
        feed=arrival.claim.feed,
        watchlist=arrival.claim.watchlist,
        new=brought.new,
        changed=brought.changed,
        error=result.error,
        is_unchanged=arrival.parsed is None and result.error is None,
        dropped=arrival.parsed.dropped if arrival.parsed else 0,
        moved_to=result.moved_to,
        seconds=result.seconds,
        trouble=brought.trouble,
    )
