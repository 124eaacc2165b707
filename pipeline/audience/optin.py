"""Double opt-in: a person asks, a mail goes to the address, the person confirms from that mail.

Each request has a name of its own, which its line of the log and the link in its mail both carry:
a link confirms its own request, and none that came after the person left. Sending the mail is the
caller's, after :func:`ask` and outside of its transaction; :func:`take_back` undoes a request
whose mail could not leave. :func:`decide`, :func:`judge` and :func:`state_before` decide, the rest
reads and does.
"""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, Engine, exists, select, update

from pipeline.audience import register
from pipeline.audience.address import normalise_address
from pipeline.audience.consent import Consent, Kind
from pipeline.audience.states import GONE, Event, State, next_state
from pipeline.audience.suppression import let_back
from pipeline.audience.tokens import Secrets
from pipeline.store.engine import scrub, writing
from pipeline.store.people import consent, subscriber

#: Mail that a form may cause to one address: strangers can type it, too.
PAUSE: Final = timedelta(minutes=15)
DAILY: Final = 3
_DAY: Final = timedelta(days=1)
_PAGE: Final = 500  # people in one transaction
_LEFT: Final = {
    Kind.UNSUBSCRIBED: State.UNSUBSCRIBED,
    Kind.BOUNCED: State.BOUNCED,
    Kind.COMPLAINED: State.COMPLAINED,
}


class Mail(StrEnum):
    """Which mail answers a request."""

    CONFIRM = "confirm"
    ALREADY = "already"  # to who is subscribed: only they read it, the page says nothing of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a form said, and the exact text that it showed."""

    address: str
    wording: str
    wording_version: str
    source: str
    first_name: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Which mail is to be sent, if any. ``name`` is the request's own, random and short."""

    mail: Mail | None
    address: str
    public_id: str = ""
    name: str = ""


def decide(state: State | None, asked: Sequence[datetime], *, now: datetime) -> Mail | None:
    """Say which mail a request is answered by; ``state`` is None where nobody has the address.

    ``asked`` are the times of the requests whose mail left. One who complained is not written to,
    whoever asks; nobody is written to more than once in a quarter of an hour, thrice a day.
    """
    recent = [at for at in asked if now - at < _DAY]
    if len(recent) >= DAILY or any(now - at < PAUSE for at in recent):
        return None
    if state is None or next_state(state, Event.ASK) is State.PENDING:
        return Mail.CONFIRM
    return Mail.ALREADY if state is State.ACTIVE else None


def ask(engine: Engine, request: Request, *, now: datetime) -> Answer:
    """Note that somebody asked for the letter; nothing is written where no mail is to leave.

    Raises InputError where the address, the name or the language cannot be kept. One who was
    forgotten is new: what keeps them out stays until they confirm.
    """
    address = normalise_address(request.address)
    with writing(engine) as connection:
        register.hold_people(connection, alone=True)
        person = register.find_subscriber(connection, str(address))
        state = register.hold_person(connection, person) if person else None
        log = register.consents_of(connection, person) if person else []
        mail = decide(state, requests_sent(log), now=now)
        if mail is None:
            return Answer(mail=None, address=str(address))
        if mail is Mail.CONFIRM:
            person = _make_pending(connection, person, request, now=now)
        assert person is not None  # noqa: S101 - only a row that is there is active
        name = secrets.token_urlsafe(6)
        entry = Consent(
            kind=Kind.ASKED,
            at=now,
            source=request.source,
            wording=request.wording,
            wording_version=request.wording_version,
            proof={"request": name},
        )
        register.log_consent(connection, person.id, entry)
    return Answer(mail=mail, address=person.address, public_id=person.public_id, name=name)


def _make_pending(
    connection: Connection, person: register.Subscriber | None, request: Request, *, now: datetime
) -> register.Subscriber:
    """Return the person, pending. What we know of one who was here before stays as it was until
    they confirm: anybody may have typed the address."""
    address = normalise_address(request.address)
    newcomer = register.Newcomer(
        address=str(address), first_name=request.first_name, language=request.language
    )
    if person is None:
        register.insert_person(connection, address, newcomer, state=State.PENDING, at=now)
    elif person.state is not State.PENDING:
        here = subscriber.c.id == person.id
        moved = {"state": State.PENDING.value, "state_at": now}
        connection.execute(update(subscriber).where(here).values(moved))
    return register.get_subscriber(connection, str(address))


def requests_sent(log: Iterable[Consent]) -> list[datetime]:
    """Return when each request was made whose mail left."""
    log = list(log)
    lapsed = {_name(one) for one in log if one.kind is Kind.LAPSED}
    return [one.at for one in log if one.kind is Kind.ASKED and _name(one) not in lapsed]


def _name(entry: Consent) -> str:
    return str(entry.proof.get("request", ""))


class Verdict(StrEnum):
    """What a link leads to."""

    CONFIRM = "confirm"
    DONE = "done"  # it was followed before: the same page again
    LOST = "lost"  # no such request, or the person left after it


def judge(state: State, log: Sequence[Consent], name: str) -> Verdict:
    """Say what following the link of the request called ``name`` does."""
    at = next(
        (at for at, one in enumerate(log) if one.kind is Kind.ASKED and _name(one) == name), None
    )
    if at is None or any(one.kind in _LEFT for one in log[at:]):
        return Verdict.LOST
    if next_state(state, Event.CONFIRM) is State.ACTIVE:
        return Verdict.DONE if state is State.ACTIVE else Verdict.CONFIRM
    return Verdict.LOST


def confirm(
    engine: Engine, public_id: str, name: str, *, now: datetime, secrets: Secrets
) -> Verdict:
    """Make the person active who asked, and log it with the text that they agreed to.

    The same again changes nothing more. What kept them out, had they been forgotten once, goes.
    """
    with writing(engine) as connection:
        register.hold_people(connection, alone=True)
        person = register.find_by_public_id(connection, public_id)
        if person is None:
            return Verdict.LOST
        state = register.hold_person(connection, person)
        log = register.consents_of(connection, person)
        verdict = judge(state, log, name)
        if verdict is Verdict.CONFIRM:
            [asked] = [one for one in log if one.kind is Kind.ASKED and _name(one) == name]
            _activate(connection, person, asked, now=now)
            let_back(connection, person.address, secrets)
    return verdict


def _activate(
    connection: Connection, person: register.Subscriber, asked: Consent, *, now: datetime
) -> None:
    values = {"state": State.ACTIVE.value, "state_at": now, "soft_bounces": 0}
    connection.execute(update(subscriber).where(subscriber.c.id == person.id).values(values))
    entry = Consent(
        kind=Kind.CONFIRMED,
        at=now,
        source=asked.source,
        wording=asked.wording,
        wording_version=asked.wording_version,
        proof={**asked.proof, "asked_at": asked.at.isoformat()},
    )
    register.log_consent(connection, person.id, entry)


def leave(engine: Engine, public_id: str, *, now: datetime, source: str) -> State | None:
    """Unsubscribe whom a link names; return where they stand, None where nobody is named.

    The same again changes nothing more; one who complained or bounced is not written to either.
    """
    with writing(engine) as connection:
        person = register.find_by_public_id(connection, public_id)
        if person is None:
            return None
        return register.move(connection, person, Event.LEAVE, now=now, source=source)


def take_back(engine: Engine, answer: Answer, *, now: datetime) -> None:
    """Undo a request whose mail could not leave, so that the person can try again at once."""
    with writing(engine) as connection:
        person = register.find_by_public_id(connection, answer.public_id)
        if person is None:
            return
        state = register.hold_person(connection, person)
        entry = Consent(kind=Kind.LAPSED, at=now, source="form", proof={"request": answer.name})
        register.log_consent(connection, person.id, entry)
        log = register.consents_of(connection, person)
        if state is State.PENDING and not _waits(log):
            _return(connection, person, log, now=now)
    scrub(engine)


def _waits(log: Sequence[Consent]) -> bool:
    """Say whether another request, made since the person last left, waits to be confirmed."""
    last = max((at for at, one in enumerate(log) if one.kind in _LEFT), default=-1)
    return bool(requests_sent(log[last + 1 :]))


def state_before(log: Iterable[Consent]) -> State | None:
    """Return where a person stood before they asked; None where they were never here."""
    left = [_LEFT[one.kind] for one in log if one.kind in _LEFT]
    return left[-1] if left else None


def _return(
    connection: Connection, person: register.Subscriber, log: Sequence[Consent], *, now: datetime
) -> None:
    """Put a person back to where they stood; one who was never here leaves an empty row."""
    before = state_before(log)
    if before in GONE:
        here = subscriber.c.id == person.id
        moved = {"state": before.value, "state_at": now}
        connection.execute(update(subscriber).where(here).values(moved))
    else:
        register.empty_person(connection, person, now=now)


def purge_pending(engine: Engine, *, now: datetime, days: int) -> int:
    """Erase those who asked more than ``days`` ago and never confirmed; return how many (T13).

    Nothing keeps them out: they may ask again. Who had left before they asked is unsubscribed
    again, with what the log says of them, so that no list brings them back.
    """
    since = now - timedelta(days=days)
    count = 0
    while some := _purge_some(engine, now=now, since=since):
        count += some
    if count:
        scrub(engine)
    return count


def _purge_some(engine: Engine, *, now: datetime, since: datetime) -> int:
    people, lines = subscriber.c, consent.c
    asked = exists().where(
        lines.subscriber_id == people.id, lines.kind == Kind.ASKED.value, lines.at >= since
    )
    old = (people.state == State.PENDING.value, people.state_at < since, ~asked)
    with writing(engine) as connection:
        rows = connection.execute(
            select(subscriber).where(*old).order_by(people.id).limit(_PAGE).with_for_update()
        ).all()
        for person in register.read_subscribers(connection, rows):
            log = register.consents_of(connection, person)
            _return(connection, person, log, now=now)
            entry = Consent(kind=Kind.LAPSED, at=now, source="purge")
            register.log_consent(connection, person.id, entry)
    return len(rows)
