"""Whether the database can be used, has the shape we know, and holds what waits for a person.

Read, then judge: each ``judge_…`` takes values and returns a finding. Nothing is made or changed
here; a password is never shown.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, func, make_url, select, text
from sqlalchemy.exc import ArgumentError

from pipeline.delivery.campaign import PAUSE_WORDS, Pause
from pipeline.delivery.findings import Finding, bad, failed, fine, warn
from pipeline.delivery.states import CampaignState, Status
from pipeline.errors import WorkspaceError, WorldError
from pipeline.store.campaigns import campaign, delivery
from pipeline.store.engine import open_engine, reading, sqlite_file, writing
from pipeline.store.people import subscriber
from pipeline.store.upgrade import HEAD, current
from pipeline.words import mark
from pipeline.workspace import shown

LEAST_SPACE: Final = 500_000_000  # bytes; a letter to a million people takes some 100 MB
LEAST_POSTGRESQL: Final = (13,)
MOST_APART: Final = timedelta(seconds=5)  # a lease is compared with each worker's own clock
#: Older campaigns are left alone: counting all their recipients takes longer with every letter.
RECENT: Final = timedelta(days=90)


def check_store(url: str, *, root: Path, clock: Callable[[], datetime]) -> Iterator[Finding]:
    """Yield what is found of the database at ``url``; ``clock`` says now, aware.

    A relative SQLite file lies below ``root``; one that is not there yet is not made.
    """
    file = _sqlite_file(url, root)
    if file is not None and not os.path.exists(file):  # unlike Path's, False where we may not look
        yield check_new_file(file)
        return
    try:
        engine = open_engine(url, root)
    except WorkspaceError as error:
        yield failed("database", mark("the database cannot be opened"), error)
        return
    try:
        yield from _check_server(engine, clock) if file is None else _check_file(engine, file)
        yield from _check_contents(engine, now=clock())
    except WorldError as error:
        yield bad("database", mark("the database cannot be used"), error.message, **error.facts)
    finally:
        engine.dispose()


# --- SQLite -----------------------------------------------------------------------------------


def _sqlite_file(url: str, root: Path) -> Path | None:
    """Return the file that ``open_engine`` would open, None where it is another database."""
    try:
        found = make_url(url)
    except (ArgumentError, ValueError):  # the latter for a port that is none
        return None
    if found.drivername != "sqlite":
        return None
    return sqlite_file(found, root)


def check_new_file(file: Path) -> Finding:
    """Say whether a file that is not there can be made, in the nearest folder that is."""
    folder = next(one for one in file.parents if os.path.exists(one))
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        what = mark("the database {file} is new: it is made at its first use")
        return fine("database", what, file=shown(file))
    return bad(
        "database",
        mark("the database {file} cannot be made: {folder} is no folder that you may write to"),
        mark("give yourself the right to write there, or set “database.url”"),
        file=shown(file),
        folder=folder,
    )


def _check_file(engine: Engine, file: Path) -> Iterator[Finding]:
    with writing(engine) as connection:  # takes the lock, and writes nothing
        mode = str(connection.scalar(text("PRAGMA journal_mode")))
    yield judge_journal(mode, file=shown(file))
    yield judge_space(shutil.disk_usage(file.parent).free, file=shown(file))


def judge_journal(mode: str, *, file: str) -> Finding:
    """Judge SQLite's journal: some file systems cannot do what its WAL asks for."""
    if mode == "wal":
        return fine("database", mark("the database {file} can be written (SQLite)"), file=file)
    return warn(
        "database",
        mark("whoever reads the database {file} keeps others from writing (no WAL: {mode})"),
        mark("put it on a disk of this machine, and set “database.url”"),
        file=file,
        mode=mode,
    )


def judge_space(free: int, *, file: str) -> Finding:
    """Judge the bytes that are left beside the database."""
    if free >= 1_000_000_000:
        return fine("disk", mark("its disk has {size} GB left"), size=free // 1_000_000_000)
    size = free // 1_000_000
    if free >= LEAST_SPACE:
        return fine("disk", mark("its disk has {size} MB left"), size=size)
    return warn(
        "disk",
        mark("the disk of the database {file} has only {size} MB left"),
        mark("make room: a letter stops being sent where its outcomes cannot be recorded"),
        file=file,
        size=size,
    )


# --- PostgreSQL -------------------------------------------------------------------------------


def _check_server(engine: Engine, clock: Callable[[], datetime]) -> Iterator[Finding]:
    with reading(engine) as connection:
        raw: Any = connection.connection.driver_connection
        version = connection.dialect.server_version_info or ()
        encoding = str(connection.scalar(text("SHOW server_encoding")))
        before = clock()
        there: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        after = clock()
        place = f"{raw.info.dbname}, {raw.info.host}:{raw.info.port}"
    yield judge_version(version, place=place)
    yield judge_encoding(encoding)
    yield judge_difference(there - (before + (after - before) / 2))


def judge_version(version: tuple[Any, ...], *, place: str) -> Finding:
    """Judge the server's version, as in (16, 3)."""
    said = ".".join(map(str, version))
    if version >= LEAST_POSTGRESQL:
        what = mark("PostgreSQL {version} answers ({place})")
        return fine("database", what, version=said, place=place)
    return warn(
        "database",
        mark("PostgreSQL {version} answers ({place}), which is too old"),
        mark("have the server upgraded to version {least} or later"),
        version=said,
        place=place,
        least=LEAST_POSTGRESQL[0],
    )


def judge_encoding(encoding: str) -> Finding:
    """Judge what letters the database can keep."""
    if encoding == "UTF8":
        return fine("encoding", mark("the database keeps every alphabet (UTF8)"))
    return bad(
        "encoding",
        mark("the database cannot keep every name: its encoding is {encoding}"),
        mark("have another one made: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"),
        encoding=encoding,
    )


def judge_difference(difference: timedelta) -> Finding:
    """Judge how far the server's clock is from this machine's."""
    seconds = round(difference.total_seconds())
    if abs(difference) <= MOST_APART:
        return fine("clocks", mark("the database's clock agrees with this machine's"))
    return warn(
        "clocks",
        mark("the clocks of the database and of this machine are {seconds} s apart"),
        mark("set both by NTP: workers that share a campaign would take each other for dead"),
        seconds=abs(seconds),
    )


# --- both -------------------------------------------------------------------------------------


def _check_contents(engine: Engine, *, now: datetime) -> list[Finding]:
    with reading(engine) as connection:
        shape = current(connection)
        found = [judge_shape(shape)]
        if shape == HEAD:
            found.append(_count_subscribers(connection))
            found += _paused(connection)
            found += _uncertain(connection, now=now)
    return found


def judge_shape(found: str | None) -> Finding:
    """Judge the step of the migrations that a database is at, None where it is new."""
    if found is None:
        return fine("shape", mark("the database is new: its tables are made at their first use"))
    facts = {"found": found, "expected": HEAD}
    if found == HEAD:
        return fine("shape", mark("the shape of the database is up to date ({found})"), **facts)
    if found < HEAD:
        what = mark("the database has shape {found}, this program needs {expected}")
        do = mark("make a copy of the database, then run “infolettre db upgrade”")
    else:
        what = mark("the database has shape {found}, this program knows only {expected}")
        do = mark("install the newer Infolettre that upgraded it")
    return bad("shape", what, do, **facts)


def _count_subscribers(connection: Connection) -> Finding:
    count = connection.scalar(
        select(func.count()).select_from(subscriber).where(subscriber.c.state == "active")
    )
    return fine("subscribers", mark("active subscribers: {count}"), count=count)


def _paused(connection: Connection) -> Iterator[Finding]:
    columns = campaign.c
    rows = connection.execute(
        select(columns.id, columns.title, columns.pause_reason)
        .where(columns.state == CampaignState.PAUSED.value)
        .order_by(columns.id)
    )
    for row in rows:
        yield warn(
            "campaigns",
            mark("the campaign “{title}” is paused: {reason}"),
            _LOOK,
            title=row.title,
            reason=PAUSE_WORDS[Pause(row.pause_reason or Pause.PERSON)],
            id=row.id,
        )


def _uncertain(connection: Connection, *, now: datetime) -> Iterator[Finding]:
    recent = (campaign.c.finished_at.is_(None)) | (campaign.c.finished_at > now - RECENT)
    rows = connection.execute(
        select(campaign.c.id, campaign.c.title, func.count().label("count"))
        .join(delivery, delivery.c.campaign_id == campaign.c.id)
        .where(campaign.c.started_at.is_not(None), recent)
        .where(delivery.c.state == Status.UNCERTAIN.value)
        .group_by(campaign.c.id, campaign.c.title)
        .order_by(campaign.c.id)
    )
    for row in rows:
        yield warn(
            "campaigns",
            mark("the campaign “{title}” has uncertain recipients: {count}"),
            _LOOK,
            title=row.title,
            count=row.count,
            id=row.id,
        )


_LOOK: Final = mark("look at it and decide: “infolettre campaign show {id}”")
