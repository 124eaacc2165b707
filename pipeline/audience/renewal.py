"""Those whose consent is too old to rest on: ask them again, or let them go (T16).

Three years after the last contact, says the CNIL's reference for commercial mail; that somebody
opened a letter is no contact, nor that somebody typed their address into a form.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, exists, not_

from pipeline.audience.consent import Kind
from pipeline.audience.queries import Asked, count_found, each_subscriber
from pipeline.audience.register import Subscriber
from pipeline.audience.states import State
from pipeline.store.people import consent, subscriber

YEARS: Final = 3
#: What a person did themselves, or had us note when they agreed.
_CONTACTS: Final = (Kind.CONFIRMED.value, Kind.ADDED.value, Kind.IMPORTED.value)


def no_contact_since(moment: datetime) -> ColumnElement[bool]:
    """Return the condition, over the table of subscribers, that nobody agreed since ``moment``."""
    lines = consent.c
    heard = exists().where(
        lines.subscriber_id == subscriber.c.id, lines.kind.in_(_CONTACTS), lines.at >= moment
    )
    return and_(subscriber.c.state == State.ACTIVE.value, not_(heard))


def years_before(now: datetime, years: int = YEARS) -> datetime:
    """Return the same moment of an earlier year; 29 February becomes the 28th."""
    try:
        return now.replace(year=now.year - years)
    except ValueError:
        return now.replace(year=now.year - years, day=28)


def asked_stale(now: datetime) -> Asked:
    """Return the question that finds the active people whose consent is too old."""
    return Asked(also=(no_contact_since(years_before(now)),))


def stale_people(connection: Connection, *, now: datetime) -> Iterator[Subscriber]:
    """Yield the active people whose consent is too old, in the order in which they came."""
    return each_subscriber(connection, asked_stale(now))


def count_stale(connection: Connection, *, now: datetime) -> int:
    """Return how many they are."""
    return count_found(connection, asked_stale(now))
