"""Parsing in processes of their own, each of which may be killed: a feed is anybody's bytes.

What takes too long, or too much memory, is one bad feed. The processes start when there is
something to parse, by way of a small server process that has read the code already: a fork of
this one would be unsafe beside its threads. What a feed means is the business of ``feeds.py``.
"""

import asyncio
import gc
import multiprocessing
import os
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import BrokenExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

from pebble import ProcessExpired, ProcessPool

from pipeline.errors import FetchError
from pipeline.veille.feeds import ParsedFeed, parse_feed
from pipeline.veille.item import Entry
from pipeline.words import mark

PROCESSES: Final = min(2, os.cpu_count() or 1)
TIME_LIMIT: Final = 30.0  # seconds for one feed; the slowest of the corpora takes 2
#: Bytes of address space for one process beyond what it has at its start. 10 MB of real feed
#: take some 300 MB.
MEMORY_LIMIT: Final = 1 << 30
_ATTEMPTS: Final = 3

Parse = Callable[..., ParsedFeed]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A body to parse, with what :func:`pipeline.veille.feeds.parse_feed` wants to know."""

    body: bytes
    url: str
    content_type: str
    now: datetime
    source: str = ""
    watchlist: str = ""


class Parsers:
    """The processes; opened by :func:`open_parsers`. ``parse`` is what they run."""

    def __init__(self, *, parse: Parse, time_limit: float, processes: int) -> None:
        self._parse = parse
        self._processes = processes
        self._time_limit = time_limit
        self._pool: ProcessPool | None = None

    async def parse(self, job: Job) -> ParsedFeed:
        """Return what a feed says. Raises FetchError where it is none, or takes too much."""
        try:
            found = await self._run(job)
        except TimeoutError:
            message = mark(
                "{url} took more than {seconds} s to read, so it was given up: ask its makers for"
                " a shorter feed"
            )
            raise FetchError(message, url=job.url, seconds=f"{self._time_limit:g}") from None
        except ProcessExpired:
            message = mark("{url} made the reading of it break off: tell its makers, or remove it")
            raise FetchError(message, url=job.url) from None
        if isinstance(found, _Refused):
            raise FetchError(found.message, retryable=found.retryable, **found.facts)
        return _unpacked(*found)

    async def _run(self, job: Job) -> "_Packed | _Refused":
        for _ in range(_ATTEMPTS - 1):
            pool = self._pool = self._pool or _open_pool(self._processes)
            try:
                return await self._schedule(pool, job)
            except (BrokenExecutor, RuntimeError):
                # a process was killed from outside while it did nothing, and took the pool along
                if pool is self._pool:
                    self._pool = None
                    await asyncio.to_thread(_stop, pool)
        pool = self._pool = self._pool or _open_pool(self._processes)
        return await self._schedule(pool, job)

    async def _schedule(self, pool: ProcessPool, job: Job) -> "_Packed | _Refused":
        arguments = (self._parse, job.body, _options(job))
        future = pool.schedule(_work, args=arguments, timeout=self._time_limit)
        found: _Packed | _Refused = await asyncio.wrap_future(future)
        return found

    def stop(self) -> None:
        """End the processes, whatever they are at."""
        if self._pool is not None:
            _stop(self._pool)
            self._pool = None


@asynccontextmanager
async def open_parsers(
    *, parse: Parse = parse_feed, time_limit: float = TIME_LIMIT, processes: int = PROCESSES
) -> AsyncIterator[Parsers]:
    """Open parsers for one pull; ``time_limit`` is in seconds for one feed."""
    parsers = Parsers(parse=parse, time_limit=time_limit, processes=min(processes, PROCESSES))
    try:
        yield parsers
    finally:
        await asyncio.to_thread(parsers.stop)


@dataclass(frozen=True, slots=True)
class _Refused:
    """A FetchError on its way between processes: errors with facts cannot be pickled."""

    message: str
    retryable: bool
    facts: Mapping[str, Any]


# (title, site, language, dropped, entries): plain tuples take a tenth of the time that
# dataclasses take to be pickled
_Packed = tuple[str, str, str, int, list[tuple[Any, ...]]]
_FIELDS: Final = [one.name for one in fields(Entry) if one.name != "origins"]


def _open_pool(processes: int) -> ProcessPool:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", "pipeline.veille.parsing"])
    return ProcessPool(max_workers=processes, context=context, initializer=_prepare)


def _stop(pool: ProcessPool) -> None:
    pool.stop()  # type: ignore[no-untyped-call]
    pool.join()


def _prepare() -> None:
    """Bound a process before its first feed; what is there already need not be collected."""
    gc.collect()
    gc.freeze()
    with suppress(ImportError, OSError, ValueError):
        import resource  # not on Windows

        with open("/proc/self/statm", encoding="ascii") as file:
            present = int(file.read().split()[0]) * resource.getpagesize()
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (present + MEMORY_LIMIT, most))


def _options(job: Job) -> dict[str, Any]:
    return {one.name: getattr(job, one.name) for one in fields(job) if one.name != "body"}


def _work(parse: Parse, body: bytes, options: dict[str, Any]) -> _Packed | _Refused:
    """Parse one feed, in a process of the pool."""
    try:
        feed = parse(body, **options)
    except FetchError as error:
        return _Refused(error.message, error.retryable, error.facts)
    except MemoryError:
        message = mark("{url} takes too much memory to read: ask its makers for a shorter feed")
        return _Refused(message, False, {"url": options["url"]})
    entries = [tuple(getattr(one, name) for name in _FIELDS) for one in feed.entries]
    return feed.title, feed.site, feed.language, feed.dropped, entries


def _unpacked(
    title: str, site: str, language: str, dropped: int, entries: list[tuple[Any, ...]]
) -> ParsedFeed:
    return ParsedFeed(
        title=title,
        site=site,
        language=language,
        dropped=dropped,
        entries=tuple(Entry(**dict(zip(_FIELDS, one, strict=True))) for one in entries),
    )
