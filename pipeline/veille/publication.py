"""When a letter is sent, what it links to is published: its entries need no more sorting.

A hook for whoever tends campaigns: it reads what delivery froze, by the tables alone, and is not
concerned with who gets the letter.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from html.parser import HTMLParser
from typing import Any, Final

from sqlalchemy import Connection, Engine, select

from pipeline.settings import OUTBOX
from pipeline.store.campaigns import campaign, campaign_edition
from pipeline.store.engine import reading, writing
from pipeline.store.entries import entry, publication
from pipeline.store.rowsets import insert_new
from pipeline.veille.changes import hold_cards, write_changes
from pipeline.veille.decisions import Action, Change, move
from pipeline.veille.keep import page_keys
from pipeline.veille.rows import CHUNK
from pipeline.veille.states import State

_ADDRESS: Final = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)


def publish_sent(engine: Engine, *, now: datetime) -> int:
    """Call published what the letters of campaigns link to that started since the last time.

    Each campaign counts once, whoever else calls this at the same moment. A test mail is none, and
    one into the outbox is a rehearsal.
    Returns how many entries became published. ``now`` is aware. Raises WorldError.
    """
    columns = campaign.c
    known = select(publication.c.campaign_id)
    query = (
        select(columns.id, columns.slug)
        .where(
            columns.started_at.is_not(None),
            columns.provider != OUTBOX,
            columns.id.not_in(known),
        )
        .order_by(columns.id)
    )
    with reading(engine) as connection:
        sent = connection.execute(query).all()
    return sum(_publish(engine, row.id, row.slug, now=now) for row in sent)


def _publish(engine: Engine, number: int, slug: str, *, now: datetime) -> int:
    with reading(engine) as connection:  # takes longest, and holds up nobody
        keys = sorted(_linked_keys(connection, number))
    with writing(engine) as connection:
        if not _claim(connection, number, now=now):
            return 0
        ids = _waiting(connection, keys)
        count = 0
        for start in range(0, len(ids), CHUNK):
            cards = hold_cards(connection, ids[start : start + CHUNK])
            found = [
                move(card, Action.PUBLISH, by="", now=now, issue=slug)
                for card in cards
                if card.state is not State.PUBLISHED
            ]
            changes = [one for one in found if isinstance(one, Change)]
            count += len(write_changes(connection, changes, action=Action.PUBLISH, by="", now=now))
    return count


def _claim(connection: Connection, number: int, *, now: datetime) -> bool:
    """Say whether this campaign's items are ours to publish: whoever writes its row first."""
    row = (
        insert_new(connection, publication)
        .values(campaign_id=number, at=now)
        .on_conflict_do_nothing()
    )
    return connection.execute(row.returning(publication.c.campaign_id)).first() is not None


def _waiting(connection: Connection, keys: list[str]) -> list[int]:
    """Return the rows of the pages that are not published yet, in their order."""
    found: list[int] = []
    for start in range(0, len(keys), CHUNK):
        some = entry.c.canonical_url.in_(keys[start : start + CHUNK])
        unpublished = entry.c.state != State.PUBLISHED.value
        found += connection.scalars(select(entry.c.id).where(some, unpublished))
    return sorted(found)


def _linked_keys(connection: Connection, number: int) -> set[str]:
    """Return the keys of all pages that a campaign's letter links to, in any of its variants."""
    columns = campaign_edition.c
    addresses: set[str] = set()
    variants = connection.scalars(
        select(columns.variant).where(columns.campaign_id == number)
    ).all()
    for variant in variants:  # one at a time: 64 of them may take 20 MB
        mine = select(columns.edition).where(
            columns.campaign_id == number, columns.variant == variant
        )
        addresses |= set(_addresses(connection.scalars(mine).one()))
    return {key for address in addresses for key in page_keys(address)}


def _addresses(edition: dict[str, Any]) -> Iterator[str]:
    """Yield the web addresses of an edition as JSON has it: of its links, and of its plain text."""
    reader = _Links()
    reader.feed(edition["html"])
    reader.close()
    yield from reader.found
    for match in _ADDRESS.finditer(edition["text"]):
        yield match[0].rstrip(".,;:!?)]}»…")


class _Links(HTMLParser):
    """Gathers the targets of links, their entities resolved."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember where an ``a`` leads."""
        for name, value in attrs if tag == "a" else ():
            if name == "href" and value and _ADDRESS.match(value):
                self.found.add(value.strip())
