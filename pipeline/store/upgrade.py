"""The shape of the database: made on first use, brought up to date by ``infolettre db upgrade``.

Each step is a file of ``migrations/versions``, numbered; a test holds their sum against the tables.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, inspect, text

from pipeline.errors import WorkspaceError
from pipeline.store.engine import open_engine, reading, writing
from pipeline.words import mark

#: The newest step; asking it here spares most commands the loading of Alembic.
HEAD: Final = "0004"
_LOCK: Final = 0x1F01_E77E  # any number, the same for all who upgrade


def open_store(url: str, root: Path) -> Engine:
    """Return the engine of a database that has the shape we know; a new one is made at once.

    Raises WorkspaceError, with the next step, where it is older or newer than this program.
    """
    engine = open_engine(url, root)
    try:
        _settle(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


@contextmanager
def opened_store(url: str, root: Path) -> Iterator[Engine]:
    """Open a database as :func:`open_store` does, and close it at the end."""
    engine = open_store(url, root)
    try:
        yield engine
    finally:
        engine.dispose()


def _settle(engine: Engine) -> None:
    with reading(engine) as connection:
        found = current(connection)
    if found is None:
        upgrade(engine)
    elif found != HEAD:
        raise WorkspaceError(_OLDER if found < HEAD else _NEWER, found=found, expected=HEAD)


_OLDER: Final = mark(
    "the database has shape {found}, this program needs {expected}: make a copy of it, then run"
    " “infolettre db upgrade”"
)
_NEWER: Final = mark(
    "the database has shape {found}, this program knows {expected}: it was upgraded by a newer"
    " Infolettre, install that one here"
)


def current(connection: Connection) -> str | None:
    """Return the step that a database is at, None where it is new."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def upgrade(engine: Engine, *, target: str = "head") -> tuple[str | None, str | None]:
    """Bring a database up to date, all steps or none; return where it was and where it is."""
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":  # two programs at their first use
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        before = current(connection)
        if before is not None and before > HEAD:
            raise WorkspaceError(_NEWER, found=before, expected=HEAD)
        _run(connection, target)
        return before, current(connection)


def _run(connection: Connection, target: str) -> None:
    from alembic import command  # here: it is slow to load, and needed once in a version
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    folder = str(Path(__file__).parent / "migrations")
    options: Mapping[str, str] = {"script_location": folder, "path_separator": "os"}
    for name, value in options.items():
        config.set_main_option(name, value.replace("%", "%%"))
    command.upgrade(config, target)
