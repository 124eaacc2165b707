"""The people in the database: found, added, moved from state to state, forgotten.

Each change is one transaction with its line in the log of consents. What leads where is decided
in ``states``; whole files come in by ``importing`` and go out by ``exporting``.
"""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, delete, insert, select, text, update

from pipeline.audience.address import Address, normalise_address
from pipeline.audience.cells import clean_name, clean_segment, read_language
from pipeline.audience.consent import Consent, Kind, kind_of
from pipeline.audience.states import GONE, Event, State, next_state
from pipeline.audience.suppression import forgotten_at, forgotten_keys, keep_out
from pipeline.audience.tokens import Secrets
from pipeline.errors import InputError
from pipeline.store.engine import scrub, writing
from pipeline.store.people import consent, subscriber, subscriber_segment
from pipeline.words import mark

_LOCK: Final = 0x1F01_4E5E  # any number, the same for all who add or forget people


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    """One person as the database knows them; of a forgotten one the address is empty."""

    id: int
    public_id: str
    address: str
    first_name: str
    last_name: str
    language: str
    state: State
    state_at: datetime
    created_at: datetime
    attributes: Mapping[str, str]
    segments: frozenset[str] = frozenset()
    soft_bounces: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """What is told of a person who is added by hand."""

    address: str
    first_name: str = ""
    last_name: str = ""
    language: str = ""
    segments: frozenset[str] = frozenset()


def new_public_id() -> str:
    """Return what links name a person by: 22 random characters that say nothing."""
    return secrets.token_urlsafe(16)


def hold_people(connection: Connection, *, alone: bool = False) -> None:
    """Keep lists that come in, and one who adds or forgets a person, out of each other's way.

    SQLite has one writer at a time as it is.
    """
    if connection.dialect.name == "postgresql":
        lock = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
        connection.execute(text(f"SELECT {lock}(:key)"), {"key": _LOCK})


def find_subscriber(connection: Connection, address: str) -> Subscriber | None:
    """Return who has ``address`` in any spelling. Raises InputError where it is no address."""
    key = normalise_address(address).key
    row = connection.execute(select(subscriber).where(subscriber.c.address_key == key)).first()
    return read_subscribers(connection, [row])[0] if row else None


def find_by_public_id(connection: Connection, public_id: str) -> Subscriber | None:
    """Return whom a link names; nobody where they were forgotten since."""
    row = connection.execute(select(subscriber).where(subscriber.c.public_id == public_id)).first()
    return read_subscribers(connection, [row])[0] if row and row.address else None


def get_subscriber(connection: Connection, address: str, secret: Secrets = b"") -> Subscriber:
    """Return who has ``address``. Raises InputError where nobody has it, or where it is no address.

    With the secrets, one who was forgotten is told apart from one who was never here.
    """
    if found := find_subscriber(connection, address):
        return found
    if at := forgotten_at(connection, address, secret):
        raise InputError(
            mark("who had “{address}” asked to be forgotten on {day}: nothing else is known"),
            address=address,
            day=at.date().isoformat(),
        )
    raise InputError(
        mark("nobody here has the address “{address}”: “infolettre subscribers list --search …”"),
        address=address,
    )


def read_subscribers(connection: Connection, rows: Iterable[Row[Any]]) -> list[Subscriber]:
    """Return the people of some rows of ``subscriber``, with their segments."""
    rows = list(rows)
    segments = segments_of(connection, [row.id for row in rows])
    return [
        Subscriber(
            id=row.id,
            public_id=row.public_id,
            address=row.address or "",
            first_name=row.first_name,
            last_name=row.last_name,
            language=row.language,
            state=State(row.state),
            state_at=row.state_at,
            created_at=row.created_at,
            attributes=row.attributes,
            segments=frozenset(segments.get(row.id, ())),
            soft_bounces=row.soft_bounces,
        )
        for row in rows
    ]


def segments_of(connection: Connection, ids: list[int]) -> dict[int, set[str]]:
    """Return the tags of each person that has some."""
    found: dict[int, set[str]] = {}
    if ids:
        tags = select(subscriber_segment).where(subscriber_segment.c.subscriber_id.in_(ids))
        for row in connection.execute(tags):
            found.setdefault(row.subscriber_id, set()).add(row.segment)
    return found


def log_consent(connection: Connection, subscriber_id: int, entry: Consent) -> None:
    """Add a line to the log of a person, in the caller's transaction."""
    connection.execute(insert(consent).values(subscriber_id=subscriber_id, **columns_of(entry)))


def columns_of(entry: Consent) -> dict[str, Any]:
    """Return a line of the log as the table has it."""
    return {
        "kind": entry.kind.value,
        "at": entry.at,
        "source": entry.source,
        "wording": entry.wording,
        "wording_version": entry.wording_version,
        "proof": dict(entry.proof),
    }


def add_subscriber(
    engine: Engine, newcomer: Newcomer, entry: Consent, *, secret: Secrets = b""
) -> Subscriber:
    """Add a person who agreed, as active; ``entry`` says how. Raises InputError where they are
    known already, left, or asked to be forgotten."""
    address = normalise_address(newcomer.address)
    tags = sorted({clean for one in newcomer.segments if (clean := clean_segment(one))})
    with writing(engine) as connection:
        hold_people(connection, alone=True)
        _check_new(connection, str(address), address.key, secret)
        number = insert_person(connection, address, newcomer, state=State.ACTIVE, at=entry.at)
        add_segments(connection, [(number, one) for one in tags])
        log_consent(connection, number, entry)
        return get_subscriber(connection, str(address))


def insert_person(
    connection: Connection, address: Address, newcomer: Newcomer, *, state: State, at: datetime
) -> int:
    """Write a new row and return its number; the caller holds people, logs, and adds segments."""
    values: dict[str, Any] = {
        "address": str(address),
        "address_key": address.key,
        "public_id": new_public_id(),
        "first_name": clean_name(newcomer.first_name),
        "last_name": clean_name(newcomer.last_name),
        "language": _language(newcomer.language),
        "state": state.value,
        "state_at": at,
        "attributes": {},
        "created_at": at,
    }
    made = insert(subscriber).values(values).returning(subscriber.c.id)
    number: int = connection.execute(made).scalar_one()
    return number


def _language(text: str) -> str:
    if text and not read_language(text):
        raise InputError(
            mark("“{found}” is not a language: expected one such as fr or fr-CA"), found=text[:80]
        )
    return read_language(text)


def add_segments(connection: Connection, pairs: list[tuple[int, str]]) -> None:
    """Tag people; the caller knows that they do not have these tags yet."""
    if pairs:
        rows = [{"subscriber_id": number, "segment": segment} for number, segment in pairs]
        connection.execute(insert(subscriber_segment), rows)


def _check_new(connection: Connection, address: str, key: str, secret: Secrets) -> None:
    if forgotten_keys(connection, [key], secret):
        raise InputError(
            mark(
                "who had “{address}” asked to be forgotten: only they themselves can come back,"
                " by the form of the site"
            ),
            address=address,
        )
    known = find_subscriber(connection, address)
    if known and known.state in GONE:
        raise InputError(
            mark(
                "“{address}” left on {day} ({state}): only they themselves can come back, by the"
                " form of the site"
            ),
            address=address,
            day=known.state_at.date().isoformat(),
            state=STATE_WORDS[known.state],
        )
    if known:
        raise InputError(
            mark("“{address}” is here already ({state})"),
            address=address,
            state=STATE_WORDS[known.state],
        )


#: The states as people read them.
STATE_WORDS: Final = {
    State.PENDING: mark("pending"),
    State.ACTIVE: mark("active"),
    State.UNSUBSCRIBED: mark("unsubscribed"),
    State.BOUNCED: mark("bounced"),
    State.COMPLAINED: mark("complained"),
    State.FORGOTTEN: mark("forgotten"),
}


def move(
    connection: Connection,
    person: Subscriber,
    event: Event,
    *,
    now: datetime,
    source: str,
    wording: str = "",
    wording_version: str = "",
) -> State:
    """Let ``event`` happen to a person and log it, in the caller's transaction; return the state.

    Forgetting is :func:`forget`'s. Nothing is written where the event changes nothing.
    """
    before = hold_person(connection, person)
    state = next_state(before, event)
    if state is not before:
        here = subscriber.c.id == person.id
        connection.execute(update(subscriber).where(here).values(state=state.value, state_at=now))
        entry = Consent(
            kind=kind_of(state, Kind.CONFIRMED if event is Event.CONFIRM else Kind.ASKED),
            at=now,
            source=source,
            wording=wording,
            wording_version=wording_version,
        )
        log_consent(connection, person.id, entry)
    return state


def hold_person(connection: Connection, person: Subscriber) -> State:
    """Keep others from moving a person, and return the state: it may be another by now."""
    row = select(subscriber.c.state).where(subscriber.c.id == person.id).with_for_update()
    return State(connection.execute(row).scalar_one())


def remove(engine: Engine, address: str, *, now: datetime, source: str) -> tuple[State, State]:
    """Unsubscribe who has ``address``; return the state before and after. Raises InputError."""
    with writing(engine) as connection:
        person = get_subscriber(connection, address)
        return person.state, move(connection, person, Event.LEAVE, now=now, source=source)


def forget(engine: Engine, address: str, *, secret: Secrets, now: datetime, source: str) -> None:
    """Erase who has ``address``; a keyed hash stays, so that no file brings them back.

    The row stays as well, empty, so that past letters keep their counts. One who is not here is
    kept out in the same way. Raises InputError where it is no address.
    """
    with writing(engine) as connection:
        hold_people(connection, alone=True)
        if not forgotten_at(connection, address, secret):
            keep_out(connection, address, secret, now=now)
        if person := find_subscriber(connection, address):
            hold_person(connection, person)
            empty_person(connection, person, now=now)
            log_consent(connection, person.id, Consent(kind=Kind.FORGOTTEN, at=now, source=source))
    scrub(engine)


def empty_person(connection: Connection, person: Subscriber, *, now: datetime) -> None:
    """Leave nothing of a person but an empty row, in the caller's transaction."""
    for table in (consent, subscriber_segment):
        connection.execute(delete(table).where(table.c.subscriber_id == person.id))
    empty: dict[str, Any] = {
        "address": None,
        "address_key": None,
        "public_id": new_public_id(),  # a link in an old mail no longer leads to this row
        "first_name": "",
        "last_name": "",
        "language": "",
        "attributes": {},
        "state": next_state(person.state, Event.FORGET).value,
        "state_at": now,
        "soft_bounces": 0,
    }
    connection.execute(update(subscriber).where(subscriber.c.id == person.id).values(empty))


def consents_of(connection: Connection, person: Subscriber) -> list[Consent]:
    """Return the log of a person, oldest first."""
    rows = select(consent).where(consent.c.subscriber_id == person.id).order_by(consent.c.id)
    return [
        Consent(
            kind=Kind(row.kind),
            at=row.at,
            source=row.source,
            wording=row.wording,
            wording_version=row.wording_version,
            proof=row.proof,
        )
        for row in connection.execute(rows)
    ]
