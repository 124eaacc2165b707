"""Letters that were sent, put into a database directly: people, campaigns, one delivery each."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Engine, insert, select

from pipeline.delivery.fields import make_message_id
from pipeline.store.campaigns import campaign, delivery, delivery_event
from pipeline.store.engine import reading, writing
from pipeline.store.people import consent, subscriber

START: Final = datetime(2026, 11, 20, 7, tzinfo=UTC)
BEFORE: Final = START - timedelta(days=400)
DOMAIN: Final = "cercle.example"


def add_people(engine: Engine, *names: str, state: str = "active") -> None:
    """Add people whose public id is their name, and who agreed long ago."""
    with writing(engine) as connection:
        rows = [
            {
                "address": f"{name}@ailleurs.example",
                "address_key": f"{name}@ailleurs.example",
                "public_id": name,
                "state": state,
                "state_at": BEFORE,
                "attributes": {},
                "created_at": BEFORE,
            }
            for name in names
        ]
        connection.execute(insert(subscriber), rows)
    log_consents(engine, names, at=BEFORE)


def log_consents(
    engine: Engine, names: Iterable[str], *, at: datetime, kind: str = "confirmed"
) -> None:
    numbers = numbers_of(engine)
    line = {"kind": kind, "at": at, "source": "form", "proof": {}}
    with writing(engine) as connection:
        rows = [{"subscriber_id": numbers[name], **line} for name in names]
        connection.execute(insert(consent), rows)


def numbers_of(engine: Engine) -> dict[str, int]:
    """Return the number of each person's row, by public id, in the order in which they came."""
    people = subscriber.c
    with reading(engine) as connection:
        rows = connection.execute(select(people.public_id, people.id).order_by(people.id))
        return {row.public_id: row.id for row in rows}


def add_campaign(
    engine: Engine,
    name: str,
    statuses: Mapping[str, str],
    *,
    started_at: datetime | None = START,
    provider: str = "smtp",
) -> int:
    """Add a campaign with a delivery for each person of ``statuses``; return its number."""
    row = {
        "name": name,
        "slug": name,
        "title": name,
        "segment": "all",
        "provider": provider,
        "round": 1,
        "state": "running",
        "digest": "0" * 64,
        "source": "0" * 64,
        "segments": [],
        "frame": {"domain": DOMAIN},
        "created_at": BEFORE,
        "created_by": "anne",
        "started_at": started_at,
    }
    numbers = numbers_of(engine)
    with writing(engine) as connection:
        made = insert(campaign).values(row).returning(campaign.c.id)
        number: int = connection.execute(made).scalar_one()
        rows = [
            {
                "campaign_id": number,
                "batch": 1,
                "subscriber_id": numbers[who],
                "variant": 0,
                "attempts": 1,
                "state": status,
                "at": started_at,
                "code": "250",
                "detail": "taken",
            }
            for who, status in statuses.items()
        ]
        if rows:
            connection.execute(insert(delivery), rows)
    return number


def message_id(name: str, who: str) -> str:
    return make_message_id(name, who, DOMAIN)


def deliveries(engine: Engine) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what the database says of each delivery, by campaign and person."""
    here = delivery.c
    rows = (
        select(
            campaign.c.name,
            subscriber.c.public_id,
            here.state,
            here.at,
            here.code,
            here.detail,
        )
        .join_from(delivery, campaign, campaign.c.id == here.campaign_id)
        .join(subscriber, subscriber.c.id == here.subscriber_id)
    )
    with reading(engine) as connection:
        return {
            (row.name, row.public_id): {
                "state": row.state,
                "at": row.at,
                "code": row.code,
                "detail": row.detail,
            }
            for row in connection.execute(rows)
        }


def people(engine: Engine) -> dict[str, tuple[str, int]]:
    """Return the state of each person, and their count of soft bounces."""
    with reading(engine) as connection:
        rows = connection.execute(select(subscriber))
        return {row.public_id: (row.state, row.soft_bounces) for row in rows}


def kept(engine: Engine) -> dict[str, dict[str, Any]]:
    """Return the events that are kept, by id, without the moment they were heard."""
    with reading(engine) as connection:
        rows = connection.execute(select(delivery_event)).mappings()
        return {
            row["id"]: {name: row[name] for name in row if name not in ("id", "heard_at")}
            for row in rows
        }


def consents(engine: Engine, who: str) -> list[tuple[str, str]]:
    """Return kind and source of each line of a person's log, oldest first."""
    with reading(engine) as connection:
        rows = (
            select(consent)
            .join(subscriber, subscriber.c.id == consent.c.subscriber_id)
            .where(subscriber.c.public_id == who)
            .order_by(consent.c.id)
        )
        return [(row.kind, row.source) for row in connection.execute(rows)]
