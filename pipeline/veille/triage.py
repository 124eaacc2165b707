"""What a curator does at the desk: keep, discard, put back, assign, tag, note, and undo.

Each function reads the cards and holds them, lets ``decisions.py`` say what changes, and writes it
in the same transaction: two curators who act on one card do so one after the other. ``refs`` name
cards by the beginning of an id, ``by`` is the curator's name, ``now`` is aware and in the zone in
which notices tell the time. All raise InputError for a name of no card or several, WorldError for
a database that cannot be used.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, select, update

from pipeline.store.engine import reading, writing
from pipeline.store.entries import entry_event
from pipeline.veille.card import Card
from pipeline.veille.changes import apply_changes, hold_cards, write_changes
from pipeline.veille.decisions import (
    UNDOABLE,
    Action,
    Change,
    Decision,
    assign_card,
    can_undo,
    change,
    changed_notice,
    facts_of,
    file_notice,
    merge_tags,
    move,
    since_notice,
    tidy_name,
    tidy_note,
)
from pipeline.veille.entries import find_cards
from pipeline.veille.notice import Notice
from pipeline.veille.plain import tidy
from pipeline.veille.rows import CHUNK, read_cards
from pipeline.veille.states import State
from pipeline.words import mark

MAX_ISSUE: Final = 255  # characters, of a folder's name
_BITE: Final = 1_000  # events that are undone in one transaction
_GONE: Final = mark("“{title}” is on the desk no more: it was old, and nobody had kept it")
_NOTHING: Final = mark("there is nothing that {by} could undo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of an action: its cards as they are now, and what to know about them.

    ``changed`` are the ids (``Entry.id``) of those that it changed, ``event_ids`` the events that
    tell of it; after an undo, those that were taken back.
    """

    cards: tuple[Card, ...] = ()
    notices: tuple[Notice, ...] = ()
    event_ids: tuple[int, ...] = ()
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of a card's history; ``before`` and ``after`` hold the fields that changed.

    ``by`` is empty for what the desk did itself. What ``is_undone`` was taken back by its author.
    """

    at: datetime
    by: str
    action: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    is_undone: bool


def keep(
    engine: Engine,
    refs: Iterable[str],
    *,
    by: str,
    now: datetime,
    seen: Mapping[str, State] | None = None,
) -> Done:
    """Keep cards; ``seen`` is the state of each (by its whole id) that the curator saw."""
    return _move(engine, refs, Action.KEEP, by=by, now=now, seen=seen)


def discard(
    engine: Engine,
    refs: Iterable[str],
    *,
    by: str,
    now: datetime,
    seen: Mapping[str, State] | None = None,
) -> Done:
    """Discard cards; ``seen`` as for :func:`keep`."""
    return _move(engine, refs, Action.DISCARD, by=by, now=now, seen=seen)


def put_back(
    engine: Engine,
    refs: Iterable[str],
    *,
    by: str,
    now: datetime,
    seen: Mapping[str, State] | None = None,
) -> Done:
    """Make cards such that are to be sorted again; ``seen`` as for :func:`keep`."""
    return _move(engine, refs, Action.PUT_BACK, by=by, now=now, seen=seen)


def assign(engine: Engine, refs: Iterable[str], issue: str, *, by: str, now: datetime) -> Done:
    """Say for which letter cards are meant (its folder's name; empty: for none); they are kept."""
    by, letter = tidy_name(by), tidy(issue, limit=MAX_ISSUE)
    return _act(
        engine,
        refs,
        lambda card: assign_card(card, letter, by=by, now=now),
        action=Action.ASSIGN,
        by=by,
        now=now,
    )


def tag(
    engine: Engine,
    refs: Iterable[str],
    *,
    add: Iterable[str] = (),
    remove: Iterable[str] = (),
    by: str,
    now: datetime,
) -> Done:
    """Add tags to cards and take some from them. Raises InputError for a tag that is too long."""
    new, gone = tuple(add), tuple(remove)
    merge_tags((), add=new)  # a tag that is none is told before anything else
    return _act(
        engine,
        refs,
        lambda card: change(card, tags=list(merge_tags(card.tags, add=new, remove=gone))),
        action=Action.TAG,
        by=by,
        now=now,
    )


def write_note(engine: Engine, ref: str, text: str, *, by: str, now: datetime) -> Done:
    """Give a card a note (Markdown) in the place of the one it has; an empty one takes it away.

    Raises InputError for a note that is too long.
    """
    note = tidy_note(text)
    return _act(
        engine, [ref], lambda card: change(card, note=note), action=Action.NOTE, by=by, now=now
    )


def _move(
    engine: Engine,
    refs: Iterable[str],
    action: Action,
    *,
    by: str,
    now: datetime,
    seen: Mapping[str, State] | None,
) -> Done:
    by, known = tidy_name(by), seen or {}
    return _act(
        engine,
        refs,
        lambda card: move(card, action, by=by, now=now, seen=known.get(card.entry.id)),
        action=action,
        by=by,
        now=now,
    )


def _act(
    engine: Engine,
    refs: Iterable[str],
    decide: Callable[[Card], Decision],
    *,
    action: Action,
    by: str,
    now: datetime,
) -> Done:
    named = find_cards(engine, refs)
    with writing(engine) as connection:
        held = {card.id: card for card in hold_cards(connection, [card.id for card in named])}
        found = [decide(held[card.id]) for card in named if card.id in held]
        changes = [one for one in found if isinstance(one, Change)]
        events = write_changes(connection, changes, action=action, by=by, now=now)
        cards = read_cards(connection, [card.id for card in named])
    gone = [card for card in named if card.id not in held]
    return Done(
        cards=cards,
        notices=(
            *(one for one in found if isinstance(one, Notice)),
            *(Notice(message=_GONE, facts={"title": card.entry.title}) for card in gone),
        ),
        event_ids=events,
        changed=tuple(one.card.entry.id for one in changes),
    )


def undo(engine: Engine, *, by: str, now: datetime) -> Done:
    """Take back the last action of ``by`` that is not undone yet, for all of its cards at once.

    A card whose fields another changed since is left as it is, with a notice. Called again, it
    takes back the action before. An item that was written stays in its letter's file. One of more
    than 1,000 cards is taken back by as many in a transaction, so that others need not wait.
    """
    by = tidy_name(by)
    while last := _last_action(engine, by):
        if parts := list(_undo_bites(engine, last, now=now)):
            return Done(
                cards=tuple(card for one in parts for card in one.cards),
                notices=tuple(notice for one in parts for notice in one.notices),
                event_ids=tuple(sorted(number for one in parts for number in one.event_ids)),
                changed=tuple(ref for one in parts for ref in one.changed),
            )
    return Done(notices=(Notice(message=_NOTHING, facts={"by": by}),))


def history(engine: Engine, ref: str) -> tuple[Event, ...]:
    """Return all that happened to a card, the oldest first."""
    (card,) = find_cards(engine, [ref])
    columns = entry_event.c
    query = select(entry_event).where(columns.entry_id == card.id).order_by(columns.id)
    with reading(engine) as connection:
        rows = connection.execute(query).all()
    return tuple(
        Event(
            at=row.at,
            by=row.by,
            action=row.action,
            before=row.before,
            after=row.after,
            is_undone=row.undone_at is not None,
        )
        for row in rows
    )


def _last_action(engine: Engine, by: str) -> Row[Any, Any, Any] | None:
    """Return what names the last action of ``by`` that can be undone: its moment and its kind."""
    columns = entry_event.c
    undoable = columns.action.in_([action.value for action in UNDOABLE])
    query = (
        select(columns.by, columns.at, columns.action)
        .where(columns.by == by, columns.undone_at.is_(None), undoable)
        .order_by(columns.id.desc())
        .limit(1)
    )
    with reading(engine) as connection:
        return connection.execute(query).one_or_none()


def _undo_bites(engine: Engine, last: Row[Any, Any, Any], *, now: datetime) -> Iterator[Done]:
    """Take back the events of an action, the newest first, until none is left."""
    columns = entry_event.c
    query = (
        select(entry_event)
        .where(columns.by == last.by, columns.at == last.at, columns.action == last.action)
        .where(columns.undone_at.is_(None))
        .order_by(columns.id.desc())
        .limit(_BITE)
    )
    while True:
        with writing(engine) as connection:
            group = connection.execute(query).all()
            if not group:
                return
            numbers = {one.entry_id for one in group}
            held = {card.id: card for card in hold_cards(connection, numbers)}
            mine = _claim(connection, group, now=now)
            done = _take_back(connection, mine, held, now=now) if mine else None
        if done is not None:
            yield done


def _claim(
    connection: Connection, group: Sequence[Row[Any]], *, now: datetime
) -> Sequence[Row[Any]]:
    """Mark events as undone and return those that nobody had marked meanwhile."""
    columns = entry_event.c
    mine: set[int] = set()
    for start in range(0, len(group), CHUNK):
        some = [one.id for one in group[start : start + CHUNK]]
        query = update(entry_event).where(columns.id.in_(some), columns.undone_at.is_(None))
        mine |= set(connection.scalars(query.values(undone_at=now).returning(columns.id)))
    return [one for one in group if one.id in mine]


def _take_back(
    connection: Connection, events: Sequence[Row[Any]], held: Mapping[int, Card], *, now: datetime
) -> Done:
    facts = {number: facts_of(card) for number, card in held.items()}
    left: list[Row[Any]] = []
    notices: list[Notice] = []
    for one in events:  # the newest first
        card, present = held[one.entry_id], facts[one.entry_id]
        if not can_undo(present, one.after):
            left.append(one)
            continue
        present |= one.before
        if one.action == Action.WRITE:
            notices.append(file_notice(card, str(one.after.get("issue") or card.issue)))
    found = [change(card, **facts[number]) for number, card in held.items()]
    changes = [one for one in found if one is not None]
    apply_changes(connection, changes)
    notices += [_changed_since(connection, one, held[one.entry_id], now=now) for one in left]
    return Done(
        cards=read_cards(connection, sorted(held)),
        notices=tuple(notices),
        event_ids=tuple(one.id for one in events),
        changed=tuple(one.card.entry.id for one in changes),
    )


def _changed_since(connection: Connection, event: Row[Any], card: Card, *, now: datetime) -> Notice:
    """Tell who changed a card after an event that could not be taken back."""
    if event.after.get("state", card.state) != card.state:
        return changed_notice(card, now=now)
    columns = entry_event.c
    later = select(columns.by, columns.at, columns.after).where(
        columns.entry_id == event.entry_id, columns.id > event.id, columns.undone_at.is_(None)
    )
    who, at = card.state_by, card.state_at
    for row in connection.execute(later.order_by(columns.id)):
        if not row.after.keys().isdisjoint(event.after):
            who, at = row.by, row.at
    return since_notice(card, by=who, at=at, now=now)
