"""The figures of a span of the veille, read from the database; what they make is ``report``'s."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, Select, func, select

from pipeline.store.engine import reading
from pipeline.store.entries import entry, entry_event, entry_tag
from pipeline.veille.health import list_health
from pipeline.veille.report import Brought, Choice, FeedTrouble, Report, Span, make_report
from pipeline.veille.states import State
from pipeline.veille.watchlists import Watchlist

_CHOSEN: Final = (State.KEPT, State.WRITTEN, State.PUBLISHED)
_IN_A_LETTER: Final = (State.WRITTEN, State.PUBLISHED)


def read_week(
    engine: Engine, watchlists: Sequence[Watchlist], span: Span, *, now: datetime
) -> Report:
    """Return the report of ``span``; the feeds are those of ``watchlists``, as they are ``now``.

    Raises WorldError where the database cannot be used.
    """
    with reading(engine) as connection:
        brought = list(_brought(connection, span))
        choices = list(_choices(connection, span))
    return make_report(
        span, brought=brought, choices=choices, feeds=_troubles(engine, watchlists, now=now)
    )


def _brought(connection: Connection, span: Span) -> Iterable[Brought]:
    columns = (entry.c.source, entry.c.language)
    query = (
        select(*columns, func.count())
        .where(entry.c.seen_at >= span.since, entry.c.seen_at < span.until)
        .group_by(*columns)
    )
    for source, language, count in connection.execute(query):
        yield Brought(source=source, language=language, count=count)


def _choices(connection: Connection, span: Span) -> Iterable[Choice]:
    """Yield what was kept in the span or since: its last change of state is no earlier."""
    wanted = entry.c.state.in_(_CHOSEN) & (entry.c.state_at >= span.since)
    ways = _ways(connection, select(entry.c.id).where(wanted))
    tags = _tags(connection, select(entry.c.id).where(wanted))
    for row in connection.execute(select(entry).where(wanted)):
        yield _choice(row, ways.get(row.id, _Way()), tags.get(row.id, ()))


@dataclass(slots=True)
class _Way:
    """When an entry was last kept and written, and by whom; None where nothing says it."""

    kept_at: datetime | None = None
    written_at: datetime | None = None
    by: str = ""

    def follow(self, state: str, at: datetime, by: str) -> None:
        """Take one step of the way: what was put back and kept again counts from then."""
        if state not in _CHOSEN:
            self.kept_at = self.written_at = None
            return
        if self.kept_at is None:
            self.kept_at, self.by = at, by
        if state not in _IN_A_LETTER:
            self.written_at = None
        elif self.written_at is None:
            self.written_at = at


def _ways(connection: Connection, ids: Select[tuple[int]]) -> Mapping[int, _Way]:
    events = entry_event.c
    query = (
        select(events.entry_id, events.at, events.by, events.after)
        .where(events.entry_id.in_(ids), events.undone_at.is_(None))
        .order_by(events.id)
    )
    found: dict[int, _Way] = {}
    for row in connection.execute(query):
        if state := row.after.get("state"):
            found.setdefault(row.entry_id, _Way()).follow(state, row.at, row.by)
    return found


def _tags(connection: Connection, ids: Select[tuple[int]]) -> Mapping[int, tuple[str, ...]]:
    query = select(entry_tag).where(entry_tag.c.entry_id.in_(ids)).order_by(entry_tag.c.tag)
    found: dict[int, tuple[str, ...]] = {}
    for row in connection.execute(query):
        found[row.entry_id] = (*found.get(row.entry_id, ()), row.tag)
    return found


def _choice(row: Row[Any], way: _Way, tags: tuple[str, ...]) -> Choice:
    arrived = row.seen_at if row.rule else row.state_at  # a rule keeps on arrival, without an event
    written = way.written_at or (row.state_at if row.state in _IN_A_LETTER else None)
    return Choice(
        ref=row.ref,
        title=row.title,
        url=row.url,
        source=row.source,
        language=row.language,
        state=State(row.state),
        at=way.kept_at or arrived,
        by=way.by if way.kept_at else row.state_by,
        rule=row.rule,
        tags=tags,
        note=row.note,
        issue=row.issue,
        written_at=written if row.issue else None,
    )


def _troubles(
    engine: Engine, watchlists: Sequence[Watchlist], *, now: datetime
) -> Iterable[FeedTrouble]:
    for one in list_health(engine, watchlists, now=now):
        if one.failing_since or one.silent_since:
            yield FeedTrouble(
                title=one.feed.title or one.feed.url,
                watchlist=one.watchlist,
                failing_since=one.failing_since,
                silent_since=one.silent_since,
                error=one.error,
            )
