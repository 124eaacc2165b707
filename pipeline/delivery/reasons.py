"""Why recipients were refused, put off, left out or left open: the commonest reasons, counted."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, select

from pipeline.delivery.states import Status
from pipeline.store.campaigns import delivery
from pipeline.store.people import subscriber

#: Where a reason is of interest; one that was sent has none.
TROUBLED: Final = (Status.FAILED, Status.DEFERRED, Status.UNCERTAIN, Status.SKIPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A reason, how many it concerns, and the address of one of them (empty: forgotten)."""

    status: Status
    code: str
    detail: str
    count: int
    example: str


def reasons_of(connection: Connection, number: int, *, limit: int = 10) -> list[Reason]:
    """Return the commonest reasons of a campaign, at most ``limit``, the commonest first.

    Answers hold no address of a person (the worker takes it out), so that equal ones are one.
    """
    rows = delivery.c
    code, address = func.coalesce(rows.code, ""), func.coalesce(subscriber.c.address, "")
    detail = func.coalesce(rows.detail, "")
    said = (
        select(
            rows.state.label("state"),
            code.label("code"),
            detail.label("detail"),
            address.label("address"),
        )
        .join_from(delivery, subscriber, subscriber.c.id == rows.subscriber_id)
        .where(rows.campaign_id == number, rows.state.in_([one.value for one in TROUBLED]))
        .subquery()
    )
    alike = (said.c.state, said.c.code, said.c.detail)
    count = func.count().label("many")
    query = (
        select(*alike, count, func.min(said.c.address).label("example"))
        .group_by(*alike)
        .order_by(count.desc(), *alike)
        .limit(limit)
    )
    return [
        Reason(
            status=Status(row.state),
            code=row.code,
            detail=row.detail,
            count=row.many,
            example=row.example,
        )
        for row in connection.execute(query)
    ]
