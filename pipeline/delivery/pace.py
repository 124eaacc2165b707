"""How fast: what a provider or a domain is asked to take, kept to by all workers together.

A name has the moment from which its next message may leave; whoever wants to send reserves, in
one transaction, and waits. So the rate holds on any number of machines.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Engine, bindparam, select, text, update

from pipeline.store.campaigns import pace
from pipeline.store.columns import UtcDateTime
from pipeline.store.engine import reading, writing

LONGEST: Final = timedelta(hours=2)  # no provider rests longer: the clock that noted it was wrong
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MAKE: Final = text(
    "INSERT INTO pace (name, next_at) VALUES (:name, :next_at) ON CONFLICT DO NOTHING"
).bindparams(bindparam("next_at", type_=UtcDateTime()))


def next_at(engine: Engine, name: str, *, now: datetime) -> datetime:
    """Return from when something may leave under ``name``: ``now``, where nothing keeps it."""
    with reading(engine) as connection:
        return read_next_at(connection, name, now=now)


def read_next_at(connection: Connection, name: str, *, now: datetime) -> datetime:
    """Return the same within a transaction that the caller has open."""
    found = connection.scalar(select(pace.c.next_at).where(pace.c.name == name)) or now
    return _believed(found, now)


def _believed(found: datetime, now: datetime) -> datetime:
    return now if found > now + LONGEST else max(now, found)


def reserve(
    engine: Engine, name: str, *, count: int, rate: float, now: datetime, is_queue: bool = False
) -> datetime:
    """Reserve room for ``count`` messages and return from when they may leave.

    ``rate`` is in messages a second; 0 sets no limit, but a provider may have asked for a rest.
    A queue may be longer than any rest.
    """
    with writing(engine) as connection:
        found = _next(connection, name)
        start = max(now, found) if is_queue else _believed(found, now)
        if rate:
            _put(connection, name, start + timedelta(seconds=count / rate))
    return start


def reserve_some(
    engine: Engine, name: str, *, count: int, rate: float, now: datetime, horizon: timedelta
) -> int:
    """Reserve room for as many of ``count`` as may leave within ``horizon``; return how many."""
    with writing(engine) as connection:
        start = max(now, _next(connection, name))
        room = int((now + horizon - start).total_seconds() * rate)
        given = max(0, min(count, room))
        if not given and start <= now:
            given = min(count, 1)  # slower than one a horizon: one at a time
        if given:
            _put(connection, name, start + timedelta(seconds=given / rate))
    return given


def rest(engine: Engine, name: str, *, until: datetime) -> None:
    """Let nothing leave under ``name`` before ``until``; an earlier moment changes nothing."""
    with writing(engine) as connection:
        if _next(connection, name) < until:
            _put(connection, name, until)


def _next(connection: Connection, name: str) -> datetime:
    """Return the moment of a name, in the hands of this transaction alone."""
    connection.execute(_MAKE, {"name": name, "next_at": _LONG_AGO})
    query = select(pace.c.next_at).where(pace.c.name == name).with_for_update()
    found: datetime = connection.execute(query).scalar_one()
    return found


def _put(connection: Connection, name: str, moment: datetime) -> None:
    connection.execute(update(pace).where(pace.c.name == name).values(next_at=moment))
