"""Cards go into a letter's file, and the desk hears of what stands there.

How an item is written is the business of ``keep.py``, which state follows which of
``decisions.py``.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, and_, exists, select, text

from pipeline.errors import LetterError, WorkspaceError, WorldError
from pipeline.issues.folder import read_document
from pipeline.store.campaigns import campaign
from pipeline.store.engine import reading, writing
from pipeline.store.entries import entry
from pipeline.text.document import Document, parse_document
from pipeline.text.zones import read_zone
from pipeline.veille.card import Card
from pipeline.veille.changes import hold_cards, write_changes
from pipeline.veille.decisions import Action, Change, move, tidy_name
from pipeline.veille.entries import find_cards
from pipeline.veille.files import write_whole
from pipeline.veille.item import item_of
from pipeline.veille.keep import (
    BLOCK,
    EN_BREF,
    keep_item,
    language_of,
    linked_keys,
    note_body,
)
from pipeline.veille.notice import Notice
from pipeline.veille.rows import CHUNK, read_cards
from pipeline.veille.states import State
from pipeline.words import mark
from pipeline.workspace import ISSUE_FILE, Workspace

_TRIES: Final = 3  # while somebody else saves the letter's file
_LOCK: Final = 0x7665696C  # “veil”: the class of our locks in PostgreSQL
_SETTLED: Final = (State.WRITTEN, State.PUBLISHED)
_CITED: Final = mark("“{title}” was cited already in letter no. {number}")
_ELSEWHERE: Final = mark("“{title}” stands in {issue} as well")
_HALF_DONE: Final = mark(
    "{file} now holds {titles}, but the desk could not be told ({reason}): do not keep them again;"
    " the desk reads the letter the next time it is asked"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was written: the cards as they are now, into which file, and what to know of them."""

    file: Path
    cards: tuple[Card, ...]
    notices: tuple[Notice, ...] = ()


def write_cards(
    engine: Engine,
    workspace: Workspace,
    refs: Iterable[str],
    folder: Path,
    *,
    block: str = BLOCK,
    by: str,
    now: datetime,
) -> Written:
    """Write cards into the first ``block`` of the letter in ``folder``; all of them or none.

    ``block`` is ``veille``, ``on-en-parle`` or ``en-bref``; one that the letter has not is added
    at its end. A card's note stands in the place of its excerpt. The file is written first, then
    the desk: the cards are *written* and for this letter. ``now`` is aware.

    Raises InputError (no such card or block, a page that is in the letter already), LetterError,
    WorkspaceError (the file cannot be written) or WorldError (a database that cannot be used; its
    sentence says so where the file holds the items all the same).
    """
    folder, by = folder.resolve(), tidy_name(by)
    named = find_cards(engine, refs)
    file = folder / ISSUE_FILE
    is_written = False
    try:
        with writing(engine) as connection:
            _hold_letter(connection, folder.name)
            held = {one.id: one for one in hold_cards(connection, [one.id for one in named])}
            cards = [held[one.id] for one in named if one.id in held]
            _write_file(workspace, folder, cards, block=block)
            is_written = True
            notices = _record(connection, cards, issue=folder.name, by=by, now=now)
            written = read_cards(connection, [one.id for one in cards])
    except WorldError as error:
        if not is_written:
            raise
        titles = ", ".join(f"“{one.entry.title}”" for one in named)
        reason = error.facts.get("reason", str(error))
        raise WorldError(_HALF_DONE, file=file, titles=titles, reason=reason) from error
    return Written(file=file, cards=written, notices=notices)


def sync_letter(engine: Engine, folder: Path, *, by: str, now: datetime) -> int:
    """Make the desk say what the letter's file says, and return how many cards that changed.

    What is written for this letter, but not linked in it any more, is kept again; what is linked
    in it by hand is written. A letter that was sent takes no more cards; one with mistakes changes
    nothing. The file is parsed, and nothing is locked where all is as it should be.
    """
    folder, by = folder.resolve(), tidy_name(by)
    keys = _linked_keys(folder)
    if keys is None:
        return 0
    with reading(engine) as connection:
        ids = _out_of_step(connection, folder.name, keys)
    if not ids:
        return 0
    with writing(engine) as connection:
        _hold_letter(connection, folder.name)
        cards = hold_cards(connection, ids)
        found = [one for one in cards if _is_new_in(keys, one)]
        gone = [one for one in cards if _is_gone_from(folder.name, keys, one)]
        written = _move_all(connection, found, Action.FIND, by=by, now=now, issue=folder.name)
        return written + _move_all(connection, gone, Action.TAKE_OUT, by=by, now=now)


def _is_new_in(keys: frozenset[str], card: Card) -> bool:
    return card.entry.canonical_url in keys and card.state not in _SETTLED


def _is_gone_from(slug: str, keys: frozenset[str], card: Card) -> bool:
    is_meant = card.issue == slug and card.state is State.WRITTEN
    return is_meant and card.entry.canonical_url not in keys


def _hold_letter(connection: Connection, slug: str) -> None:
    """Keep those who write into one letter out of each other's way; SQLite has one writer as it
    is."""
    if connection.dialect.name == "postgresql":
        query = text("SELECT pg_advisory_xact_lock(:class, hashtext(:slug))")
        connection.execute(query, {"class": _LOCK, "slug": slug})


def _write_file(workspace: Workspace, folder: Path, cards: Sequence[Card], *, block: str) -> None:
    """Write the cards into the letter, on top of whatever an editor saves in the same moment."""
    file = folder / ISSUE_FILE
    try:
        for _ in range(_TRIES):
            document = read_document(folder)
            found = _with_items(workspace, document, cards, block=block).encode()
            if read_document(folder).text == document.text:
                break
        write_whole(file, found)
    except OSError as error:
        message = mark("{file} cannot be written ({reason}): check the folder's rights")
        raise WorkspaceError(message, file=file, reason=error.strerror) from None


def _with_items(
    workspace: Workspace, document: Document, cards: Iterable[Card], *, block: str
) -> str:
    site = workspace.settings.site
    zone = read_zone(site.timezone)
    language = language_of(document.values, default=site.language)
    for card in cards:
        item = _item(card, block=block, language=language, zone=zone)
        changed = keep_item(document, item, block=block)
        document = parse_document(changed.encode(), path=document.path)
    return document.text


def _item(card: Card, *, block: str, language: str, zone: tzinfo) -> dict[str, object]:
    """Return the item of a card: its note is the body, or else its excerpt where there is room."""
    item = item_of(card.entry, letter_language=language, timezone=zone)
    if card.note:
        item["body"] = note_body(card.note)
    elif block == EN_BREF:
        item.pop("body", None)
    return item


def _record(
    connection: Connection, cards: Sequence[Card], *, issue: str, by: str, now: datetime
) -> tuple[Notice, ...]:
    decisions = [move(card, Action.WRITE, by=by, now=now, issue=issue) for card in cards]
    changes = [one for one in decisions if isinstance(one, Change)]
    write_changes(connection, changes, action=Action.WRITE, by=by, now=now)
    notices = [one for one in decisions if isinstance(one, Notice)]
    return (*notices, *_elsewhere(cards, issue))


def _elsewhere(cards: Iterable[Card], issue: str) -> Iterator[Notice]:
    """Tell which cards stand in another letter as well; those published were told already."""
    for card in cards:
        title = card.entry.title
        cited = next((one for one in card.cited_in if one.slug != issue), None)
        if card.state is State.PUBLISHED:
            continue
        if cited is not None:
            number = cited.number or cited.slug
            yield Notice(message=_CITED, facts={"title": title, "number": number})
        elif card.state is State.WRITTEN and card.issue != issue:
            yield Notice(message=_ELSEWHERE, facts={"title": title, "issue": card.issue})


def _linked_keys(folder: Path) -> frozenset[str] | None:
    """Return the pages that a letter links to; None where it cannot be read just now."""
    if not (folder / ISSUE_FILE).exists():
        return frozenset()
    try:
        return linked_keys(read_document(folder).values)
    except LetterError:
        return None


def _out_of_step(connection: Connection, slug: str, keys: frozenset[str]) -> list[int]:
    """Return the rows of the cards whose state is not what the letter says."""
    columns = entry.c
    wrong = select(columns.id, columns.canonical_url).where(
        columns.issue == slug, columns.state == State.WRITTEN.value
    )
    ids = [row.id for row in connection.execute(wrong) if row.canonical_url not in keys]
    if _is_sent(connection, slug):
        return ids
    settled = [state.value for state in _SETTLED]
    wanted = sorted(keys)
    for start in range(0, len(wanted), CHUNK):
        some = columns.canonical_url.in_(wanted[start : start + CHUNK])
        ids += connection.scalars(select(columns.id).where(some, columns.state.not_in(settled)))
    return ids


def _is_sent(connection: Connection, slug: str) -> bool:
    started = and_(campaign.c.slug == slug, campaign.c.started_at.is_not(None))
    return bool(connection.scalar(select(exists().where(started))))


def _move_all(
    connection: Connection,
    cards: Iterable[Card],
    action: Action,
    *,
    by: str,
    now: datetime,
    issue: str | None = None,
) -> int:
    decisions = [move(card, action, by=by, now=now, issue=issue) for card in cards]
    changes = [one for one in decisions if isinstance(one, Change)]
    return len(write_changes(connection, changes, action=action, by=by, now=now))
