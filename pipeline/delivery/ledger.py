"""The recipients of a campaign in the database: claimed, recorded, tried again; none twice or lost.

A batch is a run of rows that share its number. Claiming changes the batch alone: its rows that are
still queued *are* claimed. Only a recorded outcome ends a row, and every change here is one
transaction. What becomes of whom is decided elsewhere.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    and_,
    bindparam,
    func,
    insert,
    or_,
    select,
    text,
    update,
)

from pipeline.audience.states import State as PersonState
from pipeline.delivery.campaigns import hold_campaign
from pipeline.delivery.feedback import settle_deliveries
from pipeline.delivery.states import UNSETTLED, CampaignState, Status
from pipeline.store.campaigns import batch, campaign, delivery, delivery_event
from pipeline.store.columns import UtcDateTime, spelled
from pipeline.store.engine import reading, writing
from pipeline.store.people import subscriber
from pipeline.store.rowsets import table_of

_ROUND: Final = 20_000  # deferred rows that are put into new batches at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A batch in the hands of one worker, who alone closes it.

    In a claim that was taken over, the rows up to ``begun_to`` may have been handed over; with
    None, nobody was.
    """

    campaign_id: int
    number: int
    low: int
    high: int
    worker: str
    begun_to: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """One recipient of a batch with what a message needs of the person."""

    subscriber_id: int
    public_id: str
    address: str
    first_name: str
    last_name: str
    is_active: bool
    state: str
    variant: int
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is to be written of one recipient; ``due_at`` where they are tried again."""

    subscriber_id: int
    status: Status
    code: str = ""
    detail: str = ""
    due_at: datetime | None = None
    is_attempt: bool = True


# --- a batch in one worker's hands ------------------------------------------------------------


def claim_batch(
    engine: Engine,
    campaign_id: int,
    *,
    worker: str,
    lease_until: datetime,
    number: int | None = None,
) -> Claim | None:
    """Take the next open batch of a running campaign, or the one of this ``number``.

    Returns None where there is none to take, or the campaign does not run.
    """
    columns = batch.c
    with writing(engine) as connection:
        state = select(campaign.c.state).where(campaign.c.id == campaign_id)
        if connection.scalar(state.with_for_update(read=True)) != CampaignState.RUNNING.value:
            return None
        query = select(batch).where(columns.campaign_id == campaign_id, columns.state == "open")
        if number is not None:
            query = query.where(columns.number == number)
        query = query.order_by(columns.number).limit(1).with_for_update(skip_locked=True)
        row = connection.execute(query).first()
        if row is None:
            return None
        values = {
            "state": "claimed",
            "worker": worker,
            "lease_until": lease_until,
            "begun_to": None,
        }
        here = and_(columns.campaign_id == campaign_id, columns.number == row.number)
        connection.execute(update(batch).where(here).values(values))
    return _claim_of(row, worker=worker)


def _claim_of(row: Row[Any], *, worker: str) -> Claim:
    return Claim(
        campaign_id=row.campaign_id,
        number=row.number,
        low=row.low,
        high=row.high,
        worker=worker,
    )


def read_batch(engine: Engine, claim: Claim) -> list[Reader]:
    """Return the recipients of a claimed batch who have no outcome yet."""
    rows, people = delivery.c, subscriber.c
    query = (
        select(
            rows.subscriber_id,
            people.public_id,
            people.address,
            people.first_name,
            people.last_name,
            people.state,
            rows.variant,
            rows.attempts,
        )
        .join_from(delivery, subscriber, people.id == rows.subscriber_id)
        .where(*_rows_of(claim))
        .order_by(rows.subscriber_id)
    )
    active = PersonState.ACTIVE.value
    with reading(engine) as connection:
        return [
            Reader(
                subscriber_id=row.subscriber_id,
                public_id=row.public_id,
                address=row.address or "",
                first_name=row.first_name,
                last_name=row.last_name,
                is_active=row.state == active,
                state=row.state,
                variant=row.variant,
                attempts=row.attempts,
            )
            for row in connection.execute(query)
        ]


def left_meanwhile(engine: Engine, readers: Sequence[Reader]) -> dict[int, str]:
    """Return those who are not active any more, with the state they are in."""
    people = subscriber.c
    ids = [reader.subscriber_id for reader in readers]
    query = select(people.id, people.state).where(
        people.id.in_(ids), people.state != PersonState.ACTIVE.value
    )
    with reading(engine) as connection:
        return {row.id: row.state for row in connection.execute(query)}


def _rows_of(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    """Return the rows of a batch that are in the worker's hands; the key range finds them."""
    rows = delivery.c
    return (
        rows.campaign_id == claim.campaign_id,
        rows.subscriber_id.between(claim.low, claim.high),
        rows.batch == claim.number,
        rows.state == Status.QUEUED.value,
    )


def extend_lease(
    engine: Engine, claim: Claim, *, lease_until: datetime, begun_to: int | None = None
) -> bool:
    """Keep a batch; say whether it is still the worker's own.

    With ``begun_to``, those up to that subscriber are about to be handed over.
    """
    values: dict[str, Any] = {"lease_until": lease_until}
    if begun_to is not None:
        values["begun_to"] = begun_to
    with writing(engine) as connection:
        done = connection.execute(update(batch).where(*_batch_of(claim)).values(values))
        return done.rowcount > 0


def _batch_of(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    columns = batch.c
    return (
        columns.campaign_id == claim.campaign_id,
        columns.number == claim.number,
        columns.worker == claim.worker,
        columns.state == "claimed",
    )


def record(
    engine: Engine, claim: Claim, records: Sequence[Record], *, now: datetime, close: str = ""
) -> None:
    """Write outcomes, and with ``close`` give the batch back: ``done``, or ``open`` again.

    An outcome settles a row even where its worker was taken for dead meanwhile; putting a row off
    is only for who still holds it.
    """
    with writing(engine) as connection:
        if records:
            _write(connection, claim, records, now=now)
            _catch_up(connection, claim, records)
        if close:
            values = {"state": close, "worker": "", "lease_until": None, "begun_to": None}
            connection.execute(update(batch).where(*_batch_of(claim)).values(values))


def _catch_up(connection: Connection, claim: Claim, records: Sequence[Record]) -> None:
    """Let events settle rows whose outcome they overtook: some servers answer that quickly."""
    columns = delivery_event.c
    mine = columns.campaign_id == claim.campaign_id
    if not connection.scalar(select(select(columns.id).where(mine).exists())):
        return
    ids = [one.subscriber_id for one in records]
    heard = select(columns.subscriber_id).where(mine, columns.subscriber_id.in_(ids)).distinct()
    if people := connection.scalars(heard).all():
        settle_deliveries(connection, claim.campaign_id, people)


def _write(
    connection: Connection, claim: Claim, records: Sequence[Record], *, now: datetime
) -> None:
    rows = [
        {
            "who": one.subscriber_id,
            "state": one.status.value,
            "more": int(one.is_attempt),
            "due": spelled(one.due_at),
            "code": one.code.replace("\0", ""),  # PostgreSQL cannot hold it
            "detail": one.detail.replace("\0", ""),
        }
        for one in records
    ]
    values = {
        "rows": json.dumps(rows),
        "campaign": claim.campaign_id,
        "number": claim.number,
        "low": claim.low,
        "high": claim.high,
        "now": now,
    }
    connection.execute(_WRITE[connection.dialect.name], values)


#: One statement for all rows: one each would be a round trip on PostgreSQL, and on SQLite hand
#: the interpreter to the sending threads, and wait for it, at every row.
_OUTCOMES: Final = """
    UPDATE delivery SET state = v.state, attempts = attempts + v.more, due_at = v.due,
        at = :now, code = v.code, detail = v.detail
    FROM ({rows}) AS v
    WHERE campaign_id = :campaign AND subscriber_id = v.who
        AND subscriber_id BETWEEN :low AND :high
        AND (delivery.state = :queued AND batch = :number
            OR v.state <> :deferred AND delivery.state IN :unsettled)
"""
_FIELDS: Final = {
    "who": "int",
    "state": "text",
    "more": "int",
    "due": "time",
    "code": "text",
    "detail": "text",
}
_WRITE: Final = {
    name: text(_OUTCOMES.format(rows=table_of(name, _FIELDS))).bindparams(
        bindparam("unsettled", [status.value for status in UNSETTLED], expanding=True),
        bindparam("queued", Status.QUEUED.value),
        bindparam("deferred", Status.DEFERRED.value),
        bindparam("now", type_=UtcDateTime()),
    )
    for name in ("postgresql", "sqlite")
}


# --- afterwards -------------------------------------------------------------------------------


def claimed_batches(engine: Engine) -> list[tuple[Claim, datetime]]:
    """Return the batches in workers' hands, each with the end of its lease."""
    with reading(engine) as connection:
        rows = connection.execute(select(batch).where(batch.c.state == "claimed"))
        return [(_claim_of(row, worker=row.worker), row.lease_until) for row in rows]


def take_over(engine: Engine, claim: Claim, *, worker: str, lease_until: datetime) -> Claim | None:
    """Take a dead worker's batch, whatever the campaign's state; None where another did."""
    with writing(engine) as connection:
        values = {"worker": worker, "lease_until": lease_until}
        done = connection.execute(update(batch).where(*_batch_of(claim)).values(values))
        if not done.rowcount:
            return None
        mine = replace(claim, worker=worker)
        return replace(
            mine, begun_to=connection.scalar(select(batch.c.begun_to).where(*_batch_of(mine)))
        )


def regroup_due(engine: Engine, campaign_id: int, *, now: datetime, size: int) -> int:
    """Put the deferred whose time has come into new batches; return how many rows."""
    rows = delivery.c
    due = and_(
        rows.campaign_id == campaign_id,
        rows.due_at.is_not(None),
        rows.due_at <= now,
        rows.state == Status.DEFERRED.value,
    )
    with writing(engine) as connection:
        if hold_campaign(connection, campaign_id).state is not CampaignState.RUNNING:
            return 0
        query = select(rows.subscriber_id).where(due).order_by(rows.subscriber_id).limit(_ROUND)
        ids = list(connection.scalars(query))
        return _open_batches(connection, campaign_id, ids, where=due, size=size)


def requeue_uncertain(engine: Engine, campaign_id: int, *, size: int) -> int:
    """Put the uncertain into new batches, and let the campaign run: they may get it twice."""
    rows = delivery.c
    uncertain = and_(rows.campaign_id == campaign_id, rows.state == Status.UNCERTAIN.value)
    with writing(engine) as connection:
        hold_campaign(connection, campaign_id)
        query = select(rows.subscriber_id).where(uncertain).order_by(rows.subscriber_id)
        ids = list(connection.scalars(query))
        count = _open_batches(connection, campaign_id, ids, where=uncertain, size=size)
        if count:
            values = {"state": CampaignState.RUNNING.value, "finished_at": None}
            done = and_(campaign.c.id == campaign_id, campaign.c.state == CampaignState.DONE.value)
            connection.execute(update(campaign).where(done).values(values))
        return count


def accept_uncertain(engine: Engine, campaign_id: int, *, now: datetime, detail: str) -> int:
    """Call the uncertain sent, on a person's word; return how many."""
    rows = delivery.c
    uncertain = and_(rows.campaign_id == campaign_id, rows.state == Status.UNCERTAIN.value)
    values = {"state": Status.ACCEPTED.value, "at": now, "detail": detail}
    with writing(engine) as connection:
        hold_campaign(connection, campaign_id)
        return connection.execute(update(delivery).where(uncertain).values(values)).rowcount


def _open_batches(
    connection: Connection,
    campaign_id: int,
    ids: Sequence[int],
    *,
    where: ColumnElement[bool],
    size: int,
) -> int:
    """Put rows into new batches of ``size``; ``where`` says which they are."""
    numbers = select(func.max(batch.c.number)).where(batch.c.campaign_id == campaign_id)
    number, count = connection.scalar(numbers) or 0, 0
    for start in range(0, len(ids), size):
        number += 1
        low, high = ids[start], ids[min(start + size, len(ids)) - 1]
        here = and_(where, delivery.c.subscriber_id.between(low, high))
        values = {"state": Status.QUEUED.value, "batch": number, "due_at": None}
        count += connection.execute(update(delivery).where(here).values(values)).rowcount
        row = {"campaign_id": campaign_id, "number": number, "low": low, "high": high}
        connection.execute(insert(batch).values(**row, state="open"))
    return count


def open_batches(engine: Engine, campaign_id: int) -> list[int]:
    """Return the numbers of the batches that nobody has taken."""
    columns = batch.c
    mine = and_(columns.campaign_id == campaign_id, columns.state == "open")
    with reading(engine) as connection:
        return list(connection.scalars(select(columns.number).where(mine).order_by(columns.number)))


def finish_campaign(engine: Engine, campaign_id: int, *, now: datetime) -> bool:
    """Call a running campaign done where nothing is left to do; say whether it was."""
    rows, columns = delivery.c, batch.c
    left = select(batch).where(columns.campaign_id == campaign_id, columns.state != "done")
    due = select(delivery).where(rows.campaign_id == campaign_id, rows.due_at.is_not(None))
    with writing(engine) as connection:
        if hold_campaign(connection, campaign_id).state is not CampaignState.RUNNING:
            return False
        if connection.scalar(select(or_(left.exists(), due.exists()))):
            return False
        values = {"state": CampaignState.DONE.value, "finished_at": now}
        connection.execute(update(campaign).where(campaign.c.id == campaign_id).values(values))
        return True


def statuses_of(engine: Engine, campaign_id: int) -> Iterable[tuple[Any, ...]]:
    """Yield who got what and when, in the order of their numbers, a page at a time."""
    rows, people, last = delivery.c, subscriber.c, 0
    while True:
        query = (
            select(
                rows.subscriber_id,
                people.address,
                people.public_id,
                rows.state,
                rows.at,
                rows.attempts,
                rows.code,
                rows.detail,
                rows.due_at,
            )
            .join_from(delivery, subscriber, people.id == rows.subscriber_id)
            .where(rows.campaign_id == campaign_id, rows.subscriber_id > last)
            .order_by(rows.subscriber_id)
            .limit(1000)
        )
        with reading(engine) as connection:
            page = connection.execute(query).all()
        yield from (tuple(row) for row in page)
        if len(page) < 1000:
            return
        last = page[-1].subscriber_id
