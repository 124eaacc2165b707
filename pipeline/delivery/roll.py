"""The roll of a campaign: at its start, each recipient gets a row, before anything is sent.

Who is meant is :mod:`pipeline.audience.queries`' to say; one statement writes them all down. What
becomes of the rows is :mod:`pipeline.delivery.ledger`'s.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    and_,
    case,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    text,
    update,
)

from pipeline.audience.queries import audience, segment_condition
from pipeline.delivery.campaign import Campaign, campaign_name
from pipeline.delivery.campaigns import hold_campaign, hold_campaigns
from pipeline.delivery.states import SERVED, CampaignState, Status
from pipeline.settings import OUTBOX
from pipeline.store.campaigns import batch, campaign, delivery
from pipeline.store.engine import told, writing
from pipeline.store.people import subscriber

ALREADY: Final = "already"  # the code of one who was skipped: they have this letter


def start_campaign(engine: Engine, number: int, *, now: datetime, size: int) -> int | None:
    """Give each recipient a row, in batches of ``size``, and let the campaign run.

    Returns how many there are; None where it is not scheduled (any more). Those who have the same
    letter from another of its campaigns are skipped; of one sent on purpose once more, those who
    have it from a cancelled one that it takes up.
    """
    with writing(engine) as connection:
        hold_campaigns(connection)
        found = hold_campaign(connection, number)
        if found.state is not CampaignState.SCHEDULED:
            return None
        total = _enqueue(connection, found, now=now, size=size)
        values = {"state": CampaignState.RUNNING.value, "started_at": now, "total": total}
        connection.execute(update(campaign).where(campaign.c.id == number).values(values))
    _settle_statistics(engine)
    return total


def _enqueue(connection: Connection, found: Campaign, *, now: datetime, size: int) -> int:
    people = subscriber.c
    rank = func.row_number().over(order_by=people.id)
    has_it = has_letter(
        connection,
        slug=found.slug,
        segment=found.segment,
        provider=found.provider,
        round_=found.round,
    )
    columns: dict[str, ColumnElement[Any]] = {
        "campaign_id": literal(found.id),
        "batch": (rank - 1) // literal(size) + 1,
        "subscriber_id": people.id,
        "variant": _variant(connection, found.segments),
        "attempts": literal(0),
        "state": literal(Status.QUEUED.value),
    }
    if has_it is not None:
        skipped, queued = Status.SKIPPED.value, Status.QUEUED.value
        columns["state"] = case((has_it, literal(skipped)), else_=literal(queued))
        columns["code"] = case((has_it, literal(ALREADY)), else_=null())
        columns["at"] = case((has_it, literal(now, delivery.c.at.type)), else_=null())
    chosen = audience(connection, found.segment).with_only_columns(*columns.values())
    filled = insert(delivery).from_select(list(columns), chosen)
    rows = connection.execute(filled, execution_options={"preserve_rowcount": True})
    mine = delivery.c.campaign_id == found.id
    numbers = delivery.c.subscriber_id
    batches = (
        select(
            delivery.c.campaign_id,
            delivery.c.batch,
            func.min(numbers),
            func.max(numbers),
            literal("open"),
            literal(""),
        )
        .where(mine)
        .group_by(delivery.c.campaign_id, delivery.c.batch)
    )
    names = ["campaign_id", "number", "low", "high", "state", "worker"]
    connection.execute(insert(batch).from_select(names, batches))
    return rows.rowcount


def _variant(connection: Connection, segments: Sequence[str]) -> ColumnElement[Any]:
    """Return the number of the variant that each gets, in SQL: a bit a segment."""
    variant: ColumnElement[Any] = literal(0)
    for bit, name in enumerate(segments):
        condition = segment_condition(connection, name)
        variant = variant + case((condition, literal(1 << bit)), else_=literal(0))
    return variant


def has_letter(
    connection: Connection, *, slug: str, segment: str, provider: str, round_: int
) -> ColumnElement[bool] | None:
    """Return the condition that a subscriber has a letter, or is about to; None: nobody can.

    That is: from a campaign other than this ``round_``, which need not exist yet. One that was sent
    on purpose once more only knows of the cancelled ones that it takes up.
    """
    columns = campaign.c
    rehearsal = columns.provider == OUTBOX
    query = select(columns.id, columns.state, columns.segment, columns.round).where(
        columns.slug == slug,
        columns.name != campaign_name(slug, segment, provider, round_),
        rehearsal if provider == OUTBOX else ~rehearsal,
    )
    others = list(connection.execute(query))
    cancelled = CampaignState.CANCELLED.value
    before = [row for row in others if row.segment == segment and row.round < round_]
    stands = max((row.round for row in before if row.state != cancelled), default=0)
    if stands:
        others = [row for row in before if row.round > stands]
    if not others:
        return None
    over = [row.id for row in others if row.state == cancelled]
    served = [*(status.value for status in SERVED), Status.UNCERTAIN.value]
    waiting = [Status.QUEUED.value, Status.DEFERRED.value]
    rows = delivery.c
    return (
        select(rows.subscriber_id)
        .where(
            rows.campaign_id.in_([row.id for row in others]),
            rows.subscriber_id == subscriber.c.id,
            or_(
                rows.state.in_(served),
                and_(rows.state.in_(waiting), rows.campaign_id.not_in(over)),
            ),
        )
        .exists()
    )


def _settle_statistics(engine: Engine) -> None:
    """Let PostgreSQL know the table that was just filled, or it plans as if it were empty."""
    if engine.dialect.name == "postgresql":
        with told(engine), engine.connect() as connection:
            alone = connection.execution_options(isolation_level="AUTOCOMMIT")
            alone.execute(text("VACUUM (ANALYZE) delivery, batch"))
