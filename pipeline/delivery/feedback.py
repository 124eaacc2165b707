"""What came back, written down: each event once, the delivery it settles, the person it concerns.

Events come late, twice and in any order. So each is kept, and what follows is worked out anew from
all that are kept of a delivery and of a person, while the person's row is held: two writers take
turns, and neither misses what the other heard. One thing depends on the order: who was suppressed
by soft bounces stays so when a delivery in between is heard of afterwards, for only a person's own
confirmation leads back. How events are read, whose they are, and when a send is blocked, are
elsewhere.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from itertools import islice
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Engine,
    Row,
    and_,
    bindparam,
    func,
    insert,
    or_,
    select,
    update,
)

from pipeline.audience.consent import Consent, kind_of
from pipeline.audience.consent import Kind as ConsentKind
from pipeline.audience.register import columns_of
from pipeline.audience.states import GONE, State, next_state
from pipeline.audience.states import Event as Step
from pipeline.delivery.attribution import Heard, attribute
from pipeline.delivery.events import (
    SOFT_MEMORY,
    Event,
    Kind,
    Reason,
    Verdict,
    weigh,
    without_addresses,
)
from pipeline.delivery.states import SERVED, Status, after_event
from pipeline.settings import OUTBOX
from pipeline.store.campaigns import campaign, delivery, delivery_event
from pipeline.store.engine import writing
from pipeline.store.people import consent, subscriber
from pipeline.store.rowsets import insert_new

CHUNK: Final = 1_000  # events in one transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What became of some events, and how many people they suppressed."""

    new: int = 0
    repeated: int = 0
    unknown: int = 0
    suppressed: int = 0

    def __add__(self, other: "Recorded") -> "Recorded":
        return Recorded(
            new=self.new + other.new,
            repeated=self.repeated + other.repeated,
            unknown=self.unknown + other.unknown,
            suppressed=self.suppressed + other.suppressed,
        )


def record_events(
    engine: Engine,
    events: Iterable[Event],
    *,
    now: datetime,
    soft_limit: int,
    source: str = "webhook",
) -> Recorded:
    """Write events down, settle their deliveries, suppress whom they concern; say how many.

    ``source`` is what the log of consents names. 1,000 at a time are one transaction: all of it is
    kept, or nothing, and either may be tried again. An event is unknown, and not kept, unless its
    recipient is proven, or its Message-ID is that of a letter to the address that it claims.
    Raises WorldError where the database cannot be used.
    """
    total = Recorded()
    for chunk in _chunks(events):
        with writing(engine) as connection:
            told = _record(connection, chunk, now=now, soft_limit=soft_limit, source=source)
        total += told
    return total


def _chunks(events: Iterable[Event]) -> Iterator[list[Event]]:
    left = iter(events)
    while chunk := list(islice(left, CHUNK)):
        yield chunk


def _record(
    connection: Connection, events: list[Event], *, now: datetime, soft_limit: int, source: str
) -> Recorded:
    heard = attribute(connection, events)
    fresh = _keep(connection, heard, now=now)
    by_campaign: dict[int, set[int]] = defaultdict(set)
    for one in fresh:
        if one.campaign_id is not None:
            by_campaign[one.campaign_id].add(one.person.id)
    for campaign_id, ids in sorted(by_campaign.items()):
        settle_deliveries(connection, campaign_id, ids)
    suppressed = _judge(connection, fresh, now=now, soft_limit=soft_limit, source=source)
    return Recorded(
        new=len(fresh),
        repeated=len(heard) - len(fresh),
        unknown=len(events) - len(heard),
        suppressed=suppressed,
    )


# --- what is kept -----------------------------------------------------------------------------


def _keep(connection: Connection, heard: list[Heard], *, now: datetime) -> list[Heard]:
    """Write events down; return those that were not there yet."""
    by_id = {one.id: one for one in reversed(heard)}
    if not by_id:
        return []
    statement = (
        insert_new(connection, delivery_event)
        .on_conflict_do_nothing(index_elements=[delivery_event.c.id])
        .returning(delivery_event.c.id)
    )
    rows = [
        {
            "id": one.id,
            "subscriber_id": one.person.id,
            "campaign_id": one.campaign_id,
            "kind": one.event.kind.value,
            "at": one.event.at,
            "heard_at": now,
            "code": one.event.code,
            "detail": without_addresses(one.event.detail),
        }
        for _, one in sorted(by_id.items())
    ]
    return [by_id[id_] for id_ in connection.scalars(statement, rows)]


# --- the deliveries ---------------------------------------------------------------------------

#: Of several events of one delivery, whose words are shown: the gravest, the last of these.
_GRAVITY: Final = (
    Kind.DEFERRED,
    Kind.UNSUBSCRIBE,
    Kind.DELIVERED,
    Kind.DROPPED,
    Kind.SOFT_BOUNCE,
    Kind.HARD_BOUNCE,
    Kind.COMPLAINT,
)


def settle_deliveries(connection: Connection, campaign_id: int, people: Collection[int]) -> int:
    """Let all that was heard of some deliveries settle them; return how many rows changed.

    One that is not handed over, as far as we know, stays as it is. Where an event was heard before
    the outcome was recorded, calling this again catches up; a second time it changes nothing.
    """
    ids, here, there = sorted(people), delivery.c, delivery_event.c
    rows = connection.execute(
        select(delivery)
        .where(here.campaign_id == campaign_id, here.subscriber_id.in_(ids))
        .order_by(here.subscriber_id)
        .with_for_update()
    ).all()
    events: dict[int, list[Row[Any]]] = defaultdict(list)
    for event in connection.execute(
        select(delivery_event).where(there.subscriber_id.in_(ids), there.campaign_id == campaign_id)
    ):
        events[event.subscriber_id].append(event)
    changes = [
        {"at_campaign": campaign_id, "at_subscriber": row.subscriber_id, **change}
        for row in rows
        if (change := _settled(row, events[row.subscriber_id]))
    ]
    if changes:
        connection.execute(_SETTLE, changes)
    return len(changes)


_SETTLE: Final = (
    update(delivery)
    .where(
        delivery.c.campaign_id == bindparam("at_campaign"),
        delivery.c.subscriber_id == bindparam("at_subscriber"),
    )
    .values({name: bindparam(f"new_{name}") for name in ("state", "at", "code", "detail")})
)


def _settled(row: Row[Any], events: list[Row[Any]]) -> dict[str, Any]:
    """Return what changes of a delivery, or nothing."""
    if not events:
        return {}
    before = Status(row.state)
    status = reduce(after_event, (Kind(one.kind) for one in events), before)
    gravest = min(events, key=lambda one: (-_GRAVITY.index(Kind(one.kind)), one.at, one.id))
    word = after_event(Status.UNCERTAIN, Kind(gravest.kind))
    facts = (row.at, row.code, row.detail)
    if status is word and status is not Status.ACCEPTED:
        facts = (gravest.at, gravest.code, gravest.detail)
    elif before is Status.UNCERTAIN and status is not before:
        facts = (row.at, None, None)  # why it was uncertain is of no use any more
    if (status, facts) == (before, (row.at, row.code, row.detail)):
        return {}
    return {
        "new_state": status.value,
        "new_at": facts[0],
        "new_code": facts[1],
        "new_detail": facts[2],
    }


# --- the people -------------------------------------------------------------------------------

_STEPS: Final = {
    Reason.COMPLAINT: Step.COMPLAIN,
    Reason.UNSUBSCRIBE: Step.LEAVE,
    Reason.HARD_BOUNCE: Step.BOUNCE,
    Reason.SOFT_BOUNCES: Step.BOUNCE,
}
_AT_ONCE: Final = (Kind.COMPLAINT, Kind.UNSUBSCRIBE, Kind.HARD_BOUNCE)
_COUNTED: Final = (Kind.SOFT_BOUNCE, Kind.DELIVERED)
_AGREED: Final = (
    ConsentKind.ASKED,
    ConsentKind.CONFIRMED,
    ConsentKind.IMPORTED,
    ConsentKind.ADDED,
)


def _judge(
    connection: Connection, fresh: list[Heard], *, now: datetime, soft_limit: int, source: str
) -> int:
    """Suppress whom the events weigh down; return how many left by it."""
    grave = [one for one in fresh if _may_weigh(one)]
    people = {one.person.id: one.person for one in grave}
    if not people:
        return 0
    newest: dict[int, datetime] = {}
    for one in grave:
        newest[one.person.id] = max(one.event.at, newest.get(one.person.id, one.event.at))
    events = _read_events(connection, people, since=min(newest.values()) - SOFT_MEMORY)
    verdicts = {number: weigh(events[number], soft_limit=soft_limit) for number in sorted(people)}
    _count_bounces(connection, people, verdicts)
    steps = {
        number: step
        for number, verdict in verdicts.items()
        if verdict.reason
        and (step := _STEPS[verdict.reason])
        and next_state(State(people[number].state), step) is not State(people[number].state)
    }
    _suppress(connection, people, steps, now=now, source=source)
    return sum(1 for number in steps if State(people[number].state) not in GONE)


def _suppress(
    connection: Connection,
    people: Mapping[int, Row[Any]],
    steps: Mapping[int, Step],
    *,
    now: datetime,
    source: str,
) -> None:
    """Let each person take their step and log it, as ``register.move`` does one by one.

    A bad list may bring a thousand bounces in one request; their rows are held already.
    """
    states = {
        number: next_state(State(people[number].state), step) for number, step in steps.items()
    }
    for state in set(states.values()):
        here = subscriber.c.id.in_([number for number in states if states[number] is state])
        connection.execute(update(subscriber).where(here).values(state=state.value, state_at=now))
    if states:
        lines = [
            {"subscriber_id": number}
            | columns_of(Consent(kind=kind_of(state, ConsentKind.BOUNCED), at=now, source=source))
            for number, state in sorted(states.items())
        ]
        connection.execute(insert(consent), lines)


def _may_weigh(one: Heard) -> bool:
    """Say whether an event may change the verdict on a person.

    A delivery only ends a row of soft bounces: where there is none, nothing changes.
    """
    kind = one.event.kind
    is_end = kind is Kind.DELIVERED and one.person.soft_bounces > 0
    return is_end or kind in _AT_ONCE or kind is Kind.SOFT_BOUNCE


def _read_events(
    connection: Connection, people: Collection[int], *, since: datetime
) -> dict[int, list[Event]]:
    """Return what counts of people's events, since their last consent.

    Nobody's soft bounces and deliveries from before ``since`` count any more.
    """
    log, there = consent.c, delivery_event.c
    agreed = (
        select(log.subscriber_id, func.max(log.at).label("at"))
        .where(log.subscriber_id.in_(people), log.kind.in_([one.value for one in _AGREED]))
        .group_by(log.subscriber_id)
    )
    agreed_at = {  # others tell the time in whole seconds
        row.subscriber_id: row.at.replace(microsecond=0) for row in connection.execute(agreed)
    }
    rows = select(there.id, there.subscriber_id, there.campaign_id, there.kind, there.at).where(
        there.subscriber_id.in_(people),
        or_(
            there.kind.in_([one.value for one in _AT_ONCE]),
            and_(there.kind.in_([one.value for one in _COUNTED]), there.at >= since),
        ),
    )
    found: dict[int, list[Event]] = defaultdict(list)
    for row in connection.execute(rows):
        if row.at >= agreed_at.get(row.subscriber_id, row.at):
            letter = "" if row.campaign_id is None else str(row.campaign_id)
            event = Event(kind=Kind(row.kind), at=row.at, id=row.id, campaign=letter)
            found[row.subscriber_id].append(event)
    return found


def _count_bounces(
    connection: Connection, people: Mapping[int, Row[Any]], verdicts: Mapping[int, Verdict]
) -> None:
    """Keep each person's count of soft bounces, one statement a count."""
    changed: dict[int, list[int]] = defaultdict(list)
    for number, verdict in verdicts.items():
        if people[number].soft_bounces != verdict.soft_bounces:
            changed[verdict.soft_bounces].append(number)
    for count, numbers in changed.items():
        here = subscriber.c.id.in_(numbers)
        connection.execute(update(subscriber).where(here).values(soft_bounces=count))


# --- complaints -------------------------------------------------------------------------------


def complaint_share(connection: Connection, *, since: datetime) -> tuple[int, int]:
    """Return how many letters were complained of, and how many were handed over (T3).

    Counted are campaigns that began at ``since`` or later and left this machine. What follows is
    :func:`pipeline.delivery.events.judge_complaints`' to say.
    """
    complained = delivery.c.state == Status.COMPLAINED.value
    counted = (
        select(func.count().filter(complained), func.count())
        .join_from(delivery, campaign, campaign.c.id == delivery.c.campaign_id)
        .where(
            campaign.c.provider != OUTBOX,
            campaign.c.started_at >= since,
            delivery.c.state.in_([one.value for one in SERVED]),
        )
    )
    row = connection.execute(counted).one()
    return row[0], row[1]
