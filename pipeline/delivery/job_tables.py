"""The tables of the jobs: Procrastinate's own, in a schema of PostgreSQL of their own.

What stands in them can be lost (:mod:`pipeline.delivery.jobs` says why), so those of an older
Procrastinate are dropped and made anew; its migrations are not needed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

from procrastinate.schema import SchemaManager
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import ProgrammingError

from pipeline.errors import WorkspaceError
from pipeline.store.engine import writing
from pipeline.words import mark

SCHEMA: Final = "jobs"
_LOCK: Final = 0x1F01_70B5  # any number, the same for all who announce

_NEWER: Final = mark(
    "the jobs in the database have shape {found}, this program knows {expected}: a newer"
    " Infolettre made them, install that one here"
)
_FOREIGN: Final = mark(
    "the database has a schema “{schema}” of another program: give Infolettre a database of its"
    " own, by [database] url in infolettre.toml"
)
_FORBIDDEN: Final = mark(
    "the database's user {user} may not make a schema: let the database's owner run “GRANT CREATE"
    " ON DATABASE {database} TO {user}”"
)


def prepare(engine: Engine) -> None:
    """Make Procrastinate's tables where there are none, or those of an older Procrastinate.

    Raises WorldError where the database is away, WorkspaceError where the schema is another
    program's or a newer Infolettre's, or may not be made.
    """
    with allowed(engine), writing(engine) as connection:
        settle(connection)


def settle(connection: Connection) -> None:
    """Do so in this transaction; until its end, others who do wait."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    query = text(
        "SELECT coalesce(obj_description(oid, 'pg_namespace'), '') FROM pg_namespace"
        " WHERE nspname = :schema"
    )
    found = connection.scalar(query, {"schema": SCHEMA})
    expected = _level()
    if found == expected:
        return
    if found is not None:
        if not found.startswith(_LEVEL):
            raise WorkspaceError(_FOREIGN, schema=SCHEMA)
        if found > expected:
            raise WorkspaceError(
                _NEWER, found=found.removeprefix(_LEVEL), expected=expected.removeprefix(_LEVEL)
            )
        connection.execute(text(f"DROP SCHEMA {SCHEMA} CASCADE"))
    connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
    connection.execute(text(f"COMMENT ON SCHEMA {SCHEMA} IS '{expected}'"))
    with within_schema(connection) as raw:
        raw.execute(SchemaManager.get_schema())


_LEVEL: Final = "Infolettre, Procrastinate "


@cache
def _level() -> str:
    """Return what is written on a schema: the last of the migrations that its tables equal."""
    files = Path(SchemaManager.get_migrations_path()).glob("*.sql")
    return _LEVEL + max(file.stem for file in files)


@contextmanager
def within_schema(connection: Connection) -> Iterator[Any]:
    """Yield psycopg's connection, in this transaction, with the schema's names for names."""
    connection.execute(text(f"SET LOCAL search_path TO {SCHEMA}"))
    yield connection.connection.driver_connection
    connection.execute(text("SET LOCAL search_path TO DEFAULT"))


@contextmanager
def allowed(engine: Engine) -> Iterator[None]:
    """Say to whom a right is missing which it is. Raises WorkspaceError."""
    try:
        yield
    except ProgrammingError as error:
        if not isinstance(error.orig, InsufficientPrivilege):
            raise
        raise WorkspaceError(
            _FORBIDDEN, user=engine.url.username or "", database=engine.url.database or ""
        ) from None
