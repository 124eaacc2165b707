"""A whole database into another, empty one: how a workspace moves from SQLite to PostgreSQL.

Everything is taken along as it is: people with their consents and the ids in the links that they
were sent, campaigns, deliveries, events. What the rows mean is not known here.
"""

from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection, Engine, Table, func, insert, select, text

from pipeline.errors import InputError
from pipeline.store.engine import reading, show_url, writing
from pipeline.store.tables import metadata
from pipeline.words import mark

PAGE: Final = 5_000  # rows in memory at a time


def copy_store(
    source: Engine, target: Engine, *, on_rows: Callable[[str, int], None] = lambda *_: None
) -> dict[str, int]:
    """Copy every row into a database of the same shape; return how many of each table.

    All of it is kept, or nothing. Raises InputError where the target holds rows already.
    """
    copied: dict[str, int] = {}
    with reading(source) as from_here, writing(target) as to_there:
        for table in metadata.sorted_tables:
            if to_there.scalar(select(select(table).exists())):
                raise InputError(
                    mark("the database {url} is not empty: give the address of a new one"),
                    url=show_url(target.url),
                )
        for table in metadata.sorted_tables:
            copied[table.name] = _copy_table(table, from_here, to_there, on_rows)
            _go_on_counting(table, to_there)
    return copied


def _copy_table(
    table: Table,
    source: Connection,
    target: Connection,
    on_rows: Callable[[str, int], None],
) -> int:
    count = 0
    rows = source.execution_options(yield_per=PAGE).execute(select(table))
    for page in rows.mappings().partitions():
        target.execute(insert(table), [dict(row) for row in page])
        count += len(page)
        on_rows(table.name, count)
    return count


def _go_on_counting(table: Table, target: Connection) -> None:
    """Let PostgreSQL number the next row after those that came with their numbers."""
    if target.dialect.name != "postgresql" or "id" not in table.c:
        return
    if table.c.id.autoincrement is not True:
        return
    highest = target.scalar(select(func.max(table.c.id)))
    if highest is not None:
        target.execute(
            text("SELECT setval(pg_get_serial_sequence(:name, 'id'), :highest)"),
            {"name": table.name, "highest": highest},
        )
