"""What one person was sent and what came back of it: for them to see, and to take away (T16)."""

from typing import Any

from sqlalchemy import Connection, select

from pipeline.store.campaigns import campaign, delivery, delivery_event


def letters_of(connection: Connection, subscriber_id: int) -> list[dict[str, Any]]:
    """Return the letters of a person, oldest first, as JSON has them; times are in UTC.

    Each names the letter, where its delivery stands, and the events that were heard of it. Asked
    campaign by campaign: by a person alone, the table of deliveries has no index.
    """
    rows = delivery.c
    query = (
        select(campaign.c.id, campaign.c.slug, campaign.c.title, rows.state, rows.at)
        .join_from(
            campaign,
            delivery,
            (rows.campaign_id == campaign.c.id) & (rows.subscriber_id == subscriber_id),
        )
        .order_by(campaign.c.id)
    )
    heard = _events_of(connection, subscriber_id)
    return [
        {
            "letter": row.slug,
            "title": row.title,
            "state": row.state,
            "at": row.at.isoformat() if row.at else None,
            "events": heard.get(row.id, []),
        }
        for row in connection.execute(query)
    ]


def _events_of(
    connection: Connection, subscriber_id: int
) -> dict[int | None, list[dict[str, Any]]]:
    columns = delivery_event.c
    query = (
        select(columns.campaign_id, columns.kind, columns.at)
        .where(columns.subscriber_id == subscriber_id)
        .order_by(columns.at, columns.id)
    )
    found: dict[int | None, list[dict[str, Any]]] = {}
    for row in connection.execute(query):
        found.setdefault(row.campaign_id, []).append({"kind": row.kind, "at": row.at.isoformat()})
    return found
