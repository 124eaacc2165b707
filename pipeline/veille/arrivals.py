"""Writing down what feeds brought: new entries, changed ones, and what is remembered of each feed.

Many feeds go into one transaction, each table in one statement. What is new or changed is decided
by ``decide.py`` and the rules; how feeds are fetched is the business of ``pull.py``.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import IntegrityError

from pipeline.errors import WorldError
from pipeline.store.columns import spelled
from pipeline.store.engine import writing
from pipeline.store.entries import entry, entry_tag
from pipeline.store.rowsets import among
from pipeline.veille.claims import Claim, given_title
from pipeline.veille.decide import Changes, decide
from pipeline.veille.feeds import ParsedFeed
from pipeline.veille.item import Entry
from pipeline.veille.politeness import FeedState, after_news
from pipeline.veille.rows import entry_of, row_of, select_entries
from pipeline.veille.rules import Rulebook, Verdict
from pipeline.veille.statements import (
    BRING,
    CHANGE,
    ENTRY,
    INSERT,
    REMEMBER,
    STATE,
    TAG,
)
from pipeline.veille.states import State
from pipeline.veille.watchlists import Feed

_ATTEMPTS: Final = 3
_TROUBLES: Final = 3  # times a rule may run out of time before a pull goes on without it


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What a pull found out of one feed ``at`` a moment.

    ``parsed`` is None where there was no other body than the one before.
    """

    claim: Claim
    at: datetime
    state: FeedState
    parsed: ParsedFeed | None = None

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Return what stands in the feed."""
        return self.parsed.entries if self.parsed else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """How many entries of a feed are new, and how many known ones say something else.

    ``trouble`` names the rules that ran out of time on one of them.
    """

    new: int = 0
    changed: int = 0
    trouble: tuple[str, ...] = ()


@dataclass(slots=True)
class Judge:
    """Applies the rules in one pull; what takes too long again and again is given up."""

    book: Rulebook
    troubles: Counter[str] = field(default_factory=Counter)

    def judge(self, one: Entry, feed: Feed) -> Verdict:
        """Return what becomes of a new entry."""
        if self.book.is_empty and not feed.is_whitelisted:
            return Verdict()
        verdict = self.book.judge(one, feed=feed)
        if verdict.trouble:
            self.troubles.update(verdict.trouble)
            tired = {name for name, count in self.troubles.items() if count >= _TROUBLES}
            self.book = self.book.without(tired)
        return verdict


def write_arrivals(
    engine: Engine, arrivals: Sequence[Arrival], *, judge: Judge, worker: str
) -> list[Brought]:
    """Write what feeds brought, in one transaction, and let go of them; return what it was.

    A page that two of them bring belongs to the first. Raises WorldError.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with writing(engine) as connection:
                return _Writer(connection, arrivals, judge).write(worker)
        except WorldError as error:
            # a curator's action and a pull may wait for each other: PostgreSQL stops one of them
            if attempt == _ATTEMPTS or "deadlock" not in str(error.facts.get("reason", "")):
                raise
        except IntegrityError:  # an entry was erased while its feed brought it again
            if attempt == _ATTEMPTS:
                raise
    return []


@dataclass(frozen=True, slots=True)
class _Decided:
    """An arrival, what it changes, and what the rules say of its new entries, by address."""

    arrival: Arrival
    changes: Changes
    verdicts: Mapping[str, Verdict]


class _Writer:
    """Writes some arrivals in an open transaction."""

    def __init__(self, connection: Connection, arrivals: Sequence[Arrival], judge: Judge) -> None:
        self.connection = connection
        self.arrivals = arrivals
        self.judge = judge
        self.ids: dict[str, int] = {}  # the rows of the pages that are known
        self.known: dict[str, Entry] = {}

    def write(self, worker: str) -> list[Brought]:
        self._read_known()
        decided = [self._decide(arrival) for arrival in self.arrivals]
        added = self._insert(decided)
        self._change(one for some in decided for one in some.changes.changed)
        self._note_feeds()
        found = [_brought(one, added) for one in decided]
        self._remember(found, worker)
        return found

    def _read_known(self) -> None:
        urls = {one.canonical_url for arrival in self.arrivals for one in arrival.entries}
        if not urls:
            return
        query = select_entries().where(among(self.connection, entry.c.canonical_url, urls))
        for row in self.connection.execute(query):
            self.ids[row.canonical_url] = row.id
            self.known[row.canonical_url] = entry_of(row)

    def _decide(self, arrival: Arrival) -> _Decided:
        if not arrival.parsed:
            return _Decided(arrival, Changes(), {})
        changes = decide(self.known, arrival.parsed, arrival.at)
        self.known |= {one.canonical_url: one for one in changes.new}
        feed = arrival.claim.feed
        verdicts = {one.canonical_url: self.judge.judge(one, feed) for one in changes.new}
        return _Decided(arrival, changes, verdicts)

    def _insert(self, decided: Iterable[_Decided]) -> set[str]:
        """Add the new entries and their tags; return the addresses that nobody added meanwhile."""
        verdicts = {url: one for some in decided for url, one in some.verdicts.items()}
        rows = [
            _new_row(one, some.arrival.claim.id, verdicts[one.canonical_url])
            for some in decided
            for one in some.changes.new
        ]
        if not rows:
            return set()
        rows.sort(key=lambda row: str(row["canonical_url"]))  # all pulls in one order
        added = {row.canonical_url: row.id for row in self._run(INSERT, rows)}
        self.ids |= added
        if lost := [row["canonical_url"] for row in rows if row["canonical_url"] not in added]:
            columns = (entry.c.id, entry.c.canonical_url)
            query = select(*columns).where(among(self.connection, entry.c.canonical_url, lost))
            self.ids |= {row.canonical_url: row.id for row in self.connection.execute(query)}
        tags = [
            {"entry_id": row_id, "tag": tag}
            for url, row_id in added.items()
            for tag in verdicts[url].tags
        ]
        if tags:
            self._run(TAG, tags)
        return set(added)

    def _change(self, changed: Iterable[Entry]) -> None:
        fresh = {self.ids[one.canonical_url]: one for one in changed}
        if not fresh:
            return
        # held, so that a note which is just being written does not get lost for search
        query = select(entry.c.id, entry.c.note).where(among(self.connection, entry.c.id, fresh))
        held = self.connection.execute(query.order_by(entry.c.id).with_for_update(of=entry)).all()
        tags: dict[int, list[str]] = {}
        ours = among(self.connection, entry_tag.c.entry_id, fresh)
        query = select(entry_tag.c.entry_id, entry_tag.c.tag).where(ours)
        for row in self.connection.execute(query.order_by(entry_tag.c.tag)):
            tags.setdefault(row.entry_id, []).append(row.tag)
        rows = [
            {"id": row.id}
            | _entry_row(fresh[row.id], note=row.note, tags=tuple(tags.get(row.id, ())))
            for row in held
        ]
        self._run(CHANGE, rows)

    def _note_feeds(self) -> None:
        """Note of every entry that its feed brought it just now."""
        at = {
            (self.ids[one.canonical_url], arrival.claim.id): arrival.at
            for arrival in self.arrivals
            for one in arrival.entries
            if one.canonical_url in self.ids
        }
        rows = [
            {"entry_id": entry_id, "feed_id": feed_id, "at": spelled(moment)}
            for (entry_id, feed_id), moment in sorted(at.items())
        ]
        if rows:
            self._run(BRING, rows)

    def _remember(self, found: Iterable[Brought], worker: str) -> None:
        rows = [
            _feed_row(arrival, brought)
            for arrival, brought in zip(self.arrivals, found, strict=True)
        ]
        self._run(REMEMBER, rows, worker=worker)

    def _run(
        self, statements: Mapping[str, Any], rows: Sequence[Mapping[str, object]], **values: object
    ) -> Any:
        statement = statements[self.connection.dialect.name]
        return self.connection.execute(statement, {"rows": json.dumps(rows), **values})


def _brought(decided: _Decided, added: Collection[str]) -> Brought:
    changes = decided.changes
    troubles = (name for verdict in decided.verdicts.values() for name in verdict.trouble)
    return Brought(
        new=sum(one.canonical_url in added for one in changes.new),
        changed=len(changes.changed),
        trouble=tuple(sorted(set(troubles))),
    )


def _entry_row(one: Entry, *, note: str = "", tags: tuple[str, ...] = ()) -> dict[str, object]:
    row = row_of(one, note=note, tags=tags)
    for name, kind in ENTRY.items():
        value = row[name]
        if kind == "time":
            row[name] = spelled(value) if isinstance(value, datetime) else None
    return row


def _new_row(one: Entry, feed_id: int, verdict: Verdict) -> dict[str, object]:
    return _entry_row(one, tags=verdict.tags) | {
        "feed_id": feed_id,
        "state": (verdict.state or State.NEW).value,
        "rule": verdict.rule,
    }


def _feed_row(arrival: Arrival, brought: Brought) -> dict[str, object]:
    claim, parsed = arrival.claim, arrival.parsed
    state = after_news(arrival.state, new=brought.new) if parsed else arrival.state
    row: dict[str, object] = {
        name: spelled(getattr(state, name)) if kind == "time" else getattr(state, name)
        for name, kind in STATE.items()
    }
    row["id"] = claim.id
    said = parsed or ParsedFeed(title="", site="", language="", entries=())
    row["title"] = given_title(claim.feed) or said.title or claim.title
    row["site"] = claim.feed.site or said.site or claim.site
    return row
