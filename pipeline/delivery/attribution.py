"""Whose an event is, and of which letter: what it claims against what we sent.

Proven is who was named under a signature, the provider's or ours. Anybody can claim an address, so
that one counts only together with the Message-ID of a letter to it. What follows is not known here.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, or_, select

from pipeline.audience.address import normalise_address
from pipeline.delivery.events import Event, event_id
from pipeline.delivery.fields import make_message_id
from pipeline.delivery.states import SERVED, Status
from pipeline.errors import InputError
from pipeline.store.campaigns import campaign, delivery
from pipeline.store.people import subscriber

MAX_ID: Final = 64  # characters of an event's id in the table
LOOK_BACK: Final = timedelta(days=90)  # a letter older than this is not guessed to be the one meant
SLACK: Final = timedelta(minutes=10)  # other people's clocks, and dates in whole seconds

#: What may have left; events lead from none of these to another state.
_HANDED: Final = (*SERVED, Status.UNCERTAIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """An event that is somebody's: a row of ``subscriber``; the letter may be unknown.

    ``id`` is the event's own, or what stands for one too long to keep.
    """

    event: Event
    id: str
    person: Row[Any]
    campaign_id: int | None


def attribute(connection: Connection, events: list[Event]) -> list[Heard]:
    """Return the events that are somebody's, each with its letter, as far as that is known.

    Whoever may be meant is held until the end of the caller's transaction.
    """
    people = _hold_people(connection, events)
    known = [(event, person) for event in events if (person := people.find(event))]
    letters = _Letters(_read_campaigns(connection)) if known else _Letters([])
    claims = [(event, person, letters.candidates(event, person)) for event, person in known]
    wanted = {letter.id for _, _, candidates in claims for letter in candidates}
    theirs = _read_deliveries(connection, wanted, people.numbers())
    found = []
    for event, person, candidates in claims:
        letter = letters.choose(event, person, candidates, theirs)
        # Anybody can claim an address; a Message-ID of ours only its recipient's side has seen.
        if event.recipient or (letter and letters.is_told(event, person, letter)):
            id_ = event.id if len(event.id) <= MAX_ID else event_id(event.id)
            campaign_id = letter.id if letter else None
            found.append(Heard(event=event, id=id_, person=person, campaign_id=campaign_id))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _People:
    """Those who may be meant, by their own id and by what their address is found by."""

    by_id: Mapping[str, Row[Any]]
    by_key: Mapping[str, Row[Any]]

    def find(self, event: Event) -> Row[Any] | None:
        if event.recipient:
            return self.by_id.get(event.recipient)
        return self.by_key.get(_key(event.address))

    def numbers(self) -> list[int]:
        return sorted({row.id for row in (*self.by_id.values(), *self.by_key.values())})


def _key(address: str) -> str:
    """Return what an address is found by, empty where it is none."""
    try:
        return normalise_address(address).key if address else ""
    except InputError:
        return ""


def _hold_people(connection: Connection, events: list[Event]) -> _People:
    """Find who may be meant, and hold their rows, in order, so that no two wait for each other.

    Who was forgotten has another id and no address: nothing leads to them.
    """
    ids = {event.recipient for event in events if event.recipient}
    keys = {key for event in events if not event.recipient and (key := _key(event.address))}
    people = subscriber.c
    rows = connection.execute(
        select(subscriber)
        .where(
            people.address.is_not(None),
            or_(people.public_id.in_(ids), people.address_key.in_(keys)),
        )
        .order_by(people.id)
        .with_for_update()
    ).all()
    return _People(
        by_id={row.public_id: row for row in rows}, by_key={row.address_key: row for row in rows}
    )


def _read_campaigns(connection: Connection) -> list[Row[Any]]:
    """Return every campaign: a few hundred after years."""
    rows = select(
        campaign.c.id,
        campaign.c.name,
        campaign.c.started_at,
        campaign.c.frame["domain"].as_string().label("domain"),
    )
    return list(connection.execute(rows))


def _read_deliveries(
    connection: Connection, campaigns: Collection[int], people: Collection[int]
) -> dict[tuple[int, int], Status]:
    here = delivery.c
    rows = select(here.campaign_id, here.subscriber_id, here.state).where(
        here.campaign_id.in_(campaigns), here.subscriber_id.in_(people)
    )
    found = connection.execute(rows) if campaigns and people else ()
    return {(row.campaign_id, row.subscriber_id): Status(row.state) for row in found}


_Theirs = Mapping[tuple[int, int], Status]


class _Letters:
    """The campaigns, and which of them an event may be of."""

    def __init__(self, rows: list[Row[Any]]) -> None:
        self._by_name = {row.name: row for row in rows}
        self._newest_first = sorted(
            (row for row in rows if row.started_at),
            key=lambda row: (row.started_at, row.id),
            reverse=True,
        )

    def candidates(self, event: Event, person: Row[Any]) -> list[Row[Any]]:
        """Return the letters to look among, the likeliest first.

        The one that is named; else the one that the Message-ID was made for; else, where nothing
        was named, those that had begun to leave. Of these the start counts and not the moment of
        the delivery, which events change.
        """
        if event.recipient and (named := self._by_name.get(event.campaign)):
            return [named]
        if told := [row for row in self._newest_first if self.is_told(event, person, row)]:
            return told
        if event.campaign or not event.recipient:
            return []
        first, last = event.at - LOOK_BACK, event.at + SLACK
        return [row for row in self._newest_first if first <= row.started_at <= last]

    def choose(
        self, event: Event, person: Row[Any], candidates: list[Row[Any]], theirs: _Theirs
    ) -> Row[Any] | None:
        """Return the letter that an event is of; it was to this person, or it is none."""
        is_guess = not event.campaign
        for row in candidates:
            status = theirs.get((row.id, person.id))
            if status and (not is_guess or status in _HANDED or self.is_told(event, person, row)):
                return row
        return None

    def is_told(self, event: Event, person: Row[Any], letter: Row[Any]) -> bool:
        """Say whether an event's Message-ID is that of ``letter`` to ``person``."""
        given = event.message_id.strip().strip("<>")
        if not letter.domain or not given.endswith(f"@{letter.domain}"):
            return False
        return make_message_id(letter.name, person.public_id, letter.domain) == f"<{given}>"
