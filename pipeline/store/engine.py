"""How a database is opened: SQLite beside the letters by default, PostgreSQL by one setting.

SQLite: WAL, so that readers and one writer do not wait for each other; a busy timeout; foreign
keys; and what is deleted is overwritten. What is in the database is not this file's concern.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from pipeline.errors import WorkspaceError, WorldError
from pipeline.words import mark

BUSY_MS: Final = 10_000
_PRAGMAS: Final = (
    f"busy_timeout = {BUSY_MS}",
    "journal_mode = WAL",
    "synchronous = NORMAL",
    "foreign_keys = ON",
    "secure_delete = ON",  # who is forgotten is not left in the file's free pages
    "cache_size = -4000",  # KiB, for each connection: more makes nothing faster
)


def open_engine(url: str, root: Path) -> Engine:
    """Return the engine of a database; a relative SQLite file lies below ``root``.

    Nothing is connected to yet, but a missing folder is made. Raises WorkspaceError where the
    address is none that we know, or the folder cannot be made.
    """
    found = _read_url(url)
    if found.get_backend_name() == "sqlite":
        return _open_sqlite(found, root)
    return create_engine(
        found.set(drivername="postgresql+psycopg"), pool_pre_ping=True, hide_parameters=True
    )


def _read_url(url: str) -> URL:
    try:
        found = make_url(url)
        known = found.drivername in ("sqlite", "postgresql", "postgres", "postgresql+psycopg")
    except (ArgumentError, ValueError):  # a port that is no number
        known = False
    if not known:
        raise WorkspaceError(
            mark(
                "the database “{url}” is not known: write [database] url in infolettre.toml as"
                " sqlite:///var/infolettre.db or postgresql://user@host/name"
            ),
            url=re.sub(r"//[^/@]*@", "//…@", url),  # a password is never shown
        )
    return found


def show_url(url: URL) -> str:
    """Return a database's address for people: no driver, and no password wherever it stands."""
    named = url.set(drivername=url.get_backend_name())
    plain = named.difference_update_query(("password", "sslpassword"))  # libpq takes both there
    return plain.render_as_string(hide_password=True)


def sqlite_file(url: URL, root: Path) -> Path:
    """Return the file of a SQLite database; a relative one lies below ``root``."""
    return root / (url.database or "var/infolettre.db")


def _open_sqlite(url: URL, root: Path) -> Engine:
    file = sqlite_file(url, root)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkspaceError(
            mark("{file} cannot be written ({reason}): check the folder's rights"),
            file=file,
            reason=error.strerror,
        ) from None
    # hide_parameters: no address of a person in a traceback
    engine = create_engine(url.set(database=str(file)), hide_parameters=True)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: sqlite3.Connection, record: object) -> None:
    connection.isolation_level = None  # we begin transactions ourselves, DDL included
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    """Begin; a writer takes its lock at once, since one taken later cannot wait for its turn."""
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that writes: all of it is kept, or nothing. Raises WorldError."""
    with told(engine), engine.connect() as connection:
        connection = connection.execution_options(writes=True)
        with connection.begin():
            yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that only reads. Raises WorldError."""
    with told(engine), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def told(engine: Engine) -> Iterator[None]:
    """Say a database's trouble with the way out; a statement of ours that is wrong stays as is."""
    try:
        yield
    except OperationalError as error:
        raise _trouble(engine, error) from error
    except DBAPIError as error:
        if isinstance(error.orig, sqlite3.DatabaseError) and "not a database" in str(error.orig):
            raise _trouble(engine, error) from error
        raise


def _trouble(engine: Engine, error: DBAPIError) -> WorldError:
    reason = " ".join(str(error.orig).split())[:300]
    shown = show_url(engine.url)
    if "locked" in reason:
        message = mark("the database {url} is in use by another program: try again in a moment")
    elif engine.dialect.name == "sqlite":
        message = mark(
            "the database {url} cannot be used ({reason}): check that the disk has room and that"
            " the file is yours to write"
        )
    else:
        message = mark(
            "the database {url} cannot be reached ({reason}): check that the server runs, and"
            " [database] url in infolettre.toml"
        )
    return WorldError(message, retryable="locked" in reason, url=shown, reason=reason)


def scrub(engine: Engine) -> None:
    """Empty SQLite's log into its file, so that what was erased is in neither.

    While another program reads, the log is emptied as far as it goes, and at the next time.
    """
    if engine.dialect.name == "sqlite":
        with told(engine), engine.connect() as connection:
            raw: Any = connection.connection.driver_connection
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
