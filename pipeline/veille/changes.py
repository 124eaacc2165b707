"""Writing down what is decided of cards: their rows are held, changed, and each change is an event.

All functions take an open connection of :func:`pipeline.store.engine.writing`: whoever decides
holds the cards first, so that nobody else changes them in between. What is decided is not this
file's concern.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, insert, update

from pipeline.store.entries import entry, entry_event, entry_tag
from pipeline.veille.card import Card, words_of
from pipeline.veille.decisions import Action, Change, tidy_name
from pipeline.veille.rows import CHUNK, cards_of, select_entries

_STATE: Final = ("state", "state_at", "state_by", "rule", "issue")
_WORDS: Final = ("note", "tags")


def hold_cards(connection: Connection, ids: Iterable[int]) -> tuple[Card, ...]:
    """Return the cards of rows, held until the transaction ends; a row that is gone is left out.

    They are held in the order of their numbers, which the answer has as well, so that two who hold
    some of the same cards cannot wait for each other. SQLite has one writer as it is.
    """
    wanted = sorted(set(ids))
    found: list[Card] = []
    for start in range(0, len(wanted), CHUNK):
        some = wanted[start : start + CHUNK]
        query = select_entries().where(entry.c.id.in_(some)).order_by(entry.c.id)
        rows = connection.execute(query.with_for_update(of=entry)).all()
        found += cards_of(connection, rows)  # their tags as they are now that the rows are held
    return tuple(found)


def write_changes(
    connection: Connection, changes: Sequence[Change], *, action: Action, by: str, now: datetime
) -> tuple[int, ...]:
    """Change the cards and write an event for each; return the events' numbers."""
    apply_changes(connection, changes)
    by = tidy_name(by)
    events = [
        {
            "entry_id": one.card.id,
            "at": now,
            "by": by,
            "action": action.value,
            "before": dict(one.before),
            "after": dict(one.after),
        }
        for one in changes
    ]
    if not events:
        return ()
    query = insert(entry_event).returning(entry_event.c.id, sort_by_parameter_order=True)
    return tuple(connection.scalars(query, events))


def apply_changes(connection: Connection, changes: Sequence[Change]) -> None:
    """Give the cards the fields of ``after``; no event tells of it."""
    states: list[dict[str, Any]] = []
    words: list[dict[str, Any]] = []
    for one in changes:
        if not one.after.keys().isdisjoint(_STATE):
            states.append(_state_row(one))
        if not one.after.keys().isdisjoint(_WORDS):
            words.append(_words_row(one))
    _write_tags(connection, [one for one in changes if "tags" in one.after])
    _update(connection, _STATE, states)
    _update(connection, ("note", "words"), words)


def _state_row(one: Change) -> dict[str, Any]:
    card, after = one.card, one.after
    at = after.get("state_at")
    return {
        "key": card.id,
        "new_state": after.get("state", card.state.value),
        "new_state_at": datetime.fromisoformat(at) if at else card.state_at,
        "new_state_by": after.get("state_by", card.state_by),
        "new_rule": after.get("rule", card.rule),
        "new_issue": after.get("issue", card.issue),
    }


def _words_row(one: Change) -> dict[str, Any]:
    card = one.card
    note = one.after.get("note", card.note)
    tags = tuple(sorted(one.after.get("tags", card.tags)))
    words = words_of(card.entry, note=note, tags=tags)
    return {"key": card.id, "new_note": note, "new_words": words}


def _write_tags(connection: Connection, changes: Iterable[Change]) -> None:
    gone: list[dict[str, Any]] = []
    new: list[dict[str, Any]] = []
    for one in changes:
        present, wanted, number = set(one.card.tags), set(one.after["tags"]), one.card.id
        gone += [{"number": number, "name": tag} for tag in sorted(present - wanted)]
        new += [{"entry_id": number, "tag": tag} for tag in sorted(wanted - present)]
    columns = entry_tag.c
    mine = (columns.entry_id == bindparam("number")) & (columns.tag == bindparam("name"))
    if gone:
        connection.execute(delete(entry_tag).where(mine), gone)
    if new:
        connection.execute(insert(entry_tag), new)


def _update(connection: Connection, names: Iterable[str], rows: list[dict[str, Any]]) -> None:
    if rows:
        values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
        query = update(entry).where(entry.c.id == bindparam("key")).values(values)
        connection.execute(query, rows)
